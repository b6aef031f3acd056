"""Forces: against a naive sum, against the energy by finite differences, and the way back through them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aenet_py.inputs import train as inputs
from aenet_py.training import batches, dataset
from aenet_py.training.forces import Forces, Gradients, Place
from aenet_py.training.model import Networks
from compat_tests.cli.cases import FIXTURES

WIDTHS = (3, 5)  # features of the two species


def random_gradients(rng: np.random.Generator, n_atoms: int, n_centers: int, width: int) -> Gradients:
    counts = rng.integers(1, 30, n_centers)
    values = rng.normal(size=3 * width * counts.sum()).astype(np.float32)
    starts = 3 * width * (np.cumsum(counts) - counts)
    return Gradients(values, starts, counts, rng.integers(0, n_atoms, counts.sum()))


@pytest.fixture
def random_batch():
    """Gradients and places of three structures; the second has no atom of the first species."""
    rng = np.random.default_rng(8)
    gradients, places, first_atom, rows = [], [], 0, [0, 0]
    for centers in ((2, 3), (0, 4), (1, 1)):
        n = sum(centers)
        gradients.append([random_gradients(rng, n, c, w) for c, w in zip(centers, WIDTHS, strict=True)])
        places.append(
            Place(slice(first_atom, first_atom + n), tuple(slice(r, r + c) for r, c in zip(rows, centers, strict=True)))
        )
        first_atom += n
        rows = [r + c for r, c in zip(rows, centers, strict=True)]
    slopes = [torch.from_numpy(rng.normal(size=(n, w))).requires_grad_(True) for n, w in zip(rows, WIDTHS, strict=True)]
    return first_atom, gradients, places, slopes


def naive(n_atoms, gradients, places, slopes) -> np.ndarray:
    forces = np.zeros((n_atoms, 3))
    for structure, place in zip(gradients, places, strict=True):
        for species, found in enumerate(structure):
            pair = 0
            rows = range(*place.rows[species].indices(99))
            for row, start, n in zip(rows, found.starts, found.counts, strict=True):
                block = found.values[start : start + 3 * WIDTHS[species] * n].reshape(3, WIDTHS[species], n)
                for j in range(n):
                    for x in range(3):
                        pull = sum(
                            float(block[x, f, j]) * slopes[species][row, f].item() for f in range(WIDTHS[species])
                        )
                        forces[place.atoms.start + found.atoms[pair + j], x] -= pull
                pair += n
    return forces


def test_against_a_naive_sum(random_batch):
    n_atoms, gradients, places, slopes = random_batch
    found = Forces.apply(n_atoms, gradients, places, *slopes)
    np.testing.assert_allclose(found.detach().numpy(), naive(*random_batch), rtol=1e-12, atol=1e-12)


def test_the_way_back(random_batch):
    n_atoms, gradients, places, slopes = random_batch
    assert torch.autograd.gradcheck(lambda *s: Forces.apply(n_atoms, gradients, places, *s), slopes)


def test_forces_are_the_gradient_of_the_energy(monkeypatch):
    """Features that follow their gradients along a direction change the energy by minus the force in it."""
    monkeypatch.chdir(FIXTURES / "cluster-cuau-h2o/expected")
    deck = inputs.read(str(FIXTURES / "cluster-cuau-h2o/train-forces-adamw/train.in"))
    torch.manual_seed(1)
    data = dataset.read(deck)
    part = batches.join(data.with_forces[:3], 4)
    networks = Networks([44] * 4, deck.networks)
    _, found = networks.energies_and_forces(part, data.feature_scales, training=False)
    direction = np.random.default_rng(2).normal(size=found.shape)
    step = 1e-4

    def energy(distance: float) -> float:
        features = [values.clone() for values in part.features]
        for structure, place in zip(part.gradients, part.places, strict=True):
            along = direction[place.atoms]
            for species, found in enumerate(structure):
                pair = 0
                rows = range(*place.rows[species].indices(999))
                for row, start, n in zip(rows, found.starts, found.counts, strict=True):
                    block = found.values[start : start + 3 * 44 * n].reshape(3, 44, n).astype(float)
                    moved = np.einsum("xfn,nx->f", block, along[found.atoms[pair : pair + n]])
                    features[species][row] += distance * data.feature_scales[species] * torch.from_numpy(moved)
                    pair += n
        with torch.no_grad():
            return networks.energies(batches.Part(**{**vars(part), "features": features})).sum().item()

    slope = (energy(step) - energy(-step)) / (2 * step)
    assert slope == pytest.approx(-(found.numpy() * direction).sum(), rel=1e-6)
