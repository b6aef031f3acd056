"""aenet-py report: figures and tables of a training, of a trajectory or of a study."""

from __future__ import annotations

import argparse
import os

from aenet_py.cli import common
from aenet_py.cli.summaries.closing import written
from aenet_py.errors import AenetError
from aenet_py.formats import tables
from aenet_py.runtime.output import make_folder

HELP = "figures and tables of a training, a trajectory or a study"
DESCRIPTION = """For the folder of a training (train.error, energies.*, forces.*): parity plots, learning curves and a
table of errors. For a trajectory: distances by pair of species and, if it is from aenet-py md, temperature and energy
over time. For the folder of a transfer-learning study (subsets.csv, finetuning.csv, simulations.csv, ...): one page
with all figures, tables and tests."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("folder", nargs="?", metavar="FOLDER", help="folder of a training")
    what.add_argument("--trajectory", metavar="FILE", help="from aenet-py md, or any .extxyz with the same atoms")
    what.add_argument("--study", metavar="FOLDER", help="folder with the tables of a transfer-learning study")
    into = "folder for the results, created if necessary; with --study: the page"
    add("-o", "--output", required=True, metavar="OUT", help=into)
    add("--format", choices=("png", "svg", "pdf"), default="png", help="format of the figures (default: png)")
    add("--markdown", metavar="FILE", help="with --study: write the tables as Markdown, too")
    add("--figures", metavar="FOLDER", help="with --study: write the figures as files, too")
    add("--skip", type=float, default=0.0, metavar="PS", help="leave out the start of the trajectory (default: 0)")
    add("--r-max", type=float, default=8.0, metavar="A", help="largest distance in Angstrom (default: 8)")
    add("--width", type=float, default=0.05, metavar="A", help="width of the bins in Angstrom (default: 0.05)")


def run(options: argparse.Namespace) -> None:
    common.need("ase", "ase.md.bussi", "matplotlib")
    if options.study is None and (options.markdown is not None or options.figures is not None):
        raise AenetError("--markdown and --figures are for --study only")
    if options.study is not None:
        _study(options)
    elif options.folder is not None:
        _training(options)
    else:
        _trajectory(options)


def _training(options: argparse.Namespace) -> None:
    from aenet_py.analysis import figures, parity, runs
    from aenet_py.cli.summaries import report

    with common.progress(runs.N_TABLES + 3, "steps") as advance:
        run = runs.read(options.folder, advance)
        errors = runs.qualities(run)
        drawn = {"parity": parity.parity(run), "learning": parity.learning(run)}
        advance(1)
        make_folder(options.output)
        table = os.path.join(options.output, "errors.csv")
        tables.write(table, runs.COLUMNS, [runs.row(*key, quality) for key, quality in errors.items()])
        advance(1)
        shown = {name: figure for name, figure in drawn.items() if figure is not None}
        saved = figures.save_all(shown, options.output, options.format)
        advance(1)
    print(report.trained({options.folder: errors}) + "\n" + report.test_errors(errors), end="")
    print(written([table, *saved]), end="")


def _trajectory(options: argparse.Namespace) -> None:
    from aenet_py.analysis import figures, trajectory
    from aenet_py.cli.summaries import report

    size = os.path.getsize(options.trajectory) if os.path.exists(options.trajectory) else 0
    with common.progress(size, "B") as advance:
        distances, history = trajectory.examine(options.trajectory, options.skip, options.r_max, options.width, advance)
    drawn = {"distances": trajectory.distances_figure(distances)}
    if history is not None:
        drawn["history"] = trajectory.history_figure(history)
    make_folder(options.output)
    kind, unit = ("g", "") if distances.normalised else ("neighbors", "_per_A")
    columns = ["r_A", *(f"{kind}_{a}_{b}{unit}" for a, b in distances.pairs)]
    values = zip(distances.r.tolist(), *distances.values.tolist(), strict=True)
    table, peak_table = (os.path.join(options.output, name) for name in ("distances.csv", "peaks.csv"))
    tables.write(table, columns, [dict(zip(columns, row, strict=True)) for row in values])
    peaks = [
        {"a": a, "b": b, "first_peak_A": position, "height": height} if position == position else {"a": a, "b": b}
        for (a, b), (position, height) in zip(distances.pairs, distances.peaks.tolist(), strict=True)
    ]
    tables.write(peak_table, ("a", "b", "first_peak_A", "height"), peaks)
    saved = figures.save_all(drawn, options.output, options.format)
    print(report.trajectory(options.trajectory, distances, history) + written([table, peak_table, *saved]), end="")


def _study(options: argparse.Namespace) -> None:
    from aenet_py.studies import report

    with common.progress(0, "figures") as advance:
        paths = report.report(options.study, options.output, options.markdown, options.figures, options.format, advance)
    print(written(paths), end="")
