"""The shifts of a transfer: what least squares must do, and what they must not; weights to potentials and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aenet_py.inputs.train import NetworkInput
from aenet_py.training import model
from aenet_py.training.source import in_full
from aenet_py.training.transfer import fit


def counts(seed: int, n: int, n_species: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 9, size=(n, n_species)).astype(float)


@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 5))
@settings(max_examples=60)
def test_nothing_is_missing_on_average(seed, n, n_species):
    atoms = counts(seed, n, n_species)
    fractions = atoms / atoms.sum(axis=1)[:, None]
    missing = np.random.default_rng(seed + 1).normal(size=n)
    found = fit(missing, fractions, np.ones(n_species, dtype=bool))
    left = missing - fractions @ found
    assert abs(left.mean()) < 1e-12
    assert (left**2).sum() <= (missing**2).sum() * (1 + 1e-12)
    if n > n_species:
        assert abs(fractions.T @ left).max() < 1e-9  # the least squares


@given(st.integers(0, 10**6), st.integers(1, 5))
@settings(max_examples=30)
def test_shifts_that_are_there_are_found(seed, n_species):
    atoms = counts(seed, 40, n_species)
    fractions = atoms / atoms.sum(axis=1)[:, None]
    shifts = np.random.default_rng(seed + 1).normal(size=n_species)
    found = fit(fractions @ shifts, fractions, np.ones(n_species, dtype=bool))
    assert found == pytest.approx(shifts, abs=1e-9)


def test_one_composition_gets_the_smallest_shifts():
    fractions = np.tile([0.5, 0.25, 0.25, 0.0], (7, 1))
    found = fit(np.full(7, 0.3), fractions, np.ones(4, dtype=bool))
    assert found == pytest.approx(0.3 * fractions[0] / (fractions[0] ** 2).sum(), abs=1e-12)


def test_only_the_species_asked_for_are_shifted():
    atoms = counts(1, 20, 3)
    fractions = atoms / atoms.sum(axis=1)[:, None]
    missing = fractions @ np.array([0.0, 0.7, 0.0])
    assert fit(missing, fractions, np.array([False, True, False])) == pytest.approx([0, 0.7, 0], abs=1e-12)
    assert not fit(missing, fractions, np.zeros(3, dtype=bool)).any()


def test_weights_go_to_a_potential_and_back():
    torch.manual_seed(1)
    network = NetworkInput("A", "A.nn", (5, 3), ("tanh", "sigmoid"))
    first, second = (model.draw([4], [network], torch.device("cpu")) for _ in range(2))
    assert not torch.equal(first.values, second.values)
    model.take_weights(second.species[0], model.network_of(first.species[0], network).weights)
    assert torch.equal(first.values, second.values)


def test_weights_in_full_precision_are_those_that_were_rounded():
    full = np.array([0.1 + 1e-16, 3e-9 + 4e-18, -7.25])
    rounded = np.array([float(f"{value:.17f}") for value in full])
    assert (rounded != full).any()
    assert in_full(rounded, [full + 1e-12, full[:2], full]) is full
    assert in_full(rounded, [full + 1e-12]) is None
