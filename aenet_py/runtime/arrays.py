"""Comparison of arrays."""

from __future__ import annotations

import numpy as np


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays have the same type, shape and bytes; makes no arrays of its own, unlike numpy.array_equal."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if not (a.size and a.flags.c_contiguous and b.flags.c_contiguous):
        return a.tobytes() == b.tobytes()
    return a.data.cast("B") == b.data.cast("B")
