"""Kernels of the sums that turn derivatives of the energy by features into forces, and of their reverse."""

from numba import carray


def forces(n_centers, n_features, n_atoms, gradients_p, starts_p, counts_p, atoms_p, slopes_p, work_p, forces_p):
    """Add the forces that the features of some atoms of a structure exert.

    gradients : for each center, from starts[center] on, (3, n_features, counts[center]) float32, derivatives of its
    features by the positions of atoms; starts, counts (n_centers); atoms (sum of counts) : these atoms; slopes
    (n_centers, n_features) : of the energy by the features; work : room for the largest count; forces (n_atoms, 3).
    Returns 0.
    """
    starts, counts = carray(starts_p, (n_centers,)), carray(counts_p, (n_centers,))
    slopes = carray(slopes_p, (n_centers, n_features))
    result = carray(forces_p, (n_atoms, 3))
    first_pair = 0
    for center in range(n_centers):
        n = counts[center]
        start = starts[center]
        block = carray(gradients_p, (start + 3 * n_features * n,))[start:]
        atoms = carray(atoms_p, (first_pair + n,))[first_pair:]
        work = carray(work_p, (n,))
        for x in range(3):
            for j in range(n):
                work[j] = 0.0
            for f in range(n_features):
                slope = slopes[center, f]
                row = block[(x * n_features + f) * n : (x * n_features + f + 1) * n]
                for j in range(n):
                    work[j] += slope * row[j]
            for j in range(n):
                result[atoms[j], x] -= work[j]
        first_pair += n
    return 0


def slopes(n_centers, n_features, n_atoms, gradients_p, starts_p, counts_p, atoms_p, forces_p, work_p, slopes_p):
    """The reverse of `forces`: from derivatives by forces (n_atoms, 3) those by slopes (n_centers, n_features)."""
    starts, counts = carray(starts_p, (n_centers,)), carray(counts_p, (n_centers,))
    result = carray(slopes_p, (n_centers, n_features))
    given = carray(forces_p, (n_atoms, 3))
    first_pair = 0
    for center in range(n_centers):
        n = counts[center]
        start = starts[center]
        block = carray(gradients_p, (start + 3 * n_features * n,))[start:]
        atoms = carray(atoms_p, (first_pair + n,))[first_pair:]
        work = carray(work_p, (n,))
        for f in range(n_features):
            result[center, f] = 0.0
        for x in range(3):
            for j in range(n):
                work[j] = given[atoms[j], x]
            for f in range(n_features):
                row = block[(x * n_features + f) * n : (x * n_features + f + 1) * n]
                # Eight sums side by side: one alone would wait for itself.
                a, b, c, d, e, g, h, i = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
                j = 0
                while j + 8 <= n:
                    a += work[j] * row[j]
                    b += work[j + 1] * row[j + 1]
                    c += work[j + 2] * row[j + 2]
                    d += work[j + 3] * row[j + 3]
                    e += work[j + 4] * row[j + 4]
                    g += work[j + 5] * row[j + 5]
                    h += work[j + 6] * row[j + 6]
                    i += work[j + 7] * row[j + 7]
                    j += 8
                while j < n:
                    a += work[j] * row[j]
                    j += 1
                result[center, f] -= ((a + b) + (c + d)) + ((e + g) + (h + i))
        first_pair += n
    return 0
