"""METHOD ekf: an extended Kalman filter, one step per structure with its energy and all its force components.

Puskorius and Feldkamp, IEEE Trans. Neural Netw. 5, 279 (1994): covariances between groups of weights are neglected.
"""

from __future__ import annotations

import torch


def start(values: torch.Tensor, size: int, variance: float) -> torch.Tensor:
    """The covariance before the first step, (n_groups, size, size): of `values`, (n_weights,), in groups of `size`."""
    n_groups = -(-len(values) // size)
    covariance = values.new_zeros((n_groups * size, size))
    numbers = torch.arange(len(values), device=values.device)
    covariance[numbers, numbers % size] = variance
    return covariance.view(n_groups, size, size)


def step(
    covariance: torch.Tensor, errors: torch.Tensor, jacobian: torch.Tensor, forgetting: float, noise: float
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The change of the weights, and their new covariance.

    Parameters
    ----------
    covariance : Tensor, shape (n_groups, size, size)
        Of the weights of each group.
    errors : Tensor, shape (n_rows,)
        Errors (reference - predicted) of the structure.
    jacobian : Tensor, shape (n_rows, n_weights)
        Derivatives of the predictions by the weights.
    forgetting : float
        Forgetting factor, above 0, at most 1.
    noise : float
        Added to the variances.

    Returns
    -------
    tuple of Tensor, shapes (n_weights,) and (n_groups, size, size), or None
        None if the step diverges.
    """
    n_rows, n_weights = jacobian.shape
    n_groups, size, _ = covariance.shape
    padded = jacobian.new_zeros((n_rows, n_groups * size))
    padded[:, :n_weights] = jacobian
    product = torch.bmm(covariance, padded.view(n_rows, n_groups, size).permute(1, 2, 0))
    flat = product.reshape(n_groups * size, n_rows)
    matrix = padded @ flat
    matrix.diagonal().add_(forgetting)
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if failed:
        return None
    change = flat @ torch.cholesky_solve(errors[:, None], factor)
    half = torch.linalg.solve_triangular(factor, flat.T, upper=False).view(n_rows, n_groups, size).permute(1, 2, 0)
    new = torch.baddbmm(covariance, half, half.transpose(1, 2), alpha=-1.0).div_(forgetting)
    if noise:
        new.diagonal(dim1=1, dim2=2).add_(noise)
    change = change[:n_weights, 0]
    return (change, new) if torch.isfinite(change.sum() + new.sum()) else None
