"""aenet-py learn: from a few labels to a potential, in generations of simulations and new labels."""

from __future__ import annotations

import argparse
import signal

from aenet_py.cli import common
from aenet_py.errors import StoppedError

HELP = "learn a potential from few labels: simulate, label what is uncertain, train again"
DESCRIPTION = """Train a committee or a single potential, simulate with it, label the frames in which it is uncertain,
and train again, until simulations stay stable and certain or all labels are spent. The input file names the structures
that simulations start from and what computes energies and forces. The exit status is 0 once all is certain, otherwise
2."""
UNCERTAIN = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", help="input file, such as learn.toml")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.set_defaults(left="completed steps remain; repeat the command to resume")


def run(options: argparse.Namespace) -> int:
    common.need("ase", "ase.md.bussi", "matplotlib")
    from aenet_py.active import learn as loop
    from aenet_py.cli.summaries import learn as report
    from aenet_py.cli.summaries.closing import written
    from aenet_py.inputs import learn as inputs

    wanted = inputs.read(options.input)
    if options.dry_run:
        print(report.plan(wanted), end="")
        return 0
    with common.stopping() as stop:
        try:
            found = loop.learn(
                wanted, stop=lambda: stop() is not None, tell=common.note, progress=common.progress
            )  # fmt: skip
        except StoppedError as error:
            common.note(f"{str(error).capitalize()}; repeat the command to resume.")
            return 128 + signal.Signals[stop() or "SIGINT"]
    print(report.report(wanted, found) + written(found.written), end="")
    return 0 if found.reason == loop.CERTAIN else UNCERTAIN
