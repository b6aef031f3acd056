"""Everything that changes during a training."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field

import torch

from aenet_py.inputs.train import Schedule
from aenet_py.training.loop import Sums
from aenet_py.training.model import Networks
from aenet_py.training.optimizers import Optimizer
from aenet_py.training.secondorder.methods import SecondOrder

LESS = 1e-4  # fraction by which an error must fall for a plateau to end


@dataclass(frozen=True)
class Watch:
    """The smallest error so far, and the number of epochs since then."""

    smallest: float = math.inf
    since: int = 0

    @property
    def seen(self) -> bool:
        return self.smallest < math.inf

    def after(self, error: float, least: float = 0.0) -> Watch:
        """One epoch later; least : fraction by which the error must be smaller to count."""
        return Watch(error, 0) if error < self.smallest * (1 - least) else Watch(self.smallest, self.since + 1)


@dataclass(frozen=True)
class Anchor:
    """A term of the loss, the sum of strengths times the squares of differences from values; both as the networks'.

    As L2-SP of X. Li, Y. Grandvalet and F. Davoine, ICML 2018, eq. 3.
    """

    values: torch.Tensor
    strengths: torch.Tensor

    def gradient(self, values: torch.Tensor) -> torch.Tensor:
        """Derivatives of the term by the networks' values."""
        return 2.0 * self.strengths * (values - self.values)

    def weighted(self, information: torch.Tensor) -> Anchor:
        """With strengths in proportion to the information, whose mean over what is held stays what it is.

        As the elastic weight consolidation of J. Kirkpatrick et al., PNAS 114, 3521 (2017).
        """
        held = self.strengths > 0.0
        mean = information[held].mean()
        return Anchor(self.values, self.strengths * information / mean) if mean > 0.0 else self


@dataclass
class TrainingState:
    """The state of a training after some batch.

    epoch : complete epochs; batch : complete batches of the current epoch; sums : over these batches; table : the lines
    of train.error; averaged, best : like the networks' values; early_stopping, plateau : watch the test error; anchor :
    of a transfer; thaws : from which epoch on which of the networks' parameters are trained, if that changes.
    """

    networks: Networks
    optimizer: Optimizer | SecondOrder
    epoch: int = 0
    batch: int = 0
    sums: Sums = field(default_factory=Sums)
    table: list[tuple[int, list[float]]] = field(default_factory=list)
    averaged: torch.Tensor | None = None
    best: torch.Tensor | None = None
    early_stopping: Watch = field(default_factory=Watch)
    plateau: Watch = field(default_factory=Watch)
    anchor: Anchor | None = None
    thaws: tuple[tuple[int, tuple[bool, ...]], ...] = ()

    @property
    def tested(self) -> Networks:
        """The networks that are tested: the average with EMA."""
        return self.networks if self.averaged is None else self.networks.like(self.averaged)

    @property
    def result(self) -> Networks:
        """The networks that are the result: the best ones with PATIENCE."""
        return self.tested if self.best is None else self.networks.like(self.best)


def copy(state: TrainingState) -> TrainingState:
    """A copy of the state; arrays that are never changed in place are shared."""
    networks = state.networks
    return dataclasses.replace(
        state,
        networks=networks.like(networks.values.clone()),
        optimizer=state.optimizer.copy(),
        table=list(state.table),
    )


def cosine(schedule: Schedule, first: float, epoch: int, n_epochs: int) -> float:
    """Learning rate of an epoch, half a period of a cosine (Loshchilov and Hutter, arXiv:1608.03983, eq. 5).

    It rises to the first value in equal steps before, in the epochs of a warm-up.
    """
    if epoch < schedule.warmup:
        return first * (epoch + 1) / (schedule.warmup + 1)
    epoch, n_epochs = epoch - schedule.warmup, n_epochs - schedule.warmup
    return schedule.least + (first - schedule.least) * (1 + math.cos(math.pi * epoch / n_epochs)) / 2


def plateau(state: TrainingState, schedule: Schedule, error: float) -> None:
    """Reduce the learning rate if the error has not fallen for some epochs."""
    state.plateau = state.plateau.after(error, LESS)
    if state.plateau.since > schedule.patience:
        reduced = max(state.optimizer.settings["lr"] * schedule.factor, schedule.least)
        state.optimizer.settings["lr"] = reduced
        state.plateau = Watch(state.plateau.smallest, 0)
