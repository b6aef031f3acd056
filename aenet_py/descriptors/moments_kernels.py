"""Kernels that evaluate Chebyshev features through moments, at a cost linear in the neighbours.

The angular features of `chebyshev_kernels` are sums over pairs of polynomials in the cosine.  With T_n(c) expanded in
Legendre polynomials P_l, and P_l(u_j u_k) = sum_m S_lm(u_j) S_lm(u_k) (the addition theorem of real spherical
harmonics), a sum over pairs is half the square of a sum over neighbours, less the terms j = k:

    sum_{j<k} f_j f_k P_l(u_j u_k) = 1/2 (sum_m M_lm^2 - sum_j f_j^2),     M_lm = sum_j f_j S_lm(u_j)

S_lm(u) = N_lm Q_lm(z) Re or Im (x + iy)^m, Q_lm the m-th derivative of P_l with a leading coefficient of 1, so that
Q_lm = z Q_(l-1)m - b_lm Q_(l-2)m and dQ_lm/dz = (l - m) Q_l(m+1).  Any function that equals S_lm on the unit sphere has
the right gradient along the sphere.  Sums here are in another order than ænet's.

The neighbours of an atom come in groups of one species each, which begin at whole blocks (`vector_kernels`) in the rows
of the scratch array and are filled up with neighbours at the cutoff, which count for nothing.  Pairs (l, m) are
numbered with l fastest, from (0, 0), (1, 0) to (L, L).

The scratch arrays may be in single precision; the positions that `gather` reads and the sums of `spread` are in double.

Each of some atoms of the same species, at most LANES, goes through `gather` or `gather_known` and `atom_sums`, all
together through `features_of_sums` and, once the derivatives of their energies are known, `add_pulls`, which reads the
scratch arrays that the others filled; there and in `spread` each has its own again.  What holds for all neighbours of
an atom is thus computed for LANES atoms side by side.
"""

from aenet_py.runtime.accelerate import jit
from aenet_py.runtime.constants import LANES
from aenet_py.runtime.vector_kernels import (
    add_at,
    block,
    columns,
    count_from,
    fma,
    fms,
    folded,
    load,
    load_wholes,
    number_below,
    root,
    smallest,
    splat,
    splat_as,
    splat_block,
    splat_in,
    store,
    store_below,
    subtract_from_rows,
    total,
    where_below,
    width,
)

# Rows of the scratch array, of the neighbours within reach and of those within the angular cutoff.
X, Y, Z, DISTANCE, INVERSE, CUTOFF, SLOPE, ARGUMENT = 0, 1, 2, 3, 4, 5, 6, 7
PULL_X, PULL_Y, PULL_Z = 8, 9, 10
ANGULAR_X, ANGULAR_Y, ANGULAR_Z, ANGULAR_DISTANCE, ANGULAR_INVERSE, ANGULAR_CUTOFF, ANGULAR_SLOPE = range(11, 18)
QUARTER = 1.5707963267948966
S3, S5, S7, S9, S11 = -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800
S13, S15, S17, S19 = 1 / 6227020800, -1 / 1307674368000, 1 / 355687428096000, -1 / 121645100408832000
C2, C4, C6, C8, C10 = -1 / 2, 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800
C12, C14, C16, C18 = 1 / 479001600, -1 / 87178291200, 1 / 20922789888000, -1 / 6402373705728000
C20 = 1 / 2432902008176640000


@jit
def cutoff(distance, rc):
    """0.5 (cos(pi d / rc) + 1) and its derivative, by series in pi d / rc - pi / 2; 0 beyond rc."""
    a = 2.0 * QUARTER / rc
    y = fms(where_below(distance, rc, distance, rc), a, QUARTER)
    s = y * y
    sine = fma(s, fma(s, fma(s, fma(s, S19, S17), S15), S13), S11)
    sine = fma(y * s, fma(s, fma(s, fma(s, fma(s, sine, S9), S7), S5), S3), y)
    cosine = fma(s, fma(s, fma(s, fma(s, fma(s, C20, C18), C16), C14), C12), C10)
    cosine = fma(s, fma(s, fma(s, fma(s, fma(s, cosine, C8), C6), C4), C2), 1.0)
    inside = where_below(distance, rc, 0.5, 0.0)
    return inside - inside * sine, (inside * cosine) * -a


@jit
def fill(n, rc, x_row, places, place):
    """Fill rows up to whole blocks with neighbours at the cutoff; returns their new number."""
    full = (n + width(x_row) - 1) // width(x_row) * width(x_row)
    for k in range(n, full):
        x_row[0, k], x_row[1, k], x_row[2, k], x_row[3, k] = 0.0, 0.0, rc, rc * rc
        places[k] = place
    return full


@jit
def gather(own, begins, ends_of, partners, members, reach, work, places, ends):
    """Neighbours closer than reach of a member of a patch, kind by kind; places: which members they are.

    begins, ends_of (n_kinds): of its pairs; members (n, 4): positions.  Writes ends (n_kinds + 1) and returns the
    smallest squared distance as `gather_known` does.
    """
    n, limit, least = 0, reach * reach, reach * reach
    x0, y0, z0 = members[own, 0], members[own, 1], members[own, 2]
    x_row, y_row, z_row, squares = work[X], work[Y], work[Z], work[DISTANCE]
    least_of = splat(limit)
    ends[0] = 0
    for kind in range(len(begins)):
        begin, end = begins[kind], ends_of[kind]
        full = begin + (end - begin) // LANES * LANES
        for k in range(begin, full, LANES):
            numbers = load_wholes(partners, k, least_of)
            x, y, z = columns(members, numbers)
            x, y, z = x - x0, y - y0, z - z0
            square = x * x + y * y + z * z
            store_below(x_row, n, x, square, limit)
            store_below(y_row, n, y, square, limit)
            store_below(z_row, n, z, square, limit)
            store_below(squares, n, square, square, limit)
            store_below(places, n, numbers, square, limit)
            least_of = where_below(square, least_of, square, least_of)
            n += number_below(square, limit)
        for k in range(full, end):
            member = partners[k]
            x, y, z = members[member, 0] - x0, members[member, 1] - y0, members[member, 2] - z0
            square = x * x + y * y + z * z
            x_row[n], y_row[n], z_row[n], squares[n], places[n] = x, y, z, square, member
            least = min(least, square)
            n += square < limit
        n = fill(n, reach, work, places, own)
        ends[kind + 1] = n
    return min(least, smallest(least_of))


@jit
def gather_known(begin, end, index, vectors, types, n_types, reach, work, places, ends):
    """Neighbours closer than reach, species by species: vectors and squared distances; places: which they are.

    Writes ends (n_types + 1): where the groups end, from 0.  Returns their number and the smallest squared distance.
    """
    n, least = 0, reach * reach
    ends[0] = 0
    for t in range(n_types):
        for k in range(begin, end):
            if types[index[k]] == t:
                d = vectors[3, k]
                work[X, n], work[Y, n], work[Z, n], work[DISTANCE, n] = (
                    vectors[0, k],
                    vectors[1, k],
                    vectors[2, k],
                    d * d,
                )
                places[n] = k
                least = min(least, d * d)
                n += d < reach
        n = fill(n, reach, work, places, begin)
        ends[t + 1] = n
    return least


@jit
def radial_sums(begin, end, rc, terms, work, sums):
    """Unit vectors, 1 / d and cutoff functions of a group; adds its T_n f to sums (terms blocks)."""
    x_row, y_row, z_row, distances, inverses = work[X], work[Y], work[Z], work[DISTANCE], work[INVERSE]
    cutoffs, slopes, arguments = work[CUTOFF], work[SLOPE], work[ARGUMENT]
    for k in range(begin, end, width(work)):
        distance = root(block(distances, k))
        inverse = 1.0 / distance
        f, slope = cutoff(distance, rc)
        x2 = fms(distance, 4.0 / rc, 2.0)
        store(distances, k, distance)
        store(inverses, k, inverse)
        store(cutoffs, k, f)
        store(slopes, k, slope)
        store(arguments, k, x2)
        store(x_row, k, block(x_row, k) * inverse)
        store(y_row, k, block(y_row, k) * inverse)
        store(z_row, k, block(z_row, k) * inverse)
        older, old = f, 0.5 * x2 * f
        store(sums, 0, block(sums, 0) + older)
        if terms > 1:
            store(sums, width(work), block(sums, width(work)) + old)
        for n in range(2, terms):
            new = fms(x2, old, older)
            store(sums, n * width(work), block(sums, n * width(work)) + new)
            older, old = old, new


@jit
def narrow(begin, end, n, reach, rc, work, places):
    """Append the neighbours of a group that are closer than rc, below reach, to the angular rows; returns the end."""
    limit = min(rc, reach)
    for k in range(begin, end, width(work)):
        d = block(work[DISTANCE], k)
        store_below(work[ANGULAR_X], n, block(work[X], k), d, limit)
        store_below(work[ANGULAR_Y], n, block(work[Y], k), d, limit)
        store_below(work[ANGULAR_Z], n, block(work[Z], k), d, limit)
        store_below(work[ANGULAR_DISTANCE], n, d, d, limit)
        store_below(work[ANGULAR_INVERSE], n, block(work[INVERSE], k), d, limit)
        store_below(places, n, count_from(k, d), d, limit)
        n += number_below(d, limit)
    full = (n + width(work) - 1) // width(work) * width(work)
    for k in range(n, full):
        work[ANGULAR_X, k], work[ANGULAR_Y, k], work[ANGULAR_Z, k] = 0.0, 0.0, 1.0
        work[ANGULAR_DISTANCE, k], work[ANGULAR_INVERSE, k] = rc, 1.0 / rc
        places[k] = begin
    return full


@jit
def angular_sums(begin, end, rc, order, recurrence, work, real, imaginary):
    """Cutoff functions of a group; adds its moments without N_lm to real, imaginary; returns sum of f^2."""
    squares, cutoffs, slopes = splat_block(work, 0.0), work[ANGULAR_CUTOFF], work[ANGULAR_SLOPE]
    for k in range(begin, end, width(work)):
        x, y, z = block(work[ANGULAR_X], k), block(work[ANGULAR_Y], k), block(work[ANGULAR_Z], k)
        f, slope = cutoff(block(work[ANGULAR_DISTANCE], k), rc)
        store(cutoffs, k, f)
        store(slopes, k, slope)
        squares = fma(f, f, squares)
        a, b, place = f, 0.0 * f, 0
        for m in range(order + 1):
            older, old = splat_as(z, 0.0), splat_as(z, 1.0)
            store(real, place * width(work), block(real, place * width(work)) + a)
            store(imaginary, place * width(work), block(imaginary, place * width(work)) + b)
            place += 1
            for _ in range(m, order):
                new = fms(z, old, recurrence[place] * older)
                store(real, place * width(work), fma(new, a, block(real, place * width(work))))
                store(imaginary, place * width(work), fma(new, b, block(imaginary, place * width(work))))
                older, old = old, new
                place += 1
            a, b = fms(x, a, y * b), fma(x, b, y * a)
    return total(squares)


@jit
def atom_sums(
    lane, ends, reach, cutoffs, orders, recurrence, work, places, angular_ends, accumulators, radial, sums, filled
):  # fmt: skip
    """Sums over the gathered neighbours of an atom, which becomes a lane of sums (n_groups, rows LANES).

    Its rows are T_n f, real parts of the moments without N_lm, imaginary parts, and sum of f^2.  ends (n_groups + 1):
    of the groups; cutoffs (2), orders (3): as of `chebyshev_kernels.features`; recurrence: b_lm.  Writes angular_ends
    (n_groups + 1) and places of the angular neighbours, and filled (n_groups): 1 where a group has neighbours.
    """
    terms, order = orders[0] + 1, orders[1]
    n_pairs = (order + 1) * (order + 2) // 2
    real, imaginary = accumulators[: n_pairs * width(work)], accumulators[n_pairs * width(work) :]
    angular_ends[0] = 0
    for group in range(len(filled)):
        begin, end, here = ends[group], ends[group + 1], sums[group]
        angular_ends[group + 1] = angular_ends[group]
        if begin == end:
            continue
        filled[group] = 1
        for n in range(terms):
            store(radial, n * width(work), splat_block(work, 0.0))
        radial_sums(begin, end, cutoffs[0], terms, work, radial)
        for n in range(terms):
            here[n * LANES + lane] = total(block(radial, n * width(work)))
        begin, end = angular_ends[group], narrow(begin, end, angular_ends[group], reach, cutoffs[1], work, places)
        angular_ends[group + 1] = end
        if begin == end:
            continue
        for i in range(n_pairs):
            store(real, i * width(work), splat_block(work, 0.0))
            store(imaginary, i * width(work), splat_block(work, 0.0))
        squares = angular_sums(begin, end, cutoffs[1], order, recurrence, work, real, imaginary)
        for i in range(n_pairs):
            here[(terms + i) * LANES + lane] = total(block(real, i * width(work)))
        for i in range(order + 1, n_pairs):
            here[(terms + n_pairs + i) * LANES + lane] = total(block(imaginary, i * width(work)))
        here[(terms + 2 * n_pairs) * LANES + lane] = squares


@jit
def features_of_sums(weights, filled, orders, norms, expansion, sums, moments, features):
    """Features of LANES atoms of one species from `atom_sums`.

    weights (n_groups): of the groups' species; norms: N_lm^2; expansion: coefficient of P_l in T_n at n (n + 1) / 2 +
    l.  Writes moments (4, n_lm LANES): real and imaginary parts, plain, then weighted, and features (n LANES).
    """
    terms, order, weighted = orders[0] + 1, orders[1], orders[2] != 0
    half, n_pairs = terms + order + 1, (order + 1) * (order + 2) // 2
    for f in range(2 * half if weighted else half):
        store(features, f * LANES, splat(0.0))
    for i in range(n_pairs):
        for part in range(4):
            store(moments[part], i * LANES, splat(0.0))
    own, own_weighted = splat_in(features, 0.0), splat_in(features, 0.0)
    for group in range(len(filled)):
        if filled[group] == 0:
            continue
        weight, here = weights[group], sums[group]
        for n in range(terms):
            value = load(here, n * LANES)
            store(features, n * LANES, load(features, n * LANES) + value)
            if weighted:
                store(features, (half + n) * LANES, fma(weight, value, load(features, (half + n) * LANES)))
        for i in range(n_pairs):
            a, b = load(here, (terms + i) * LANES), load(here, (terms + n_pairs + i) * LANES)
            store(moments[0], i * LANES, load(moments[0], i * LANES) + a)
            store(moments[1], i * LANES, load(moments[1], i * LANES) + b)
            store(moments[2], i * LANES, fma(weight, a, load(moments[2], i * LANES)))
            store(moments[3], i * LANES, fma(weight, b, load(moments[3], i * LANES)))
        squares = load(here, (terms + 2 * n_pairs) * LANES)
        own, own_weighted = own + squares, fma(weight * weight, squares, own_weighted)
    for kind in range(2 if weighted else 1):
        real, imaginary, first = moments[2 * kind], moments[2 * kind + 1], half * kind + terms
        same = own if kind == 0 else own_weighted
        for l in range(order + 1):
            square, i = splat_in(features, 0.0), l
            for m in range(l + 1):
                a, b = load(real, i * LANES), load(imaginary, i * LANES)
                square = fma(norms[i], fma(a, a, b * b), square)
                i += order - m
            pairs = 0.5 * (square - same)
            for f in range(l, order + 1):
                place = (first + f) * LANES
                store(features, place, fma(expansion[f * (f + 1) // 2 + l], pairs, load(features, place)))


@jit
def radial_pull(begin, end, lane, terms, slopes, work):
    """Writes dE/dr of a group through the radial features; slopes (2 terms LANES): of the energy by T_n and by T_n'."""
    arguments, cutoffs, cutoff_slopes = work[ARGUMENT], work[CUTOFF], work[SLOPE]
    for k in range(begin, end, width(work)):
        x2 = block(arguments, k)
        older, old = splat_as(x2, 1.0), 0.5 * x2
        value, slope = splat_as(x2, slopes[lane]), splat_as(x2, slopes[terms * LANES + lane])
        if terms > 1:
            value = fma(slopes[LANES + lane], old, value)
            slope = fma(slopes[(terms + 1) * LANES + lane], old, slope)
        for n in range(2, terms):
            new = fms(x2, old, older)
            value = fma(slopes[n * LANES + lane], new, value)
            slope = fma(slopes[(terms + n) * LANES + lane], new, slope)
            older, old = old, new
        g = fma(block(cutoff_slopes, k), value, block(cutoffs, k) * slope)
        store(work[PULL_X], k, g * block(work[X], k))
        store(work[PULL_Y], k, g * block(work[Y], k))
        store(work[PULL_Z], k, g * block(work[Z], k))


@jit
def angular_pull(begin, end, lane, order, same, recurrence, coefficients, work, places):
    """Adds dE/dr of a group through the angular features.

    coefficients (4, n_lm LANES): of Q_lm with real and imaginary parts, and with m - 1 of its derivative.
    """
    c, s, dc, ds = coefficients[0], coefficients[1], coefficients[2], coefficients[3]
    for k in range(begin, end, width(work)):
        x, y, z = block(work[ANGULAR_X], k), block(work[ANGULAR_Y], k), block(work[ANGULAR_Z], k)
        nothing, one = splat_as(x, 0.0), splat_as(x, 1.0)
        value, gx, gy, gz = nothing, nothing, nothing, nothing
        a, b, a_before, b_before = one, nothing, nothing, nothing
        number, place = 0, lane
        for m in range(order + 1):
            older, old = nothing, one
            p, q, dp, dq = splat_as(x, c[place]), splat_as(x, s[place]), splat_as(x, dc[place]), splat_as(x, ds[place])
            number, place = number + 1, place + LANES
            for _ in range(m, order):
                new = fms(z, old, recurrence[number] * older)
                p, q = fma(c[place], new, p), fma(s[place], new, q)
                dp, dq = fma(dc[place], new, dp), fma(ds[place], new, dq)
                older, old = old, new
                number, place = number + 1, place + LANES
            value = fma(p, a, fma(q, b, value))
            gz = fma(dp, a_before, fma(dq, b_before, gz))
            gx = fma(float(m), fma(p, a_before, q * b_before), gx)
            gy = fma(float(m), fms(q, a_before, p * b_before), gy)
            a_before, b_before = a, b
            a, b = fms(x, a, y * b), fma(x, b, y * a)
        f = block(work[ANGULAR_CUTOFF], k)
        across = f * block(work[ANGULAR_INVERSE], k)
        along = block(work[ANGULAR_SLOPE], k) * (value - f * same) - across * fma(gx, x, fma(gy, y, gz * z))
        rows = load_wholes(places, k, x)
        add_at(work[PULL_X], rows, fma(along, x, across * gx))
        add_at(work[PULL_Y], rows, fma(along, y, across * gy))
        add_at(work[PULL_Z], rows, fma(along, z, across * gz))


@jit
def add_pulls(
    n_atoms, ends, weights, filled, cutoffs, orders, recurrence, norms, expansion, work, places, moments, slopes,
    coefficients, radial, by_legendre,
):  # fmt: skip
    """Writes the rows PULL_X and so on: dE/dr of the gathered neighbours of the first n_atoms lanes.

    slopes (n LANES): of the energy by the features; ends, work, places: of each atom.  Scratch: coefficients (4, n_lm
    LANES), radial (2 terms LANES), by_legendre (3, (order + 1) LANES).
    """
    terms, order, weighted = orders[0] + 1, orders[1], orders[2] != 0
    half = terms + order + 1
    plains, others, same_row = by_legendre[0], by_legendre[1], by_legendre[2]
    for l in range(order + 1):
        plain, other = splat_in(radial, 0.0), splat_in(radial, 0.0)
        for f in range(l, order + 1):
            factor = expansion[f * (f + 1) // 2 + l]
            plain = fma(factor, load(slopes, (terms + f) * LANES), plain)
            if weighted:
                other = fma(factor, load(slopes, (half + terms + f) * LANES), other)
        store(plains, l * LANES, plain)
        store(others, l * LANES, other)
    for group in range(len(filled)):
        if filled[group] == 0:
            continue
        weight = weights[group] if weighted else 0.0
        for n in range(terms):
            slope = load(slopes, n * LANES)
            if weighted:
                slope = fma(weight, load(slopes, (half + n) * LANES), slope)
            store(radial, n * LANES, slope)
        older, old = splat_in(radial, 0.0), splat_in(radial, 0.0)  # of the derivative's series, from above
        for n in range(terms - 1, -1, -1):
            store(radial, (terms + n) * LANES, old * (0.5 if n == 0 else 1.0))
            older, old = old, fma(2.0 * n * (2.0 / cutoffs[0]), load(radial, n * LANES), older)
        same = splat_in(radial, 0.0)
        for l in range(order + 1):
            plain, other, i = load(plains, l * LANES), load(others, l * LANES), l
            same = same + fma(weight * weight, other, plain)
            for m in range(l + 1):
                c = norms[i] * fma(weight * other, load(moments[2], i * LANES), plain * load(moments[0], i * LANES))
                s = norms[i] * fma(weight * other, load(moments[3], i * LANES), plain * load(moments[1], i * LANES))
                store(coefficients[0], i * LANES, c)
                store(coefficients[1], i * LANES, s)
                if m == 0:
                    store(coefficients[2], i * LANES, splat(0.0))
                    store(coefficients[3], i * LANES, splat(0.0))
                i += order - m
                if m < l:
                    store(coefficients[2], i * LANES, float(l - m) * c)
                    store(coefficients[3], i * LANES, float(l - m) * s)
        store(same_row, 0, same)
        for atom in range(n_atoms):
            begin, end = ends[atom, 0, group], ends[atom, 0, group + 1]
            radial_pull(begin, end, atom, terms, radial, work[atom])
            begin, end = ends[atom, 1, group], ends[atom, 1, group + 1]
            angular_pull(
                begin, end, atom, order, same_row[atom], recurrence, coefficients, work[atom], places[atom, 1]
            )  # fmt: skip


@jit
def spread(n, own, work, places, forces, sums):
    """Adds the pulls on the first n neighbours to forces (n_members, 4), and to the virial, sums (9 LANES)."""
    nothing = splat_block(work, 0.0)
    x_sum, y_sum, z_sum = splat(0.0), splat(0.0), splat(0.0)  # so that all forces cancel, in double precision
    xx, xy, xz, yy, yz, zz, yx, zx, zy = nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing
    for k in range(0, n, width(work)):
        distance = block(work[DISTANCE], k)
        x, y, z = block(work[X], k) * distance, block(work[Y], k) * distance, block(work[Z], k) * distance
        p, q, r = block(work[PULL_X], k), block(work[PULL_Y], k), block(work[PULL_Z], k)
        x_sum, y_sum, z_sum = x_sum + folded(p), y_sum + folded(q), z_sum + folded(r)
        xx, xy, xz = fma(x, p, xx), fma(x, q, xy), fma(x, r, xz)
        yx, yy, yz = fma(y, p, yx), fma(y, q, yy), fma(y, r, yz)
        zx, zy, zz = fma(z, p, zx), fma(z, q, zy), fma(z, r, zz)
        subtract_from_rows(forces, load_wholes(places, k, x), p, q, r)
    for i, v in enumerate((xx, xy, xz, yx, yy, yz, zx, zy, zz)):
        store(sums, i * LANES, load(sums, i * LANES) + folded(v))
    forces[own, 0] += total(x_sum)
    forces[own, 1] += total(y_sum)
    forces[own, 2] += total(z_sum)
