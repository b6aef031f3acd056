"""The figure of a check: energies, forces, distances, sizes; what was found is in another colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from aenet_py.analysis import figures
from aenet_py.elements import covalent_radius
from aenet_py.tools.check.checked import Checked

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GOOD, BAD = figures.COLORS[:2]
BESIDE = 0.5  # of the range of clean values, on either side; values farther out are drawn at the ends
MOST_PAIRS = 15  # pairs of species shown, of those that come closest


def figure(checked: Checked) -> Figure:
    """Four panels.

    Parameters
    ----------
    checked : Checked
        Outcome of a check.

    Returns
    -------
    matplotlib.figure.Figure
        Energy and force against the linear fit, shortest distances, and energies in the order of the files.
    """
    drawn, axes = figures.panels(2, 2)
    _against_fit(axes[0, 0], checked, "energy")
    _against_fit(axes[0, 1], checked, "force")
    _distances(axes[1, 0], checked)
    _in_order(axes[1, 1], checked)
    return drawn


def _within(values: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Values within the range of the clean ones and half as much on either side; others at its ends."""
    known = values[clean & np.isfinite(values)]
    if not len(known):
        return values
    low, high = float(known.min()), float(known.max())
    margin = BESIDE * (high - low)
    return np.clip(values, low - margin, high + margin)


def _points(axis: Any, x: np.ndarray, y: np.ndarray, flagged: np.ndarray) -> None:
    for chosen, color, label, order in ((~flagged, GOOD, "clean", 1), (flagged, BAD, "flagged", 2)):
        if chosen.any():
            axis.plot(x[chosen], y[chosen], ".", color=color, label=label, markersize=4, zorder=order, rasterized=True)


def _against_fit(axis: Any, checked: Checked, what: str) -> None:
    fit = checked.fit
    given, predicted = checked.force, checked.predicted_force
    if what == "energy":
        given, predicted = (np.empty(0), np.empty(0)) if fit is None else (fit.by_composition, fit.predicted)
    name = "energy minus fit by composition (eV/atom)" if what == "energy" else "force along all forces, rms (eV/Å)"
    axis.set(xlabel=name, ylabel="predicted from the others")
    if not np.isfinite(given).any():
        axis.text(0.5, 0.5, f"no fit of the {'energies' if what == 'energy' else what + 's'}", ha="center",
                  transform=axis.transAxes)  # fmt: skip
        return
    given, predicted = (_within(each, ~checked.flagged) for each in (given, predicted))
    _points(axis, given, predicted, checked.flagged)
    low, high = float(np.nanmin(given)), float(np.nanmax(given))
    axis.plot([low, high], [low, high], color="0.5", linewidth=0.8, zorder=0)
    if what == "energy" and checked.flagged.any():
        axis.legend(loc="upper left")


def _distances(axis: Any, checked: Checked) -> None:
    lengths = {pair: each.length for pair, each in checked.distances.items()}
    ratios = {pair: length / sum(map(covalent_radius, pair)) for pair, length in lengths.items()}
    shown = sorted(ratios, key=lambda pair: ratios[pair])[:MOST_PAIRS][::-1]
    rows = np.arange(len(shown))
    axis.barh(rows, [lengths[pair] for pair in shown], color=GOOD, height=0.6)
    bonds = [sum(map(covalent_radius, pair)) for pair in shown]
    axis.plot(bonds, rows, "|", color="black", markersize=9, label="sum of covalent radii")
    axis.set_yticks(rows, ["-".join(pair) for pair in shown])
    axis.set(xlabel="shortest distance (Å)")
    axis.set_xlim(0, 1.1 * max([*bonds, *lengths.values()], default=1.0))
    if shown:
        figures.legend_above(axis)


def _in_order(axis: Any, checked: Checked) -> None:
    values = checked.energies if checked.fit is None else checked.fit.by_composition
    _points(axis, np.arange(len(values)), _within(values, ~checked.flagged), checked.flagged)
    minus = "" if checked.fit is None else " minus fit"
    axis.set(xlabel="structure, in the order of the files", ylabel=f"energy{minus} (eV/atom)")
