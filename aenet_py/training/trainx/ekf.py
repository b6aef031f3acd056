"""METHOD ekf: an extended Kalman filter, one step per structure (opt_after_sample_ekf, ekf_weight_update).

Blank and Brown, J. Chemom. 8, 391 (1994); covariances between groups of weights are neglected, as by Puskorius and
Feldkamp, IEEE Trans. Neural Netw. 5, 279 (1994).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from aenet_py.formats.ekf_state import EkfState
from aenet_py.training.trainx.networks import Layer, Structures, sensitivity


def start(n_weights: int, settings: Mapping[str, float]) -> EkfState:
    """The state before the first structure: the covariance of each weight is 1 / state."""
    size = int(settings["wgroup"])
    n_groups = -(-n_weights // size)
    covariance = np.zeros((n_groups, size, size))
    group, place = np.divmod(np.arange(n_weights), size)
    covariance[group, place, place] = 1.0 / settings["state"]
    return EkfState(settings["lambda"], covariance)


def epoch(
    state: EkfState,
    settings: Mapping[str, float],
    structures: Sequence[Structures],
    networks: Sequence[Sequence[Layer]],
    weights: np.ndarray,
) -> tuple[np.ndarray, EkfState, int]:
    """Learn structures one after the other.

    Where a step diverges, it is left out, and the covariance is again that before the first structure.

    Parameters
    ----------
    state : EkfState
        The state, which stays as it is.
    settings : mapping of str to float
        lambda0, by which the distance of the forgetting factor from 1 shrinks with each structure, and pnoise.
    structures : sequence of Structures
        Each with one structure.
    networks : sequence of sequence of Layer
        The layers of each species.
    weights : array, shape (n_weights,)
        The weights of all networks.

    Returns
    -------
    weights : array, shape (n_weights,)
    state : EkfState
    n_diverged : int
        Number of steps that were left out.
    """
    n = len(weights)
    forgetting, covariance = state.forgetting, state.covariance.copy()
    n_groups, size, _ = covariance.shape
    weights, n_diverged = weights.copy(), 0
    padded, change = np.zeros(n_groups * size), np.empty_like(covariance)
    slopes = padded.reshape(n_groups, size)
    group, place = np.divmod(np.arange(n), size)
    with np.errstate(over="ignore", invalid="ignore"):
        for structure in structures:
            error, padded[:n] = sensitivity(structure, networks, weights)
            product = np.matmul(covariance, slopes[:, :, np.newaxis])[:, :, 0]
            variances = np.einsum("gi,gi->g", slopes, product) + forgetting
            if not ((variances > 0) & np.isfinite(variances)).all():
                covariance, n_diverged = start(n, settings).covariance, n_diverged + 1
                continue
            gain = product / variances[:, np.newaxis]
            weights += error * gain.reshape(-1)[:n]
            np.multiply(gain[:, :, np.newaxis], product[:, np.newaxis, :], out=change)
            covariance -= change
            covariance *= 1.0 / forgetting
            if settings["pnoise"] > 0:
                covariance[group, place, place] += settings["pnoise"]
            forgetting = settings["lambda0"] * (forgetting - 1.0) + 1.0
    return weights, EkfState(forgetting, covariance), n_diverged
