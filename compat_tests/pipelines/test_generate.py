"""The functions for scripts give what the programs give."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

from aenet_py.errors import AenetError
from aenet_py.formats import text, xsf
from aenet_py.formats.trainset import TrainingSet
from aenet_py.inputs import generate as inputs
from aenet_py.pipelines.generate import generate
from compat_tests.cli.cases import FIXTURES, copy_case
from compat_tests.interfaces.test_ase import as_atoms

CASE = FIXTURES / "behler2011"


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    monkeypatch.chdir(copy_case(CASE, tmp_path / "case"))
    deck = inputs.read("generate.in", lambda message: None)  # noqa: ARG005
    chosen = inputs.read_forces_list("expected/selected.txt", len(deck.structures))
    setups = dict(zip(deck.types, deck.setups, strict=True))
    energies = dict(zip(deck.types, deck.atomic_energies, strict=True))
    paths = [text.native(path) for path in deck.structures]
    return [paths, setups, energies, "ours.train"], list(chosen), deck.output


def test_generate_writes_the_programs_bytes(arguments, tmp_path):
    given, chosen, name = arguments
    summary = generate(*given, forces=chosen)
    assert summary.n_included == len(given[0])
    case = tmp_path / "case"
    assert (case / "ours.train").read_bytes() == (case / "expected" / name).read_bytes()
    found = TrainingSet.read("ours.train")
    assert len(found.structures.entries) == len(given[0])
    assert np.isfinite(found.structures.atoms.features).all()


def test_generate_with_all_forces_or_none(arguments, tmp_path):
    given, _, _ = arguments
    generate(*given, forces=True)
    everything = (tmp_path / "case" / "ours.train.forces").stat().st_size
    generate(*given[:3], "none.train")
    assert not (tmp_path / "case" / "none.train.forces").exists()
    generate(*given[:3], "one.train", forces=[0])
    assert 0 < (tmp_path / "case" / "one.train.forces").stat().st_size < everything


def test_what_is_wrong_is_said_and_nothing_written(arguments, tmp_path):
    paths, setups, energies, output = arguments[0]
    before = sorted((tmp_path / "case").iterdir())
    swapped = dict(zip(setups, reversed(setups.values()), strict=True))
    for given, forces, message in (
        ((paths, setups, {}, output), False, "atomic_energies lacks"),
        ((paths, swapped, energies, output), False, "this set-up is for"),
        ((paths, setups, energies, output), [len(paths)], "forces has the index"),
        ((["nowhere.xsf"], setups, energies, output), False, "nowhere.xsf"),
        ((paths, setups, energies, "generate.in"), False, "exists"),
    ):
        with pytest.raises(AenetError, match=message):
            generate(*given, forces=forces)
        assert sorted((tmp_path / "case").iterdir()) == before


def test_nothing_is_written_when_the_gradients_cannot_get_their_name(arguments, tmp_path, monkeypatch):
    given, chosen, _ = arguments
    replace = os.replace

    def full(source, target):
        if target.endswith(".forces"):
            raise OSError(errno.EIO, "Input/output error")
        replace(source, target)

    before = sorted((tmp_path / "case").iterdir())
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(AenetError, match=r"ours\.train\.forces: cannot be written: Input/output error"):
        generate(*given, forces=chosen)
    assert sorted((tmp_path / "case").iterdir()) == before


def image(path: str):
    """A structure of ASE with what its file holds."""
    atoms, found = as_atoms(Path(path)), xsf.read(path)
    atoms.calc = SinglePointCalculator(atoms, energy=found.energy, forces=found.forces)
    return atoms


def test_structures_of_ase(arguments):
    paths, setups, energies, output = arguments[0]
    generate([Path(path) for path in paths], setups, energies, Path(output), forces=True)
    mixed = [image(path) if number % 3 else path for number, path in enumerate(paths)]
    generate(mixed, setups, energies, "mixed.train", forces=True)
    expected, found = TrainingSet.read(output), TrainingSet.read("mixed.train")
    assert np.array_equal(found.structures.atoms.features, expected.structures.atoms.features)
    assert np.array_equal(found.structures.atoms.forces, expected.structures.atoms.forces)
    names = [paths[0], "structures#1", "structures#2", paths[3]]
    assert [entry.path for entry in found.structures.entries[:4]] == names
    for one, other in zip(found.structures.entries, expected.structures.entries, strict=True):
        assert one.energy == other.energy
    assert generate(paths[0], setups, energies, "one.train").n_included == 1
    assert generate(image(paths[0]), setups, energies, "atoms.train").n_included == 1


def test_what_generate_does_not_take(arguments, tmp_path):
    paths, setups, energies, output = arguments[0]
    before = sorted((tmp_path / "case").iterdir())
    moved, bare = image(paths[0]), as_atoms(Path(paths[0]))
    moved.positions[0] += 0.1
    bare.calc = SinglePointCalculator(bare, energy=1.0)
    for given, options, message in (
        (([moved], setups, energies, output), {}, "structures#0: no energy found"),
        (([bare], setups, energies, output), {}, "structures#0: no forces found"),
        (([], setups, energies, output), {}, "structures is empty"),
        ((None, setups, energies, output), {}, "structures must be paths or structures, not NoneType"),
        (([1], setups, energies, output), {}, "must be ase.Atoms or a Structure, not int"),
        ((paths, list(setups), energies, output), {}, "setups must be a mapping from species to .stp files, not list"),
        ((paths, {}, energies, output), {}, "setups is empty"),
        ((paths, dict.fromkeys(setups), energies, output), {}, "setups must be a path, not None"),
        ((paths, setups, [1.0, 2.0], output), {}, "atomic_energies must be a mapping .* not list"),
        ((paths, setups, dict.fromkeys(setups, np.nan), output), {}, "atomic_energies must be finite numbers"),
        ((paths, setups, dict.fromkeys(setups, "1"), output), {}, "atomic_energies must be finite numbers"),
        ((paths, setups, energies, None), {}, "output must be a path, not None"),
        ((paths, setups, energies, output), {"forces": "all"}, "True, False or indices of structures, not 'all'"),
        ((paths, setups, energies, output), {"forces": [0.5]}, "forces must be True, False or indices"),
        ((paths, setups, energies, output), {"threads": "2"}, "threads must be a number of threads or None, not '2'"),
    ):
        with pytest.raises(AenetError, match=message):
            generate(*given, **options)
        assert sorted((tmp_path / "case").iterdir()) == before
