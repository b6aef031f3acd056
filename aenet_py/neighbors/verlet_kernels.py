"""Kernels of the neighbour list with a skin: pairs, and their distances when atoms have moved."""

import math

from aenet_py.runtime.accelerate import jit
from aenet_py.runtime.signatures import f8, i4, i8, out


def update(
    reach: f8, positions: f8[:, 3], starts: i8[:], partners: i8[:], offsets: f8[:, 3], first: out(i8[:]),
    index: out(i4[:]), vectors: out(f8[:, :]),
):  # fmt: skip
    """Keep the pairs of the first len(starts) - 1 atoms that are closer than reach now; returns their number.

    positions, Å; starts: where each atom's pairs begin; partners: the other atoms; offsets: from one cell to the
    other's, Å.  Writes first (n_centers + 1), index (n_pairs) and vectors (4 or 7, n_pairs): x, y, z, distance and,
    with seven rows, the other atom's position.
    """
    n_centers, with_positions = len(starts) - 1, vectors.shape[0] > 4
    n = 0
    for atom in range(n_centers):
        first[atom] = n
        x0, y0, z0 = positions[atom, 0], positions[atom, 1], positions[atom, 2]
        for k in range(starts[atom], starts[atom + 1]):
            other = partners[k]
            x = positions[other, 0] + offsets[k, 0] - x0
            y = positions[other, 1] + offsets[k, 1] - y0
            z = positions[other, 2] + offsets[k, 2] - z0
            square = x * x + y * y + z * z
            if square < reach * reach:
                vectors[0, n], vectors[1, n], vectors[2, n], vectors[3, n] = x, y, z, math.sqrt(square)
                index[n] = other
                if with_positions:
                    vectors[4, n], vectors[5, n], vectors[6, n] = x0 + x, y0 + y, z0 + z
                n += 1
    first[n_centers] = n
    return n


def has_moved(limit: f8, positions: f8[:, 3], before: f8[:, 3]):
    """Whether an atom is farther than limit, Å, from where it was, or nowhere."""
    for atom in range(len(positions)):
        x, y, z = (
            positions[atom, 0] - before[atom, 0], positions[atom, 1] - before[atom, 1],
            positions[atom, 2] - before[atom, 2],
        )  # fmt: skip
        if not x * x + y * y + z * z <= limit * limit:
            return 1
    return 0


@jit
def fill_bins(bins, place, cell, scaled, first, order, wrapped):
    """Atoms bin by bin: writes where each bin begins in order, and the atoms and where they are, Å, in that order."""
    for b in range(len(first)):
        first[b] = 0
    for atom in range(len(order)):
        first[1 + (place[atom, 0] * bins[1] + place[atom, 1]) * bins[2] + place[atom, 2]] += 1
    for b in range(1, len(first)):
        first[b] += first[b - 1]
    for atom in range(len(order) - 1, -1, -1):  # with the ends of the bins, which become their beginnings
        b = 1 + (place[atom, 0] * bins[1] + place[atom, 1]) * bins[2] + place[atom, 2]
        first[b] -= 1
        order[first[b]] = atom
    for b in range(1, len(first) - 1):
        first[b] = first[b + 1]
    first[len(first) - 1] = len(order)
    for k in range(len(order)):
        u, v, w = scaled[order[k], 0], scaled[order[k], 1], scaled[order[k], 2]
        for i in range(3):
            wrapped[k, i] = u * cell[0, i] + v * cell[1, i] + w * cell[2, i]


@jit
def around(
    atom, reach, cell, scaled, wraps, bins, periodic, extents, place, first, order, wrapped, partners, shifts
):  # fmt: skip
    """Atoms closer to one than reach, by filled bins; returns their number.

    Writes partners and shifts as far as they go.
    """
    n, room, limit = 0, len(partners), reach * reach
    u, v, w = scaled[atom, 0], scaled[atom, 1], scaled[atom, 2]
    x0 = u * cell[0, 0] + v * cell[1, 0] + w * cell[2, 0]
    y0 = u * cell[0, 1] + v * cell[1, 1] + w * cell[2, 1]
    z0 = u * cell[0, 2] + v * cell[1, 2] + w * cell[2, 2]
    for d0 in range(-extents[0], extents[0] + 1):
        b0 = place[atom, 0] + d0
        s0 = b0 // bins[0]
        if s0 != 0 and periodic[0] == 0:
            continue
        for d1 in range(-extents[1], extents[1] + 1):
            b1 = place[atom, 1] + d1
            s1 = b1 // bins[1]
            if s1 != 0 and periodic[1] == 0:
                continue
            for d2 in range(-extents[2], extents[2] + 1):
                b2 = place[atom, 2] + d2
                s2 = b2 // bins[2]
                if s2 != 0 and periodic[2] == 0:
                    continue
                b = ((b0 - s0 * bins[0]) * bins[1] + b1 - s1 * bins[1]) * bins[2] + b2 - s2 * bins[2]
                x1 = s0 * cell[0, 0] + s1 * cell[1, 0] + s2 * cell[2, 0] - x0
                y1 = s0 * cell[0, 1] + s1 * cell[1, 1] + s2 * cell[2, 1] - y0
                z1 = s0 * cell[0, 2] + s1 * cell[1, 2] + s2 * cell[2, 2] - z0
                home, before = s0 == 0 and s1 == 0 and s2 == 0, n
                for k in range(first[b], first[b + 1]):
                    x, y, z = wrapped[k, 0] + x1, wrapped[k, 1] + y1, wrapped[k, 2] + z1
                    if n < room:
                        partners[n] = order[k]
                    n += x * x + y * y + z * z < limit and not (home and order[k] == atom)
                for k in range(before, min(n, room)):
                    other = partners[k]
                    shifts[k, 0] = s0 - wraps[other, 0] + wraps[atom, 0]
                    shifts[k, 1] = s1 - wraps[other, 1] + wraps[atom, 1]
                    shifts[k, 2] = s2 - wraps[other, 2] + wraps[atom, 2]
    return n


def find(
    reach: f8, cell: f8[3, 3], scaled: f8[:, 3], wraps: i8[:, 3], bins: i8[3], periodic: i8[3], extents: i8[3],
    place: i8[:, 3], bin_first: out(i8[:]), order: out(i8[:]), wrapped: out(f8[:, 3]), starts: out(i8[:]),
    partners: out(i8[:]), shifts: out(i8[:, 3]),
):  # fmt: skip
    """All pairs of the first len(starts) - 1 atoms closer than reach, by bins; returns their number.

    cell: rows, Å; scaled: coordinates, within the cell where it is periodic; wraps: cells taken off; bins, periodic,
    extents: bins along each cell vector, whether they repeat, how many to either side are in reach; place: each atom's
    bin; bin_first (n_bins + 1), order (n_atoms), wrapped (n_atoms, 3): scratch.  Writes starts (n_centers + 1), and
    partners and shifts as far as they go.
    """
    fill_bins(bins, place, cell, scaled, bin_first, order, wrapped)
    n = 0
    for atom in range(len(starts) - 1):
        starts[atom] = n
        n += around(
            atom, reach, cell, scaled, wraps, bins, periodic, extents, place, bin_first, order, wrapped, partners[n:],
            shifts[n:],
        )  # fmt: skip
    starts[len(starts) - 1] = n
    return n
