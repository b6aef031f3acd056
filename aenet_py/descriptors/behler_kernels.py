"""Kernels of the symmetry functions G1 to G5 (Behler, J. Chem. Phys. 134, 074106 (2011)).

With the cutoff function fc and f(d) = exp(-eta d^2) fc(d), an atom's features are

    G1 = sum_j fc(d_j)     G2 = sum_j exp(-eta (d_j - Rs)^2) fc(d_j)     G3 = sum_j cos(kappa d_j) fc(d_j)
    G4 = 2 sum_{j<k} ((1 + lambda cos_jk) / 2)^zeta f(d_j) f(d_k) f(d_jk)
    G5 = 2 sum_{j<k} ((1 + lambda cos_jk) / 2)^zeta f(d_j) f(d_k)

over neighbours of the species that a function is for.  Every product and sum is in the order of ænet 2.0.4
(sf_fingerprint and what it calls); what is the same for all pairs of a neighbour is computed once.
"""

import math

from aenet_py.descriptors.constants import COINCIDENT_BEHLER, N_PARAMETERS, PI
from aenet_py.runtime.accelerate import jit
from aenet_py.runtime.signatures import f8, i4, i8, out, rows

RC, SECOND, THIRD, FOURTH = 0, 1, 2, 3  # parameters: cutoff; Rs, kappa or lambda; eta of G2, or zeta; eta


@jit
def cutoff(d, rc):
    if d >= rc:
        return 0.0
    return 0.5 * (math.cos(PI * d / rc) + 1.0)


@jit
def cutoff_slope(d, rc):
    if d >= rc:
        return 0.0
    return -(0.5 * PI / rc * math.sin(PI * d / rc))


@jit
def radial(kind, d, parameters):
    """Value and slope of G1, G2 or G3 of one neighbour."""
    fc, slope = cutoff(d, parameters[RC]), cutoff_slope(d, parameters[RC])
    if kind == 1:
        return fc, slope
    if kind == 2:
        eta, away = parameters[THIRD], d - parameters[SECOND]
        exponential = math.exp(-(eta * away * away))
        return exponential * fc, exponential * (slope - 2.0 * eta * away * fc)
    kappa = parameters[SECOND]
    cosine, sine = math.cos(kappa * d), math.sin(kappa * d)
    return cosine * fc, cosine * slope - kappa * sine * fc


@jit
def damped(d, parameters):
    """Value and slope of f."""
    eta = parameters[FOURTH]
    fc, slope = cutoff(d, parameters[RC]), cutoff_slope(d, parameters[RC])
    exponential = math.exp(-(eta * d * d))
    return exponential * fc, exponential * (slope - 2.0 * eta * d * fc)


@jit
def environment(center, n, begin, index, types, vectors, functions, parameters, ranges, work, near):
    """Unit vectors of an atom's neighbours, their species, and the angular functions' f of each; whether all is well.

    work (3 + 2 n_functions, n) : x, y, z, then f and its slope of each function; near (n) : species.
    """
    for j in range(n):
        d = vectors[3, begin + j]
        if not d > COINCIDENT_BEHLER:
            return False
        for axis in range(3):
            work[axis, j] = vectors[axis, begin + j] / d
        near[j] = types[index[begin + j]]
    for f in range(ranges[center, 0], ranges[center, 1]):
        if functions[f, 0] >= 4:
            for j in range(n):
                work[3 + 2 * f, j], work[4 + 2 * f, j] = damped(vectors[3, begin + j], parameters[f])
    return True


@jit
def pair(j, k, begin, vectors, work):
    """Distance and cosine of two neighbours; the unit vector between them."""
    x = vectors[4, begin + k] - vectors[4, begin + j]
    y = vectors[5, begin + k] - vectors[5, begin + j]
    z = vectors[6, begin + k] - vectors[6, begin + j]
    d = math.sqrt(((0.0 + x * x) + y * y) + z * z)
    cosine = ((0.0 + work[0, j] * work[0, k]) + work[1, j] * work[1, k]) + work[2, j] * work[2, k]
    return d, min(max(cosine, -1.0), 1.0), x, y, z


def features(
    starts: i8[:], types: i8[:], first: i8[:], index: i4[:], vectors: rows(f8[:, :]), functions: i8[:, 2],
    parameters: f8[:, N_PARAMETERS], ranges: i8[:, 2], pairs: i8[:, :, 2], triples: i8[:, :, :, 2], work: out(f8[:, :]),
    near: out(i8[:]), values: out(f8[:, :]),
):  # fmt: skip
    """Features of all atoms.

    vectors (7, n): to each neighbour, its distance, its position; functions (n_functions, 2): kind, column; parameters
    (n_functions, 4); ranges (n_types, 2), pairs (n_types, n_types, 2), triples (n_types, n_types, n_types, 2): where
    the functions of a species begin and end, those for a neighbour's species, for two neighbours'; work
    (3 + 2 n_functions, stride), near (stride): scratch.  Writes values (n_atoms, width).  Returns 0, or 1 + an atom
    that coincides with another.
    """
    width = values.shape[1]
    for s in range(len(starts) - 1):
        local_types = types[starts[s] :]
        for atom in range(starts[s], starts[s + 1]):
            begin, n, center, row = first[atom], first[atom + 1] - first[atom], types[atom], values[atom]
            for column in range(width):
                row[column] = 0.0
            if not environment(
                center, n, begin, index, local_types, vectors, functions, parameters, ranges, work, near
            ):
                return 1 + atom
            for j in range(n):
                for f in range(pairs[center, near[j], 0], pairs[center, near[j], 1]):
                    value, _ = radial(functions[f, 0], vectors[3, begin + j], parameters[f])
                    row[functions[f, 1]] += value
                for k in range(j + 1, n):
                    d, cosine, _, _, _ = pair(j, k, begin, vectors, work)
                    if not d > COINCIDENT_BEHLER:
                        return 1 + atom
                    for f in range(triples[center, near[j], near[k], 0], triples[center, near[j], near[k], 1]):
                        rc = parameters[f, RC]
                        if vectors[3, begin + j] >= rc or vectors[3, begin + k] >= rc:
                            continue
                        value = math.pow(0.5 * (1.0 + parameters[f, SECOND] * cosine), parameters[f, THIRD])
                        value = value * work[3 + 2 * f, j] * work[3 + 2 * f, k]
                        if functions[f, 0] == 4:
                            between, _ = damped(d, parameters[f])
                            value = value * between
                        row[functions[f, 1]] += 2.0 * value
    return 0


def gradients(
    start: i8, stop: i8, types: i8[:], first: i8[:], index: i4[:], vectors: rows(f8[:, :]), sizes: i8[:],
    functions: i8[:, 2], parameters: f8[:, N_PARAMETERS], ranges: i8[:, 2], pairs: i8[:, :, 2], triples: i8[:, :, :, 2],
    work: out(f8[:, :]), near: out(i8[:]), values: out(f8[:]),
):  # fmt: skip
    """Derivatives of the features of atoms start .. stop - 1 of one structure, as `chebyshev.gradients` gives them.

    sizes (n_types): features of each species; the rest as for `features`.  Returns 0.
    """
    to = 0
    for atom in range(start, stop):
        begin, n, center, size = first[atom], first[atom + 1] - first[atom], types[atom], sizes[types[atom]]
        own, others = values[to : to + 3 * size], values[to + 3 * size : to + 3 * size * (n + 1)]
        to += 3 * size * (n + 1)
        for value in range(3 * size):
            own[value] = 0.0
        for value in range(3 * size * n):
            others[value] = 0.0
        environment(center, n, begin, index, types, vectors, functions, parameters, ranges, work, near)
        for j in range(n):
            dj = vectors[3, begin + j]
            for f in range(pairs[center, near[j], 0], pairs[center, near[j], 1]):
                column = functions[f, 1]
                _, slope = radial(functions[f, 0], dj, parameters[f])
                for axis in range(3):
                    own[axis * size + column] -= slope * work[axis, j]
                    others[(axis * size + column) * n + j] += slope * work[axis, j]
            for k in range(j + 1, n):
                d, cosine, x, y, z = pair(j, k, begin, vectors, work)
                dk = vectors[3, begin + k]
                for f in range(triples[center, near[j], near[k], 0], triples[center, near[j], near[k], 1]):
                    rc, kind = parameters[f, RC], functions[f, 0]
                    if dj >= rc or dk >= rc or (kind == 4 and d >= rc):
                        continue
                    angular(
                        kind, functions[f, 1], size, n, j, k, cosine, dj, dk, d, x / d, y / d, z / d, parameters[f],
                        work[3 + 2 * f : 5 + 2 * f], work, own, others,
                    )  # fmt: skip
    return 0


@jit
def angular(kind, column, size, n, j, k, cosine, dj, dk, d, x, y, z, parameters, f, work, own, others):
    """Add the derivatives of one term of G4 or G5; x, y, z : unit vector from neighbour j to k."""
    lambda_, zeta = parameters[SECOND], parameters[THIRD]
    base = 0.5 * (1.0 + lambda_ * cosine)
    prefactor = 0.5 * zeta * lambda_
    if zeta != 0.0:  # a straight angle has base 0
        prefactor = prefactor * math.pow(base, zeta - 1.0)
    power = math.pow(base, zeta)
    fj, fk, slope_j, slope_k = f[0, j], f[0, k], f[1, j], f[1, k]
    between, slope_between = 0.0, 0.0
    if kind == 4:
        between, slope_between = damped(d, parameters)
    for axis in range(3):
        uj, uk = work[axis, j], work[axis, k]
        power_j = prefactor * (-(cosine * (uj / dj)) + uk / dj)
        power_k = prefactor * (-(cosine * (uk / dk)) + uj / dk)
        by_own = -((power_j + power_k) * fj * fk) - uj * power * slope_j * fk - uk * power * fj * slope_k
        if kind == 4:
            away = x if axis == 0 else y if axis == 1 else z
            by_own = between * by_own
            by_j = power_j * fj * fk * between + uj * power * slope_j * fk * between
            by_j -= away * power * fj * fk * slope_between
            by_k = power_k * fj * fk * between + uk * power * fj * slope_k * between
            by_k += away * power * fj * fk * slope_between
        else:
            by_j = power_j * fj * fk + uj * power * slope_j * fk
            by_k = power_k * fj * fk + uk * power * fj * slope_k
        place = axis * size + column
        own[place] += 2.0 * by_own
        others[place * n + j] += 2.0 * by_j
        others[place * n + k] += 2.0 * by_k
