"""Reading gradients for training: any form, any size of the buffer, and files that are not right."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from aenet_py.errors import InputError
from aenet_py.formats import gradients as files
from aenet_py.formats.records import RecordReader
from aenet_py.inputs import train as inputs
from compat_tests.cli.cases import FIXTURES
from compat_tests.training.data import test_forces

CLUSTER = FIXTURES / "cluster-cuau-h2o"
FORCES = Path("cluster.train.forces")


@pytest.fixture
def deck(tmp_path, monkeypatch):
    for path in CLUSTER.glob("expected/cluster.train*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    return inputs.read(str(CLUSTER / "train-forces-adamw/train.in"))


def rewrite(change) -> None:
    """The file of gradients anew, each atom changed: change(number, atom) -> atom."""
    with RecordReader(str(FORCES)) as source:
        steps = [
            dataclasses.replace(step, others=step.others.copy()) if isinstance(step, files.AtomGradients) else step
            for step in files.read(source)
        ]
    content, most, number = [files.header(14)], 0, 0
    for step in steps:
        if isinstance(step, files.GradientEntry):
            content.append(files.structure(step.path, step.n_atoms, step.n_types, step.selected))
            continue
        atom = change(number, step)
        number, most = number + 1, max(most, len(atom.neighbors))
        width = atom.own.shape[1]
        arrays = (np.ascontiguousarray(values, dtype="<f8") for values in (atom.own, atom.others))
        buffers = files.atom(
            atom.itype, width, atom.neighbors.astype("<i4"), *(memoryview(a.tobytes()) for a in arrays)
        )
        content += [bytes(buffer) for buffer in buffers]
    FORCES.write_bytes(b"".join([*content, files.footer(most)]))


def compare_with_naive(deck, monkeypatch):
    _, batch = test_forces.read(deck, "packed", monkeypatch)
    slopes = test_forces.slopes_for(batch, np.random.default_rng(3))
    wanted = test_forces.naive(deck, batch, slopes)
    assert abs(batch.gradients.forces(slopes).numpy() - wanted).max() < test_forces.SINGLE * abs(wanted).max()
    return batch


@pytest.mark.usefixtures("deck")
def test_rewriting_changes_nothing():
    before = FORCES.read_bytes()
    rewrite(lambda _, atom: atom)
    assert FORCES.read_bytes() == before


@pytest.mark.parametrize("what", ["own", "direction", "weight", "angular own"])
def test_gradients_of_another_form_are_kept_in_full(what, deck, monkeypatch):
    """One atom that breaks a rule by more than rounding is enough."""

    def change(number, atom):
        own, others = atom.own.copy(), atom.others.copy()
        if number == 17:
            if what == "own":
                own[1, 4] *= 1 + 1e-6
            elif what == "direction":
                others[0, 3, 2] += 1e-6
                own[0, 3] -= 1e-6
            elif what == "weight":
                others[:, 24, 1] *= 1 + 1e-6
                own[:, 24] = -others[:, 24].sum(axis=1)
            else:
                own[2, 20] += 1e-3
        return dataclasses.replace(atom, own=own, others=others)

    rewrite(change)
    batch = compare_with_naive(deck, monkeypatch)
    assert not any(centers.layout.closed for centers in batch.gradients.species)


@pytest.mark.parametrize("ahead", [1, 5000, 30_000])
def test_any_size_of_the_buffer(ahead, deck, monkeypatch):
    monkeypatch.setattr(files, "AHEAD", ahead)
    batch = compare_with_naive(deck, monkeypatch)
    assert all(centers.layout.n_radial for centers in batch.gradients.species)


def test_atoms_without_neighbours(deck, monkeypatch):
    def lonely(number, atom):
        if number % 3:
            return atom
        own, others = np.zeros_like(atom.own), atom.others[:, :, :0]
        return dataclasses.replace(atom, neighbors=atom.neighbors[:0], own=own, others=others)

    rewrite(lonely)
    compare_with_naive(deck, monkeypatch)


def failing(deck) -> str:
    with pytest.raises(InputError) as caught:
        test_forces.data_of(deck)
    return str(caught.value)


def test_another_species_or_number_of_features(deck):
    original = FORCES.read_bytes()
    rewrite(lambda number, atom: dataclasses.replace(atom, itype=4) if number == 5 else atom)
    assert "cluster.train.forces: found species 4 with 44 features" in failing(deck)
    FORCES.write_bytes(original)
    rewrite(
        lambda number, atom: (
            dataclasses.replace(atom, own=atom.own[:, :40], others=atom.others[:, :40]) if number == 7 else atom
        )
    )
    assert "found species " in (error := failing(deck))
    assert "with 40 features" in error


def test_gradients_that_are_not_finite(deck):
    def change(number, atom):
        others = atom.others.copy()
        if number == 9:
            others[0, 30, 0] = np.nan
        return dataclasses.replace(atom, others=others)

    rewrite(change)
    assert "has gradients that are not finite" in failing(deck)


@pytest.mark.parametrize("share", [0.03, 0.2, 0.5, 0.99])
def test_files_that_are_cut_short(share, deck):
    content = FORCES.read_bytes()
    FORCES.write_bytes(content[: int(share * len(content))])
    assert "cluster.train.forces: record " in failing(deck)


def test_damage_anywhere_is_noticed(deck):
    """A marker, a count, a species or a neighbour that is wrong, in the middle of the file."""
    content = FORCES.read_bytes()
    with RecordReader(str(FORCES)) as source:
        atoms = (step for step in files.read(source) if isinstance(step, files.AtomGradients))
        places = [(source.offset, len(atom.neighbors)) for atom in atoms]
    start, n = places[3][0], places[4][1]
    own = start + 32 + 4 * n + 4
    for at in (
        start,
        start + 4,
        start + 8,
        start + 12,
        start + 16,
        start + 20,
        start + 24,
        start + 28,
        start + 32,
        own,
    ):
        damaged = bytearray(content)
        damaged[at + 1] ^= 0x55
        FORCES.write_bytes(damaged)
        assert "cluster.train.forces: " in failing(deck)
