"""SAMPLING: the structures of an epoch, in order and in batches (opt_schedule_epoch)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np


def order(kind: str, energies: np.ndarray, errors: np.ndarray, numbers: Iterator[float], n_samples: int) -> np.ndarray:
    """The structures of an epoch; all but ``sequential`` may repeat some and omit others.

    Parameters
    ----------
    kind : str
        ``sequential``; ``random``; ``weighted``, which prefers large errors; ``energy``, which prefers low energies.
    energies : array, shape (n,)
        Normalised energy of each structure.
    errors : array, shape (n,)
        Its error per atom.
    numbers : iterator of float
        Random numbers from 0 to below 1, one per structure drawn.
    n_samples : int
        Number of structures of the epoch, at most n.

    Returns
    -------
    array of int, shape (n_samples,)
    """
    n = len(energies)
    if kind == "sequential":
        return np.arange(n_samples)
    drawn = list(itertools.islice(numbers, n_samples))
    if kind != "random":
        drawn = [(number * number) * (number * number) for number in drawn]
    places = np.array([max(math.ceil(number * n), 1) - 1 for number in drawn])
    if kind == "random":
        return places
    if kind == "weighted":
        return np.argsort(np.abs(errors), kind="stable")[n - 1 - places]
    return np.argsort(energies, kind="stable")[places]


def batches(order: np.ndarray, size: int) -> list[np.ndarray]:
    """The structures of each batch.

    Their number is n / size, rounded; the last batch continues with the first structures or some are left out.

    Parameters
    ----------
    order : array of int, shape (n,)
        The structures of an epoch.
    size : int
        Structures per batch, at most n.

    Returns
    -------
    list of array of int, shape (size,)

    Examples
    --------
    >>> [batch.tolist() for batch in batches(np.arange(5), 2)]
    [[0, 1], [2, 3], [4, 0]]
    """
    size = min(size, len(order))
    count = int(len(order) / size + 0.5)
    return [order[(start * size + np.arange(size)) % len(order)] for start in range(count)]
