"""Figures of a selection: energies and forces, sizes, elements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from aenet_py.analysis import figures
from aenet_py.elements import SYMBOLS, place
from aenet_py.selection.survey import Numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = (15, 60)  # smallest and largest number along an axis
SHOWN = (0.001, 0.999)  # quantiles of all frames; values outside count in the outermost bins
LEAST_FORCE = 1e-3  # eV/Å; smaller forces are shown as this


def energy_force(everything: Numbers, subset: Numbers) -> Figure:
    """Histograms of energy per atom and largest force: of all frames, and of the subset over the extent of all."""
    from matplotlib.colors import ListedColormap, LogNorm

    def values(numbers: Numbers) -> tuple[np.ndarray, np.ndarray]:
        return numbers.energy_per_atom, np.log10(np.maximum(numbers.largest_force, LEAST_FORCE))

    def counts(numbers: Numbers) -> np.ndarray:
        x, y = (np.clip(each, edge[0], edge[-1]) for each, edge in zip(values(numbers), edges, strict=True))
        return np.histogram2d(x, y, bins=edges)[0].T

    figure, axes = figures.panels(1, 2, sharex=True, sharey=True)
    n_bins = int(np.clip(len(subset) ** 0.5, *BINS))
    edges = [np.linspace(*_range(each), n_bins + 1) for each in values(everything)]
    shares = [100 / len(numbers) * counts(numbers) for numbers in (everything, subset)]
    somewhere = [np.where(share > 0, share, np.nan) for share in shares]
    norm = LogNorm(np.nanmin(somewhere[0]), max(map(np.nanmax, somewhere)) * 1.001)
    grid = (edges[0], 10 ** edges[1])
    axes[0, 1].pcolormesh(*grid, somewhere[0], cmap=ListedColormap(["0.87"]), rasterized=True)
    for panel, share, title in zip(
        axes[0], somewhere, (f"all {len(everything):,}", f"selected {len(subset):,}"), strict=True
    ):
        shown = panel.pcolormesh(*grid, share, cmap="viridis_r", norm=norm, rasterized=True)
        panel.set_title(title)
        panel.set(xlabel="energy per atom (eV)")
    figures.plain_log_ticks(axes[0, 0])
    axes[0, 0].set_ylabel("largest force (eV/Å)")
    bar = figure.colorbar(shown, ax=axes[0, 1], format="%g", aspect=30, pad=0.02)
    bar.minorticks_off()
    bar.set_label("structures (%)")
    return figure


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, SHOWN).tolist()
    margin = 0.02 * (high - low) or 0.5
    return low - margin, high + margin


def sizes(everything: Numbers, subset: Numbers) -> Figure:
    """Histograms of the number of atoms per structure."""
    figure, axes = figures.panels()
    low, high = int(everything.n_atoms.min()), int(everything.n_atoms.max())
    width = max(1, -(-(high - low + 1) // BINS[1]))
    edges = np.arange(low - 0.5, high + width + 0.5, width)
    for numbers, style in ((everything, {"color": "0.75", "label": "all"}), (subset, {"histtype": "step"})):
        weights = np.full(len(numbers), 100 / len(numbers))
        axes[0, 0].hist(numbers.n_atoms, edges, weights=weights, **{"label": "selected", **style})
    axes[0, 0].set(xlabel="atoms per structure", ylabel="structures (%)")
    figures.legend_above(axes[0, 0], 2)
    return figure


def periodic_table(counts: Mapping[str, int], n_structures: int) -> Figure:
    """The periodic table with the number of structures that contain each element."""
    import matplotlib
    from matplotlib.colors import LogNorm
    from matplotlib.patches import Rectangle

    figure, ((axis,),) = figures.panels()
    figure.set_size_inches(3 * figures.PANEL[0], 4.8)
    norm, colors = LogNorm(1, max(2, *counts.values())), matplotlib.colormaps["viridis_r"]
    for symbol in SYMBOLS:
        period, column = place(symbol)
        row = period + 0.4 * (period > 7)
        n = counts.get(symbol, 0)
        red, green, blue, _ = colors(norm(n)) if n else (0.96, 0.96, 0.96, 1)
        dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
        ink = "white" if dark and n else "black" if n else "0.7"
        axis.add_patch(Rectangle((column, row), 0.94, 0.94, color=(red, green, blue)))
        axis.text(column + 0.47, row + 0.33, symbol, ha="center", va="center", color=ink, fontsize=figures.LABEL)
        if n:
            axis.text(column + 0.47, row + 0.72, _short(n), ha="center", va="center", color=ink, fontsize=figures.NOTE)
    axis.set(xlim=(0.9, 19.1), ylim=(10.5, 0.9), aspect="equal")
    axis.set_title(f"number of structures with each element, of {n_structures:,}")
    axis.axis("off")
    return figure


def _short(n: int) -> str:
    """A number in about four characters."""
    for size, letter in ((10**6, "M"), (10**3, "k")):
        if n >= size:
            return f"{n / size:.3g}{letter}"
    return str(n)
