"""Kernels that list neighbours patch by patch, see `patches`."""

import math

from aenet_py.neighbors.constants import NO_MEMBERS, NO_OTHERS, NO_PAIRS, NO_TABLE
from aenet_py.neighbors.verlet_kernels import around, fill_bins
from aenet_py.runtime.accelerate import jit
from aenet_py.runtime.signatures import f8, i4, i8, out


@jit
def entry(atom, i, j, k, n, atoms, images, table):
    """Number of an image of an atom among the members of a patch; n, and it becomes that, if it is not among them.

    table: numbers of the members, hashed, or -1.
    """
    mask = len(table) - 1
    slot = (atom * 73856093 + i * 19349663 + j * 83492791 + k * 50331653) & mask
    while table[slot] >= 0:
        e = table[slot]
        if atoms[e] == atom and images[e, 0] == i and images[e, 1] == j and images[e, 2] == k:
            return e
        slot = (slot + 1) & mask
    table[slot] = n
    atoms[n], images[n, 0], images[n, 1], images[n, 2] = atom, i, j, k
    return n


def sort_into_bins(
    cell: f8[3, 3], scaled: f8[:, 3], bins: i8[3], place: i8[:, 3], bin_first: out(i8[:]), order: out(i8[:]),
    wrapped: out(f8[:, 3]),
):  # fmt: skip
    """Write the atoms bin by bin for `list_patches`; arguments as of `verlet_kernels.find`."""
    fill_bins(bins, place, cell, scaled, bin_first, order, wrapped)
    return 0


def list_patches(
    reach: f8, cell: f8[3, 3], scaled: f8[:, 3], wraps: i8[:, 3], bins: i8[3], periodic: i8[3], extents: i8[3],
    place: i8[:, 3], bin_first: i8[:], order: i8[:], wrapped: f8[:, 3], kinds: i8[:], n_kinds: i8, centers: i8[:],
    ends: i8[:], table: out(i8[:]), others: out(i8[:]), shifts: out(i8[:, 3]), members: out(i8[:]), atoms: out(i8[:]),
    images: out(i8[:, 3]), first: out(i8[:]), partners: out(i4[:]), most: out(i8[1]),
):  # fmt: skip
    """Members and pairs of some patches; returns 0, or which array is too short: NO_MEMBERS and so on.

    reach to wrapped: as of `verlet_kernels.find`, after `sort_into_bins`; kinds (n_atoms): from 0 to n_kinds - 1;
    centers (n_centers): atoms whose pairs are wanted; ends (n_patches + 1): where the patches begin and end in these.
    Scratch: table (a power of two), others, shifts.  Writes members (n_patches + 1): where the members of each patch
    begin, atoms and images of them, first: where the pairs of each centre with each kind begin, from that of the first
    patch on, partners: members of the patch, from 0, and most: neighbours of the atom that has most of those seen.
    """
    n, n_pairs, c_first = 0, 0, ends[0]
    most[0] = 0
    for patch in range(len(ends) - 1):
        members[patch] = n
        begin, room = n, min(len(atoms), n + len(table) // 2)
        for slot in range(len(table)):
            table[slot] = -1
        for c in range(ends[patch], ends[patch + 1]):
            if n >= room:
                return NO_MEMBERS if n >= len(atoms) else NO_TABLE
            atom = centers[c]
            entry(atom, -wraps[atom, 0], -wraps[atom, 1], -wraps[atom, 2], n, atoms, images, table)
            n += 1
        for c in range(ends[patch], ends[patch + 1]):
            atom = centers[c]
            count = around(
                atom, reach, cell, scaled, wraps, bins, periodic, extents, place, bin_first, order, wrapped, others,
                shifts,
            )  # fmt: skip
            most[0] = max(most[0], count)
            if count > len(others):
                return NO_OTHERS
            if n_pairs + count > len(partners):
                return NO_PAIRS
            for kind in range(n_kinds):
                first[(c - c_first) * n_kinds + kind] = n_pairs
                for k in range(count):
                    other = others[k]
                    if kinds[other] != kind:
                        continue
                    if n >= room:
                        return NO_MEMBERS if n >= len(atoms) else NO_TABLE
                    found = entry(
                        other, shifts[k, 0] - wraps[atom, 0], shifts[k, 1] - wraps[atom, 1],
                        shifts[k, 2] - wraps[atom, 2], n, atoms, images, table,
                    )  # fmt: skip
                    n = max(n, found + 1)
                    partners[n_pairs] = found - begin
                    n_pairs += 1
    members[len(ends) - 1] = n
    first[len(first) - 1] = n_pairs
    return 0


def unfold(
    reach: f8, positions: f8[:, 3], centers: i8[:], ends: i8[:], members: i8[:], atoms: i8[:], offsets: f8[:, 3],
    first: i8[:], partners: i4[:], places: i8[:], starts: out(i8[:]), index: out(i4[:]), vectors: out(f8[:, :]),
):  # fmt: skip
    """Pairs that are closer than reach now, in the order of the centres' numbers; returns how many.

    places (n_centers): where each atom is among centers; others as `list_patches` wrote them, offsets (n_members, 3) of
    the images, Å.  Writes starts, index and vectors as `verlet_kernels.update` does.
    """
    n, n_kinds = 0, (len(first) - 1) // max(len(centers), 1)
    for atom in range(len(places)):
        starts[atom] = n
        c = places[atom]
        low, high = 0, len(ends) - 2
        while low < high:
            middle = (low + high + 1) // 2
            if ends[middle] <= c:
                low = middle
            else:
                high = middle - 1
        begin = members[low]
        own = begin + c - ends[low]
        for k in range(first[c * n_kinds], first[(c + 1) * n_kinds]):
            e = begin + partners[k]
            other = atoms[e]
            x = (positions[other, 0] + offsets[e, 0]) - (positions[atom, 0] + offsets[own, 0])
            y = (positions[other, 1] + offsets[e, 1]) - (positions[atom, 1] + offsets[own, 1])
            z = (positions[other, 2] + offsets[e, 2]) - (positions[atom, 2] + offsets[own, 2])
            square = x * x + y * y + z * z
            if square < reach * reach:
                vectors[0, n], vectors[1, n], vectors[2, n], vectors[3, n] = x, y, z, math.sqrt(square)
                index[n] = other
                n += 1
    starts[len(places)] = n
    return n


@jit
def place_members(begin, end, positions, atoms, offsets, places):
    """Where the members begin .. end - 1 of a patch are; writes places (n, 4)."""
    for member in range(begin, end):
        atom = atoms[member]
        for i in range(3):
            places[member - begin, i] = positions[atom, i] + offsets[member, i]
