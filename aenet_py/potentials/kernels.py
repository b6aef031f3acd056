"""Kernels of potentials: from features to atomic energies and their derivatives (ff_eval, ff_deriv), or all the way."""

import math

from aenet_py.descriptors.constants import COINCIDENT
from aenet_py.descriptors.moments_kernels import atom_features, atom_pull
from aenet_py.potentials.constants import MTANH, SIGMOID, TANH, TWIST, A, B, C
from aenet_py.runtime.accelerate import jit
from aenet_py.runtime.signatures import f8, i4, i8, out, rows


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
def backward(t, layers, nodes, weights, start, place, scale, factors, slopes_of, out):
    """Derivatives by the features, from the last layer to the first; start, place : ends of weights and values."""
    slopes_of[place] = slopes_of[place] * scale
    for layer in range(layers[t] - 1, 0, -1):
        n_in, n_out = nodes[t, layer - 1], nodes[t, layer]
        start -= (n_in + 1) * n_out
        above = slopes_of[place : place + n_out]
        place -= n_in
        for j in range(n_in):
            total = 0.0
            for i in range(n_out):
                total += weights[start + j * n_out + i] * above[i]
            if layer > 1:
                slopes_of[place + j] = slopes_of[place + j] * total
            else:
                out[j] = factors[j] * total


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


def through_moments(
    types: i8[:], first: i8[:], index: i4[:], vectors: rows(f8[:, :]), cutoffs: f8[:, 4], orders: i8[:, 3],
    species: f8[:, :], norms: f8[:, :], expansion: f8[:, :], layers: i8[:], nodes: i8[:, :], functions: i8[:, :],
    starts: i8[:], weights: f8[:], means: f8[:, :], factors: f8[:, :], low: f8[:, :], high: f8[:, :], energy: f8[:, 3],
    work: out(f8[:, :]), near: out(i8[2, :]), sums: out(f8[4, :]), slopes: out(f8[:]), chain: out(f8[2, :]),
    features: out(f8[:, :]), energies: out(f8[:]), outside: out(i8[:]), forces: out(f8[:, 3]), virial: out(f8[3, 3]),
):  # fmt: skip
    """Energies of the first atoms, as many as first has, and what these add to forces and virial, through moments.

    Returns 0, or 1 + an atom that coincides with another.  Arguments as of `evaluate` and `chebyshev_kernels.features`,
    whose weights are species (n_types, n_types) here; norms, expansion (n_types, n_table): see `atom_features`.
    Scratch: work (2 n_rows + 3, stride), near (2, stride), sums (4, n_moments), slopes (width), chain (2, most_values).
    Writes features (n_centers, width), energies and outside (n_centers); adds to forces (n_atoms, 3) and virial (3, 3),
    the derivative of the energy by the strain.
    """
    n_centers, n_rows = len(energies), (len(work) - 3) // 2
    radial, angular, pull = work[:n_rows], work[n_rows : 2 * n_rows], work[2 * n_rows :]
    moments, coefficients, values, slopes_of = sums[:2], sums[2:], chain[0], chain[1]
    for atom in range(n_centers):
        t, begin, end = types[atom], first[atom], first[atom + 1]
        for k in range(begin, end):
            if vectors[3, k] < COINCIDENT:
                return 1 + atom
        n_radial, n_angular = atom_features(
            begin, end, index, vectors, types, species[t], cutoffs[t], orders[t], norms[t], expansion[t], radial,
            near[0], angular, near[1], moments, features[atom],
        )  # fmt: skip
        energies[atom], outside[atom], start, place = network_energy(
            t, features[atom], layers, nodes, functions, weights, starts[t], means, factors, low, high, energy, values,
            slopes_of,
        )  # fmt: skip
        backward(t, layers, nodes, weights, start, place, energy[t, 0], factors[t], slopes_of, slopes)
        atom_pull(
            n_radial, n_angular, begin, end, orders[t], cutoffs[t, 0], norms[t], expansion[t], radial, near[0], angular,
            near[1], moments, slopes, coefficients, pull,
        )  # fmt: skip
        for k in range(end - begin):
            neighbor = index[begin + k]
            for x in range(3):
                force = pull[x, k]
                forces[atom, x] += force
                forces[neighbor, x] -= force
                for y in range(3):
                    virial[y, x] += vectors[y, begin + k] * force
    return 0
