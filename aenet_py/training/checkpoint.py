"""model.restart: the state that a training resumes from, with the original's two entries and ours.

A transfer has its own file, model.transfered.restart.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from aenet_py.errors import AenetError, in_a_line
from aenet_py.inputs import loss
from aenet_py.inputs.loss import LossInput
from aenet_py.inputs.train import TrainInput, Transfer
from aenet_py.training import contents, optimizers
from aenet_py.training.data.dataset import Data
from aenet_py.training.data.splits import Draw
from aenet_py.training.data.test_set import Split
from aenet_py.training.files import PATH, TRANSFERRED
from aenet_py.training.loop import Sums
from aenet_py.training.optimizers import Optimizer
from aenet_py.training.schema import DamagedError
from aenet_py.training.secondorder import methods
from aenet_py.training.secondorder.methods import SecondOrder
from aenet_py.training.serialisation import from_dict, to_dict
from aenet_py.training.state import TrainingState, Watch


def path_of(deck: TrainInput) -> str:
    return PATH if deck.transfer is None else TRANSFERRED


def mark(deck: TrainInput, draw: Draw, data: Data) -> str:
    """A digest of batches, energies and terms of the loss, which identifies this training."""
    named = [[[data.structures.paths[i] for i in part] for part in batch] for batch in (*draw.train, *draw.test)]
    frozen: tuple = () if deck.transfer is None else (deck.transfer.freeze,)
    if isinstance(deck.transfer, Transfer) and (deck.transfer.anchor or deck.transfer.rates or deck.transfer.thaw):
        frozen = (*frozen, deck.transfer.anchor, deck.transfer.rates, deck.transfer.thaw)
    if deck.weighs_anchor:
        frozen = (*frozen, "fisher")
    weights = () if data.weights is None else (data.weights.tolist(),)
    known = () if data.known is None else (np.packbits(data.known).tobytes(),)
    others = () if deck.loss == LossInput() else tuple(loss.lines(deck.loss))
    given = repr((named, len(draw.train), data.energies.tolist(), deck.alpha, *frozen, *weights, *known, *others))
    return hashlib.sha256(given.encode()).hexdigest()


def content(
    state: TrainingState, batches: str, split: Split, learning_rate: float, finished: bool,
    transfer: dict[str, Any] | None = None,
) -> bytes:  # fmt: skip
    """The content of the file.

    The original reads the first two entries only.  A finished training without early stopping, schedule or average has
    no entry `progress`.

    Parameters
    ----------
    state : TrainingState
        What to store.
    batches : str
        The `mark` of this training.
    split : Split
        Training and test structures.
    learning_rate : float
        That of the deck.
    finished : bool
        Whether the next run starts a new training from this state.
    transfer : dict, optional
        What a transfer keeps from its source.

    Returns
    -------
    bytes
        As torch.save writes it.
    """
    stored: dict[str, Any] = {
        "model": state.networks.state(),
        "optimizer": _of_optimizer(state),
        "split": to_dict(split),
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


def _of_optimizer(state: TrainingState) -> dict[str, Any]:
    if isinstance(state.optimizer, SecondOrder):
        return methods.state(state.optimizer)
    return optimizers.state(state.optimizer, state.networks)


def read(path: str) -> dict[str, Any] | None:
    """The stored state, None if there is no such file; AenetError if it is damaged or another kind of file."""
    if not os.path.exists(path):
        return None
    with explained(path):
        # weights_only: a file from a stranger must not run code.
        stored = torch.load(path, weights_only=True, map_location="cpu")
        contents.check_state(stored)
    return stored


def split_of(stored: dict[str, Any] | None) -> Split | None:
    """Training and test structures of a state; None if it does not store them, as those of the original."""
    return from_dict(Split, stored["split"]) if stored is not None and "split" in stored else None


def interrupted(stored: dict[str, Any]) -> dict[str, Any] | None:
    """Progress of an interrupted training; None if it was finished."""
    return stored.get("progress", {}).get("training")


def is_finished(path: str) -> bool:
    """Whether a file holds the state of a finished training, which is the last file that it writes."""
    stored = read(path)
    return stored is not None and interrupted(stored) is None


def load(state: TrainingState, stored: dict[str, Any], deck: TrainInput, batches: str, n_batches: int) -> None:
    """Resume from a stored state; AenetError if it belongs to other networks.  n_batches : to train on."""
    take(state, stored, path_of(deck))
    with explained(path_of(deck)):
        _take(state, stored.get("progress", {}), deck, batches, n_batches)


def take(state: TrainingState, stored: dict[str, Any], path: str) -> None:
    """Take weights and optimizer from a stored state; AenetError, with its path, if it belongs to other networks."""
    with explained(path):
        parameters = stored["model"]
        if list(parameters) != list(state.networks.names):
            raise ValueError(f"it has the parameters {', '.join(parameters)}")
        for name, view in zip(state.networks.names, state.networks.views(state.networks.values), strict=True):
            if parameters[name].shape != view.shape:
                raise ValueError(f"{name} is {tuple(parameters[name].shape)}, not {tuple(view.shape)}")
            view.copy_(parameters[name])
        if isinstance(state.optimizer, SecondOrder):
            methods.load(state.optimizer, stored["optimizer"], len(state.networks.values), path)
        elif "method" in stored["optimizer"]:
            raise ValueError("it was saved by another method")
        else:
            optimizers.load(state.optimizer, stored["optimizer"], state.networks)


@contextlib.contextmanager
def explained(path: str) -> Iterator[None]:
    """Report errors of torch, which are of many kinds for unsuitable files, in one line."""
    try:
        yield
    except AenetError:
        raise
    except DamagedError as error:
        raise AenetError(f"{path} is damaged: {error}") from None
    except pickle.UnpicklingError:
        reason = "not a file of torch, or with Python objects that are not read, as they could run code"
        raise AenetError(f"{path}: not a state of these networks and this method ({reason})") from None
    except Exception as error:
        raise AenetError(f"{path}: not a state of these networks and this method ({in_a_line(error)})") from None


def _take(state: TrainingState, progress: dict[str, Any], deck: TrainInput, batches: str, n_batches: int) -> None:
    """Restore what the deck still uses."""
    device = state.networks.values.device
    for name in ("averaged", "best"):
        values = progress.get(name)
        if values is not None and len(values) != len(state.networks.values):
            raise DamagedError(f"progress.{name} has {len(values)} weights; expected {len(state.networks.values)}")
    if deck.average is not None and progress.get("averaged") is not None:
        state.averaged = progress["averaged"].to(device)
    fits = progress.get("batches") == batches  # errors of another training cannot be compared
    if fits and deck.patience is not None and progress.get("best") is not None:
        state.best, state.early_stopping = progress["best"].to(device), Watch(**progress["early_stopping"])
    if fits and deck.reduces_rate and "plateau" in progress:
        state.plateau = Watch(**progress["plateau"])
    training = progress.get("training")
    if training is None:
        return
    if isinstance(state.optimizer, Optimizer) and training["learning_rate"] != deck.learning_rate:
        state.optimizer.settings["lr"] = deck.learning_rate  # changed in the deck
    if fits:
        if training["batch"] > n_batches:
            raise DamagedError(f"progress.training.batch is {training['batch']}; expected at most {n_batches}")
        state.epoch, state.batch = training["epoch"], training["batch"]
        state.sums, state.table = Sums(**training["sums"]), [(n, errors) for n, errors in training["table"]]
