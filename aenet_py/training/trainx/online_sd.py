"""METHOD online_sd: steepest descent with momentum, a step after each structure (opt_after_sample_sd)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aenet_py.training.trainx import networks
from aenet_py.training.trainx.networks import Layer, Structures


def epoch(
    samples: Sequence[Structures],
    layers: Sequence[Sequence[Layer]],
    weights: np.ndarray,
    change: np.ndarray,
    rate: float,
    momentum: float,
) -> np.ndarray:
    """The weights after a step for each sample.

    Parameters
    ----------
    samples : sequence of Structures
        One structure each, in the order of the steps.
    layers : sequence of sequence of Layer
        The layers of each species.
    weights : array, shape (n_weights,)
        The weights before.
    change : array, shape (n_weights,)
        Last change of the weights; updated in place.
    rate : float
        Learning rate.
    momentum : float
        Share of the last change in the next one.

    Returns
    -------
    array, shape (n_weights,)
    """
    new = weights.copy()
    for sample in samples:
        change *= momentum
        change -= rate * networks.evaluate(sample, layers, new).gradient
        new += change
    return new
