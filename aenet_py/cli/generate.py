"""generate.x: compute a training set from structures."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from aenet_py import __version__
from aenet_py.cli import common, entry
from aenet_py.errors import AenetError
from aenet_py.formats import structures as structure_files
from aenet_py.formats.text import foreign, native
from aenet_py.inputs import generate as inputs
from aenet_py.inputs.keywords import nobody
from aenet_py.pipelines import atomic_energies, featurize, repulsions
from aenet_py.report import generate as report
from aenet_py.report.timing import TimingLog
from aenet_py.runtime.launch import launched
from aenet_py.runtime.output import PendingFile, already_exists, complete_together
from aenet_py.runtime.workers import Workers, processors

if TYPE_CHECKING:
    from aenet_py.runtime import mpi

DESCRIPTION = """Compute a training set from atomic structures with energies and forces: a file of features and, with
FORCES, a file of their gradients. The input file is that of the original generate.x."""


def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    wanted = _mpi_options().parse_known_args(arguments)[0].mpi
    if launched() if wanted is None else wanted:
        return _with_others(arguments)
    if wanted is None and entry.is_spare("generate.x", "; use srun --mpi=pmix or --mpi=pmi2 to let them work together"):
        return 0
    return _command(arguments, None)


def parser() -> argparse.ArgumentParser:
    """All options of the command."""
    made = common.Parser(prog="generate.x", description=DESCRIPTION, parents=[_mpi_options()])
    made.add_argument("input", help="input file, usually generate.in")
    common.add_threads(made, "threads per process")
    made.add_argument("--version", action="version", version=f"aenet_py {__version__}")
    return made


def _mpi_options() -> argparse.ArgumentParser:
    """Options that are needed before it is known whether this process runs the command."""
    made = common.Parser(prog="generate.x", add_help=False)
    made.add_argument(
        "--mpi",
        action=argparse.BooleanOptionalAction,
        help="share the work with the other processes of mpirun (default: if there are any)",
    )
    return made


def _with_others(arguments: list[str]) -> int:
    """Run under MPI: rank 0 carries out the command, the other ranks compute for it."""
    from aenet_py.runtime import mpi  # a run without MPI starts faster

    try:
        world = mpi.world()
    except AenetError as error:
        return common.fail(f"Error: {error}", common.FAILURE)
    if world.rank > 0:
        return mpi.follow(world, arguments)
    if world.size == 1:
        return _command(arguments, None)
    pool, status = mpi.MpiPool(world), common.FAILURE
    try:
        status = _command(arguments, pool)
    except SystemExit as stop:  # --help, or a wrong option
        status = int(stop.code or 0)
        raise
    finally:
        pool.dismiss(status)
    return status


def _command(arguments: list[str], pool: mpi.MpiPool | None) -> int:
    options = parser().parse_args(arguments)

    threads = options.threads or processors()

    def workers(deck: inputs.GenerateInput) -> Workers:
        if pool is None:
            return Workers(threads)
        return Workers(pool.begin(options.threads, arguments, [deck.path, *deck.setups]), pool)

    return common.run(lambda: generate(options.input, workers, nameless=pool is not None, threads=threads))


def generate(path: str, workers_for: Callable[[inputs.GenerateInput], Workers], nameless: bool, threads: int) -> None:
    """Carry out the deck at path, with the report on standard output.

    threads : of this process; nameless : files have no names until they are complete, because launchers kill processes
    that they stop.
    """
    deck = inputs.read(path, common.warn)
    warn = nobody if deck.quiet else common.warn
    model = featurize.read_model(deck.types, atomic_energies.numbers(deck.atomic_energies), deck.setups, warn)
    for note in model.basis.notes:
        warn(note)
    if os.path.exists(deck.output):
        raise already_exists(deck.output)
    shown = not (deck.quiet or sys.stdout.isatty())
    with common.progress(structure_files.n_bytes(deck.structures), "B", wanted=shown) as advance:
        given = structure_files.sources(deck.structures, deck.labels, advance)
    n_structures = structure_files.n_structures(given)
    chosen, seed = _choose_forces(deck, n_structures)
    model, used = repulsions.of_files(model, deck.repulsion, given, threads)
    if used is not None:
        common.note(used)
    if not atomic_energies.are_given(deck.atomic_energies):
        model, used = atomic_energies.of_files(model, deck.atomic_energies, given, threads)
        common.note(used)
    workers = workers_for(deck)

    def say(text: str) -> None:
        sys.stdout.buffer.write(text.encode("latin-1"))

    say(report.opening())
    with contextlib.ExitStack() as stack:
        train = stack.enter_context(PendingFile(deck.output, nameless))
        forces = stack.enter_context(PendingFile(deck.output + ".forces", nameless)) if deck.forces else None
        log = stack.enter_context(TimingLog("generate.time", nameless)) if deck.timing else None
        debug = stack.enter_context(PendingFile("generate.debug", nameless)) if deck.debug else None
        if log is not None:
            say(report.timing_notice())
            log.line("Structural fingerprint basis initialized.")
        say(report.start(deck.types, n_structures, model.setups))
        if log is not None:
            log.line("Training set file started.")

        repeated: list[str] = []

        def on_batch(batch: featurize.FeaturizedBatch) -> None:
            repeated.extend(native(structure.path) for structure in batch.structures if structure.repeated)
            if log is not None:
                log.structures([structure.index + 1 for structure in batch.structures], batch.seconds)
            if debug is not None:
                debug.write(report.debug_lines(batch.features, model.basis.sizes[batch.types]).encode())
            advance(len(batch.structures))

        with common.progress(n_structures, "structures", wanted=shown) as advance:
            summary = featurize.write_training_set(model, given, chosen, train, forces, say, on_batch, workers)
        n_skipped = n_structures - summary.n_included
        if n_skipped and not deck.quiet:
            common.warn_of_missing(deck.output, n_skipped)
        common.warn_of_repeated(repeated)
        for warning in summary.warnings:
            common.warn(warning)
        absurd = atomic_energies.warning(summary.energies, model.atomic_energies)
        if absurd is not None:
            warn(f"{path}: {absurd}")
        say(report.summary(foreign(deck.output), deck.types, n_structures, summary.n_included, summary.energies))
        say(report.closing())
        sys.stdout.flush()
        if log is not None:
            log.line("Loop over structures done.")
            log.totals()
            log.line("Timing finished.")
        complete_together(train, [file for file in (forces, log, debug) if file is not None])
    if seed is not None:
        common.note(f"Forces of {len(chosen)} of {n_structures} structures, drawn with FORCESSEED {seed}")


def _choose_forces(deck: inputs.GenerateInput, n: int) -> tuple[frozenset[int], int | None]:
    """0-based indices of the structures whose gradients are written, and the seed if they were drawn."""
    if not deck.forces:
        return frozenset(), None
    if deck.forces_list is not None:
        return frozenset(inputs.read_forces_list(deck.forces_list, n)), None
    seed = int.from_bytes(os.urandom(4), "little") if deck.forces_seed is None else deck.forces_seed
    return frozenset(inputs.choose_forces(n, deck.forces_percent, seed)), seed


if __name__ == "__main__":
    sys.exit(main())
