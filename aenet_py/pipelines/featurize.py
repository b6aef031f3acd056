"""From structures to a training set: the pipeline of generate.x.

    read a structure ─> environments ─> features ─┬─> statistics ─> NAME.train, report      (in order)
                                                  └─> gradients ──> NAME.train.forces       (in any order)

Structures are computed in parallel.  Everything that depends on their order (statistics, files, report) is done by the
caller's thread, structure by structure, so the bytes do not depend on the number of threads or MPI processes.
"""

from __future__ import annotations

import functools
import math
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.descriptors import behler
from aenet_py.descriptors.common import CoincidenceError
from aenet_py.descriptors.model import Model, check_environments, species_of
from aenet_py.descriptors.model import model as model_of
from aenet_py.descriptors.statistics import NotANumberError, RunningStatistics
from aenet_py.errors import AenetError, InputError, counted
from aenet_py.formats import gradients as gradients_format
from aenet_py.formats import structures as structure_files
from aenet_py.formats import text, trainset
from aenet_py.formats.labels import mixed
from aenet_py.formats.structures import Item, StructureSource
from aenet_py.formats.trainset import EnergyStatistics
from aenet_py.inputs.setup import read as read_setup
from aenet_py.neighbors import search
from aenet_py.neighbors.search import Environments, is_repeated
from aenet_py.pipelines.reading import read_items
from aenet_py.potentials import repulsion
from aenet_py.report import generate as report
from aenet_py.runtime.output import PendingFile
from aenet_py.runtime.workers import Pieces, Workers
from aenet_py.structure import Structure, told_of_unknown

BATCH_BYTES = 48_000  # of structure files per batch, unless a single file is longer
CHUNK_BYTES = 700_000  # gradients computed before they are written, while they are in the processor's cache
LEAST_TASK_BYTES, TASK_BYTES = 300_000, 8 * CHUNK_BYTES  # gradients per task: of several small structures, or of a part
REMEDY = "move atoms apart, or use smaller parameters of symmetry functions"
UNKNOWN = (
    "a training set cannot say so, and a training on its forces would learn zeros; train on the structures "
    "themselves (FILES in train.in), or compute true forces (aenet-py label)"
)
ALL_SKIPPED = "every structure has more species than TYPES lists; add the missing species to TYPES"


@dataclass(frozen=True)
class FeaturizeJob:
    """A batch of structures to compute; start : index of the first; chosen : indices of those with gradients."""

    start: int
    items: tuple[Item, ...]
    chosen: frozenset[int]


@dataclass(frozen=True)
class Featurized:
    """One structure of the training set; without atoms if it has too many species and is skipped.

    atoms : its rows in the arrays of its batch; energy : cohesive, eV; environments : only if gradients are written;
    lines : its part of the report; repeated : as of `search.is_repeated`; label, n_unknown_forces : as in `Structure`.
    """

    index: int
    path: str
    n_species: int
    atoms: slice
    energy: float
    environments: Environments | None
    lines: str
    repeated: bool = False
    label: str | None = None
    n_unknown_forces: int = 0

    @property
    def n_atoms(self) -> int:
        return self.atoms.stop - self.atoms.start


@dataclass(frozen=True)
class FeaturizedBatch:
    """Features of a batch of structures.

    types : (n_atoms,) int64, 0-based; features : (n_atoms, largest number of features); records : their part of
    NAME.train; seconds : spent on reading, neighbours and features.
    """

    structures: tuple[Featurized, ...]
    types: np.ndarray
    features: np.ndarray
    records: bytes
    seconds: tuple[float, float, float]


@dataclass(frozen=True)
class Summary:
    """Outcome of writing a training set.

    Attributes
    ----------
    n_included : int
        Number of structures written; those with too many species are skipped.
    energies : EnergyStatistics
        Mean, minimum and maximum of the cohesive energy per atom (eV).
    warnings : tuple of str
        Why the energies may come from different sources, and which forces are not known.
    """

    n_included: int
    energies: EnergyStatistics
    warnings: tuple[str, ...]


def read_model(
    types: Sequence[str], atomic_energies: Sequence[float], paths: Sequence[str], warn: Callable[[str], None]
) -> Model:
    """The features that set-ups define; paths : of the set-up of each species."""
    setups = []
    for symbol, path in zip(types, paths, strict=True):
        setup = read_setup(path, warn)
        if setup.atom_type != symbol:
            raise InputError(path, f"this set-up is for {setup.atom_type!r}; expected one for {symbol!r}")
        setups.append(setup)
    return model_of(types, atomic_energies, setups)


def jobs(items: Iterable[Item], chosen: frozenset[int]) -> Iterator[FeaturizeJob]:
    """Group structures into batches, because one call for many small structures is much faster than many calls."""

    def job() -> FeaturizeJob:
        return FeaturizeJob(start, tuple(together), chosen.intersection(range(start, start + len(together))))

    together: list[Item] = []
    start, total = 0, 0
    for item in items:
        size = item.size
        if together and total + size > BATCH_BYTES:
            yield job()
            start, together, total = start + len(together), [], 0
        together.append(item)
        total += size
    yield job()


def featurize(model: Model, job: FeaturizeJob) -> FeaturizedBatch:
    """Read the structures of a job and compute their features."""
    started_at = time.perf_counter()
    given = read_items(job.items, model.types)
    names = [item.name for item in job.items]
    included = [structure for structure in given if len(structure.symbols) <= len(model.types)]
    if not included:
        skipped = [_skipped(i, path, s) for i, (path, s) in enumerate(zip(names, given, strict=True), job.start)]
        return FeaturizedBatch(tuple(skipped), np.empty(0, dtype=np.int64), np.empty((0, 0)), b"", (0.0, 0.0, 0.0))
    included = repulsion.left_out(model, included)
    types_of = [species_of(model, structure) for structure in included]
    energies = iter([cohesive_energy(model, s, t) for s, t in zip(included, types_of, strict=True)])
    types = np.concatenate(types_of)
    read_at = time.perf_counter()
    environments = environments_of(model, included, types)
    searched_at = time.perf_counter()
    features = features_of(model, included, types, environments)
    computed_at = time.perf_counter()

    place, starts, counts = 0, environments.starts.tolist(), environments.counts
    sizes = model.basis.sizes[types]
    rows = trainset.atoms(trainset.Atoms(types, environments.positions, environments.forces, sizes, features), starts)
    structures: list[Featurized] = []
    records: list[bytes] = []
    for index, (path, structure) in enumerate(zip(names, given, strict=True), job.start):
        n_species = len(structure.symbols)
        if n_species > len(model.types):
            structures.append(_skipped(index, path, structure))
            continue
        atoms, energy = slice(starts[place], starts[place + 1]), next(energies)
        records += [trainset.entry(trainset.StructureEntry(path, structure.n_atoms, n_species, energy)), rows[place]]
        symbols = structure.names()
        lines = report.structure(index + 1, n_species, energy / structure.n_atoms, path, symbols, counts[atoms])
        kept = environments.only(place) if index in job.chosen else None
        repeated = is_repeated(structure, model.r_max)
        label, unknown = structure.label, structure.n_unknown_forces
        structures.append(Featurized(index, path, n_species, atoms, energy, kept, lines, repeated, label, unknown))
        place += 1
    seconds = (read_at - started_at, searched_at - read_at, computed_at - searched_at)
    return FeaturizedBatch(tuple(structures), types, features, b"".join(records), seconds)


def _skipped(index: int, path: str, structure: Structure) -> Featurized:
    return Featurized(index, path, len(structure.symbols), slice(0, 0), 0.0, None, report.skipped(path))


def environments_of(model: Model, structures: Sequence[Structure], types: np.ndarray) -> Environments:
    """The neighbours of all atoms; InputError for those without features.  types (n_atoms,) : of `species_of`."""
    with_positions = model.descriptor is behler
    environments = search.environments(structures, model.r_min, model.r_max, with_positions)
    check_environments(model, structures, types, environments)
    return environments


def features_of(
    model: Model, structures: Sequence[Structure], types: np.ndarray, environments: Environments
) -> np.ndarray:
    """Features of all atoms, (n_atoms, largest number of features); InputError for atoms that coincide."""
    try:
        return model.descriptor.features(model.basis, types, environments)
    except CoincidenceError as error:
        structure = structures[error.structure]
        raise InputError(structure.path, str(error), structure.line_of(error.atom)) from None


def cohesive_energy(model: Model, structure: Structure, types: np.ndarray) -> float:
    """The file's cohesive energy or, without one, the total energy minus the atomic energies, atom by atom.

    As in the original, a cohesive energy of zero counts as none, and a missing total energy as zero.  InputError if the
    result overflows.
    """
    if structure.cohesive_energy:
        return structure.cohesive_energy
    energy = 0.0 if structure.energy is None else structure.energy
    for t in types.tolist():
        energy = energy - model.atomic_energies[t]
    if not math.isfinite(energy):
        raise InputError(structure.path, "the energy minus the atomic energies of TYPES overflows")
    return energy


def write_training_set(
    model: Model,
    given: Sequence[StructureSource],
    chosen: frozenset[int],
    train: PendingFile,
    forces: PendingFile | None,
    say: Callable[[str], None],
    on_batch: Callable[[FeaturizedBatch], None],
    workers: Workers,
) -> Summary:
    """Compute all structures and write them to train and forces; the caller completes both files.

    given : the structures; chosen : indices of those whose gradients are written, if forces is a file; say : receives
    the report; on_batch : called for each batch, in order; workers : closed at the end.
    """
    n_structures = structure_files.n_structures(given)
    statistics = RunningStatistics(model.basis.sizes)
    energies = RunningEnergies(n_structures)
    labels: dict[str, str] = {}
    unknown: list[tuple[str, int]] = []
    n_atoms = most_neighbors = 0
    train.write(trainset.header(trainset.Header(model.types, model.atomic_energies, n_structures)))
    gradients = None if forces is None else _GradientFile(model, forces, workers)
    if gradients is not None:
        gradients.write(gradients_format.header(n_structures))
    with workers:
        given_jobs = jobs(structure_files.items(given), chosen)
        for batch in workers.in_order(functools.partial(featurize, model), given_jobs):
            say("".join(structure.lines for structure in batch.structures))
            if len(batch.types):
                _add(statistics, batch)
                train.write(batch.records)
                n_atoms += len(batch.types)
            for item in batch.structures:
                if item.n_atoms == 0:
                    continue
                energies.add(item.energy / item.n_atoms)
                if item.label is not None:
                    labels.setdefault(item.label, text.native(item.path))
                if item.n_unknown_forces:
                    unknown.append((text.native(item.path), item.n_unknown_forces))
                if gradients is None:
                    continue
                selected = item.environments is not None
                gradients.write(gradients_format.structure(item.path, item.n_atoms, item.n_species, selected))
                if item.environments is not None:
                    most_neighbors = max(most_neighbors, item.environments.most_neighbors)
                    gradients.compute(text.native(item.path), batch.types[item.atoms], item.environments)
            on_batch(batch)
        if gradients is not None:
            gradients.write(gradients_format.footer(most_neighbors))
            gradients.flush()
    if energies.n_included == 0:
        raise AenetError(ALL_SKIPPED)
    train.write(trainset.footer(trainset.Footer(n_atoms, energies.result(), model.setups, tuple(statistics.result()))))
    told = told_of_unknown(unknown)
    found = [mixed(labels), None if told is None else f"{told}; {UNKNOWN}"]
    return Summary(energies.n_included, energies.result(), tuple(each for each in found if each is not None))


def _add(statistics: RunningStatistics, batch: FeaturizedBatch) -> None:
    paths = [structure.path for structure in batch.structures if structure.n_atoms]
    starts = [structure.atoms.start for structure in batch.structures if structure.n_atoms]
    add_features(statistics, batch.types, batch.features, paths, starts)


def add_features(
    statistics: RunningStatistics, types: np.ndarray, features: np.ndarray, paths: Sequence[str], starts: Sequence[int]
) -> None:
    """Add features of atoms to the statistics; InputError if they are not finite.

    types (n_atoms,), features (n_atoms, n) : of the atoms; paths, starts : of each structure, and its first atom.
    """
    try:
        statistics.add(types, features)
    except NotANumberError as error:
        path = paths[bisect_right(starts, error.atom) - 1]
        raise InputError(text.native(path), f"features are not finite; {REMEDY}") from None


def warning_of_repeated(paths: Sequence[str]) -> str:
    """About XSF files of slabs and wires, at least one, whose images lie within the cutoff."""
    which = f"{paths[0]} and {counted(len(paths) - 1, 'other')}" if len(paths) > 1 else paths[0]
    message = "not periodic along all vectors, but repeated along all of them within the cutoff, as in the original"
    return f"{which}: {message}; leave more vacuum, or use extended XYZ"


@dataclass(frozen=True)
class _Part:
    """Gradients to compute for some atoms of a structure, from first_atom on.

    path : of the structure; sizes : bytes of the records of each atom.
    """

    path: str
    types: np.ndarray
    environments: Environments
    first_atom: int
    sizes: Sequence[int]


class _GradientFile:
    """Collects the contents of NAME.train.forces and has workers compute and write them in tasks of suitable size."""

    def __init__(self, model: Model, file: PendingFile, workers: Workers):
        self._model, self._file, self._workers = model, file, workers
        self._parts: list[bytes | _Part] = []
        self._n_bytes = 0

    def write(self, data: bytes) -> None:
        self._add(data, len(data))

    def compute(self, path: str, types: np.ndarray, environments: Environments) -> None:
        """Add the gradients of the structure at path."""
        sizes = gradient_sizes(self._model, types, environments)
        for start, stop, n_bytes in runs(sizes, TASK_BYTES):
            self._add(_Part(path, types, environments.around(start, stop), start, sizes[start:stop]), n_bytes)

    def _add(self, part: bytes | _Part, n_bytes: int) -> None:
        self._parts.append(part)
        self._n_bytes += n_bytes
        if self._n_bytes >= LEAST_TASK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand what was collected to the workers."""
        offset = self._file.reserve(self._n_bytes)
        self._workers.fill(self._file, offset, _gradients, self._model, tuple(self._parts))
        self._parts, self._n_bytes = [], 0


def runs(sizes: Sequence[int], most: int) -> Iterator[tuple[int, int, int]]:
    """Split items into runs of total size at most `most`, or of one item; yields start, stop and size of each."""
    start, total = 0, 0
    for stop, size in enumerate(sizes):
        if stop > start and total + size > most:
            yield start, stop, total
            start, total = stop, 0
        total += size
    yield start, len(sizes), total


def _gradients(model: Model, parts: Sequence[bytes | _Part]) -> Pieces:
    """The bytes of a part of the file of gradients."""
    for part in parts:
        if isinstance(part, bytes):
            yield len(part), [part]
            continue
        for first, last, n_bytes in runs(part.sizes, CHUNK_BYTES):
            begin, end = part.first_atom + first, part.first_atom + last
            yield n_bytes, gradient_records(part.path, model, part.types, part.environments, begin, end)


def gradients_of(
    path: str, model: Model, types: np.ndarray, environments: Environments, start: int, stop: int
) -> np.ndarray:
    """Gradients of the atoms from start to stop, as the descriptor returns them; arguments as of `gradient_records`."""
    computed = model.descriptor.gradients(model.basis, types, environments, start, stop)
    if not math.isfinite(computed.sum()):
        raise InputError(path, f"gradients of features are not finite; {REMEDY}")
    return computed


def gradient_records(
    path: str, model: Model, types: np.ndarray, environments: Environments, start: int, stop: int
) -> list:
    """Records of the atoms from start to stop in NAME.train.forces, as buffers valid until this thread's next call.

    path : of the structure, for the InputError if a gradient is not finite.
    """
    computed = gradients_of(path, model, types, environments, start, stop)
    values = computed.data.cast("B")
    parts: list = []
    position = 0
    first = environments.first
    neighbors_from = (first[start : stop + 1] - first[start]).tolist()
    numbers = environments.index[first[start] : first[stop]] + np.int32(1)  # files count from 1
    n_features_of = model.basis.sizes[types[start:stop]].tolist()
    for i, (itype, n_features) in enumerate(zip(types[start:stop].tolist(), n_features_of, strict=True)):
        neighbors = numbers[neighbors_from[i] : neighbors_from[i + 1]]
        own = position + 24 * n_features
        others = own + 24 * n_features * len(neighbors)
        parts += gradients_format.atom(itype + 1, n_features, neighbors, values[position:own], values[own:others])
        position = others
    return parts


def gradient_sizes(model: Model, types: np.ndarray, environments: Environments) -> list[int]:
    """Number of bytes of the records of each atom."""
    n_features = model.basis.sizes[types].tolist()
    return list(map(gradients_format.atom_size, n_features, environments.counts.tolist()))


class RunningEnergies:
    """Mean (over skipped structures, too), minimum and maximum energy per atom (ts_write_structure_info)."""

    def __init__(self, n_structures: int):
        self.n_included = 0
        self._n_structures = n_structures
        self._mean = self._low = self._high = 0.0

    def add(self, energy: float) -> None:
        share = energy / self._n_structures
        if self.n_included == 0:
            self._mean, self._low, self._high = share, energy, energy
        else:
            # Of two zeros of different sign, the original keeps the first as minimum and the last as maximum.
            self._low = energy if energy < self._low else self._low
            self._high = self._high if self._high > energy else energy
            self._mean = self._mean + share
        self.n_included += 1

    def result(self) -> EnergyStatistics:
        return EnergyStatistics(self._mean, self._low, self._high)
