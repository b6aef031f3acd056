"""Style of all figures: size, colours, saving. Uses matplotlib without a display."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aenet_py.runtime.output import PendingFile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, distinguishable with colour blindness (jfly.uni-koeln.de/color).
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SET_COLORS = {"train": COLORS[0], "test": COLORS[1], "six": COLORS[2]}  # the same in every figure
STYLE: dict[Any, Any] = {
    "axes.spines.right": False, "axes.spines.top": False, "axes.formatter.useoffset": False, "font.size": 9,
    "figure.dpi": 100, "savefig.dpi": 200,
}  # fmt: skip
PANEL = (3.4, 2.8)  # inches
TITLE, LEGEND = 9, 8  # points
WIDE = 50.0  # ratio of the limits of a logarithmic axis above which fewer ticks are labelled


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
    steps = (2, 5) if high > WIDE * low else (1.5, 2, 3, 4, 5, 6, 8)
    ticked = axis.xaxis if which == "x" else axis.yaxis
    ticked.set_minor_locator(LogLocator(subs=steps, numticks=20))
    for set_formatter in (ticked.set_major_formatter, ticked.set_minor_formatter):
        set_formatter(StrMethodFormatter("{x:g}"))
    if which == "x" and high > WIDE * low:  # labels stand side by side
        ticked.set_minor_formatter(NullFormatter())


def finish(figure: Figure) -> None:
    """Give titles and legends the sizes of the style, as matplotlib's own exceed the labels, and legends no frame."""
    for axis in figure.axes:
        axis.title.set_fontsize(min(axis.title.get_fontsize(), TITLE))
        legend = axis.get_legend()
        if legend is not None:
            legend.set_frame_on(False)
            for text in legend.get_texts():
                text.set_fontsize(min(text.get_fontsize(), LEGEND))


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
