"""Simulations: how long they are stable, their temperatures and distances."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aenet_py.analysis import figures
from aenet_py.analysis.pages import Block, Drawing, Key, Section, Table
from aenet_py.studies import looks, wording
from aenet_py.studies.finetuning import file_name
from aenet_py.studies.looks import Look
from aenet_py.studies.read import PEAKS, REFERENCE, Rows, Study
from aenet_py.survival.kaplan_meier import Survival, survival

TITLE = "Stability of simulations"
FINISHED = "time"  # of ended_by
THICKEST, THINNEST = 4.0, 1.2  # points, so that equal curves on top of each other are all seen
ABOVE = 2.0  # largest temperature shown, in units of the median
HIGHEST = 1.05  # of the axis of shares
MOST = 4  # ways whose distances share a panel
ABREAST = 3  # panels side by side, largest number
KELVIN, DISTANCE = "temperature (K)", "distance (Å)"

Curve = tuple[np.ndarray, np.ndarray]  # (n_bins,) distances, Å, and values there


def curve(rows: Rows) -> Survival:
    """The survival curve of simulations, of which those that ran to the end might have gone on."""
    return survival(rows["stable_ps"], rows["ended_by"] != FINISHED)


def stability(study: Study, ways: Mapping[str, Look]) -> Section | None:
    """How long each simulation is stable."""
    rows = study["simulations"]
    if not len(rows):
        return None
    blocks: list[Block] = [*_tables(study, ways)]
    named = [name for name in study.sets() if len(_ours(study, name))]
    if not named:
        return Section(TITLE, blocks)
    panels = [functools.partial(_times, rows=_ours(study, name), name=name, ways=ways) for name in named]
    shown = looks.in_order(
        list(dict.fromkeys(way for name in named for way in _ours(study, name).distinct("way"))), ways
    )
    keys = looks.keys(shown, ways)
    keys += [Key("became unphysical", "#222", "", "o"), Key("ran to the end", "#222", "", "o", hollow=True)]
    blocks.append(Drawing("stable", "Stable time of each simulation; dashed: the time asked for.", panels, keys))
    panels = [functools.partial(_survival, rows=_ours(study, name), name=name, ways=ways) for name in named]
    caption = "Share of simulations that are stable for longer than a time (Kaplan-Meier estimate)."
    blocks.append(Drawing("survival", caption, panels, [ways[way].key(way) for way in shown]))
    return Section(TITLE, blocks)


def _ours(study: Study, name: str) -> Rows:
    """Simulations with the potentials of a set."""
    rows = study["simulations"].where(set=name)
    return rows.at(rows["way"] != REFERENCE)


def _tables(study: Study, ways: Mapping[str, Look]) -> list[Table]:
    """Stable times, and averages over the simulations."""
    rows = study["simulations"]
    groups = {}
    for name in dict.fromkeys([*study.sets(), *rows.distinct("set")]):
        some = rows.where(set=name)
        groups.update({(name, way): some.where(way=way) for way in looks.in_order(some.distinct("way"), ways)})
    columns = {
        "temperature_K": "temperature, K", "temperature_std_K": "its deviation, K", "Au_O_A": "Au-O, Å",
        "Cu_O_A": "Cu-O, Å", "O_H_A": "O-H, Å", "ms_per_step": "ms per step",
    }  # fmt: skip
    shown = [column for column in columns if rows.has(column)]
    times, averages = [], []
    for (name, way), some in groups.items():
        ended = f"{(some['ended_by'] == FINISHED).sum()} of {len(some)}"
        values = [wording.mean(some["stable_ps"]), median(curve(some))]
        if way != REFERENCE:
            times.append([name, way, asked(some), ended, *values])
        averages.append([name, way, *(wording.mean(some[column], 4 if column in PEAKS else 3) for column in shown)])
    head = ["set", "way", "time asked, ps", "to the end", "stable time, ps", "its median, ps"]
    caption = "Stable time: mean ± standard deviation over simulations, and median by Kaplan and Meier."
    made = [Table(head, times, caption, words=2)] if times else []
    if shown:
        peaks = "; distances of the first peaks" if any(column in PEAKS for column in shown) else ""
        caption = f"Means ± standard deviations over simulations{peaks}."
        made.append(Table(["set", "way", *(columns[column] for column in shown)], averages, caption, words=2))
    return made


def asked(rows: Rows) -> str:
    """The time asked for, ps."""
    return " or ".join(figures.number_labels(sorted(rows.distinct("time_ps"))))


def median(found: Survival) -> str:
    """The median stable time, ps."""
    return "not reached" if np.isinf(found.median[0]) else wording.shown(found.median[0])


def _times(ax: Any, rows: Rows, name: str, ways: Mapping[str, Look]) -> None:
    order = looks.in_order(rows.distinct("way"), ways)
    groups = {way: rows.where(way=way) for way in order}
    ended = {way: some["ended_by"] == FINISHED for way, some in groups.items()}
    looks.dots(ax, {way: some["stable_ps"] for way, some in groups.items()}, ways, ended)
    for asked in rows.distinct("time_ps"):
        ax.axhline(asked, color="0.6", linewidth=0.8, linestyle="--", zorder=0)
    ax.set(ylabel="stable time (ps)")
    ax.set_title(name)
    looks.from_lowest(ax, rows["stable_ps"])


def _survival(ax: Any, rows: Rows, name: str, ways: Mapping[str, Look]) -> None:
    order = looks.in_order(rows.distinct("way"), ways)
    end = float(rows["time_ps"].max())
    logarithmic = looks.is_wide(np.append(rows["stable_ps"], end))
    for place, way in enumerate(order):
        found = curve(rows.where(way=way))
        times = np.append(found.times, float(rows.where(way=way)["time_ps"].max()))
        values = np.append(found.probability, found.probability[-1])
        width = THICKEST - (THICKEST - THINNEST) * place / max(len(order) - 1, 1)
        look = ways[way]
        if logarithmic:
            times = np.maximum(times, 0.5 * rows["stable_ps"].min())
        ax.step(times, values, where="post", color=look.color, linestyle=look.line, linewidth=width)
    if logarithmic:
        figures.plain_log_ticks(ax, "x")
    ax.set(xlabel="time (ps)", ylabel="share of stable simulations", ylim=(-0.03, HIGHEST))
    ax.set_title(name)


def temperatures(study: Study, ways: Mapping[str, Look]) -> Section | None:
    """Temperature over time, a panel for each way."""
    rows = study["temperatures"]
    if not len(rows):
        return None
    reference = rows.where(way=REFERENCE)
    most = ABOVE * float(np.median(rows["temperature_K"]))
    blocks: list[Block] = []

    def panel(ax: Any, some: Rows, way: str, end: float) -> None:
        for each, name in ((reference, REFERENCE), (some, way)):
            for seed in _seeds(each):
                one = each.at(seed)
                ax.plot(one["time_ps"], one["temperature_K"], color=ways[name].color, linewidth=0.8, alpha=0.6)
        ax.set(xlabel="time (ps)", ylabel=KELVIN, ylim=(0, most), xlim=(0, end or None))
        ax.set_title(way)

    for name in study.sets():
        some = rows.where(set=name)
        order = [way for way in looks.in_order(some.distinct("way"), ways) if way != REFERENCE]
        end = max(some["time_ps"].max(initial=0.0), reference["time_ps"].max(initial=0.0))
        panels = [functools.partial(panel, some=some.where(way=way), way=way, end=end) for way in order]
        keys = [ways[REFERENCE].key(REFERENCE)] if len(reference) else []
        if panels:
            caption = f"{name}: temperature, a line for each simulation; above {most:,.0f} K it is not shown."
            blocks.append(Drawing(f"temperatures-{file_name(name)}", caption, panels, keys))
    return Section("Temperature", blocks) if blocks else None


def _seeds(rows: Rows) -> Sequence[np.ndarray]:
    """Masks (n,) of the rows of each simulation."""
    seeds = np.nan_to_num(rows["seed"], nan=-1.0)
    keys = list(zip(rows["set"].tolist(), seeds.tolist(), strict=True))
    return [np.array([each == key for each in keys]) for key in dict.fromkeys(keys)]


def distances(study: Study, ways: Mapping[str, Look]) -> Section | None:
    """Distances by pair of species, averaged over seeds, with those of the reference."""
    rows = study["distances"]
    reference = rows.where(way=REFERENCE)
    pairs = rows.distinct("pair")
    panels, shown = [], []
    for name in study.sets():
        ours = rows.where(set=name)
        ours = ours.at(ours["way"] != REFERENCE)
        order = looks.in_order(ours.distinct("way"), ways)
        shown += order
        for some in _overlaid(order):
            title = name if len(some) == len(order) else f"{name}, {_base(some[0])}"
            for pair in pairs:
                of = {way: ours.where(pair=pair, way=way) for way in some}
                curves = {way: averaged(each) for way, each in of.items() if len(each)}
                if curves:
                    panels.append(functools.partial(
                        _distances, curves=curves, reference=averaged(reference.where(pair=pair)),
                        highest=_highest(rows.where(pair=pair)), title=f"{title}: {pair}", ways=ways,
                    ))  # fmt: skip
    if not panels:
        return None
    keys = [ways[way].key(way) for way in looks.in_order(list(dict.fromkeys(shown)), ways)]
    if len(reference):
        keys.append(ways[REFERENCE].key(REFERENCE))
    caption = "Distances: neighbours of the second species around an atom of the first, averaged over simulations."
    return Section("Distances", [Drawing("distances", caption, panels, keys, columns=min(len(pairs), ABREAST))])


def _overlaid(ways: Sequence[str]) -> list[list[str]]:
    """The ways that share a panel: all, or those of each colour if they are many."""
    if len(ways) <= MOST:
        return [list(ways)] if ways else []
    of: dict[str, list[str]] = {}
    for way in ways:
        of.setdefault(_base(way), []).append(way)
    return list(of.values())


def _base(way: str) -> str:
    return way.partition(",")[0]


def _highest(rows: Rows) -> float:
    """Highest value of all curves of a pair, so that its panels have equal axes."""
    keys = set(zip(rows["set"].tolist(), rows["way"].tolist(), strict=True))
    return max(float(averaged(rows.where(set=name, way=way))[1].max()) for name, way in keys)


def _distances(
    ax: Any, curves: Mapping[str, Curve], reference: Curve, highest: float, title: str, ways: Mapping[str, Look]
) -> None:
    if len(reference[0]):
        ax.fill_between(*reference, color=ways[REFERENCE].color, linewidth=0, alpha=0.6)
    for way, values in curves.items():
        ax.plot(*values, color=ways[way].color, linestyle=ways[way].line, linewidth=1.1)
    ax.set(xlabel=DISTANCE, ylabel="neighbours (1/Å)", xlim=(0, None), ylim=(0, 1.05 * highest))
    ax.set_title(title)


def averaged(rows: Rows) -> Curve:
    """(n_bins,) distances, Å, and the mean number of neighbours (1/Å) of all simulations there."""
    r, bins = np.unique(rows["r_A"].round(6), return_inverse=True)
    return r, np.bincount(bins, rows["neighbors_per_A"]) / np.bincount(bins)
