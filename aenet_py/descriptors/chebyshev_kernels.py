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

from numba import carray

from aenet_py.accelerate import jit

PI = 3.14159265358979  # the digits of sfbasis
COINCIDENT = 1.0e-12  # Å; sfbasis EPS


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
        for k in range(n):
            row[k] = row[k] * factor * 2.0 / width


@jit
def add_in_order(rows, weights, start, stop, weighted, plain, other):
    """plain[r] += rows[r, k] and other[r] += weights[k] * rows[r, k], for k from start to stop, one after the other.

    Four rows at a time, so that the processor has several chains of additions to work on; where fewer are left, the
    last one is done several times, with the same result.
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
def weights_of(index, distance, types, spins, r_rc, plain, sticky):
    """Species weight of each neighbour, alone (plain) and as first of a pair (sticky).

    The original sets the first neighbour's weight inside the radial cutoff only: beyond it, the weight of the
    neighbour before stays in force (at the start, 1).
    """
    last = 1.0
    for k in range(index.shape[0]):
        plain[k] = spins[types[index[k] - 1]]
        if distance[k] <= r_rc and distance[k] > COINCIDENT:
            last = plain[k]
        sticky[k] = last


@jit
def radial_rows(distance, n, rc, w, x2, rows):
    for k in range(n):
        w[k] = cutoff(distance[k], rc)
        x2[k] = 2.0 * ((2.0 * distance[k] - rc) / rc)
    polynomials(x2, n, rows)


@jit
def pair_rows(j, start, stop, column, vectors, distance, fc, cosine, x2, width):
    """cos(jk), twice the argument of the polynomials and the product of cutoffs, for neighbours k of a pair (j, k)."""
    xj, yj, zj, dj, fj = vectors[0, j], vectors[1, j], vectors[2, j], distance[j], fc[j]
    n = stop - start
    c, x, w = cosine[column : column + n], x2[column : column + n], width[column : column + n]
    xk, yk, zk = vectors[0, start:stop], vectors[1, start:stop], vectors[2, start:stop]
    dk, fk = distance[start:stop], fc[start:stop]
    for k in range(n):
        c[k] = (((0.0 + xj * xk[k]) + yj * yk[k]) + zj * zk[k]) / (dj * dk[k])
    for k in range(n):
        x[k] = 2.0 * (((2.0 * c[k] + 1.0) - 1.0) / 2.0)
    for k in range(n):
        w[k] = fj * fk[k]


BLOCK = 256  # pairs whose polynomials are computed together


def features(
    first_atom, last_atom, stride, n_neighbors, n_features, n_types, types_p, first_p, index_p, vectors_p,
    cutoffs_p, orders_p, weights_p, work_p, out_p,
):  # fmt: skip
    """Features of atoms first_atom .. last_atom - 1.

    types (n_atoms): 0-based species of each atom; first, index, vectors (4, n_neighbors): neighbours as `search`
    writes them; cutoffs (n_types, 2): radial and angular, Å; orders (n_types, 3): radial, angular, and whether
    features are weighted; weights (n_types, n_types): of each species in the environment of each.  Scratch: work
    (40 + highest order + 1, stride), stride at least BLOCK and the number of neighbours of any atom.  Writes out
    (n_atoms, n_features), of each row as many as its species has.  Returns 0, or 1 + atom if a neighbour coincides
    with the atom.
    """
    types = carray(types_p, (1 << 40,))
    first = carray(first_p, (last_atom + 1,))
    vectors_all = carray(vectors_p, (4, n_neighbors))
    cutoffs, orders = carray(cutoffs_p, (n_types, 2)), carray(orders_p, (n_types, 3))
    weights_all = carray(weights_p, (n_types, n_types))
    out = carray(out_p, (last_atom, n_features))
    for atom in range(first_atom, last_atom):
        t = types[atom]
        begin, end = first[atom], first[atom + 1]
        n = end - begin
        index = carray(index_p, (n_neighbors,))[begin:end]
        x, y, z = vectors_all[0, begin:end], vectors_all[1, begin:end], vectors_all[2, begin:end]
        distance = vectors_all[3, begin:end]
        r_rc, a_rc = cutoffs[t, 0], cutoffs[t, 1]
        r_terms, a_terms, weighted = orders[t, 0] + 1, orders[t, 1] + 1, orders[t, 2] != 0
        spins = weights_all[t]
        scratch = carray(work_p, (40 + max(r_terms, a_terms), stride))
        values = out[atom]
        for k in range(n):
            if distance[k] < COINCIDENT:
                return 1 + atom
        for f in range((r_terms + a_terms) * (2 if weighted else 1)):
            values[f] = 0.0
        plain = values[0:r_terms]
        other = values[r_terms + a_terms : 2 * r_terms + a_terms] if weighted else plain
        near, s_near, w, x2 = scratch[0], scratch[1], scratch[2], scratch[3]
        s_plain, s_sticky = scratch[4], scratch[5]
        weights_of(index, distance, types, spins, r_rc, s_plain, s_sticky)
        n_near = 0
        for k in range(n):
            if distance[k] <= r_rc:
                near[n_near] = distance[k]
                s_near[n_near] = s_plain[k]
                n_near += 1
        rows = scratch[40 : 40 + r_terms]
        radial_rows(near, n_near, r_rc, w, x2, rows)
        scale_rows(rows, w, n_near)
        add_in_order(rows, s_near, 0, n_near, weighted, plain, other)

        plain = values[r_terms : r_terms + a_terms]
        other = values[2 * r_terms + a_terms : 2 * (r_terms + a_terms)] if weighted else plain
        vectors, d, fc, first_s, second_s = scratch[6:9], scratch[9], scratch[10], scratch[11], scratch[12]
        n_near = 0
        for k in range(n):
            if distance[k] <= a_rc:
                vectors[0, n_near], vectors[1, n_near], vectors[2, n_near] = x[k], y[k], z[k]
                d[n_near] = distance[k]
                fc[n_near] = cutoff(distance[k], a_rc)
                first_s[n_near], second_s[n_near] = s_sticky[k], s_plain[k]
                n_near += 1
        rows = scratch[40 : 40 + a_terms]
        cosine, s_pair = scratch[13], scratch[14]
        j, start, filled = 0, 1, 0
        while j < n_near - 1:
            stop = min(n_near, start + BLOCK - filled)
            pair_rows(j, start, stop, filled, vectors, d, fc, cosine, x2, w)
            sj = first_s[j]
            for k in range(start, stop):
                s_pair[filled + k - start] = sj * second_s[k]
            filled += stop - start
            start = stop
            if start == n_near:
                j += 1
                start = j + 1
            if filled == BLOCK or j >= n_near - 1:
                polynomials(x2, filled, rows)
                scale_rows(rows, w, filled)
                add_in_order(rows, s_pair, 0, filled, weighted, plain, other)
                filled = 0
    return 0


@jit
def pair_slopes(j, start, stop, column, vectors, distance, inverse_square, fc, dfc, cosine, inverse, dw, dc):
    """Derivatives of the product of cutoffs (dw) and of cos(jk) (dc) with respect to the atom, j and k.

    dw, dc (9, pairs): three components each for the atom itself, neighbour j and neighbour k.
    """
    dj, fj, dfj, inverse_jj = distance[j], fc[j], dfc[j], inverse_square[j]
    n = stop - start
    c, inverse_jk = cosine[column : column + n], inverse[column : column + n]
    dk, fk, dfk, inverse_kk = distance[start:stop], fc[start:stop], dfc[start:stop], inverse_square[start:stop]
    for k in range(n):
        inverse_jk[k] = 1.0 / (dj * dk[k])
    for axis in range(3):
        xj, xk = vectors[axis, j], vectors[axis, start:stop]
        dw_i, dw_j, dw_k = dw[axis, column:], dw[3 + axis, column:], dw[6 + axis, column:]
        for k in range(n):
            dw_j[k] = dfj * fk[k] * xj / dj
        for k in range(n):
            dw_k[k] = fj * dfk[k] * xk[k] / dk[k]
        for k in range(n):
            dw_i[k] = -(dw_j[k] + dw_k[k])
        dc_i, dc_j, dc_k = dc[axis, column:], dc[3 + axis, column:], dc[6 + axis, column:]
        for k in range(n):
            dc_i[k] = c[k] * (xj * inverse_jj + xk[k] * inverse_kk[k]) - (xj + xk[k]) * inverse_jk[k]
        for k in range(n):
            dc_j[k] = -(c[k] * xj * inverse_jj) + xk[k] * inverse_jk[k]
        for k in range(n):
            dc_k[k] = -(c[k] * xk[k] * inverse_kk[k]) + xj * inverse_jk[k]


@jit
def product_rule(dw, f, dc, g, n, rows):
    """rows = dw * f + dc * g: the derivative of width times polynomial, for every polynomial."""
    for r in range(rows.shape[0]):
        row, fr, gr = rows[r], f[r], g[r]
        for k in range(n):
            row[k] = dw[k] * fr[k] + gr[k] * dc[k]


@jit
def add_scattered(rows, column, start, n, plain, other, weights, weighted):
    """plain[r, start + k] += rows[r, column + k], and the same times the weight to other."""
    s = weights[column : column + n]
    for r in range(rows.shape[0]):
        row = rows[r, column : column + n]
        p = plain[r, start : start + n]
        for k in range(n):
            p[k] = p[k] + row[k]
        if weighted:
            o = other[r, start : start + n]
            for k in range(n):
                o[k] = o[k] + s[k] * row[k]


def gradients(
    first_atom, last_atom, stride, n_neighbors, n_types, types_p, first_p, index_p, vectors_p,
    cutoffs_p, orders_p, weights_p, work_p, integers_p, out_p,
):  # fmt: skip
    """Derivatives of the features of atoms first_atom .. last_atom - 1, one atom after the other.

    Arguments as for `features`; scratch: work (40 + 3 * t + 6 * a, stride) with t and a the largest numbers of
    polynomials and of angular polynomials, integers (stride + 3 * BLOCK).  Writes, for each atom with f features and
    n neighbours, (3, f) derivatives with respect to the atom and (3, f, n) with respect to its neighbours, 1/Å.
    Returns the number of values written.
    """
    types = carray(types_p, (1 << 40,))
    first = carray(first_p, (last_atom + 1,))
    vectors_all = carray(vectors_p, (4, n_neighbors))
    cutoffs, orders = carray(cutoffs_p, (n_types, 2)), carray(orders_p, (n_types, 3))
    weights_all = carray(weights_p, (n_types, n_types))
    integers = carray(integers_p, (stride + 3 * BLOCK,))
    near_index, segments = integers[:stride], integers[stride:]
    written = 0
    for atom in range(first_atom, last_atom):
        t = types[atom]
        begin, end = first[atom], first[atom + 1]
        n = end - begin
        index = carray(index_p, (n_neighbors,))[begin:end]
        x, y, z = vectors_all[0, begin:end], vectors_all[1, begin:end], vectors_all[2, begin:end]
        distance = vectors_all[3, begin:end]
        r_rc, a_rc = cutoffs[t, 0], cutoffs[t, 1]
        r_terms, a_terms, weighted = orders[t, 0] + 1, orders[t, 1] + 1, orders[t, 2] != 0
        spins = weights_all[t]
        n_terms = max(r_terms, a_terms)
        scratch = carray(work_p, (40 + 3 * n_terms + 6 * a_terms, stride))
        half = r_terms + a_terms
        n_features = half * (2 if weighted else 1)
        size = 3 * n_features * (n + 1)
        block = carray(out_p, (written + size,))[written:]
        for i in range(size):
            block[i] = 0.0
        own_base, other_base = written, written + 3 * n_features
        written += size

        s_plain, s_sticky = scratch[4], scratch[5]
        weights_of(index, distance, types, spins, r_rc, s_plain, s_sticky)
        vectors, near, s_near, w, x2 = scratch[6:9], scratch[0], scratch[1], scratch[2], scratch[3]
        slope, unit = scratch[15], scratch[16]
        n_near = 0
        for k in range(n):
            if distance[k] <= r_rc:
                vectors[0, n_near], vectors[1, n_near], vectors[2, n_near] = x[k], y[k], z[k]
                near[n_near], s_near[n_near], near_index[n_near] = distance[k], s_plain[k], k
                slope[n_near] = cutoff_slope(distance[k], r_rc)
                n_near += 1
        f = scratch[40 : 40 + r_terms]
        g = scratch[40 + n_terms : 40 + n_terms + r_terms]
        rows = scratch[40 + 2 * n_terms : 40 + 2 * n_terms + r_terms]
        radial_rows(near, n_near, r_rc, w, x2, f)
        polynomial_slopes(x2, r_rc, n_near, g)
        for r in range(r_terms):
            fr, gr = f[r], g[r]
            for k in range(n_near):
                gr[k] = slope[k] * fr[k] + w[k] * gr[k]
        for axis in range(3):
            component = vectors[axis]
            for k in range(n_near):
                unit[k] = component[k] / near[k]
            own = carray(out_p, (own_base + 3 * n_features,))[own_base + axis * n_features :]
            others = carray(out_p, (written,))[other_base + axis * n_features * n :]
            for r in range(r_terms):
                row, gr = rows[r], g[r]
                for k in range(n_near):
                    row[k] = -(unit[k] * gr[k])
                target = others[r * n : (r + 1) * n]
                for k in range(n_near):
                    target[near_index[k]] = 0.0 + -row[k]
                if weighted:
                    target = others[(half + r) * n : (half + r + 1) * n]
                    for k in range(n_near):
                        target[near_index[k]] = 0.0 + s_near[k] * -row[k]
            add_in_order(rows, s_near, 0, n_near, weighted, own, own[half:] if weighted else own)

        d, fc, first_s, second_s, dfc = scratch[9], scratch[10], scratch[11], scratch[12], scratch[17]
        inverse_square, inverse = scratch[36], scratch[37]
        n_near = 0
        for k in range(n):
            if distance[k] <= a_rc:
                vectors[0, n_near], vectors[1, n_near], vectors[2, n_near] = x[k], y[k], z[k]
                d[n_near], near_index[n_near] = distance[k], k
                fc[n_near], dfc[n_near] = cutoff(distance[k], a_rc), cutoff_slope(distance[k], a_rc)
                inverse_square[n_near] = 1.0 / (distance[k] * distance[k])
                first_s[n_near], second_s[n_near] = s_sticky[k], s_plain[k]
                n_near += 1
        f = scratch[40 : 40 + a_terms]
        g = scratch[40 + n_terms : 40 + n_terms + a_terms]
        rows = scratch[40 + 2 * n_terms : 40 + 2 * n_terms + a_terms]
        sums = scratch[40 + 3 * n_terms : 40 + 3 * n_terms + 6 * a_terms]
        for r in range(6 * a_terms):
            for k in range(n_near):
                sums[r, k] = 0.0
        cosine, s_pair, dw, dc = scratch[13], scratch[14], scratch[18:27], scratch[27:36]
        j, start, filled, n_segments = 0, 1, 0, 0
        while j < n_near - 1:
            stop = min(n_near, start + BLOCK - filled)
            pair_rows(j, start, stop, filled, vectors, d, fc, cosine, x2, w)
            pair_slopes(j, start, stop, filled, vectors, d, inverse_square, fc, dfc, cosine, inverse, dw, dc)
            sj = first_s[j]
            for k in range(start, stop):
                s_pair[filled + k - start] = sj * second_s[k]
            segments[3 * n_segments], segments[3 * n_segments + 1] = j, start
            segments[3 * n_segments + 2] = stop - start
            n_segments += 1
            filled += stop - start
            start = stop
            if start == n_near:
                j += 1
                start = j + 1
            if filled < BLOCK and j < n_near - 1:
                continue
            polynomials(x2, filled, f)
            polynomial_slopes(x2, 2.0, filled, g)
            scale_rows(g, w, filled)
            for axis in range(3):
                own = carray(out_p, (own_base + 3 * n_features,))[own_base + axis * n_features + r_terms :]
                plain = sums[axis * a_terms : (axis + 1) * a_terms]
                other = sums[(3 + axis) * a_terms : (4 + axis) * a_terms]
                product_rule(dw[axis], f, dc[axis], g, filled, rows)
                add_in_order(rows, s_pair, 0, filled, weighted, own, own[half:] if weighted else own)
                # As second of a pair first: every neighbour is that only of neighbours found before it.
                product_rule(dw[6 + axis], f, dc[6 + axis], g, filled, rows)
                column = 0
                for segment in range(n_segments):
                    first_k = segments[3 * segment + 1]
                    n_pairs = segments[3 * segment + 2]
                    add_scattered(rows, column, first_k, n_pairs, plain, other, s_pair, weighted)
                    column += n_pairs
                product_rule(dw[3 + axis], f, dc[3 + axis], g, filled, rows)
                column = 0
                for segment in range(n_segments):
                    first_k = segments[3 * segment]
                    n_pairs = segments[3 * segment + 2]
                    add_in_order(rows, s_pair, column, column + n_pairs, weighted, plain[:, first_k], other[:, first_k])
                    column += n_pairs
            filled, n_segments = 0, 0
        for axis in range(3):
            others = carray(out_p, (written,))[other_base + axis * n_features * n :]
            for r in range(a_terms):
                target = others[(r_terms + r) * n : (r_terms + r + 1) * n]
                row = sums[axis * a_terms + r]
                for k in range(n_near):
                    target[near_index[k]] = row[k]
                if weighted:
                    target = others[(half + r_terms + r) * n : (half + r_terms + r + 1) * n]
                    row = sums[(3 + axis) * a_terms + r]
                    for k in range(n_near):
                        target[near_index[k]] = row[k]
    return written
