"""Training on energies, with the loss of ænet's train.x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from aenet_py.formats.trainset import TrainingSet
from aenet_py.inputs.trainx_deck import TrainxInput
from aenet_py.training.trainx import methods, networks
from aenet_py.training.trainx.methods import Method, Pause, Warn
from aenet_py.training.trainx.networks import Evaluation, Layer, Structures


class Model(Protocol):
    """What is trained: energies, or energies and forces; weights (n_weights,) are those of all networks."""

    def evaluate(self, weights: np.ndarray) -> Evaluation:
        """Errors of the training set."""
        ...

    def tested(self, weights: np.ndarray) -> Evaluation:
        """Errors of the test set; its loss is not used."""
        ...

    def begin(self, deck: TrainxInput, n_weights: int, between: Pause, warn: Warn) -> Method:
        """Begin training (`methods.begin`)."""
        ...


@dataclass(frozen=True)
class Energies:
    """The energies of both sets."""

    train: Structures
    test: Structures
    layers: tuple[tuple[Layer, ...], ...]

    def evaluate(self, weights: np.ndarray) -> Evaluation:
        return networks.evaluate(self.train, self.layers, weights)

    def tested(self, weights: np.ndarray) -> Evaluation:
        return networks.evaluate(self.test, self.layers, weights)

    def begin(self, deck: TrainxInput, n_weights: int, between: Pause, warn: Warn) -> Method:
        return methods.begin(deck, self.train, self.layers, n_weights, between, warn)


def of(values: TrainingSet, in_test: np.ndarray, layers: tuple[tuple[Layer, ...], ...]) -> Energies:
    """The energies of a normalised training set; in_test (n,) bool : the structures of the test set."""
    return Energies(networks.select(values, ~in_test), networks.select(values, in_test), layers)
