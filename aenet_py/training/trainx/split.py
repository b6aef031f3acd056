"""The test set, drawn structure by structure (decide_testing_set)."""

from __future__ import annotations

import math

import numpy as np

from aenet_py.formats import rngstate
from aenet_py.formats.rngstate import State


def draw(n_structures: int, percent: float, state: State) -> np.ndarray:
    """Draw the test set.

    Parameters
    ----------
    n_structures : int
        Number of structures.
    percent : float
        Percentage in the test set.
    state : tuple of int
        State of the generator of random numbers.

    Returns
    -------
    array of bool, shape (n_structures,)
        Whether a structure belongs to the test set.
    """
    n_train = math.ceil((1.0 - percent / 100.0) * n_structures)
    numbers = rngstate.uniform(state)
    chosen = np.zeros(n_structures, dtype=bool)
    to_train, to_test = n_train, n_structures - n_train
    for structure in range(n_structures):
        if to_test == 0:
            break
        chosen[structure] = to_train == 0 or next(numbers) <= percent / 100.0
        to_test -= int(chosen[structure])
        to_train -= int(not chosen[structure])
    return chosen
