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
FULL = 0.8  # of an axis, which labels may take
CORNERS = {  # where a set's errors stand: place, and alignment; next to the diagonal, a corner is free
    "train": (0.03, 0.97, "left", "top"), "test": (0.99, 0.02, "right", "bottom"),
    "six": (0.99, 0.02, "right", "bottom"),
}  # fmt: skip
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
    many = max(len(reference) for reference, _ in by_part.values()) > MANY
    for part, pair in by_part.items():
        q = quality(*pair)
        color = figures.SET_COLORS[part]
        size, alpha = (6, 0.3) if many else (14, 0.7)
        ax.scatter(*pair, s=size, alpha=alpha, color=color, label=part, linewidths=0, rasterized=many)
        lines = [part, f"RMSE {1000 * q.rmse:.3g} {small}", f"MAE {1000 * q.mae:.3g} {small}"]
        if q.r2 == q.r2:
            lines.append(f"R² {q.r2:.4f}")
        x, y, ha, va = CORNERS[part]
        ax.text(
            x, y, "\n".join(lines), ha=ha, va=va, color=color, fontsize=figures.NOTE, transform=ax.transAxes,
            bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1},
        )  # fmt: skip
    everything = np.concatenate([np.concatenate(pair) for pair in by_part.values()])
    low, high = everything.min(), everything.max()
    margin = 0.05 * (high - low) or 1e-3
    ends = (low - margin, high + margin)
    ax.plot(ends, ends, color="0.6", linewidth=0.8, zorder=0)
    ax.set(xlim=ends, ylim=ends, xlabel=f"reference {name} ({unit})", ylabel=f"predicted ({unit})")
    ax.set_aspect("equal")
    ticks = _ticks(*ends, TICKS)
    if figures.LETTER * sum(len(f"{tick:g}") + 1 for tick in ticks) > FULL:
        ticks = _ticks(*ends, FEWER)
    ax.set(xticks=ticks, yticks=ticks)


def _ticks(low: float, high: float, n: int) -> list[float]:
    return [tick for tick in MaxNLocator(n, steps=(1, 2, 5, 10)).tick_values(low, high) if low <= tick <= high]


def learning(run: Trained) -> Figure | None:
    """Errors by epoch, as measured during each epoch; None without train.error."""
    if run.errors is None:
        return None
    curves = [(ENERGY, run.errors.energies)]
    if run.errors.forces is not None:
        curves.append((FORCE, run.errors.forces))
    figure, axes = figures.panels(1, len(curves))
    for ax, (quantity, values) in zip(axes[0], curves, strict=True):
        name, _, small = LABELS[quantity]
        known = np.where(values > 0, 1000 * values, np.nan)  # 0 if a set is empty
        for column, part in enumerate(("train", run.watched)):
            ax.plot(run.errors.epochs, known[:, column], color=figures.SET_COLORS[part], linewidth=1.2, label=part)
        ax.set(xlabel="epoch", ylabel=f"{name} RMSE ({small})")
        figures.plain_log_ticks(ax)
        ax.legend()
    return figure
