"""Kernels that list neighbours patch by patch, see `patches`."""

import math

from aenet_py.neighbors.constants import NO_CANDIDATES, NO_MEMBERS, NO_PAIRS
from aenet_py.neighbors.verlet_kernels import fill_bins
from aenet_py.runtime.accelerate import jit
from aenet_py.runtime.constants import LANES
from aenet_py.runtime.signatures import f8, i4, i8, out
from aenet_py.runtime.vector_kernels import count_from, load, number_below, store_below


def sort_into_bins(
    cell: f8[3, 3], scaled: f8[:, 3], bins: i8[3], place: i8[:, 3], bin_first: out(i8[:]), order: out(i8[:]),
    wrapped: out(f8[:, 3]),
):  # fmt: skip
    """Write the atoms bin by bin for `list_patches`; arguments as of `verlet_kernels.find`."""
    fill_bins(bins, place, cell, scaled, bin_first, order, wrapped)
    return 0


@jit
def place_center(atom, scaled, cell, center):
    """Where an atom is, Å: writes center (3)."""
    u, v, w = scaled[atom, 0], scaled[atom, 1], scaled[atom, 2]
    for i in range(3):
        center[i] = u * cell[0, i] + v * cell[1, i] + w * cell[2, i]


@jit
def surround(begin, end, centers, cell, scaled, bins, periodic, extents, place, corners, box):
    """Bins that may hold neighbours of some centres, begin .. end - 1, and the box around these.

    Writes corners (2, 3), the first and the last bin along each cell vector, and box (2, 3), Å; its third row is
    scratch.
    """
    low, high = corners[0], corners[1]
    for c in range(begin, end):
        place_center(centers[c], scaled, cell, box[2])
        for i in range(3):
            if c == begin:
                low[i], high[i] = place[centers[c], i], place[centers[c], i]
                box[0, i], box[1, i] = box[2, i], box[2, i]
            low[i], high[i] = min(low[i], place[centers[c], i]), max(high[i], place[centers[c], i])
            box[0, i], box[1, i] = min(box[0, i], box[2, i]), max(box[1, i], box[2, i])
    for i in range(3):
        low[i], high[i] = low[i] - extents[i], high[i] + extents[i]
        if periodic[i] == 0:
            low[i], high[i] = max(low[i], 0), min(high[i], bins[i] - 1)


@jit
def list_candidates(
    kind, n, reach, cell, wraps, bins, bin_first, order, wrapped, kinds, place_of, low, high, box, number, image, at
):  # fmt: skip
    """Atoms and images of a kind that may be neighbours of some centres: those close to the box around these.

    They follow the first n candidates, and some that are nowhere follow them, up to a multiple of LANES.  Returns how
    many there are then, of which at most as many are written as there is room for: number (the member's, or -1), image:
    the atom and its cell, and at: where it is, Å.  place_of (n_atoms): what number an atom has as a member if it is one
    of the centres, or -1; low, high, box: as `surround` wrote them.
    """
    room = len(number)
    for b0 in range(low[0], high[0] + 1):
        s0 = b0 // bins[0]
        for b1 in range(low[1], high[1] + 1):
            s1 = b1 // bins[1]
            for b2 in range(low[2], high[2] + 1):
                s2 = b2 // bins[2]
                b = ((b0 - s0 * bins[0]) * bins[1] + b1 - s1 * bins[1]) * bins[2] + b2 - s2 * bins[2]
                x1 = s0 * cell[0, 0] + s1 * cell[1, 0] + s2 * cell[2, 0]
                y1 = s0 * cell[0, 1] + s1 * cell[1, 1] + s2 * cell[2, 1]
                z1 = s0 * cell[0, 2] + s1 * cell[1, 2] + s2 * cell[2, 2]
                is_home = s0 == 0 and s1 == 0 and s2 == 0
                for k in range(bin_first[b], bin_first[b + 1]):
                    if kinds[order[k]] != kind:
                        continue
                    x, y, z = wrapped[k, 0] + x1, wrapped[k, 1] + y1, wrapped[k, 2] + z1
                    dx = max(box[0, 0] - x, x - box[1, 0], 0.0)
                    dy = max(box[0, 1] - y, y - box[1, 1], 0.0)
                    dz = max(box[0, 2] - z, z - box[1, 2], 0.0)
                    if dx * dx + dy * dy + dz * dz > reach * reach:
                        continue
                    if n < room:
                        atom = order[k]
                        number[n] = place_of[atom] if is_home else -1
                        image[n, 0] = atom
                        image[n, 1], image[n, 2], image[n, 3] = (
                            s0 - wraps[atom, 0], s1 - wraps[atom, 1], s2 - wraps[atom, 2],
                        )  # fmt: skip
                        at[0, n], at[1, n], at[2, n] = x, y, z
                    n += 1
    full = (n + LANES - 1) // LANES * LANES
    for k in range(n, min(full, room)):
        number[k], at[0, k], at[1, k], at[2, k] = 0, math.inf, math.inf, math.inf
    return full


def list_patches(
    reach: f8, cell: f8[3, 3], scaled: f8[:, 3], wraps: i8[:, 3], bins: i8[3], periodic: i8[3], extents: i8[3],
    place: i8[:, 3], bin_first: i8[:], order: i8[:], wrapped: f8[:, 3], kinds: i8[:], n_kinds: i8, centers: i8[:],
    ends: i8[:], place_of: out(i8[:]), corners: out(i8[2, 3]), box: out(f8[3, 3]), groups: out(i8[:]),
    number: out(i8[:]), image: out(i8[:, 4]), at: out(f8[3, :]), others: out(i8[:]), members: out(i8[:]),
    atoms: out(i8[:]), images: out(i8[:, 3]), first: out(i8[:]), partners: out(i4[:]), most: out(i8[1]),
):  # fmt: skip
    """Members and pairs of some patches; returns 0, or which array is too short: NO_MEMBERS and so on.

    reach to wrapped: as of `verlet_kernels.find`, after `sort_into_bins`; kinds (n_atoms): from 0 to n_kinds - 1;
    centers (n_centers): atoms whose pairs are wanted; ends (n_patches + 1): where the patches begin and end in these.
    Scratch: place_of (n_atoms); corners and box as of `surround`; groups (n_kinds + 1); number, image and at as of
    `list_candidates`; others, as long as number.  Writes members (n_patches + 1): where the members of each patch
    begin, atoms and images of them, first: where the pairs of each centre with each kind begin, from that of the first
    patch on, partners: members of the patch, from 0, and most: neighbours of the atom that has most of those seen.
    """
    n, n_pairs, c_first, limit = 0, 0, ends[0], reach * reach
    most[0] = 0
    for atom in range(len(place_of)):
        place_of[atom] = -1
    for patch in range(len(ends) - 1):
        members[patch] = n
        begin = n
        if n + ends[patch + 1] - ends[patch] > len(atoms):
            return NO_MEMBERS
        for c in range(ends[patch], ends[patch + 1]):
            atom = centers[c]
            place_of[atom] = n - begin
            atoms[n] = atom
            for i in range(3):
                images[n, i] = -wraps[atom, i]
            n += 1
        surround(
            ends[patch], ends[patch + 1], centers, cell, scaled, bins, periodic, extents, place, corners, box
        )  # fmt: skip
        groups[0] = 0
        for kind in range(n_kinds):
            groups[kind + 1] = list_candidates(
                kind, groups[kind], reach, cell, wraps, bins, bin_first, order, wrapped, kinds, place_of, corners[0],
                corners[1], box, number, image, at,
            )  # fmt: skip
        for c in range(ends[patch], ends[patch + 1]):
            place_of[centers[c]] = -1
        if groups[n_kinds] > len(number):
            return NO_CANDIDATES
        for c in range(ends[patch], ends[patch + 1]):
            own, n_neighbors = c - ends[patch], -1  # without itself
            place_center(centers[c], scaled, cell, box[2])
            x0, y0, z0 = box[2, 0], box[2, 1], box[2, 2]
            for kind in range(n_kinds):
                first[(c - c_first) * n_kinds + kind] = n_pairs
                count = 0
                for k in range(groups[kind], groups[kind + 1], LANES):
                    x, y, z = load(at[0], k) - x0, load(at[1], k) - y0, load(at[2], k) - z0
                    square = x * x + y * y + z * z
                    store_below(others, count, count_from(k, square), square, limit)
                    count += number_below(square, limit)
                n_neighbors += count
                if n_pairs + count > len(partners):
                    return NO_PAIRS
                for j in range(count):
                    k = others[j]
                    if number[k] == own:
                        continue
                    if number[k] < 0:
                        if n >= len(atoms):
                            return NO_MEMBERS
                        number[k] = n - begin
                        atoms[n] = image[k, 0]
                        for i in range(3):
                            images[n, i] = image[k, 1 + i]
                        n += 1
                    partners[n_pairs] = number[k]
                    n_pairs += 1
            most[0] = max(most[0], n_neighbors)
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
