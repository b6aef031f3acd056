"""The report of ``aenet-py scan``."""

from __future__ import annotations

import os
from collections.abc import Sequence

from aenet_py.errors import counted
from aenet_py.inputs.scan import ScanInput
from aenet_py.scan.results import TABLE, Mean, Result

HEADS = {"radial_Rc": "radial_Rc/Å", "angular_Rc": "angular_Rc/Å"}
ERRORS = {
    "energy_test": "E test", "energy_train": "E train", "force_test": "F test", "force_train": "F train",
}  # fmt: skip
MILLI = 1000.0  # to meV/atom, meV/Å


def report(
    deck: ScanInput, n_runs: int, results: Sequence[Result], ranked: Sequence[Mean], written: Sequence[str]
) -> str:
    """A line a combination, the best first, and the runs that failed; errors in meV/atom and meV/Å."""
    failed = [result for result in results if result.outcome.error is not None]
    n_done = len(results) - len(failed)
    lines = [f"{deck.path}: {n_done} of {counted(n_runs, 'run')} done, {len(failed)} failed"]
    if ranked:
        lines += ["", *_table(deck, ranked)]
    if results:
        lines += ["", f"written: {os.path.join(deck.folder, TABLE)}", *(f"written: {path}" for path in written)]
    if failed:
        lines += ["", *(f"failed: {result.run.folder}: {result.outcome.error}" for result in failed)]
    return "\n".join(lines) + "\n"


def _table(deck: ScanInput, ranked: Sequence[Mean]) -> list[str]:
    kinds = [kind for kind in ERRORS if any(mean.errors[kind] is not None for mean in ranked)]
    n_seeds = max(len(mean.results) for mean in ranked)
    sorting = f"smallest {deck.sort} error of the test structures first"
    spread = [f"Mean ± standard deviation of {n_seeds} seeds"] if n_seeds > 1 else []
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
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    text = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [f"RMSE of energies (E, meV/atom) and force components (F, meV/Å), {sorting}", *spread, "", *text]


def _error(mean: Mean, kind: str) -> str:
    value, spread = mean.errors[kind], mean.spread[kind]
    if value is None:
        return "-"
    return f"{value * MILLI:.2f}" if spread is None else f"{value * MILLI:.2f} ± {spread * MILLI:.2f}"
