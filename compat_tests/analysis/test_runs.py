"""Errors of trainings, against a plain implementation and the values printed by the original."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aenet_py.analysis import runs
from aenet_py.errors import AenetError
from compat_tests.analysis.folders import training
from compat_tests.cli.cases import FIXTURES

GOLDEN = FIXTURES / "cluster-cuau-h2o" / "train-forces-adamw" / "expected"


def test_quality_is_what_its_names_say():
    generator = np.random.default_rng(0)
    reference = generator.normal(size=50)
    found = reference + 0.1 * generator.normal(size=50)
    squares = absolute = spread = largest = 0.0
    for a, b in zip(reference, found, strict=True):
        squares, absolute, largest = squares + (a - b) ** 2, absolute + abs(a - b), max(largest, abs(a - b))
        spread += (a - sum(reference) / 50) ** 2
    q = runs.quality(reference, found)
    assert q.n == 50
    assert np.allclose(
        [q.rmse, q.mae, q.max_error, q.r2], [math.sqrt(squares / 50), absolute / 50, largest, 1 - squares / spread]
    )
    assert math.isnan(runs.quality(reference[:1], found[:1]).r2)
    assert runs.row("energy_eV_per_atom", "test", runs.quality(reference[:1], found[:1]))["r2"] == ""


def test_the_original_finds_the_same_errors_of_its_test_set():
    run = runs.read(str(GOLDEN))
    found = runs.qualities(run)
    assert list(found) == [(q, part) for q in runs.QUANTITIES for part in ("train", "test")]
    assert np.isclose(found[runs.ENERGY, "test"].rmse, run.errors.energies[-1, 1], atol=1e-6)
    assert np.isclose(found[runs.FORCE, "test"].rmse, run.errors.forces[-1, 1], atol=1e-6)
    last = float((GOLDEN / "train.error").read_text().split()[-1])  # of vectors
    assert np.isclose(math.sqrt(3) * found[runs.FORCE, "test"].rmse, last, atol=1e-6)


def test_errors_of_structures(tmp_path):
    run = runs.read(training(tmp_path / "run", 1, 0.01))
    energies, forces = run.deviations(runs.ENERGY, "test"), run.deviations(runs.FORCE, "test")
    assert list(energies) == list(forces) == [(f"test/{k}.xsf", 0) for k in range(20)]
    assert np.isclose(np.mean(list(energies.values())), runs.qualities(run)[runs.ENERGY, "test"].mae)
    n_atoms = np.diff(run.forces["test"].starts)
    assert np.isclose(np.average(list(forces.values()), weights=n_atoms), runs.qualities(run)[runs.FORCE, "test"].mae)
    text = (tmp_path / "run/energies.test").read_text().splitlines(keepends=True)
    (tmp_path / "run/energies.test").write_text(text[0] + text[1] + text[0])
    keys = runs.read(str(tmp_path / "run")).deviations(runs.ENERGY, "test")
    assert list(keys) == [("test/0.xsf", 0), ("test/1.xsf", 0), ("test/0.xsf", 1)]


def test_folders_that_hold_no_training(tmp_path):
    with pytest.raises(AenetError, match="no such folder; give the folder of a training"):
        runs.read(str(tmp_path / "nowhere"))
    with pytest.raises(AenetError, match=r"no train\.error, energies\.\* or forces\.\* in this folder"):
        runs.read(str(tmp_path))
