"""aenet-py diff: compare two files value by value."""

from __future__ import annotations

import argparse
import os

from aenet_py.cli import common
from aenet_py.cli.summaries import diff as report
from aenet_py.tools.diff import compare

HELP = "compare two files value by value"
DESCRIPTION = """Compare two training sets, files of gradients or potentials, each binary or text, value by value. Shows
the first difference and how many values differ. The exit status is 0 if the files agree, 1 if not."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", help="first file")
    parser.add_argument("b", help="second file")
    about = "allow real numbers to differ by N units in the last place (default: 0)"
    parser.add_argument("--ulp", type=_count, default=0, metavar="N", help=about)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of units, 0 or more")
    return int(text)


def run(options: argparse.Namespace) -> int:
    with common.progress(os.path.getsize(options.a) if os.path.exists(options.a) else 0, "B") as advance:
        result = compare(options.a, options.b, options.ulp, advance)
    print(report.report(options.a, options.b, result, options.ulp), end="")
    return 0 if result.agree else common.FAILURE
