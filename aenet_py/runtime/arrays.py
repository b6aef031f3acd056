"""Comparison and checksum of arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

SMALL = 20_000  # bytes, which are sooner compared in a copy than as numbers


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays of numbers have the same shape and values; large ones with NaN are never the same.

    Quicker than numpy.array_equal for small arrays.
    """
    if a.shape != b.shape:
        return False
    if a.nbytes <= SMALL and a.dtype == b.dtype and a.tobytes() == b.tobytes():
        return True
    return bool((a == b).all())


def digest(arrays: Iterable[np.ndarray]) -> str:
    """Checksum of the bytes of arrays, 64 hexadecimal digits."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
