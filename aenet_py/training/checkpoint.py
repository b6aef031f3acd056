"""model.restart: the state that a training goes on from, the original's two entries and, where needed, more of ours.

A transfer has a file of its own, model.transfered.restart.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Iterator
from typing import Any

import torch

from aenet_py.errors import AenetError
from aenet_py.inputs.train import TrainInput
from aenet_py.training import optimizers
from aenet_py.training.dataset import Data
from aenet_py.training.draws import Draw
from aenet_py.training.loop import Sums
from aenet_py.training.state import State, Watch

PATH, TRANSFERRED = "model.restart", "model.transfered.restart"


def path_of(deck: TrainInput) -> str:
    return PATH if deck.transfer is None else TRANSFERRED


def mark(deck: TrainInput, draw: Draw, data: Data) -> str:
    """What tells this training from others: a digest of its batches, energies and weight of the forces."""
    named = [[[data.structures.paths[i] for i in part] for part in batch] for batch in (*draw.train, *draw.test)]
    frozen = () if deck.transfer is None else (deck.transfer.freeze,)
    given = repr((named, len(draw.train), data.energies.tolist(), deck.alpha, *frozen))
    return hashlib.sha256(given.encode()).hexdigest()


def content(
    state: State, batches: str, learning_rate: float, finished: bool, transfer: dict[str, Any] | None = None
) -> bytes:
    """What to write.

    batches : the `mark` of this training; learning_rate : the deck's; finished : whether a next run begins a new
    training from here; transfer : what a transfer keeps from its source.  Only what the original does not know is in
    the third entry, `progress`: a finished training without early stopping, schedule or average has none.
    """
    stored: dict[str, Any] = {
        "model": state.networks.state(),
        "optimizer": optimizers.state(state.optimizer, state.networks),
    }
    kept: dict[str, Any] = {
        "batches": batches,
        "averaged": None if state.averaged is None else state.averaged.cpu(),
        "best": None if state.best is None else state.best.cpu(),
        "early_stopping": vars(state.early_stopping),
        "plateau": vars(state.plateau),
    }
    if not finished:
        kept["training"] = {
            "learning_rate": learning_rate, "epoch": state.epoch, "batch": state.batch,
            "sums": vars(state.sums), "table": state.table,
        }  # fmt: skip
    if not finished or state.averaged is not None or state.early_stopping.seen or state.plateau.seen:
        stored["progress"] = kept
    if transfer is not None:
        stored["transfer"] = transfer
    file = io.BytesIO()
    torch.save(stored, file)
    return file.getvalue()


def read(path: str) -> dict[str, Any] | None:
    """What is stored, None if there is no such file; AenetError for files of another kind."""
    if not os.path.exists(path):
        return None
    with explained(path):
        # A file from a stranger runs no code.
        return torch.load(path, weights_only=True, map_location="cpu")


def load(state: State, stored: dict[str, Any], deck: TrainInput, batches: str) -> None:
    """Go on from what was stored; AenetError if it belongs to other networks."""
    with explained(path_of(deck)):
        parameters = stored["model"]
        if list(parameters) != list(state.networks.names):
            raise ValueError(f"it has the parameters {', '.join(parameters)}")
        for name, view in zip(state.networks.names, state.networks.views(state.networks.values), strict=True):
            if parameters[name].shape != view.shape:
                raise ValueError(f"{name} is {tuple(parameters[name].shape)}, not {tuple(view.shape)}")
            view.copy_(parameters[name])
        optimizers.load(state.optimizer, stored["optimizer"], state.networks)
        _take(state, stored.get("progress", {}), deck, batches)


@contextlib.contextmanager
def explained(path: str) -> Iterator[None]:
    """One line for whatever torch raises, which is of many kinds, for what is no such file."""
    try:
        yield
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise AenetError(f"{path}: found no state of these networks and this method ({reason})") from None


def _take(state: State, progress: dict[str, Any], deck: TrainInput, batches: str) -> None:
    """Take what the deck still asks for."""
    device = state.networks.values.device
    if deck.average is not None and progress.get("averaged") is not None:
        state.averaged = progress["averaged"].to(device)
    fits = progress.get("batches") == batches  # errors of other trainings are no measure for this one
    if fits and deck.patience is not None and progress.get("best") is not None:
        state.best, state.early_stopping = progress["best"].to(device), Watch(**progress["early_stopping"])
    if fits and deck.reduces_rate and "plateau" in progress:
        state.plateau = Watch(**progress["plateau"])
    training = progress.get("training")
    if training is None:
        return
    if training["learning_rate"] != deck.learning_rate:
        state.optimizer.settings["lr"] = deck.learning_rate  # it was changed meanwhile
    if fits:
        state.epoch, state.batch = training["epoch"], training["batch"]
        state.sums, state.table = Sums(**training["sums"]), [(n, errors) for n, errors in training["table"]]
