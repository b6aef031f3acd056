"""Kernel of the sweep over stored gradients, in the order of aenet_atomic_energy_and_forces."""

from aenet_py.runtime.signatures import f8, i4, i8, out, rows


def contract(
    start: i8, stop: i8, types: i8[:], sizes: i8[:], first: i8[:], index: i4[:], vectors: rows(f8[:, :]),
    gradients: f8[:], slopes: f8[:, :], factors: f8[:, :], scales: f8[:, 3], sums: out(f8[3, :]),
    forces: out(f8[:, 3]), virial: out(f8[3, 3]),
):  # fmt: skip
    """Add what atoms start .. stop - 1 contribute to the forces on all atoms and to the virial.

    gradients: as `chebyshev.gradients` gives them; slopes (n_atoms, width): of each network's output by its normalised
    input; factors (n_types, width): normalisation; scales (n_types, 3): energy scale first; sums (3, most neighbours):
    scratch.
    """
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
            neighbor = index[begin + k]
            for x in range(3):
                pull = scale * sums[x, k]
                forces[neighbor, x] = forces[neighbor, x] - pull
                for y in range(3):
                    virial[y, x] = virial[y, x] + vectors[y, begin + k] * pull
    return 0
