"""Kernels of potentials: from features to atomic energies and their derivatives (ff_eval, ff_deriv), or all the way."""

import math

from aenet_py.descriptors.constants import COINCIDENT
from aenet_py.descriptors.moments_kernels import (
    PULL_X,
    add_pulls,
    atom_sums,
    features_of_sums,
    gather,
    gather_known,
    spread,
)
from aenet_py.neighbors.patch_kernels import place_members
from aenet_py.potentials.constants import MTANH, SIGMOID, TANH, TWIST, A, B, C
from aenet_py.potentials.network_kernels import network
from aenet_py.runtime.accelerate import jit
from aenet_py.runtime.atomic_kernels import take_next
from aenet_py.runtime.constants import LANES
from aenet_py.runtime.signatures import f8, i4, i8, out, rows
from aenet_py.runtime.vector_kernels import load, store


@jit
def activate(function, x):
    """Value and slope of an activation function."""
    if function == TANH:
        y = math.tanh(x)
        return y, 1.0 - y * y
    if function == SIGMOID:
        y = 1.0 / (1.0 + math.exp(-x))
        return y, y * (1.0 - y)
    if function == MTANH:
        y = math.tanh(B * x)
        return A * y, A * (1.0 - y * y) * B
    if function == TWIST:
        y = math.tanh(B * x)
        return A * y + C * x, A * (1.0 - y * y) * B + C
    return x, 1.0


@jit
def forward(t, layers, nodes, weights, start, slopes_of, products, out):
    """Derivatives of the output by the input, from the first layer to the last, in the order of ff_deriv."""
    n_first, place, current = nodes[t, 0], 0, 0
    for layer in range(1, layers[t]):
        n_in, n_out = nodes[t, layer - 1], nodes[t, layer]
        place += n_in
        before, after = products[current], products[1 - current]
        for i in range(n_out):
            slope, row = slopes_of[place + i], after[i]
            if layer == 1:
                for k in range(n_first):
                    row[k] = slope * weights[start + k * n_out + i]
            else:
                for k in range(n_first):
                    row[k] = 0.0
                for j in range(n_in):
                    factor, old = slope * weights[start + j * n_out + i], before[j]
                    for k in range(n_first):
                        row[k] = row[k] + factor * old[k]
        current = 1 - current
        start += (n_in + 1) * n_out
    for k in range(n_first):
        out[k] = products[current, 0, k]


@jit
def network_energy(
    t, features, layers, nodes, functions, weights, start, means, factors, low, high, energy, values, slopes_of,
):  # fmt: skip
    """Energy of an atom, how many of its features leave the range, and the ends of its weights and values."""
    beyond, place = 0, 0
    for f in range(nodes[t, 0]):
        value = features[f]
        if value < low[t, f] or value > high[t, f]:
            beyond += 1
        values[f] = factors[t, f] * (value - means[t, f])
    for layer in range(1, layers[t]):
        n_in, n_out = nodes[t, layer - 1], nodes[t, layer]
        inputs, out = values[place : place + n_in], values[place + n_in : place + n_in + n_out]
        for i in range(n_out):
            out[i] = 0.0
        for j in range(n_in):
            row, x = weights[start + j * n_out : start + (j + 1) * n_out], inputs[j]
            for i in range(n_out):
                out[i] = out[i] + row[i] * x
        bias, slope = weights[start + n_in * n_out :], slopes_of[place + n_in : place + n_in + n_out]
        function = functions[t, layer]
        for i in range(n_out):
            out[i], slope[i] = activate(function, out[i] + bias[i])
        start += (n_in + 1) * n_out
        place += n_in
    return (energy[t, 0] * values[place] + energy[t, 1]) + energy[t, 2], beyond, start, place


def evaluate(
    types: i8[:], features: f8[:, :], layers: i8[:], nodes: i8[:, :], functions: i8[:, :], starts: i8[:],
    weights: f8[:], means: f8[:, :], factors: f8[:, :], low: f8[:, :], high: f8[:, :], energy: f8[:, 3],
    values: out(f8[:]), slopes_of: out(f8[:]), products: out(f8[2, :, :]), energies: out(f8[:]),
    slopes: out(f8[:, :]), outside: out(i8[:]),
):  # fmt: skip
    """Energy of every atom (eV, with the atomic energy), its derivatives by the features, and extrapolation.

    types (n_atoms); features (n_atoms, width); layers (n_types): number of layers; nodes, functions (n_types,
    most_layers): without bias, and activation of each layer; starts (n_types): of the species' weights; means,
    factors, low, high (n_types, width): normalisation and range of the features; energy (n_types, 3): scale, shift,
    atomic energy.  values, slopes_of (most_values), products (2, most_nodes, width): scratch.  Writes energies
    (n_atoms), outside (n_atoms): how many features leave the range, and slopes (n_atoms, width), where it has rows: of
    the network's output by its normalised input, summed as in ff_deriv.
    """
    slopes_wanted = len(slopes) > 0
    for atom in range(len(types)):
        t = types[atom]
        energies[atom], outside[atom], _, _ = network_energy(
            t, features[atom], layers, nodes, functions, weights, starts[t], means, factors, low, high, energy, values,
            slopes_of,
        )  # fmt: skip
        if slopes_wanted:
            forward(t, layers, nodes, weights, starts[t], slopes_of, products, slopes[atom])
    return 0


@jit
def lanes_through_moments(
    n, t, alike, n_members, cutoffs, orders, species, recurrence, norms, expansion, layers, nodes, functions, starts,
    weights, normal, energy, work, places, ends, radial, moments, lanes, chain, features, filled, sums, results,
):  # fmt: skip
    """What follows `atom_sums` of the first n lanes: features, results of the networks, and the rows of pulls.

    t: their species; alike: whether set-ups and layers of all are those of the first row.  The pulls are due to the
    mean of the energies of all members, whose networks follow each other.
    """
    row, n_types = 0 if alike else t, len(energy) // n_members
    features_of_sums(species[t], filled, orders[row], norms[t], expansion[t], sums, moments[:4], features)
    for member in range(n_members):
        place = member * n_types + t
        row_of = 0 if alike else place
        network(
            layers[row_of], nodes[row_of], functions[row_of], weights, starts[place], normal[place], energy[place],
            features, chain[0], chain[1], chain[2 if member == 0 else 3], results[member],
        )  # fmt: skip
        if member > 0:
            for f in range(nodes[row_of, 0]):
                store(chain[2], f * LANES, load(chain[2], f * LANES) + load(chain[3], f * LANES))
    if n_members > 1:
        for f in range(nodes[0 if alike else t, 0]):
            store(chain[2], f * LANES, load(chain[2], f * LANES) * (1.0 / n_members))
    add_pulls(
        n, ends, species[t], filled, cutoffs[row], orders[row], recurrence[t], norms[t], expansion[t], work, places,
        moments[:4], chain[2], moments[4:], radial, lanes,
    )  # fmt: skip


@jit
def known_sums(
    lane, atom, t, types, first, index, vectors, cutoffs, orders, recurrence, work, places, ends, accumulators, radial,
    sums, filled,
):  # fmt: skip
    """`gather_known` and `atom_sums` of an atom of species t in a lane; types: of its structure.

    Returns the square of the shortest distance; sums are added only if it is no coincidence.
    """
    reach = max(cutoffs[t, 0], cutoffs[t, 1])
    least = gather_known(
        first[atom], first[atom + 1], index, vectors, types, len(recurrence), reach, work[lane], places[lane, 0],
        ends[lane, 0],
    )  # fmt: skip
    if least >= COINCIDENT * COINCIDENT:
        atom_sums(
            lane, ends[lane, 0], reach, cutoffs[t], orders[t], recurrence[t], work[lane], places[lane, 1],
            ends[lane, 1], accumulators, radial, sums, filled,
        )  # fmt: skip
    return least


def through_moments(
    begin: i8, end: i8, centers: i8[:], owners: i8[:], bases: i8[:], types: i8[:], first: i8[:], index: i4[:],
    vectors: rows(f8[:, :]), cutoffs: f8[:, 4], orders: i8[:, 3], species: f8[:, :], recurrence: f8[:, :],
    norms: f8[:, :], expansion: f8[:, :], layers: i8[:], nodes: i8[:, :], functions: i8[:, :], starts: i8[:],
    weights: f8[:], normal: f8[:, 4, :], energy: f8[:, 3], work: out(f8[LANES, :, :]), places: out(i8[LANES, 2, :]),
    ends: out(i8[LANES, 2, :]), filled: out(i8[:]), accumulators: out(f8[:]), radial: out(f8[:]),
    moments: out(f8[8, :]), lanes: out(f8[3, :]), sums: out(f8[:, :]), chain: out(f8[4, :]), values: out(f8[:]),
    results: out(f8[:, 3 * LANES]), features: out(f8[:, :]), energies: out(f8[:]), outside: out(i8[:]),
    forces: out(f8[:, 3]), virials: out(f8[:, 3, 3]),
):  # fmt: skip
    """Energies of the atoms centers[begin:end], and forces and virials that are due to these, through moments.

    Returns 0, or 1 + an atom that coincides with another.  owners (n_centers): the structure of each atom; bases
    (n_structures): the first atom of each; species (n_types, n_types): weights; cutoffs, orders: as of
    `chebyshev_kernels.features`; recurrence, norms, expansion (n_types, n_table): see `moments_kernels`; layers to
    energy: see `network_kernels.network`.  Scratch: work to results as `moments.scratch_of` and the networks make them.
    Writes features (n_centers, width), energies and outside (n_centers) of these atoms, forces (n_atoms, 3) and virials
    (n_structures, 3, 3), the derivative of each energy by the strain.
    """
    n_types = len(species)
    for x in range(3):
        for atom in range(len(forces)):
            forces[atom, x] = 0.0
        for number in range(len(virials)):
            for y in range(3):
                virials[number, y, x] = 0.0
    start = begin
    while start < end:
        stop = start + 1
        t = types[centers[start]]
        while stop < min(end, start + LANES) and types[centers[stop]] == t:
            stop += 1
        filled[:] = 0
        sums[:] = 0.0
        for lane in range(stop - start):
            atom = centers[start + lane]
            least = known_sums(
                lane, atom, t, types[bases[owners[atom]] :], first, index, vectors, cutoffs, orders, recurrence, work,
                places, ends, accumulators, radial, sums, filled,
            )  # fmt: skip
            if least < COINCIDENT * COINCIDENT:
                return 1 + atom
        lanes_through_moments(
            stop - start, t, 0, 1, cutoffs, orders, species, recurrence, norms, expansion, layers, nodes, functions,
            starts, weights, normal, energy, work, places, ends, radial, moments, lanes, chain, values, filled, sums,
            results,
        )  # fmt: skip
        for lane in range(stop - start):
            atom = centers[start + lane]
            energies[atom], outside[atom] = results[0, lane], int(results[0, LANES + lane])
            for f in range(nodes[t, 0]):
                features[atom, f] = values[f * LANES + lane]
            base, virial = bases[owners[atom]], virials[owners[atom]]
            for k in range(ends[lane, 0, n_types]):
                place = places[lane, 0, k]
                neighbor = base + index[place]
                for x in range(3):
                    force = work[lane, PULL_X + x, k]
                    forces[atom, x] += force
                    forces[neighbor, x] -= force
                    for y in range(3):
                        virial[y, x] += vectors[y, place] * force
        start = stop
    return 0


def features_through_moments(
    begin: i8, end: i8, centers: i8[:], types: i8[:], first: i8[:], index: i4[:], vectors: rows(f8[:, :]),
    cutoffs: f8[:, 4], orders: i8[:, 3], species: f8[:, :], recurrence: f8[:, :], norms: f8[:, :], expansion: f8[:, :],
    nodes: i8[:, :], work: out(f8[LANES, :, :]), places: out(i8[LANES, 2, :]), ends: out(i8[LANES, 2, :]),
    filled: out(i8[:]), accumulators: out(f8[:]), radial: out(f8[:]), moments: out(f8[8, :]), sums: out(f8[:, :]),
    values: out(f8[:]), features: out(f8[:, :]),
):  # fmt: skip
    """Features (n_centers, width) of the atoms centers[begin:end] of one structure, as `through_moments` computes them.

    Returns 0, or 1 + an atom that coincides with another.
    """
    start = begin
    while start < end:
        stop = start + 1
        t = types[centers[start]]
        while stop < min(end, start + LANES) and types[centers[stop]] == t:
            stop += 1
        filled[:] = 0
        sums[:] = 0.0
        for lane in range(stop - start):
            atom = centers[start + lane]
            least = known_sums(
                lane, atom, t, types, first, index, vectors, cutoffs, orders, recurrence, work, places, ends,
                accumulators, radial, sums, filled,
            )  # fmt: skip
            if least < COINCIDENT * COINCIDENT:
                return 1 + atom
        features_of_sums(species[t], filled, orders[t], norms[t], expansion[t], sums, moments[:4], values)
        for lane in range(stop - start):
            for f in range(nodes[t, 0]):
                features[centers[start + lane], f] = values[f * LANES + lane]
        start = stop
    return 0


def through_patches(
    begin: i8, end: i8, counter: out(i8[1]), alike: i8, n_members: i8, positions: f8[:, 3], types: i8[:],
    centers: i8[:], ends_of: i8[:], members: i8[:], atoms: i8[:], offsets: f8[:, 3], first: i8[:], partners: i4[:],
    cutoffs: f8[:, 4], orders: i8[:, 3], species: f8[:, :], recurrence: f8[:, :], norms: f8[:, :],
    expansion: f8[:, :], layers: i8[:], nodes: i8[:, :], functions: i8[:, :], starts: i8[:], weights: f8[:],
    normal: f8[:, 4, :], energy: f8[:, 3],
    work: out(f8[LANES, :, :]), places: out(i8[LANES, 2, :]), ends: out(i8[LANES, 2, :]), filled: out(i8[:]),
    accumulators: out(f8[:]), radial: out(f8[:]), moments: out(f8[8, :]), lanes: out(f8[3, :]), sums: out(f8[:, :]),
    chain: out(f8[4, :]), values: out(f8[:]), results: out(f8[:, 3 * LANES]), moved: out(f8[:, 4]),
    pulls: out(f8[:, 4]), virials: out(f8[:, :]), energies: out(f8[:, :]), outside: out(i8[:]), excess: out(f8[:]),
):  # fmt: skip
    """Energies of the centres of patches begin .. end - 1, and what these add to the forces on their members.

    Threads may call this at the same time; each takes the next patch from counter, which counts them from 0.  Returns
    0, or 1 + an atom that coincides with another.  alike: whether set-ups and layers of all species are the same;
    n_members: of the committee, whose networks follow each other; types (n_atoms); centers to partners: as of
    `Patches`, but ends_of for its ends; species (n_types, n_kinds): weight of each kind; others as of
    `through_moments`, and moved (n, 4) scratch, too.  Writes energies (n_members, n_centers); outside and excess
    (n_centers): how many features leave their range, and how far they do at most, in widths of it, in the member where
    that is most; pulls (n, 4): mean forces of the members of these patches, from 0; virials (n_patches, 9 LANES): sums
    of the virial, row by row.
    """
    n_kinds, offset = species.shape[1], members[begin]
    while True:
        patch = begin + take_next(counter)
        if patch >= end:
            return 0
        place_members(members[patch], members[patch + 1], positions, atoms, offsets, moved)
        forces, virial = pulls[members[patch] - offset : members[patch + 1] - offset], virials[patch]
        forces[:] = 0.0
        virial[:] = 0.0
        start = ends_of[patch]
        while start < ends_of[patch + 1]:
            stop = start + 1
            t = types[centers[start]]
            while stop < min(ends_of[patch + 1], start + LANES) and types[centers[stop]] == t:
                stop += 1
            row = 0 if alike else t
            reach = max(cutoffs[row, 0], cutoffs[row, 1])
            filled[:] = 0
            sums[:] = 0.0
            for lane in range(stop - start):
                c = start + lane
                pairs = first[c * n_kinds : (c + 1) * n_kinds + 1]
                least = gather(
                    c - ends_of[patch], pairs[:-1], pairs[1:], partners, moved, reach, work[lane], places[lane, 0],
                    ends[lane, 0],
                )  # fmt: skip
                if least < COINCIDENT * COINCIDENT:
                    return 1 + centers[c]
                atom_sums(
                    lane, ends[lane, 0], reach, cutoffs[row], orders[row], recurrence[t], work[lane], places[lane, 1],
                    ends[lane, 1], accumulators, radial, sums, filled,
                )  # fmt: skip
            lanes_through_moments(
                stop - start, t, alike, n_members, cutoffs, orders, species, recurrence, norms, expansion, layers,
                nodes, functions, starts, weights, normal, energy, work, places, ends, radial, moments, lanes, chain,
                values, filled, sums, results,
            )  # fmt: skip
            for lane in range(stop - start):
                c = start + lane
                atom = centers[c]
                outside[atom], excess[atom] = 0, 0.0
                for member in range(n_members):
                    energies[member, atom] = results[member, lane]
                    outside[atom] = max(outside[atom], int(results[member, LANES + lane]))
                    excess[atom] = max(excess[atom], results[member, 2 * LANES + lane])
                spread(ends[lane, 0, n_kinds], c - ends_of[patch], work[lane], places[lane, 0], forces, virial)
            start = stop


def collect(begin: i8, end: i8, members: i8[:], atoms: i8[:], pulls: f8[:, 4], forces: out(f8[:, 3])):
    """Add the forces on the members of patches begin .. end - 1, patch after patch, to those on the atoms they are."""
    offset = members[begin]
    for member in range(offset, members[end]):
        atom = atoms[member]
        for i in range(3):
            forces[atom, i] += pulls[member - offset, i]
    return 0
