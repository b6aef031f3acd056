"""Comparison of trainings: errors side by side, and paired t-tests."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import ttest_rel

from aenet_py.analysis import figures
from aenet_py.analysis.parity import LABELS
from aenet_py.analysis.runs import QUANTITIES, SETS, Trained, qualities
from aenet_py.errors import AenetError


@dataclass(frozen=True)
class Test:
    """A paired, two-sided t-test of b against a (Student, Biometrika 6, 1 (1908)).

    Parameters
    ----------
    over
        What is paired: ``"structures"`` or ``"runs"``.
    quantity, part
        Quantity and set (``"train"`` or ``"test"``) that the errors belong to.
    a, b
        Names of the trainings or groups.
    n
        Number of pairs.
    mean_a, mean_b
        Mean errors.
    t, p
        Statistic and p-value; NaN for fewer than two pairs, or if all differences are equal.
    """

    over: str
    quantity: str
    part: str
    a: str
    b: str
    n: int
    mean_a: float
    mean_b: float
    t: float
    p: float


COLUMNS = ("over", "quantity", "set", "a", "b", "n", "mean_a", "mean_b", "difference", "t", "p")


def row(test: Test) -> dict[str, object]:
    """A row of the table of tests; the name of the quantity has the unit of the means and their difference, b - a."""
    values = {**vars(test), "set": test.part, "difference": test.mean_b - test.mean_a}
    return {name: "" if values[name] != values[name] else values[name] for name in COLUMNS}


def paired(over: str, quantity: str, part: str, names: tuple[str, str], values: np.ndarray) -> Test:
    """The test of paired values (2, n); the other arguments are those of `Test`."""
    n = values.shape[1]
    t = p = np.nan
    if n > 1 and np.ptp(values[1] - values[0]) > 0:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # differences that are almost equal
            t, p = ttest_rel(values[1], values[0])
    means = values.mean(axis=1) if n else np.full(2, np.nan)
    return Test(over, quantity, part, *names, n, float(means[0]), float(means[1]), float(t), float(p))


def by_structure(runs: Sequence[Trained]) -> list[Test]:
    """Tests of the absolute errors of common test structures, for all pairs of trainings."""
    tests = []
    for quantity in QUANTITIES:
        deviations = [run.deviations(quantity, "test") for run in runs]
        for i, j in itertools.combinations(range(len(runs)), 2):
            common = [key for key in deviations[i] if key in deviations[j]]
            if deviations[i] and deviations[j]:
                values = np.array([[deviations[k][key] for key in common] for k in (i, j)])
                names = (runs[i].folder, runs[j].folder)
                tests.append(paired("structures", quantity, "test", names, values.reshape(2, -1)))
    return tests


def by_run(groups: Mapping[str, Sequence[Trained]]) -> list[Test]:
    """Tests of the root mean square errors of two groups, paired in order, for all pairs of groups."""
    tests = []
    errors = {name: [qualities(run) for run in runs] for name, runs in groups.items()}
    for quantity, part in itertools.product(QUANTITIES, SETS):
        for a, b in itertools.combinations(groups, 2):
            if all((quantity, part) in q for q in errors[a] + errors[b]):
                values = np.array([[q[quantity, part].rmse for q in errors[name]] for name in (a, b)])
                tests.append(paired("runs", quantity, part, (a, b), values))
    return tests


def check_groups(groups: Mapping[str, Sequence[str]]) -> None:
    """AenetError unless groups can be paired: the same number of trainings in each, at least two."""
    lengths = {len(runs) for runs in groups.values()}
    if len(groups) == 1:
        raise AenetError("a single group cannot be compared; give at least two")
    if len(lengths) > 1 or min(lengths, default=2) < 2:
        sizes = ", ".join(f"{name} with {len(runs)}" for name, runs in groups.items())
        raise AenetError(f"groups need the same number of runs, at least two each, not {sizes}")


def figure(runs: Sequence[Trained], groups: Mapping[str, Sequence[Trained]]) -> Figure:
    """Root mean square errors, one panel per quantity and one column per run or, with groups, per group."""
    errors = {run.folder: qualities(run) for run in runs}
    shown = [
        quantity for quantity in QUANTITIES if any((quantity, part) in q for q in errors.values() for part in SETS)
    ]
    made, axes = figures.panels(1, len(shown))
    columns = {name: [run.folder for run in members] for name, members in groups.items()}
    columns = columns or {run.folder: [run.folder] for run in runs}
    for ax, quantity in zip(axes[0], shown, strict=True):
        for part, shift in zip(SETS, (-0.12, 0.12), strict=True):
            color = figures.SET_COLORS[part]
            x, y = [], []
            for place, members in enumerate(columns.values()):
                values = [1000 * errors[m][quantity, part].rmse for m in members if (quantity, part) in errors[m]]
                x += [place + shift] * len(values)
                y += values
                if len(members) > 1 and values:
                    ax.plot([place + shift - 0.1, place + shift + 0.1], [np.mean(values)] * 2, color=color, linewidth=2)
            ax.plot(x, y, "o", color=color, label=part, markersize=5, alpha=0.8)
        name, _, small = LABELS[quantity]
        ax.set(ylabel=f"{name} RMSE ({small})", xlim=(-0.5, len(columns) - 0.5))
        figures.from_zero(ax)
        ax.set_xticks(range(len(columns)), _short(list(columns)), rotation=30, ha="right")
        figures.legend_above(ax, 2)
    return made


def _short(names: Sequence[str]) -> list[str]:
    """Names of folders without common leading and trailing parts, at most 20 characters."""
    words = [name.rstrip("/").split("/") for name in names]
    while len(names) > 1 and min(map(len, words)) > 1 and len({each[0] for each in words}) == 1:
        words = [each[1:] for each in words]
    while len(names) > 1 and min(map(len, words)) > 1 and len({each[-1] for each in words}) == 1:
        words = [each[:-1] for each in words]
    joined = ["/".join(each) for each in words]
    return [name if len(name) <= 20 else "..." + name[-17:] for name in joined]
