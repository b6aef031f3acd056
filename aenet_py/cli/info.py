"""aenet-py info: what a file is and what is in it."""

from __future__ import annotations

import argparse
import json
import math
import os
from typing import Any

from aenet_py.cli import common

HELP = "say what a file is and what is in it"
DESCRIPTION = """Say what a file is and what is in it: a training set, gradients or a potential, binary or text; tables
and state of a training; structures; an input file. Energies are in eV, lengths in Angstrom."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="any file that the programs read or write")
    parser.add_argument("--check", action="store_true", help="read the whole file and check every value")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    from aenet_py.cli.summaries import info as report
    from aenet_py.tools.info import describe

    size = os.path.getsize(options.file) if os.path.exists(options.file) else 0
    with common.progress(size, "B") as advance:
        found = describe(options.file, options.check, advance)
    if found.get("angular_domain") == "before 2.0.4":
        common.warn(
            f"{options.file}: trained with the angular features of aenet before 2.0.4, which aenet_py recognises; "
            "later versions of aenet give wrong energies"
        )
    n_found = found.get("checked", {}).get("structures", math.inf)
    if n_found < found.get("structures", 0):
        n_missing = found["structures"] - n_found
        common.warn(f"{options.file}: {n_missing} structures fewer than announced; generate.x counts those it skips")
    if options.json:
        print(json.dumps(_without_infinities(found), indent=2))
    else:
        print(report.report(found), end="")


def _without_infinities(value: Any) -> Any:
    """The value with None in place of what JSON has no numbers for."""
    if isinstance(value, dict):
        return {key: _without_infinities(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_infinities(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
