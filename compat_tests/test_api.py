"""The functions for scripts give what the programs give."""

from __future__ import annotations

import numpy as np
import pytest

from aenet_py.api import TrainingSet, generate
from aenet_py.errors import AenetError
from aenet_py.formats import text
from aenet_py.inputs import generate as inputs
from compat_tests.cli.cases import FIXTURES, copy_case

CASE = FIXTURES / "behler2011"


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    monkeypatch.chdir(copy_case(CASE, tmp_path / "case"))
    deck = inputs.read("generate.in", lambda message: None)  # noqa: ARG005
    chosen = inputs.read_forces_list("expected/selected.txt", len(deck.structures))
    setups = dict(zip(deck.types, deck.setups, strict=True))
    energies = dict(zip(deck.types, deck.atomic_energies, strict=True))
    paths = [text.native(path) for path in deck.structures]
    return [paths, setups, energies, "ours.train"], [number - 1 for number in chosen], deck.output


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
        ((paths, setups, {}, output), False, "found no atomic energy of"),
        ((paths, swapped, energies, output), False, "this set-up is for"),
        ((paths, setups, energies, output), [len(paths)], "expected numbers below"),
        ((["nowhere.xsf"], setups, energies, output), False, "nowhere.xsf"),
        ((paths, setups, energies, "generate.in"), False, "exists"),
    ):
        with pytest.raises(AenetError, match=message):
            generate(*given, forces=forces)
        assert sorted((tmp_path / "case").iterdir()) == before
