"""Forces: against a naive sum over the file's gradients, against the energy by finite differences, and the way back."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from aenet_py.formats import gradients as files
from aenet_py.formats import trainset
from aenet_py.formats.records import RecordReader
from aenet_py.inputs import train as inputs
from aenet_py.training import loop, model
from aenet_py.training.data import batches, dataset, packing
from aenet_py.training.data.pairs import Pairs
from compat_tests.cli.cases import FIXTURES, SHARED

CLUSTER = FIXTURES / "cluster-cuau-h2o"
CASES = [CLUSTER / "train-forces-adamw", FIXTURES / "three-species-long-angular/train-forces-adamax-cutoffs"]
if (SHARED / "golden").exists():
    CASES += [SHARED / "golden/periodic-small-cell/train-forces-adagrad-mixed"]
    CASES += [SHARED / "golden/behler2011/train-behler-forces"]
SINGLE = 3e-7  # of single precision, relative to the largest force
FORMS = ("packed", "in full", "on disk", "as tensors", "in pairs")


@pytest.fixture(params=CASES, ids=lambda path: path.parent.name)
def case(request, monkeypatch):
    monkeypatch.chdir(request.param.parent / "expected")
    deck = dataclasses.replace(inputs.read(str(request.param / "train.in")), max_energy=None, max_forces=None)
    if not (request.param.parent / "expected" / files.path_of(deck.training_set)).exists():
        pytest.skip("the gradients are not at hand")
    return deck


def data_of(deck):
    return dataset.prepare(deck, dataset.read(deck))


def read(deck, form, monkeypatch):
    """The data, and a batch of all structures with forces, the last one first."""
    if form == "in full":
        monkeypatch.setattr(dataset, "layout_of", lambda setup, symbols: packing.in_full(layout_of(setup, symbols)))
    if form == "in pairs":
        data = in_pairs(deck, monkeypatch)
    else:
        data = data_of(dataclasses.replace(deck, memory_mode="disk" if form == "on disk" else "cpu"))
    chosen = np.flatnonzero(data.structures.with_forces)[::-1].tolist()
    others = np.flatnonzero(~data.structures.with_forces).tolist()
    (batch,) = batches.assemble(data, [(chosen, others)], as_tensors=form == "as tensors")
    return data, batch.to(torch.device("cpu"))


layout_of = dataset.layout_of


def in_pairs(deck, monkeypatch):
    """The same structures, whose forces are summed without gradients; skipped where these are needed."""
    with_forces, expected = data_of(deck).structures.with_forces, Path.cwd()
    monkeypatch.chdir("..")
    path = str(Path("expected") / deck.training_set)
    data = data_of(dataclasses.replace(deck, training_set=path, memory_mode="recompute"))
    monkeypatch.chdir(expected)
    if not isinstance(data.structures.gradients, Pairs):
        pytest.skip("these features need gradients")
    return dataclasses.replace(data, structures=dataclasses.replace(data.structures, with_forces=with_forces))


def slopes_for(batch, rng):
    return [
        torch.from_numpy(rng.normal(size=f[:n].shape))
        for f, n in zip(batch.features, batch.gradients.rows, strict=True)
    ]


def naive(deck, batch, slopes) -> np.ndarray:
    """The sum written out, from the gradients of the file in double precision."""
    found = trainset.read(deck.training_set)
    by_path, rows = {}, [0] * len(slopes)
    with RecordReader(files.path_of(deck.training_set)) as source:
        atoms: list = []
        for step in files.read(source):
            if isinstance(step, files.GradientEntry):
                atoms = by_path.setdefault(step.path, [])
            else:
                atoms.append(dataclasses.replace(step, others=step.others.copy()))
    symbols, forces = found.header.types, []
    for path in batch.paths[: batch.n_with_forces]:
        atoms = by_path[path]
        networks = np.array([deck.symbols.index(symbols[atom.itype - 1]) for atom in atoms])
        order = np.argsort(networks, kind="stable")
        mine = np.zeros((len(atoms), 3))
        for center in order:
            network, atom = networks[center], atoms[center]
            slope = slopes[network][rows[network]].numpy()
            rows[network] += 1
            mine[center] -= atom.own @ slope
            for j, neighbor in enumerate(atom.neighbors):
                mine[neighbor - 1] -= atom.others[:, :, j] @ slope
        forces.append(mine[order])
    return np.concatenate(forces)


@pytest.mark.parametrize("form", FORMS)
def test_against_a_naive_sum(case, form, monkeypatch):
    _, batch = read(case, form, monkeypatch)
    slopes = slopes_for(batch, np.random.default_rng(3))
    wanted = naive(case, batch, slopes)
    found = batch.gradients.forces(slopes).numpy()
    assert abs(found - wanted).max() < SINGLE * abs(wanted).max()


@pytest.mark.parametrize("form", FORMS)
def test_the_way_back_is_the_transpose(case, form, monkeypatch):
    _, batch = read(case, form, monkeypatch)
    rng = np.random.default_rng(4)
    slopes = slopes_for(batch, rng)
    direction = torch.from_numpy(rng.normal(size=batch.forces.shape))
    back = batch.gradients.slopes(direction)
    one_way = torch.sum(batch.gradients.forces(slopes) * direction)
    other = sum(torch.sum(a * b) for a, b in zip(slopes, back, strict=True))
    assert one_way.item() == pytest.approx(other.item(), rel=1e-11)


@pytest.mark.parametrize("form", FORMS[2:])
def test_all_forms_agree(case, form, monkeypatch):
    """Where gradients are kept, and as what, does not matter beyond the order of sums and, without, their rounding."""
    _, batch = read(case, form, monkeypatch)
    _, other = read(case, "packed", monkeypatch)
    slopes = slopes_for(batch, np.random.default_rng(5))
    found, wanted = batch.gradients.forces(slopes), other.gradients.forces(slopes)
    rounding = SINGLE * abs(wanted).max().item() if form == "in pairs" else 1e-11
    torch.testing.assert_close(found, wanted, rtol=1e-11, atol=rounding)
    for a, b in zip(batch.gradients.slopes(found), other.gradients.slopes(found), strict=True):
        rounding = SINGLE * abs(b).max().item() if form == "in pairs" else 1e-10
        torch.testing.assert_close(a, b, rtol=1e-10, atol=rounding)


def test_chebyshev_gradients_are_packed(case):
    """Less than half of the numbers remain; the other bases are kept in full, but for an atom's own."""
    data = data_of(case)
    packed = data.structures.gradients
    size = 8 * packed.store.length / (CLUSTER / "expected/cluster.train.forces").stat().st_size
    if data.setups[0].basis.strip() == "Chebyshev":
        assert all(layout.n_radial for layout in packed.layouts)
        if "cluster" in case.training_set:
            assert size < 0.5
    else:
        assert all(layout.closed and not layout.n_radial for layout in packed.layouts)


def test_forces_are_the_gradient_of_the_energy(monkeypatch):
    """Features that follow their gradients along a direction change the energy by minus the force in it."""
    monkeypatch.chdir(CLUSTER / "expected")
    deck = inputs.read(str(CLUSTER / "train-forces-adamw/train.in"))
    torch.manual_seed(1)
    data, batch = read(deck, "packed", monkeypatch)
    networks = model.draw([44] * 4, deck.networks, torch.device("cpu"))
    scales = [torch.from_numpy(values) for values in data.feature_scales]
    forces = loop.evaluate(networks, batch, scales).forces
    direction = torch.from_numpy(np.random.default_rng(2).normal(size=forces.shape))
    # Minus the derivative of the features along the direction: the transpose of the forces' sum.
    along = batch.gradients.slopes(direction)
    step = 1e-4

    def energy(distance: float) -> float:
        features = [values.clone() for values in batch.features]
        for values, change, scale in zip(features, along, scales, strict=True):
            values[: len(change)] -= distance * scale * change
        moved = dataclasses.replace(batch, features=features, gradients=None)
        return loop.evaluate(networks, moved, scales).energies.sum().item()

    slope = (energy(step) - energy(-step)) / (2 * step)
    assert slope == pytest.approx(-(forces * direction).sum().item(), rel=1e-6)
