"""Derivatives of energies and forces by the weights, against finite differences and torch's automatic ones."""

from __future__ import annotations

import dataclasses
import os
import shutil

import pytest
import torch

from aenet_py.inputs import train as inputs
from aenet_py.training import loop, model
from aenet_py.training.data import batches, dataset
from aenet_py.training.ranks import ALONE
from aenet_py.training.secondorder import jacobian
from compat_tests.cli.test_train import CLUSTER, edited

STEP = 1e-4  # of the weights
WITHIN = 1e-8  # of the largest derivative


@pytest.fixture
def deck(tmp_path, monkeypatch):
    """The cluster with forces; activation functions of all kinds."""
    for name in ("cluster.train", "cluster.train.forces"):
        shutil.copyfile(CLUSTER / "expected" / name, tmp_path / name)
    shutil.copyfile(CLUSTER / "train-forces-adamw/train.in", tmp_path / "train.in")
    os.chmod(tmp_path / "train.in", 0o644)
    edited(tmp_path, ("cluster.train.ascii", "cluster.train"), ("10:tanh 10:tanh", "6:tanh 4:sigmoid"))
    monkeypatch.chdir(tmp_path)
    return inputs.read("train.in")


def batch_of(deck, n_with_forces: int | None = None):
    """Networks, a batch of all structures, and scales; n_with_forces : by default all that have any."""
    torch.manual_seed(1)
    data = dataset.prepare(deck, dataset.read(deck))
    has_forces = data.structures.with_forces
    chosen, most = [*has_forces.nonzero()[0], *(~has_forces).nonzero()[0]], int(has_forces.sum())
    n = most if n_with_forces is None else n_with_forces
    assert n <= most
    networks = model.draw([setup.n_features for setup in data.setups], deck.networks, torch.device("cpu"))
    scales = [torch.from_numpy(scale) for scale in data.feature_scales]
    return networks, batches.join(data, chosen[:n], chosen[n:], ALONE), scales


def whole(networks, batch, scales, most: int = 10**6) -> torch.Tensor:
    """All rows, in the order of errors; most : rows of a block."""
    n_forces = 0 if batch.forces is None else batch.forces.numel()
    rows = torch.full((len(batch.energies) + n_forces, len(networks.values)), torch.nan, dtype=torch.float64)
    for places, block in jacobian.blocks(networks, batch, loop.evaluate(networks, batch, scales), scales, most):
        rows[places] = block
    return rows


@pytest.mark.parametrize("n_with_forces", [None, 3, 0])
@pytest.mark.parametrize("most", [1, 1 << 23])
@torch.no_grad()
def test_finite_differences(n_with_forces, most, deck, monkeypatch):
    """most : values that are expanded together, and rows of a block, of which one structure has more."""
    monkeypatch.setattr(jacobian, "MOST_VALUES", most)
    networks, batch, scales = batch_of(deck, n_with_forces)
    rows = whole(networks, batch, scales, most)
    assert rows.abs().max(dim=0).values.count_nonzero() == rows.shape[1]
    torch.manual_seed(2)
    for _ in range(3):
        along = torch.randn_like(networks.values)
        found, wanted = rows @ along, torch.zeros(len(rows), dtype=torch.float64)
        for n_steps, weight in ((1, 8), (-1, -8), (2, -1), (-2, 1)):  # to fourth order
            moved = networks.like(networks.values + n_steps * STEP * along)
            wanted -= weight / (12 * STEP) * jacobian.errors(batch, loop.evaluate(moved, batch, scales))
        for part in (slice(0, len(batch.energies)), slice(len(batch.energies), None)):
            if len(found[part]):
                torch.testing.assert_close(
                    found[part], wanted[part], rtol=0, atol=WITHIN * float(wanted[part].abs().max())
                )


@torch.no_grad()
def test_on_a_device(deck):
    """Gradients as tensors, which devices need, give the same."""
    networks, batch, scales = batch_of(deck, 3)
    as_tensors = dataclasses.replace(batch, gradients=batch.gradients.as_tensors())
    found, wanted = (whole(networks, each, scales) for each in (as_tensors, batch))
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("alpha", [0.1, 0.9, 1.0])
@torch.no_grad()
def test_weights_give_the_gradient_of_the_loss(alpha, deck):
    """J^T W errors is proportional to the gradient of the trainer's loss."""
    networks, batch, scales = batch_of(deck, 5)
    found = loop.evaluate(networks, batch, scales)
    terms = loop.terms(batch, found, ALONE)
    wanted = loop.gradient(networks, batch, found, terms, scales, loop.Shares(alpha))
    errors = loop.Sums().plus(terms).errors(loop.Shares(alpha))
    weights = jacobian.weights_of(alpha, errors.energy, errors.force, terms.energy_weight, terms.force_weight)
    squares = jacobian.roots(batch, weights) ** 2
    rows = whole(networks, batch, scales)
    step = rows.T @ (squares * jacobian.errors(batch, found))
    factor = -errors.energy * terms.energy_weight
    torch.testing.assert_close(step / factor, wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max()))


def test_weights_without_forces():
    assert jacobian.weights_of(0.25, 0.1, 0.0, 5, 0) == jacobian.Weights(0.75, 0.0)
    assert jacobian.weights_of(0.25, 0.1, 0.0, 5, 9) == jacobian.Weights(0.75, 0.0)
