"""FORCES in a deck of train.x: training on energies and forces, with the loss of aenet_pytorch.py."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from aenet_py.errors import InputError
from aenet_py.formats import rngstate
from aenet_py.formats.potential import ACTIVATIONS, PotentialFile
from aenet_py.inputs.train import TrainInput
from aenet_py.inputs.trainx_deck import TrainxInput
from aenet_py.runtime.workers import processors
from aenet_py.training import loop, model, options
from aenet_py.training.data import batches, dataset
from aenet_py.training.data.batches import Batch
from aenet_py.training.data.dataset import Data
from aenet_py.training.loop import Shares, Sums
from aenet_py.training.model import Networks
from aenet_py.training.ranks import ALONE
from aenet_py.training.secondorder import methods as secondorder
from aenet_py.training.trainx import methods, sampling
from aenet_py.training.trainx.methods import Method, Pause, Warn
from aenet_py.training.trainx.networks import Evaluation
from aenet_py.training.trainx.scaling import ScaledSet

AT_ONCE = 16  # structures that share the weights of energies and forces, in ekf


@dataclass(frozen=True)
class Part:
    """The training or the test set in one batch; places (n,) : of the batch's structures in the order of the set."""

    batch: Batch
    places: np.ndarray


@dataclass(frozen=True)
class Forces:
    """The energies and forces of both sets.

    data : all structures; numbers (n_train,) : those of the training set; networks : of this architecture; scales : of
    the features.
    """

    data: Data
    numbers: np.ndarray
    networks: Networks
    train: Part
    test: Part | None
    scales: list[torch.Tensor]
    shares: Shares

    def evaluate(self, weights: np.ndarray) -> Evaluation:
        """Errors of the training set, and the loss of aenet_pytorch.py."""
        return self._evaluated(self.train, weights)

    def tested(self, weights: np.ndarray) -> Evaluation:
        """Errors of the test set."""
        if self.test is None:
            return Evaluation(np.zeros(0), 0.0, lambda: np.zeros_like(weights))
        return self._evaluated(self.test, weights)

    def begin(self, deck: TrainxInput, n_weights: int, between: Pause, warn: Warn) -> Method:
        """Begin training; lm and ekf keep no state in a file."""
        if deck.method == "bfgs":
            return methods.bfgs(n_weights)
        settings = dict(deck.settings)
        if deck.method == "lm":
            settings = {"damping": settings["learnrate"], "adjust": settings["adjust"]}
        method, random = secondorder.start(deck.method, settings, self.networks, None), rngstate.fresh()
        numbers, n = rngstate.uniform(random), len(self.numbers)
        size = min(n, int(deck.settings.get("batchsize", AT_ONCE)))

        def epoch(weights: np.ndarray, found: Evaluation) -> tuple[np.ndarray, bool]:
            networks = self._with(weights)
            order = sampling.order(deck.sampling, self.data.energies[self.numbers], found.errors, numbers, n)
            for number, chosen in enumerate(sampling.batches(order, size)):
                if number:
                    between()
                is_whole = deck.sampling == "sequential" and len(chosen) == n
                batch = self.train.batch if is_whole else _part(self.data, self.numbers[chosen]).batch
                evaluation = loop.evaluate(networks, batch, self.scales)
                terms = loop.terms(batch, evaluation, ALONE)
                new = secondorder.step(method, networks, batch, evaluation, terms, self.scales, self.shares, ALONE)
                networks = networks.like(new)
            method.warn_of_diverged_steps(warn)
            return _stored(networks), False

        return Method(epoch=epoch, state=None, outcome=None)

    def _with(self, weights: np.ndarray) -> Networks:
        """The networks with these weights, in the order of potential files."""
        networks, begin = self.networks.like(torch.empty_like(self.networks.values)), 0
        for layers in networks.species:
            end = begin + model.n_weights(layers)
            model.take_weights(layers, weights[begin:end])
            begin = end
        return networks

    def _evaluated(self, part: Part, weights: np.ndarray) -> Evaluation:
        networks, batch = self._with(weights), part.batch
        found = loop.evaluate(networks, batch, self.scales)
        terms = loop.terms(batch, found, ALONE)
        errors = np.empty(len(part.places))
        errors[part.places] = ((batch.energies - found.energies) / batch.n_atoms).numpy()
        total = Sums().plus(terms).errors(self.shares)

        def differentiate() -> np.ndarray:
            gradient = loop.gradient(networks, batch, found, terms, self.scales, self.shares)
            assert gradient is not None  # the loss is finite
            return _stored(networks.like(gradient))

        return Evaluation(errors, total.total, differentiate, total.force if batch.n_with_forces else None)


@contextlib.contextmanager
def without_graph() -> Iterator[None]:
    """torch for `Forces`, which differentiates by itself, in one thread: its threads would slow down the kernels'."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(n_threads)


def of(deck: TrainxInput, scaled: ScaledSet, files: Sequence[PotentialFile], in_test: np.ndarray) -> Forces:
    """Read the gradients.

    Parameters
    ----------
    deck : TrainxInput
        A deck with FORCES.
    scaled : ScaledSet
        The normalised training set, whose scale and shift are used.
    files : sequence of PotentialFile
        The network of each species, in the order of the training set.
    in_test : array of bool, shape (n,)
        The structures of the test set.

    Returns
    -------
    Forces

    Raises
    ------
    AenetError
        If the training set or its gradients are missing or do not fit together.
    """
    assert deck.alpha is not None
    given = options.deck_of(deck.path, deck.training_set, _layers(files), {"forces_weight": deck.alpha})
    data = _data(given, scaled)
    numbers = _numbers(deck, data, scaled)
    train, test = numbers[~in_test], numbers[in_test]
    return Forces(
        data=data,
        numbers=train,
        networks=model.draw([setup.n_features for setup in data.setups], given.networks, torch.device("cpu")),
        train=_part(data, train),
        test=_part(data, test) if len(test) else None,
        scales=[torch.from_numpy(scale) for scale in data.feature_scales],
        shares=Shares(deck.alpha),
    )


def _layers(files: Sequence[PotentialFile]) -> dict[str, list[tuple[int, str]]]:
    """Hidden layers of each network; those of a network that exists need not be those of the deck."""
    layers = {}
    for file in files:
        nodes, names = file.network.nodes.tolist(), [ACTIVATIONS[number] for number in file.network.activations]
        layers[file.setup.atom_type.strip()] = list(zip(nodes[1:-1], names[:-1], strict=True))
    return layers


def _data(given: TrainInput, scaled: ScaledSet) -> Data:
    """The structures with their gradients, normalised as in the scaled set."""
    found, header = dataset.prepare(given, dataset.read(given), threads=processors()), scaled.training_set.header
    training = dataclasses.replace(found.training, scale=header.scale, shift=header.shift)
    return dataclasses.replace(found, training=training, shifts=(header.shift,) * len(found.shifts))


def _numbers(deck: TrainxInput, data: Data, scaled: ScaledSet) -> np.ndarray:
    """Where the structures of the scaled set, which lacks those above MAXENERGY, are in the training set, (n,)."""
    numbers, paths = [], enumerate(data.structures.paths)
    for entry in scaled.training_set.structures.entries:
        number = next((number for number, path in paths if path == entry.path.strip()), None)
        if number is None:
            message = f"found {entry.path.strip()!r}; expected the structures of {deck.training_set}, in the same order"
            raise InputError(scaled.path, f"{message}; remove it to normalise the training set again")
        numbers.append(number)
    return np.array(numbers)


def _part(data: Data, numbers: np.ndarray) -> Part:
    """A batch of these structures, those with forces first."""
    has_forces = data.structures.with_forces[numbers]
    places = np.concatenate([np.flatnonzero(has_forces), np.flatnonzero(~has_forces)])
    ordered, n = numbers[places].tolist(), int(has_forces.sum())
    return Part(batches.join(data, ordered[:n], ordered[n:], ALONE), places)


def _stored(networks: Networks) -> np.ndarray:
    """The weights of all networks in the order of potential files, (n_weights,)."""
    parts = [[(layer.weight, layer.bias) for layer in layers] for layers in networks.species]
    return np.concatenate([model.stored_weights(layers) for layers in parts])
