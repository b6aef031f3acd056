"""Comparison of arrays."""

from __future__ import annotations

import numpy as np
import pytest

from aenet_py.runtime.arrays import same

A = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (A, A.copy(), True),
        (A, np.nextafter(A, 9.0), False),
        (A, A[:3], False),
        (A, A[:1], False),
        (A.T, A.T.copy(), True),
        (np.zeros((0, 3)), np.zeros((0, 3)), True),
        (np.zeros((0, 3)), np.zeros((0, 2)), False),
        (np.array([True, False]), np.array([True, True]), False),
        (np.array([np.nan]), np.array([np.nan]), True),
        (np.array([np.nan]), np.array([0.0]), False),
        (np.full(9000, np.nan), np.full(9000, np.nan), False),
        (np.arange(9000.0), np.arange(9000.0), True),
        (np.arange(9000.0), np.arange(9000.0) + 1, False),
        (np.array([1]), np.array([1.0]), True),
        (np.array([0.0]), np.array([-0.0]), True),
    ],
)
def test_same(a, b, expected):
    assert same(a, b) == expected
