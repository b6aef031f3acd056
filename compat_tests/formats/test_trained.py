"""Tables written by the original's trainer, and other files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aenet_py.errors import InputError
from aenet_py.formats import trained
from aenet_py.formats.trained import energy_line, error_lines, force_lines
from compat_tests.cli.cases import golden_files, name_of


def filled(name: str) -> list[Path]:
    """Tables of the original, without the empty ones of sets without structures or forces."""
    return [path for path in golden_files(f"*/train*/expected/{name}.*") if path.stat().st_size]


@pytest.mark.parametrize("path", filled("energies"), ids=name_of)
def test_energies(path):
    found = trained.read_energies(str(path))
    lines = path.read_text("latin-1").splitlines()
    assert list(found.paths) == [line.split(None, 5)[5] for line in lines]
    table = np.array([line.split()[:5] for line in lines], dtype=float)
    assert np.array_equal(found.n_atoms, table[:, 0])
    assert np.allclose(found.reference * found.n_atoms, table[:, 1], rtol=0, atol=1e-9)
    assert np.allclose(np.transpose([found.reference, found.predicted]), table[:, 3:], rtol=0, atol=1.01e-6)


@pytest.mark.parametrize("path", filled("forces"), ids=name_of)
def test_forces(path):
    found = trained.read_forces(str(path))
    lines = path.read_text("latin-1").splitlines()
    heads = [line.split(None, 3) for line in lines if line.startswith("#")]
    assert found.paths == tuple(head[3] for head in heads)
    assert np.diff(found.starts).tolist() == [int(head[1]) for head in heads]
    table = np.array([line.split()[2:] for line in lines if not line.startswith("#")], dtype=float)
    assert np.array_equal(np.hstack([found.reference, found.predicted]), table)


@pytest.mark.parametrize("path", golden_files("*/train*/expected/train.error"), ids=name_of)
def test_errors(path):
    found = trained.read_errors(str(path))
    parts = [found.total] + ([] if found.force_vectors is None else [found.energies, found.force_vectors])
    rows = zip(found.epochs.tolist(), np.hstack(parts).tolist(), strict=True)
    assert error_lines(list(rows), found.forces is not None) == path.read_text()
    if found.forces is None:
        assert found.energies is found.total


def test_paths_may_have_blanks(tmp_path):
    forces = np.arange(6.0).reshape(2, 3)
    (tmp_path / "energies.test").write_text(energy_line("a folder/b c.xsf", 2, -1.0, -1.5))
    (tmp_path / "forces.test").write_text("".join(force_lines("a folder/b c.xsf", forces, forces)))
    for found in (
        trained.read_energies(str(tmp_path / "energies.test")),
        trained.read_forces(str(tmp_path / "forces.test")),
    ):
        assert found.paths == ("a folder/b c.xsf",)


BAD = [
    (trained.read_energies, "12 1.0 2.0 3.0 path\n", ":1: found '12 1.0 2.0 3.0 path'; expected atoms, four energies"),
    (trained.read_energies, "12 1.0 2.0 3.0 x path\n", ":1: found '12 1.0 2.0 3.0 x'; expected numbers"),
    (trained.read_energies, "0 1.0 2.0 3.0 4.0 path\n", ":1: found a structure without atoms"),
    (trained.read_energies, "", "this file is empty; expected a table of energies"),
    (trained.read_forces, "nonsense\n", ":1: found 'nonsense'; expected '# atoms error path'"),
    (trained.read_forces, "# 2 0.1 path\n0 1 1 1 1 1 1 1\n", ":1: found 1 atoms; expected 2"),
    (trained.read_forces, "# 1 0.1 path\n0 1 1 1 1 1 1\n", ":2: found '0 1 1 1 1 1 1'; expected an atom, its error"),
    (trained.read_forces, "# 1 0.1 path\n0 1 1 1 1 1 1 x\n", ":2: found '0 1 1 1 1 1 1 x'; expected numbers"),
    (trained.read_errors, "0 1 2 3\n", ":1: found '0 1 2 3'; expected an epoch and two or six errors"),
    (trained.read_errors, "0 1 2\n1 1\n", ":2: found '1 1'; expected"),
    (trained.read_errors, "0 1 x\n", ":1: found '0 1 x'; expected numbers"),
]


@pytest.mark.parametrize(("read", "content", "message"), BAD)
def test_other_files(tmp_path, read, content, message):
    path = tmp_path / "table"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read(str(path))
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
