"""Levenberg-Marquardt: the Jacobian, the equations of a step, and steps that diverge; batches and SAMPLING."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from aenet_py.formats.potential import Network
from aenet_py.training.trainx import lm, networks, sampling
from aenet_py.training.trainx.networks import Structures
from compat_tests.training.trainx.test_networks import STEP, problem

__all__ = ["problem"]  # a fixture


def test_jacobian_by_finite_differences(problem):
    structures, given, weights = problem
    layers = networks.layers_of(given)
    errors, jacobian = networks.jacobian(structures, layers, weights)
    np.testing.assert_array_equal(errors, networks.errors(structures, layers, weights))
    for place in range(len(weights)):
        moved = [weights.copy(), weights.copy()]
        moved[0][place] += STEP
        moved[1][place] -= STEP
        up, down = (networks.errors(structures, layers, w) for w in moved)
        np.testing.assert_allclose((up - down) / (2 * STEP), jacobian[:, place], rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("copies", [1, 20])
def test_a_step_solves_the_damped_equations(problem, copies):
    structures, given, weights = problem
    layers = networks.layers_of(given)
    batch = networks.take(structures, np.tile(np.arange(5), copies))  # fewer structures than weights, or more
    errors, jacobian = networks.jacobian(batch, layers, weights)
    assert (len(errors) < len(weights)) == (copies == 1)
    _, new = lm.step(lm.State(0.1), batch, layers, weights, 10.0)
    change = np.linalg.solve(jacobian.T @ jacobian + 0.1 * np.eye(len(weights)), jacobian.T @ errors)
    np.testing.assert_allclose(new, weights - change, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("cycle", [0, 1])
def test_a_higher_loss_is_retried_with_more_damping(problem, cycle):
    structures, given, weights = problem
    layers = networks.layers_of(given)
    worse = dataclasses.replace(structures, energies=structures.energies + 1e3)
    state, weights_of_step = lm.step(lm.State(0.1, cycle), structures, layers, weights, 10.0)
    moves = []
    while state.pending is not None:
        state, weights_of_step = lm.step(state, worse, layers, weights_of_step, 10.0)
        moves.append(np.abs(weights_of_step - weights).max())
    n_retries = 5 - cycle
    assert len(moves) == n_retries + 1
    assert moves[:-1] == sorted(moves[:-1], reverse=True)
    assert moves[-1] == moves[-2]
    assert (state.damping, state.cycle) == (pytest.approx(0.1 * 10.0**n_retries), 1)


def test_a_lower_loss_lowers_the_damping(problem):
    structures, given, weights = problem
    layers = networks.layers_of(given)
    state, new = lm.step(lm.State(100.0), structures, layers, weights, 4.0)
    state, same = lm.step(state, structures, layers, new, 4.0)
    assert (state.damping, state.pending) == (25.0, None)
    np.testing.assert_array_equal(new, same)


@pytest.mark.parametrize("damping", [0.0, 5e-324])
def test_singular_equations_are_damped(damping, problem):
    structures, given, weights = problem
    layers = networks.layers_of(given)
    batch = networks.take(structures, np.array([0, 0, 0, 1, 1]))
    state, new = lm.step(lm.State(damping), batch, layers, weights, 10.0)
    assert np.isfinite(new).all()
    assert (new != weights).any()
    assert 0 < state.damping < 1


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_step_to_energies_that_are_not_finite_is_damped():
    """Both layers are linear, so that the energy is the product of steps of some 1e170 without enough damping."""
    network = Network.of([1, 1, 1], [0, 0], np.array([1e-20, 0.0, 1e-20, 0.0]))
    structures = Structures(np.array([1e150]), np.ones(1), (np.array([[1.0]]),), (np.array([0]),))
    layers = networks.layers_of([network])
    state, new = lm.step(lm.State(1e-60), structures, layers, network.weights, 1e3)
    assert np.isfinite(networks.errors(structures, layers, new)).all()
    assert state.damping > 1e-60


def test_energies_that_are_not_finite_restore_the_weights(problem):
    structures, given, weights = problem
    layers = networks.layers_of(given)
    state, new = lm.step(lm.State(0.1), structures, layers, weights, 10.0)
    bad = dataclasses.replace(structures, energies=np.full(5, np.inf))
    while state.pending is not None:
        state, new = lm.step(state, bad, layers, new, 10.0)
    np.testing.assert_array_equal(new, weights)


def test_batches_wrap_around_or_leave_out():
    def of(n, size):
        return [batch.tolist() for batch in sampling.batches(np.arange(n), size)]

    assert of(5, 100) == [[0, 1, 2, 3, 4]]
    assert of(8, 3) == [[0, 1, 2], [3, 4, 5], [6, 7, 0]]
    assert of(7, 3) == [[0, 1, 2], [3, 4, 5]]


def test_structures_that_are_taken(problem):
    structures, given, weights = problem
    layers = networks.layers_of(given)
    order = np.array([4, 2, 2, 0])
    found = networks.errors(networks.take(structures, order), layers, weights)
    np.testing.assert_allclose(found, networks.errors(structures, layers, weights)[order], rtol=1e-13)


def test_sampling_prefers_large_errors_or_low_energies():
    draws = iter(np.random.default_rng(0).random(4000))
    values = np.linspace(-1.0, 2.0, 1000)
    assert sampling.order("sequential", values, values, draws, 1000).tolist() == list(range(1000))
    assert abs(np.mean(sampling.order("random", values, values, draws, 1000)) - 499.5) < 50
    assert values[sampling.order("energy", values, values, draws, 1000)].mean() < 0
    assert np.abs(values[sampling.order("weighted", values, values, draws, 1000)]).mean() > 1.2
