"""Which structures are trained on and which tested, and in which batches: the original's draws in its order."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch

from aenet_py.training.dataset import Data, Structure


@dataclass(frozen=True)
class Part:
    """Structures of one batch as tensors; the atoms of all of them are numbered by structure, then species.

    paths, energies (n,), n_atoms (n,) float64 : of the structures; features : per species (n_atoms, n_features);
    structures : per species (n_atoms,), which structure an atom belongs to; atoms : per species (n_atoms,), its number
    among all; forces (n_atoms of all, 3); own, others, centers, neighbors : as in `dataset.Pairs`, None where energies
    alone are trained on.
    """

    paths: list[str]
    energies: torch.Tensor
    n_atoms: torch.Tensor
    features: list[torch.Tensor]
    structures: list[torch.Tensor]
    atoms: list[torch.Tensor]
    forces: torch.Tensor | None
    own: list[torch.Tensor]
    others: list[torch.Tensor]
    centers: list[torch.Tensor]
    neighbors: list[torch.Tensor]


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
    n_atoms = [structure.n_atoms for structure in structures]
    first_atom = list(itertools.accumulate(n_atoms, initial=0))
    columns: dict[str, list[list[torch.Tensor]]] = {
        name: [[] for _ in range(n_species)]
        for name in ("features", "structures", "atoms", "own", "others", "centers", "neighbors")
    }
    for number, structure in enumerate(structures):
        place = first_atom[number]
        for species, features in enumerate(structure.features):
            n, before = len(features), sum(map(len, columns["features"][species]))
            if structure.pairs is not None:
                columns["own"][species].append(structure.pairs.own[species])
                columns["others"][species].append(structure.pairs.others[species])
                columns["centers"][species].append(structure.pairs.centers[species] + before)
                columns["neighbors"][species].append(structure.pairs.neighbors[species] + first_atom[number])
            columns["features"][species].append(features)
            columns["structures"][species].append(torch.full((n,), number))
            columns["atoms"][species].append(torch.arange(place, place + n))
            place += n
    joined = {name: [_joined(parts) for parts in column] for name, column in columns.items()}
    with_forces = all(structure.pairs is not None for structure in structures)
    return Part(
        paths=[structure.path for structure in structures],
        energies=torch.tensor([structure.energy for structure in structures], dtype=torch.float64),
        n_atoms=torch.tensor(n_atoms, dtype=torch.float64),
        forces=torch.cat([structure.forces for structure in structures]) if structures and with_forces else None,
        **joined,
    )


def _joined(parts: list[torch.Tensor]) -> torch.Tensor:
    kept = [part for part in parts if len(part)] or parts[:1]
    return torch.cat(kept) if kept else torch.zeros(0)
