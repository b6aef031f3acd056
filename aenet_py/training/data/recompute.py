"""Gradients that are computed for each batch from its structures and not kept (MEMORY_MODE recompute).

They equal those that generate.x writes and are packed like those that are read, which leaves a training unchanged.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from aenet_py.descriptors import behler
from aenet_py.descriptors.model import Model, check_environments, model, species_of
from aenet_py.errors import AenetError, InputError
from aenet_py.formats import structures as structure_files
from aenet_py.formats.source import Advance
from aenet_py.formats.structures import Item
from aenet_py.formats.trainset import TrainingSet
from aenet_py.neighbors.search import environments
from aenet_py.pipelines.featurize import CHUNK_BYTES, gradients_of, runs
from aenet_py.runtime import memory
from aenet_py.runtime.accelerate import scratch
from aenet_py.runtime.workers import Workers
from aenet_py.structure import Structure
from aenet_py.training.data.gradients import places_of
from aenet_py.training.data.packing import Layout, OtherFormError, in_full, joined, most_words, pack_values

T = TypeVar("T")
NEAR = 1.0e-6  # Å: largest deviation of positions from the training set


@dataclass(frozen=True)
class Recomputed:
    """Structures whose gradients are computed when they are needed, by index; None for those without any.

    types, networks : of the atoms, per structure (n_atoms,) int64, types counted from 0; threads : that compute.
    """

    model: Model
    layouts: tuple[Layout, ...]
    threads: int
    structures: list[Structure | None]
    types: list[np.ndarray]
    networks: list[np.ndarray]

    @property
    def whole(self) -> None:
        """Nothing is in memory."""

    def pieces(self, numbers: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> Computed:  # noqa: ARG002
        return Computed(self, numbers)

    def only(self, numbers: Sequence[int]) -> Recomputed:
        """Some of the structures, with new indices."""
        structures, types = [self.structures[i] for i in numbers], [self.types[i] for i in numbers]
        return replace(self, structures=structures, types=types, networks=[self.networks[i] for i in numbers])

    def packed(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Gradients of a structure: words, and where each atom's begin (ordered by network).

        OtherFormError if they do not have these layouts.
        """
        structure, types, networks = self.structures[number], self.types[number], self.networks[number]
        assert structure is not None
        with_positions = self.model.descriptor is behler
        surroundings = environments([structure], self.model.r_min, self.model.r_max, with_positions).only(0)
        sizes = (24 * self.model.basis.sizes[types] * (surroundings.counts + 1)).tolist()  # bytes per atom
        of_network = places_of(networks)
        kernel_layouts, numbers = joined(self.layouts), surroundings.index + np.int32(1)
        room = scratch("packed", most_words(self.layouts, sum(sizes) // 8, len(types)), np.float32)
        begins, used, here = np.empty_like(of_network), 0, np.empty_like(of_network)
        for start, stop, _ in runs(sizes, CHUNK_BYTES):
            computed = gradients_of(structure.path, self.model, types, surroundings, start, stop)
            words = pack_values(
                kernel_layouts, networks, of_network, start, stop, computed, surroundings.first, numbers, room[used:],
                here,
            )  # fmt: skip
            begins[of_network[start:stop]] = used + here[of_network[start:stop]]
            used += words
        return room[:used].copy(), begins


@dataclass(frozen=True)
class Computed:
    """Gradients of some structures that are computed by `read`."""

    source: Recomputed
    numbers: np.ndarray

    def read(self) -> np.ndarray:
        """Their words, joined, (n_words,) float32."""
        with ThreadPoolExecutor(self.source.threads) as threads:
            return np.concatenate([words for words, _ in threads.map(self.source.packed, self.numbers.tolist())])


def source(
    training_set: TrainingSet, structures: list[Structure | None], networks: np.ndarray, layouts: tuple[Layout, ...],
    threads: int,
) -> Recomputed:  # fmt: skip
    """What computes gradients; structures : of the training set, None for those without any; the rest as `prepare`."""
    together = model(training_set.header.types, training_set.header.atomic_energies, training_set.footer.setups)
    starts = training_set.structures.starts
    of_atoms = [slice(begin, end) for begin, end in itertools.pairwise(starts.tolist())]
    types = [training_set.structures.atoms.types[part].astype(np.int64) for part in of_atoms]
    return Recomputed(together, layouts, threads, structures, types, [networks[part] for part in of_atoms])


def structures_of(
    path: str, training_set: TrainingSet, used: np.ndarray, threads: int, unknown: list[tuple[str, int]],
    structures: Sequence[Structure] | None = None,
) -> list[Structure | None]:  # fmt: skip
    """The structures of a training set that are used, None for all others.

    Parameters
    ----------
    path : str
        The training set, for messages.
    training_set : TrainingSet
        Its content.
    used : ndarray of bool, shape (n_structures,)
        Which structures are used.
    threads : int
        Threads that read.
    unknown : list of tuple
        Filled with path and number of unknown forces (`Structure.unknown_forces`) of each structure that has any: the
        training set cannot say so.
    structures : sequence of Structure, optional
        All of them, if they are known; by default they are read from the files that the training set names.

    Returns
    -------
    list of Structure or None

    Raises
    ------
    InputError
        If structures are not those of the training set.
    """
    if structures is not None:
        return [structure if use else None for structure, use in zip(structures, used.tolist(), strict=True)]
    together = model(training_set.header.types, training_set.header.atomic_energies, training_set.footer.setups)
    whole = training_set.structures
    numbers = np.flatnonzero(used).tolist()
    sources = structure_files.sources([whole.entries[number].path.strip() for number in numbers])
    found: list[Structure | None] = [None] * len(whole.entries)

    def checked(job: tuple[int, Item]) -> Structure:
        number, item = job
        structure = structure_files.read_item(item, False, together.types)
        part = slice(whole.starts[number], whole.starts[number + 1])
        types = whole.atoms.types[part].astype(np.int64)
        same = structure.n_atoms == len(types) and (species_of(together, structure) == types).all()
        if same:
            around = environments([structure], together.r_min, together.r_max)
            check_environments(together, [structure], types, around)
            same = np.allclose(around.positions, whole.atoms.positions[part], rtol=0, atol=NEAR)
        if not same:
            raise InputError(
                structure.path, f"these atoms are not those in {path}; use the structures it was made from"
            )
        return structure

    jobs = zip(numbers, structure_files.items(sources), strict=True)
    with Workers(threads) as workers:
        for number, structure in zip(numbers, workers.in_order(checked, jobs), strict=True):
            found[number] = structure
            part = slice(whole.starts[number], whole.starts[number + 1])
            n_unknown = replace(structure, forces=whole.atoms.forces[part]).n_unknown_forces
            if n_unknown:
                unknown.append((structure.path, n_unknown))
    return found


def prepare(
    training_set: TrainingSet, structures: list[Structure | None], networks: np.ndarray, layouts: tuple[Layout, ...],
    batch_share: float, threads: int, advance: Advance,
) -> tuple[Recomputed, np.ndarray, np.ndarray]:  # fmt: skip
    """Compute the gradients of structures once, to determine their sizes.

    Parameters
    ----------
    training_set : TrainingSet
        The training set.
    structures : list of Structure or None
        As of `structures_of`.
    networks : ndarray, shape (n_atoms,)
        Of all atoms.
    layouts : tuple of Layout
        Per network.
    batch_share : float
        Fraction of the structures in a batch.
    threads : int
        Threads that compute.
    advance : callable
        Called with 1 after each structure.

    Returns
    -------
    Recomputed, ndarray, ndarray
        The structures, and `words` and `starts` as in `Gradients`.

    Raises
    ------
    AenetError
        If the memory does not suffice for two batches.
    """
    computing = source(training_set, structures, networks, layouts, threads)
    try:
        return _measured(computing, batch_share, advance)
    except OtherFormError:
        return _measured(replace(computing, layouts=tuple(map(in_full, layouts))), batch_share, advance)


def places(
    source: Recomputed, compute: Callable[[int], tuple[T, np.ndarray]], keep: Callable[[T], int], advance: Advance
) -> tuple[np.ndarray, np.ndarray]:
    """The place of each atom's gradients among the words of all structures, `words` and `starts` as in `Gradients`.

    compute : called in threads with the number of a structure; returns something, and where each atom's words begin;
    keep : called with the former, in order; returns the number of words; advance : called with 1 after each structure.
    """
    numbers = [number for number, structure in enumerate(source.structures) if structure is not None]
    words = np.zeros((len(source.structures), 2), dtype=np.int64)
    begins = [np.full(len(types), -1, dtype=np.int64) for types in source.types]
    length = 0
    with Workers(source.threads) as workers:
        for number, (found, here) in zip(numbers, workers.in_order(compute, numbers), strict=True):
            n_words = keep(found)
            words[number], begins[number] = (length, length + n_words), length + here
            length += n_words
            advance(1)
    return words, np.concatenate(begins)


def _measured(source: Recomputed, batch_share: float, advance: Advance) -> tuple[Recomputed, np.ndarray, np.ndarray]:
    """The source, and the places of its gradients; AenetError if two batches do not fit into memory."""

    def measured(number: int) -> tuple[int, np.ndarray]:
        words, begins = source.packed(number)
        return len(words), begins

    words, starts = places(source, measured, int, advance)
    length = int((words[:, 1] - words[:, 0]).sum())
    need = 8 * length * min(1.0, batch_share)  # 4 bytes per word, for one batch in use and one being computed
    if need > memory.available():
        sizes = f"two batches need {need / 1e9:.2f} GB, but only {memory.available() / 1e9:.2f} GB are available"
        raise AenetError(f"the gradients of {sizes}; use a smaller BATCHSIZE, or a machine with more memory")
    return source, words, starts
