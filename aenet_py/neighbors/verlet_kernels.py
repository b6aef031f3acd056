"""Kernels of the neighbour list with a skin: pairs, and their distances when atoms have moved."""

import math

from numba import carray


def update(
    n_centers, n_atoms, n_pairs, n_rows, reach, positions_p, starts_p, partners_p, offsets_p, first_p, index_p,
    vectors_p,
):  # fmt: skip
    """Keep the pairs of the first n_centers atoms that are closer than reach now.

    positions (n_atoms, 3) Å; starts (n_centers + 1) : where each atom's pairs begin; partners (n_pairs) : the other
    atoms, from 0; offsets (n_pairs, 3) Å : from one cell to the other's.  Writes first (n_centers + 1), index
    (n_pairs), from 1, and vectors (n_rows, n_pairs) : x, y, z, distance and, with seven rows, the other atom's
    position.  Returns the number of neighbours.
    """
    positions, starts = carray(positions_p, (n_atoms, 3)), carray(starts_p, (n_centers + 1,))
    partners, offsets = carray(partners_p, (n_pairs,)), carray(offsets_p, (n_pairs, 3))
    first, index = carray(first_p, (n_centers + 1,)), carray(index_p, (n_pairs,))
    vectors = carray(vectors_p, (n_rows, n_pairs))
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
                index[n] = other + 1
                if n_rows > 4:
                    vectors[4, n], vectors[5, n], vectors[6, n] = x0 + x, y0 + y, z0 + z
                n += 1
    first[n_centers] = n
    return n


def find(
    n_centers, n_atoms, capacity, n_bins, reach, cell_p, scaled_p, wraps_p, bins_p, periodic_p, extents_p, head_p,
    following_p, place_p, starts_p, partners_p, shifts_p,
):  # fmt: skip
    """All pairs of the first n_centers atoms closer than reach, by bins.

    cell (3, 3), rows, Å; scaled (n_atoms, 3) : coordinates, within the cell where it is periodic; wraps (n_atoms, 3) :
    cells taken off; bins, periodic, extents (3) : bins along each cell vector, whether they repeat, how many to either
    side are in reach; place (n_atoms, 3) : each atom's bin; head (n_bins), following (n_atoms) : scratch.  Writes
    starts (n_centers + 1), partners (capacity), shifts (capacity, 3), as far as they go; returns the number of pairs.
    """
    cell, scaled, wraps = carray(cell_p, (3, 3)), carray(scaled_p, (n_atoms, 3)), carray(wraps_p, (n_atoms, 3))
    bins, periodic, extents = carray(bins_p, (3,)), carray(periodic_p, (3,)), carray(extents_p, (3,))
    head, following, place = carray(head_p, (n_bins,)), carray(following_p, (n_atoms,)), carray(place_p, (n_atoms, 3))
    starts, partners = carray(starts_p, (n_centers + 1,)), carray(partners_p, (capacity,))
    shifts = carray(shifts_p, (capacity, 3))
    for b in range(n_bins):
        head[b] = -1
    for atom in range(n_atoms - 1, -1, -1):
        b = (place[atom, 0] * bins[1] + place[atom, 1]) * bins[2] + place[atom, 2]
        following[atom] = head[b]
        head[b] = atom
    n = 0
    for atom in range(n_centers):
        starts[atom] = n
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
                    other = head[b]
                    while other >= 0:
                        u = scaled[other, 0] + s0 - scaled[atom, 0]
                        v = scaled[other, 1] + s1 - scaled[atom, 1]
                        w = scaled[other, 2] + s2 - scaled[atom, 2]
                        x = u * cell[0, 0] + v * cell[1, 0] + w * cell[2, 0]
                        y = u * cell[0, 1] + v * cell[1, 1] + w * cell[2, 1]
                        z = u * cell[0, 2] + v * cell[1, 2] + w * cell[2, 2]
                        itself = other == atom and s0 == 0 and s1 == 0 and s2 == 0
                        if x * x + y * y + z * z < reach * reach and not itself:
                            if n < capacity:
                                partners[n] = other
                                shifts[n, 0] = s0 - wraps[other, 0] + wraps[atom, 0]
                                shifts[n, 1] = s1 - wraps[other, 1] + wraps[atom, 1]
                                shifts[n, 2] = s2 - wraps[other, 2] + wraps[atom, 2]
                            n += 1
                        other = following[other]
    starts[n_centers] = n
    return n
