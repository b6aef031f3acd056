"""aenet-py report: figures and tables of a training or of a trajectory."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from aenet_py.cli import common
from aenet_py.errors import AenetError
from aenet_py.formats import tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HELP = "figures and tables of a training or a trajectory"
DESCRIPTION = """Of a training's folder (train.error, energies.*, forces.*): parity plots, learning curves, a table of
errors. Of a trajectory: distances by pair of species and, of one of aenet-py md, temperature and energy over time."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("folder", nargs="?", metavar="FOLDER", help="of a training")
    what.add_argument("--trajectory", metavar="FILE", help="of aenet-py md, or any .extxyz of the same atoms")
    add("-o", "--output", required=True, metavar="OUT", help="folder for the files, made if there is none")
    add("--format", choices=("png", "svg", "pdf"), default="png", help="of the figures (default: png)")
    add("--skip", type=float, default=0.0, metavar="PS", help="leave out the first time of the trajectory (default: 0)")
    add("--r-max", type=float, default=8.0, metavar="A", help="largest distance in Angstrom (default: 8)")
    add("--width", type=float, default=0.05, metavar="A", help="of the bins of distances in Angstrom (default: 0.05)")


def run(options: argparse.Namespace) -> None:
    common.need("ase", "ase.md.bussi", "matplotlib")
    if options.folder is not None:
        _training(options)
    else:
        _trajectory(options)


def _training(options: argparse.Namespace) -> None:
    from aenet_py.analysis import parity, runs
    from aenet_py.cli.summaries import report

    found = runs.read(options.folder)
    errors, drawn = runs.qualities(found), {"parity": parity.parity(found), "learning": parity.learning(found)}
    make_folder(options.output)
    tables.write(os.path.join(options.output, "errors.csv"), runs.COLUMNS, [runs.row(*k, q) for k, q in errors.items()])
    _save({name: figure for name, figure in drawn.items() if figure is not None}, options)
    print(report.trained({options.folder: errors}), end="")


def _trajectory(options: argparse.Namespace) -> None:
    from aenet_py.analysis import trajectory
    from aenet_py.cli.summaries import report

    size = os.path.getsize(options.trajectory) if os.path.exists(options.trajectory) else 0
    with common.progress(size, "B") as advance:
        found, history = trajectory.examine(options.trajectory, options.skip, options.r_max, options.width, advance)
    drawn = {"distances": trajectory.distances_figure(found)}
    if history is not None:
        drawn["history"] = trajectory.history_figure(history)
    make_folder(options.output)
    kind, unit = ("g", "") if found.normalised else ("neighbors", "_per_A")
    columns = ["r_A", *(f"{kind}_{a}_{b}{unit}" for a, b in found.pairs)]
    rows = [dict(zip(columns, row, strict=True)) for row in zip(found.r.tolist(), *found.values.tolist(), strict=True)]
    tables.write(os.path.join(options.output, "distances.csv"), columns, rows)
    peaks = [
        {"a": a, "b": b, "first_peak_A": place, "height": height} if place == place else {"a": a, "b": b}
        for (a, b), (place, height) in zip(found.pairs, found.peaks.tolist(), strict=True)
    ]
    tables.write(os.path.join(options.output, "peaks.csv"), ("a", "b", "first_peak_A", "height"), peaks)
    _save(drawn, options)
    print(report.trajectory(options.trajectory, found, history), end="")


def make_folder(path: str) -> None:
    """A folder for results, unless it is there; AenetError if it cannot be made."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise AenetError(f"{path}: cannot be made: {error.strerror}; expected a folder for the results") from None


def _save(drawn: dict[str, Figure], options: argparse.Namespace) -> None:
    from aenet_py.analysis import figures

    for name, figure in drawn.items():
        figures.save(figure, os.path.join(options.output, f"{name}.{options.format}"))
