"""Style of all figures: size, colours, saving. Uses matplotlib without a display."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from aenet_py.runtime.output import PendingFile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, distinguishable with colour blindness (jfly.uni-koeln.de/color).
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SET_COLORS = {"train": COLORS[0], "test": COLORS[1], "six": COLORS[2], "validation": COLORS[4]}  # in every figure
STYLE: dict[Any, Any] = {
    "axes.spines.right": False, "axes.spines.top": False, "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-9, 9), "font.size": 9, "figure.dpi": 100, "savefig.dpi": 200,
}  # fmt: skip
PANEL = (2.8, 2.5)  # inches; one fits into a column of 8.5 cm, three side by side onto a page with text of 6 points
LABEL, TICK, LEGEND, NOTE = 8, 8, 8, 7  # points; titles are as large as labels
LEGEND_LINE = 0.17  # height of a line of a legend, inches
WIDE = {"x": 5.0, "y": 20.0}  # ratio of the limits of a logarithmic axis above which fewer ticks are labelled
DECADES = {"x": 50.0, "y": 500.0}  # the same, above which only powers of ten are labelled
LETTER = 0.036  # width of a letter of a tick's label, in units of the length of the axis


def panels(n_rows: int = 1, n_columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """A figure and its axes, (n_rows, n_columns); options : of matplotlib's subplots."""
    import matplotlib
    from cycler import cycler
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**STYLE, "axes.prop_cycle": cycler(color=COLORS)}):
        figure = Figure(figsize=(PANEL[0] * n_columns, PANEL[1] * n_rows), layout="constrained")
        axes = figure.subplots(n_rows, n_columns, squeeze=False, **options)
    return figure, axes


def from_zero(axis: Any) -> None:
    """Start the vertical axis at zero, with room above the highest point."""
    axis.set_ylim(0, 1.05 * axis.dataLim.y1 if axis.dataLim.y1 > 0 else None)


def plain_log_ticks(axis: Any, which: str = "y") -> None:
    """Make an axis, x or y, logarithmic, with labels such as 0.02 instead of powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axis.set(**{f"{which}scale": "log"})
    low, high = axis.get_xlim() if which == "x" else axis.get_ylim()
    steps = (2, 5) if high > WIDE[which] * low else (1.5, 2, 3, 4, 5, 6, 8)
    ticked = axis.xaxis if which == "x" else axis.yaxis
    ticked.set_minor_locator(LogLocator(subs=steps, numticks=20))
    for set_formatter in (ticked.set_major_formatter, ticked.set_minor_formatter):
        set_formatter(StrMethodFormatter("{x:g}"))
    if high > DECADES[which] * low:
        ticked.set_minor_formatter(NullFormatter())


def values_run(axis: Any, values: Sequence[float], logarithmic: bool = False) -> None:
    """Put the ticks of the horizontal axis at the values that were run, with labels where there is room."""
    ordered = sorted(set(values))
    if logarithmic:
        axis.set_xscale("log")
    places = np.log(ordered) if logarithmic else np.array(ordered, dtype=float)
    places = (places - places[0]) / (places[-1] - places[0] or 1.0)
    texts, free = [], -1.0  # where there is room for the next label
    for place, text in zip(places.tolist(), number_labels(ordered), strict=True):
        half = 0.5 * LETTER * (len(text) + 1)
        texts.append(text if place - half >= free else "")
        free = place + half if texts[-1] else free
    axis.set_xticks(ordered, texts)
    axis.set_xticks([], minor=True)


def number_labels(values: Sequence[float]) -> list[str]:
    """Numbers as labels of ticks."""
    return [f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:g}" for value in values]


def legend_above(axis: Any, n_columns: int = 1) -> None:
    """Put the legend between the axes and the upper edge, where it covers no point."""
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=n_columns, handlelength=1.6, columnspacing=1.2)


def legend_outside(figure: Figure, handles: Sequence[Any], n_columns: int) -> None:
    """Put a legend of all panels above them, and make the figure higher by as much."""
    figure.legend(handles=handles, loc="outside upper center", ncols=n_columns)
    figure.set_figheight(figure.get_figheight() + LEGEND_LINE * -(-len(handles) // n_columns))


def finish(figure: Figure) -> None:
    """Give all text the sizes of the style, which matplotlib takes from its own settings, and legends no frame."""
    for axis in figure.axes:
        for text in (axis.title, axis.xaxis.label, axis.yaxis.label):
            text.set_fontsize(LABEL)
        axis.tick_params(which="both", labelsize=TICK, length=3, pad=3)
    for legend in [*figure.legends, *(found for axis in figure.axes if (found := axis.get_legend()) is not None)]:
        legend.set_frame_on(False)
        legend.get_title().set_fontsize(LABEL)
        for text in legend.get_texts():
            text.set_fontsize(LEGEND)


def save(figure: Figure, path: str) -> None:
    """Save as PNG, SVG or PDF, by the ending of the name; an existing file is replaced when the new one is complete."""
    finish(figure)
    content = io.BytesIO()
    ending = path.rpartition(".")[2].lower()
    figure.savefig(content, format=ending if ending in ("png", "svg", "pdf") else "png", dpi=STYLE["savefig.dpi"])
    with PendingFile(path) as file:
        file.write(content.getvalue())
        file.complete(replace=True)


def save_all(drawn: Mapping[str, Figure], folder: str, ending: str) -> list[str]:
    """Save figures by name as NAME.ending in a folder; their paths."""
    paths = [os.path.join(folder, f"{name}.{ending}") for name in drawn]
    for path, figure in zip(paths, drawn.values(), strict=True):
        save(figure, path)
    return paths
