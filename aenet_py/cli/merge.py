"""aenet-py merge: several training sets joined to one."""

from __future__ import annotations

import argparse

from aenet_py.cli import common
from aenet_py.errors import counted
from aenet_py.tools.merge import merge, size

HELP = "join training sets that were made separately"
DESCRIPTION = """Join training sets, binary or text, that were made separately with the same species and set-ups, and
their gradients (.forces) if all have them. The result has the bytes that generate.x writes for all structures in
this order."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sets", nargs="+", metavar="SET", help="training sets")
    parser.add_argument("-o", "--output", required=True, help="new training set; one of this name is not overwritten")


def run(options: argparse.Namespace) -> None:
    with common.progress(size(options.sets), "B") as advance:
        done = merge(options.sets, options.output, advance)
    if done.n_structures < done.n_announced:
        missing = done.n_announced - done.n_structures
        common.warn(f"{options.output}: {missing} skipped structures stay counted in the header, as generate.x has it")
    gradients = " and their gradients" if done.with_gradients else ""
    print(f"{options.output}: {counted(done.n_structures, 'structure')}{gradients}, {counted(done.n_atoms, 'atom')}")
