"""Comparison of arrays."""

from __future__ import annotations

import numpy as np
import pytest

from aenet_py.runtime.arrays import same_bits

A = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (A, A.copy(), True),
        (A, np.nextafter(A, 9.0), False),
        (A, A[:3], False),
        (A, A.astype(np.float32), False),
        (A.T, A.T.copy(), True),
        (A.T, A.T + 1, False),
        (np.zeros((0, 3)), np.zeros((0, 3)), True),
        (np.array([True, False]), np.array([True, False]), True),
        (np.array([True, False]), np.array([True, True]), False),
        (np.array([np.nan]), np.array([np.nan]), True),
        (np.array([0.0]), np.array([-0.0]), False),
    ],
)
def test_same_bits(a, b, expected):
    assert same_bits(a, b) == expected
