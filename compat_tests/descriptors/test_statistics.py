"""Running statistics: the twin's bits, what NumPy says, and features that are not numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aenet_py.descriptors.statistics import RunningStatistics
from aenet_py.errors import AenetError
from compat_tests import naive
from compat_tests.compare import assert_same_bits

MEAN_TOLERANCE = 1e-12  # relative to the largest value or square

many = settings(max_examples=60, derandomize=True)


@st.composite
def batches(draw):
    """Sizes of the species, and a few batches of (types, features); columns a species does not use hold NaN."""
    sizes = np.array(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)), dtype=np.int64)
    result = []
    for n_atoms in draw(st.lists(st.integers(0, 12), min_size=1, max_size=4)):
        types = np.array([draw(st.integers(0, len(sizes) - 1)) for _ in range(n_atoms)], dtype=np.int64)
        features = np.full((n_atoms, int(sizes.max())), np.nan)
        for row, t in enumerate(types):
            size = int(sizes[t])
            features[row, :size] = draw(st.lists(st.floats(-1e6, 1e6), min_size=size, max_size=size))
        result.append((types, features + 0.0))  # adding to 0.0 as features are, none is a negative zero
    return sizes, result


def run(sizes, given_batches):
    statistics = RunningStatistics(sizes)
    for types, features in given_batches:
        statistics.add(types, features)
    return statistics.result()


@many
@given(batches())
def test_equals_twin(case):
    sizes, given_batches = case
    twins = [naive.Running() for _ in sizes]
    for types, features in given_batches:
        for t, row in zip(types.tolist(), features.tolist(), strict=True):
            twins[t].add(row[: sizes[t]])
    for t, (found, twin) in enumerate(zip(run(sizes, given_batches), twins, strict=True)):
        assert found.count == twin.count
        for name in ("low", "high", "mean", "square"):
            expected = np.array(getattr(twin, name) or [0.0] * sizes[t])
            assert_same_bits(getattr(found, name), expected, f"{name} of species {t}")


@many
@given(batches())
def test_equals_numpy(case):
    sizes, given_batches = case
    types = np.concatenate([t for t, _ in given_batches])
    features = np.concatenate([f for _, f in given_batches])
    for t, found in enumerate(run(sizes, given_batches)):
        values = features[types == t, : sizes[t]]
        assert found.count == len(values)
        if len(values) == 0:
            continue
        largest = max(1.0, float(np.abs(values).max()))
        np.testing.assert_array_equal(found.low, values.min(axis=0))
        np.testing.assert_array_equal(found.high, values.max(axis=0))
        np.testing.assert_allclose(found.mean, values.mean(axis=0), rtol=0.0, atol=MEAN_TOLERANCE * largest)
        squares = (values * values).mean(axis=0)
        np.testing.assert_allclose(found.square, squares, rtol=0.0, atol=MEAN_TOLERANCE * largest * largest)


def test_batches_do_not_matter():
    rng = np.random.default_rng(7)
    types, features = rng.integers(0, 2, 50), rng.normal(size=(50, 3))
    sizes = np.array([3, 2])
    whole = run(sizes, [(types, features)])
    halves = run(sizes, [(types[:23], features[:23]), (types[23:], features[23:])])
    for one, two in zip(whole, halves, strict=True):
        assert one.count == two.count
        for name in ("low", "high", "mean", "square"):
            assert_same_bits(getattr(two, name), getattr(one, name), name)


def test_order_matters():
    """The original updates averages atom by atom; a plain sum would give other bits."""
    values = np.array([[0.1], [0.2], [0.3], [0.4]])
    types = np.zeros(4, dtype=np.int64)
    found, back = run(np.array([1]), [(types, values)])[0], run(np.array([1]), [(types, values[::-1].copy())])[0]
    updated = (3.0 * ((2.0 * ((0.1 + 0.2) / 2.0) + 0.3) / 3.0) + 0.4) / 4.0
    assert_same_bits(found.mean, np.array([updated]), "mean")
    assert found.mean[0] != back.mean[0]


@pytest.mark.parametrize("atom", [0, 1, 4])
@pytest.mark.parametrize("feature", [0, 2])
def test_not_a_number(atom, feature):
    features = np.ones((5, 3))
    features[atom, feature] = np.nan
    with pytest.raises(AenetError, match=rf"feature of atom {atom + 1} is not a number"):
        run(np.array([3]), [(np.zeros(5, dtype=np.int64), features)])
