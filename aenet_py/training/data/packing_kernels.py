"""Kernels on stored gradients: packing an atom's, and the two sums over them that training needs.

Each center is packed as words of 32 bits: n_blocks and n_near, int32, then its neighbours in blocks of eight, of which
the first n_near have dense gradients,

    atoms       (8)                 int32, of the structure, from 0, in the order of the networks
    direction   (3, 8)              \\
    weight      (8)                  | float32, where there are radial features
    radial      (n_radial, 8)       /
    dense       (n_dense, 3, 8)     float32, in the first n_near blocks

A radial feature's gradient is its scalar times the direction, a weighted one's that times the weight; the dense
features' are stored in full, for the blocks where they are not all zero.  The center's own gradient is minus the sum
over its neighbours where the layout is closed; otherwise the center stands among the neighbours.  The last block is
filled up with zeros.

Blocks of eight make these loops fast: their sums stay in vector registers (`lanes_kernels`), and no loop has a
remainder.
"""

from math import sqrt

from llvmlite import ir
from numba import carray, float64, int32, int64, types
from numba.extending import intrinsic

from aenet_py.runtime.accelerate import jit
from aenet_py.runtime.constants import LANES
from aenet_py.runtime.lanes_kernels import ZEROS, load, plus, products, store, times, total
from aenet_py.runtime.signatures import f4, f8, i4, i8, out, pointer, u1
from aenet_py.training.data.constants import OTHER_BYTES, OTHER_FORM, PAIR_ROWS

EXACT = 1e-9  # how far, relative to a neighbour's largest gradient, packing may change one
AHEAD = 1024  # words between what is used and what is asked for


@intrinsic
def prefetch(context, pointer, offset):  # noqa: ARG001 - as Numba calls it
    """Ask for a word of an array before it is needed; without it, these sums spend half of their time waiting."""

    def generate(context, builder, signature, arguments):  # noqa: ARG001
        byte, integer = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, integer, integer, integer])
        name = "llvm.prefetch.p0"
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        place = builder.bitcast(builder.gep(arguments[0], [arguments[1]]), byte)
        builder.call(function, [place, integer(0), integer(3), integer(1)])  # to read, often, data
        return context.get_dummy_value()

    return types.void(pointer, offset), generate


def _pointer_to(target):
    """A function (bytes, offset) that gives a pointer to values of another type there, aligned or not."""

    @intrinsic
    def place(context, pointer, offset):  # noqa: ARG001 - as Numba calls it
        def generate(context, builder, signature, arguments):
            wanted = context.get_value_type(signature.return_type)
            return builder.bitcast(builder.gep(arguments[0], [arguments[1]]), wanted)

        return types.CPointer(target)(pointer, offset), generate

    return place


_integers_at, _reals_at = _pointer_to(int32), _pointer_to(float64)


def pack(
    first_atom: i8, content: pointer(u1), n_bytes: i8, longest: i8, species: i4[:], networks: i8[:], places: i8[:],
    sizes: i8[:, 5], columns: i8[:, :], weights: f8[:, :], work: out(f8[6, :]), order: out(i8[:]), begins: out(i8[:]),
    done: out(i8[3]), values: out(f4[:]), integers: out(i4[:]),
):  # fmt: skip
    """Pack the gradients of atoms of a structure, from first_atom on, as far as the bytes of the file go.

    content (n_bytes): of the file, from that atom on; longest: most bytes of a record that is not split; species,
    networks, places (n_atoms): of each atom its species, from 1, its network, and its place in the order of the
    networks; sizes (n_networks, 5): numbers of features, of radial, weighted and dense ones, and whether closed;
    columns (n_networks, most_features): which features are which; weights (n_networks, n_networks): of each network
    around each; work, order: room for the most neighbours; begins (n_atoms): takes the word where each place's atom
    begins; done (3): takes the numbers of atoms and of bytes, and the most neighbours; values, integers (room): where
    it goes, as either type.
    Returns how many words it took; OTHER_FORM if gradients are not of this form, OTHER_BYTES if the bytes are not those
    of the first of these atoms.
    """
    n_atoms, room = len(species), len(values)
    at, to = 0, 0
    done[0], done[1], done[2] = 0, 0, 0
    for atom in range(first_atom, n_atoms):
        if at + 28 > n_bytes:
            break
        network = networks[atom]
        n_features, n_radial, n_weighted = sizes[network, 0], sizes[network, 1], sizes[network, 2]
        n_dense, closed = sizes[network, 3], sizes[network, 4]
        n = _integer(content, at + 20)
        if not _begins_well(content, at, species[atom], n_features) or n < 0 or 24 * n_features * n > longest:
            return OTHER_BYTES if atom == first_atom else to
        neighbors_at = at + 32
        own_at = neighbors_at + 4 * n + 8
        others_at = own_at + 24 * n_features + 8
        end = others_at + 24 * n_features * n + 4
        if end > n_bytes:
            break
        if not _continues_well(content, neighbors_at, own_at, others_at, end):
            return OTHER_BYTES if atom == first_atom else to
        neighbors = carray(_integers_at(content, neighbors_at), (n,))
        for j in range(n):
            if neighbors[j] < 1 or neighbors[j] > n_atoms:
                return OTHER_BYTES if atom == first_atom else to
        if to + _most_words(n, closed, n_radial, n_dense) > room:
            return OTHER_BYTES if atom == first_atom else to
        own = carray(_reals_at(content, own_at), (3, n_features))
        others = carray(_reals_at(content, others_at), (3, n_features, n))
        words = _pack_atom(
            n, n_features, n_radial, n_weighted, n_dense, closed, places[atom], own, others, neighbors, networks,
            places, weights[network], columns[network], work, order,
            values[to:], integers[to:],
        )  # fmt: skip
        if words < 0:
            return OTHER_FORM
        begins[places[atom]] = to
        to += words
        at = end
        done[0], done[1], done[2] = atom + 1 - first_atom, at, max(done[2], n)
    return to


def pack_values(
    start: i8, stop: i8, given: pointer(f8), n_given: i8, first: i8[:], neighbors: i4[:], networks: i8[:],
    places: i8[:], sizes: i8[:, 5], columns: i8[:, :], weights: f8[:, :], work: out(f8[6, :]), order: out(i8[:]),
    begins: out(i8[:]), values: out(f4[:]), integers: out(i4[:]),
):  # fmt: skip
    """Pack the gradients of atoms start .. stop - 1 of a structure, as the descriptors compute them.

    given (n_given): for each atom with f features and n neighbours, (3, f) values and (3, f, n); first (n_atoms + 1):
    where the neighbours of each atom begin in neighbors, numbers of atoms from 1; the rest as for `pack`.
    Returns how many words it took; OTHER_FORM as there, OTHER_BYTES if there is no room.
    """
    room = len(values)
    at, to = 0, 0
    for atom in range(start, stop):
        network = networks[atom]
        n_features, n_radial, n_weighted = sizes[network, 0], sizes[network, 1], sizes[network, 2]
        n_dense, closed = sizes[network, 3], sizes[network, 4]
        n = first[atom + 1] - first[atom]
        end = at + 3 * n_features * (n + 1)
        if end > n_given or to + _most_words(n, closed, n_radial, n_dense) > room:
            return OTHER_BYTES
        own = carray(_reals_at(given, at), (3, n_features))
        others = carray(_reals_at(given, at + 3 * n_features), (3, n_features, n))
        words = _pack_atom(
            n, n_features, n_radial, n_weighted, n_dense, closed, places[atom], own, others,
            neighbors[first[atom] : first[atom + 1]], networks, places, weights[network], columns[network], work, order,
            values[to:], integers[to:],
        )  # fmt: skip
        if words < 0:
            return OTHER_FORM
        begins[places[atom]] = to
        to += words
        at = end
    return to


@jit
def _most_words(n, closed, n_radial, n_dense):
    """Words that the gradients of an atom with n neighbours take at most: all its blocks may be dense."""
    n_blocks = (n + 1 - closed + LANES - 1) // LANES
    rows = 1 + (PAIR_ROWS + n_radial if n_radial > 0 else 0) + 3 * n_dense
    return 2 + n_blocks * LANES * rows


@jit
def _integer(content, at):
    return int64(_integers_at(content, at)[0])


@jit
def _begins_well(content, at, species, n_features):
    """Whether an atom's first two records and the marker behind them are as expected, apart from its number."""
    first = _integer(content, at) == 4 and _integer(content, at + 4) == species and _integer(content, at + 8) == 4
    second = _integer(content, at + 12) == 8 and _integer(content, at + 16) == n_features
    return first and second and _integer(content, at + 24) == 8


@jit
def _continues_well(content, neighbors_at, own_at, others_at, end):
    """Whether the markers around an atom's other three records are their lengths."""
    neighbors, own, others = own_at - 8 - neighbors_at, others_at - 8 - own_at, end - 4 - others_at
    before = _integer(content, neighbors_at - 4) == neighbors and _integer(content, own_at - 8) == neighbors
    between = _integer(content, own_at - 4) == own and _integer(content, others_at - 8) == own
    return before and between and _integer(content, others_at - 4) == others and _integer(content, end - 4) == others


@jit
def _pack_atom(
    n, n_features, n_radial, n_weighted, n_dense, closed, center, own, others, neighbors, networks, places, weights,
    columns, work, order, values, integers,
):  # fmt: skip
    """Pack one atom's gradients; the words it took, or -1."""
    if closed == 0:
        return _pack_in_full(n, n_features, center, own, others, neighbors, places, values, integers)
    for x in range(3):
        for f in range(n_features):
            row = others[x, f]
            a, b, c, d, size_a, size_b = own[x, f], 0.0, 0.0, 0.0, abs(own[x, f]), 0.0
            j = 0
            while j + 4 <= n:
                a += row[j]
                b += row[j + 1]
                c += row[j + 2]
                d += row[j + 3]
                size_a += abs(row[j]) + abs(row[j + 1])
                size_b += abs(row[j + 2]) + abs(row[j + 3])
                j += 4
            while j < n:
                a += row[j]
                size_a += abs(row[j])
                j += 1
            if not abs((a + b) + (c + d)) <= EXACT * (size_a + size_b):
                return -1
    near, largest = work[0], work[1]
    for j in range(n):
        near[j], largest[j], work[2, j], work[3, j], work[4, j] = 0.0, 0.0, 0.0, 0.0, 0.0
        work[5, j] = weights[networks[neighbors[j] - 1]]
    for x in range(3):
        for k in range(n_dense):
            row = others[x, columns[n_radial + n_weighted + k]]
            for j in range(n):
                near[j] = 1.0 if row[j] != 0.0 else near[j]
    for k in range(n_radial):
        f = columns[k]
        for j in range(n):
            g0, g1, g2 = others[0, f, j], others[1, f, j], others[2, f, j]
            size = g0 * g0 + g1 * g1 + g2 * g2
            larger = size > largest[j]
            work[2, j] = g0 if larger else work[2, j]
            work[3, j] = g1 if larger else work[3, j]
            work[4, j] = g2 if larger else work[4, j]
            largest[j] = size if larger else largest[j]
    for j in range(n):
        size = sqrt(largest[j])
        inverse = 1.0 / size if size > 0.0 else 0.0
        work[2, j] *= inverse
        work[3, j] *= inverse
        work[4, j] *= inverse
        largest[j] = EXACT * size
    n_near = 0
    for j in range(n):
        if near[j] != 0.0:
            order[n_near] = j
            n_near += 1
    last = n_near
    for j in range(n):
        if near[j] == 0.0:
            order[last] = j
            last += 1
    n_blocks = (n + LANES - 1) // LANES
    integers[0], integers[1] = n_blocks, (n_near + LANES - 1) // LANES
    per_block = LANES * (1 + (4 + n_radial if n_radial > 0 else 0))
    wrong = 0
    to = 2
    for block in range(n_blocks):
        dense = LANES * 3 * n_dense if block < integers[1] else 0
        for lane in range(LANES):
            at = block * LANES + lane
            if at >= n:
                integers[to + lane] = center
                for word in range(to + LANES + lane, to + per_block + dense, LANES):
                    values[word] = 0.0
                continue
            j = order[at]
            integers[to + lane] = places[neighbors[j] - 1]
            word = to + LANES + lane
            if n_radial > 0:
                d0, d1, d2, weight = work[2, j], work[3, j], work[4, j], work[5, j]
                values[word], values[word + LANES], values[word + 2 * LANES] = d0, d1, d2
                values[word + 3 * LANES] = weight if n_weighted > 0 else 0.0
                word += 4 * LANES
                for k in range(n_radial):
                    f = columns[k]
                    g0, g1, g2 = others[0, f, j], others[1, f, j], others[2, f, j]
                    scalar = g0 * d0 + g1 * d1 + g2 * d2
                    off = abs(g0 - scalar * d0) + abs(g1 - scalar * d1) + abs(g2 - scalar * d2)
                    wrong += 0 if off <= largest[j] else 1
                    values[word] = scalar
                    word += LANES
                    if n_weighted > 0:
                        f = columns[n_radial + k]
                        scalar *= weight
                        off = abs(others[0, f, j] - scalar * d0) + abs(others[1, f, j] - scalar * d1)
                        off += abs(others[2, f, j] - scalar * d2)
                        wrong += 0 if off <= largest[j] * (1.0 + abs(weight)) else 1
            if dense > 0:
                for k in range(n_dense):
                    f = columns[n_radial + n_weighted + k]
                    for x in range(3):
                        values[word] = others[x, f, j]
                        word += LANES
        to += per_block + dense
    return to if wrong == 0 else -1


@jit
def _pack_in_full(n, n_features, center, own, others, neighbors, places, values, integers):
    """Pack the gradients as they are, the center's own in front."""
    n_blocks = (n + LANES) // LANES
    integers[0], integers[1] = n_blocks, n_blocks
    finite = 0.0
    to = 2
    for block in range(n_blocks):
        for lane in range(LANES):
            j = block * LANES + lane - 1
            integers[to + lane] = places[neighbors[j] - 1] if 0 <= j < n else center
            word = to + LANES + lane
            for f in range(n_features):
                for x in range(3):
                    value = 0.0
                    if j == -1:
                        value = own[x, f]
                    elif j < n:
                        value = others[x, f, j]
                    values[word] = value
                    finite += 0.0 * value
                    word += LANES
        to += LANES * (1 + 3 * n_features)
    return to if finite == 0.0 else -1


def forces(
    n_radial: i8, n_weighted: i8, closed: i8, values: pointer(f4), integers: pointer(i4), starts: i8[:], own: i8[:],
    first: i8[:], columns: i8[:], slopes: f8[:, :], pulls: out(f8[3, LANES]), work: out(f8[:]),
    forces: out(pointer(f8)),
):  # fmt: skip
    """Add the forces that the features of some centers exert.

    starts (n_centers): where each is packed; own: its atom; first: the atom that its structure begins with; slopes
    (n_centers, n_features): of the energy by the features; pulls, work (n_features): scratch; forces (n_atoms, 3).
    Returns 0.
    """
    n_centers, n_features = slopes.shape
    sorted_slopes = work
    for center in range(n_centers):
        at = starts[center]
        n_blocks, n_near, atom = int64(integers[at]), int64(integers[at + 1]), first[center]
        for k in range(n_features):
            sorted_slopes[k] = slopes[center, columns[k]]
        at += 2
        total_x, total_y, total_z = 0.0, 0.0, 0.0
        for block in range(n_blocks):
            atoms = at
            at += LANES
            x, y, z = ZEROS, ZEROS, ZEROS
            if n_radial > 0:
                given = at
                at += PAIR_ROWS * LANES
                plain, weighted = ZEROS, ZEROS
                for k in range(n_radial):
                    prefetch(values, at + AHEAD)
                    v = load(values, at)
                    plain = plus(plain, times(sorted_slopes[k], v))
                    weighted = plus(weighted, times(sorted_slopes[n_radial + k] if n_weighted > 0 else 0.0, v))
                    at += LANES
                along = plus(plain, products(load(values, given + 3 * LANES), weighted))
                x = products(along, load(values, given))
                y = products(along, load(values, given + LANES))
                z = products(along, load(values, given + 2 * LANES))
            if block < n_near:
                for k in range(n_radial + n_weighted, n_features):
                    slope = sorted_slopes[k]
                    prefetch(values, at + AHEAD)
                    prefetch(values, at + AHEAD + 2 * LANES)
                    x = plus(x, times(slope, load(values, at)))
                    y = plus(y, times(slope, load(values, at + LANES)))
                    z = plus(z, times(slope, load(values, at + 2 * LANES)))
                    at += 3 * LANES
            store(pulls[0], 0, x)
            store(pulls[1], 0, y)
            store(pulls[2], 0, z)
            for lane in range(LANES):
                to = 3 * (atom + integers[atoms + lane])
                forces[to] -= pulls[0, lane]
                forces[to + 1] -= pulls[1, lane]
                forces[to + 2] -= pulls[2, lane]
                total_x += pulls[0, lane]
                total_y += pulls[1, lane]
                total_z += pulls[2, lane]
        if closed != 0:
            to = 3 * own[center]
            forces[to] += total_x
            forces[to + 1] += total_y
            forces[to + 2] += total_z
    return 0


def slopes(
    n_radial: i8, n_weighted: i8, closed: i8, values: pointer(f4), integers: pointer(i4), starts: i8[:], own: i8[:],
    first: i8[:], columns: i8[:], forces: pointer(f8), pulls: out(f8[3, LANES]), work: out(f8[:]),
    slopes: out(f8[:, :]),
):  # fmt: skip
    """The reverse of `forces`: from derivatives by forces (n_atoms, 3) those by slopes (n_centers, n_features).

    pulls, work (8 n_features): scratch.
    """
    n_centers, n_features = slopes.shape
    given, sums = pulls, work
    for center in range(n_centers):
        at = starts[center]
        n_blocks, n_near, atom = int64(integers[at]), int64(integers[at + 1]), first[center]
        at += 2
        own_x, own_y, own_z = 0.0, 0.0, 0.0
        if closed != 0:
            of = 3 * own[center]
            own_x, own_y, own_z = forces[of], forces[of + 1], forces[of + 2]
        for k in range(LANES * n_features):
            sums[k] = 0.0
        for block in range(n_blocks):
            for lane in range(LANES):
                of = 3 * (atom + integers[at + lane])
                given[0, lane] = forces[of] - own_x
                given[1, lane] = forces[of + 1] - own_y
                given[2, lane] = forces[of + 2] - own_z
            at += LANES
            x, y, z = load(given[0], 0), load(given[1], 0), load(given[2], 0)
            if n_radial > 0:
                plain = _along(x, y, z, values, at)
                weighted = products(plain, load(values, at + 3 * LANES))
                at += PAIR_ROWS * LANES
                for k in range(n_radial):
                    prefetch(values, at + AHEAD)
                    v = load(values, at)
                    _add(sums, LANES * k, products(plain, v))
                    if n_weighted > 0:
                        _add(sums, LANES * (n_radial + k), products(weighted, v))
                    at += LANES
            if block < n_near:
                for k in range(n_radial + n_weighted, n_features):
                    prefetch(values, at + AHEAD)
                    prefetch(values, at + AHEAD + 2 * LANES)
                    _add(sums, LANES * k, _along(x, y, z, values, at))
                    at += 3 * LANES
        for k in range(n_features):
            slopes[center, columns[k]] = -total(load(sums, LANES * k))
    return 0


@jit
def _along(x, y, z, values, at):
    """Products of eight vectors with those at a place, added up."""
    in_plane = plus(products(x, load(values, at)), products(y, load(values, at + LANES)))
    return plus(in_plane, products(z, load(values, at + 2 * LANES)))


@jit
def _add(sums, at, v):
    store(sums, at, plus(load(sums, at), v))
