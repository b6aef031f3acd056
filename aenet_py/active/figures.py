"""The figure of a loop: errors of the new structures, spread and stability against the number of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from aenet_py.active.judging import QUANTILE, Record
from aenet_py.analysis import figures
from aenet_py.inputs.learn import LearnInput

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure(wanted: LearnInput, records: Sequence[Record]) -> Figure:
    """Four panels, with a point per generation."""
    made, axes = figures.panels(2, 2)
    (energies, forces), (spreads, times) = axes
    labels = [each.n_trained for each in records]
    for axis, values, name in (
        (energies, [each.energy_rmse for each in records], "energy RMSE (meV/atom)"),
        (forces, [each.force_rmse for each in records], "force component RMSE (meV/Å)"),
    ):
        axis.plot(labels, 1e3 * np.array(values), "o-", color=figures.SET_COLORS["test"], markersize=4)
        axis.set(ylabel=name)
        figures.from_zero(axis)
    limit = wanted.pick.min_spread
    median, high = [each.spread for each in records], [each.high_spread for each in records]
    for values, name, look in ((median, "median", "o-"), (high, f"{QUANTILE:.0%} below", "s--")):
        spreads.plot(labels, values, look, color=figures.COLORS[0], markersize=4, label=name)
    spreads.axhline(limit, color="0.6", linewidth=0.8, linestyle="--", label="limit")
    figures.plain_log_ticks(spreads)
    spreads.set(ylabel="expected force error (eV/Å)" if wanted.is_calibrated else "spread of forces (eV/Å)")
    figures.legend_above(spreads, 3)
    times.plot(labels, [each.time for each in records], "o-", color=figures.COLORS[0], markersize=4)
    times.axhline(wanted.explore.time, color="0.6", linewidth=0.8, linestyle="--")
    times.set(ylabel="median stable time (ps)")
    for each, x in zip(records, labels, strict=True):
        place = {"xytext": (0, 5), "textcoords": "offset points", "ha": "center", "fontsize": figures.NOTE}
        times.annotate(f"{each.n_ended}/{each.n_runs}", (x, each.time), **place)
    times.set_ylim(0, 1.15 * max(wanted.explore.time, *(each.time for each in records)))
    for axis in axes.flat:
        axis.set_xlabel("labelled structures")
        figures.values_run(axis, labels)
    return made
