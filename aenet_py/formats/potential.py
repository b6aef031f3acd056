"""Potentials, ``EL.nn`` and ``EL.nn.ascii``: a network, the set-up of its features, and a summary of its training set.

The binary form is that of ænet (save_Network, save_Setup, save_TrnSet_info).  There are two forms of text: that of the
trainer (save_network_iesp and the functions after it), and list-directed text (bin2ascii of nnASCII2bin).
``docs/formats.md`` has the table of all records.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from aenet_py.descriptors.setup import FeatureStatistics, Setup
from aenet_py.errors import InputError
from aenet_py.formats import lines, records
from aenet_py.formats.records import RecordReader
from aenet_py.formats.source import ByteSource
from aenet_py.formats.trainset import described, open_source, read_described

FILE_LENGTH = 1024
RECORDS, NETWORK_RECORDS = 36, 9
ACTIVATIONS = ("linear", "tanh", "sigmoid", "mtanh", "twist")  # by their index in the file


@dataclass(frozen=True)
class Network:
    """A feed-forward network of n_layers layers, including input and output.

    Parameters
    ----------
    nodes : array of int32, shape (n_layers,)
        Nodes of each layer, without bias.
    activations : array of int32, shape (n_layers - 1,)
        Indices into `ACTIVATIONS`.
    weight_ends, value_ends : array of int32, shape (n_layers,)
        End of the weights, and of the values, of each layer.
    weights : array, shape (n_weights,)
        For each pair of layers a matrix (nodes + 1, next nodes) in C order, with the bias in its last row.
    most_nodes : int
        Nodes of the largest layer.
    n_values : int
        Nodes and biases of all layers.
    """

    nodes: np.ndarray
    activations: np.ndarray
    weight_ends: np.ndarray
    value_ends: np.ndarray
    weights: np.ndarray
    most_nodes: int
    n_values: int

    @classmethod
    def of(cls, nodes: Sequence[int] | np.ndarray, activations: Sequence[int], weights: np.ndarray) -> Network:
        """A network from its nodes, activations and weights (new_Network)."""
        layers = np.asarray(nodes, dtype=np.int32)
        sizes = [(n + 1) * after for n, after in itertools.pairwise(layers.tolist())]
        return cls(
            nodes=layers,
            activations=np.array(activations, dtype=np.int32),
            weight_ends=np.array([0, *np.cumsum(sizes)], dtype=np.int32),
            value_ends=np.array([0, *np.cumsum(layers[:-1] + 1)], dtype=np.int32),
            weights=weights,
            most_nodes=int(layers.max()),
            n_values=int((layers[:-1] + 1).sum() + layers[-1]),
        )


@dataclass(frozen=True)
class Training:
    """Summary of the training set of a potential; energies E in eV per atom are normalised as (E - shift) scale.

    low, high, mean : of the energies per atom, normalised if the file was written by ænet's own trainer.
    """

    path: str
    normalized: bool
    scale: float
    shift: float
    types: tuple[str, ...]
    atomic_energies: tuple[float, ...]
    n_atoms: int
    n_structures: int
    low: float
    high: float
    mean: float


@dataclass(frozen=True)
class PotentialFile:
    """The content of a potential's file."""

    network: Network
    setup: Setup
    statistics: FeatureStatistics
    training: Training


def read(path: str) -> PotentialFile:
    """Read a potential in any form; AenetError if the file is not one."""
    with open_source(path) as source:
        potential = read_from(source)
        source.finish()
    return potential


def read_from(source: ByteSource) -> PotentialFile:
    """Read a potential from an open file."""
    source.place = "network"
    network = _read_network(source)
    source.place = "set-up"
    if isinstance(source, RecordReader):
        _refuse_old_files(source)
    setup, statistics = read_described(source)
    if setup.n_features != network.nodes[0]:
        message = f"found {setup.n_features} features; expected {network.nodes[0]}, the number of inputs of the network"
        raise InputError(source.path, message)
    source.place = "training set"
    return PotentialFile(network, setup, statistics, _read_training(source))


def _read_network(source: ByteSource) -> Network:
    n_layers = source.integer("number of layers", least=2)
    most_nodes = source.integer("largest number of nodes", least=1)
    n_weights = source.integer("number of weights", least=1)
    n_values = source.integer("number of values", least=1)
    nodes = source.integers(n_layers, "nodes of the layers")
    if nodes.min() < 1:
        raise source.error(f"found {nodes.min()}; expected at least 1")
    activations = source.integers(n_layers - 1, "activation functions")
    if activations.min() < 0 or activations.max() >= len(ACTIVATIONS):
        raise source.error(f"found {activations.tolist()}; expected 0 to {len(ACTIVATIONS) - 1}")
    weight_ends = source.integers(n_layers, "ends of the layers' weights")
    sizes = (nodes[:-1].astype(np.int64) + 1) * nodes[1:]
    expected = [0, *np.cumsum(sizes).tolist()]
    if weight_ends.tolist() != expected or n_weights != expected[-1]:
        message = f"found {weight_ends.tolist()} and {n_weights} weights"
        raise source.error(f"{message}; expected {expected} for layers of {nodes.tolist()} nodes")
    value_ends = source.integers(n_layers, "ends of the layers' values")
    return Network(
        nodes=nodes,
        activations=activations,
        weight_ends=weight_ends,
        value_ends=value_ends,
        weights=source.reals(n_weights, "weights"),
        most_nodes=most_nodes,
        n_values=n_values,
    )


def _refuse_old_files(source: RecordReader) -> None:
    """Raise InputError for a file of ænet before 2.0, which has three statistics of the features instead of four."""
    lengths = source.ahead(RECORDS)
    if NETWORK_RECORDS + len(lengths) == RECORDS - 1 and lengths[16:18] == [FILE_LENGTH, 4]:
        message = f"found {RECORDS - 1} records, without the average squares of the features"
        reason = "ænet before 2.0 wrote this file; the potential must be trained again"
        raise InputError(source.path, f"{message}; expected {RECORDS} ({reason})")


def _read_training(source: ByteSource) -> Training:
    path = source.text(FILE_LENGTH, "file name")
    normalized = source.logical("whether values are normalised")
    scale, shift = source.real("energy scale"), source.real("energy shift")
    n_types = source.integer("number of species", least=1)
    types = source.symbols(n_types, "species")
    atomic_energies = tuple(source.reals(n_types, "atomic energies").tolist())
    n_atoms = source.integer("number of atoms", least=0)
    n_structures = source.integer("number of structures", least=0)
    low, high, mean = source.reals(3, "minimum, maximum and average energy").tolist()
    return Training(path, normalized, scale, shift, types, atomic_energies, n_atoms, n_structures, low, high, mean)


def to_binary(potential: PotentialFile) -> bytes:
    """The binary file of a potential, ``EL.nn``."""
    return _written(potential, records)


def to_list_directed(potential: PotentialFile) -> bytes:
    """List-directed text with the values of the binary file."""
    return _written(potential, lines)


def _written(potential: PotentialFile, to: ModuleType) -> bytes:
    network, training = potential.network, potential.training
    return b"".join(
        [
            to.integers([len(network.nodes)]),
            to.integers([network.most_nodes]),
            to.integers([len(network.weights)]),
            to.integers([network.n_values]),
            to.integers(network.nodes),
            to.integers(network.activations),
            to.integers(network.weight_ends),
            to.integers(network.value_ends),
            to.reals(network.weights),
            described(potential.setup, potential.statistics, to),
            to.text(training.path, FILE_LENGTH),
            to.logical(training.normalized),
            to.reals([training.scale]),
            to.reals([training.shift]),
            to.integers([len(training.types)]),
            to.symbols(training.types),
            to.reals(training.atomic_energies),
            to.integers([training.n_atoms]),
            to.integers([training.n_structures]),
            to.reals([training.low, training.high, training.mean]),
        ]
    )


def to_trainer_text(potential: PotentialFile) -> bytes:
    """The text file written by the trainer, ``EL.nn.ascii``."""
    network, training = potential.network, potential.training
    setup, statistics = potential.setup, potential.statistics
    features = [statistics.low, statistics.high, statistics.mean, statistics.square]
    parts = [
        *(f"{n:17d}\n" for n in (len(network.nodes), network.most_nodes, len(network.weights), network.n_values)),
        *(
            _columns("{:17d} ", v)
            for v in (network.nodes, network.activations, network.weight_ends, network.value_ends)
        ),
        _columns("{:24.17f} ", network.weights),
        f"{setup.description}\n{setup.atom_type}\n",
        f"{len(setup.env_types):17d}\n",
        _columns("{} ", setup.env_types),
        f"{setup.r_min:24.17f}\n{setup.r_max:24.17f}\n",
        f"{setup.basis}\n",
        f"{setup.n_features:17d}\n{setup.parameters.shape[1]:17d}\n",
        _columns("{:17d} ", setup.functions),
        _columns("{:24.17f} ", setup.parameters.ravel()),
        _columns("{:17d} ", setup.environment.ravel() + 1),
        f"{statistics.count:17d}\n",
        *(_columns("{:24.17f} ", values) for values in features),
        f"{training.path}\n{training.normalized}\n{training.scale}\n{training.shift}\n{len(training.types)}\n",
        _columns("{} ", training.types),
        _columns("{} ", training.atomic_energies),
        f"{training.n_atoms}\n{training.n_structures}\n{training.low} {training.high} {training.mean}\n",
    ]
    return "".join(parts).encode("latin-1")


def _columns(form: str, values: Sequence | np.ndarray) -> str:
    return "".join(map(form.format, values)) + "\n"
