"""METHOD lm: the step of Levenberg and Marquardt, on the errors of a batch.

Levenberg, Q. Appl. Math. 2, 164 (1944); Marquardt, J. Soc. Ind. Appl. Math. 11, 431 (1963).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from aenet_py.training.ranks import Ranks

MOST_TRIES = 8  # of a step, each with more damping
LEAST, MOST = 1e-12, 1e12  # damping


@dataclass(frozen=True)
class Equations:
    """The equations of a step, in the number of weights or, if there are fewer, of errors.

    product (n, n) : J^T J, or J J^T; known (n,) : J^T errors, or the errors; rows : J in the second case, else None.
    """

    product: torch.Tensor
    known: torch.Tensor
    rows: torch.Tensor | None


def primal(blocks: Iterable[tuple[torch.Tensor, torch.Tensor]], values: torch.Tensor, ranks: Ranks) -> Equations:
    """The equations in the number of weights.

    Parameters
    ----------
    blocks : iterable of tuple of Tensor, shapes (n,) and (n, n_weights)
        Errors (reference - predicted) of this process's part of a batch, and the derivatives of these predictions.
    values : Tensor, shape (n_weights,)
        The weights.
    ranks : Ranks
        The processes.

    Returns
    -------
    Equations
        Of the whole batch.
    """
    n = len(values)
    product, known = values.new_zeros((n, n)), values.new_zeros(n)
    for errors, rows in blocks:
        product.addmm_(rows.T, rows)
        known.addmv_(rows.T, errors)
    return Equations(ranks.sum(product), ranks.sum(known), None)


def dual(errors: torch.Tensor, rows: torch.Tensor) -> Equations:
    """The equations in the number of errors, (n_rows,); rows : their derivatives, (n_rows, n_weights)."""
    return Equations(rows @ rows.T, errors, rows)


def step(
    values: torch.Tensor, equations: Equations, before: float, loss: Callable[[torch.Tensor], float], damping: float,
    adjust: float,
) -> tuple[torch.Tensor, float]:  # fmt: skip
    """Find weights with a lower loss.

    Solves (J^T J + damping) change = J^T errors.  The damping falls by a factor after a change that lowers the loss;
    otherwise the change is computed again with more damping.

    Parameters
    ----------
    values : Tensor, shape (n_weights,)
        The weights.
    equations : Equations
        Of the batch at these weights.
    before : float
        The loss at these weights.
    loss : callable
        The loss of other weights.
    damping : float
        Damping of the first attempt.
    adjust : float
        Factor by which it falls or rises.

    Returns
    -------
    Tensor, shape (n_weights,)
        New weights, or the given ones if no attempt lowers the loss.
    float
        Damping of the next step.
    """
    for _ in range(MOST_TRIES):
        matrix = equations.product.clone()
        matrix.diagonal().add_(damping)
        factor, failed = torch.linalg.cholesky_ex(matrix)
        if not failed:
            change = torch.cholesky_solve(equations.known[:, None], factor)[:, 0]
            new = values + (change if equations.rows is None else equations.rows.T @ change)
            if loss(new) < before:  # false if it is not finite
                return new, max(damping / adjust, LEAST)
        damping = min(damping * adjust, MOST)
    return values, damping
