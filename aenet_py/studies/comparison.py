"""Paired t-tests of all ways against training from scratch, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aenet_py.analysis.pages import Table
from aenet_py.analysis.paired import Test, paired
from aenet_py.studies import wording
from aenet_py.studies.looks import SCRATCH
from aenet_py.studies.read import OTHERS, REFERENCE, SIX, TEST, Rows, Study

STABLE = "stable_ps"
QUANTITIES = {  # by column: what is compared, and its unit
    TEST[0]: ("energy, test", "meV/atom"), TEST[1]: ("force, test", "meV/Å"),
    OTHERS[0]: ("energy, other trajectories", "meV/atom"), OTHERS[1]: ("force, other trajectories", "meV/Å"),
    SIX[0]: ("energy, six molecules", "meV/atom"), SIX[1]: ("force, six molecules", "meV/Å"),
    STABLE: ("stable time", "ps"),
}  # fmt: skip
LEVEL = 0.05  # p-values below are called significant


def table_of(study: Study, column: str) -> Rows:
    """The table that has a quantity."""
    return study["simulations" if column == STABLE else "finetuning"]


def compared(rows: Rows, column: str, a: str, b: str) -> Test:
    """The paired t-test of way b against way a over the seeds that both have; rows : of one set."""
    values = [
        {
            seed: value
            for seed, value in zip(some["seed"].tolist(), some[column].tolist(), strict=True)
            if value == value
        }
        for some in (rows.where(way=a), rows.where(way=b))
    ]
    seeds = [seed for seed in values[0] if seed in values[1]]
    pairs = np.array([[each[seed] for seed in seeds] for each in values], dtype=float)
    return paired("seeds", column, "", (a, b), pairs)


def tests(study: Study, ways: Sequence[str]) -> list[tuple[str, Test]]:
    """The tests of all quantities that ways have in common with training from scratch, by set.

    ways : in the order of the tests.
    """
    found = []
    for name in study.sets():
        for column in QUANTITIES:
            rows = table_of(study, column).where(set=name)
            for way in ways:
                if way not in (SCRATCH, REFERENCE):
                    test = compared(rows, column, SCRATCH, way)
                    if test.n > 0:
                        found.append((name, test))
    return found


def table(found: Sequence[tuple[str, Test]]) -> Table:
    """The tests as a table: a row for each set and quantity, a column for each way, with its mean and p."""
    ways = list(dict.fromkeys(test.b for _, test in found))
    rows: dict[tuple[str, str], dict[str, Test]] = {}
    for name, test in found:
        rows.setdefault((name, test.quantity), {})[test.b] = test
    cells = []
    for (name, column), by_way in rows.items():
        what, unit = QUANTITIES[column]
        seeds = sorted({test.n for test in by_way.values()})
        base = " or ".join(dict.fromkeys(wording.shown(test.mean_a) for test in by_way.values()))
        others = [_cell(by_way[way]) if way in by_way else "" for way in ways]
        cells.append([name, f"{what}, {unit}", " or ".join(map(str, seeds)), base, *others])
    return Table(["set", "mean of", "seeds", SCRATCH, *ways], cells, words=2)


def _cell(test: Test) -> str:
    return f"{wording.shown(test.mean_b)} ({wording.p_value(test.p)})"
