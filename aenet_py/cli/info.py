"""aenet-py info: what a file is and what is in it."""

from __future__ import annotations

import argparse
import json
import os

from aenet_py.cli import common
from aenet_py.describe import describe
from aenet_py.report import info as report

HELP = "say what a file is and what is in it"
DESCRIPTION = """Say what a file is (training set, gradients or potential, binary or text) and what is in it. Energies
are in eV, lengths in Angstrom."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="a .train, .train.ascii, .train.forces, .nn or .nn.ascii file")
    parser.add_argument("--check", action="store_true", help="read the whole file and check every value")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    size = os.path.getsize(options.file) if options.check and os.path.exists(options.file) else 0
    with common.progress(size, "B") as advance:
        found = describe(options.file, options.check, advance)
    if found.get("angular_domain") == "before 2.0.4":
        common.warn(
            f"{options.file}: trained with the angular features of aenet before 2.0.4, which current programs compute "
            "differently: the energies they give for it are wrong"
        )
    print(json.dumps(found, indent=2) if options.json else report.report(found), end="\n" if options.json else "")
