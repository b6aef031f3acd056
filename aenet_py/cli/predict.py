"""predict.x: energies and forces of structures, computed with trained potentials."""

from __future__ import annotations

import contextlib
import sys

from aenet_py import __version__
from aenet_py.cli import common
from aenet_py.descriptors.model import species_of
from aenet_py.errors import counted
from aenet_py.formats import structures as structure_files
from aenet_py.formats.text import foreign, native
from aenet_py.inputs import predict as inputs
from aenet_py.neighbors.search import is_repeated
from aenet_py.pipelines import predict
from aenet_py.report import predict as report
from aenet_py.report.generate import debug_lines
from aenet_py.report.timing import TimingLog
from aenet_py.runtime.output import PendingFile
from aenet_py.runtime.workers import processors

DESCRIPTION = """Compute energies and, with FORCES, forces of atomic structures with trained potentials; with RELAX,
relax the structures. The input file is that of the original predict.x."""


def main(argv: list[str] | None = None) -> int:
    parser = common.Parser(prog="predict.x", description=DESCRIPTION)
    parser.add_argument("input", help="input file, usually predict.in")
    parser.add_argument(
        "structures", nargs="*", default=[], metavar="structures", help="structures to use instead of those under FILES"
    )
    common.add_threads(parser)
    parser.add_argument("--version", action="version", version=f"aenet_py {__version__}")
    options = parser.parse_intermixed_args(argv)  # so that structures may follow options
    structures = [foreign(path) for path in options.structures]
    return common.run(
        lambda: run(options.input, structures, options.threads), left="earlier structures have been printed"
    )


def run(path: str, structures: list[str], threads: int | None) -> None:
    """Carry out the deck at path, with the report on standard output."""
    deck = inputs.read(path, structures, common.warn)
    potential = predict.load(deck)
    shown = not (deck.quiet or sys.stdout.isatty())
    with common.progress(structure_files.n_bytes(deck.structures), "B", wanted=shown) as advance:
        given = structure_files.sources(deck.structures, advance=advance)
    n_structures = structure_files.n_structures(given)

    def say(text: str) -> None:
        sys.stdout.buffer.write(text.encode("latin-1"))

    if not deck.quiet:
        for symbol, n in zip(potential.types, potential.networks.constant, strict=True):
            if n:
                common.warn(f"{counted(n, 'feature')} of {symbol} did not vary in the training set; set to zero")
        say(report.opening())
        for network, trained in zip(deck.networks, potential.files, strict=True):
            say(report.potential(foreign(network), trained))
        say(report.evaluation())
    outside, repeated = 0, []
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(TimingLog("predict.time")) if deck.timing else None
        debug = stack.enter_context(PendingFile("predict.debug")) if deck.debug else None
        advance = stack.enter_context(common.progress(n_structures, "structures", wanted=shown))
        for number, item in enumerate(predict.predict(deck, given, potential, say, threads or processors()), 1):
            outside += bool(item.prediction.outside.any())
            if is_repeated(item.structure, potential.model.r_max):
                repeated.append(native(item.path))
            if log is not None:
                log.line(f"Structure: {number}")
            if debug is not None:
                types = species_of(potential.model, item.structure)
                debug.write(debug_lines(item.prediction.features, potential.model.basis.sizes[types]).encode())
            advance(1)
        if not deck.quiet:
            say(report.closing())
        sys.stdout.flush()
        if log is not None:
            log.line("Timing finished.")
        for file in (log, debug):
            if file is not None:
                file.complete(replace=True)
    common.warn_of_repeated(repeated)
    if outside and not deck.quiet:
        common.note(f"{outside} of {n_structures} structures have features outside the range of the training set")


if __name__ == "__main__":
    sys.exit(main())
