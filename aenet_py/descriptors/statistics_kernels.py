"""Kernel of the running statistics of the features (stp_eval)."""

from numba import carray


def update(n_atoms, n_features, most_types, types_p, sizes_p, features_p, counts_p, low_p, high_p, mean_p, square_p):
    """Take the features of n_atoms more atoms into the statistics of their species, one atom after the other.

    types (n_atoms): 0-based species; sizes (most_types): features of each; features (n_atoms, n_features); counts
    (most_types): atoms seen so far; low, high, mean, square (most_types, n_features): minimum, maximum, average and
    average square of each feature.  Returns 0, or 1 + atom for the first atom with a feature that is not a number.
    """
    types = carray(types_p, (n_atoms,))
    sizes = carray(sizes_p, (most_types,))
    features = carray(features_p, (n_atoms, n_features))
    counts = carray(counts_p, (most_types,))
    low, high = carray(low_p, (most_types, n_features)), carray(high_p, (most_types, n_features))
    mean, square = carray(mean_p, (most_types, n_features)), carray(square_p, (most_types, n_features))
    for atom in range(n_atoms):
        t = types[atom]
        values, size = features[atom], sizes[t]
        low_t, high_t, mean_t, square_t = low[t], high[t], mean[t], square[t]
        check = 0.0
        for f in range(size):
            check += values[f] - values[f]
        if check != 0.0:
            return 1 + atom
        if counts[t] == 0:
            for f in range(size):
                low_t[f] = values[f]
                high_t[f] = values[f]
                mean_t[f] = values[f]
                square_t[f] = values[f] * values[f]
        else:
            seen = float(counts[t])
            for f in range(size):
                low_t[f] = min(low_t[f], values[f])
            for f in range(size):
                high_t[f] = max(high_t[f], values[f])
            for f in range(size):
                mean_t[f] = (seen * mean_t[f] + values[f]) / (seen + 1.0)
            for f in range(size):
                square_t[f] = (seen * square_t[f] + values[f] * values[f]) / (seen + 1.0)
        counts[t] += 1
    return 0
