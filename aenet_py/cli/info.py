"""aenet-py info: identify a file and summarise its contents."""

from __future__ import annotations

import argparse
import json
import math
import os
from typing import Any

from aenet_py.cli import common

HELP = "identify a file and summarise its contents"
DESCRIPTION = """Identify a file and summarise its contents: training sets, gradients and potentials, binary or text;
tables and state of a training; structures; input files. Energies are in eV, lengths in Angstrom."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="a file that one of the programs reads or writes, or a folder of potentials")
    parser.add_argument("--check", action="store_true", help="read the whole file and check every value")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    from aenet_py.cli.summaries import info as report
    from aenet_py.tools.info import describe
    from aenet_py.tools.info.folders import POTENTIALS

    size = os.path.getsize(options.file) if os.path.isfile(options.file) else 0
    with common.progress(size, "B") as advance:
        described = describe(options.file, options.check, advance)
    of_folder = described["potentials"].values() if described["kind"] == POTENTIALS else [described]
    for each in of_folder:
        if each.get("angular_domain") == "before 2.0.4":
            common.warn(
                f"{each['file']}: trained with the angular features of aenet before 2.0.4, which aenet_py uses for it; "
                "later versions of aenet give wrong energies"
            )
    n_announced = described.get("structures", 0)
    n_missing = n_announced - described.get("checked", {}).get("structures", n_announced)
    if n_missing > 0:
        common.warn_of_missing(options.file, n_missing)
    if options.json:
        print(json.dumps(_finite(described), indent=2))
    else:
        print(report.report(described), end="")


def _finite(value: Any) -> Any:
    """The value with None in place of numbers that JSON cannot represent."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
