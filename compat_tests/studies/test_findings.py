"""Verdicts by their rules, and p-values against scipy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import CensoredData, logrank, ttest_rel

from aenet_py.studies import comparison, findings, read
from aenet_py.studies.findings import CONFIRMED, NOT_TESTED, REFUTED
from compat_tests.studies.folders import ASKED, STABLE, changed, forces, put, study, tables

FORCE = "force_test_meV_per_A"


def found(folder: Path) -> dict[str, findings.Finding]:
    """By their statements."""
    return {each.statement: each for each in findings.findings(read.read(str(folder)))}


def one(folder: Path, *words: str) -> findings.Finding:
    """The finding whose statement has all words."""
    chosen = [each for statement, each in found(folder).items() if all(word in statement for word in words)]
    assert len(chosen) == 1
    return chosen[0]


def ended_otherwise(folder: Path, way: str, ends: Sequence[tuple[float, str]]) -> None:
    """Replace when and why the simulations of a way ended, with both sets."""
    head, rows = tables()["simulations"]
    for k, row in enumerate([row for row in rows if row[1] == way]):
        row[4:6] = ends[k % len(ends)]
    put(folder, "simulations", head, rows)


@pytest.fixture
def folder(tmp_path):
    return study(tmp_path / "study")


@pytest.mark.parametrize("name", ["0.6K", "8K"])
@pytest.mark.parametrize("way", ["random", "any", "both", "random, replay"])
def test_paired_tests(folder, name, way):
    tests = {(which, test.quantity, test.b): test for which, test in comparison.tests(read.read(str(folder)), [way])}
    test = tests[name, FORCE, way]
    expected = ttest_rel(forces(name, way), forces(name, "scratch"))
    assert np.allclose((test.t, test.p, test.n), (expected.statistic, expected.pvalue, 5))
    assert test.mean_b == pytest.approx(forces(name, way).mean())
    stable = tests[name, "stable_ps", way]
    assert stable.p == pytest.approx(ttest_rel(np.full(5, ASKED), STABLE["scratch"]).pvalue)
    assert np.isnan(tests[name, "energy_six_meV_per_atom", way].p)  # all differences are equal


def test_other_trajectories(folder):
    """A further part of the errors, where its columns are there."""
    head, rows = tables()["finetuning"]
    put(folder, "finetuning", f"{head} energy_others_meV_per_atom force_others_meV_per_A", [
        [*row, 2.5, 80 if row[2] == "scratch" else 70 + float(row[3]) % 3] for row in rows
    ])  # fmt: skip
    tests = comparison.tests(read.read(str(folder)), ["random"])
    found = next(each for name, each in tests if (name, each.quantity) == ("0.6K", "force_others_meV_per_A"))
    values = np.array([70 + seed % 3 for seed in (1, 2, 3, 4, 5)])
    assert found.mean_b == pytest.approx(values.mean())
    assert found.p == pytest.approx(ttest_rel(np.full(5, 80.0), values).pvalue)


def test_only_common_seeds_are_paired(folder):
    head, rows = tables()["finetuning"]
    kept = [row for row in rows if not (row[2] == "scratch" and row[3] == 3)]
    kept[0], kept[1] = kept[1], kept[0]
    put(folder, "finetuning", head, kept)
    tests = {(name, test.quantity): test for name, test in comparison.tests(read.read(str(folder)), ["any"])}
    seeds = [0, 1, 3, 4]
    expected = ttest_rel(forces("8K", "any")[seeds], forces("8K", "scratch")[seeds])
    assert (tests["8K", FORCE].n, tests["8K", FORCE].p) == (4, pytest.approx(expected.pvalue))


def test_alike(folder):
    assert one(folder, "0.6K, energy", "alike").verdict == CONFIRMED
    finding = one(folder, "8K, force", "alike")
    p = ttest_rel(forces("8K", "any"), forces("8K", "scratch")).pvalue
    assert finding.verdict == CONFIRMED
    assert finding.found.startswith("45.0 meV/Å from scratch; 40.0 (random, p = ")
    assert f"41.0 (any, p = {p:.2g})" in finding.found
    changed(folder, "finetuning", FORCE, {"both": 101})
    assert one(folder, "0.6K, force", "alike").verdict == REFUTED
    changed(folder, "finetuning", FORCE, {"both": 99})
    assert one(folder, "0.6K, force", "alike").verdict == CONFIRMED  # within a quarter of 80


def test_stable_with_transfer_learning(folder):
    finding = one(folder, "stable up to 250 ps (any)")
    data = CensoredData(uncensored=[], right=[ASKED] * 5), CensoredData(uncensored=STABLE["scratch"])
    assert finding.verdict == CONFIRMED
    assert finding.found == (
        "5 of 5 ran to the end of 250 ps; median stable time: not reached; "
        f"log-rank test against scratch: p = {logrank(*data).pvalue:.2g}"
    )
    ended_otherwise(folder, "any", [*((time, "distance") for time in (100, 249, 240)), *[(ASKED, "time")] * 2])
    finding = one(folder, "stable up to 250 ps (any)")
    assert (finding.verdict, "2 of 5" in finding.found, "249 ps" in finding.found) == (REFUTED, True, True)


def test_shorter_runs_test_nothing(folder):
    """What is not known after 100 ps is not tested; what is known is."""
    head, rows = tables()["simulations"]
    for row in rows:
        row[3], row[4] = min(row[3], 100), min(row[4], 100)
    put(folder, "simulations", head, rows)
    assert one(folder, "stable up to 250 ps (random)").verdict == NOT_TESTED
    assert one(folder, "less than 50 ps").verdict == CONFIRMED


def test_unstable_from_scratch(folder):
    finding = one(folder, "less than 50 ps")
    assert (finding.verdict, finding.found) == (
        CONFIRMED,
        "0 of 5 ran to the end of 250 ps; median stable time: 2.00 ps",
    )
    ended_otherwise(folder, "scratch", [(time, "distance") for time in (0.5, 1, 50, 60, 70)])
    assert one(folder, "less than 50 ps").verdict == REFUTED
    ended_otherwise(folder, "scratch", [(1, "distance"), (2, "temperature"), *[(ASKED, "time")] * 3])
    assert one(folder, "less than 50 ps").verdict == REFUTED


def test_nearest_subset(folder):
    assert one(folder, "8K, force, test", "nearest").verdict == CONFIRMED
    finding = one(folder, "0.6K, force, test", "nearest")
    p = ttest_rel(forces("0.6K", "both"), forces("0.6K", "any")).pvalue
    assert finding.verdict == REFUTED
    assert finding.found == f"80.5 (random), 79.5 (any), 81.0 (both) meV/Å; both against any: p = {p:.2g}"


def test_significance_of_forces(folder):
    large, small = one(folder, "8K: test errors of forces differ"), one(folder, "0.6K: test errors of forces do not")
    assert (large.verdict, small.verdict) == (CONFIRMED, CONFIRMED)
    ps = [ttest_rel(forces("0.6K", way), forces("0.6K", "scratch")).pvalue for way in ("random", "any", "both")]
    expected = ", ".join(f"p = {p:.2g} ({way})" for p, way in zip(ps, ("random", "any", "both"), strict=True))
    assert small.found == f"0.6K, forces: {expected}"
    other = {"random": [70, 71, 69, 72.1, 68], "any": [70, 71, 69, 72, 68.1]}  # from scratch: 80, 81, 79, 82, 78
    changed(folder, "finetuning", FORCE, other)
    assert one(folder, "0.6K: test errors of forces do not").verdict == REFUTED  # two of three differ
    changed(folder, "finetuning", FORCE, {"random": [45, 40, 50, 47, 44.0], "any": [44, 45, 46, 43, 47.5]})
    assert one(folder, "8K: test errors of forces differ").verdict == REFUTED  # one of three differs


def test_what_is_not_there_is_not_tested(tmp_path):
    folder = study(tmp_path / "study", without=("finetuning", "simulations"))
    assert {each.verdict for each in found(folder).values()} == {NOT_TESTED}
    assert findings.section(read.read(str(folder))) is None
