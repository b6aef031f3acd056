"""Networks of all species in NumPy: errors of the energies, and the gradient of their squares by the weights.

The atoms of each species are evaluated together, layer by layer, as products of matrices.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.formats.potential import Network
from aenet_py.formats.trainset import TrainingSet
from aenet_py.potentials.constants import LINEAR, MTANH, SIGMOID, TANH, A, B, C


@dataclass(frozen=True)
class Layer:
    """A layer of a network: where its weights begin among those of all networks, its sizes and its activation."""

    start: int
    n_in: int
    n_out: int
    function: int

    def matrix(self, weights: np.ndarray) -> np.ndarray:
        """Its weights, (n_in + 1, n_out), with the bias in the last row."""
        stop = self.start + (self.n_in + 1) * self.n_out
        return weights[self.start : stop].reshape(self.n_in + 1, self.n_out)


@dataclass(frozen=True)
class Structures:
    """Structures of a normalised training set, with the atoms of each species together.

    Parameters
    ----------
    energies : array, shape (n,)
        Normalised energy of each structure.
    sizes : array, shape (n,)
        Number of atoms of each structure.
    features : tuple of array, shape (n_atoms, n_features)
        Of the atoms of each species.
    owners : tuple of array of int, shape (n_atoms,)
        The structure of each atom.
    """

    energies: np.ndarray
    sizes: np.ndarray
    features: tuple[np.ndarray, ...]
    owners: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Evaluation:
    """Errors of the training set, the loss, and what computes its gradient.

    errors : reference - network of the energies per atom, (n,); forces : root mean square of the lengths of force
    errors, normalised, None without FORCES.
    """

    errors: np.ndarray
    loss: float
    differentiate: Callable[[], np.ndarray]
    forces: float | None = None

    @functools.cached_property
    def gradient(self) -> np.ndarray:
        """Gradient of the loss by the weights, (n_weights,), computed when a method first asks for it."""
        return self.differentiate()


def layers_of(networks: Sequence[Network]) -> tuple[tuple[Layer, ...], ...]:
    """The layers of the network of each species."""
    start, layers = 0, []
    for network in networks:
        rows = []
        for (n_in, n_out), function in zip(
            itertools.pairwise(network.nodes.tolist()), network.activations.tolist(), strict=True
        ):
            rows.append(Layer(start, n_in, n_out, function))
            start += (n_in + 1) * n_out
        layers.append(tuple(rows))
    return tuple(layers)


def select(training_set: TrainingSet, chosen: np.ndarray) -> Structures:
    """Some structures of a normalised training set; chosen (n,) bool."""
    entries, atoms = training_set.structures.entries, training_set.structures.atoms
    owners = np.repeat(np.cumsum(chosen) - 1, np.diff(training_set.structures.starts))
    kept = np.repeat(chosen, np.diff(training_set.structures.starts))
    rows = [kept & (atoms.types == species) for species in range(len(training_set.header.types))]
    widths = [setup.n_features for setup in training_set.footer.setups]
    return Structures(
        energies=np.array([entry.energy for entry in entries], dtype=float)[chosen],
        sizes=np.array([entry.n_atoms for entry in entries], dtype=float)[chosen],
        features=tuple(np.ascontiguousarray(atoms.features[r, :n]) for r, n in zip(rows, widths, strict=True)),
        owners=tuple(owners[r] for r in rows),
    )


def take(structures: Structures, order: np.ndarray) -> Structures:
    """Structures in another order, (n,) int, of which some may occur more than once."""
    n = len(structures.energies)
    if np.array_equal(order, np.arange(n)):
        return structures
    features, new_owners = [], []
    for values, owners in zip(structures.features, structures.owners, strict=True):
        starts = np.searchsorted(owners, np.arange(n + 1))
        sizes = np.diff(starts)[order]
        ends = np.cumsum(sizes)
        features.append(values[np.arange(sizes.sum()) + np.repeat(starts[order] - ends + sizes, sizes)])
        new_owners.append(np.repeat(np.arange(len(order)), sizes))
    return Structures(structures.energies[order], structures.sizes[order], tuple(features), tuple(new_owners))


def activate(function: int, x: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Values of an activation function, in place of x, and its slopes; None where these are 1 (ff_activate)."""
    if function == LINEAR:
        return x, None
    if function == TANH:
        y = np.tanh(x, out=x)
        return y, 1.0 - y * y
    if function == SIGMOID:
        y = 0.5 + 0.5 * np.tanh(0.5 * x)
        return y, y * (1.0 - y)
    y = np.tanh(B * x)
    slopes = A * B * (1.0 - y * y)
    y *= A
    return (y, slopes) if function == MTANH else (y + C * x, slopes + C)


def errors(structures: Structures, networks: Sequence[Sequence[Layer]], weights: np.ndarray) -> np.ndarray:
    """Errors (reference - network) of the normalised energies per atom, (n,)."""
    return _forward(structures, networks, weights)[0]


def evaluate(structures: Structures, networks: Sequence[Sequence[Layer]], weights: np.ndarray) -> Evaluation:
    """Errors of the normalised energies per atom, and the gradient of half the sum of their squares.

    Parameters
    ----------
    structures : Structures
        The structures.
    networks : sequence of sequence of Layer
        The layers of each species.
    weights : array, shape (n_weights,)
        The weights of all networks.

    Returns
    -------
    Evaluation
    """
    deviations, kept = _forward(structures, networks, weights)
    by_energy, loss = -deviations / structures.sizes, 0.5 * float(deviations @ deviations)
    return Evaluation(deviations, loss, lambda: _backward(structures, networks, weights, kept, by_energy))


def sensitivity(
    structure: Structures, networks: Sequence[Sequence[Layer]], weights: np.ndarray
) -> tuple[float, np.ndarray]:
    """The error of one structure, and the derivative of its predicted energy per atom by the weights, (n_weights,)."""
    deviations, kept = _forward(structure, networks, weights)
    return float(deviations[0]), _backward(structure, networks, weights, kept, 1.0 / structure.sizes)


def singles(structures: Structures) -> list[Structures]:
    """Each structure on its own."""
    n = len(structures.energies)
    edges = [np.searchsorted(owners, np.arange(n + 1)).tolist() for owners in structures.owners]
    parts = []
    for i in range(n):
        rows = [slice(edge[i], edge[i + 1]) for edge in edges]
        features = tuple(f[r] for f, r in zip(structures.features, rows, strict=True))
        owners = tuple(np.zeros(len(f), dtype=int) for f in features)
        parts.append(Structures(structures.energies[i : i + 1], structures.sizes[i : i + 1], features, owners))
    return parts


_Steps = list[list[tuple[np.ndarray, np.ndarray | None]]]


def _forward(
    structures: Structures, networks: Sequence[Sequence[Layer]], weights: np.ndarray
) -> tuple[np.ndarray, _Steps]:
    """Errors, and inputs and slopes of each layer."""
    predicted = np.zeros(len(structures.energies))
    kept = []
    for layers, values, owners in zip(networks, structures.features, structures.owners, strict=True):
        steps = []
        for layer in layers:
            inputs = values
            values, slopes = _outputs(layer, weights, inputs)
            steps.append((inputs, slopes))
        predicted += np.bincount(owners, values[:, 0], len(predicted))
        kept.append(steps)
    return (structures.energies - predicted) / structures.sizes, kept


def _backward(
    structures: Structures,
    networks: Sequence[Sequence[Layer]],
    weights: np.ndarray,
    kept: _Steps,
    by_energy: np.ndarray,
) -> np.ndarray:
    """Gradient by the weights of a sum of energies, each multiplied by by_energy (n,)."""
    gradient = np.empty(len(weights))
    for layers, steps, owners in zip(networks, kept, structures.owners, strict=True):
        pull = by_energy[owners][:, np.newaxis]
        for layer, (inputs, slopes) in zip(reversed(layers), reversed(steps), strict=True):
            if slopes is not None:
                pull = slopes * pull
            matrix = layer.matrix(gradient)
            np.matmul(inputs.T, pull, out=matrix[:-1])
            np.sum(pull, axis=0, out=matrix[-1])
            if layer is not layers[0]:
                pull = pull @ layer.matrix(weights)[:-1].T
    return gradient


def jacobian(
    structures: Structures, networks: Sequence[Sequence[Layer]], weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Errors of the normalised energies per atom, and their derivatives by the weights.

    Parameters
    ----------
    structures : Structures
        The structures; the atoms of each follow one another.
    networks : sequence of sequence of Layer
        The layers of each species.
    weights : array, shape (n_weights,)
        The weights of all networks.

    Returns
    -------
    errors : array, shape (n,)
        Errors (reference - network).
    derivatives : array, shape (n, n_weights)
        Derivatives of the errors.
    """
    n = len(structures.energies)
    deviations, kept = _forward(structures, networks, weights)
    derivatives = np.zeros((n, len(weights)))
    for layers, steps, owners in zip(networks, kept, structures.owners, strict=True):
        starts = np.searchsorted(owners, np.arange(n + 1)).tolist()
        pull = -1.0 / structures.sizes[owners][:, np.newaxis]
        for layer, (inputs, slopes) in zip(reversed(layers), reversed(steps), strict=True):
            if slopes is not None:
                pull = slopes * pull
            with_bias = np.column_stack((inputs, np.ones(len(inputs))))
            for row, (start, stop) in zip(derivatives, itertools.pairwise(starts), strict=True):
                np.matmul(with_bias[start:stop].T, pull[start:stop], out=layer.matrix(row))
            if layer is not layers[0]:
                pull = pull @ layer.matrix(weights)[:-1].T
    return deviations, derivatives


def _outputs(layer: Layer, weights: np.ndarray, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    matrix = layer.matrix(weights)
    sums = inputs @ matrix[:-1]
    sums += matrix[-1]
    return activate(layer.function, sums)
