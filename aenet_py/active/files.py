"""The table, the figure and the page of a loop, written anew after each generation."""

from __future__ import annotations

import dataclasses
import html
import os
from collections.abc import Mapping, Sequence

from aenet_py.active import figures
from aenet_py.active.judging import QUANTILE, Record
from aenet_py.analysis import pages
from aenet_py.analysis.figures import save
from aenet_py.formats import tables
from aenet_py.inputs.learn import LearnInput
from aenet_py.runtime.output import PendingFile

COLUMNS = {  # of the table: names of the record's values, with units
    "generation": "generation", "n_trained": "structures", "n_labels": "labels", "n_runs": "runs",
    "n_ended": "to_the_end", "time": "median_ps", "n_frames": "frames", "spread": "spread_eV_per_A",
    "high_spread": "high_spread_eV_per_A", "share": "share_uncertain", "n_picked": "picked", "n_failed": "failed",
    "energy_rmse": "energy_rmse_eV_per_atom", "force_rmse": "force_rmse_eV_per_A",
    "correlation": "rank_correlation",
}  # fmt: skip
CALIBRATED = {  # the same of potentials whose uncertainty is calibrated
    **COLUMNS, "spread": "uncertainty_eV_per_A", "high_spread": "high_uncertainty_eV_per_A",
    "n_calibrated": "calibrated_atoms", "ratio": "expected_over_true",
}  # fmt: skip


def write(wanted: LearnInput, records: Sequence[Record]) -> list[str]:
    """Write learn.csv, learn.png and index.html in place of older ones; their paths."""
    paths = [os.path.join(wanted.folder, name) for name in ("learn.csv", "learn.png", "index.html")]
    columns = CALIBRATED if wanted.is_calibrated else COLUMNS
    tables.write(paths[0], tuple(columns.values()), (_row(each, columns) for each in records))
    figure = figures.figure(wanted, records)
    save(figure, paths[1])
    with PendingFile(paths[2]) as file:
        file.write(page(wanted, records, pages.svg(figure, "learn")).encode())
        file.complete(replace=True)
    return paths


def _row(record: Record, columns: Mapping[str, str]) -> dict[str, object]:
    values = dataclasses.asdict(record)
    return {column: values[name] for name, column in columns.items() if values[name] == values[name]}


def page(wanted: LearnInput, records: Sequence[Record], drawing: str) -> str:
    """A page that needs no other file; drawing : the figure as SVG."""
    what = "expected error" if wanted.is_calibrated else "spread"
    head = [
        "generation", "structures", "runs to the end", "stable, ps", f"{what}, eV/Å", f"{QUANTILE:.0%} below",
        "uncertain frames", "picked", "energy error, meV/atom", "force error, meV/Å", "rank correlation",
    ]  # fmt: skip
    head += ["expected / true"] if wanted.is_calibrated else []
    cells = [[*_cells(each), _shown(each.ratio, ".2f")][: len(head)] for each in records]
    settings = html.escape("\n".join(_settings(wanted)), quote=False)
    return pages.page(
        os.path.basename(wanted.folder),
        f"""<p>{_about(wanted)}</p>
<div class="wide one">{drawing}</div>
{pages.table(pages.Table(head, cells))}
<h2>Settings</h2>
<pre>{settings}</pre>""",
    )


def _about(wanted: LearnInput) -> str:
    what = "potential" if wanted.is_single else "committee"
    text = (
        f"In each generation, a {what} is trained on all structures labelled so far and simulates. Frames in which it "
        f"is\nuncertain are labelled. The errors are those of the new structures, before the next {what} is trained on "
        "them."
    )
    if not wanted.is_calibrated:
        return text
    by = "the features of the atom" if wanted.is_single else "the spread of the committee"
    return (
        f"{text}\nA frame is as uncertain as its least certain force, whose expected error follows from {by}, "
        "calibrated in\neach generation with test structures. Expected / true compares the expected errors of the new "
        "structures with the\ntrue ones."
    )


def _cells(each: Record) -> list[str]:
    return [
        str(each.generation), str(each.n_trained), f"{each.n_ended} of {each.n_runs}", _shown(each.time, ".3g"),
        _shown(each.spread, ".3g"), _shown(each.high_spread, ".3g"), _shown(each.share, ".1%"), str(each.n_picked),
        _shown(1e3 * each.energy_rmse, ".1f"), _shown(1e3 * each.force_rmse, ".0f"), _shown(each.correlation, ".2f"),
    ]  # fmt: skip


def _shown(value: float, style: str) -> str:
    return format(value, style) if value == value else ""


def _settings(wanted: LearnInput) -> list[str]:
    """The settings as in the input file, with all defaults."""
    lines, sections = [], []
    for field in dataclasses.fields(wanted):
        value = getattr(wanted, field.name)
        if dataclasses.is_dataclass(value):
            inner = [f"{name} = {_toml(each)}" for name, each in vars(value).items() if each is not None]
            sections += ["", f"[{field.name}]", *inner]
        elif value is not None and field.name != "path":
            lines.append(f"{field.name} = {_toml(value)}")
    return [*lines, *sections]


def _toml(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)
