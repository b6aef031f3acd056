"""aenet-py init: a folder that is ready for a training, from a set of structures."""

from __future__ import annotations

import argparse
import warnings

from aenet_py.cli import common

HELP = "write set-ups and input files for a training on structures"
DESCRIPTION = """Inspect structures and write a folder that is ready for training: fingerprint set-ups, generate.in,
train.in, predict.in and a README.md with the commands to run. Prints what was chosen, and why. Existing files are not
overwritten."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    about = "files with structures, folders of these, frames FILE#INDEX, or input files with FILES"
    add("data", nargs="+", metavar="DATA", help=about)
    add(
        "-o", "--output", default="potential", metavar="FOLDER",
        help="folder for the files, created if necessary (default: potential)",
    )  # fmt: skip
    add("--transfer", metavar="SOURCE", help="fine-tune the potentials in this folder of a finished training")
    add("--format", metavar="NAME", help="read all files with ASE in this format, for example vasp-out")
    common.add_labels(parser)
    common.add_threads(parser)


def run(options: argparse.Namespace) -> int:
    from aenet_py.cli.summaries import init as report
    from aenet_py.tools.init import init

    with common.warnings_in_a_line(Warning):
        warnings.simplefilter("ignore", FutureWarning)  # those of ASE are meant for programmers
        done = init(
            options.data, options.output, transfer=options.transfer, energy_key=options.energy,
            forces_key=options.forces, format_name=options.format, threads=options.threads, progress=common.progress,
        )  # fmt: skip
    print(report.report(done), end="")
    return 0
