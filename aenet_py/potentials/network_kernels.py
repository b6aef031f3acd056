"""Networks of single atoms, eight nodes at a time; rounded otherwise than `kernels.evaluate`.

The weights of a species are, layer by layer: biases (n_out8), matrix (n_in, n_out8) and transposed matrix (n_out,
n_in8), where 8 means that rows are filled up with zeros to a multiple of LANES.
"""

from aenet_py.potentials.constants import MTANH, SIGMOID, TANH, TWIST, A, B, C
from aenet_py.runtime.accelerate import jit
from aenet_py.runtime.constants import LANES
from aenet_py.runtime.vector_kernels import SHIFT, fma, load, power_of_two, splat, store, total, where_below

LOG2E, LN2_HIGH, LN2_LOW = 1.4426950408889634, 0.6931471803691238, 1.9082149292705877e-10
LARGEST = 20.0  # tanh is 1 beyond


@jit
def padded(n):
    return (n + LANES - 1) // LANES * LANES


@jit
def tanh(x):
    """By exp(2 |x|) - 1, and that by a series after powers of two are taken off."""
    negative = where_below(x, 0.0, 1.0, 0.0)
    y = where_below(x, 0.0, -2.0 * x, 2.0 * x)
    y = where_below(y, 2.0 * LARGEST, y, 2.0 * LARGEST)
    shifted = fma(y, LOG2E, SHIFT)
    n = shifted - SHIFT
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
    return x, splat(1.0)


@jit
def multiplied(weights, start, stride, factors, place, n, v):
    """v plus the first n rows of a matrix, LANES numbers stride apart from start on, times factors from place on."""
    a, b, c = splat(0.0), splat(0.0), splat(0.0)
    for j in range(0, n - 3, 4):
        v = fma(factors[place + j], load(weights, start), v)
        a = fma(factors[place + j + 1], load(weights, start + stride), a)
        b = fma(factors[place + j + 2], load(weights, start + 2 * stride), b)
        c = fma(factors[place + j + 3], load(weights, start + 3 * stride), c)
        start += 4 * stride
    for j in range(n // 4 * 4, n):
        v = fma(factors[place + j], load(weights, start), v)
        start += stride
    return (v + a) + (b + c)


@jit
def network(layers, nodes, functions, weights, start, normal, energy, features, values, slopes_of, slopes):
    """Energy of an atom, and how many of its features leave their range; writes slopes, of the energy by the features.

    layers: of this network; nodes, functions: of each layer; weights: from start on; normal (4, width8): average,
    factor, lowest and highest value of each feature; energy (3): scale, shift, atomic energy; values, slopes_of:
    scratch for all nodes, each layer filled up to a multiple of LANES.
    """
    outside = splat(0.0)
    for k in range(0, padded(nodes[0]), LANES):
        value = load(features, k)
        outside = outside + where_below(
            value, load(normal[2], k), 1.0, where_below(load(normal[3], k), value, 1.0, 0.0)
        )
        store(values, k, load(normal[1], k) * (value - load(normal[0], k)))
    place = 0
    for layer in range(1, layers):
        n_in, width_in, n_out, width = nodes[layer - 1], padded(nodes[layer - 1]), nodes[layer], padded(nodes[layer])
        for k in range(0, width, LANES):
            v = multiplied(weights, start + width + k, width, values, place, n_in, load(weights, start + k))
            value, slope = activated(functions[layer], v)
            store(values, place + width_in + k, value)
            store(slopes_of, place + width_in + k, slope)
        start += width * (1 + n_in) + n_out * width_in
        place += width_in
    found = (energy[0] * values[place] + energy[1]) + energy[2]
    slopes_of[place] = slopes_of[place] * energy[0]
    for layer in range(layers - 1, 0, -1):
        n_in, width_in, n_out, width = nodes[layer - 1], padded(nodes[layer - 1]), nodes[layer], padded(nodes[layer])
        start -= n_out * width_in
        for k in range(0, width_in, LANES):
            v = multiplied(weights, start + k, width_in, slopes_of, place, n_out, splat(0.0))
            if layer > 1:
                store(slopes_of, place - width_in + k, v * load(slopes_of, place - width_in + k))
            else:
                store(slopes, k, v * load(normal[1], k))
        start -= width * (1 + n_in)
        place -= width_in
    return found, int(total(outside))
