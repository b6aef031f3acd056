"""Everything that changes while training."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field

import torch

from aenet_py.inputs.train import Schedule
from aenet_py.training.loop import Sums
from aenet_py.training.model import Networks
from aenet_py.training.optimizers import Optimizer

LESS = 1e-4  # by which share an error must fall for a plateau to end


@dataclass(frozen=True)
class Watch:
    """The smallest error seen so far, and how many epochs have passed since."""

    smallest: float = math.inf
    since: int = 0

    @property
    def seen(self) -> bool:
        return self.smallest < math.inf

    def after(self, error: float, least: float = 0.0) -> Watch:
        """One epoch later; least : share by which the error has to be smaller."""
        return Watch(error, 0) if error < self.smallest * (1 - least) else Watch(self.smallest, self.since + 1)


@dataclass
class TrainingState:
    """A training under way.

    epoch, batch : how many are complete, in all and of the epoch under way; sums : of these batches; table : the lines
    of train.error; averaged, best : like the networks' values; early_stopping, plateau : of the error watched.
    """

    networks: Networks
    optimizer: Optimizer
    epoch: int = 0
    batch: int = 0
    sums: Sums = field(default_factory=Sums)
    table: list[tuple[int, list[float]]] = field(default_factory=list)
    averaged: torch.Tensor | None = None
    best: torch.Tensor | None = None
    early_stopping: Watch = field(default_factory=Watch)
    plateau: Watch = field(default_factory=Watch)

    @property
    def tested(self) -> Networks:
        """The networks that are tested: the average, if there is one."""
        return self.networks if self.averaged is None else self.networks.like(self.averaged)

    @property
    def result(self) -> Networks:
        """The networks that are the training's result: the best, if they are kept."""
        return self.tested if self.best is None else self.networks.like(self.best)


def copy(state: TrainingState) -> TrainingState:
    """The state as it is now; what is never changed in place is shared."""
    networks, optimizer = state.networks, state.optimizer
    return dataclasses.replace(
        state,
        networks=networks.like(networks.values.clone()),
        optimizer=dataclasses.replace(
            optimizer,
            settings=dict(optimizer.settings),
            n_steps=optimizer.n_steps.clone(),
            arrays=[array.clone() for array in optimizer.arrays],
        ),
        table=list(state.table),
    )


def cosine(schedule: Schedule, first: float, epoch: int, n_epochs: int) -> float:
    """Learning rate of an epoch, half a period of a cosine (Loshchilov and Hutter, arXiv:1608.03983, eq. 5)."""
    return schedule.least + (first - schedule.least) * (1 + math.cos(math.pi * epoch / n_epochs)) / 2


def plateau(state: TrainingState, schedule: Schedule, error: float) -> None:
    """Reduce the learning rate when the error has not become smaller for some epochs."""
    state.plateau = state.plateau.after(error, LESS)
    if state.plateau.since > schedule.patience:
        reduced = max(state.optimizer.settings["lr"] * schedule.factor, schedule.least)
        state.optimizer.settings["lr"] = reduced
        state.plateau = Watch(state.plateau.smallest, 0)
