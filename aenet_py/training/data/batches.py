"""Batches of structures as tensors: the part of each batch that belongs to this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch

from aenet_py.errors import AenetError
from aenet_py.training.data import splits, summed
from aenet_py.training.data.constants import LARGE
from aenet_py.training.data.dataset import Data, Structures
from aenet_py.training.data.forces import Centers, OnDevice, Packed
from aenet_py.training.data.gradients import Gradients, Later
from aenet_py.training.data.pairs import Pairs
from aenet_py.training.data.summed import Summed
from aenet_py.training.ranks import ALONE, Ranks

LEAST_ATOMS = 64  # per thread


@dataclass(frozen=True)
class Whole:
    """Sizes of a batch over all processes.

    n_atoms : of the structures with forces; energy_weight, force_weight, virial_weight : sums of weights over energies,
    atoms with forces and virials, which are the numbers of these where all count the same.  An atom of whose force only
    one or two components are known counts as a third or two.
    """

    n_structures: int
    n_with_forces: int
    n_atoms: int
    energy_weight: float
    force_weight: float
    virial_weight: float = 0.0


@dataclass(frozen=True)
class Virials:
    """Virials of the structures with forces.

    values : Tensor, shape (n_with_forces, 3, 3), normalised, 0 where there is none; per_square : Tensor, shape
    (n_with_forces, 1, 1), how much the square of an error counts: its weight over the square of the number of atoms, 0
    where there is none.
    """

    values: torch.Tensor
    per_square: torch.Tensor

    def to(self, device: torch.device) -> Virials:
        return Virials(self.values.to(device), self.per_square.to(device))


@dataclass(frozen=True)
class LateFeatures:
    """Features of a batch in single precision; rows : per network, of its atoms."""

    data: Data
    rows: list[np.ndarray]

    def read(self) -> list[torch.Tensor]:
        """Normalised, per network, (n, n_features) float64."""
        return [torch.from_numpy(self.data.features(network, rows)) for network, rows in enumerate(self.rows)]


@dataclass(frozen=True)
class Batch:
    """This process's part of a batch: structures as tensors, those with forces first.

    Atoms are numbered by structure, then by network.  Energies, forces and features are normalised.

    Attributes
    ----------
    whole : Whole
        Sizes of the batch over all processes.
    places : ndarray, shape (n,)
        Position of each structure in the whole batch.
    paths : list of str
        Paths of the structures.
    energies : Tensor, shape (n,)
        Cohesive energies, normalised.
    offsets : Tensor, shape (n,)
        Energy (eV) that was subtracted before the normalisation.
    n_atoms : Tensor, shape (n,), float64
        Number of atoms of each structure.
    features : list of Tensor, shape (atoms of the network, n_features)
        Per network; empty while they are `late`.
    structures : list of Tensor, shape (atoms of the network,)
        Per network, the structure that each atom belongs to.
    n_with_forces : int
        Number of structures with forces.
    forces : Tensor, shape (atoms of these structures, 3), or None
        None without any.
    gradients : Packed, OnDevice, Summed or None
        Of the same structures; Summed does without.
    energy_weights : Tensor, shape (n,), or None
        How much each energy counts; None if all count the same.
    force_weights : Tensor, shape (atoms of these structures, 1), or None
        The same of the forces on each atom.
    known : Tensor, shape (atoms of these structures, 3), or None
        1 for force components that are known, 0 for others; None if all are.
    virials : Virials or None
        With STRESS.
    huber : tuple of two float, or None
        Normalised errors of energies per atom and of force components, beyond which the loss is linear; None if that is
        nowhere.
    late : LateFeatures or None
        Features that `to` normalises, each time the batch is used.
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
    gradients: Packed | OnDevice | Summed | None
    energy_weights: torch.Tensor | None = None
    force_weights: torch.Tensor | None = None
    known: torch.Tensor | None = None
    virials: Virials | None = None
    huber: tuple[float, float] | None = None
    late: LateFeatures | None = None

    def to(self, device: torch.device) -> Batch:
        """The same on a device; gradients in a file are read."""

        def moved(values: list[torch.Tensor]) -> list[torch.Tensor]:
            return [value.to(device, non_blocking=True) for value in values]

        energies, n_atoms = moved([self.energies, self.n_atoms])
        return replace(
            self,
            energies=energies,
            n_atoms=n_atoms,
            features=moved(self.features if self.late is None else self.late.read()),
            late=None,
            structures=moved(self.structures),
            forces=None if self.forces is None else self.forces.to(device, non_blocking=True),
            gradients=None if self.gradients is None else self.gradients.to(device),
            energy_weights=None if self.energy_weights is None else self.energy_weights.to(device),
            force_weights=None if self.force_weights is None else self.force_weights.to(device),
            known=None if self.known is None else self.known.to(device),
            virials=None if self.virials is None else self.virials.to(device),
        )


def join(
    data: Data, with_forces: Sequence[int], energies_only: Sequence[int], ranks: Ranks, trained: bool = False,
    late: bool = False,
) -> Batch:  # fmt: skip
    """This process's part of a batch of these structures.

    trained : whether weights and the form of the loss count; late : whether features are normalised when they are used.
    """
    structures = data.structures
    numbers = np.array([*with_forces, *energies_only], dtype=np.int64)
    counts = np.diff(structures.first_atoms)[numbers]
    weights = data.weights[numbers] if trained and data.weights is not None else None
    n_atoms = int(counts[: len(with_forces)].sum())
    force_counts = data.force_counts[numbers[: len(with_forces)]]
    sums: tuple[float, float] = (len(numbers), force_counts.sum().item())
    if weights is not None:
        sums = _sums(weights, force_counts)
    virials, of_virials = None, np.zeros(len(with_forces))
    if data.virials is not None:
        virials = data.virials[numbers[: len(with_forces)]]
        of_virials = np.isfinite(virials[:, 0, 0]).astype(np.float64)
        of_virials *= 1.0 if weights is None else weights[: len(with_forces), 1]
    whole = Whole(len(numbers), len(with_forces), n_atoms, *sums, float(of_virials.sum()))
    places = splits.share(len(with_forces), counts, ranks.rank, ranks.size)
    numbers, counts, n_with_forces = numbers[places], counts[places], int((places < len(with_forces)).sum())
    first_atoms = np.concatenate([[0], np.cumsum(counts)])
    of_features, owners, centers = [], [], []
    before = first_atoms[:-1].copy()  # first atom of each structure that belongs to the current network
    for network in range(len(structures.features)):
        in_each = data.counts[numbers, network]
        of_features.append(_ranges(data.feature_rows[numbers, network], in_each))
        owner = np.repeat(np.arange(len(numbers)), in_each)
        owners.append(torch.from_numpy(owner))
        here = slice(int(in_each[:n_with_forces].sum()))
        centers.append((_ranges(before, in_each)[here], first_atoms[owner[here]], owner[here]))
        before += in_each
    n_forces = int(first_atoms[n_with_forces])
    atoms = _ranges(structures.first_atoms[numbers], counts)[:n_forces]
    first = numbers[:n_with_forces], counts[:n_with_forces]
    given = LateFeatures(data, of_features)
    forces = (structures.forces[atoms] * np.float32(data.training.scale)).astype(np.float64)
    return Batch(
        whole=whole,
        places=places,
        paths=[structures.paths[i] for i in numbers],
        energies=torch.from_numpy(data.energies[numbers]),
        offsets=torch.from_numpy(data.offsets[numbers]),
        n_atoms=torch.from_numpy(counts.astype(np.float64)),
        features=[] if late else given.read(),
        late=given if late else None,
        structures=owners,
        n_with_forces=n_with_forces,
        forces=torch.from_numpy(forces) if n_forces else None,
        gradients=_gradients(structures, *first, atoms, centers, ranks.threads) if n_forces else None,
        **({} if weights is None else _weights(weights[places], counts[:n_with_forces])),
        known=None if data.known is None or not n_forces else torch.from_numpy(data.known[atoms].astype(np.float64)),
        virials=None if virials is None or not n_forces else _virials(data, virials, of_virials, places, first[1]),
        huber=data.huber if trained else None,
    )


def _sums(weights: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Sums of weights (n, 2) over energies and over atoms with forces; counts : of the structures with forces."""
    return float(weights[:, 0].sum()), float(weights[: len(counts), 1] @ counts)


def _weights(weights: np.ndarray, counts: np.ndarray) -> dict[str, torch.Tensor]:
    """Weights of each energy and of the forces on each atom; counts : atoms of the structures with forces."""
    of_atoms = np.repeat(weights[: len(counts), 1], counts)[:, np.newaxis]
    return {"energy_weights": torch.from_numpy(weights[:, 0].copy()), "force_weights": torch.from_numpy(of_atoms)}


def _virials(data: Data, values: np.ndarray, weights: np.ndarray, places: np.ndarray, counts: np.ndarray) -> Virials:
    """Virials of this process's structures with forces, whose numbers of atoms are given.

    values (n, 3, 3), weights (n,) : of all structures of the batch with forces, eV; places : of this process's.
    """
    mine = places[: len(counts)]
    per_square = weights[mine] / counts.astype(np.float64) ** 2
    normalised = np.nan_to_num(values[mine]) * data.training.scale
    return Virials(torch.from_numpy(normalised), torch.from_numpy(per_square.reshape(-1, 1, 1)))


def _gradients(
    structures: Structures, numbers: np.ndarray, counts: np.ndarray, atoms: np.ndarray, centers: list[tuple],
    threads: int,
) -> Packed | Summed:  # fmt: skip
    """Gradients of some structures, or what sums forces without any; arguments as of `_packed`."""
    if isinstance(structures.gradients, Pairs):
        return summed.of_batch(structures.gradients, numbers, [own for own, *_ in centers], threads)
    return _packed(structures, numbers, counts, atoms, centers, threads)


def _packed(
    structures: Structures, numbers: np.ndarray, counts: np.ndarray, atoms: np.ndarray, centers: list[tuple],
    threads: int,
) -> Packed:  # fmt: skip
    """Gradients of some structures.

    numbers, counts : indices of the structures, and their numbers of atoms; atoms : indices among all atoms; centers :
    per network, the index of each atom, of its structure's first atom, and of its structure, in the batch; threads :
    at most.
    """
    gradients = structures.gradients
    assert isinstance(gradients, Gradients)
    begins, ends = gradients.words[numbers].T
    starts = gradients.starts[atoms]
    values: np.ndarray | Later | None = gradients.store.whole
    if values is None:
        in_pieces = np.concatenate([[0], np.cumsum(ends - begins)])[:-1]
        starts = starts + np.repeat(in_pieces - begins, counts)
        values = gradients.store.pieces(numbers, begins, ends)
    n_shares = max(1, min(threads, len(atoms) // LEAST_ATOMS))
    bounds = splits.even(ends - begins, n_shares)
    shares = [[int(np.searchsorted(of, bound)) for *_, of in centers] for bound in (0, *bounds, len(numbers))]
    species = [
        Centers(layout, starts[own], own, first)
        for layout, (own, first, _) in zip(gradients.layouts, centers, strict=True)
    ]
    return Packed(tuple(species), len(atoms), shares, values)


def _ranges(begins: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Consecutive integers: counts[i] of them from begins[i], joined."""
    return np.repeat(begins - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())


def assemble(
    data: Data, numbers: Sequence[tuple[list[int], list[int]]], as_tensors: bool = False, ranks: Ranks = ALONE,
    trained: bool = False,
) -> list[Batch]:  # fmt: skip
    """This process's part of all batches; as_tensors : gradients as tensors, which devices need; trained : as `join`.

    AenetError if the energies, or the forces, of a batch do not count at all.
    """
    late = sum(values.nbytes for values in data.structures.features) > LARGE
    batches = [join(data, *chosen, ranks, trained, late) for chosen in numbers if any(chosen)]
    for batch in batches:
        if not batch.whole.energy_weight or (batch.whole.n_atoms and not batch.whole.force_weight):
            what = "forces" if batch.whole.energy_weight else "energies"
            raise AenetError(f"all {what} of a batch have a weight of zero; use a larger BATCHSIZE")
    if as_tensors:
        batches = [
            replace(batch, gradients=batch.gradients.as_tensors()) if isinstance(batch.gradients, Packed) else batch
            for batch in batches
        ]
    return batches


def on_device(batches: Sequence[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches on a device; each is loaded while the previous one is used."""
    if all(_is_loaded(batch, device) for batch in batches):
        yield from batches
        return
    with ThreadPoolExecutor(1) as thread:
        coming = None
        for batch in [*batches, None]:
            ready, coming = coming, thread.submit(batch.to, device) if batch is not None else None
            if ready is not None:
                yield ready.result()


def _is_loaded(batch: Batch, device: torch.device) -> bool:
    later = isinstance(batch.gradients, Packed) and not isinstance(batch.gradients.values, np.ndarray)
    return batch.energies.device == device and batch.late is None and not later
