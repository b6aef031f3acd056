"""Training methods: each turns the weights of one epoch into those of the next, and may keep a state in a file."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from aenet_py.formats import ekf_state, optimizer_state, rngstate
from aenet_py.inputs.trainx_deck import TrainxInput
from aenet_py.training.secondorder import diverged
from aenet_py.training.trainx import adam, networks, online_sd, sampling
from aenet_py.training.trainx.networks import Evaluation, Layer, Structures

STATE_FILE = "train.restart"

Batch = TypeVar("Batch")
Layers = Sequence[Sequence[Layer]]
Pause = Callable[[], None]
Warn = Callable[[str], None]


@dataclass(frozen=True)
class Method:
    """A method that has begun.

    epoch : next weights, and whether these are final, given the current ones and their evaluation; state : bytes of
    ``train.restart``, None for a method without; outcome : of reading this file, None without one.
    """

    epoch: Callable[[np.ndarray, Evaluation], tuple[np.ndarray, bool]]
    state: Callable[[], bytes] | None
    outcome: str | None


def begin(
    deck: TrainxInput, structures: Structures, layers: Layers, n_weights: int, between: Pause, warn: Warn
) -> Method:
    """Begin training n_weights with the deck's method, from ``train.restart`` if this file has its state.

    between : called between two batches of an epoch; warn : with warnings.
    """
    if deck.method == "lm":
        return _lm(deck, structures, layers, between)
    if deck.method == "ekf":
        return _ekf(deck, structures, layers, n_weights, warn)
    if deck.method == "online_sd":
        return _online_sd(deck, structures, layers, n_weights)
    if deck.method == "adam":
        return _adam(deck, structures, layers, n_weights, between)
    return bfgs(n_weights)


def bfgs(n_weights: int) -> Method:
    """Begin or resume METHOD bfgs."""
    from aenet_py.training.secondorder import lbfgsb  # scipy is slow to import

    arrays, outcome = lbfgsb.start(n_weights), None
    if os.path.exists(STATE_FILE):
        outcome = "Optimization method has changed.  Not restarting."
        if optimizer_state.method_of(STATE_FILE) == "bfgs":
            outcome = "Incompatible restart file.  Not restarting L-BFGS."
            stored = optimizer_state.read_lbfgsb(STATE_FILE)
            if (stored.m, stored.n) == (lbfgsb.M, n_weights):
                arrays, outcome = lbfgsb.restored(STATE_FILE, stored), "Restarting L-BFGS."
    return Method(
        epoch=lambda weights, found: lbfgsb.step(arrays, weights, found.loss, found.gradient),
        state=lambda: optimizer_state.to_binary(lbfgsb.state_of(arrays), lbfgsb.FACTR, lbfgsb.PGTOL),
        outcome=outcome,
    )


def _lm(deck: TrainxInput, structures: Structures, layers: Layers, between: Pause) -> Method:
    from aenet_py.training.trainx import lm  # scipy is slow to import

    size, adjust = int(deck.settings["batchsize"]), deck.settings["adjust"]
    state, numbers = lm.State(deck.settings["learnrate"]), rngstate.uniform(rngstate.fresh())

    def epoch(weights: np.ndarray, found: Evaluation) -> tuple[np.ndarray, bool]:
        nonlocal state
        order = sampling.order(deck.sampling, structures.energies, found.errors, numbers, len(structures.energies))
        for chosen in _separated(sampling.batches(order, size), between):
            state, weights = lm.step(state, networks.take(structures, chosen), layers, weights, adjust)
        return weights, False

    return Method(epoch=epoch, state=None, outcome=None)


def _ekf(deck: TrainxInput, structures: Structures, layers: Layers, n_weights: int, warn: Warn) -> Method:
    from aenet_py.training.trainx import ekf

    parts, numbers = networks.singles(structures), rngstate.uniform(rngstate.fresh())
    current, outcome = ekf.start(n_weights, deck.settings), None
    if os.path.exists(STATE_FILE):
        outcome = "Optimization method has changed.  Not restarting."
        if optimizer_state.method_of(STATE_FILE) == ekf_state.METHOD:
            outcome = "Incompatible restart file.  Not restarting."
            stored = ekf_state.read(STATE_FILE, n_weights, current.covariance.shape)
            if stored is not None:
                current, outcome = stored, "Restarting Extended Kalman Filter."

    def epoch(weights: np.ndarray, found: Evaluation) -> tuple[np.ndarray, bool]:
        nonlocal current
        order = sampling.order(deck.sampling, structures.energies, found.errors, numbers, len(structures.energies))
        new, current, n_diverged = ekf.epoch(current, deck.settings, [parts[i] for i in order], layers, weights)
        if n_diverged:
            warn(diverged.warning(n_diverged))
        return new, False

    return Method(epoch=epoch, state=lambda: ekf_state.to_binary(current, n_weights), outcome=outcome)


def _online_sd(deck: TrainxInput, structures: Structures, layers: Sequence[Sequence[Layer]], n_weights: int) -> Method:
    numbers, parts, change = rngstate.uniform(rngstate.fresh()), networks.singles(structures), np.zeros(n_weights)

    def epoch(weights: np.ndarray, found: Evaluation) -> tuple[np.ndarray, bool]:
        order = sampling.order(deck.sampling, structures.energies, found.errors, numbers, len(structures.energies))
        samples = [parts[i] for i in order]
        return online_sd.epoch(samples, layers, weights, change, deck.settings["gamma"], deck.settings["alpha"]), False

    return Method(epoch=epoch, state=None, outcome=None)


def _adam(deck: TrainxInput, structures: Structures, layers: Layers, n_weights: int, between: Pause) -> Method:
    numbers, parts, moments = rngstate.uniform(rngstate.fresh()), networks.singles(structures), np.zeros((2, n_weights))
    n_samples, size = adam.sizes(deck.settings, len(parts))
    steps = itertools.count(1, len(sampling.batches(np.arange(n_samples), size)))

    def epoch(weights: np.ndarray, found: Evaluation) -> tuple[np.ndarray, bool]:
        order = sampling.order(deck.sampling, structures.energies, found.errors, numbers, n_samples)
        batches = [[parts[i] for i in chosen] for chosen in sampling.batches(order, size)]
        return adam.epoch(_separated(batches, between), layers, weights, moments, next(steps), deck.settings), False

    return Method(epoch=epoch, state=None, outcome=None)


def _separated(batches: Sequence[Batch], between: Pause) -> Iterator[Batch]:
    for number, batch in enumerate(batches):
        if number > 0:
            between()
        yield batch
