"""Kernel of the sweep over stored gradients, in the order of aenet_atomic_energy_and_forces."""

from numba import carray


def contract(
    start, stop, n_atoms, n_neighbors, row_length, n_values, n_types, width, types_p, sizes_p, first_p, index_p,
    vectors_p, gradients_p, slopes_p, factors_p, scales_p, sums_p, forces_p, virial_p,
):  # fmt: skip
    """Add what atoms start .. stop - 1 contribute to the forces on all atoms and to the virial.

    gradients (n_values) : as `chebyshev.gradients` gives them; slopes (n_atoms, width) : of each network's output by
    its normalised input; factors (n_types, width) : normalisation; scales (n_types, 3) : energy scale first; sums (3,
    most neighbours) : scratch; forces (n_atoms, 3); virial (3, 3).
    """
    types, sizes = carray(types_p, (n_atoms,)), carray(sizes_p, (n_types,))
    first, index = carray(first_p, (n_atoms + 1,)), carray(index_p, (n_neighbors,))
    vectors, gradients = carray(vectors_p, (4, row_length)), carray(gradients_p, (n_values,))
    slopes, factors = carray(slopes_p, (n_atoms, width)), carray(factors_p, (n_types, width))
    scales, forces, virial = carray(scales_p, (n_types, 3)), carray(forces_p, (n_atoms, 3)), carray(virial_p, (3, 3))
    place = 0
    for atom in range(start, stop):
        t, begin, n = types[atom], first[atom], first[atom + 1] - first[atom]
        size, scale = sizes[t], scales[t, 0]
        for x in range(3):
            own = gradients[place + x * size : place + (x + 1) * size]
            total = 0.0
            for f in range(size):
                total = total + (factors[t, f] * own[f]) * slopes[atom, f]
            forces[atom, x] = forces[atom, x] - scale * total
        place += 3 * size
        sums = carray(sums_p, (3, n))
        for x in range(3):
            row = sums[x]
            for k in range(n):
                row[k] = 0.0
            for f in range(size):
                others, factor, slope = gradients[place : place + n], factors[t, f], slopes[atom, f]
                place += n
                for k in range(n):
                    row[k] = row[k] + (factor * others[k]) * slope
        for k in range(n):
            neighbor = index[begin + k] - 1
            for x in range(3):
                pull = scale * sums[x, k]
                forces[neighbor, x] = forces[neighbor, x] - pull
                for y in range(3):
                    virial[y, x] = virial[y, x] + vectors[y, begin + k] * pull
    return 0
