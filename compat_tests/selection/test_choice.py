"""The choice follows the distribution more closely than a random one, and depends only on the seed."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from aenet_py.selection.choice import allocate, stratified


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=50).filter(any), st.floats(0, 1))
def test_shares_are_proportional(sizes, share):
    n = int(share * sum(sizes))
    counts = allocate(np.array(sizes), n).tolist()
    assert sum(counts) == n
    for size, count in zip(sizes, counts, strict=True):
        assert abs(count - Fraction(n * size, sum(sizes))) < 1
        assert 0 <= count <= size
    for i in range(len(sizes)):  # no group after another is favoured
        assert abs(sum(counts[:i]) - Fraction(n * sum(sizes[:i]), sum(sizes))) <= Fraction(1, 2)


@pytest.mark.parametrize("n", [10, 150, 151, 999, 5000])
@pytest.mark.parametrize("n_strata", [1, 7, 100])
@pytest.mark.parametrize("kind", ["normal", "skewed", "few values"])
def test_distribution_follows(n, n_strata, kind):
    rng = np.random.default_rng(n)
    values = {"normal": rng.normal(size=9876), "skewed": rng.pareto(1.0, 9876), "few values": rng.integers(0, 5, 9876)}[
        kind
    ]
    chosen = stratified(values, n, n_strata, 1)
    assert len(set(chosen.tolist())) == n
    assert (np.diff(chosen) > 0).all()
    # Off by half a frame where strata meet, and by no more than a stratum's share within one.
    bound = 1 / min(n_strata, n) + 1.5 / n + 1 / 9876
    assert ks_2samp(values[chosen], values).statistic <= bound


def test_closer_than_a_plain_random_choice():
    values = np.random.default_rng(0).normal(size=20_000)
    strata = [ks_2samp(values[stratified(values, 1000, 100, seed)], values).statistic for seed in range(10)]
    plain = [ks_2samp(values[stratified(values, 1000, 1, seed)], values).statistic for seed in range(10)]
    assert max(strata) < min(plain)


def test_the_seed_alone_decides():
    values = np.random.default_rng(0).normal(size=1000)
    chosen = [stratified(values, 100, 10, seed).tolist() for seed in (1, 1, 2)]
    assert chosen[0] == chosen[1]
    assert chosen[0] != chosen[2]
    assert chosen[0] == stratified(values * 3 - 5, 100, 10, 1).tolist()  # the order is what counts
    values = np.arange(1000) * 617 % 1000
    assert stratified(values, 5, 5, 1).tolist() == [13, 179, 503, 531, 987]  # on every machine


def test_every_frame_is_as_likely_as_any_other():
    values = np.arange(40.0)
    drawn = np.zeros(40)
    for seed in range(2000):
        drawn[stratified(values, 10, 5, seed)] += 1
    assert np.abs(drawn / 2000 - 0.25).max() < 5 * (0.25 * 0.75 / 2000) ** 0.5


def test_all_of_them():
    assert stratified(np.array([3.0, 1.0, 2.0]), 3, 100, 0).tolist() == [0, 1, 2]
