"""Batches of structures as tensors: what a process has of those that were drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch

from aenet_py.training.data import splits
from aenet_py.training.data.dataset import Data, Structures
from aenet_py.training.data.forces import Centers, OnDevice, Packed
from aenet_py.training.data.gradients import Later
from aenet_py.training.ranks import ALONE, Ranks

LEAST_ATOMS = 64  # that are worth a thread of their own


@dataclass(frozen=True)
class Whole:
    """How much there is in a batch, over all processes; n_atoms : of the structures with forces."""

    n_structures: int
    n_with_forces: int
    n_atoms: int


@dataclass(frozen=True)
class Batch:
    """What a process has of a batch: structures as tensors, first those with forces.

    Their atoms are numbered by structure, then network.

    paths, energies (n,), offsets (n,) eV : what was taken off them, n_atoms (n,) float64 : of the structures; features
    : per network (its atoms, n_features); structures : per network (its atoms,), which structure each belongs to;
    n_with_forces : structures; forces (n_atoms of these, 3), gradients : None if there are none.  Energies, forces and
    features are normalised.  places (n,) : of the structures in the whole batch.
    """

    whole: Whole
    places: np.ndarray
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


def join(data: Data, with_forces: Sequence[int], energies_only: Sequence[int], ranks: Ranks) -> Batch:
    """What this process has of a batch of some structures."""
    structures = data.structures
    numbers = np.array([*with_forces, *energies_only], dtype=np.int64)
    counts = np.diff(structures.first_atoms)[numbers]
    whole = Whole(len(numbers), len(with_forces), int(counts[: len(with_forces)].sum()))
    places = splits.share(len(with_forces), counts, ranks.rank, ranks.size)
    numbers, counts, n_with_forces = numbers[places], counts[places], int((places < len(with_forces)).sum())
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
        whole=whole,
        places=places,
        paths=[structures.paths[i] for i in numbers],
        energies=torch.from_numpy(data.energies[numbers]),
        offsets=torch.from_numpy(data.offsets[numbers]),
        n_atoms=torch.from_numpy(counts.astype(np.float64)),
        features=features,
        structures=owners,
        n_with_forces=n_with_forces,
        forces=torch.from_numpy(forces) if n_forces else None,
        gradients=_packed(structures, *first, atoms, centers, ranks.threads) if n_forces else None,
    )


def _packed(
    structures: Structures,
    numbers: np.ndarray,
    counts: np.ndarray,
    atoms: np.ndarray,
    centers: list[tuple],
    threads: int,
) -> Packed:
    """Gradients of some structures.

    numbers, counts : of the structures, and of their atoms; atoms : their numbers among all; centers : per network,
    each atom's number, that of its structure's first atom, and its structure, in the batch; threads : at most.
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
    n_shares = max(1, min(threads, len(atoms) // LEAST_ATOMS))
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


def assemble(
    data: Data, numbers: Sequence[tuple[list[int], list[int]]], as_tensors: bool = False, ranks: Ranks = ALONE
) -> list[Batch]:
    """What this process has of batches; as_tensors : gradients as a device other than the processor wants them."""
    batches = [join(data, *chosen, ranks) for chosen in numbers if any(chosen)]
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
