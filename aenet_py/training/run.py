"""The epochs of a training."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from aenet_py.inputs.train import TrainInput
from aenet_py.training import loop, optimizers
from aenet_py.training import state as states
from aenet_py.training.data.batches import Batch, on_device
from aenet_py.training.loop import Errors, Shares, Sums
from aenet_py.training.model import Networks
from aenet_py.training.optimizers import Optimizer
from aenet_py.training.outcome import ALL_EPOCHS, CALLER, PATIENCE, SIGNAL
from aenet_py.training.ranks import Ranks, SharedError
from aenet_py.training.secondorder import methods
from aenet_py.training.secondorder.methods import SecondOrder
from aenet_py.training.state import TrainingState


class DivergedError(SharedError):
    """The loss is not finite; good : the last state with a finite loss, or None."""

    def __init__(self, state: TrainingState, good: TrainingState | None):
        self.good = good
        super().__init__(
            f"the loss is not finite in batch {state.batch + 1} of epoch {state.epoch}; use a smaller learning rate, "
            "or check the data"
        )


@dataclass(frozen=True)
class Hooks:
    """Callbacks of the epochs.

    stop : asked in each batch whether to stop after it; after_batch : called after each batch; after_epoch : called
    with the epoch's number, the errors of the training set, those of the test set or None, and whether train.error has
    a line for the epoch; returns whether to stop.
    """

    stop: Callable[[], bool]
    after_batch: Callable[[], object]
    after_epoch: Callable[[int, Errors, Errors | None, bool], bool | None]


def epochs(
    deck: TrainInput, state: TrainingState, train: Sequence[Batch], test: Sequence[Batch],
    scales: Sequence[torch.Tensor], ranks: Ranks, unit: float, hooks: Hooks,
) -> str:  # fmt: skip
    """Train until the last epoch, early stopping, or a hook that stops in any process.

    Parameters
    ----------
    deck : TrainInput
        The input.
    state : TrainingState
        Where to start; changed in place.
    train : sequence of Batch
        This process's part of the batches to train on.
    test : sequence of Batch
        This process's part of the batches to test.
    scales : sequence of Tensor
        Inverse standard deviation of each feature, per network.
    ranks : Ranks
        The processes.
    unit : float
        Normalised energy per eV.
    hooks : Hooks
        Called after batches and epochs.

    Returns
    -------
    str
        Why the training ended: ALL_EPOCHS, PATIENCE, CALLER or SIGNAL (`outcome`).

    Raises
    ------
    DivergedError
        If the loss is not finite.
    LostError
        If another process is lost; the state is that after a complete batch.
    """
    shares, device, good = loop.shares_of(deck), state.networks.values.device, None
    while state.epoch < deck.epochs and not _ended_early(deck, state):
        if deck.schedule is not None and deck.schedule.kind == "cosine":
            rate = states.cosine(deck.schedule, deck.learning_rate, state.epoch, deck.epochs)
            state.optimizer.settings["lr"] = rate
        _thaw(state)
        for batch in on_device(train[state.batch :], device):
            good, stopped = _step(deck, state, batch, scales, ranks, shares, hooks.stop, good)
            hooks.after_batch()
            if stopped:
                return SIGNAL
        ranks.agree("weights", lambda: checksum(state))
        trained, tested = state.sums.errors(shares), None
        written = state.epoch % deck.write_every == 0
        watched = deck.patience is not None or deck.reduces_rate
        if written or watched:
            tested = errors(state.tested, test, scales, ranks, shares)
            if not math.isfinite(tested.total):
                raise DivergedError(state, good)
            _watch(deck, state, tested.total if test else trained.total)
        if written and tested is not None:
            state.table.append((state.epoch, in_units(trained, tested, unit)))
        state.epoch, state.batch, state.sums = state.epoch + 1, 0, Sums()
        stops = hooks.after_epoch(state.epoch - 1, trained, tested, written)
        if ranks.sum(torch.tensor([float(bool(stops))])).item() and state.epoch < deck.epochs:
            return CALLER
    return PATIENCE if _ended_early(deck, state) else ALL_EPOCHS


def _thaw(state: TrainingState) -> None:
    """Train the parameters that this epoch trains."""
    for free in [free for begin, free in state.thaws if begin <= state.epoch][-1:]:
        if isinstance(state.optimizer, Optimizer) and state.optimizer.free != free:
            optimizers.train_only(state.optimizer, state.networks, free)


def in_units(trained: Errors, tested: Errors, unit: float) -> list[float]:
    """A line of train.error: each kind of error, of the training and the test set (6,)."""
    return [getattr(of, name) / unit for name in ("total", "energy", "force") for of in (trained, tested)]


def _ended_early(deck: TrainInput, state: TrainingState) -> bool:
    """Whether PATIENCE is exceeded; at least one epoch is trained."""
    return deck.patience is not None and state.epoch > 0 and state.early_stopping.since >= deck.patience


def errors(
    networks: Networks, batches: Sequence[Batch], scales: Sequence[torch.Tensor], ranks: Ranks, shares: Shares
) -> Errors:
    """Errors of networks on batches, without training."""
    sums = Sums()
    for batch in on_device(batches, networks.values.device):
        sums = sums.plus(loop.terms(batch, loop.evaluate(networks, batch, scales), ranks))
    return sums.errors(shares)


def _step(
    deck: TrainInput, state: TrainingState, batch: Batch, scales: Sequence[torch.Tensor], ranks: Ranks, shares: Shares,
    stop: Callable[[], bool], good: TrainingState | None,
) -> tuple[TrainingState, bool]:  # fmt: skip
    """Train on a batch; returns the state before it, and whether stop() was true in any process.

    good : the last state with a finite loss.
    """
    evaluation = loop.evaluate(state.networks, batch, scales)
    terms = loop.terms(batch, evaluation, ranks)
    if isinstance(state.optimizer, SecondOrder):
        if not math.isfinite(Sums().plus(terms).errors(shares).total):
            raise DivergedError(state, good)
        before, stopped = states.copy(state), bool(ranks.sum(torch.tensor([float(stop())])))
        new = methods.step(state.optimizer, state.networks, batch, evaluation, terms, scales, shares, ranks)
        state.networks.values.copy_(new)
    else:
        gradient = loop.gradient(state.networks, batch, evaluation, terms, scales, shares)
        if gradient is None:
            raise DivergedError(state, good)
        # One sum for both: all processes stop after the same batch.
        sums = ranks.sum(torch.cat([gradient, gradient.new_tensor([stop()])]))
        before, stopped = states.copy(state), bool(sums[-1])
        summed = sums[:-1] if state.anchor is None else sums[:-1] + state.anchor.gradient(state.networks.values)
        optimizers.step(state.optimizer, state.networks.values, summed)
    if not torch.isfinite(state.networks.values).all():
        raise DivergedError(state, before)
    if deck.average is not None:
        values = state.networks.values
        state.averaged = values.clone() if state.averaged is None else torch.lerp(values, state.averaged, deck.average)
    state.sums = state.sums.plus(terms)
    state.batch += 1
    return before, stopped


def checksum(state: TrainingState) -> int:
    """Checksum of everything that the next steps depend on."""
    total = zlib.crc32(repr((state.epoch, state.batch, state.optimizer.settings)).encode())
    for array in (state.networks.values, *state.optimizer.arrays, state.averaged, state.best):
        if array is not None:
            total = zlib.crc32(array.cpu().numpy().data, total)
    return total


def _watch(deck: TrainInput, state: TrainingState, error: float) -> None:
    if deck.patience is not None:
        state.early_stopping = state.early_stopping.after(error)
        if state.early_stopping.since == 0:
            state.best = state.tested.values.clone()
    if deck.schedule is not None and deck.reduces_rate:
        states.plateau(state, deck.schedule, error)
