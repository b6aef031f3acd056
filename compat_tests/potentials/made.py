"""Potentials with random networks, and their slow twin: energies and forces from `naive` features."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms

from aenet_py.descriptors.setup import FeatureStatistics
from aenet_py.formats import potential as potential_format
from aenet_py.formats.potential import Network, PotentialFile, Training
from aenet_py.inputs import repulsion
from aenet_py.potentials.potential import Potential
from compat_tests import naive
from compat_tests.compare import setup

FUNCTIONS = (
    lambda x: x,
    np.tanh,
    lambda x: 1 / (1 + np.exp(-x)),
    lambda x: 1.7159 * np.tanh(0.666666666666667 * x),
    lambda x: 1.7159 * np.tanh(0.666666666666667 * x) + 0.1 * x,
)


def potential_files(
    generator: np.random.Generator, species: Sequence[str], radial: tuple[float, int], angular: tuple[float, int],
    hidden: Sequence[int] = (7, 4), functions: Sequence[int] = (1, 1, 0),
) -> list[PotentialFile]:  # fmt: skip
    """Potentials of all species; radial, angular: cutoff and order; hidden: nodes; functions: of the layers."""
    made = []
    for symbol in species:
        one = setup(symbol, species, radial, angular)
        nodes = [one.n_features, *hidden, 1]
        n_weights = sum((n + 1) * after for n, after in itertools.pairwise(nodes))
        mean, width = generator.normal(size=one.n_features), generator.uniform(2, 5, size=one.n_features)
        statistics = FeatureStatistics(100, mean - 2 * width, mean + 2 * width, mean, mean**2 + width**2)
        energies = tuple(-1.0 - number for number in range(len(species)))
        training = Training("made", True, 0.7, -3.0, tuple(species), energies, 100, 10, -1.0, 1.0, 0.0)
        network = Network.of(nodes, functions, generator.normal(size=n_weights) * 0.7)
        made.append(PotentialFile(network, one, statistics, training))
    return made


def loaded(files: Sequence[PotentialFile], folder: Path) -> Potential:
    """The potential of these files."""
    paths = {}
    for file in files:
        symbol = file.setup.atom_type.strip()
        paths[symbol] = str(folder / f"{symbol}.nn")
        Path(paths[symbol]).write_bytes(potential_format.to_binary(file))
    return Potential.load(paths, legacy_angular=False)


def repulsive(paths: Mapping[str, str], words: str, folder: Path) -> dict[str, str]:
    """Copies of potentials, in a folder, with the repulsion that these words after REPULSION define."""
    wanted, found = repulsion.parse(words.split()), {}
    for symbol, path in paths.items():
        file = potential_format.read(path)
        one = dataclasses.replace(file.setup, description=repulsion.described(file.setup, wanted))
        found[symbol] = str(folder / f"{symbol}.nn")
        Path(found[symbol]).write_bytes(potential_format.to_binary(dataclasses.replace(file, setup=one)))
    return found


def twin(files: Sequence[PotentialFile], atoms: Atoms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Atomic energies, eV, forces, eV/Å, and virial, eV: all images one by one, derivatives by complex steps."""
    n, symbols = len(atoms), atoms.get_chemical_symbols()
    energies, forces, virial = np.zeros(n), np.zeros((n, 3)), np.zeros((3, 3))
    of_symbol = {file.setup.atom_type.strip(): file for file in files}
    for atom, symbol in enumerate(symbols):
        file = of_symbol[symbol]
        found = surroundings(atoms, atom, file.setup.r_max)
        one = file.setup
        basis = naive.basis(
            one.env_types, one.radial_cutoff, one.radial_order, one.angular_cutoff, one.angular_order
        )  # fmt: skip
        features, own, others = naive.atom_features(basis, found, symbols)
        features = np.array(features)
        steps = features + 1e-30j * np.eye(len(features))
        slopes = np.array([network(file, row).imag for row in steps]) / 1e-30
        energies[atom] = network(file, features).real
        forces[atom] -= np.array(own) @ slopes
        for (other, vector, _), gradient in zip(found, others, strict=True):
            pull = np.array(gradient) @ slopes
            forces[other] -= pull
            virial += np.outer(vector, pull)
    return energies, forces, virial


def surroundings(atoms: Atoms, atom: int, reach: float) -> list[tuple[int, list[float], float]]:
    """Neighbours of an atom closer than reach: their number, vector and distance, Å."""
    cell, positions = atoms.cell.array, atoms.positions
    most = [0, 0, 0]
    if atoms.pbc.any():
        heights = 1 / np.linalg.norm(np.linalg.inv(atoms.cell.complete().array), axis=0)
        spread = 2 * np.abs(positions).max() * 3**0.5
        most = np.where(atoms.pbc, np.ceil((reach + spread) / heights), 0).astype(int)
    found = []
    for image in itertools.product(*(range(-k, k + 1) for k in most)):
        for other in range(len(atoms)):
            vector = positions[other] + np.array(image) @ cell - positions[atom]
            distance = float(np.linalg.norm(vector))
            if distance < reach and (other != atom or any(image)):
                found.append((other, vector.tolist(), distance))
    return found


def network(file: PotentialFile, features: np.ndarray) -> complex:
    """Atomic energy, eV, of features that may be complex."""
    values = (features - file.statistics.mean) * file.statistics.factors
    for layer, function in enumerate(file.network.activations):
        begin, end = file.network.weight_ends[layer : layer + 2]
        matrix = file.network.weights[begin:end].reshape(-1, file.network.nodes[layer + 1])
        values = FUNCTIONS[function](values @ matrix[:-1] + matrix[-1])
    training = file.training
    free = training.atomic_energies[training.types.index(file.setup.atom_type.strip())]
    return complex(values[0] / training.scale + training.shift + free)
