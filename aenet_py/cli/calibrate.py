"""aenet-py calibrate: how uncertain the forces of a potential are."""

from __future__ import annotations

import argparse
import os

from aenet_py.cli import common
from aenet_py.errors import AenetError
from aenet_py.formats.uncertainty import FEATURES, LAST_LAYER, NAME

HELP = "calibrate the uncertainty of forces against true errors"
DESCRIPTION = """Learn from the training set, and from structures with known forces, how large the force error of each
atom is likely to be: by the distance of its features to the training set or, of a committee, by the spread of forces.
Writes uncertainty.json, which ANNCalculator and aenet-py md use."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("structures", nargs="+", metavar="STRUCTURES", help="the training set: files with structures, or folders")
    common.add_potentials(parser)
    add(
        "--validation", nargs="+", default=[], metavar="FILE",
        help="structures whose force errors count (default: those of STRUCTURES that the training held out, else all)",
    )  # fmt: skip
    methods = [FEATURES, LAST_LAYER.replace(" ", "-")]
    add(
        "--method", choices=methods,
        help="distance to the training set by features (default) or in the last hidden layer; not for committees",
    )  # fmt: skip
    add("-o", "--output", metavar="FILE", help=f"file to write (default: {NAME} in the folder of the potentials)")
    common.add_labels(parser)
    common.add_legacy_angular(parser)
    common.add_threads(parser)


def run(options: argparse.Namespace) -> None:
    from aenet_py.cli.summaries import calibrate as report
    from aenet_py.evaluation.calibrate import calibrate

    given = common.members(options.potential)
    folder = given[0] if len(given) == 1 and isinstance(given[0], str) else None
    output = options.output or (folder and os.path.join(folder, NAME))
    if output is None:
        raise AenetError("give the file to write with -o; only a single folder of potentials has a default")
    with common.progress(0, "structures") as advance:
        found = calibrate(
            given, options.structures, options.validation, training=folder, output=output,
            method=options.method and options.method.replace("-", " "), legacy_angular=options.legacy_angular,
            energy_key=options.energy, forces_key=options.forces, threads=options.threads, advance=advance,
        )  # fmt: skip
    print(report.report(found), end="")
