"""Which structures are trained on and which tested, and in which batches: the original's draws in its order."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch

from aenet_py.training.dataset import Data, Structure
from aenet_py.training.forces import Gradients, Place


@dataclass(frozen=True)
class Part:
    """Structures of one batch as tensors; the atoms of all of them are numbered by structure, then species.

    paths, energies (n,), n_atoms (n,) float64 : of the structures; features : per species (n_atoms, n_features);
    structures : per species (n_atoms,), which structure an atom belongs to; forces (n_atoms of all, 3), None where
    energies alone are trained on; gradients : of each structure, per species; places : of each structure.
    """

    paths: list[str]
    energies: torch.Tensor
    n_atoms: torch.Tensor
    features: list[torch.Tensor]
    structures: list[torch.Tensor]
    forces: torch.Tensor | None
    gradients: list[list[Gradients]]
    places: list[Place]


@dataclass(frozen=True)
class Batch:
    """Structures with forces and those without, either may be missing."""

    with_forces: Part | None
    energies_only: Part | None


@dataclass(frozen=True)
class Batches:
    """Training and test batches; energy_size, force_size : average numbers of structures in a training batch."""

    train: list[Batch]
    test: list[Batch]
    energy_size: int
    force_size: int


def split(n: int, test_fraction: float) -> tuple[list[int], list[int]]:
    """Training and test structures of n (split_database); draws from NumPy's global generator."""
    indices = list(range(n))
    np.random.shuffle(indices)  # noqa: NPY002 - the original's generator
    n_test = math.floor(test_fraction * n)
    return indices[n_test:], indices[:n_test]


def number_of_batches(n: int, size: float) -> int:
    """So that the last batch is not much smaller than the others (get_N_batch)."""
    if size <= 0:
        return min(n, 1)
    found = int(n / size)
    rest = n - found * size
    if (rest >= int(size / 2) or found == 0) and rest != 0:
        found += 1
    return found


def sizes(n: int, n_batches: int) -> list[int]:
    """Structures in each batch, the larger ones at random places (get_batch_indexes_N_batch)."""
    base, extra = divmod(n, n_batches)
    counts = np.array([base + (i < extra) for i in range(n_batches)])
    np.random.shuffle(counts)  # noqa: NPY002 - the original's generator
    return counts.tolist()


def prepare(data: Data, batch_size: int, test_fraction: float) -> Batches:
    """Draw the batches (select_batch_size, select_batches)."""
    n_energy, n_force = len(data.energies_only), len(data.with_forces)
    train_e, test_e = split(n_energy, test_fraction)
    train_f, test_f = split(n_force, test_fraction)
    share = n_force / (n_force + n_energy)
    if share <= 0.5:
        size: float = round((1 - share) * batch_size)
        counts = [number_of_batches(len(part), size) for part in (train_e, test_e)]
    else:
        size = share * batch_size
        counts = [number_of_batches(len(part), size) for part in (train_f, test_f)]
    if n_force:
        counts = [min(count, n_force) for count in counts]
    energy = _draw(data.energies_only, counts, test_fraction)
    force = _draw(data.with_forces, counts, test_fraction)
    train, test = (
        [Batch(f, e) for f, e in itertools.zip_longest(force[i], energy[i])] for i in (0, 1)
    )  # fmt: skip
    mean_sizes = [_mean_size(parts[0]) for parts in (energy, force)]
    return Batches(train, test, mean_sizes[0], mean_sizes[1])


def _mean_size(parts: list[Part]) -> int:
    return round(float(np.mean([len(part.paths) for part in parts]))) if parts else 0


def _draw(structures: list[Structure], counts: list[int], test_fraction: float) -> tuple[list[Part], list[Part]]:
    if not structures:
        return [], []
    found: list[list[Part]] = []
    for chosen, n_batches in zip(split(len(structures), test_fraction), counts, strict=True):
        parts, start = [], 0
        for n in sizes(len(chosen), n_batches) if n_batches else []:
            parts.append(join([structures[i] for i in chosen[start : start + n]], len(structures[0].features)))
            start += n
        found.append(parts)
    return found[0], found[1]


def join(structures: list[Structure], n_species: int) -> Part:
    """Structures as one part of a batch."""
    features: list[list[torch.Tensor]] = [[] for _ in range(n_species)]
    numbers: list[list[torch.Tensor]] = [[] for _ in range(n_species)]
    places, first_atom, first_rows = [], 0, [0] * n_species
    for number, structure in enumerate(structures):
        rows = []
        for species, values in enumerate(structure.features):
            features[species].append(values)
            numbers[species].append(torch.full((len(values),), number))
            rows.append(slice(first_rows[species], first_rows[species] + len(values)))
            first_rows[species] += len(values)
        places.append(Place(slice(first_atom, first_atom + structure.n_atoms), tuple(rows)))
        first_atom += structure.n_atoms
    gradients = [structure.gradients for structure in structures if structure.gradients is not None]
    with_forces = bool(structures) and len(gradients) == len(structures)
    return Part(
        paths=[structure.path for structure in structures],
        energies=torch.tensor([structure.energy for structure in structures], dtype=torch.float64),
        n_atoms=torch.tensor([structure.n_atoms for structure in structures], dtype=torch.float64),
        features=[_joined(parts) for parts in features],
        structures=[_joined(parts) for parts in numbers],
        forces=torch.cat([structure.forces for structure in structures]) if with_forces else None,
        gradients=gradients,
        places=places,
    )


def _joined(parts: list[torch.Tensor]) -> torch.Tensor:
    kept = [part for part in parts if len(part)] or parts[:1]
    return torch.cat(kept) if kept else torch.zeros(0)
