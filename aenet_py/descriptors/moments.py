"""Tables for the linear-cost evaluation of Chebyshev features (`moments_kernels`), which rounds differently."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev as series
from numpy.polynomial import legendre

from aenet_py.descriptors.chebyshev import ChebyshevBasis
from aenet_py.descriptors.constants import MOMENTS
from aenet_py.runtime.constants import LANES


@dataclass(frozen=True)
class Tables:
    """Tables of a basis.

    Parameters
    ----------
    norms, expansion
        (n_types, n) as `moments_kernels.atom_features` takes them.
    radial_terms
        Largest number of radial polynomials.
    angular_order
        Largest angular order.
    """

    norms: np.ndarray
    expansion: np.ndarray
    radial_terms: int
    angular_order: int


def applies(basis: ChebyshevBasis) -> bool:
    """Whether moments give the original's features.

    They do not where an angular cutoff exceeds the radial one: there the original's species weights depend on the order
    of the neighbours.
    """
    several = basis.orders[:, 2] != 0
    return not bool((several & (basis.cutoffs[:, 1] > basis.cutoffs[:, 0])).any())


def tables(basis: ChebyshevBasis) -> Tables:
    """Compute the tables of a basis."""
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


def scratch_size(constants: Tables, most_neighbors: int) -> tuple[int, int]:
    """Length of the scratch rows of an atom, and their number for each kind of feature."""
    # An odd number of cache lines: rows a power of two apart would share the same few places in the cache.
    stride = 2 * LANES * (most_neighbors // (2 * LANES)) + 3 * LANES
    order = constants.angular_order
    return stride, MOMENTS + max(constants.radial_terms + 2, (order + 1) * (order + 2) // 2 + 2 * (order + 1))
