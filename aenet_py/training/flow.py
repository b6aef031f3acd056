"""A training from its input file to its results: what `aenet_pytorch.py` and `train` do, without a terminal."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aenet_py.descriptors import chebyshev
from aenet_py.errors import AenetError
from aenet_py.formats import trained
from aenet_py.inputs.train import TrainInput
from aenet_py.runtime import locks
from aenet_py.runtime.signals import stopping, uninterrupted
from aenet_py.training import stale
from aenet_py.training.data import dataset
from aenet_py.training.data.dataset import Data
from aenet_py.training.data.splits import Draw
from aenet_py.training.events import EpochErrors, Events
from aenet_py.training.outcome import CALLER, PATIENCE, SIGNAL, Outcome
from aenet_py.training.preparation import prepare, weighing
from aenet_py.training.ranks import LostError, Ranks, SharedError

if TYPE_CHECKING:
    import torch

    from aenet_py.training.initialise import PreparedTraining
    from aenet_py.training.loop import Errors
    from aenet_py.training.results import EnergyTable, ForceTable
    from aenet_py.training.state import TrainingState

TABLE = "train.error"  # also the name of the lock, as every training of a folder writes it


def run(deck: TrainInput, ranks: Ranks, events: Events) -> Outcome | None:
    """Train in the current folder as the deck says.

    Once the epochs have begun, SIGINT and SIGTERM stop the training after the current batch, with its state saved.

    Parameters
    ----------
    deck : TrainInput
        The input.
    ranks : Ranks
        The processes (`ranks.joined`).
    events : Events
        Called as the training proceeds.

    Returns
    -------
    Outcome or None
        Results, and why the training ended; None after MODE batches.

    Raises
    ------
    AenetError
        If another training runs in this folder, if files are missing, cannot be written or do not fit the deck, if the
        memory does not suffice, or if the loss is not finite.  With several processes, a SharedError in each of them.
    """
    ranks.agree(f"decks {deck.path}", lambda: deck)
    if deck.method == "ekf" and ranks.size > 1:
        raise SharedError(
            f"{deck.path}: found method=ekf in {ranks.size} processes; it learns one structure after another"
        )
    with contextlib.ExitStack() as stack:
        alone = locks.held(TABLE, "training")
        ranks.together(lambda: stack.enter_context(alone) if ranks.rank == 0 else None)
        events.start(ranks)
        data, draw, stored = ranks.together(lambda: prepare(deck, ranks, events))
        known = ranks.together(lambda: weighing(deck, ranks, events))
        for note in chebyshev.notes(data.setups):
            events.warn(note)
        with stopping() as stop:
            outcome = None if deck.mode == "batches" else _train(deck, data, draw, stored, known, ranks, events, stop)
        if outcome is None or outcome.reason != SIGNAL:
            events.finished(outcome)
        return outcome


def _train(
    deck: TrainInput, data: Data, draw: Draw, stored: dict[str, Any] | None, known: Data | None, ranks: Ranks,
    events: Events, stop: Callable[[], str | None],
) -> Outcome:  # fmt: skip
    """Train and write the results; known : as from `weighing`."""
    from aenet_py.training import checkpoint
    from aenet_py.training.initialise import initialise

    with _configured(deck, ranks) as device:
        training = ranks.together(lambda: initialise(deck, data, draw, stored, device, ranks, events.warn, known))
        _check_agreement(training, ranks)
        if stored is not None and checkpoint.interrupted(stored) is None:
            events.note(
                f"{checkpoint.path_of(deck)} holds a finished training. It continues for up to {deck.epochs} more "
                "epochs (ITERATIONS), counted from 0, and replaces train.error and the potentials."
            )
        events.prepared(training, device, None if training.origin is None else _errors(deck, training, ranks))
        files = _Files(deck, training, ranks)
        began = time.time()
        reason = _epochs(deck, training, ranks, events, files, stop)
        events.trained(time.time() - began, device)
        if reason == SIGNAL:
            files.save()
            name = stop()
            events.note(f"Stopped by {name or 'a signal'} in epoch {training.state.epoch}; {files.remain}.")
            return Outcome(reason, name, training, {}, {})
        if reason == PATIENCE:
            last, since = training.state.epoch - 1, training.state.early_stopping.since
            best = f"with the potentials of epoch {last - since}: PATIENCE {deck.patience}"
            events.note(f"Stopped early in epoch {last}, {best}.")
        files.save()  # before the tables, which may not fit on the disk
        with files.saved_if_lost():
            outcome = Outcome(
                reason, None, training, *_tables(deck, training, ranks), *_test_errors(deck, training, ranks)
            )
        events.saving()
        if ranks.rank == 0:
            files.finish(outcome, events)
        return outcome


@contextlib.contextmanager
def _configured(deck: TrainInput, ranks: Ranks) -> Iterator[torch.device]:
    """torch, set up for this deck; yields the device to train on."""
    import torch

    n_threads, random = torch.get_num_threads(), torch.random.get_rng_state()
    with torch.no_grad(), contextlib.ExitStack() as stack:
        stack.callback(torch.random.set_rng_state, random)
        torch.manual_seed(deck.torch_seed)
        device = ranks.together(ranks.device)
        if device.type == "cpu":
            stack.callback(torch.set_num_threads, n_threads)
            torch.set_num_threads(1)  # its threads busy-wait and would slow down those that sum the gradients
        else:
            # A resumed training must equal an uninterrupted one.
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            stack.callback(
                torch.use_deterministic_algorithms, torch.are_deterministic_algorithms_enabled(),
                warn_only=torch.is_deterministic_algorithms_warn_only_enabled(),
            )  # fmt: skip
            torch.use_deterministic_algorithms(True, warn_only=True)
        yield device


def _check_agreement(training: PreparedTraining, ranks: Ranks) -> None:
    from aenet_py.training import run as epochs

    def values() -> tuple[str, int, int]:
        return training.mark, epochs.checksum(training.state), dataset.checksum(training.data)

    ranks.agree("data, or states to resume from", values)


def _errors(deck: TrainInput, training: PreparedTraining, ranks: Ranks) -> list[float]:
    """Errors of the networks as they are, like a line of train.error."""
    from aenet_py.training import loop
    from aenet_py.training import run as epochs

    parts, shares = (training.train, training.test), loop.shares_of(deck)
    errors = [epochs.errors(training.state.tested, part, training.scales, ranks, shares) for part in parts]
    return epochs.in_units(errors[0], errors[1], training.data.training.scale)


def _epochs(
    deck: TrainInput, training: PreparedTraining, ranks: Ranks, events: Events, files: _Files,
    stop: Callable[[], str | None],
) -> str:  # fmt: skip
    """Train; returns why the training ended."""
    from aenet_py.training import run as epochs
    from aenet_py.training.secondorder.methods import SecondOrder

    state, n_batches, unit = training.state, len(training.train), training.data.training.scale
    done = state.epoch + state.batch / max(1, n_batches)

    with contextlib.ExitStack() as stack:
        advance = stack.enter_context(events.progress(deck.epochs, "epochs", done))

        def after_epoch(epoch: int, trained: Errors, tested: Errors | None, written: bool) -> bool | None:
            errors = _in_units(deck, trained, tested if training.test else None, unit)
            line = state.table[-1][1] if written else None
            forces = "" if errors.forces_train is None else f", {1e3 * errors.forces_train:.0f} meV/Å"
            advance(0.0, f"{1e3 * errors.energy_train:.1f} meV/atom{forces}")
            stops = events.epoch(epoch, dataclasses.replace(errors, line=line))
            if isinstance(state.optimizer, SecondOrder):
                state.optimizer.warn_of_diverged_steps(events.warn)
            if deck.checkpoint is not None and state.epoch % deck.checkpoint == 0 and state.epoch < deck.epochs:
                try:
                    files.save()
                except AenetError as error:
                    events.warn(f"{error}; training continues")
            return stops

        hooks = epochs.Hooks(lambda: stop() is not None, lambda: advance(1 / n_batches), after_epoch)
        stack.enter_context(files.saved_if_lost())
        try:
            return epochs.epochs(deck, state, training.train, training.test, training.scales, ranks, unit, hooks)
        except epochs.DivergedError as error:
            if error.good is not None:
                files.save(error.good)
            raise


def _in_units(deck: TrainInput, trained: Errors, tested: Errors | None, unit: float) -> EpochErrors:
    """The errors in eV/atom and, of components of forces, eV/Å; unit : normalised per eV."""

    def forces(errors: Errors | None) -> float | None:
        return None if deck.alpha is None or errors is None else errors.force / unit / math.sqrt(3.0)

    energy_test = None if tested is None else tested.energy / unit
    return EpochErrors(trained.energy / unit, forces(trained), energy_test, forces(tested), None)


def _test_errors(deck: TrainInput, training: PreparedTraining, ranks: Ranks) -> tuple[float | None, ...]:
    """Errors of the result for the test set: energies, forces and virials as in `Outcome`."""
    from aenet_py.training import loop
    from aenet_py.training import run as epochs

    batches = training.held if deck.validates else training.test
    if not batches:
        return None, None, None
    tested = epochs.errors(training.state.result, batches, training.scales, ranks, loop.shares_of(deck))
    errors = _in_units(deck, tested, tested, training.data.training.scale)
    forces = errors.forces_test if any(batch.whole.n_atoms for batch in batches) else None
    virials = tested.virial / training.data.training.scale / 3.0 if tested.virial else None
    return errors.energy_test, forces, virials


def _tables(
    deck: TrainInput, training: PreparedTraining, ranks: Ranks
) -> tuple[dict[str, EnergyTable], dict[str, ForceTable]]:
    """The tables of energies and of forces that the deck requests."""
    from aenet_py.training import results

    parts, networks = training.parts, training.state.result
    energies, forces = {}, {}
    if deck.save_energies:
        energies = {name: results.energies(networks, part, training.data, ranks) for name, part in parts.items()}
    if deck.save_forces and deck.alpha is not None:
        forces = {name: results.forces(networks, part, training.data, ranks) for name, part in parts.items()}
    return energies, forces


@dataclass(frozen=True)
class _Files:
    """The files of a training, which the first process writes."""

    deck: TrainInput
    training: PreparedTraining
    ranks: Ranks

    @property
    def remain(self) -> str:
        """What is there if a training ends before its results are complete."""
        from aenet_py.training import checkpoint

        path = checkpoint.path_of(self.deck)
        return f"{path} and the potentials are saved, and the same command resumes from there"

    def save(self, state: TrainingState | None = None) -> None:
        """Write what a later run resumes from, the potentials and the table so far; state : the last one by default."""
        if self.ranks.rank:
            return
        from aenet_py.training import results

        state = self.training.state if state is None else state
        table = trained.error_lines(state.table, self.deck.alpha is not None).encode()
        potentials = dict(results.potentials(self.deck, self.training.data, state.result))
        with stale.removed(list(potentials)):
            _write(self._restart(state, finished=False), potentials, {TABLE: table})

    @contextlib.contextmanager
    def saved_if_lost(self) -> Iterator[None]:
        """Save if another process is lost inside the block."""
        try:
            yield
        except LostError as error:
            self.save()
            raise LostError(f"{error}; {self.remain}") from None

    def finish(self, outcome: Outcome, events: Events) -> None:
        """Write the tables, and mark the state as that of a finished training unless the caller stopped it."""
        tables: list[tuple[str, Mapping[str, EnergyTable | ForceTable]]] = [
            ("energies", outcome.energies), ("forces", outcome.forces),
        ]  # fmt: skip
        stages = [
            {f"{kind}.{part}": table.text().encode("latin-1") for part, table in parts.items()}
            for kind, parts in tables
            if parts
        ]
        try:
            _write(*stages)
        except AenetError as error:
            raise AenetError(f"{error}; {self.remain}") from None
        if outcome.reason == CALLER:
            return
        try:
            _write(self._restart(self.training.state, finished=True))  # now the same command trains anew
        except AenetError as error:
            events.warn(f"{error}; the same command only writes the tables again")

    def _restart(self, state: TrainingState, finished: bool) -> dict[str, bytes]:
        from aenet_py.training import checkpoint, transfer

        origin, rate = self.training.origin, self.deck.learning_rate
        kept = None if origin is None else transfer.stored(origin)
        content = checkpoint.content(state, self.training.mark, self.training.split, rate, finished, kept)
        return {checkpoint.path_of(self.deck): content}


def _write(*stages: dict[str, bytes]) -> None:
    from aenet_py.training import results

    with uninterrupted():
        results.write(stages)
