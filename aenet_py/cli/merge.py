"""aenet-py merge: join training sets."""

from __future__ import annotations

import argparse

from aenet_py.cli import common
from aenet_py.errors import counted
from aenet_py.tools.merge import merge, size

HELP = "join training sets"
DESCRIPTION = """Join training sets, binary or text, with the same species, atomic energies and set-ups, and their
gradients (.forces) if all sets have them. The result is the same, byte for byte, as that of generate.x for all
structures in this order."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sets", nargs="+", metavar="SET", help="training sets")
    parser.add_argument("-o", "--output", required=True, metavar="NEW", help="new training set; must not exist")


def run(options: argparse.Namespace) -> None:
    with common.progress(size(options.sets), "B") as advance:
        done = merge(options.sets, options.output, advance)
    if done.n_structures < done.n_announced:
        common.warn_of_missing(options.output, done.n_announced - done.n_structures)
    gradients = " and their gradients" if done.with_gradients else ""
    print(f"{options.output}: {counted(done.n_structures, 'structure')}{gradients}, {counted(done.n_atoms, 'atom')}")
