"""aenet-py convert: structures from one kind of file to another."""

from __future__ import annotations

import argparse

from aenet_py.cli import common
from aenet_py.exchange import convert, needs_ase
from aenet_py.report import structures as report

HELP = "convert structures between extended XYZ, ASE databases and XSF"
DESCRIPTION = """Convert structures between extended XYZ (.extxyz, .xyz, also .xz and .gz), databases of ASE (.db,
.json) and XSF files with the energies that generate.x reads. Energies, forces, cells and periodicity are kept to the
last digit."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", nargs="+", metavar="IN", help="files of structures, or folders of such")
    parser.add_argument(
        "output", metavar="OUT", help="a new file; for XSF a folder, or a name with %%06d where the number shall be"
    )
    parser.add_argument("--incomplete", action="store_true", help="take structures without energy or forces, too")
    parser.add_argument("--skip-bad", action="store_true", help=report.SKIP_HELP)


def run(options: argparse.Namespace) -> None:
    if needs_ase([*options.input, options.output]):
        common.need("ase")
    bad = report.Skipped()
    with common.progress(0, " structures") as advance:
        done = convert(
            options.input, options.output, not options.incomplete, bad.add if options.skip_bad else None,
            advance, common.uninterrupted,
        )  # fmt: skip
    print(report.converted(options.output, done), end="")
    print(report.skipped(bad), end="")
