"""Chebyshev features and forces through moments: see the kernels. Same values, other rounding, linear cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev as series
from numpy.polynomial import legendre

from aenet_py.accelerate import Kernel, scratch
from aenet_py.descriptors.chebyshev import Basis
from aenet_py.descriptors.common import CoincidenceError, row_length
from aenet_py.neighbors.search import Environments

_features = Kernel(
    "aenet_py.descriptors.moments_kernels:features",
    "i8 i8 i8 i8 i8 i8 i8 i8* i8* i4* f8* f8* i8* f8* f8* f8* f8* i8* f8* f8*",
)
_sweep = Kernel(
    "aenet_py.descriptors.moments_kernels:sweep",
    "i8 i8 i8 i8 i8 i8 i8 i8* i8* i4* f8* f8* i8* f8* f8* f8* f8* i8* f8* f8* f8* f8* f8* f8*",
)
FIRST_ROW, LANES = 17, 8  # as in moments_kernels, which is not imported where its machine code is at hand


@dataclass(frozen=True)
class Tables:
    """Constants of a basis: norms, expansion (n_types, n) as the kernels take them; orders : the largest."""

    norms: np.ndarray
    expansion: np.ndarray
    radial_terms: int
    angular_order: int


def applies(basis: Basis) -> bool:
    """Whether features are what the moments say: not where an angular cutoff exceeds the radial one.

    There the original's species weights depend on the order of the neighbours.
    """
    several = basis.orders[:, 2] != 0
    return not bool((several & (basis.cutoffs[:, 1] > basis.cutoffs[:, 0])).any())


def tables(basis: Basis) -> Tables:
    order = int(basis.orders[:, 1].max())
    size = (order + 1) * (order + 2) // 2
    norms, expansion = np.zeros((len(basis.types), size)), np.zeros((len(basis.types), size))
    for row, (largest, (low, high)) in enumerate(zip(basis.orders[:, 1].tolist(), basis.cutoffs[:, 2:], strict=True)):
        nodes, weights = legendre.leggauss(largest + 2)
        for n in range(largest + 1):
            values = series.chebval((2.0 * nodes - low - high) / (high - low), [0.0] * n + [1.0])
            for l in range(n + 1):
                polynomial = legendre.legval(nodes, [0.0] * l + [1.0])
                expansion[row, n * (n + 1) // 2 + l] = (2 * l + 1) / 2 * np.dot(weights, values * polynomial)
            for m in range(n + 1):
                ratio = math.factorial(n - m) / math.factorial(n + m)
                norms[row, n * (n + 1) // 2 + m] = ratio * (2.0 if m else 1.0)
    return Tables(norms, expansion, int(basis.orders[:, 0].max()) + 1, order)


def features(basis: Basis, constants: Tables, types: np.ndarray, found: Environments) -> tuple[np.ndarray, np.ndarray]:
    """Features (n_atoms, most features of a species) and moments of all atoms of one structure."""
    n_atoms, n_moments = len(types), (constants.angular_order + 1) ** 2
    out, moments = np.zeros((n_atoms, int(basis.sizes.max()))), np.empty((n_atoms, 2, n_moments))
    stride, work, near = _scratch(constants, found)
    failed = _features(
        n_atoms, stride, row_length(found.vectors), out.shape[1], len(basis.types), n_moments,
        constants.norms.shape[1], types, found.first, found.index, found.vectors, basis.cutoffs, basis.orders,
        basis.weights, constants.norms, constants.expansion, work, near, moments, out,
    )  # fmt: skip
    if failed:
        raise CoincidenceError(found.starts, failed - 1)
    return out, moments


def forces(
    basis: Basis, constants: Tables, types: np.ndarray, found: Environments, moments: np.ndarray, slopes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Forces (n_atoms, 3), eV/Å, and virial (3, 3), eV; slopes (n_atoms, most features) eV."""
    out, virial = np.zeros((len(types), 3)), np.zeros((3, 3))
    stride, work, near = _scratch(constants, found)
    _sweep(
        len(types), stride, row_length(found.vectors), slopes.shape[1], len(basis.types), moments.shape[2],
        constants.norms.shape[1], types, found.first, found.index, found.vectors, basis.cutoffs, basis.orders,
        basis.weights, constants.norms, constants.expansion, work, near, moments, slopes, scratch("pull", 3 * stride),
        scratch("coefficients", 2 * moments.shape[2]), out, virial,
    )  # fmt: skip
    return out, virial


def _scratch(constants: Tables, found: Environments) -> tuple[int, np.ndarray, np.ndarray]:
    # An odd number of cache lines: rows a power of two apart would share the same few places in the cache.
    stride = 2 * LANES * (found.most_neighbors // (2 * LANES)) + 3 * LANES
    order = constants.angular_order
    rows = FIRST_ROW + max(constants.radial_terms + 2, (order + 1) * (order + 2) // 2 + 2 * (order + 1))
    return stride, scratch("work", rows * stride), scratch("near", stride, np.int64)
