"""Which structures are trained on and which tested, and in which batches: the original's draws in its order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch

from aenet_py.training.dataset import Data, Structures
from aenet_py.training.forces import Centers, OnDevice, Packed
from aenet_py.training.gradients import Later
from aenet_py.workers import processors

LEAST_ATOMS = 64  # that are worth a thread of their own


@dataclass(frozen=True)
class Batch:
    """Structures as tensors, first those with forces; their atoms are numbered by structure, then network.

    paths, energies (n,), offsets (n,) eV : what was taken off them, n_atoms (n,) float64 : of the structures; features
    : per network (its atoms, n_features); structures : per network (its atoms,), which structure each belongs to;
    n_with_forces : structures; forces (n_atoms of these, 3), gradients : None if there are none.  Energies, forces and
    features are normalised.
    """

    paths: list[str]
    energies: torch.Tensor
    offsets: torch.Tensor
    n_atoms: torch.Tensor
    features: list[torch.Tensor]
    structures: list[torch.Tensor]
    n_with_forces: int
    forces: torch.Tensor | None
    gradients: Packed | OnDevice | None

    def to(self, device: torch.device) -> Batch:
        """The same on a device, gradients that are in a file read."""

        def moved(values: list[torch.Tensor]) -> list[torch.Tensor]:
            return [value.to(device, non_blocking=True) for value in values]

        energies, n_atoms = moved([self.energies, self.n_atoms])
        return replace(
            self,
            energies=energies,
            n_atoms=n_atoms,
            features=moved(self.features),
            structures=moved(self.structures),
            forces=None if self.forces is None else self.forces.to(device, non_blocking=True),
            gradients=None if self.gradients is None else self.gradients.to(device),
        )


@dataclass(frozen=True)
class Draw:
    """Which structures the batches have: for each batch the numbers of those with forces and of those without.

    energy_size, force_size : average numbers of structures in a training batch.
    """

    train: list[tuple[list[int], list[int]]]
    test: list[tuple[list[int], list[int]]]
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


def draw(with_forces: np.ndarray, batch_size: int, test_fraction: float) -> Draw:
    """Draw the batches (select_batch_size, select_batches); with_forces : whether each structure has them."""
    energies_only, forces = np.flatnonzero(~with_forces), np.flatnonzero(with_forces)
    n_energy, n_force = len(energies_only), len(forces)
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
    energy = _draw(energies_only, counts, test_fraction)
    force = _draw(forces, counts, test_fraction)
    return Draw(
        list(itertools.zip_longest(force[0], energy[0], fillvalue=[])),
        list(itertools.zip_longest(force[1], energy[1], fillvalue=[])),
        _mean_size(energy[0]),
        _mean_size(force[0]),
    )


def _mean_size(parts: list[list[int]]) -> int:
    return round(float(np.mean([len(part) for part in parts]))) if parts else 0


def _draw(structures: np.ndarray, counts: list[int], test_fraction: float) -> tuple[list[list[int]], list[list[int]]]:
    if not len(structures):
        return [], []
    found: list[list[list[int]]] = []
    for chosen, n_batches in zip(split(len(structures), test_fraction), counts, strict=True):
        parts, start = [], 0
        for n in sizes(len(chosen), n_batches) if n_batches else []:
            parts.append(structures[chosen[start : start + n]].tolist())
            start += n
        found.append(parts)
    return found[0], found[1]


def join(data: Data, with_forces: Sequence[int], energies_only: Sequence[int]) -> Batch:
    """Some structures as a batch."""
    structures = data.structures
    numbers, n_with_forces = np.array([*with_forces, *energies_only], dtype=np.int64), len(with_forces)
    counts = np.diff(structures.first_atoms)[numbers]
    first_atoms = np.concatenate([[0], np.cumsum(counts)])
    features, owners, centers = [], [], []
    before = first_atoms[:-1].copy()  # the first atom of each structure that the network at hand is for
    for network in range(len(structures.features)):
        begins = structures.rows[numbers, network]
        in_each = structures.rows[numbers + 1, network] - begins
        features.append(torch.from_numpy(data.features(network, _ranges(begins, in_each))))
        owner = np.repeat(np.arange(len(numbers)), in_each)
        owners.append(torch.from_numpy(owner))
        here = slice(int(in_each[:n_with_forces].sum()))
        centers.append((_ranges(before, in_each)[here], first_atoms[owner[here]], owner[here]))
        before += in_each
    n_forces = int(first_atoms[n_with_forces])
    atoms = _ranges(structures.first_atoms[numbers], counts)[:n_forces]
    first = numbers[:n_with_forces], counts[:n_with_forces]
    forces = (structures.forces[atoms] * np.float32(data.training.scale)).astype(np.float64)
    return Batch(
        paths=[structures.paths[i] for i in numbers],
        energies=torch.from_numpy(data.energies[numbers]),
        offsets=torch.from_numpy(data.offsets[numbers]),
        n_atoms=torch.from_numpy(counts.astype(np.float64)),
        features=features,
        structures=owners,
        n_with_forces=n_with_forces,
        forces=torch.from_numpy(forces) if n_forces else None,
        gradients=_packed(structures, *first, atoms, centers) if n_forces else None,
    )


def _packed(
    structures: Structures, numbers: np.ndarray, counts: np.ndarray, atoms: np.ndarray, centers: list[tuple]
) -> Packed:
    """Gradients of some structures.

    numbers, counts : of the structures, and of their atoms; atoms : their numbers among all; centers : per network,
    each atom's number, that of its structure's first atom, and its structure, in the batch.
    """
    found = structures.gradients
    assert found is not None
    begins, ends = found.words[numbers].T
    starts = found.starts[atoms]
    values: np.ndarray | Later | None = found.store.whole
    if values is None:
        in_pieces = np.concatenate([[0], np.cumsum(ends - begins)])[:-1]
        starts = starts + np.repeat(in_pieces - begins, counts)
        values = found.store.pieces(numbers, begins, ends)
    n_shares = max(1, min(processors(), len(atoms) // LEAST_ATOMS))
    words = np.cumsum(ends - begins)
    bounds = np.searchsorted(words, [words[-1] * i / n_shares for i in range(1, n_shares)])
    shares = [[int(np.searchsorted(of, bound)) for *_, of in centers] for bound in (0, *bounds, len(numbers))]
    species = [
        Centers(layout, starts[own], own, first) for layout, (own, first, _) in zip(found.layouts, centers, strict=True)
    ]
    return Packed(tuple(species), len(atoms), shares, values)


def _ranges(begins: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The numbers from each begin on, so many of each."""
    return np.repeat(begins - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())


def assemble(data: Data, numbers: Sequence[tuple[list[int], list[int]]], as_tensors: bool = False) -> list[Batch]:
    """Batches of these structures; as_tensors : gradients as a device other than the processor wants them."""
    batches = [join(data, *chosen) for chosen in numbers if any(chosen)]
    if as_tensors:
        batches = [
            replace(batch, gradients=batch.gradients.as_tensors()) if isinstance(batch.gradients, Packed) else batch
            for batch in batches
        ]
    return batches


def on_device(batches: Sequence[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches on a device, the next one on its way while one is used."""
    if all(_at_hand(batch, device) for batch in batches):
        yield from batches
        return
    with ThreadPoolExecutor(1) as thread:
        coming = None
        for batch in [*batches, None]:
            ready, coming = coming, thread.submit(batch.to, device) if batch is not None else None
            if ready is not None:
                yield ready.result()


def _at_hand(batch: Batch, device: torch.device) -> bool:
    later = isinstance(batch.gradients, Packed) and not isinstance(batch.gradients.values, np.ndarray)
    return batch.energies.device == device and not later
