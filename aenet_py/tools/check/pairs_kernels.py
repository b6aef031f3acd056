"""Kernels of functions of the distance, summed over all pairs of two species (`pairs`)."""

import math

from aenet_py.runtime.accelerate import jit
from aenet_py.runtime.signatures import f8, i4, i8, out, rows
from aenet_py.tools.check.constants import N_TERMS, SHORTEST


@jit
def coordinate(distance, bond):
    """Argument of the Chebyshev polynomials, 1 at SHORTEST bonds and -1 at infinity, and its slope."""
    beyond = distance / bond - SHORTEST
    if beyond <= 0.0:
        return 1.0, 0.0
    fall = math.exp(-beyond)
    return 2.0 * fall - 1.0, -2.0 * fall / bond


def add_sums(
    types: i8[:], first: i8[:], index: i4[:], vectors: rows(f8[:, :]), bonds: f8[:, :], numbers: i8[:, :],
    cutoff: f8, sums: out(f8[:, N_TERMS]),
):  # fmt: skip
    """Add the functions of all neighbours to sums (n_pairs).

    types (n_atoms); first, index, vectors: neighbours as in `Environments`; bonds, numbers (n_types, n_types): sum of
    the covalent radii and number of each pair of species.
    """
    for atom in range(len(types)):
        for k in range(first[atom], first[atom + 1]):
            one, other, distance = types[atom], types[index[k]], vectors[3, k]
            if distance >= cutoff:
                continue
            x, _ = coordinate(distance, bonds[one, other])
            smooth = 0.5 * (math.cos(math.pi * distance / cutoff) + 1.0)
            before, now = x, 1.0
            for term in range(N_TERMS):
                sums[numbers[one, other], term] += smooth * now
                before, now = now, 2.0 * x * now - before
    return 0


def add_forces(
    types: i8[:], first: i8[:], index: i4[:], vectors: rows(f8[:, :]), bonds: f8[:, :], numbers: i8[:, :],
    cutoff: f8, slopes: f8[:, N_TERMS], forces: out(f8[:, 3]),
):  # fmt: skip
    """Add minus the derivatives of the sums times slopes (n_pairs) to forces (n_atoms); all else as in `add_sums`."""
    for atom in range(len(types)):
        for k in range(first[atom], first[atom + 1]):
            one, other, distance = types[atom], types[index[k]], vectors[3, k]
            if distance >= cutoff:
                continue
            x, rate = coordinate(distance, bonds[one, other])
            phase = math.pi * distance / cutoff
            smooth, fall = 0.5 * (math.cos(phase) + 1.0), -0.5 * math.pi / cutoff * math.sin(phase)
            before, now, before_slope, now_slope = x, 1.0, 1.0, 0.0
            derivative = 0.0
            for term in range(N_TERMS):
                change = fall * now + smooth * rate * now_slope
                derivative += slopes[numbers[one, other], term] * change
                next_slope = 2.0 * now + 2.0 * x * now_slope - before_slope
                before, now = now, 2.0 * x * now - before
                before_slope, now_slope = now_slope, next_slope
            for axis in range(3):
                force = derivative * vectors[axis, k] / distance
                forces[atom, axis] += force
                forces[index[k], axis] -= force
    return 0
