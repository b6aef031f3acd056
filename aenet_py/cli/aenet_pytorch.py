"""aenet_pytorch.py: train potentials."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from aenet_py import __version__
from aenet_py.cli import common
from aenet_py.errors import AenetError
from aenet_py.inputs import train as inputs
from aenet_py.runtime import locks

if TYPE_CHECKING:
    import torch

    from aenet_py.inputs.train import TrainInput, Transfer
    from aenet_py.training.data.dataset import Data
    from aenet_py.training.data.splits import Draw
    from aenet_py.training.data.test_set import Split
    from aenet_py.training.initialise import Begun
    from aenet_py.training.loop import Errors
    from aenet_py.training.ranks import Ranks
    from aenet_py.training.state import State
    from aenet_py.training.transfer import Origin

DESCRIPTION = """Train neural-network potentials on a training set of generate.x, one network a species. The input file
is the train.in of aenet-PyTorch; the training set may be the binary .train or the .train.ascii. Several processes train
together under torchrun --nproc-per-node K."""

Say = Callable[[str], None]
LOCKED = "train.error"  # which every training of a folder writes, MODE transfer as well
SHORT = 1e-4  # seconds until a thread that imports lets another one go on


def main(argv: list[str] | None = None) -> int:
    parser = common.Parser(prog="aenet_pytorch.py", description=DESCRIPTION)
    parser.add_argument("input", nargs="?", default="train.in", help="input file (default: train.in)")
    parser.add_argument("--version", action="version", version=f"aenet_py {__version__}")
    options = parser.parse_args(argv)
    return common.run(lambda: train(options.input), left="what was saved before stays")


@dataclasses.dataclass(frozen=True)
class Voice:
    """How a process speaks: say on standard output, note and warn on standard error."""

    say: Say
    note: Say
    warn: Say


def train(path: str) -> int:
    """Do what the deck at path asks for, with the report on standard output; the exit status.

    With several processes the first one speaks and writes, and is the last to leave.
    """
    from aenet_py.training import ranks as processes

    with processes.joined() as ranks:
        if ranks.rank == 0:
            _run(path, ranks, Voice(_say, common.note, common.warn))
            return 0
        try:
            _run(path, ranks, Voice(_silent, _silent, _silent))
        except (KeyboardInterrupt, common.Terminated):
            return common.FAILURE  # the first process notices that this one has left
        except processes.SharedError:
            ranks.outlast()
            return common.FAILURE
        ranks.outlast()
        return 0


def _say(text: str) -> None:
    sys.stdout.buffer.write(text.encode("latin-1"))
    sys.stdout.flush()


def _silent(text: str) -> None: ...


def _run(path: str, ranks: Ranks, voice: Voice) -> None:
    deck = ranks.together(lambda: inputs.read(path, voice.warn))
    ranks.agree(f"decks {path}", lambda: deck)
    with contextlib.ExitStack() as stack:
        alone = locks.held(LOCKED, "training")
        ranks.together(lambda: stack.enter_context(alone) if ranks.rank == 0 else None)
        _train_alone(deck, ranks, voice)


def _train_alone(deck: TrainInput, ranks: Ranks, voice: Voice) -> None:
    """Do what the deck asks for, in a folder that no other training writes to."""
    from aenet_py.descriptors import chebyshev
    from aenet_py.report import train as report

    def tell(text: str) -> None:
        if deck.verbose:
            voice.say(text)

    voice.say(report.opening())
    tell(report.parameters(deck))
    if ranks.size > 1:
        voice.note(f"{ranks.size} processes train together; threads of each on this machine: {ranks.threads}.")
    data, draw, stored = ranks.together(lambda: _prepare(deck, ranks, tell, voice.note))
    for note in chebyshev.notes(data.setups):
        voice.warn(note)
    with common.stopping() as stop:
        ended = deck.mode == "batches" or _train(deck, data, draw, stored, ranks, voice, tell, stop)
    if ended:
        voice.say(report.closing())


def _prepare(deck: TrainInput, ranks: Ranks, tell: Say, note: Say) -> tuple[Data, Draw, dict[str, Any] | None]:
    """Read the training set and draw the batches, or load both; save them where that is asked for.

    Besides the two: the state to go on from, if there is one.
    """
    import numpy as np

    from aenet_py.report import train as report
    from aenet_py.training import memory_estimate
    from aenet_py.training.data import dataset, packing, splits, test_set

    def tell_data(data: Data) -> None:
        with_forces = data.structures.with_forces
        n, n_forces = len(with_forces), int(with_forces.sum())
        tell(report.data(data.training, n, n_forces, data.n_removed, deck.transfer is not None))

    if deck.load_batches:
        tell(report.loading_batches())
        from aenet_py.training.data import saved

        data, draw = saved.load(deck)
        note(ranks.together(lambda: memory_estimate.check_loaded(deck, data, ranks)))
        tell_data(data)
        stored, before = _state(deck)
        if before is not None:
            draw = test_set.draw(deck, data.structures.with_forces, data.structures.paths, before)
    else:
        tell(report.reading())
        note(ranks.together(lambda: memory_estimate.check(deck, ranks)))
        found = dataset.read(deck)
        mine = None
        if ranks.size > 1 and not (deck.save_batches and ranks.rank == 0):
            is_kept = dataset.kept(deck, found)
            paths = [entry.path.strip() for entry, kept in zip(found.structures.entries, is_kept, strict=True) if kept]
            draw = test_set.draw(deck, dataset.with_forces_ahead(deck, found), paths, _state(deck)[1])
            n_atoms = np.diff(found.structures.starts)[is_kept]
            mine = splits.shared(draw, n_atoms, ranks.rank, ranks.size)
        n, recompute = len(found.structures.entries), deck.memory_mode == "recompute"
        with contextlib.ExitStack() as stack:
            advance = stack.enter_context(common.progress(n, " structures", wanted=recompute and ranks.rank == 0))
            if deck.alpha is not None and not recompute:
                packing.ready()
                stack.enter_context(_importing("torch"))
            data = dataset.prepare(deck, found, mine, advance, ranks.threads)
        tell_data(data)
        tell(report.preparing())
        stored, before = _state(deck)
        draw = test_set.draw(deck, data.structures.with_forces, data.structures.paths, before)
        tell(report.batches(deck.batch_size, len(draw.train), draw.energy_size, draw.force_size))
    splits.check_ranks(draw, ranks.size, deck.path)
    if deck.save_batches and ranks.rank == 0:
        tell(report.saving_batches())
        from aenet_py.training.data import saved

        saved.save(deck, data, draw)
    return data, draw, stored


def _state(deck: TrainInput) -> tuple[dict[str, Any] | None, Split | None]:
    """The state to go on from, and what it knows of its structures; None where there is none."""
    from aenet_py.training import checkpoint

    stored = None if deck.mode == "batches" else checkpoint.read(checkpoint.path_of(deck))
    return stored, checkpoint.split_of(stored)


@contextlib.contextmanager
def _importing(module: str) -> Iterator[None]:
    """Import a module meanwhile: torch takes a second, in which the gradients can be read.

    The block must import nothing itself: of two threads whose modules need each other, Python gives one a module that
    is not complete.
    """
    from concurrent.futures import ThreadPoolExecutor

    usual, thread = sys.getswitchinterval(), ThreadPoolExecutor(1)
    sys.setswitchinterval(SHORT)
    try:
        with common.uninterrupted():
            imported = thread.submit(importlib.import_module, module)
        yield
    finally:
        with common.uninterrupted():  # a thread that is left behind ends where signals are tracebacks
            thread.shutdown()
        sys.setswitchinterval(usual)
    imported.result()


def _report_transfer(deck: TrainInput, begun: Begun, ranks: Ranks, wanted: Transfer, origin: Origin) -> str:
    from aenet_py.report import train as report
    from aenet_py.training import run, transfer

    networks, unit = begun.state.networks, begun.data.training.scale
    n_layers, n_frozen = [len(layers) for layers in networks.species], transfer.frozen(wanted, networks, origin)
    rows = list(zip(deck.symbols, origin.paths, n_layers, n_frozen, origin.shifts, origin.added, strict=True))
    alpha = deck.alpha or 0.0
    errors = [run.errors(begun.state.tested, part, begun.scales, ranks, alpha) for part in (begun.train, begun.test)]
    pairs = zip(*(vars(found).values() for found in errors), strict=True)
    return report.transfer(wanted, rows, origin.scale, origin.error, [error / unit for pair in pairs for error in pair])


def _train(
    deck: TrainInput, data: Data, draw: Draw, stored: dict[str, Any] | None, ranks: Ranks, voice: Voice, tell: Say,
    stop: Callable[[], str | None],
) -> bool:  # fmt: skip
    """Train and write the results; whether the training ended and was not stopped."""
    import torch

    from aenet_py.formats import trained
    from aenet_py.report import train as report
    from aenet_py.training import checkpoint, results, run, transfer
    from aenet_py.training.data import dataset
    from aenet_py.training.initialise import begin
    from aenet_py.training.ranks import LostError

    say = voice.say
    torch.set_grad_enabled(False)
    torch.manual_seed(deck.torch_seed)
    device = ranks.together(ranks.device)
    if device.type == "cpu":
        torch.set_num_threads(1)  # its threads wait by spinning, and take the time of those that sum gradients
    else:
        # So that a resumed training equals an uninterrupted one.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    begun = ranks.together(lambda: begin(deck, data, draw, stored, device, ranks, voice.warn))
    ranks.agree(
        "data, or states to go on from", lambda: (begun.mark, run.checksum(begun.state), dataset.checksum(data))
    )
    if stored is not None and checkpoint.interrupted(stored) is None:
        voice.note(
            f"{checkpoint.path_of(deck)} holds a finished training. It continues for up to {deck.epochs} more epochs "
            "(ITERATIONS), counted from 0, and replaces train.error and the potentials."
        )
    data, state, train, test, origin = begun.data, begun.state, begun.train, begun.test, begun.origin
    unit = data.training.scale
    tell(report.networks(deck, [setup.n_features for setup in data.setups], begun.restarted))
    if deck.transfer is not None and origin is not None:
        say(_report_transfer(deck, begun, ranks, deck.transfer, origin))
    tell(report.details(deck, str(device)))
    on_terminal = sys.stdout.isatty()
    (say if on_terminal else tell)(report.table_head())
    kept = None if origin is None else transfer.stored(origin)
    goes_on = f"{checkpoint.path_of(deck)} and the potentials are saved, and the same command goes on from there"

    def content(state: State, finished: bool) -> dict[str, bytes]:
        stored = checkpoint.content(state, begun.mark, begun.split, deck.learning_rate, finished, kept)
        return {checkpoint.path_of(deck): stored}

    def write(*stages: dict[str, bytes]) -> None:
        with common.uninterrupted():
            results.write(stages)

    def save(state: State) -> None:
        """What the same command needs to go on, the potentials and the table so far."""
        if ranks.rank:
            return
        table = trained.error_lines(state.table, deck.alpha is not None).encode()
        potentials = dict(results.potentials(deck, data, state.result))
        write(content(state, False), potentials, {"train.error": table})

    @contextlib.contextmanager
    def saving_if_lost() -> Iterator[None]:
        try:
            yield
        except LostError as error:
            save(state)
            raise LostError(f"{error}; {goes_on}") from None

    began = time.time()
    with contextlib.ExitStack() as stack:
        advance = stack.enter_context(_progress(deck, state, unit, say, ranks.rank == 0))

        def after_epoch(trained: Errors, written: bool) -> None:
            advance(trained, report.table_line(*state.table[-1], on_terminal) if written else "")
            if deck.checkpoint is not None and state.epoch % deck.checkpoint == 0 and state.epoch < deck.epochs:
                try:
                    save(state)
                except AenetError as error:
                    voice.warn(f"{error}; training continues")

        with saving_if_lost():
            try:
                stopped = run.epochs(
                    deck, state, train, test, begun.scales, ranks, unit, lambda: stop() is not None, after_epoch
                )
            except run.DivergedError as error:
                if error.good is not None:
                    save(error.good)
                raise
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    say(report.resources(time.time() - began, memory, _gpu_memory(device)))
    if stopped:
        save(state)
        voice.note(f"Stopped by {stop() or 'a signal'} in epoch {state.epoch}; {goes_on}.")
        return False
    if deck.patience is not None and state.early_stopping.since >= deck.patience:
        last, since = state.epoch - 1, state.early_stopping.since
        voice.note(
            f"Stopped early in epoch {last}, with the potentials of epoch {last - since}: PATIENCE {deck.patience}."
        )
    save(state)  # before the tables, which may not fit
    with saving_if_lost():
        tables = _tables(deck, begun, ranks)
    tell(report.saving(deck))
    if ranks.rank == 0:
        try:
            write(*tables)
        except AenetError as error:
            raise AenetError(f"{error}; {goes_on}") from None
        try:
            write(content(state, True))  # from now on, the same command is another training
        except AenetError as error:
            voice.warn(f"{error}; the same command only writes the tables again")
    return True


def _tables(deck: TrainInput, begun: Begun, ranks: Ranks) -> list[dict[str, bytes]]:
    """Contents of energies.* and forces.*, by name; those that belong together."""
    from aenet_py.training import results

    wanted = [(deck.save_energies, "energies", results.energies)]
    wanted.append((deck.save_forces and deck.alpha is not None, "forces", results.forces))
    parts, result = {"train": begun.train, "test": begun.test}, begun.state.result
    return [
        {f"{kind}.{name}": lines(result, part, begun.data, ranks).encode("latin-1") for name, part in parts.items()}
        for is_wanted, kind, lines in wanted
        if is_wanted
    ]


def _gpu_memory(device: torch.device) -> float:
    """The most that was used, in GiB."""
    import torch

    return torch.cuda.max_memory_allocated(device) / 1024**3 if device.type == "cuda" else 0.0


@contextlib.contextmanager
def _progress(
    deck: TrainInput, state: State, unit: float, say: Say, wanted: bool
) -> Iterator[Callable[[Errors, str], None]]:
    """A line on a terminal: epoch, errors of the training set, time left.

    What is yielded is called after each epoch with the errors and with what is to be said, if anything.
    """
    if not wanted or not sys.stderr.isatty():
        yield lambda _, text: say(text)
        return
    import tqdm

    with tqdm.tqdm(total=deck.epochs, initial=state.epoch, unit=" epochs", file=sys.stderr, leave=False) as bar:

        def advance(errors: Errors, text: str) -> None:
            if text:
                with bar.external_write_mode(file=sys.stdout):
                    say(text)
            force = f", {errors.force / unit:.4f} eV/A" if errors.force else ""
            bar.set_postfix_str(f"{errors.energy / unit:.4f} eV/atom{force}", refresh=False)
            bar.update()

        yield advance


if __name__ == "__main__":
    sys.exit(main())
