"""Tables for the linear-cost evaluation of Chebyshev features (`moments_kernels`), which rounds differently."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev as series
from numpy.polynomial import legendre

from aenet_py.descriptors.chebyshev import ChebyshevBasis
from aenet_py.descriptors.constants import ROWS
from aenet_py.runtime.accelerate import MakeArray, scratch
from aenet_py.runtime.constants import LANES


@dataclass(frozen=True)
class Tables:
    """Tables of a basis.

    Parameters
    ----------
    recurrence, norms, expansion
        (n_types, n) as `moments_kernels.atom_features` takes them.
    radial_terms
        Largest number of radial polynomials.
    angular_order
        Largest angular order.
    """

    recurrence: np.ndarray
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
    recurrence, norms, expansion = (np.zeros((len(basis.types), size)) for _ in range(3))
    for row, (largest, (low, high)) in enumerate(zip(basis.orders[:, 1].tolist(), basis.cutoffs[:, 2:], strict=True)):
        nodes, weights = legendre.leggauss(largest + 2)
        for n in range(largest + 1):
            values = series.chebval((2.0 * nodes - low - high) / (high - low), [0.0] * n + [1.0])
            for l in range(n + 1):
                polynomial = legendre.legval(nodes, [0.0] * l + [1.0])
                expansion[row, n * (n + 1) // 2 + l] = (2 * l + 1) / 2 * np.dot(weights, values * polynomial)
        pairs = [(l, m) for m in range(largest + 1) for l in range(m, largest + 1)]
        for place, (l, m) in enumerate(pairs):
            leading = math.prod(range(1, 2 * l, 2)) / math.factorial(l - m)  # of the m-th derivative of P_l
            ratio = math.factorial(l - m) / math.factorial(l + m)
            norms[row, place] = ratio * (2.0 if m else 1.0) * leading**2
            if l > m + 1:
                recurrence[row, place] = (l + m - 1) * (l - m - 1) / ((2 * l - 1) * (2 * l - 3))
    return Tables(recurrence, norms, expansion, int(basis.orders[:, 0].max()) + 1, order)


def scratch_of(
    constants: Tables, n_types: int, most_neighbors: int, n_members: int = 1, make: MakeArray = scratch,
    n_parts: int = 2, block: int = LANES,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Scratch arrays for atoms with so many neighbours, by the names that kernels give them.

    n_members : potentials that use the features; make : gives the memory; n_parts : numbers that are summed for each
    moment, 2 for its real and imaginary part, 4 with their changes (`changes_kernels`); block : numbers in a block, see
    `vector_kernels`.
    """
    # An odd number of cache lines: rows a power of two apart would share the same few places in the cache.
    stride = 2 * LANES * ((most_neighbors + block * n_types) // (2 * LANES)) + LANES + 2 * block
    order, terms = constants.angular_order, constants.radial_terms
    n_pairs = (order + 1) * (order + 2) // 2
    rows = terms + n_parts * n_pairs + 1
    return {
        "work": make("moments work", LANES * ROWS * stride).reshape(LANES, ROWS, stride),
        "places": make("moments places", LANES * 2 * stride, np.int64).reshape(LANES, 2, stride),
        "ends": make("moments ends", LANES * 2 * (n_types + 1), np.int64).reshape(LANES, 2, n_types + 1),
        "filled": make("moments filled", n_types, np.int64),
        "accumulators": make("moments accumulators", n_parts * n_pairs * block),
        "radial": make("moments radial", 2 * terms * block),
        "moments": make("moments", 8 * n_pairs * LANES).reshape(8, n_pairs * LANES),
        "lanes": make("moments lanes", 3 * (order + 1) * LANES).reshape(3, (order + 1) * LANES),
        "sums": make("moments sums", n_types * rows * LANES).reshape(n_types, rows * LANES),
        "results": make("moments results", n_members * 3 * LANES).reshape(n_members, 3 * LANES),
    }
