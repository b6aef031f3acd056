"""The files of a subset: its frames with the bytes they have in their files, systems, table, report and figures."""

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
from aenet_py.selection.shards import Labelled, Shard, pick
from aenet_py.selection.survey import Numbers, Survey, SurveyTally

COLUMNS = (
    "file", "index", "system", "frame", "atoms", "energy_per_atom_eV", "largest_force_eV_per_Angstrom", "elements",
)  # fmt: skip


@dataclass(frozen=True)
class Names:
    """Files of a selection: frames, list of their systems, table, report and figures."""

    frames: str
    labels: str
    table: str
    report: str
    figures: tuple[str, str, str]

    def written(self) -> list[str]:
        """Those that exist."""
        return [p for p in (self.frames, self.labels, self.table, self.report, *self.figures) if os.path.exists(p)]


@dataclass(frozen=True)
class Subset:
    """Selected frames: names ``file#index``, a few numbers of each, and the number of frames with each element."""

    structures: tuple[str, ...]
    numbers: Numbers
    elements: Counter[str]


def names(output: str) -> Names:
    """The files that belong to a new file of frames; AenetError if one of them exists."""
    if not frames.is_frames(output):
        raise AenetError(f"{output}: the name must end with .extxyz or .xyz, optionally followed by .xz or .gz")
    stem, ending = os.path.splitext(frames.plain_name(output))[0], os.path.splitext(output)[1]
    labels = stem + ".txt" + (ending if ending in COMPRESSED else "")
    figures = (f"{stem}-energy-force.png", f"{stem}-sizes.png", f"{stem}-elements.png")
    files = Names(output, labels, f"{stem}.csv", f"{stem}-report.txt", figures)
    for path in files.written():
        raise already_exists(path)
    return files


def write(
    shards: Sequence[Shard], survey: Survey, chosen: np.ndarray, to: Names, advance: Callable[[int], object],
    publish: Callable[[Subset], contextlib.AbstractContextManager], labels: Labels = ANY,
) -> Subset:  # fmt: skip
    """Write the selected frames, the list of their systems if all shards have one, and the table.

    Parameters
    ----------
    shards
        Files of frames.
    survey
        Their survey.
    chosen
        Ascending 0-based indices of the selected frames.
    to
        Names of the files.
    advance
        Called with 1 for each frame.
    publish
        Context within which the files get their names.
    labels
        As for `survey`.

    Returns
    -------
    Subset
        The selected frames.
    """
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(FramesFile(to.frames))
        table = stack.enter_context(tables.PendingTable(to.table, COLUMNS))
        with_systems = all(shard.labels is not None for shard in shards)
        systems = stack.enter_context(FramesFile(to.labels)) if with_systems else None
        tally, structures = SurveyTally(), []
        for item in _chosen(shards, survey, chosen, labels):
            structures.append(item.raw.name)
            output.write(item.raw.content)
            if systems is not None and item.label is not None:
                systems.write(item.label + b"\n")
            tally.add(item)
            table.add(_row(item, tally))
            advance(1)
        subset = Subset(tuple(structures), tally.numbers(), tally.elements)
        with publish(subset):
            output.complete(replace=False)
            if systems is not None:
                systems.complete(replace=False)
            table.complete(replace=False)
    return subset


def draw(survey: Survey, subset: Subset, to: Names) -> None:
    """Write the figures."""
    from aenet_py.analysis import figures
    from aenet_py.selection.figures import energy_force, periodic_table, sizes

    figures.save(energy_force(survey.numbers, subset.numbers), to.figures[0])
    figures.save(sizes(survey.numbers, subset.numbers), to.figures[1])
    figures.save(periodic_table(subset.elements, len(subset.numbers)), to.figures[2])


def _chosen(shards: Sequence[Shard], survey: Survey, chosen: np.ndarray, labels: Labels = ANY) -> Iterator[Labelled]:
    bounds = np.searchsorted(chosen, survey.starts)
    for shard, (start, stop) in zip(shards, itertools.pairwise(bounds.tolist()), strict=True):
        yield from pick(shard, survey.index[chosen[start:stop]].tolist(), labels)


def _row(item: Labelled, tally: SurveyTally) -> dict[str, object]:
    values = (
        item.raw.path, item.raw.index, item.system, item.step, tally.sizes[-1], tally.energies[-1], tally.forces[-1],
        " ".join(sorted(item.frame.symbols)),
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))
