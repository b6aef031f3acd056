"""train.x: train potentials on energies as ænet's own trainer does."""

from __future__ import annotations

import sys

from aenet_py import __version__
from aenet_py.cli import common
from aenet_py.inputs import trainx_deck

DESCRIPTION = f"""Train potentials on the energies of a training set. The input file is that of the original train.x;
METHOD is {trainx_deck.one_of(trainx_deck.METHODS)}."""


def main(argv: list[str] | None = None) -> int:
    parser = common.Parser(prog="train.x", description=DESCRIPTION)
    parser.add_argument("input", help="input file, usually train.in")
    parser.add_argument("--version", action="version", version=f"aenet_py {__version__}")
    options = parser.parse_args(argv)
    return common.run(lambda: run(options.input), left="the files of finished epochs are complete")


def run(path: str) -> None:
    """Carry out the deck at path, with the report on standard output."""
    deck = trainx_deck.read(path, common.warn)
    from aenet_py.training.trainx import run as trainx  # not needed for an error in the deck

    n_missing = trainx.run(deck, _say, common.warn)
    if n_missing:
        common.warn_of_missing(deck.training_set, n_missing)


def _say(text: str) -> None:
    sys.stdout.buffer.write(text.encode("latin-1"))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
