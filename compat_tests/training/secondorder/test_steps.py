"""Steps of Levenberg-Marquardt and of the Kalman filter, on problems with known solutions."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aenet_py.training.ranks import ALONE
from aenet_py.training.secondorder import ekf, lm


def linear(seed: int, n_rows: int, n_weights: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows and errors of a linear model at these weights."""
    generator = torch.Generator().manual_seed(seed)
    rows, wanted, values = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((n_rows, n_weights), (n_rows,), (n_weights,))
    )
    return rows, wanted, values


def primal(errors: torch.Tensor, rows: torch.Tensor) -> lm.Equations:
    """In two blocks."""
    half = len(rows) // 2
    return lm.primal([(errors[:half], rows[:half]), (errors[half:], rows[half:])], rows[0], ALONE)


FORMS = st.sampled_from([primal, lm.dual])


@given(FORMS, st.integers(0, 999), st.integers(1, 12), st.integers(1, 12), st.floats(1e-3, 1e3))
def test_a_damped_step_solves_ridge_regression(form, seed, n_rows, n_weights, damping):
    """Either form of the equations, against torch's least squares on the stacked problem."""
    rows, wanted, values = linear(seed, n_rows, n_weights)
    errors = wanted - rows @ values

    def loss(new):
        return float(torch.linalg.vector_norm(wanted - rows @ new))

    found, after = lm.step(values, form(errors, rows), loss(values), loss, damping, 10.0)
    stacked = torch.cat((rows, math.sqrt(damping) * torch.eye(n_weights, dtype=torch.float64)))
    change = torch.linalg.lstsq(stacked, torch.cat((errors, errors.new_zeros(n_weights)))).solution
    torch.testing.assert_close(found - values, change, rtol=1e-7, atol=1e-8)
    assert after == pytest.approx(damping / 10)


@given(FORMS, st.integers(0, 999), st.integers(1, 6))
def test_a_step_never_raises_the_loss(form, seed, n_weights):
    """Where the quadratic model is wrong, the damping rises until the loss falls, or the weights stay."""
    rows, wanted, values = linear(seed, 4, n_weights)

    def loss(new):
        return float(torch.linalg.vector_norm(torch.sin(5 * rows @ new) - wanted))

    errors = wanted - torch.sin(5 * rows @ values)
    jacobian = 5 * torch.cos(5 * rows @ values)[:, None] * rows
    found, after = lm.step(values, form(errors, jacobian), loss(values), loss, 1e-6, 10.0)
    assert loss(found) < loss(values) or torch.equal(found, values)
    assert lm.LEAST <= after <= lm.MOST


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_leaves_the_weights(bad):
    rows, wanted, values = linear(1, 5, 3)
    found, after = lm.step(values, lm.dual(wanted, rows), 1.0, lambda _: bad, 0.1, 10.0)
    assert torch.equal(found, values)
    assert after == pytest.approx(0.1 * 10**lm.MOST_TRIES)


@pytest.mark.parametrize("sizes", [(1,) * 9, (4, 5), (9,), (2, 1, 3, 3)])
@pytest.mark.parametrize("n_weights", [3, 7])
def test_the_filter_solves_ridge_regression(sizes, n_weights):
    """Without forgetting and with one group, all errors one after the other give the solution of all at once."""
    rows, wanted, values = linear(3, 9, n_weights)
    variance, covariance, before = 2.5, ekf.start(values, n_weights, 2.5), values
    for part, target in zip(torch.split(rows, sizes), torch.split(wanted, sizes), strict=True):
        change, covariance = ekf.step(covariance, target - part @ values, part, 1.0, 0.0)
        values = values + change
    matrix = rows.T @ rows + torch.eye(n_weights, dtype=torch.float64) / variance
    torch.testing.assert_close(values - before, torch.linalg.solve(matrix, rows.T @ (wanted - rows @ before)))
    torch.testing.assert_close(covariance[0], torch.linalg.inv(matrix))


def test_forgetting_weights_recent_errors_more():
    """With forgetting factor f, an error k steps old counts f^k; the prior counts f^n."""
    rows, wanted, values = linear(5, 6, 2)
    forgetting, before, covariance = 0.8, values, ekf.start(values, 2, 1.0)
    for row, target in zip(rows, wanted, strict=True):
        change, covariance = ekf.step(covariance, (target - row @ values)[None], row[None], forgetting, 0.0)
        values = values + change
    ages = torch.arange(5, -1, -1, dtype=torch.float64)
    counts = forgetting**ages
    matrix = rows.T @ (counts[:, None] * rows) + forgetting**6 * torch.eye(2, dtype=torch.float64)
    torch.testing.assert_close(
        values - before, torch.linalg.solve(matrix, rows.T @ (counts * (wanted - rows @ before)))
    )


def test_groups_neglect_covariances():
    """Groups that do not share errors are filtered as on their own; the last group may be smaller."""
    rows, wanted, values = linear(7, 4, 5)
    rows[:2, 3:], rows[2:, :3] = 0.0, 0.0
    errors = wanted - rows @ values
    change, covariance = ekf.step(ekf.start(values, 3, 0.5), errors, rows, 1.0, 0.01)
    for of_errors, of_weights in ((slice(0, 2), slice(0, 3)), (slice(2, 4), slice(3, 5))):
        size = of_weights.stop - of_weights.start
        own = ekf.start(values[of_weights], size, 0.5)
        wanted_change, wanted_covariance = ekf.step(own, errors[of_errors], rows[of_errors, of_weights], 1.0, 0.01)
        torch.testing.assert_close(change[of_weights], wanted_change)
        found = covariance[of_weights.start // 3][:size, :size]
        torch.testing.assert_close(found, wanted_covariance[0])


@pytest.mark.parametrize("covariance", [-1e6, math.nan, math.inf])
def test_a_filter_that_diverges_takes_no_step(covariance):
    rows, wanted, values = linear(1, 2, 3)
    assert ekf.step(ekf.start(values, 3, covariance), wanted, rows, 1.0, 0.0) is None
