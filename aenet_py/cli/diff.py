"""aenet-py diff: where two files differ, value by value."""

from __future__ import annotations

import argparse
import os

from aenet_py.cli import common
from aenet_py.cli.summaries import diff as report
from aenet_py.tools.diff import compare

HELP = "compare two files value by value"
DESCRIPTION = """Compare two training sets, gradients or potentials, each binary or text, value by value: which differs
first, by how many units in the last place, how many differ in all. Exit status 0 if they agree, 1 if not."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", help="first file")
    parser.add_argument("b", help="second file")
    parser.add_argument(
        "--ulp", type=_count, default=0, metavar="N", help="let real numbers be N units in the last place apart"
    )


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a number of units, 0 or more")
    return int(text)


def run(options: argparse.Namespace) -> int:
    with common.progress(os.path.getsize(options.a) if os.path.exists(options.a) else 0, "B") as advance:
        found = compare(options.a, options.b, options.ulp, advance)
    print(report.report(options.a, options.b, found, options.ulp), end="")
    return 0 if found.agree else common.FAILURE
