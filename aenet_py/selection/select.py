"""Subsets of large sets of structures, in two passes.

    shards ──survey──> a few numbers of each frame ──stratified──> chosen ──pick──> frames, table, report, figures

Both passes go through the files frame by frame.  Chosen frames are written with the bytes they have in their files.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.errors import AenetError
from aenet_py.formats import frames, tables
from aenet_py.formats.frames import COMPRESSED, FramesFile
from aenet_py.formats.labels import ANY, Labels
from aenet_py.runtime.output import already_exists
from aenet_py.selection.choice import stratified
from aenet_py.selection.shards import Labelled, Shard, pick
from aenet_py.selection.survey import Numbers, Survey, Tally

COLUMNS = (
    "file", "index", "system", "frame", "atoms", "energy_per_atom_eV", "largest_force_eV_per_Angstrom", "elements",
)  # fmt: skip


@dataclass(frozen=True)
class Names:
    """Files of a selection: frames, and beside them the list of their systems, a table, a report and figures."""

    frames: str
    labels: str
    table: str
    report: str
    figures: tuple[str, str, str]


@dataclass(frozen=True)
class Subset:
    """What was chosen; elements : in how many of the frames each is."""

    numbers: Numbers
    elements: Counter[str]


def names(output: str) -> Names:
    """The files that belong to a new file of frames; AenetError if one of them is there already."""
    if not frames.is_frames(output):
        raise AenetError(f"{output}: found a name of another kind; expected .extxyz or .xyz (also .xz, .gz)")
    stem, ending = os.path.splitext(frames.plain_name(output))[0], os.path.splitext(output)[1]
    labels = stem + ".txt" + (ending if ending in COMPRESSED else "")
    figures = (f"{stem}-energy-force.png", f"{stem}-sizes.png", f"{stem}-elements.png")
    found = Names(output, labels, f"{stem}.csv", f"{stem}-report.txt", figures)
    for path in (found.frames, found.labels, found.table, found.report, *figures):
        if os.path.exists(path):
            raise already_exists(path)
    return found


def choose(found: Survey, n: int | None, n_strata: int, seed: int) -> np.ndarray:
    """Ascending numbers of the frames chosen: n of those that fit, or all where there are not more, or n is None."""
    fitting = np.flatnonzero(found.fits)
    if len(fitting) == 0:
        raise AenetError(f"none of {len(found.numbers):,} frames fits; expected one at least")
    if n is None or n >= len(fitting):
        return fitting
    return fitting[stratified(found.numbers.energy_per_atom[fitting], n, n_strata, seed)]


def write(
    shards: Sequence[Shard], found: Survey, chosen: np.ndarray, to: Names, advance: Callable[[int], object],
    publish: Callable[[Subset], contextlib.AbstractContextManager], labels: Labels = ANY,
) -> Subset:  # fmt: skip
    """Write the chosen frames, the list of their systems if all shards have one, and the table.

    advance : called with 1 for each frame; publish : within it, what is written gets its names; labels : as for
    `survey`.
    """
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(FramesFile(to.frames))
        table = stack.enter_context(tables.PendingTable(to.table, COLUMNS))
        with_systems = all(shard.labels is not None for shard in shards)
        systems = stack.enter_context(FramesFile(to.labels)) if with_systems else None
        tally = Tally()
        for item in _chosen(shards, found, chosen, labels):
            output.write(item.raw.content)
            if systems is not None and item.label is not None:
                systems.write(item.label + b"\n")
            tally.add(item)
            table.add(_row(item, tally))
            advance(1)
        subset = Subset(tally.numbers(), tally.elements)
        with publish(subset):
            output.complete(replace=False)
            if systems is not None:
                systems.complete(replace=False)
            table.complete(replace=False)
    return subset


def draw(found: Survey, subset: Subset, to: Names) -> None:
    """Write the figures."""
    from aenet_py.analysis import figures
    from aenet_py.selection.figures import energy_force, periodic_table, sizes

    figures.save(energy_force(found.numbers, subset.numbers), to.figures[0])
    figures.save(sizes(found.numbers, subset.numbers), to.figures[1])
    figures.save(periodic_table(subset.elements, len(subset.numbers)), to.figures[2])


def _chosen(shards: Sequence[Shard], found: Survey, chosen: np.ndarray, labels: Labels = ANY) -> Iterator[Labelled]:
    bounds = np.searchsorted(chosen, found.starts)
    for shard, (start, stop) in zip(shards, itertools.pairwise(bounds.tolist()), strict=True):
        yield from pick(shard, found.index[chosen[start:stop]].tolist(), labels)


def _row(item: Labelled, tally: Tally) -> dict[str, object]:
    values = (
        item.raw.path, item.raw.index, item.system, item.step, tally.sizes[-1], tally.energies[-1], tally.forces[-1],
        " ".join(sorted(item.frame.symbols)),
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))
