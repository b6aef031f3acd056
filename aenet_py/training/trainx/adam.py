"""METHOD adam: adaptive moment estimation on mini-batches (opt_after_batch_adam).

Kingma and Ba, arXiv:1412.6980 (2014), algorithm 1; the gradient is the sum over a mini-batch, not its mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from aenet_py.training.trainx import networks
from aenet_py.training.trainx.networks import Layer, Structures


def sizes(settings: Mapping[str, float], n: int) -> tuple[int, int]:
    """Structures of an epoch and of a mini-batch, given those of the training set (opt_init_adam)."""
    batch = min(int(settings["batchsize"]), n)
    sample = max(int(settings["samplesize"]) // batch, 1) * batch
    return min(sample, n), batch


def epoch(
    batches: Iterable[Sequence[Structures]],
    layers: Sequence[Sequence[Layer]],
    weights: np.ndarray,
    moments: np.ndarray,
    step: int,
    settings: Mapping[str, float],
) -> np.ndarray:
    """The weights after a step for each mini-batch.

    Parameters
    ----------
    batches : iterable of sequence of Structures
        The structures of each mini-batch, one by one.
    layers : sequence of sequence of Layer
        The layers of each species.
    weights : array, shape (n_weights,)
        The weights before.
    moments : array, shape (2, n_weights)
        Averages of the gradient and its square; updated in place.
    step : int
        Number of the first step, from 1 at the start of the training.
    settings : mapping of str to float
        ``mu``, ``b1``, ``b2`` and ``eps``.

    Returns
    -------
    array, shape (n_weights,)
    """
    new = weights.copy()
    mu, b1, b2, eps = (settings[name] for name in ("mu", "b1", "b2", "eps"))
    first, second = moments
    for number, batch in enumerate(batches, step):
        gradient = np.zeros(len(new))
        for structure in batch:
            gradient += networks.evaluate(structure, layers, new).gradient
        first[:] = b1 * first + (1.0 - b1) * gradient
        second[:] = b2 * second + (1.0 - b2) * gradient**2
        unbiased, square = first / (1.0 - b1**number), second / (1.0 - b2**number)
        new -= mu / (np.sqrt(square) + eps) * unbiased
    return new
