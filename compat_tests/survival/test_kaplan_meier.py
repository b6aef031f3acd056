"""Survival curves: by hand, published ones, and a slow twin."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aenet_py.survival.kaplan_meier import survival

NORMAL = 1.959963984540054  # 97.5 % quantile


def slow(times, failed):
    """Time, probability and interval of each failure, from the definitions."""
    rows, probability, variance = [], 1.0, 0.0
    for time in sorted({t for t, gone in zip(times, failed, strict=True) if gone}):
        n = sum(t >= time for t in times)
        d = sum(t == time and gone for t, gone in zip(times, failed, strict=True))
        probability *= 1 - d / n
        if n == d:
            rows.append((time, 0.0, 0.0, None))
            break
        variance += d / (n * (n - d))
        width = NORMAL * math.sqrt(variance) / abs(math.log(probability))
        rows.append((time, probability, probability ** math.exp(width), probability ** math.exp(-width)))
    return rows


def test_by_hand():
    found = survival(np.array([1, 2, 2, 3, 5, 10, 10]), np.array([1, 1, 1, 0, 1, 0, 0], dtype=bool))
    assert found.times.tolist() == [0, 1, 2, 3, 5, 10]
    assert found.at_risk.tolist() == [7, 7, 6, 4, 3, 2]
    assert found.failed.tolist() == [0, 1, 2, 0, 1, 0]
    assert np.allclose(found.probability, [1, 6 / 7, 4 / 7, 4 / 7, 8 / 21, 8 / 21])
    # At 2 ps: variance 1/42 + 2/24 = 3/28 of the sum, log(4/7) = -0.559616.
    width = NORMAL * math.sqrt(3 / 28) / 0.5596157879354227
    assert np.isclose(found.low[2], (4 / 7) ** math.exp(width))
    assert np.isclose(found.high[2], (4 / 7) ** math.exp(-width))
    assert found.median == (5, 1, np.inf)  # the interval at 1 ps begins at 0.33


def test_published_remission_times():
    """6-mercaptopurine of Freireich et al., Blood 21, 699 (1963), with the intervals that Stata's sts list prints."""
    failed = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    found = survival(np.array(failed + censored), np.arange(21) < 9)
    expected = {
        6: (0.8571, 0.6197, 0.9516), 7: (0.8067, 0.5631, 0.9228), 10: (0.7529, 0.5032, 0.8894),
        13: (0.6902, 0.4316, 0.8491), 16: (0.6275, 0.3675, 0.8049), 22: (0.5378, 0.2678, 0.7468),
        23: (0.4482, 0.1881, 0.6801),
    }  # fmt: skip
    for time, values in expected.items():
        (k,) = np.flatnonzero(found.times == time)
        assert np.allclose((found.probability[k], found.low[k], found.high[k]), values, atol=6e-5)
    assert found.median == (23, 13, np.inf)


@pytest.mark.parametrize("seed", range(5))
def test_a_slow_twin(seed):
    generator = np.random.default_rng(seed)
    times, failed = generator.integers(1, 15, 30), generator.random(30) < 0.6
    found = survival(times, failed)
    for time, probability, low, high in slow(times.tolist(), failed.tolist()):
        (k,) = np.flatnonzero(found.times == time)
        assert np.isclose(found.probability[k], probability)
        assert np.isclose(found.low[k], low)
        assert high is None or np.isclose(found.high[k], high)


def test_all_or_nothing():
    """Exact binomial intervals: if the share were 0.692, ten of ten would survive once in forty times."""
    all_survive = survival(np.full(10, 10.0), np.zeros(10, dtype=bool))
    assert all_survive.times.tolist() == [0, 10]
    assert np.allclose(all_survive.low, 0.025**0.1)
    assert np.allclose(all_survive.high, 1)
    assert all_survive.median == (np.inf, np.inf, np.inf)
    none = survival(np.arange(1.0, 11), np.ones(10, dtype=bool))
    assert (none.probability[-1], none.low[-1]) == (0, 0)
    assert np.isclose(none.high[-1], 1 - 0.025**0.1)
    assert none.median == (5, 1, 8)
    assert np.all(np.diff(none.low) <= 0)
    assert np.all(np.diff(none.high) <= 0)


def test_a_single_run_tells_little():
    survived, failed = survival(np.array([10.0]), np.array([False])), survival(np.array([1.0]), np.array([True]))
    assert survived.median == (np.inf, 0, np.inf)
    assert failed.median == (1, 0, np.inf)
    assert np.isclose(failed.high[-1], 0.975)


def test_failures_at_the_start():
    found = survival(np.array([0.0, 0.0, 5.0]), np.array([True, True, False]))
    assert found.times.tolist() == [0, 5]
    assert np.allclose(found.probability, 1 / 3)
    assert found.median[0] == 0


def test_intervals_hold_what_they_promise():
    """Of the median of exponential times, in 300 studies of ten runs that end at 1.5 times the true median."""
    generator, hit = np.random.default_rng(1), 0
    for _ in range(300):
        times = generator.exponential(1 / math.log(2), 10)
        _, low, high = survival(np.minimum(times, 1.5), times < 1.5).median
        hit += low <= 1 <= high
    assert 0.91 < hit / 300 <= 1
