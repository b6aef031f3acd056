"""SAMPLING: the structures of an epoch, in order (opt_schedule_epoch)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np


def order(kind: str, energies: np.ndarray, errors: np.ndarray, numbers: Iterator[float]) -> np.ndarray:
    """The structures of an epoch, as many as there are; all but ``sequential`` may repeat some and omit others.

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

    Returns
    -------
    array of int, shape (n,)
    """
    n = len(energies)
    if kind == "sequential":
        return np.arange(n)
    drawn = list(itertools.islice(numbers, n))
    if kind != "random":
        drawn = [(number * number) * (number * number) for number in drawn]
    places = np.array([max(math.ceil(number * n), 1) - 1 for number in drawn])
    if kind == "random":
        return places
    if kind == "weighted":
        return np.argsort(np.abs(errors), kind="stable")[n - 1 - places]
    return np.argsort(energies, kind="stable")[places]
