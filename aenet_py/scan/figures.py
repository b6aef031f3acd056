"""Figures of a scan: errors against the varied keywords, learning curves."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from aenet_py.analysis import figures
from aenet_py.inputs.scan import ScanInput
from aenet_py.scan import results
from aenet_py.scan.plan import Settings
from aenet_py.scan.results import KINDS, Mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MILLI = 1000.0  # to meV/atom, meV/Å
AXES = {
    "energy": "energy RMSE (meV/atom)", "force": "force component RMSE (meV/Å)",
    "radial_Rc": "radial cutoff (Å)", "angular_Rc": "angular cutoff (Å)", "alpha": "alpha (weight of forces)",
    "regularization": "weight decay", "nodes": "hidden layers",
}  # fmt: skip
SIZES = ("radial_N", "angular_N")  # keywords that determine the number of features
CURVES = ("method", "lr")  # keywords that distinguish learning curves
PARTS: dict[str, Any] = {"test": "-", "train": "--"}  # line styles
MARKERS = {"test": "o", "train": "s"}
Place = Callable[[Mean], float | str]


def draw(deck: ScanInput, means: Sequence[Mean], reference: Settings) -> list[str]:
    """Draw the figures whose keywords were scanned, and return their paths.

    Each figure shows the combinations that differ from the reference only in the keywords of the figure.
    """

    def near(*varied: str) -> list[Mean]:
        if not any(name in deck.values for name in varied):
            return []
        fixed = [name for name in deck.values if name not in varied]
        return [mean for mean in means if all(mean.settings[name] == reference[name] for name in fixed)]

    decays = sorted(near("regularization"), key=_number("regularization"))
    drawn = {"features": _against([("number of features", near(*SIZES), _size)])}
    drawn["cutoffs"] = _against([(AXES[name], near(name), _number(name)) for name in ("radial_Rc", "angular_Rc")])
    drawn["alpha"] = _against([(AXES["alpha"], near("alpha"), _number("alpha"))])
    drawn["regularization"] = _against([(AXES["regularization"], decays, _text("regularization"))])
    drawn["nodes"] = _against([(AXES["nodes"], near("nodes"), _text("nodes"))])
    drawn["convergence"] = _convergence(near(*CURVES))
    written = []
    for name, figure in drawn.items():
        path = os.path.join(deck.folder, f"{name}.png")
        if figure is not None:
            figures.save(figure, path)
            written.append(path)
        elif os.path.exists(path):  # from an earlier deck
            os.unlink(path)
    return written


def _size(mean: Mean) -> float:
    return mean.n_features


def _number(name: str) -> Callable[[Mean], float]:
    return lambda mean: float(mean.settings[name] or 0)


def _text(name: str) -> Place:
    """Each value, including zero, has its own place on the axis."""
    return lambda mean: f"{mean.settings[name]:g}" if name != "nodes" else str(mean.settings[name]).replace(",", "\n")


def _kinds(means: Sequence[Mean]) -> list[str]:
    """``energy``, and ``force`` if there are force errors."""
    return [kind for kind in ("energy", "force") if any(mean.errors[f"{kind}_test"] is not None for mean in means)]


def _against(columns: Sequence[tuple[str, Sequence[Mean], Place]]) -> Figure | None:
    """Errors against several quantities: one column of panels for each that varies, energies above forces.

    columns : label of the axis, combinations, and the position of a combination on the axis.  Lines connect the best
    test errors at each position.
    """
    shown = [column for column in columns if len({column[2](mean) for mean in column[1]}) > 1]
    kinds = _kinds([mean for _, means, _ in shown for mean in means])
    if not kinds:
        return None
    figure, axes = figures.panels(len(kinds), len(shown))
    for (row, kind), (column, (label, means, place)) in itertools.product(enumerate(kinds), enumerate(shown)):
        _errors(axes[row, column], kind, means, place)
        axes[row, column].set(xlabel=label, ylabel=AXES[kind])
    handles, _ = axes[0, 0].get_legend_handles_labels()
    figures.legend_outside(figure, handles, len(handles))
    return figure


def _errors(axis: Axes, kind: str, means: Sequence[Mean], place: Place) -> None:
    there = [mean for mean in means if mean.errors[f"{kind}_test"] is not None]
    words = [place(mean) for mean in means]
    best: dict[float | str, Mean] = {}
    for mean in sorted(there, key=lambda mean: mean.errors[f"{kind}_test"] or 0.0):
        best.setdefault(place(mean), mean)
    # Text stays in the order of the combinations, and is not connected by lines.
    places = sorted(best, key=lambda value: words.index(value) if isinstance(value, str) else value)
    for part, line in PARTS.items():
        name = f"{kind}_{part}"
        color = figures.SET_COLORS[part]
        others = [mean for mean in there if mean is not best[place(mean)]]
        axis.errorbar(
            places, [_milli(best[at].errors[name]) for at in places],
            [_milli(best[at].spread[name] or 0.0) for at in places],
            linestyle="" if isinstance(words[0], str) else line, marker=MARKERS[part], markersize=4, color=color,
            capsize=2, label=part,
        )  # fmt: skip
        axis.plot(
            [place(mean) for mean in others], [_milli(mean.errors[name]) for mean in others],
            ".", color=color, alpha=0.4,
        )  # fmt: skip
    if numbers := [each for each in words if not isinstance(each, str)]:
        figures.values_run(axis, numbers)
    figures.from_zero(axis)


def _milli(value: float | None) -> float:
    return np.nan if value is None else MILLI * value


def _convergence(means: Sequence[Mean]) -> Figure | None:
    """Learning curves, averaged over the seeds: one column per optimizer, one colour per learning rate."""
    kinds = _kinds(means)
    if not kinds or len(means) < 2:
        return None
    from matplotlib.lines import Line2D

    methods = list(dict.fromkeys(str(mean.settings["method"]) for mean in means))
    rates = sorted({float(mean.settings["lr"] or 0) for mean in means})
    figure, axes = figures.panels(len(kinds), len(methods), sharex=True, sharey="row")
    for mean in means:
        column = methods.index(str(mean.settings["method"]))
        color = figures.COLORS[rates.index(float(mean.settings["lr"] or 0)) % len(figures.COLORS)]
        tables = [results.curves(result.run) for result in mean.results]
        curve = np.mean([table[: min(map(len, tables))] for table in tables], axis=0)
        for (row, kind), (part, line) in itertools.product(enumerate(kinds), PARTS.items()):
            values = MILLI * curve[:, 1 + list(KINDS).index(f"{kind}_{part}")]
            axes[row, column].plot(curve[:, 0], values, line, color=color, linewidth=1.2)
    for (row, kind), (column, method) in itertools.product(enumerate(kinds), enumerate(methods)):
        figures.plain_log_ticks(axes[row, column])
        axes[row, 0].set_ylabel(AXES[kind])
        axes[-1, column].set_xlabel("epoch")
        axes[0, column].set_title(method)
    lines = [
        Line2D([], [], color=color, label=f"lr {rate:g}") for color, rate in zip(figures.COLORS, rates, strict=False)
    ]
    lines += [Line2D([], [], color="grey", linestyle=line, label=part) for part, line in PARTS.items()]
    figures.legend_outside(figure, lines, min(len(lines), 3 * len(methods)))
    return figure
