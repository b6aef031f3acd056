"""aenet-py convert: convert structures between file formats."""

from __future__ import annotations

import argparse
import os
import warnings

from aenet_py.cli import common
from aenet_py.cli.summaries import structures as report
from aenet_py.formats.labels import Labels
from aenet_py.tools.convert import convert, files_of, needs_ase

HELP = "convert structures to extended XYZ, ASE databases or XSF"
DESCRIPTION = """Convert structures to extended XYZ (.extxyz, .xyz, optionally followed by .xz or .gz), to an ASE
database (.db, .json) or to XSF files for generate.x. Reads these formats and all others that ASE reads: OUTCAR,
vasprun.xml, output of FHI-aims and Quantum ESPRESSO, .traj, CIF and so on. Energies, forces, cells and periodicity are
kept to the last digit."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", nargs="+", metavar="IN", help="structures: files, frames FILE#N, or folders")
    parser.add_argument(
        "output", metavar="OUT", help="new file; for XSF a folder, or a name with %%06d in place of the number"
    )
    parser.add_argument("--format", metavar="NAME", help="read all files with ASE in this format, for example vasp-out")
    parser.add_argument("--incomplete", action="store_true", help="accept structures without energy or forces")
    common.add_labels(parser)
    parser.add_argument("--skip-bad", action="store_true", help=report.SKIP_HELP)


def run(options: argparse.Namespace) -> None:
    if needs_ase(options.input, options.output, options.format):
        common.need("ase")
    bad = report.Skipped()
    size = sum(os.path.getsize(path) for path in files_of(options.input) if os.path.isfile(path))
    with common.progress(size, "B") as advance, common.warnings_in_a_line(Warning):
        warnings.simplefilter("ignore", FutureWarning)  # those of ASE are meant for programmers
        done = convert(
            options.input, options.output, options.format, not options.incomplete,
            bad.add if options.skip_bad else None, advance, Labels(options.energy, options.forces),
        )  # fmt: skip
    for warning in done.warnings:
        common.warn(warning)
    print(report.skipped(bad) + report.converted(options.output, done), end="")
