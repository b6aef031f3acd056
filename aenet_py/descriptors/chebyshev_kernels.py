"""Kernels of the Chebyshev descriptor (Artrith, Urban, Ceder, Phys. Rev. B 96, 014112 (2017)).

An atom's features are two expansions in Chebyshev polynomials T_n, radial and angular,

    c_n = sum_j  fc(d_j; Rc) T_n(2 d_j / Rc - 1)              n = 0 .. radial order
    a_n = sum_{j<k} fc(d_j; Ra) fc(d_k; Ra) T_n(cos_jk)       n = 0 .. angular order

and, if the environment knows several species, the same two once more with each term weighted by the neighbours'
species weights.  Every product and sum is in the order of ænet 2.0.4 (sfb_eval, sfb_radial, sfb_angular,
chebyshev_polynomial); loops over neighbours inside one polynomial order only change which terms are computed side by
side.
"""

import math

from aenet_py.descriptors.constants import BLOCK, COINCIDENT, PI, POLYNOMIALS
from aenet_py.runtime.accelerate import jit
from aenet_py.runtime.constants import LANES
from aenet_py.runtime.lanes_kernels import load, plus, store, times
from aenet_py.runtime.signatures import f8, i4, i8, out, rows

# Rows of the scratch array, each as long as an atom has neighbours, or BLOCK.
X, Y, Z, DISTANCE, WEIGHT, FIRST_WEIGHT = 0, 1, 2, 3, 4, 5  # of the neighbours within a cutoff; X to Z in sequence
CUTOFF, CUTOFF_SLOPE, INVERSE_SQUARE = 6, 7, 8
ALL_WEIGHTS, ALL_FIRST_WEIGHTS = 9, 10  # of all neighbours
TWICE_X, WIDTH, PAIR_WEIGHT, COSINE, INVERSE = 11, 12, 13, 14, 15  # of neighbours or pairs: polynomials' arguments
WIDTH_SLOPES, COSINE_SLOPES = 16, 25  # nine rows each
# POLYNOMIALS and beyond: polynomials, their slopes, products, sums.


@jit
def cutoff(d, rc):
    if d >= rc:
        return 0.0
    return 0.5 * (math.cos(PI / rc * d) + 1.0)


@jit
def cutoff_slope(d, rc):
    if d >= rc:
        return 0.0
    a = PI / rc
    return -(0.5 * a * math.sin(a * d))


@jit
def polynomials(x2, n, rows):
    """T_0 .. T_(len(rows)-1) at x = x2 / 2 by the recurrence of chebyshev_polynomial, for n arguments at once."""
    for k in range(n):
        rows[0, k] = 1.0
    if rows.shape[0] > 1:
        for k in range(n):
            rows[1, k] = 0.5 * x2[k]
    for order in range(2, rows.shape[0]):
        new, one, two = rows[order], rows[order - 1], rows[order - 2]
        for k in range(n):
            new[k] = x2[k] * one[k] - two[k]


@jit
def polynomial_slopes(x2, width, n, rows):
    """dT_n/dr = 2/width n U_(n-1)(x), U by the recurrence of chebyshev_polynomial_d1."""
    for k in range(n):
        rows[0, k] = 0.0
    if rows.shape[0] > 1:
        for k in range(n):
            rows[1, k] = 1.0
    if rows.shape[0] > 2:
        for k in range(n):
            rows[2, k] = x2[k]
    for order in range(3, rows.shape[0]):
        new, one, two = rows[order], rows[order - 1], rows[order - 2]
        for k in range(n):
            new[k] = x2[k] * one[k] - two[k]
    for order in range(1, rows.shape[0]):
        row = rows[order]
        factor = float(order)
        if width == 2.0:  # exact, and divisions are slow
            for k in range(n):
                row[k] = row[k] * factor
        else:
            for k in range(n):
                row[k] = row[k] * factor * 2.0 / width


@jit
def add_in_order(rows, weights, start, stop, weighted, plain, other):
    """plain[r] += rows[r, k] and other[r] += weights[k] * rows[r, k], for k from start to stop, one after the other.

    Four rows at a time, which gives the processor several chains of additions to work on; where fewer are left, the
    last one is repeated, with the same result.
    """
    last = rows.shape[0] - 1
    for r0 in range(0, last + 1, 4):
        r1, r2, r3 = min(r0 + 1, last), min(r0 + 2, last), min(r0 + 3, last)
        row0, row1, row2, row3 = rows[r0], rows[r1], rows[r2], rows[r3]
        p0, p1, p2, p3 = plain[r0], plain[r1], plain[r2], plain[r3]
        if weighted:
            o0, o1, o2, o3 = other[r0], other[r1], other[r2], other[r3]
            for k in range(start, stop):
                s = weights[k]
                v0, v1, v2, v3 = row0[k], row1[k], row2[k], row3[k]
                p0, p1, p2, p3 = p0 + v0, p1 + v1, p2 + v2, p3 + v3
                o0, o1, o2, o3 = o0 + s * v0, o1 + s * v1, o2 + s * v2, o3 + s * v3
            other[r0], other[r1], other[r2], other[r3] = o0, o1, o2, o3
        else:
            for k in range(start, stop):
                p0, p1, p2, p3 = p0 + row0[k], p1 + row1[k], p2 + row2[k], p3 + row3[k]
        plain[r0], plain[r1], plain[r2], plain[r3] = p0, p1, p2, p3


@jit
def scale_rows(rows, factor, n):
    for r in range(rows.shape[0]):
        row = rows[r]
        for k in range(n):
            row[k] = factor[k] * row[k]


@jit
def weights_of(index, distance, types, weights, r_rc, work):
    """Species weight of each neighbour, alone and as first of a pair; types: of the atoms of the structure.

    The original sets the weight of a pair's first neighbour inside the radial cutoff only: beyond it, the weight of
    the neighbour before stays in force (at the start, 1).
    """
    plain, sticky = work[ALL_WEIGHTS], work[ALL_FIRST_WEIGHTS]
    last = 1.0
    for k in range(index.shape[0]):
        plain[k] = weights[types[index[k]]]
        if distance[k] <= r_rc and distance[k] > COINCIDENT:
            last = plain[k]
        sticky[k] = last


@jit
def gather(vectors, rc, work, near):
    """Collect the neighbours within a cutoff in the first rows of work; near: their places. Returns their number."""
    distance = vectors[3]
    n = 0
    for k in range(distance.shape[0]):
        if distance[k] <= rc:
            work[X, n], work[Y, n], work[Z, n] = vectors[0, k], vectors[1, k], vectors[2, k]
            work[DISTANCE, n] = distance[k]
            work[WEIGHT, n], work[FIRST_WEIGHT, n] = work[ALL_WEIGHTS, k], work[ALL_FIRST_WEIGHTS, k]
            near[n] = k
            n += 1
    return n


@jit
def radial_polynomials(n, rc, work, rows):
    """T_n(2 d / rc - 1) and the cutoff function of n neighbours (sfb_radial)."""
    distance, w, x2 = work[DISTANCE], work[CUTOFF], work[TWICE_X]
    for k in range(n):
        w[k] = cutoff(distance[k], rc)
    for k in range(n):
        x2[k] = 2.0 * ((2.0 * distance[k] - rc) / rc)
    polynomials(x2, n, rows)


@jit
def pair_arguments(j, start, stop, column, low, high, work):
    """Cosine, argument of the polynomials, product of cutoffs and weight of the pairs of j with start .. stop - 1."""
    xj, yj, zj, dj = work[X, j], work[Y, j], work[Z, j], work[DISTANCE, j]
    fj, sj = work[CUTOFF, j], work[FIRST_WEIGHT, j]
    end = column + stop - start
    xk, yk, zk, dk = work[X, start:stop], work[Y, start:stop], work[Z, start:stop], work[DISTANCE, start:stop]
    fk, sk = work[CUTOFF, start:stop], work[WEIGHT, start:stop]
    c, x2 = work[COSINE, column:end], work[TWICE_X, column:end]
    w, s = work[WIDTH, column:end], work[PAIR_WEIGHT, column:end]
    for k in range(stop - start):
        c[k] = (((0.0 + xj * xk[k]) + yj * yk[k]) + zj * zk[k]) / (dj * dk[k])
    for k in range(stop - start):
        x2[k] = 2.0 * (((2.0 * c[k] - low) - high) / (high - low))
    for k in range(stop - start):
        w[k] = fj * fk[k]
    for k in range(stop - start):
        s[k] = sj * sk[k]


@jit
def radial_features(vectors, rc, terms, weighted, work, near, plain, other):
    n = gather(vectors, rc, work, near)
    rows = work[POLYNOMIALS : POLYNOMIALS + terms]
    radial_polynomials(n, rc, work, rows)
    scale_rows(rows, work[CUTOFF], n)
    add_in_order(rows, work[WEIGHT], 0, n, weighted, plain, other)


@jit
def angular_features(vectors, rc, low, high, terms, weighted, work, near, plain, other):
    n = gather(vectors, rc, work, near)
    for k in range(n):
        work[CUTOFF, k] = cutoff(work[DISTANCE, k], rc)
    rows = work[POLYNOMIALS : POLYNOMIALS + terms]
    j, start, filled = 0, 1, 0
    while j < n - 1:
        stop = min(n, start + BLOCK - filled)
        pair_arguments(j, start, stop, filled, low, high, work)
        filled += stop - start
        start = stop
        if start == n:
            j += 1
            start = j + 1
        if filled == BLOCK or j >= n - 1:
            polynomials(work[TWICE_X], filled, rows)
            scale_rows(rows, work[WIDTH], filled)
            add_in_order(rows, work[PAIR_WEIGHT], 0, filled, weighted, plain, other)
            filled = 0


def features(
    starts: i8[:], types: i8[:], first: i8[:], index: i4[:], vectors: rows(f8[:, :]), cutoffs: f8[:, 4],
    orders: i8[:, 3], weights: f8[:, :], work: out(f8[:, :]), near: out(i8[:]), values: out(f8[:, :]),
):  # fmt: skip
    """Features of all atoms.

    starts (n_structures + 1): first atom of each structure; types (n_atoms): 0-based species, of more atoms if
    need be; first, index, vectors: neighbours as `search` writes them; cutoffs (n_types, 4): radial and angular, Å, and
    the lowest and highest cosine of the angular polynomials; orders (n_types, 3): radial, angular, and whether features
    are weighted; weights (n_types, n_types): of each species around each.  Scratch: work (POLYNOMIALS + most
    polynomials, stride) and near (stride), stride at least BLOCK and the number of neighbours of any atom.  Writes
    values (n_atoms, n_features), of each row as many as the species has.  Returns 0, or 1 + atom if a neighbour
    coincides with the atom.
    """
    n_structures = len(starts) - 1
    structure = 0
    for atom in range(starts[n_structures]):
        while atom >= starts[structure + 1]:
            structure += 1
        types_here = types[starts[structure] :]
        t = types[atom]
        begin, end = first[atom], first[atom + 1]
        r_terms, a_terms, weighted = orders[t, 0] + 1, orders[t, 1] + 1, orders[t, 2] != 0
        half = r_terms + a_terms
        around = vectors[:, begin:end]
        for k in range(end - begin):
            if around[3, k] < COINCIDENT:
                return 1 + atom
        row = values[atom]
        for f in range(half * (2 if weighted else 1)):
            row[f] = 0.0
        plain, other = row[:half], row[half : 2 * half] if weighted else row[:half]
        weights_of(index[begin:end], around[3], types_here, weights[t], cutoffs[t, 0], work)
        radial_features(around, cutoffs[t, 0], r_terms, weighted, work, near, plain[:r_terms], other[:r_terms])
        ac, low, high = cutoffs[t, 1], cutoffs[t, 2], cutoffs[t, 3]
        angular_features(around, ac, low, high, a_terms, weighted, work, near, plain[r_terms:], other[r_terms:])
    return 0


@jit
def pair_slopes(j, start, stop, column, work):
    """Derivatives of the product of cutoffs and of the cosine with respect to the atom, j and k (sfb_angular).

    Nine rows each: three components for the atom itself, for neighbour j and for neighbour k.
    """
    dj, fj, dfj, inverse_jj = work[DISTANCE, j], work[CUTOFF, j], work[CUTOFF_SLOPE, j], work[INVERSE_SQUARE, j]
    dk, fk, dfk = work[DISTANCE, start:stop], work[CUTOFF, start:stop], work[CUTOFF_SLOPE, start:stop]
    n = stop - start
    c, inverse_jk = work[COSINE, column : column + n], work[INVERSE, column : column + n]
    inverse_kk = work[INVERSE_SQUARE, start:stop]
    for k in range(n):
        inverse_jk[k] = 1.0 / (dj * dk[k])
    for axis in range(3):
        xj, xk = work[X + axis, j], work[X + axis, start:stop]
        row = WIDTH_SLOPES + axis
        dw_i, dw_j, dw_k = work[row, column:], work[row + 3, column:], work[row + 6, column:]
        for k in range(n):
            dw_j[k] = dfj * fk[k] * xj / dj
        for k in range(n):
            dw_k[k] = fj * dfk[k] * xk[k] / dk[k]
        for k in range(n):
            dw_i[k] = -(dw_j[k] + dw_k[k])
        row = COSINE_SLOPES + axis
        dc_i, dc_j, dc_k = work[row, column:], work[row + 3, column:], work[row + 6, column:]
        for k in range(n):
            dc_i[k] = c[k] * (xj * inverse_jj + xk[k] * inverse_kk[k]) - (xj + xk[k]) * inverse_jk[k]
        for k in range(n):
            dc_j[k] = -(c[k] * xj * inverse_jj) + xk[k] * inverse_jk[k]
        for k in range(n):
            dc_k[k] = -(c[k] * xk[k] * inverse_kk[k]) + xj * inverse_jk[k]


@jit
def add_segment(j, first_k, column, n, axis, lane, padded, weighted, work, f, g, sums):
    """Add the derivatives of the terms of n pairs (j, first_k + ...) to the sums of the atom, of j and of each k.

    f, g : polynomials and their slopes times the width, padded numbers per pair; sums : a row for the atom and one for
    each neighbour, each the three axes, then the three axes weighted.
    """
    length = 6 * padded
    place, other = axis * padded + lane, (3 + axis) * padded + lane
    of_j = (1 + j) * length
    own, own_weighted = load(sums, place), load(sums, other)
    plain, plain_weighted = load(sums, of_j + place), load(sums, of_j + other)
    end = column + n
    weights = work[PAIR_WEIGHT, column:end]
    dw_i, dc_i = work[WIDTH_SLOPES + axis, column:end], work[COSINE_SLOPES + axis, column:end]
    dw_j, dc_j = work[WIDTH_SLOPES + 3 + axis, column:end], work[COSINE_SLOPES + 3 + axis, column:end]
    dw_k, dc_k = work[WIDTH_SLOPES + 6 + axis, column:end], work[COSINE_SLOPES + 6 + axis, column:end]
    for i in range(n):
        fs, gs = load(f, (column + i) * padded + lane), load(g, (column + i) * padded + lane)
        v = plus(times(dw_i[i], fs), times(dc_i[i], gs))
        own = plus(own, v)
        u = plus(times(dw_j[i], fs), times(dc_j[i], gs))
        plain = plus(plain, u)
        w = plus(times(dw_k[i], fs), times(dc_k[i], gs))
        of_k = (1 + first_k + i) * length
        store(sums, of_k + place, plus(load(sums, of_k + place), w))
        if weighted:
            s = weights[i]
            own_weighted = plus(own_weighted, times(s, v))
            plain_weighted = plus(plain_weighted, times(s, u))
            store(sums, of_k + other, plus(load(sums, of_k + other), times(s, w)))
    store(sums, place, own)
    store(sums, other, own_weighted)
    store(sums, of_j + place, plain)
    store(sums, of_j + other, plain_weighted)


@jit
def transpose(rows, n, padded, out):
    """out[k * padded + r] = rows[r, k], for k < n."""
    for r in range(rows.shape[0]):
        row = rows[r]
        for k in range(n):
            out[k * padded + r] = row[k]


@jit
def scatter(row, near, n, target):
    """target[near[k]] = row[k] for k < n, else 0; where all neighbours are near, near[k] is k."""
    if n == target.shape[0]:
        for k in range(n):
            target[k] = row[k]
    else:
        for k in range(target.shape[0]):
            target[k] = 0.0
        for k in range(n):
            target[near[k]] = row[k]


@jit
def radial_gradients(vectors, rc, terms, half, weighted, work, near, out):
    """Gradients of the radial features of an atom (sfb_radial); out as `gradients` describes it for one atom."""
    n_all = vectors.shape[1]
    n_features = half * (2 if weighted else 1)
    n = gather(vectors, rc, work, near)
    f = work[POLYNOMIALS : POLYNOMIALS + terms]
    g = work[POLYNOMIALS + terms : POLYNOMIALS + 2 * terms]
    products = work[POLYNOMIALS + 2 * terms : POLYNOMIALS + 3 * terms]
    radial_polynomials(n, rc, work, f)
    polynomial_slopes(work[TWICE_X], rc, n, g)
    w, slope, unit, weights, product = work[CUTOFF], work[CUTOFF_SLOPE], work[INVERSE], work[WEIGHT], work[COSINE]
    for k in range(n):
        slope[k] = cutoff_slope(work[DISTANCE, k], rc)
    for r in range(terms):
        fr, gr = f[r], g[r]
        for k in range(n):
            gr[k] = slope[k] * fr[k] + w[k] * gr[k]
    for axis in range(3):
        component, distance = work[X + axis], work[DISTANCE]
        for k in range(n):
            unit[k] = component[k] / distance[k]
        own = out[axis * n_features : (axis + 1) * n_features]
        others = out[(3 + axis * n_all) * n_features :]
        for i in range(n_features):
            own[i] = 0.0
        for r in range(terms):
            p, gr = products[r], g[r]
            for k in range(n):
                p[k] = -(unit[k] * gr[k])
            for k in range(n):
                product[k] = 0.0 + -p[k]
            scatter(product, near, n, others[r * n_all : (r + 1) * n_all])
            if weighted:
                for k in range(n):
                    product[k] = 0.0 + weights[k] * -p[k]
                scatter(product, near, n, others[(half + r) * n_all : (half + r + 1) * n_all])
        add_in_order(products, weights, 0, n, weighted, own, own[half:] if weighted else own)


@jit
def angular_gradients(vectors, rc, low, high, first_feature, terms, half, weighted, work, near, segments, lanes, out):
    """Gradients of the angular features of an atom (sfb_angular); out as `gradients` describes it for one atom.

    Pairs (j, k) come in blocks; a segment is the part of a block with the same j: j, first k, number of pairs.
    """
    n_all = vectors.shape[1]
    n_features = half * (2 if weighted else 1)
    n = gather(vectors, rc, work, near)
    for k in range(n):
        work[CUTOFF, k] = cutoff(work[DISTANCE, k], rc)
        work[CUTOFF_SLOPE, k] = cutoff_slope(work[DISTANCE, k], rc)
        work[INVERSE_SQUARE, k] = 1.0 / (work[DISTANCE, k] * work[DISTANCE, k])
    f = work[POLYNOMIALS : POLYNOMIALS + terms]
    g = work[POLYNOMIALS + terms : POLYNOMIALS + 2 * terms]
    padded = LANES * ((terms + LANES - 1) // LANES)
    length = 6 * padded
    f_lanes, g_lanes = lanes[: BLOCK * padded], lanes[BLOCK * padded : 2 * BLOCK * padded]
    sums = lanes[2 * BLOCK * padded :]
    for i in range(BLOCK * padded):
        f_lanes[i] = 0.0
        g_lanes[i] = 0.0
    for i in range((n + 1) * length):
        sums[i] = 0.0
    j, start, filled, n_segments = 0, 1, 0, 0
    while j < n - 1:
        stop = min(n, start + BLOCK - filled)
        pair_arguments(j, start, stop, filled, low, high, work)
        pair_slopes(j, start, stop, filled, work)
        segments[n_segments, 0], segments[n_segments, 1], segments[n_segments, 2] = j, start, stop - start
        n_segments += 1
        filled += stop - start
        start = stop
        if start == n:
            j += 1
            start = j + 1
        if filled < BLOCK and j < n - 1:
            continue
        polynomials(work[TWICE_X], filled, f)
        polynomial_slopes(work[TWICE_X], high - low, filled, g)
        scale_rows(g, work[WIDTH], filled)
        transpose(f, filled, padded, f_lanes)
        transpose(g, filled, padded, g_lanes)
        for lane in range(0, padded, LANES):
            for axis in range(3):
                column = 0
                for i in range(n_segments):
                    of_j, first_k, n_pairs = segments[i, 0], segments[i, 1], segments[i, 2]
                    add_segment(
                        of_j, first_k, column, n_pairs, axis, lane, padded, weighted, work, f_lanes, g_lanes, sums
                    )
                    column += n_pairs
        filled, n_segments = 0, 0
    for part in range(2 if weighted else 1):
        for axis in range(3):
            for r in range(terms):
                place = (3 * part + axis) * padded + r
                feature = part * half + first_feature + r
                out[axis * n_features + feature] = sums[place]
                begin = (3 + axis * n_all) * n_features + feature * n_all
                target = out[begin : begin + n_all]
                for k in range(n_all):
                    target[k] = 0.0
                for k in range(n):
                    target[near[k]] = sums[(1 + k) * length + place]


def gradients(
    start: i8, stop: i8, types: i8[:], first: i8[:], index: i4[:], vectors: rows(f8[:, :]), cutoffs: f8[:, 4],
    orders: i8[:, 3], weights: f8[:, :], work: out(f8[:, :]), near: out(i8[:]), segments: out(i8[:, 3]),
    lanes: out(f8[:]), values: out(f8[:]),
):  # fmt: skip
    """Derivatives of the features of atoms start .. stop - 1 of one structure, one after the other.

    Arguments as for `features`; scratch: work (POLYNOMIALS + 3 * most polynomials, stride), near (stride),
    segments (BLOCK, 3), lanes (2 * BLOCK + 6 * (stride + 1)) * (most angular polynomials + LANES).
    Writes values: for each atom with f features and n neighbours, (3, f) derivatives with respect to the atom and
    (3, f, n) with respect to its neighbours, 1/Å.  Returns the number of values written.
    """
    written = 0
    for atom in range(start, stop):
        t = types[atom]
        begin, end = first[atom], first[atom + 1]
        r_terms, a_terms, weighted = orders[t, 0] + 1, orders[t, 1] + 1, orders[t, 2] != 0
        half = r_terms + a_terms
        around = vectors[:, begin:end]
        block = values[written:]
        weights_of(index[begin:end], around[3], types, weights[t], cutoffs[t, 0], work)
        radial_gradients(around, cutoffs[t, 0], r_terms, half, weighted, work, near, block)
        ac, low, high = cutoffs[t, 1], cutoffs[t, 2], cutoffs[t, 3]
        angular_gradients(
            around, ac, low, high, r_terms, a_terms, half, weighted, work, near, segments, lanes, block,
        )  # fmt: skip
        written += 3 * half * (2 if weighted else 1) * (end - begin + 1)
    return written
