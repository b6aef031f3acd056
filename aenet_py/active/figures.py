"""The figure of a loop: errors, spread and stability against the number of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from aenet_py.active.judging import QUANTILE, Record
from aenet_py.analysis import figures
from aenet_py.inputs.learn import LearnInput

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure(wanted: LearnInput, records: Sequence[Record]) -> Figure:
    """Three panels, with a point per generation."""
    made, axes = figures.panels(1, 3)
    errors, spreads, times = axes[0]
    labels = np.array([each.n_trained for each in records])
    _errors(errors, labels, records)
    limit = wanted.pick.min_spread
    median, high = [each.spread for each in records], [each.high_spread for each in records]
    for values, name, color in ((median, "median", 0), (high, f"{QUANTILE:.0%}", 1)):
        spreads.plot(labels, values, "o-", color=figures.COLORS[color], markersize=4, label=name)
    spreads.axhline(limit, color="0.6", linewidth=0.8, linestyle="--", label=f"limit, {limit:g}")
    figures.plain_log_ticks(spreads)
    spreads.set(ylabel="expected force error (eV/Å)" if wanted.is_calibrated else "spread of forces (eV/Å)")
    times.plot(labels, [each.time for each in records], "o-", color=figures.COLORS[0], markersize=4)
    times.axhline(wanted.explore.time, color="0.6", linewidth=0.8, linestyle="--")
    times.set(ylabel="stable, median (ps)")
    figures.from_zero(times)
    for each, x in zip(records, labels, strict=True):
        place = {"xytext": (0, 5), "textcoords": "offset points", "ha": "center", "fontsize": 7}
        times.annotate(f"{each.n_ended}/{each.n_runs}", (x, each.time), **place)
    times.set_ylim(0, 1.15 * max(wanted.explore.time, *(each.time for each in records)))
    for axis in axes[0]:
        axis.set_xlabel("labelled structures")
    for axis in (spreads, errors):
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=8)
    return made


def _errors(axis: Any, labels: np.ndarray, records: Sequence[Record]) -> None:
    forces = 1e3 * np.array([each.force_rmse for each in records])
    energies = 1e3 * np.array([each.energy_rmse for each in records])
    axis.plot(labels, forces, "o-", color=figures.COLORS[0], markersize=4, label="forces, meV/Å")
    axis.plot(labels, energies, "s-", color=figures.COLORS[1], markersize=4, label="energy, meV/atom")
    axis.set(ylabel="errors of new structures")
    figures.plain_log_ticks(axis)
