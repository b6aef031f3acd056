"""aenet-py select: subsets of large sets of structures."""

from __future__ import annotations

import argparse

from aenet_py.cli import common
from aenet_py.cli.summaries import structures
from aenet_py.cli.summaries.closing import written
from aenet_py.selection.select import select

HELP = "select structures from large sets"
DESCRIPTION = """Select structures from files of extended XYZ, such as those of OC20: by their elements, without
anomalous systems, at random such that energies are distributed as in the whole set. Writes them unchanged, with a
table, a report and figures."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", nargs="+", help="files .extxyz or .xyz (also .xz, .gz), or folders with such files")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="new file .extxyz (also .xz, .gz)")
    elements = parser.add_argument_group("elements, such as Cu,Au")
    elements.add_argument("--any", metavar="LIST", default=(), help="at least one of these must be present")
    elements.add_argument("--all", metavar="LIST", default=(), help="all of these must be present")
    elements.add_argument("--only", metavar="LIST", default=(), help="no other elements may be present")
    parser.add_argument("--exclude-anomalies", metavar="FILE", help="leave out systems whose anomaly in FILE is not 0")
    parser.add_argument("--n", type=int, metavar="N", help="number of structures to draw (default: all that match)")
    parser.add_argument("--seed", type=int, metavar="S", help="seed of the draw (default: random, and reported)")
    parser.add_argument(
        "--strata", type=int, metavar="K", default=100,
        help="number of equal parts along the energy per atom from which structures are drawn (default: 100)",
    )  # fmt: skip
    common.add_labels(parser)
    parser.add_argument("--skip-bad", action="store_true", help=structures.SKIP_HELP)
    parser.add_argument("--no-figures", action="store_true", help="draw no figures")


def run(options: argparse.Namespace) -> None:
    if not options.no_figures:
        common.need("matplotlib")
    selection = select(
        options.source,
        options.output,
        any_of=options.any,
        all_of=options.all,
        only=options.only,
        anomalies=options.exclude_anomalies,
        n=options.n,
        seed=options.seed,
        strata=options.strata,
        energy=options.energy,
        forces=options.forces,
        skip_bad=options.skip_bad,
        figures=not options.no_figures,
        progress=common.progress,
        publishing=common.uninterrupted,
    )
    n, n_all = len(selection.structures), len(selection.survey.numbers)
    print(f"{selection.report}\n{written(selection.files.written())}selected: {n:,} of {n_all:,} structures")
