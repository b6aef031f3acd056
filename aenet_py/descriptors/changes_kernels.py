"""Kernels that give the change of Chebyshev features as neighbours move, through moments (`moments_kernels`).

Each number is carried along with its derivative by a common parameter, of which the neighbours' coordinates are
functions: d/dt of a product is the product rule, and so on.  Per neighbour this costs about twice what the features do,
whatever their number, and no gradient is written.  Gathered neighbours have their velocities in the rows PULL_X, PULL_Y
and PULL_Z.
"""

from aenet_py.descriptors.moments_kernels import (
    ANGULAR_CUTOFF,
    ANGULAR_DISTANCE,
    ANGULAR_INVERSE,
    ANGULAR_SLOPE,
    ANGULAR_X,
    ANGULAR_Y,
    ANGULAR_Z,
    CUTOFF,
    DISTANCE,
    PULL_X,
    PULL_Y,
    PULL_Z,
    SLOPE,
    X,
    Y,
    Z,
    cutoff,
)
from aenet_py.runtime.accelerate import jit
from aenet_py.runtime.constants import LANES
from aenet_py.runtime.vector_kernels import fma, fms, load, root, splat, store, total

# Rows of the scratch array that here hold something else than in `moments_kernels`: the change of the distance, of all
# neighbours and of the angular ones, and the change of the latter's unit vectors.
RATE, ANGULAR_RATE = CUTOFF, SLOPE
TURN_X, TURN_Y, TURN_Z = ANGULAR_INVERSE, ANGULAR_CUTOFF, ANGULAR_SLOPE


@jit
def radial_changes(begin, end, rc, terms, work, sums):
    """Unit vectors and distances of a group, and their changes; adds the changes of its T_n f to sums (terms LANES)."""
    x_row, y_row, z_row, distances, rates = work[X], work[Y], work[Z], work[DISTANCE], work[RATE]
    u_row, v_row, w_row = work[PULL_X], work[PULL_Y], work[PULL_Z]
    for k in range(begin, end, LANES):
        distance = root(load(distances, k))
        inverse = 1.0 / distance
        f, slope = cutoff(distance, rc)
        x, y, z = load(x_row, k) * inverse, load(y_row, k) * inverse, load(z_row, k) * inverse
        u, v, w = load(u_row, k), load(v_row, k), load(w_row, k)
        rate = fma(x, u, fma(y, v, z * w))
        store(distances, k, distance)
        store(rates, k, rate)
        store(x_row, k, x)
        store(y_row, k, y)
        store(z_row, k, z)
        store(u_row, k, (u - x * rate) * inverse)
        store(v_row, k, (v - y * rate) * inverse)
        store(w_row, k, (w - z * rate) * inverse)
        x2, x2_rate = fms(distance, 4.0 / rc, 2.0), rate * (4.0 / rc)
        older, older_rate = f, slope * rate
        old, old_rate = 0.5 * x2 * f, 0.5 * fma(x2, older_rate, x2_rate * f)
        store(sums, 0, load(sums, 0) + older_rate)
        if terms > 1:
            store(sums, LANES, load(sums, LANES) + old_rate)
        for n in range(2, terms):
            new_rate = fma(x2, old_rate, fms(x2_rate, old, older_rate))
            new = fms(x2, old, older)
            store(sums, n * LANES, load(sums, n * LANES) + new_rate)
            older, older_rate, old, old_rate = old, old_rate, new, new_rate


@jit
def narrow_changes(begin, end, n, reach, rc, work):
    """Append the neighbours of a group that are closer than rc, below reach, to the angular rows; returns the end."""
    for k in range(begin, end):
        d = work[DISTANCE, k]
        work[ANGULAR_X, n], work[ANGULAR_Y, n], work[ANGULAR_Z, n] = work[X, k], work[Y, k], work[Z, k]
        work[TURN_X, n], work[TURN_Y, n], work[TURN_Z, n] = work[PULL_X, k], work[PULL_Y, k], work[PULL_Z, k]
        work[ANGULAR_DISTANCE, n], work[ANGULAR_RATE, n] = d, work[RATE, k]
        n += d < min(rc, reach)
    full = (n + LANES - 1) // LANES * LANES
    for k in range(n, full):
        work[ANGULAR_X, k], work[ANGULAR_Y, k], work[ANGULAR_Z, k] = 0.0, 0.0, 1.0
        work[TURN_X, k], work[TURN_Y, k], work[TURN_Z, k] = 0.0, 0.0, 0.0
        work[ANGULAR_DISTANCE, k], work[ANGULAR_RATE, k] = rc, 0.0
    return full


@jit
def angular_changes(begin, end, rc, order, recurrence, work, real, imaginary, real_rate, imaginary_rate):
    """Adds the moments of a group, without N_lm, and their changes; returns the sum of f df/dt."""
    squares = splat(0.0)
    for k in range(begin, end, LANES):
        x, y, z = load(work[ANGULAR_X], k), load(work[ANGULAR_Y], k), load(work[ANGULAR_Z], k)
        u, v, w = load(work[TURN_X], k), load(work[TURN_Y], k), load(work[TURN_Z], k)
        f, slope = cutoff(load(work[ANGULAR_DISTANCE], k), rc)
        rate = slope * load(work[ANGULAR_RATE], k)
        squares = fma(f, rate, squares)
        a, b, a_rate, b_rate, place = f, 0.0 * f, rate, 0.0 * f, 0
        for m in range(order + 1):
            older, old, older_rate, old_rate = splat(0.0), splat(1.0), splat(0.0), splat(0.0)
            here = place * LANES
            store(real, here, load(real, here) + a)
            store(imaginary, here, load(imaginary, here) + b)
            store(real_rate, here, load(real_rate, here) + a_rate)
            store(imaginary_rate, here, load(imaginary_rate, here) + b_rate)
            place += 1
            for _ in range(m, order):
                here, factor = place * LANES, recurrence[place]
                new_rate = fma(w, old, fms(z, old_rate, factor * older_rate))
                new = fms(z, old, factor * older)
                store(real, here, fma(new, a, load(real, here)))
                store(imaginary, here, fma(new, b, load(imaginary, here)))
                store(real_rate, here, fma(new, a_rate, fma(new_rate, a, load(real_rate, here))))
                store(imaginary_rate, here, fma(new, b_rate, fma(new_rate, b, load(imaginary_rate, here))))
                older, old, older_rate, old_rate = old, new, old_rate, new_rate
                place += 1
            a_rate, b_rate = (
                fms(x, a_rate, y * b_rate) + fms(u, a, v * b),
                fma(x, b_rate, y * a_rate) + fma(u, b, v * a),
            )
            a, b = fms(x, a, y * b), fma(x, b, y * a)
    return total(squares)


@jit
def atom_changes(lane, ends, reach, cutoffs, orders, recurrence, work, accumulators, radial, sums, filled):
    """Sums over the gathered neighbours of an atom, which becomes a lane of sums (n_groups, rows LANES).

    Its rows are the changes of T_n f, real and imaginary parts of the moments without N_lm, the changes of either, and
    the sum of f df/dt.  Other arguments as of `moments_kernels.atom_sums`; accumulators (4 n_lm LANES): scratch.
    """
    terms, order = orders[0] + 1, orders[1]
    n_pairs, end_of_angular = (order + 1) * (order + 2) // 2, 0
    size = n_pairs * LANES
    for group in range(len(filled)):
        begin, end, here = ends[group], ends[group + 1], sums[group]
        if begin == end:
            continue
        filled[group] = 1
        for n in range(terms):
            store(radial, n * LANES, splat(0.0))
        radial_changes(begin, end, cutoffs[0], terms, work, radial)
        for n in range(terms):
            here[n * LANES + lane] = total(load(radial, n * LANES))
        begin, end_of_angular = end_of_angular, narrow_changes(begin, end, end_of_angular, reach, cutoffs[1], work)
        if begin == end_of_angular:
            continue
        for i in range(4 * n_pairs):
            store(accumulators, i * LANES, splat(0.0))
        squares = angular_changes(
            begin, end_of_angular, cutoffs[1], order, recurrence, work, accumulators[:size],
            accumulators[size : 2 * size], accumulators[2 * size : 3 * size], accumulators[3 * size :],
        )  # fmt: skip
        for i in range(4 * n_pairs):
            here[(terms + i) * LANES + lane] = total(load(accumulators, i * LANES))
        here[(terms + 4 * n_pairs) * LANES + lane] = squares


@jit
def changes_of_sums(weights, filled, orders, norms, expansion, sums, moments, changes):
    """Changes of the features of LANES atoms of one species from `atom_changes`.

    Arguments as of `moments_kernels.features_of_sums`; moments (8, n_lm LANES): scratch.  Writes changes (n LANES).
    """
    terms, order, weighted = orders[0] + 1, orders[1], orders[2] != 0
    half, n_pairs = terms + order + 1, (order + 1) * (order + 2) // 2
    for f in range(2 * half if weighted else half):
        store(changes, f * LANES, splat(0.0))
    for i in range(n_pairs):
        for part in range(8):
            store(moments[part], i * LANES, splat(0.0))
    own, own_weighted = splat(0.0), splat(0.0)
    for group in range(len(filled)):
        if filled[group] == 0:
            continue
        weight, here = weights[group], sums[group]
        for n in range(terms):
            value = load(here, n * LANES)
            store(changes, n * LANES, load(changes, n * LANES) + value)
            if weighted:
                store(changes, (half + n) * LANES, fma(weight, value, load(changes, (half + n) * LANES)))
        for part in range(4):
            for i in range(n_pairs):
                value = load(here, (terms + part * n_pairs + i) * LANES)
                store(moments[part], i * LANES, load(moments[part], i * LANES) + value)
                if weighted:
                    store(moments[4 + part], i * LANES, fma(weight, value, load(moments[4 + part], i * LANES)))
        squares = load(here, (terms + 4 * n_pairs) * LANES)
        own, own_weighted = own + squares, fma(weight * weight, squares, own_weighted)
    for kind in range(2 if weighted else 1):
        first, same = half * kind + terms, own if kind == 0 else own_weighted
        real, imaginary, real_rate, imaginary_rate = (
            moments[4 * kind], moments[4 * kind + 1], moments[4 * kind + 2], moments[4 * kind + 3],
        )  # fmt: skip
        for l in range(order + 1):
            product, i = splat(0.0), l
            for m in range(l + 1):
                here = i * LANES
                both = fma(load(real, here), load(real_rate, here), load(imaginary, here) * load(imaginary_rate, here))
                product = fma(norms[i], both, product)
                i += order - m
            pairs = product - same
            for f in range(l, order + 1):
                place = (first + f) * LANES
                store(changes, place, fma(expansion[f * (f + 1) // 2 + l], pairs, load(changes, place)))
