"""Figures of a training: parity plots and learning curves."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from aenet_py.analysis import figures
from aenet_py.analysis.runs import ENERGY, FORCE, QUANTITIES, SETS, Trained, qualities

LABELS = {ENERGY: ("energy", "eV/atom", "meV/atom"), FORCE: ("force component", "eV/Å", "meV/Å")}
TICKS = 5  # largest number of intervals on the axes of a parity plot
MANY = 2000  # points, above which they overlap


def parity(run: Trained) -> Figure | None:
    """Predictions against references, one panel each for energies and forces; None without either."""
    errors = qualities(run)
    shown = [quantity for quantity in QUANTITIES if any((quantity, part) in errors for part in SETS)]
    if not shown:
        return None
    figure, axes = figures.panels(1, len(shown))
    for ax, quantity in zip(axes[0], shown, strict=True):
        name, unit, small = LABELS[quantity]
        everything = []
        for part in SETS:
            values = run.values(quantity, part)
            if values is None:
                continue
            q = errors[quantity, part]
            label = f"{part}: RMSE {1000 * q.rmse:.3g}, MAE {1000 * q.mae:.3g} {small}"
            style = {"s": 6, "alpha": 0.3} if q.n > MANY else {"s": 14, "alpha": 0.7}
            ax.scatter(
                *values, color=figures.SET_COLORS[part], label=label, linewidths=0, rasterized=q.n > MANY, **style
            )
            everything += list(values)
        low, high = min(v.min() for v in everything), max(v.max() for v in everything)
        margin = 0.05 * (high - low) or 1e-3
        ends = (low - margin, high + margin)
        ax.plot(ends, ends, color="0.6", linewidth=0.8, zorder=0)
        ax.set(xlim=ends, ylim=ends, xlabel=f"reference {name} ({unit})", ylabel=f"predicted ({unit})")
        ax.set_aspect("equal")
        ticks = [
            tick for tick in MaxNLocator(TICKS, steps=(1, 2, 5, 10)).tick_values(*ends) if ends[0] <= tick <= ends[1]
        ]
        ax.set(xticks=ticks, yticks=ticks)
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8, handletextpad=0.1, frameon=False)
    return figure


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
