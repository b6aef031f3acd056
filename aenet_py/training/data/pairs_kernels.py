"""Kernels that sum forces, and the way back through them, over the neighbours of atoms, without their gradients.

A structure's atoms and the images of atoms around them are its members, by whose numbers the pairs of neighbours are
listed; see `pairs.Pairs`.
"""

from numba import int64

from aenet_py.descriptors.changes_kernels import atom_changes, changes_of_sums
from aenet_py.descriptors.moments_kernels import (
    PULL_X,
    PULL_Y,
    PULL_Z,
    add_pulls,
    atom_sums,
    features_of_sums,
    gather,
    spread,
)
from aenet_py.runtime.accelerate import jit
from aenet_py.runtime.constants import LANES
from aenet_py.runtime.signatures import f8, i2, i4, i8, out, u2


def list_pairs(
    places: i8[:], networks: i8[:], n_kinds: i8, first: i8[:], index: i4[:], images: i8[:, 3], low: i8[3],
    counts: i8[3], table: out(i8[:]), members: out(i2[:, 4]), ends_of: out(i4[:]), partners: out(u2[:]),
):  # fmt: skip
    """List the members of a structure and the pairs of its atoms, by kind; returns the number of members.

    places, networks (n_atoms): place of each atom when they are ordered by network, and its network; first (n_atoms +
    1), index, images (n_pairs): of the neighbours of each atom, and the cell in which each is; low, counts (3): the
    lowest of these, and how many there are along each vector; table (n_atoms counts): scratch.  Writes members, which
    has room for an image per pair, ends_of (n_atoms n_kinds + 1) and partners (n_pairs) as of `pairs.Pairs`.
    """
    n_atoms, n = len(places), len(places)
    n_images = counts[0] * counts[1] * counts[2]
    home = (-low[0] * counts[1] - low[1]) * counts[2] - low[2]
    for k in range(len(table)):
        table[k] = -1
    for atom in range(n_atoms):
        place = places[atom]
        members[place, 0], members[place, 1], members[place, 2], members[place, 3] = place, 0, 0, 0
        table[place * n_images + home] = place
        ends_of[place * n_kinds + 1] = first[atom + 1] - first[atom]
    ends_of[0] = 0
    for place in range(n_atoms):  # where the pairs of each atom begin, first
        ends_of[(place + 1) * n_kinds] = ends_of[place * n_kinds] + ends_of[place * n_kinds + 1]
    for atom in range(n_atoms):
        place = places[atom]
        to = int64(ends_of[place * n_kinds])
        for kind in range(n_kinds):
            ends_of[place * n_kinds + kind] = to
            for k in range(first[atom], first[atom + 1]):
                other = index[k]
                if networks[other] != kind:
                    continue
                a, b, c = images[k, 0], images[k, 1], images[k, 2]
                image = ((a - low[0]) * counts[1] + b - low[1]) * counts[2] + c - low[2]
                cell = places[other] * n_images + image
                if table[cell] < 0:
                    table[cell] = n
                    members[n, 0], members[n, 1], members[n, 2], members[n, 3] = places[other], a, b, c
                    n += 1
                partners[to] = table[cell]
                to += 1
    return n


@jit
def place_members(members, positions, cell, moved):
    """Where the members of a structure are; writes moved (n_members, 4)."""
    for k in range(len(members)):
        atom, a, b, c = members[k, 0], members[k, 1], members[k, 2], members[k, 3]
        for i in range(3):
            moved[k, i] = positions[atom, i] + (a * cell[0, i] + b * cell[1, i] + c * cell[2, i])


@jit
def next_group(start, end, networks):
    """Where the atoms from start on that have one network and are at most LANES end."""
    stop = start + 1
    while stop < min(end, start + LANES) and networks[stop] == networks[start]:
        stop += 1
    return stop


def forces(
    structures: i8[:], starts: i8[:], atoms: i8[:], networks: i8[:], positions: f8[:, 3], cells: f8[:, 3, 3],
    first_members: i8[:], members: i2[:, 4], first_pairs: i8[:], ends_of: i4[:], partners: u2[:], cutoffs: f8[:, 4],
    orders: i8[:, 3], species: f8[:, :], recurrence: f8[:, :], norms: f8[:, :], expansion: f8[:, :],
    slopes: f8[:, :], work: out(f8[LANES, :, :]), places: out(i8[LANES, 2, :]), ends: out(i8[LANES, 2, :]),
    filled: out(i8[:]), accumulators: out(f8[:]), radial: out(f8[:]), moments: out(f8[8, :]), lanes: out(f8[3, :]),
    sums: out(f8[:, :]), features: out(f8[:]), by_features: out(f8[:]), moved: out(f8[:, 4]), pulls: out(f8[:, 4]),
    forces: out(f8[:, 3]), virials: out(f8[:, :]),
):  # fmt: skip
    """Forces and virials that follow from the slopes of the energy by the features.

    structures (n): numbers of the structures; starts (n): the row of slopes and forces where the atoms of each begin;
    atoms (n_structures + 1) to partners: as of `Pairs`; cutoffs to expansion (n_networks, ...): as of
    `potentials.kernels.through_moments`, by network; slopes (n_rows, n_features).  Scratch: work to sums as
    `moments.scratch_of` makes them; features, by_features (n_features LANES), moved, pulls (most_members, 4).  Writes
    forces (n_rows, 3) and virials (n, 9 LANES): sums of the derivative by the strain, row by row.  Returns 0.
    """
    n_kinds = species.shape[1]
    for number in range(len(structures)):
        structure, row = structures[number], starts[number]
        begin, end = atoms[structure], atoms[structure + 1]
        own_members = members[first_members[structure] : first_members[structure + 1]]
        own_partners = partners[first_pairs[structure] : first_pairs[structure + 1]]
        n_members = len(own_members)
        place_members(own_members, positions[begin:end], cells[structure], moved)
        pulls[:n_members] = 0.0
        virials[number] = 0.0
        start = begin
        while start < end:
            stop = next_group(start, end, networks)
            t = networks[start]
            reach = max(cutoffs[t, 0], cutoffs[t, 1])
            filled[:] = 0
            sums[:] = 0.0
            for lane in range(stop - start):
                c = start + lane
                pairs = ends_of[c * n_kinds + structure : (c + 1) * n_kinds + structure + 1]
                gather(
                    c - begin, pairs[:-1], pairs[1:], own_partners, moved, reach, work[lane], places[lane, 0],
                    ends[lane, 0],
                )  # fmt: skip
                atom_sums(
                    lane, ends[lane, 0], reach, cutoffs[t], orders[t], recurrence[t], work[lane], places[lane, 1],
                    ends[lane, 1], accumulators, radial, sums, filled,
                )  # fmt: skip
                for f in range(slopes.shape[1]):
                    by_features[f * LANES + lane] = slopes[row + c - begin, f]
            features_of_sums(species[t], filled, orders[t], norms[t], expansion[t], sums, moments[:4], features)
            add_pulls(
                stop - start, ends, species[t], filled, cutoffs[t], orders[t], recurrence[t], norms[t], expansion[t],
                work, places, moments[:4], by_features, moments[4:], radial, lanes,
            )  # fmt: skip
            for lane in range(stop - start):
                spread(
                    ends[lane, 0, n_kinds], start + lane - begin, work[lane], places[lane, 0], pulls, virials[number]
                )  # fmt: skip
            start = stop
        for atom in range(end - begin):
            for i in range(3):
                forces[row + atom, i] = pulls[atom, i]
        for k in range(end - begin, n_members):
            for i in range(3):
                forces[row + own_members[k, 0], i] += pulls[k, i]
    return 0


def slopes(
    structures: i8[:], starts: i8[:], atoms: i8[:], networks: i8[:], positions: f8[:, 3], cells: f8[:, 3, 3],
    first_members: i8[:], members: i2[:, 4], first_pairs: i8[:], ends_of: i4[:], partners: u2[:], cutoffs: f8[:, 4],
    orders: i8[:, 3], species: f8[:, :], recurrence: f8[:, :], norms: f8[:, :], expansion: f8[:, :],
    by_forces: f8[:, 3], by_virials: f8[:, 3, 3], work: out(f8[LANES, :, :]), places: out(i8[LANES, 2, :]),
    ends: out(i8[LANES, 2, :]), filled: out(i8[:]), accumulators: out(f8[:]), radial: out(f8[:]),
    moments: out(f8[8, :]), sums: out(f8[:, :]), features: out(f8[:]), moved: out(f8[:, 4]), slopes: out(f8[:, :]),
):  # fmt: skip
    """The reverse of `forces`: from derivatives by forces (n_rows, 3) and virials (n, 3, 3) those by slopes.

    They are the changes of the features if atoms move against the derivatives by forces and the structure is strained
    by those by virials.  sums, accumulators: scratch with the rows of `changes_kernels.atom_changes`; others as of
    `forces`.  Writes slopes (n_rows, n_features).  Returns 0.
    """
    n_kinds = species.shape[1]
    for number in range(len(structures)):
        structure, row = structures[number], starts[number]
        begin, end = atoms[structure], atoms[structure + 1]
        own_members = members[first_members[structure] : first_members[structure + 1]]
        own_partners = partners[first_pairs[structure] : first_pairs[structure + 1]]
        strain = by_virials[number]
        place_members(own_members, positions[begin:end], cells[structure], moved)
        start = begin
        while start < end:
            stop = next_group(start, end, networks)
            t = networks[start]
            reach = max(cutoffs[t, 0], cutoffs[t, 1])
            filled[:] = 0
            sums[:] = 0.0
            for lane in range(stop - start):
                c = start + lane
                own = c - begin
                pairs = ends_of[c * n_kinds + structure : (c + 1) * n_kinds + structure + 1]
                gather(
                    own, pairs[:-1], pairs[1:], own_partners, moved, reach, work[lane], places[lane, 0], ends[lane, 0]
                )  # fmt: skip
                move(ends[lane, 0, n_kinds], own, row, own_members, by_forces, strain, work[lane], places[lane, 0])
                atom_changes(
                    lane, ends[lane, 0], reach, cutoffs[t], orders[t], recurrence[t], work[lane], accumulators, radial,
                    sums, filled,
                )  # fmt: skip
            changes_of_sums(species[t], filled, orders[t], norms[t], expansion[t], sums, moments, features)
            for lane in range(stop - start):
                for f in range(slopes.shape[1]):
                    slopes[row + start + lane - begin, f] = features[f * LANES + lane]
            start = stop
    return 0


@jit
def move(n, own, row, members, by_forces, strain, work, places):
    """Writes the velocities of the first n gathered neighbours relative to their atom: rows PULL_X and so on."""
    x0, y0, z0 = by_forces[row + own, 0], by_forces[row + own, 1], by_forces[row + own, 2]
    for k in range(n):
        atom = row + members[places[k], 0]
        x, y, z = work[0, k], work[1, k], work[2, k]
        work[PULL_X, k] = x0 - by_forces[atom, 0] + (x * strain[0, 0] + y * strain[1, 0] + z * strain[2, 0])
        work[PULL_Y, k] = y0 - by_forces[atom, 1] + (x * strain[0, 1] + y * strain[1, 1] + z * strain[2, 1])
        work[PULL_Z, k] = z0 - by_forces[atom, 2] + (x * strain[0, 2] + y * strain[1, 2] + z * strain[2, 2])
