"""The printed report of ``aenet-py scan``."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

from aenet_py.cli.summaries import closing
from aenet_py.errors import counted
from aenet_py.inputs.scan import ScanInput
from aenet_py.scan.results import TABLE, Mean, Result

HEADS = {"radial_Rc": "radial_Rc/Å", "angular_Rc": "angular_Rc/Å"}
ERRORS = {
    "energy_test": "E test", "force_test": "F test", "energy_train": "E train", "force_train": "F train",
}  # fmt: skip
MILLI = 1000.0  # to meV/atom, meV/Å
GAP = 2  # blanks between columns


def report(
    deck: ScanInput, n_runs: int, results: Sequence[Result], ranked: Sequence[Mean], written: Sequence[str]
) -> str:
    """One line per combination, best first, and the failed runs; errors in meV/atom and meV/Å."""
    failed = [result for result in results if result.outcome.error is not None]
    n_done = len(results) - len(failed)
    lines = [f"{deck.path}: {n_done} of {counted(n_runs, 'run')} done, {len(failed)} failed"]
    if ranked:
        lines += ["", *_table(deck, ranked)]
    if failed:
        lines += ["", *(f"failed: {result.run.folder}: {result.outcome.error}" for result in failed)]
    lines.append("")
    if results:
        lines.append(closing.written([os.path.join(deck.folder, TABLE), *written]).rstrip("\n"))
    lines += _best(ranked)
    return "\n".join(lines).rstrip("\n") + "\n"


def _best(ranked: Sequence[Mean]) -> list[str]:
    """The smallest errors of the test structures."""
    parts = []
    for kind, name, unit in (("energy_test", "energy", "meV/atom"), ("force_test", "force", "meV/Å")):
        values = [error for mean in ranked if (error := mean.errors[kind]) is not None and math.isfinite(error)]
        if values:
            parts.append(f"{name} RMSE {MILLI * min(values):.2f} {unit}")
    return [f"best test errors: {', '.join(parts)}"] if parts else []


def _table(deck: ScanInput, ranked: Sequence[Mean]) -> list[str]:
    kinds = [kind for kind in ERRORS if any(mean.errors[kind] is not None for mean in ranked)]
    n_seeds = max(len(mean.results) for mean in ranked)
    title = ["RMSE of energies (E, meV/atom) and force components (F, meV/Å),", f"sorted by {deck.sort} error (test)"]
    spread = [f"mean ± standard deviation of {n_seeds} seeds"] if n_seeds > 1 else []
    head = [
        *(HEADS.get(name, name) for name in deck.values),
        "features",
        *(ERRORS[kind] for kind in kinds),
        "s",
        "folder",
    ]
    rows = [head]
    for mean in ranked:
        settings = [f"{mean.settings[name]:g}" if isinstance(mean.settings[name], float) else str(mean.settings[name])
                    for name in deck.values]  # fmt: skip
        errors = [_error(mean, kind) for kind in kinds]
        seconds = [result.outcome.seconds for result in mean.results if result.outcome.seconds is not None]
        time = f"{sum(seconds) / len(seconds):.1f}" if seconds else "-"
        more = " ..." if len(mean.results) > 1 else ""
        rows.append([*settings, str(mean.n_features), *errors, time, mean.results[0].run.folder + more])
    return [title[0], ", ".join([title[1], *spread]), "", *_blocks(rows)]


def _blocks(rows: Sequence[Sequence[str]]) -> list[str]:
    """A numbered table, split into blocks of columns that fit the width."""
    numbers = ["#", *map(str, range(1, len(rows)))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    first = len(numbers[-1])
    lines: list[str] = []
    column = 0
    while column < len(widths):
        stop, used = column + 1, first + GAP + widths[column]
        while stop < len(widths) and used + GAP + widths[stop] <= closing.WIDTH:
            used += GAP + widths[stop]
            stop += 1
        lines += [""] if lines else []
        for number, row in zip(numbers, rows, strict=True):
            cells = [number.rjust(first), *(row[k].rjust(widths[k]) for k in range(column, stop))]
            lines.append((" " * GAP).join(cells).rstrip())
        column = stop
    return lines


def _error(mean: Mean, kind: str) -> str:
    value, spread = mean.errors[kind], mean.spread[kind]
    if value is None:
        return "-"
    return f"{value * MILLI:.2f}" if spread is None else f"{value * MILLI:.2f} ± {spread * MILLI:.2f}"
