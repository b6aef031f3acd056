"""Kernels that evaluate Chebyshev features through moments, at a cost linear in the neighbours.

The angular features of `chebyshev_kernels` are sums over pairs of polynomials in the cosine.  With T_n(c) expanded in
Legendre polynomials P_l, and P_l(u_j u_k) = sum_m S_lm(u_j) S_lm(u_k) (the addition theorem of real spherical
harmonics, here S_l0 = P_l), a sum over pairs is half the square of a sum over neighbours, less the terms j = k:

    sum_{j<k} f_j f_k P_l(u_j u_k) = 1/2 (sum_m M_lm^2 - sum_j f_j^2),     M_lm = sum_j f_j S_lm(u_j)

S_lm(u) = N_lm P_l^(m)(z) Re or Im (x + iy)^m, P_l^(m) the m-th derivative of P_l.  Any function that equals S_lm on the
unit sphere has the right gradient along the sphere.  Sums here are in another order than ænet's.

An atom goes through `atom_features` and, once the derivatives of its energy are known, `atom_pull`, which reads the
scratch arrays that the former filled.
"""

from aenet_py.descriptors.constants import MOMENTS
from aenet_py.runtime.accelerate import jit
from aenet_py.runtime.constants import LANES

# Rows of the scratch array.
X, Y, Z, INVERSE, WEIGHT, CUTOFF, SLOPE, ARGUMENT = 0, 1, 2, 3, 4, 5, 6, 7
VALUE, GX, GY, GZ, P, Q, DP, DQ = 8, 9, 10, 11, 12, 13, 14, 15
SUMS = 16  # the sums of LANES neighbours
# MOMENTS and beyond: polynomials, powers of x + iy.
QUARTER = 1.5707963267948966


@jit
def term(s, divisor, rest):
    """One step of a series in Horner's form."""
    return 1.0 + s * (-1.0 / divisor) * rest


@jit
def cutoffs(distance, rc, n, values, slopes):
    """0.5 (cos(pi d / rc) + 1) and its derivative, by series in pi d / rc - pi / 2; 0 beyond rc."""
    a = 2.0 * QUARTER / rc
    for k in range(n):
        y = a * min(distance[k], rc) - QUARTER
        s = y * y
        sine = term(s, 342.0, term(s, 420.0, 1.0))
        sine = term(s, 42.0, term(s, 72.0, term(s, 110.0, term(s, 156.0, term(s, 210.0, term(s, 272.0, sine))))))
        sine = y * term(s, 6.0, term(s, 20.0, sine))
        cosine = term(s, 380.0, term(s, 462.0, 1.0))
        cosine = term(s, 56.0, term(s, 90.0, term(s, 132.0, term(s, 182.0, term(s, 240.0, term(s, 306.0, cosine))))))
        cosine = term(s, 2.0, term(s, 12.0, term(s, 30.0, cosine)))
        inside = 1.0 if distance[k] < rc else 0.0
        values[k] = inside * 0.5 * (1.0 - sine)
        slopes[k] = -inside * 0.5 * a * cosine


@jit
def gather(begin, end, index, vectors, types, weights, rc, work, near):
    """Neighbours closer than rc: unit vectors, 1 / d, weights, cutoff functions; near : their places. Returns them.

    Rows are filled up to a multiple of LANES with neighbours of weight zero.
    """
    n = 0
    for k in range(begin, end):
        d = vectors[3, k]
        if d < rc:
            work[X, n], work[Y, n], work[Z, n] = vectors[0, k], vectors[1, k], vectors[2, k]
            work[VALUE, n] = d
            work[WEIGHT, n] = weights[types[index[k]]]
            near[n] = k
            n += 1
    full = (n + LANES - 1) // LANES * LANES
    for k in range(n, full):
        work[X, k], work[Y, k], work[Z, k], work[VALUE, k], work[WEIGHT, k] = 0.0, 0.0, rc, rc, 0.0
    cutoffs(work[VALUE], rc, full, work[CUTOFF], work[SLOPE])
    for k in range(full):
        work[INVERSE, k] = 1.0 / work[VALUE, k]
    for k in range(full):
        work[X, k] = work[X, k] * work[INVERSE, k]
        work[Y, k] = work[Y, k] * work[INVERSE, k]
        work[Z, k] = work[Z, k] * work[INVERSE, k]
        work[ARGUMENT, k] = 2.0 * (2.0 * work[VALUE, k] / rc - 1.0)
    return n, full


@jit
def chebyshev(x2, n, terms, rows):
    """T_0 .. T_(terms-1) of n arguments, x2 twice each."""
    for k in range(n):
        rows[0, k] = 1.0
        rows[1, k] = 0.5 * x2[k]
    for order in range(2, terms):
        new, one, two = rows[order], rows[order - 1], rows[order - 2]
        for k in range(n):
            new[k] = x2[k] * one[k] - two[k]


@jit
def harmonics(n, order, work, legendre, real, imaginary):
    """legendre[l (l + 1) / 2 + m] : P_l^(m)(z); real, imaginary [m] : of (x + iy)^m."""
    x, y, z = work[X], work[Y], work[Z]
    for k in range(n):
        real[0, k], imaginary[0, k] = 1.0, 0.0
    for m in range(1, order + 1):
        a, b, c, d = real[m], imaginary[m], real[m - 1], imaginary[m - 1]
        for k in range(n):
            a[k] = x[k] * c[k] - y[k] * d[k]
            b[k] = x[k] * d[k] + y[k] * c[k]
    top = 1.0
    for m in range(order + 1):
        row = legendre[m * (m + 1) // 2 + m]
        for k in range(n):
            row[k] = top
        top *= 2.0 * m + 1.0
        for l in range(m + 1, order + 1):
            new, one = legendre[l * (l + 1) // 2 + m], legendre[(l - 1) * l // 2 + m]
            p, q = (2.0 * l - 1.0) / (l - m), (l + m - 1.0) / (l - m)
            if l == m + 1:
                for k in range(n):
                    new[k] = p * z[k] * one[k]
            else:
                two = legendre[(l - 2) * (l - 1) // 2 + m]
                for k in range(n):
                    new[k] = p * z[k] * one[k] - q * two[k]


@jit
def dot(a, b, n, sums):
    """Sum of products, LANES at a time."""
    for lane in range(LANES):
        sums[lane] = 0.0
    for start in range(0, n, LANES):
        for lane in range(LANES):
            sums[lane] += a[start + lane] * b[start + lane]
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]))


@jit
def angular_moments(n, order, work, legendre, real, imaginary, moments):
    """moments (2, (order + 1)^2) without N_lm : plain and weighted, [l^2 + m] real, [l^2 + l + m] imaginary parts."""
    factor, sums = work[P], work[SUMS]
    for kind in range(2):
        for m in range(order + 1):
            for part in range(2 if m > 0 else 1):
                power = imaginary[m] if part == 1 else real[m]
                for k in range(n):
                    factor[k] = work[CUTOFF, k] * power[k]
                if kind == 1:
                    for k in range(n):
                        factor[k] = factor[k] * work[WEIGHT, k]
                for l in range(m, order + 1):
                    moments[kind, l * l + m + l * part] = dot(legendre[l * (l + 1) // 2 + m], factor, n, sums)


@jit
def atom_features(
    begin, end, index, vectors, types, weights, ranges, orders, norms, expansion, radial, near_radial, angular,
    near_angular, moments, values,
):  # fmt: skip
    """Features and moments (2, n) of the atom with the neighbours begin to end; returns how many count for each kind.

    As `chebyshev_kernels.features` with the rows of the atom's species, and: norms : N_lm^2 at l (l + 1) / 2 + m;
    expansion : coefficient of P_l in T_n at n (n + 1) / 2 + l; radial, angular : scratch arrays as `gather` fills them.
    """
    terms, order, weighted = orders[0] + 1, orders[1], orders[2] != 0
    half, sums = terms + order + 1, radial[SUMS]
    n_radial, full = gather(begin, end, index, vectors, types, weights, ranges[0], radial, near_radial)
    polynomials = radial[MOMENTS:]
    chebyshev(radial[ARGUMENT], full, terms, polynomials)
    for k in range(full):
        radial[P, k] = radial[CUTOFF, k] * radial[WEIGHT, k]
    for f in range(terms):
        values[f] = dot(polynomials[f], radial[CUTOFF], full, sums)
        if weighted:
            values[half + f] = dot(polynomials[f], radial[P], full, sums)
    n_angular, full = gather(begin, end, index, vectors, types, weights, ranges[1], angular, near_angular)
    powers = MOMENTS + (order + 1) * (order + 2) // 2
    legendre, real, imaginary = angular[MOMENTS:powers], angular[powers:], angular[powers + order + 1 :]
    harmonics(full, order, angular, legendre, real, imaginary)
    angular_moments(full, order, angular, legendre, real, imaginary, moments)
    for kind in range(2 if weighted else 1):
        own = 0.0
        for k in range(n_angular):
            value = angular[CUTOFF, k] * (angular[WEIGHT, k] if kind == 1 else 1.0)
            own += value * value
        here, result = moments[kind], values[half * kind + terms :]
        for f in range(order + 1):
            result[f] = 0.0
        for l in range(order + 1):
            total = 0.0
            for m in range(l + 1):
                square = here[l * l + m] * here[l * l + m]
                if m > 0:
                    square += here[l * l + l + m] * here[l * l + l + m]
                total += norms[l * (l + 1) // 2 + m] * square
            pairs = 0.5 * (total - own)
            for f in range(l, order + 1):
                result[f] += expansion[f * (f + 1) // 2 + l] * pairs
    return n_radial, n_angular


@jit
def radial_pull(n, terms, half, weighted, rc, slopes, work, rows, pull, near, begin):
    """dE/dr of the neighbours of `gather` through the radial features."""
    value, slope, weight = work[VALUE], work[P], work[WEIGHT]
    for k in range(n):
        value[k], slope[k] = slopes[0] + (weight[k] * slopes[half] if weighted else 0.0), 0.0
        work[GX, k], work[GY, k] = 0.0, 1.0  # U_(n-2), U_(n-1)
    x2 = work[ARGUMENT]
    for f in range(1, terms):
        plain, other, degree, row = slopes[f], slopes[half + f] if weighted else 0.0, 4.0 * f / rc * 0.5, rows[f]
        for k in range(n):
            c = plain + weight[k] * other
            value[k] += c * row[k]
            slope[k] += c * degree * work[GY, k]
            u = x2[k] * work[GY, k] - work[GX, k]
            work[GX, k] = work[GY, k]
            work[GY, k] = u
    for k in range(n):
        g = work[SLOPE, k] * value[k] + work[CUTOFF, k] * slope[k]
        place = near[k] - begin
        pull[0, place] += g * work[X, k]
        pull[1, place] += g * work[Y, k]
        pull[2, place] += g * work[Z, k]


@jit
def angular_pull(n, order, plain_sum, other_sum, work, legendre, real, imaginary, coefficients, pull, near, begin):
    """dE/dr of the neighbours of `gather` through the angular features; coefficients as moments, of S_lm / N_lm."""
    weight, value, gx, gy, gz = work[WEIGHT], work[VALUE], work[GX], work[GY], work[GZ]
    p, q, dp, dq = work[P], work[Q], work[DP], work[DQ]
    for k in range(n):
        value[k], gx[k], gy[k], gz[k] = 0.0, 0.0, 0.0, 0.0
    for m in range(order + 1):
        for k in range(n):
            p[k], q[k], dp[k], dq[k] = 0.0, 0.0, 0.0, 0.0
        for l in range(m, order + 1):
            row = legendre[l * (l + 1) // 2 + m]
            after = legendre[l * (l + 1) // 2 + m + 1] if l > m else row
            inside = 1.0 if l > m else 0.0
            c0, c1 = coefficients[0, l * l + m], coefficients[1, l * l + m]
            s0 = coefficients[0, l * l + l + m] if m > 0 else 0.0
            s1 = coefficients[1, l * l + l + m] if m > 0 else 0.0
            for k in range(n):
                c, s, d = c0 + weight[k] * c1, s0 + weight[k] * s1, inside * after[k]
                p[k] += c * row[k]
                q[k] += s * row[k]
                dp[k] += c * d
                dq[k] += s * d
        a, b = real[m], imaginary[m]
        for k in range(n):
            value[k] += p[k] * a[k] + q[k] * b[k]
            gz[k] += dp[k] * a[k] + dq[k] * b[k]
        if m > 0:
            a, b = real[m - 1], imaginary[m - 1]
            for k in range(n):
                gx[k] += m * (p[k] * a[k] + q[k] * b[k])
                gy[k] += m * (q[k] * a[k] - p[k] * b[k])
    for k in range(n):
        w, f = weight[k], work[CUTOFF, k]
        along = work[SLOPE, k] * (value[k] - f * (plain_sum + w * w * other_sum))
        radial = gx[k] * work[X, k] + gy[k] * work[Y, k] + gz[k] * work[Z, k]
        across = f * work[INVERSE, k]
        along -= across * radial
        place = near[k] - begin
        pull[0, place] += along * work[X, k] + across * gx[k]
        pull[1, place] += along * work[Y, k] + across * gy[k]
        pull[2, place] += along * work[Z, k] + across * gz[k]


@jit
def atom_pull(
    n_radial, n_angular, begin, end, orders, cutoff, norms, expansion, radial, near_radial, angular, near_angular,
    moments, slopes, coefficients, pull,
):  # fmt: skip
    """Writes pull (3, n) : dE/dr of the atom's neighbours; slopes : of its energy by its features; cutoff : radial."""
    terms, order, weighted = orders[0] + 1, orders[1], orders[2] != 0
    half = terms + order + 1
    for k in range(end - begin):
        pull[0, k], pull[1, k], pull[2, k] = 0.0, 0.0, 0.0
    radial_pull(n_radial, terms, half, weighted, cutoff, slopes, radial, radial[MOMENTS:], pull, near_radial, begin)
    plain_sum, other_sum = 0.0, 0.0
    for kind in range(2):
        for l in range(order + 1):
            c = 0.0
            if kind == 0 or weighted:
                for f in range(l, order + 1):
                    c += slopes[half * kind + terms + f] * expansion[f * (f + 1) // 2 + l]
            if kind == 0:
                plain_sum += c
            else:
                other_sum += c
            for m in range(l + 1):
                factor = c * norms[l * (l + 1) // 2 + m]
                coefficients[kind, l * l + m] = factor * moments[kind, l * l + m]
                if m > 0:
                    coefficients[kind, l * l + l + m] = factor * moments[kind, l * l + l + m]
    powers = MOMENTS + (order + 1) * (order + 2) // 2
    legendre, real, imaginary = angular[MOMENTS:powers], angular[powers:], angular[powers + order + 1 :]
    angular_pull(
        n_angular, order, plain_sum, other_sum, angular, legendre, real, imaginary, coefficients, pull, near_angular,
        begin,
    )  # fmt: skip
