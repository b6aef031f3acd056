"""Networks of several atoms side by side; rounded otherwise than `kernels.evaluate`."""

from aenet_py.potentials.constants import MTANH, SIGMOID, TANH, TWIST, A, B, C
from aenet_py.runtime.accelerate import jit
from aenet_py.runtime.constants import LANES
from aenet_py.runtime.vector_kernels import (
    fma,
    load,
    power_of_two,
    shift_of,
    splat,
    splat_as,
    splat_in,
    store,
    where_below,
    widen,
)

LOG2E, LN2_HIGH, LN2_LOW = 1.4426950408889634, 0.6931471803691238, 1.9082149292705877e-10
LARGEST = 20.0  # tanh is 1 beyond


@jit
def tanh(x):
    """By exp(2 |x|) - 1, and that by a series after powers of two are taken off."""
    negative = where_below(x, 0.0, 1.0, 0.0)
    y = where_below(x, 0.0, -2.0 * x, 2.0 * x)
    y = where_below(y, 2.0 * LARGEST, y, 2.0 * LARGEST)
    shifted = fma(y, LOG2E, shift_of(y))
    n = shifted - shift_of(y)
    r = (y - n * LN2_HIGH) - n * LN2_LOW
    s = fma(r, fma(r, fma(r, 1 / 6227020800, 1 / 479001600), 1 / 39916800), 1 / 3628800)
    s = fma(r, fma(r, fma(r, fma(r, s, 1 / 362880), 1 / 40320), 1 / 5040), 1 / 720)
    s = fma(r, fma(r, fma(r, fma(r, s, 1 / 120), 1 / 24), 1 / 6), 1 / 2)
    power = power_of_two(shifted)
    less_one = fma(power, fma(r * r, s, r), power - 1.0)
    value = less_one / (less_one + 2.0)
    return where_below(negative, 0.5, value, -1.0 * value)


@jit
def activated(function, x):
    """Values and slopes of an activation function."""
    if function == TANH:
        y = tanh(x)
        return y, 1.0 - y * y
    if function == SIGMOID:
        y = 0.5 + 0.5 * tanh(0.5 * x)
        return y, y * (1.0 - y)
    if function == MTANH:
        y = tanh(B * x)
        return A * y, (A * B) * (1.0 - y * y)
    if function == TWIST:
        y = tanh(B * x)
        return fma(A, y, C * x), fma(A * B, 1.0 - y * y, C)
    return x, splat_as(x, 1.0)


@jit
def keep(function, x, place, values, slopes_of):
    """Activate a node."""
    value, slope = activated(function, x)
    store(values, place * LANES, value)
    store(slopes_of, place * LANES, slope)


@jit
def network(layers, nodes, functions, weights, start, normal, energy, features, values, slopes_of, slopes, results):
    """Networks of LANES atoms of a species; writes slopes (n LANES), of the energies by the features, and results.

    layers: of the network; nodes, functions: of each layer; weights: from start on; normal (4, n): average, factor,
    lowest and highest value of each feature; energy (3): scale, shift, atomic energy; values, slopes_of: scratch, LANES
    for each node.  results (3 LANES): energies, how many features leave their range, and how far they do at most, in
    widths of it, those that vary.
    """
    outside, excess = splat(0.0), splat(0.0)
    for f in range(nodes[0]):
        value, factor, low, high = widen(load(features, f * LANES)), normal[1, f], normal[2, f], normal[3, f]
        outside = outside + where_below(value, low, 1.0, where_below(high, value, 1.0, 0.0))
        if factor > 0.0 and high > low:
            beyond = where_below(value, low, low - value, value - high) / (high - low)
            excess = where_below(excess, beyond, beyond, excess)
        store(values, f * LANES, factor * (value - normal[0, f]))
    place = 0
    for layer in range(1, layers):
        n_in, n_out, function = nodes[layer - 1], nodes[layer], functions[layer]
        inputs, bias = values[place * LANES :], start + n_in * n_out
        place += n_in
        for i in range(0, n_out - 3, 4):
            a, b, c, d = (
                splat_in(values, weights[bias + i]),
                splat_in(values, weights[bias + i + 1]),
                splat_in(values, weights[bias + i + 2]),
                splat_in(values, weights[bias + i + 3]),
            )
            for j in range(n_in):
                x, row = load(inputs, j * LANES), start + j * n_out + i
                a, b = fma(weights[row], x, a), fma(weights[row + 1], x, b)
                c, d = fma(weights[row + 2], x, c), fma(weights[row + 3], x, d)
            keep(function, a, place + i, values, slopes_of)
            keep(function, b, place + i + 1, values, slopes_of)
            keep(function, c, place + i + 2, values, slopes_of)
            keep(function, d, place + i + 3, values, slopes_of)
        for i in range(n_out // 4 * 4, n_out):
            a = splat_in(values, weights[bias + i])
            for j in range(n_in):
                a = fma(weights[start + j * n_out + i], load(inputs, j * LANES), a)
            keep(function, a, place + i, values, slopes_of)
        start += (n_in + 1) * n_out
    store(results, 0, (energy[0] * widen(load(values, place * LANES)) + energy[1]) + energy[2])
    store(results, LANES, outside)
    store(results, 2 * LANES, excess)
    store(slopes_of, place * LANES, energy[0] * load(slopes_of, place * LANES))
    for layer in range(layers - 1, 0, -1):
        n_in, n_out = nodes[layer - 1], nodes[layer]
        start -= (n_in + 1) * n_out
        above = slopes_of[place * LANES :]
        place -= n_in
        for j in range(n_in):
            v, row = splat_in(values, 0.0), start + j * n_out
            for i in range(n_out):
                v = fma(weights[row + i], load(above, i * LANES), v)
            if layer > 1:
                store(slopes_of, (place + j) * LANES, v * load(slopes_of, (place + j) * LANES))
            else:
                store(slopes, j * LANES, normal[1, j] * v)
