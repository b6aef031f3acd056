"""The figure of a study: survival curves, dimers, distances."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from aenet_py.analysis import figures
from aenet_py.survival.dimers import CORE, FARTHEST, NEAREST, Dimer
from aenet_py.survival.results import Condition, Stability

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_COLUMNS = 3
MOST = 3  # structures whose distances are drawn
HIGHEST, LOWEST = 10.0, -10.0  # eV, of the energies of dimers that are shown
ROOM = 1.3  # height of the first panel of distances, for its legend
BEHIND = 1.2  # end of the survival curves, in units of the last time, if all runs have failed
LINES = ("-", "--", ":", "-.")


def figure(found: Stability) -> Figure:
    """One panel per structure, species and pair of species."""
    structures = found.by_structure
    species = list(dict.fromkeys(each.pair[0] for each in found.dimers))
    drawn = [some for some in structures[:MOST] if any(each.distribution is not None for each in some)]
    sections: list[list[tuple[Any, ...]]] = [
        [(_survival, some, found.time) for some in structures],
        [(_dimers, [each for each in found.dimers if each.pair[0] == symbol]) for symbol in species],
        *([(_distances, some, pair, k == 0) for k, pair in enumerate(_pairs(some))] for some in drawn),
    ]
    n_columns = min(N_COLUMNS, max(map(len, sections)))
    n_rows = [-(-len(panels) // n_columns) for panels in sections]
    made, axes = figures.panels(sum(n_rows), n_columns)
    free = axes.tolist()
    for panels, n in zip(sections, n_rows, strict=True):
        row = [ax for _ in range(n) for ax in free.pop(0)]
        for ax, (draw, *arguments) in itertools.zip_longest(row, panels, fillvalue=(_nothing,)):
            draw(ax, *arguments)
    return made


def _nothing(ax: Any) -> None:
    ax.remove()


def _survival(ax: Any, conditions: Sequence[Condition], time: float) -> None:
    for place, each in enumerate(conditions):
        color, curve = figures.COLORS[place % len(figures.COLORS)], each.survival
        known = curve.times[-1] if np.isnan(each.probability) else time
        times = np.append(curve.times, known)
        probability, low, high = (np.append(v, v[-1]) for v in (curve.probability, curve.low, curve.high))
        label = f"{each.temperature:g} K: {each.n_finished} of {len(each.runs)}"
        if each.n_uncertain:
            label += f", +: {each.n_uncertain} uncertain"
            stops = np.array([run.time for run in each.runs if run.uncertain])
            ax.plot(stops, curve.probability[np.searchsorted(curve.times, stops)], "+", color=color, markersize=7)
        ax.step(times, probability, where="post", color=color, linestyle=LINES[place % len(LINES)], label=label)
        ax.fill_between(times, low, high, step="post", color=color, alpha=0.15, linewidth=0)
    name, last = conditions[0].name, max(each.survival.times[-1] for each in conditions)
    end = min(time, BEHIND * last) or time
    ax.set(xlabel="time (ps)", ylabel="share of stable runs", xlim=(0, end), ylim=(-0.03, 1.03))
    ax.set_title(name if len(name) <= 32 else f"...{name[-29:]}")
    ax.legend()


def _dimers(ax: Any, dimers: Sequence[Dimer]) -> None:
    for place, each in enumerate(dimers):
        color = figures.COLORS[place % len(figures.COLORS)]
        x, label = each.distances / each.contact, "-".join(each.pair)
        ax.plot(x, each.energies, label=label, color=color, linestyle=LINES[place % len(LINES)])
        ax.plot(x, np.where(each.is_attractive, each.energies, np.nan), color=color, linewidth=6, alpha=0.35)
    ax.axvspan(0, CORE, color="0.93", zorder=0, linewidth=0)
    ax.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    energies = np.concatenate([each.energies for each in dimers])
    low, high = max(np.nanmin(energies), LOWEST), min(np.nanmax(energies), HIGHEST)
    margin = 0.05 * (high - low) or 0.01
    ax.set(xlim=(NEAREST, FARTHEST), ylim=(low - margin, high + margin))
    ax.set(xlabel="distance / contact", ylabel="dimer energy (eV)")
    ax.set_title(f"dimers with {dimers[0].pair[0]}; thick: attractive core")
    ax.legend()


def _pairs(conditions: Sequence[Condition]) -> Sequence[tuple[str, str]]:
    return next(each.distribution.pairs for each in conditions if each.distribution is not None)


def _distances(ax: Any, conditions: Sequence[Condition], pair: tuple[str, str], explained: bool) -> None:
    reference = conditions[0].reference
    if reference is not None:
        k = reference.distribution.pairs.index(pair)
        ax.fill_between(
            reference.distribution.r, reference.distribution.values[k], color="0.8", linewidth=0, label="reference"
        )
    for place, each in enumerate(conditions):
        if each.distribution is None:
            continue
        found = each.distribution
        style = {"color": figures.COLORS[place % len(figures.COLORS)], "linestyle": LINES[place % len(LINES)]}
        ax.plot(found.r, found.values[found.pairs.index(pair)], label=f"{each.temperature:g} K", linewidth=1, **style)
        ax.set_ylabel("g(r)" if found.normalised else "neighbours (1/Å)")
    ax.set(xlabel=f"{'-'.join(pair)} distance (Å)", xlim=(0, None), ylim=(0, None))
    if explained:
        ax.set_ylim(0, ROOM * ax.get_ylim()[1])
        ax.legend(loc="upper right")
