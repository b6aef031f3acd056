"""METHOD lm: Levenberg-Marquardt, one step or one check of a step per batch (opt_after_batch_lm).

Levenberg, Q. Appl. Math. 2, 164 (1944); Marquardt, J. Soc. Ind. Appl. Math. 11, 431 (1963).  A batch after a step shows
whether the loss fell: if so, the next batch makes a new step with less damping; if not, the step is repeated from the
same weights with more damping, a few times at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg

from aenet_py.training.trainx import networks
from aenet_py.training.trainx.networks import Layer, Structures

MOST_CYCLES = 5  # the last one accepts a higher loss
MOST_TRIES = 100  # to find a step with finite energies


@dataclass(frozen=True)
class Equations:
    """Where a step begins: weights, errors of a batch (n,), their derivatives (n, n_weights), and the product of these
    with themselves, (n, n) or (n_weights, n_weights), whichever is smaller."""

    weights: np.ndarray
    batch: Structures
    errors: np.ndarray
    jacobian: np.ndarray
    product: np.ndarray


@dataclass(frozen=True)
class State:
    """Damping (the learning rate of the deck), number of the cycle, and the step to be checked, None without one."""

    damping: float
    cycle: int = 0
    pending: Equations | None = None


def step(
    state: State, batch: Structures, layers: Sequence[Sequence[Layer]], weights: np.ndarray, adjust: float
) -> tuple[State, np.ndarray]:
    """Process a batch.

    Parameters
    ----------
    state : State
        The state after the preceding batch.
    batch : Structures
        The structures of the batch.
    layers : sequence of sequence of Layer
        The layers of each species.
    weights : array, shape (n_weights,)
        The weights of all networks.
    adjust : float
        Factor by which the damping rises or falls.

    Returns
    -------
    State
        The state after the batch.
    array, shape (n_weights,)
        The weights after the batch: finite, with finite energies of the batch that gave the step.
    """
    start = state.pending
    if start is None:
        errors, jacobian = networks.jacobian(batch, layers, weights)
        product = jacobian @ jacobian.T if len(errors) < len(weights) else jacobian.T @ jacobian
        start = Equations(weights, batch, errors, jacobian, product)
        return _moved(State(state.damping, state.cycle + 1, start), start, layers, adjust)
    before, after = _loss(start.errors), _loss(networks.errors(batch, layers, weights))
    if not after <= before and state.cycle <= MOST_CYCLES:
        return _moved(State(state.damping * adjust, state.cycle + 1, start), start, layers, adjust)
    if not np.isfinite(after):
        return State(state.damping * adjust, 1), start.weights
    return State(state.damping / adjust if after <= before else state.damping, 1), weights


def _moved(
    state: State, start: Equations, layers: Sequence[Sequence[Layer]], adjust: float
) -> tuple[State, np.ndarray]:
    """Make a step, with more damping where it cannot be computed or gives energies that are not finite."""
    damping, least = state.damping, float(np.finfo(float).eps * start.product.diagonal().max())
    for _ in range(MOST_TRIES):
        weights = start.weights - _change(start, damping)
        if np.isfinite(weights).all() and np.isfinite(_loss(networks.errors(start.batch, layers, weights))):
            return replace(state, damping=damping), weights
        damping = max(damping, least) * adjust
    return replace(state, damping=damping), start.weights


def _change(start: Equations, damping: float) -> np.ndarray:
    """Solve (J^T J + damping) change = J^T errors; NaN where rounding makes the matrix indefinite."""
    matrix = start.product + np.diag(np.full(len(start.product), damping))
    is_dual = len(start.errors) < len(start.weights)
    try:
        factor = linalg.cho_factor(matrix, overwrite_a=True, check_finite=False)
    except linalg.LinAlgError:
        return np.full(len(start.weights), np.nan)
    known = start.errors if is_dual else start.jacobian.T @ start.errors
    solution = linalg.cho_solve(factor, known, check_finite=False)
    return start.jacobian.T @ solution if is_dual else solution


def _loss(errors: np.ndarray) -> float:
    return 0.5 * float(errors @ errors)
