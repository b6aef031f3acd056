"""Random choice that preserves the distribution of a value: stratified sampling with proportional allocation.

W. G. Cochran, Sampling Techniques (1977), chapter 5.
"""

from __future__ import annotations

import random

import numpy as np


def allocate(sizes: np.ndarray, n: int) -> np.ndarray:
    """How many to take from each group, in proportion to the sizes.

    The cumulative sums are rounded, not the shares: for groups of equal size, the method of largest remainders would
    always favour the first groups.

    Parameters
    ----------
    sizes
        (n_groups,) sizes of the groups.
    n
        How many in total, at most the sum of the sizes.

    Returns
    -------
    numpy.ndarray
        (n_groups,) numbers, which add up to n.
    """
    sums = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    return np.diff((2 * n * sums + sums[-1]) // (2 * sums[-1]))


def stratified(values: np.ndarray, n: int, n_strata: int, seed: int) -> np.ndarray:
    """Draw n of the values at random, from strata of equal size in ascending order.

    The draw depends on the seed only: every value gets a random number; the smallest ones in each stratum are taken.

    Parameters
    ----------
    values
        (n_values,) values; the order of equal ones is kept.
    n
        How many to draw, at most n_values.
    n_strata
        Number of strata; at most n are used.
    seed
        Of the draw.

    Returns
    -------
    numpy.ndarray
        (n,) ascending 0-based indices.
    """
    order = np.argsort(values, kind="stable")
    strata = np.array_split(order, min(n_strata, n))
    generator = random.Random(seed)
    draws = np.fromiter((generator.random() for _ in range(len(values))), np.float64, len(values))
    counts = allocate(np.array([len(stratum) for stratum in strata]), n)
    chosen = [s[np.argsort(draws[s], kind="stable")[:k]] for s, k in zip(strata, counts.tolist(), strict=True)]
    return np.sort(np.concatenate(chosen))
