"""Fine-tuning and training from scratch: errors, tests and parity plots."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from aenet_py.analysis import parity, runs
from aenet_py.analysis.pages import Block, Drawing, Section, Table
from aenet_py.studies import comparison, looks, wording
from aenet_py.studies.looks import Look
from aenet_py.studies.preparation import learning
from aenet_py.studies.read import OTHERS, SIX, TEST, TRAIN, Rows, Study

PARTS = {"training": TRAIN, "test": TEST, "other trajectories": OTHERS, "six molecules": SIX}
UNITS = ("energy, {}, meV/atom", "force, {}, meV/Å")
AXES = (looks.ENERGY, looks.FORCE)
TESTED = (
    "p: two-sided, paired t-tests against training from scratch, over the seeds that both have. They are not corrected "
    "for their number: in 20 comparisons of equals, one is expected below 0.05."
)
ABREAST = 3  # panels of a way, largest number side by side
QUANTITIES = {"energy": runs.ENERGY, "force": runs.FORCE}


def finetuning(study: Study, ways: Mapping[str, Look]) -> Section | None:
    """Errors of all ways at each size of the training set."""
    blocks: list[Block] = []
    for name in study.sets():
        rows = study["finetuning"].where(set=name)
        if rows.has(*TEST):
            blocks += [_table(rows, name, ways), _dots(rows, name, ways)]
        blocks += learning(study, file_name(name), _curves(study, name, ways), ways)
    tests = comparison.tests(study, list(ways))
    if tests:
        blocks += [TESTED, comparison.table(tests)]
    return Section("Fine-tuning and training from scratch", blocks) if blocks else None


def file_name(name: str) -> str:
    """A set's name as part of a file's."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name)


def _parts(rows: Rows) -> dict[str, tuple[str, ...]]:
    return {part: columns for part, columns in PARTS.items() if rows.has(*columns)}


def _table(rows: Rows, name: str, ways: Mapping[str, Look]) -> Table:
    parts = _parts(rows)
    timed = rows.has("seconds")
    columns = [*(column for each in parts.values() for column in each), *["seconds"] * timed]
    head = ["way", "seeds", *(unit.format(part) for part in parts for unit in UNITS), *["time, s"] * timed]
    cells = []
    for way in looks.in_order(rows.distinct("way"), ways):
        some = rows.where(way=way)
        cells.append([way, str(len(some)), *(wording.mean(some[column]) for column in columns)])
    size = wording.count(wording.average(rows["structures"]))
    return Table(head, cells, f"{name}{size and f', {size} structures'}: means ± standard deviations over seeds.")


def _dots(rows: Rows, name: str, ways: Mapping[str, Look]) -> Drawing:
    order = looks.in_order(rows.distinct("way"), ways)

    def panel(ax: Any, column: str, label: str, part: str) -> None:
        looks.dots(ax, {way: rows.where(way=way)[column] for way in order}, ways)
        ax.set(ylabel=label)
        ax.set_title(f"{name}, {part}")
        looks.from_lowest(ax, rows[column])

    panels = [
        functools.partial(panel, column=column, label=label, part=part)
        for part, columns in _parts(rows).items()
        if part != "training"
        for column, label in zip(columns, AXES, strict=True)
    ]
    return Drawing(
        f"errors-{file_name(name)}", f"{name}: a point for each seed, bars at their means.", panels,
        looks.keys(order, ways), columns=2,
    )  # fmt: skip


def _curves(study: Study, name: str, ways: Mapping[str, Look]) -> dict[str, str]:
    """The trainings with a set in curves.csv, and their ways: those named ``SET WAY SEED``."""
    found = {}
    for training in study["curves"].distinct("training"):
        way = training.removeprefix(f"{name} ").rpartition(" ")[0]
        if training.startswith(f"{name} ") and way in ways:
            found[training] = way
    return found


def parities(study: Study, ways: Mapping[str, Look]) -> Section | None:
    """Predictions against references, for each way."""
    blocks: list[Block] = []
    for name in study.sets():
        rows = study["parity"].where(set=name)
        panels: list[Callable[[Any], None]] = []
        n_columns = 1
        for way in looks.in_order(rows.distinct("way"), ways):
            some, before = rows.where(way=way), len(panels)
            for title, parts in (("", ("train", "test")), (", six molecules", ("six",))):
                for quantity in QUANTITIES:
                    pairs = {part: _pair(some, quantity, part) for part in parts}
                    pairs = {part: pair for part, pair in pairs.items() if len(pair[0])}
                    if pairs:
                        panels.append(functools.partial(_panel, title=way + title, quantity=quantity, pairs=pairs))
            n_columns = max(n_columns, len(panels) - before)
        if panels:
            caption = (
                f"{name}: predictions against references. Energies of six molecules are compared up to a constant."
            )
            n_columns = n_columns if n_columns <= ABREAST else 2
            blocks.append(Drawing(f"parity-{file_name(name)}", caption, panels, columns=n_columns, folded=True))
    return Section("Predictions and references", blocks) if blocks else None


def _pair(rows: Rows, quantity: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    some = rows.where(quantity=quantity, part=part)
    reference, predicted = some["reference"], some["predicted"]
    if (quantity, part) == ("energy", "six") and len(some):
        predicted = predicted - (predicted - reference).mean()
    return reference, predicted


def _panel(ax: Any, title: str, quantity: str, pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    parity.panel(ax, QUANTITIES[quantity], pairs)
    ax.set_title(title)
