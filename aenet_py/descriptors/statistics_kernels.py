"""Kernel of the running statistics of the features (stp_eval)."""

from aenet_py.runtime.signatures import f8, i8, out


def update(
    types: i8[:], sizes: i8[:], features: f8[:, :], counts: out(i8[:]), low: out(f8[:, :]), high: out(f8[:, :]),
    mean: out(f8[:, :]), square: out(f8[:, :]),
):  # fmt: skip
    """Take the features (n_atoms, n_features) of more atoms into the statistics of their species, one after the other.

    types (n_atoms): 0-based species; sizes (n_types): features of each; counts (n_types): atoms seen so far; low, high,
    mean, square (n_types, n_features): minimum, maximum, average and average square of each feature.  Returns 0, or
    1 + atom for the first atom with a feature that is not a number.
    """
    for atom in range(len(types)):
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
