"""Structures straight into training: their features and packed gradients, computed in memory.

Everything equals what generate.x writes and the trainer reads, to the last bit: the values, their order, the statistics
of the features and the choice of the structures with gradients.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from aenet_py.descriptors import statistics
from aenet_py.descriptors.model import Model, species_of
from aenet_py.descriptors.setup import CHEBYSHEV
from aenet_py.descriptors.statistics import RunningStatistics
from aenet_py.errors import AenetError, counted
from aenet_py.formats import potential, text, trainset
from aenet_py.formats import structures as structure_files
from aenet_py.formats.atoms import Atoms
from aenet_py.formats.labels import mixed
from aenet_py.formats.source import Advance
from aenet_py.formats.structures import Item, StructureSource
from aenet_py.formats.trainset import StructureEntry, TrainingSet
from aenet_py.inputs import generate as generate_inputs
from aenet_py.inputs import repulsion as repulsion_inputs
from aenet_py.inputs import structures as inputs
from aenet_py.inputs.repulsion import Repulsion
from aenet_py.inputs.structures import NamedFile, StructureInput
from aenet_py.inputs.train import TrainInput, Transfer
from aenet_py.neighbors import search
from aenet_py.neighbors.search import is_repeated
from aenet_py.pipelines import atomic_energies, featurize, repulsions
from aenet_py.potentials import repulsion
from aenet_py.runtime import accelerate
from aenet_py.runtime.workers import Workers
from aenet_py.structure import Structure, told_of_unknown
from aenet_py.training import files
from aenet_py.training.data import packing, pairs, replay
from aenet_py.training.data.constants import LARGE
from aenet_py.training.data.gradients import Gradients, Store
from aenet_py.training.data.packing import OtherFormError, in_full, most_words
from aenet_py.training.data.recompute import Recomputed, places
from aenet_py.training.data.splits import REPLAYED, TESTED, UNKNOWN, VALIDATED

OF_SET = {
    UNKNOWN: "", TESTED: " of the test set", VALIDATED: " of the validation set", REPLAYED: " of the replay set",
}  # fmt: skip
JOB_ATOMS = 1000  # whose features are computed in one call, unless a single structure has more


@dataclass(frozen=True)
class Included:
    """The structures that are in the training set, in order.

    model : what turns them into features; structures, paths : of each, and its name; chosen (n,) bool : whether its
    gradients are used, for which some of its forces must be known; n_given : number of structures, with those that were
    skipped; roles (n,) int8 : TESTED, VALIDATED and REPLAYED for those of TESTSET, VALIDATIONSET and replay, UNKNOWN
    for others.
    """

    model: Model
    structures: list[Structure]
    paths: list[str]
    chosen: np.ndarray
    n_given: int
    roles: np.ndarray

    @property
    def n_atoms(self) -> np.ndarray:
        """Of each structure, (n,) int64."""
        return np.array([structure.n_atoms for structure in self.structures], dtype=np.int64)

    @property
    def known_forces(self) -> np.ndarray | None:
        """Which components of the forces on all atoms are known, (n_atoms, 3) bool; None if all are."""
        unknown = [structure.unknown_forces for structure in self.structures]
        if all(each is None for each in unknown):
            return None
        pairs = zip(unknown, self.n_atoms.tolist(), strict=True)
        return np.concatenate([np.ones((n, 3), dtype=bool) if each is None else ~each for each, n in pairs])


@dataclass(frozen=True)
class Direct:
    """A training set with its structures; reals (n,) int64 : numbers in the gradients of each."""

    included: Included
    training_set: TrainingSet
    reals: np.ndarray


def sources(path: str, given: StructureInput, advance: Advance) -> list[StructureSource]:
    """Files and structures in the given order; InputError with the line in the deck at path for one that is missing.

    advance : called with the bytes read.
    """
    inputs.check_files(path, given)
    files = iter(structure_files.sources([file.path for file in given.files], given.labels, advance))
    return [
        next(files) if isinstance(each, NamedFile) else StructureSource(text.foreign(each.path), "", structure=each)
        for each in given.everything
    ]


def read(
    deck: TrainInput, listed: Sequence[StructureSource], threads: int, warn: Callable[[str], None],
    tell: Callable[[str], None], advance: Advance,
) -> Included:  # fmt: skip
    """Read set-ups and structures.

    Parameters
    ----------
    deck : TrainInput
        The input, with structures.
    listed : sequence of StructureSource
        The structures (`sources`).
    threads : int
        Threads that read.
    warn : callable
        Called with the warnings of generate.x.
    tell : callable
        Called with the atomic energies, if they are not given as numbers.
    advance : callable
        Called with 1 after each structure.

    Returns
    -------
    Included
        Those whose species TYPES lists.

    Raises
    ------
    AenetError
        If a file is invalid, or no structure is left.
    """
    given = deck.structures
    assert given is not None
    paths = [file.path for file in given.setups]
    model = featurize.read_model(given.types, atomic_energies.numbers(given.atomic_energies), paths, warn)
    for note in model.basis.notes if model.kind != CHEBYSHEV else ():  # the training itself warns of the others
        warn(note)
    structures, names, numbers, repeated, n = [], [], [], [], 0
    labels: dict[str, str] = {}

    roles = _roles(given, listed)
    is_read = replay.used(deck, roles)
    if (roles == REPLAYED).any():
        tell(replay.told(roles, is_read))

    def read_item(item: Item) -> tuple[str, Structure]:
        return item.name, structure_files.read_item(item, types=model.types)

    with Workers(threads) as workers:
        for number, (name, structure) in enumerate(workers.in_order(read_item, structure_files.items(listed))):
            advance(1)
            n = number + 1
            if not is_read[number]:
                continue
            if len(structure.symbols) > len(model.types):
                continue
            structures.append(structure)
            names.append(name)
            numbers.append(number)
            if structure.label is not None:
                labels.setdefault(structure.label, text.native(name))
            if is_repeated(structure, model.r_max):
                repeated.append(text.native(name))
    if not structures:
        raise AenetError(f"{deck.training_set}: {featurize.ALL_SKIPPED}")
    left = is_read.copy()
    left[numbers] = False
    for role, of in OF_SET.items():
        n_left_out = int(np.count_nonzero(left & (roles == role)))
        if n_left_out:
            skipped = f"{counted(n_left_out, 'structure')}{of}"
            warn(f"{deck.training_set}: {skipped} with more species than TYPES lists left out, as by generate.x")
    for warning in (featurize.warning_of_repeated(repeated) if repeated else None, mixed(labels)):
        if warning is not None:
            warn(warning)
    structures = replay.labelled(deck, structures, roles[numbers])
    unknown = told_of_unknown((each.path, each.n_unknown_forces) for each in structures)
    if deck.alpha is not None and unknown is not None:
        warn(f"{deck.training_set}: {unknown}; training and errors leave them out")
    model, left_out = repulsions.of_structures(model, _repulsion(deck, given), structures)
    if left_out is not None:
        tell(left_out)
        structures = repulsion.left_out(model, structures)
    if not atomic_energies.are_given(given.atomic_energies):
        told = (atomic_energies.known(model, structure) for structure in structures)
        model, used = atomic_energies.of_structures(model, given.atomic_energies, told)
        tell(used)
    chosen = np.zeros(n, dtype=bool)
    chosen[list(_chosen(deck, given, n))] = True
    has_known = [each is None or not each.all() for each in (structure.unknown_forces for structure in structures)]
    return Included(model, structures, names, chosen[numbers] & has_known, n, roles[numbers])


def _repulsion(deck: TrainInput, given: StructureInput) -> Repulsion | str | None:
    """The repulsion of a deck; for ``auto`` in a transfer, that of the source, if all its networks go on."""
    if not (isinstance(given.repulsion, str) and isinstance(deck.transfer, Transfer)):
        return given.repulsion
    _, paths = files.of_source(deck, deck.transfer)
    known = [potential.read(path).setup for path in paths if path is not None]
    of_source = repulsion_inputs.of_setups(known) if len(known) == len(paths) else None
    return given.repulsion if of_source is None else of_source


def _roles(given: StructureInput, listed: Sequence[StructureSource]) -> np.ndarray:
    """As in `Included`, of all structures."""
    parts = (
        (given.given, UNKNOWN), (given.test, TESTED), (given.validation, VALIDATED), (given.replay, REPLAYED),
    )  # fmt: skip
    roles = [role for files, role in parts for _ in files]
    return np.repeat(roles, [source.n_structures for source in listed]).astype(np.int8)


def _chosen(deck: TrainInput, given: StructureInput, n: int) -> tuple[int, ...]:
    """0-based indices of the structures whose gradients are used, as generate.x chooses them from n."""
    if given.forces_list is not None:
        return generate_inputs.read_forces_list(given.forces_list.path, n)
    seed = deck.numpy_seed if deck.forces_seed is None else deck.forces_seed
    return generate_inputs.choose_forces(n, deck.forces_percent, seed)


def ready(deck: TrainInput, included: Included) -> None:
    """Import now what features and gradients need."""
    accelerate.ready(search, included.model.descriptor, statistics)
    if deck.alpha is not None:
        accelerate.ready(pairs if deck.memory_mode == "recompute" else packing)


@dataclass(frozen=True)
class _Job:
    """Structures whose features are computed together; first : number of the first one."""

    first: int
    structures: list[Structure]


@dataclass(frozen=True)
class _Features:
    """Features of a job's structures; energies, reals (n,) : of each, as in `StructureEntry` and `Direct`."""

    first: int
    energies: list[float]
    atoms: Atoms
    starts: np.ndarray
    reals: np.ndarray


def features(included: Included, threads: int, advance: Advance) -> Direct:
    """Compute the features of all structures.

    Parameters
    ----------
    included : Included
        The structures.
    threads : int
        Threads that compute.
    advance : callable
        Called with the number of structures done since the last call.

    Returns
    -------
    Direct
        The training set that generate.x would write.

    Raises
    ------
    InputError
        As of generate.x.
    """
    model, counts = included.model, included.n_atoms
    statistics = RunningStatistics(model.basis.sizes)
    energies = featurize.RunningEnergies(included.n_given)
    n_atoms, width = int(counts.sum()), int(model.basis.sizes.max())
    integers = np.empty((2, n_atoms), dtype=np.int32)
    kind = np.float64 if 4 * n_atoms * width <= LARGE else np.float32  # in which they are trained on
    atoms = Atoms(
        integers[0], np.empty((n_atoms, 3)), np.empty((n_atoms, 3)), integers[1], np.empty((n_atoms, width), kind)
    )
    first_atoms = np.concatenate([[0], np.cumsum(counts)])
    entries: list[StructureEntry] = []
    reals = np.empty(len(counts), dtype=np.int64)
    with Workers(threads) as workers:
        for found in workers.in_order(functools.partial(_features, model), _jobs(included.structures)):
            stop = found.first + len(found.energies)
            names, of = included.paths[found.first : stop], included.structures[found.first : stop]
            types = found.atoms.types.astype(np.int64)
            featurize.add_features(statistics, types, found.atoms.features, names, found.starts.tolist())
            rows = slice(int(first_atoms[found.first]), int(first_atoms[stop]))
            for whole, part in zip(vars(atoms).values(), vars(found.atoms).values(), strict=True):
                whole[rows] = part
            for name, structure, energy in zip(names, of, found.energies, strict=True):
                entries.append(StructureEntry(name, structure.n_atoms, len(structure.symbols), energy))
                energies.add(energy / structure.n_atoms)
            reals[found.first : stop] = found.reals
            advance(len(found.energies))
    atoms.features[np.arange(width) >= atoms.sizes[:, np.newaxis]] = 0.0
    training_set = TrainingSet(
        trainset.Header(model.types, model.atomic_energies, included.n_given),
        trainset.Footer(n_atoms, energies.result(), model.setups, tuple(statistics.result())),
        trainset.StructureBatch(tuple(entries), atoms),
    )
    return Direct(included, training_set, reals)


def _jobs(structures: Sequence[Structure]) -> Iterator[_Job]:
    first, n_atoms = 0, 0
    for number, structure in enumerate(structures):
        if number > first and n_atoms + structure.n_atoms > JOB_ATOMS:
            yield _Job(first, list(structures[first:number]))
            first, n_atoms = number, 0
        n_atoms += structure.n_atoms
    yield _Job(first, list(structures[first:]))


def _features(model: Model, job: _Job) -> _Features:
    types_of = [species_of(model, structure) for structure in job.structures]
    pairs = zip(job.structures, types_of, strict=True)
    energies = [featurize.cohesive_energy(model, structure, types) for structure, types in pairs]
    types = np.concatenate(types_of)
    around = featurize.environments_of(model, job.structures, types)
    values = featurize.features_of(model, job.structures, types, around)
    sizes = model.basis.sizes[types]
    reals = np.add.reduceat(3 * sizes * (around.counts + 1), around.starts[:-1])
    atoms = Atoms(types.astype(np.int32), around.positions, around.forces, sizes.astype(np.int32), values)
    return _Features(job.first, energies, atoms, around.starts, reals)


def gradients(source: Recomputed, reals: np.ndarray, on_disk: bool, advance: Advance) -> Gradients:
    """Compute the gradients of the source's structures, and keep them packed.

    Parameters
    ----------
    source : Recomputed
        Structures, None for those without gradients.
    reals : ndarray, shape (n,)
        Numbers in the gradients of each structure.
    on_disk : bool
        Whether to keep the gradients in a file instead of in memory.
    advance : callable
        Called with 1 after each structure.

    Returns
    -------
    Gradients
        As read from the file of generate.x.

    Raises
    ------
    InputError
        If gradients are not finite.
    """
    try:
        return _gradients(source, reals, on_disk, advance)
    except OtherFormError:
        return _gradients(replace(source, layouts=tuple(map(in_full, source.layouts))), reals, on_disk, advance)


def _gradients(source: Recomputed, reals: np.ndarray, on_disk: bool, advance: Advance) -> Gradients:
    sizes = [
        (n_reals, len(types))
        for n_reals, types, structure in zip(reals.tolist(), source.types, source.structures, strict=True)
        if structure is not None
    ]
    n_reals, n_atoms = (sum(column) for column in zip(*sizes, strict=True)) if sizes else (0, 0)
    store = Store(most_words(source.layouts, n_reals, n_atoms), on_disk)

    def keep(packed: np.ndarray) -> int:
        room = store.room(len(packed))
        room[:] = packed
        store.keep(room)
        return len(packed)

    words, starts = places(source, source.packed, keep, advance)
    return Gradients(store, source.layouts, starts, words)
