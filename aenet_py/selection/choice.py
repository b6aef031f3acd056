"""A random choice that follows the distribution of a value: stratified sampling with proportional allocation.

W. G. Cochran, Sampling Techniques (1977), chapter 5.
"""

from __future__ import annotations

import random

import numpy as np


def allocate(sizes: np.ndarray, n: int) -> np.ndarray:
    """How many to take of each of some groups, in proportion to their sizes; sums up to n, which is at most their sum.

    The sums over the first groups are rounded, not the groups: with groups of equal size, largest remainders would all
    be those of the first, and the choice would lean to these.
    """
    sums = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    return np.diff((2 * n * sums + sums[-1]) // (2 * sums[-1]))


def stratified(values: np.ndarray, n: int, n_strata: int, seed: int) -> np.ndarray:
    """Ascending numbers of n of the values, drawn at random from strata of equal size along their order.

    values (n_values,); equal ones stay in their order.  The draw depends on the seed and on nothing else: every value
    has a random number, and those with the smallest ones in a stratum are taken.
    """
    order = np.argsort(values, kind="stable")
    strata = np.array_split(order, min(n_strata, n))
    generator = random.Random(seed)
    draws = np.fromiter((generator.random() for _ in range(len(values))), np.float64, len(values))
    counts = allocate(np.array([len(stratum) for stratum in strata]), n)
    chosen = [s[np.argsort(draws[s], kind="stable")[:k]] for s, k in zip(strata, counts.tolist(), strict=True)]
    return np.sort(np.concatenate(chosen))
