"""How ways look in all figures of a study, and the kinds of panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aenet_py.analysis import figures
from aenet_py.analysis.pages import DASHES, MARKERS, Key
from aenet_py.studies.read import REFERENCE, Study

SCRATCH, SUBSETS = "scratch", ("random", "any", "both")
COLORS = {  # of the ways that all studies have
    SCRATCH: figures.COLORS[1], "random": figures.COLORS[0], "any": figures.COLORS[2], "both": figures.COLORS[3],
    REFERENCE: "#aaaaaa",
}  # fmt: skip
OTHERS = (figures.COLORS[4], figures.COLORS[5], "#737373")  # of further ways
WIDE = 50.0  # ratio of the largest to the smallest value, above which an axis is logarithmic
ENERGY, FORCE = "energy error (meV/atom)", "force error (meV/Å)"


@dataclass(frozen=True)
class Look:
    """Colour, line and marker of a way, by matplotlib's names."""

    color: str
    line: str
    marker: str

    def key(self, label: str) -> Key:
        """The entry of a legend for lines."""
        return Key(label, self.color, self.line)


def looks(study: Study) -> dict[str, Look]:
    """The look of each way of a study, in the order in which ways are shown."""
    tables = ("finetuning", "simulations", "distances", "temperatures", "parity")
    named = [way for table in tables for way in study[table].distinct("way")]
    named += [subset for table in ("subsets", "pretraining", "direct") for subset in study[table].distinct("subset")]
    known = [way for way in (SCRATCH, *SUBSETS) if way in named]
    return of_ways([*known, *(way for way in named if way != REFERENCE), *named])


def of_ways(names: Sequence[str]) -> dict[str, Look]:
    """The look of each way, in the order of their names, which may be repeated.

    A variant of a way (``"scratch, repulsion"``) has its colour, with another line and marker.
    """
    variants: dict[str, int] = {}
    found: dict[str, Look] = {}
    colors = dict(COLORS)
    lines, markers = list(DASHES), list(MARKERS)
    for way in dict.fromkeys(names):
        base = way.partition(",")[0].strip()
        colors.setdefault(base, OTHERS[(len(colors) - len(COLORS)) % len(OTHERS)])
        number = variants.get(base, 0)
        variants[base] = number + 1
        found[way] = Look(colors[base], lines[number % len(lines)], markers[number % len(markers)])
    return found


def in_order(names: Sequence[str], ways: Mapping[str, Look]) -> list[str]:
    """Names of ways or subsets in the order of all figures and tables."""
    places = list(ways)
    return sorted(names, key=places.index)


def dots(
    ax: Any, groups: Mapping[str, np.ndarray], ways: Mapping[str, Look], hollow: Mapping[str, np.ndarray] | None = None
) -> None:
    """A column of points for each group, and a bar at its mean.

    hollow : masks (n,) of points that are not filled.  Names that are too long for labels belong into `keys`.
    """
    for place, (name, values) in enumerate(groups.items()):
        look = ways[name]
        empty = np.zeros(len(values), dtype=bool) if hollow is None else hollow[name]
        shift = 0.24 * (np.arange(len(values)) - 0.5 * (len(values) - 1)) / max(len(values) - 1, 1)  # equal ones
        style = {"marker": look.marker, "markersize": 5, "linestyle": "none", "markeredgecolor": look.color}
        for chosen, face in ((~empty, look.color), (empty, "white")):
            ax.plot(place + shift[chosen], values[chosen], markerfacecolor=face, alpha=0.85, **style)
        if np.isfinite(values).sum() > 1 and hollow is None:
            ax.plot([place - 0.28, place + 0.28], [np.nanmean(values)] * 2, color=look.color, linewidth=2)
    names(ax, list(groups))


def keys(groups: Sequence[str], ways: Mapping[str, Look]) -> list[Key]:
    """The legend of `dots`: none if the names stand below the axis."""
    return [] if _fit(groups) else [Key(name, ways[name].color, "", ways[name].marker) for name in groups]


def names(ax: Any, labels: Sequence[str]) -> None:
    """Label the horizontal axis with words, if there is room for them."""
    ax.set_xticks(range(len(labels)) if _fit(labels) else [], labels if _fit(labels) else [])
    ax.set_xlim(-0.5, len(labels) - 0.5)


def _fit(labels: Sequence[str]) -> bool:
    return figures.LETTER * max((len(label) + 1 for label in labels), default=0) * len(labels) <= 1


def is_wide(values: np.ndarray) -> bool:
    """Whether values are best shown on a logarithmic axis."""
    known = values[np.isfinite(values)]
    return len(known) > 0 and known.min() > 0 and known.max() > WIDE * known.min()


def from_lowest(ax: Any, values: np.ndarray) -> None:
    """Start the vertical axis at zero, or make it logarithmic if the values are spread wide."""
    if is_wide(values):
        figures.plain_log_ticks(ax)
    else:
        figures.from_zero(ax)
