"""Networks in NumPy: gradients of all activation functions, and atoms one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from aenet_py.formats.potential import ACTIVATIONS, Network
from aenet_py.potentials import kernels
from aenet_py.training.trainx import networks
from aenet_py.training.trainx.networks import Structures

STEP, TOLERANCE = 1e-5, 1e-8


@pytest.fixture(params=ACTIVATIONS)
def problem(request):
    """Five structures of two species, of which one lacks the first, and networks of different depth."""
    draws = np.random.default_rng(7)
    function = ACTIVATIONS.index(request.param)
    shapes = [([3, 4, 2, 1], [function, function, 0]), ([5, 3, 1], [function, 0])]
    given = [
        Network.of(nodes, functions, draws.normal(size=sum((a + 1) * b for a, b in itertools.pairwise(nodes))))
        for nodes, functions in shapes
    ]
    owners = (np.array([0, 0, 1, 3, 4]), np.array([0, 1, 1, 2, 2, 3, 4]))
    structures = Structures(
        energies=draws.normal(size=5),
        sizes=np.bincount(np.concatenate(owners)).astype(float),
        features=(draws.normal(size=(5, 3)), draws.normal(size=(7, 5))),
        owners=owners,
    )
    return structures, given, np.concatenate([network.weights for network in given])


def test_gradient_by_finite_differences(problem):
    structures, given, weights = problem
    layers = networks.layers_of(given)
    gradient = networks.evaluate(structures, layers, weights).gradient
    for place in range(len(weights)):
        moved = [weights.copy(), weights.copy()]
        moved[0][place] += STEP
        moved[1][place] -= STEP
        up, down = (networks.evaluate(structures, layers, w).loss for w in moved)
        assert abs((up - down) / (2 * STEP) - gradient[place]) < TOLERANCE * max(1.0, abs(gradient[place]))


def test_sensitivities_of_single_structures(problem):
    structures, given, weights = problem
    layers = networks.layers_of(given)
    whole = networks.evaluate(structures, layers, weights)
    parts = [networks.sensitivity(part, layers, weights) for part in networks.singles(structures)]
    np.testing.assert_allclose([error for error, _ in parts], whole.errors, rtol=1e-12, atol=1e-13)
    gradient = -sum(error * slopes for error, slopes in parts)
    np.testing.assert_allclose(gradient, whole.gradient, rtol=1e-11, atol=1e-12)


def test_errors_are_those_of_the_atoms_one_by_one(problem):
    structures, given, weights = problem
    predicted = np.zeros(5)
    for network, features, owners in zip(given, structures.features, structures.owners, strict=True):
        for row, owner in zip(features, owners, strict=True):
            predicted[owner] += energy(network, row)
    expected = (structures.energies - predicted) / structures.sizes
    layers = networks.layers_of(given)
    np.testing.assert_allclose(networks.errors(structures, layers, weights), expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(networks.evaluate(structures, layers, weights).errors, expected, rtol=1e-12, atol=1e-13)


def test_structures_one_by_one(problem):
    structures, given, weights = problem
    layers = networks.layers_of(given)
    whole = networks.evaluate(structures, layers, weights)
    parts = [networks.evaluate(single, layers, weights) for single in networks.singles(structures)]
    np.testing.assert_allclose(np.concatenate([part.errors for part in parts]), whole.errors, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(sum(part.gradient for part in parts), whole.gradient, rtol=1e-10, atol=1e-12)


def energy(network: Network, values: np.ndarray) -> float:
    start = 0
    for n, after, function in zip(network.nodes, network.nodes[1:], network.activations, strict=False):
        block = network.weights[start : start + (n + 1) * after].reshape(n + 1, after)
        start += (n + 1) * after
        values = np.array([kernels.activate(function, x)[0] for x in values @ block[:-1] + block[-1]])
    return float(values[0])


def test_large_arguments_give_finite_numbers():
    for function in range(len(ACTIVATIONS)):
        values, slopes = networks.activate(function, np.array([-1e4, 1e4]))
        assert np.isfinite(values).all()
        assert slopes is None or np.isfinite(slopes).all()
