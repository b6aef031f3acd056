"""Eight numbers at a time, for loops whose sums should stay in vector registers: an array would be kept in memory.

Each operation is that of the single numbers, so that nothing is rounded otherwise.
"""

import numpy as np

from aenet_py.runtime.accelerate import jit
from aenet_py.runtime.constants import LANES

ZEROS = (0.0,) * LANES
# Unsigned, because an index that might be negative keeps the lanes from becoming one load or store.
L1, L2, L3, L4, L5, L6, L7 = (np.uint64(lane) for lane in range(1, LANES))


@jit
def load(a, i):
    i = np.uint64(i)
    return a[i], a[i + L1], a[i + L2], a[i + L3], a[i + L4], a[i + L5], a[i + L6], a[i + L7]


@jit
def store(a, i, v):
    i = np.uint64(i)
    a[i], a[i + L1], a[i + L2], a[i + L3], a[i + L4], a[i + L5], a[i + L6], a[i + L7] = v


@jit
def plus(u, v):
    return (
        u[0] + v[0], u[1] + v[1], u[2] + v[2], u[3] + v[3], u[4] + v[4], u[5] + v[5], u[6] + v[6], u[7] + v[7],
    )  # fmt: skip


@jit
def times(s, v):
    return s * v[0], s * v[1], s * v[2], s * v[3], s * v[4], s * v[5], s * v[6], s * v[7]


@jit
def products(u, v):
    return (
        u[0] * v[0], u[1] * v[1], u[2] * v[2], u[3] * v[3], u[4] * v[4], u[5] * v[5], u[6] * v[6], u[7] * v[7],
    )  # fmt: skip


@jit
def total(v):
    return ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]))
