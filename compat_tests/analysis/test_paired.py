"""Paired t-tests against the textbook formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from aenet_py.analysis import paired, runs
from aenet_py.errors import AenetError
from compat_tests.analysis.folders import training


def students(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    difference = np.asarray(b) - np.asarray(a)
    n = len(difference)
    t = difference.mean() / (difference.std(ddof=1) / math.sqrt(n))
    return t, 2 * stats.t(n - 1).sf(abs(t))


def test_by_structure_whatever_their_order(tmp_path):
    a = runs.read(training(tmp_path / "a", 1, 0.02))
    b = runs.read(training(tmp_path / "b", 2, 0.01))
    c = runs.read(training(tmp_path / "c", 2, 0.01, shuffled=True))
    found = paired.by_structure([a, b, c])
    assert [(test.quantity, test.a[-1], test.b[-1]) for test in found] == [
        (quantity, *pair) for quantity in runs.QUANTITIES for pair in ("ab", "ac", "bc")
    ]
    for test, same, none in (found[:3], found[3:]):
        values = [list(run.deviations(test.quantity, "test").values()) for run in (a, b)]
        assert (test.n, test.part, test.over) == (20, "test", "structures")
        assert np.allclose((test.t, test.p), students(*values))
        assert test.t < 0 < test.mean_a - test.mean_b
        assert np.allclose((same.t, same.p), (test.t, test.p))
        assert (none.n, math.isnan(none.t), math.isnan(none.p)) == (20, True, True)
        assert paired.row(none)["t"] == ""
        assert paired.row(test)["difference"] == test.mean_b - test.mean_a


def test_only_structures_that_both_tested(tmp_path):
    a, b = training(tmp_path / "a", 1, 0.02), training(tmp_path / "b", 2, 0.01, forces=False)
    lines = (tmp_path / "a/energies.test").read_text().splitlines(keepends=True)
    (tmp_path / "a/energies.test").write_text("".join(lines[:7]))
    (only,) = paired.by_structure([runs.read(a), runs.read(b)])
    assert only.n == 7
    (tmp_path / "a/energies.test").write_text(lines[0].replace("test/", "other/"))
    (none,) = paired.by_structure([runs.read(a), runs.read(b)])
    assert (none.n, math.isnan(none.mean_a), math.isnan(none.p)) == (0, True, True)


def test_by_run_in_the_order_given(tmp_path):
    folders = {
        f"{name}{k}": training(tmp_path / f"{name}{k}", 10 * k + size, 0.01 * size)
        for name, size in (("a", 2), ("b", 1))
        for k in range(3)
    }
    read = {name: runs.read(folder) for name, folder in folders.items()}
    groups = {name: [read[f"{name}{k}"] for k in range(3)] for name in "ab"}
    found = paired.by_run(groups)
    assert [(test.quantity, test.part) for test in found] == [(q, part) for q in runs.QUANTITIES for part in runs.SETS]
    for test in found:
        values = [[runs.qualities(run)[test.quantity, test.part].rmse for run in groups[name]] for name in "ab"]
        assert (test.a, test.b, test.n, test.over) == ("a", "b", 3, "runs")
        assert np.allclose((test.t, test.p), students(*values))
        assert np.allclose((test.mean_a, test.mean_b), np.mean(values, axis=1))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"a": ["x", "y"]}, "a single group cannot be compared"),
        (
            {"a": ["x", "y"], "b": ["z"]},
            "groups need the same number of runs, at least two each, not a with 2, b with 1",
        ),
        ({"a": ["x"], "b": ["z"]}, "at least two each, not a with 1, b with 1"),
    ],
)
def test_groups_that_are_no_pairs(groups, message):
    with pytest.raises(AenetError, match=message):
        paired.check_groups(groups)
