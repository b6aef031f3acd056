"""Figures of an evaluation: parity plots, and how many errors are how large."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from aenet_py.analysis import figures, parity
from aenet_py.analysis.parity import LABELS
from aenet_py.evaluation.evaluated import Evaluated
from aenet_py.evaluation.groups import values

SMALLEST = 1e-3  # of the largest error, where the axis of errors begins


def parity_plots(structures: Sequence[Evaluated]) -> Figure | None:
    """Predictions against references; None without references."""
    return parity.drawn({(quantity, part): pair for (quantity, part, _), pair in values(structures).items()})


def distributions(structures: Sequence[Evaluated]) -> Figure | None:
    """The share of absolute errors below each value; None without references."""
    found = values(structures)
    quantities = list(dict.fromkeys(quantity for quantity, _, _ in found))
    if not quantities:
        return None
    figure, axes = figures.panels(1, len(quantities))
    for ax, quantity in zip(axes[0], quantities, strict=True):
        name, _, small = LABELS[quantity]
        largest = 0.0
        for (other, part, _), (reference, predicted) in found.items():
            if other == quantity:
                errors = 1000 * np.sort(np.abs(predicted - reference))
                share = 100 * np.arange(1, len(errors) + 1) / len(errors)
                ax.step(errors, share, where="post", color=figures.SET_COLORS[part], label=part)
                largest = max(largest, errors[-1])
        ax.set(xlabel=f"error, {name} ({small})", ylabel="errors below (%)", ylim=(0, 100), xscale="log")
        if largest > 0:
            ax.set_xlim(SMALLEST * largest, 1.1 * largest)
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.legend()
    return figure
