"""aenet_pytorch.py: train potentials."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from aenet_py import __version__
from aenet_py.cli import common
from aenet_py.inputs import train as inputs

if TYPE_CHECKING:
    from aenet_py.training.ranks import Ranks

DESCRIPTION = """Train neural-network potentials on a training set of generate.x, one network per species. The input
file is the train.in of aenet-PyTorch; the training set may be binary (.train) or text (.train.ascii). Several
processes train together under torchrun --nproc-per-node K."""


def main(argv: list[str] | None = None) -> int:
    parser = common.Parser(prog="aenet_pytorch.py", description=DESCRIPTION)
    parser.add_argument("input", nargs="?", default="train.in", help="input file (default: train.in)")
    parser.add_argument("--version", action="version", version=f"aenet_py {__version__}")
    options = parser.parse_args(argv)
    return common.run(lambda: train(options.input), left="files saved before are kept")


def train(path: str) -> int:
    """Train as the input file at path says, with the report on standard output; returns the exit status.

    With several processes, the first one prints and writes, and exits last.
    """
    from aenet_py.training import ranks as processes

    with processes.joined() as ranks:
        if ranks.rank == 0:
            _run(path, ranks)
            return 0
        try:
            _run(path, ranks)
        except (KeyboardInterrupt, common.Terminated):
            return common.FAILURE  # the first process notices that this one has left
        except processes.SharedError:
            ranks.outlast()
            return common.FAILURE
        ranks.outlast()
        return 0


def _run(path: str, ranks: Ranks) -> None:
    is_first = ranks.rank == 0
    deck = ranks.together(lambda: inputs.read(path, common.warn if is_first else lambda text: None))  # noqa: ARG005
    from aenet_py.cli.summaries.train import Report, of_committee
    from aenet_py.training import committee, flow
    from aenet_py.training.events import Events

    if deck.committee is not None:
        ranks.together(lambda: committee.check(deck, ranks.size))
        with common.stopping() as stop:
            outcome = committee.run(deck, Report(deck), lambda: stop() is not None)
        if outcome is None:
            common.note(f"Stopped by {stop() or 'a signal'}; all members are saved, and the same command resumes.")
        else:
            print(of_committee(outcome), end="")
        return
    flow.run(deck, ranks, Report(deck) if is_first else Events())


if __name__ == "__main__":
    sys.exit(main())
