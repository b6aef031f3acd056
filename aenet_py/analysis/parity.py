"""Figures of a training: parity plots and learning curves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from aenet_py.analysis import figures
from aenet_py.analysis.runs import ENERGY, FORCE, QUANTITIES, SETS, STRESS, Trained, quality

LABELS = {  # of a quantity: name, unit, and unit of its errors
    ENERGY: ("energy", "eV/atom", "meV/atom"), FORCE: ("force component", "eV/Å", "meV/Å"),
    STRESS: ("stress component", "eV/Å³", "meV/Å³"),
}  # fmt: skip
TICKS, FEWER = 5, 3  # largest number of intervals on the axes of a parity plot, the latter with long labels
LONG = 4  # characters of a label
MANY = 2000  # points, above which they overlap


def parity(run: Trained) -> Figure | None:
    """Predictions against references, one panel each for energies and forces; None without either."""
    found = {(quantity, part): run.values(quantity, part) for quantity in QUANTITIES for part in SETS}
    return drawn({key: values for key, values in found.items() if values is not None})


def drawn(values: Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]]) -> Figure | None:
    """A panel for each quantity, with equal axes.

    Parameters
    ----------
    values
        References and predictions (n,) by quantity and set, in the units of the quantity.

    Returns
    -------
    Figure or None
        None without any values.
    """
    shown = list(dict.fromkeys(quantity for quantity, _ in values))
    if not shown:
        return None
    figure, axes = figures.panels(1, len(shown))
    for ax, quantity in zip(axes[0], shown, strict=True):
        panel(ax, quantity, {part: pair for (other, part), pair in values.items() if other == quantity})
    return figure


def panel(ax: Axes, quantity: str, by_part: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Draw a panel of `drawn`: references and predictions (n,) of a quantity by set."""
    name, unit, small = LABELS[quantity]
    for part, pair in by_part.items():
        q = quality(*pair)
        label = f"{part}: RMSE {1000 * q.rmse:.3g}, MAE {1000 * q.mae:.3g} {small}"
        if q.r2 == q.r2:
            label += f", R² {q.r2:.4f}"
        many = q.n > MANY
        ax.scatter(
            *pair, s=6 if many else 14, alpha=0.3 if many else 0.7, color=figures.SET_COLORS[part], label=label,
            linewidths=0, rasterized=many,
        )  # fmt: skip
    everything = np.concatenate([np.concatenate(pair) for pair in by_part.values()])
    low, high = everything.min(), everything.max()
    margin = 0.05 * (high - low) or 1e-3
    ends = (low - margin, high + margin)
    ax.plot(ends, ends, color="0.6", linewidth=0.8, zorder=0)
    ax.set(xlim=ends, ylim=ends, xlabel=f"reference {name} ({unit})", ylabel=f"predicted ({unit})")
    ax.set_aspect("equal")
    ticks = _ticks(*ends, TICKS)
    if max((len(f"{tick:g}") for tick in ticks), default=0) > LONG:
        ticks = _ticks(*ends, FEWER)
    ax.set(xticks=ticks, yticks=ticks)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8, handletextpad=0.1, frameon=False)


def _ticks(low: float, high: float, n: int) -> list[float]:
    return [tick for tick in MaxNLocator(n, steps=(1, 2, 5, 10)).tick_values(low, high) if low <= tick <= high]


def learning(run: Trained) -> Figure | None:
    """Errors by epoch, as measured during each epoch; None without train.error."""
    if run.errors is None:
        return None
    curves = [("energy RMSE (eV/atom)", run.errors.energies)]
    if run.errors.forces is not None:
        curves.append(("force component RMSE (eV/Å)", run.errors.forces))
    figure, axes = figures.panels(1, len(curves))
    for ax, (label, values) in zip(axes[0], curves, strict=True):
        known = np.where(values > 0, values, np.nan)  # 0 if a set is empty
        for column, part in enumerate(SETS):
            ax.plot(run.errors.epochs, known[:, column], color=figures.SET_COLORS[part], label=part)
        ax.set(xlabel="epoch", ylabel=label)
        figures.plain_log_ticks(ax)
        ax.legend(frameon=False, fontsize=8)
    return figure
