"""From structures to a training set: the pipeline of generate.x.

    read a structure ─> environments ─> features ─┬─> statistics ─> NAME.train, report      (in order)
                                                  └─> gradients ──> NAME.train.forces       (in any order)

Structures are worked on side by side; what depends on their order (statistics, files, report) is done by the caller's
thread, one structure after the other, so that the number of threads, or of processes under MPI, changes no byte.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.descriptors import behler
from aenet_py.descriptors.common import CoincidenceError
from aenet_py.descriptors.model import Model, check_environments, species_of
from aenet_py.descriptors.model import model as model_of
from aenet_py.descriptors.statistics import NotANumberError, RunningStatistics
from aenet_py.errors import AenetError, InputError
from aenet_py.formats import gradients as gradients_format
from aenet_py.formats import structures as structure_files
from aenet_py.formats import text, trainset
from aenet_py.formats.labels import mixed
from aenet_py.formats.structures import Item, StructureSource
from aenet_py.formats.trainset import EnergyStatistics
from aenet_py.inputs.setup import read as read_setup
from aenet_py.neighbors.search import Environments, environments, is_repeated
from aenet_py.report import generate as report
from aenet_py.runtime.output import PendingFile
from aenet_py.runtime.workers import Pieces, Workers
from aenet_py.structure import Structure

BATCH_BYTES = 48_000  # of structure files a thread takes at once, unless one file is longer
CHUNK_BYTES = 700_000  # gradients computed before they are written: they should still be in the processor's cache
TASK_BYTES = 8 * CHUNK_BYTES  # gradients a thread takes at once, at most
NO_NUMBERS = "expected atoms further apart, or smaller parameters of symmetry functions"
LEAST_TASK_BYTES = 300_000  # and at least: those of several small structures


@dataclass(frozen=True)
class FeaturizeJob:
    """Structures to compute together: the 0-based index of the first, and where each is.

    chosen : indices of those whose gradients follow.
    """

    start: int
    items: tuple[Item, ...]
    chosen: frozenset[int]


@dataclass(frozen=True)
class Featurized:
    """One structure of the training set; without atoms if it has too many species.

    atoms : its rows in the arrays of its batch; energy : cohesive, eV; environments : kept where gradients follow;
    lines : its part of the report; repeated : it has images that its file does not mean (`search.is_repeated`);
    label : as in `Structure`.
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

    @property
    def n_atoms(self) -> int:
        return self.atoms.stop - self.atoms.start


@dataclass(frozen=True)
class FeaturizedBatch:
    """Structures computed together, ready to be added to the training set.

    types : (n_atoms,) int64, 0-based; features : (n_atoms, widest); records : their part of NAME.train; seconds :
    spent on reading, neighbours and features.
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
    warning : str or None
        Why the energies may come from different sources.
    """

    n_included: int
    energies: EnergyStatistics
    warning: str | None


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
    """Cut structures into batches; one call for many small structures costs much less than many calls."""

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
    """Read structures and compute their features; environments are kept for those that are chosen."""
    began = time.perf_counter()
    given = [structure_files.read_item(item, types=model.types) for item in job.items]
    names = [item.name for item in job.items]
    included = [structure for structure in given if len(structure.symbols) <= len(model.types)]
    if not included:
        skipped = [_skipped(i, path, s) for i, (path, s) in enumerate(zip(names, given, strict=True), job.start)]
        return FeaturizedBatch(tuple(skipped), np.empty(0, dtype=np.int64), np.empty((0, 0)), b"", (0.0, 0.0, 0.0))
    types_of = [species_of(model, structure) for structure in included]
    energies = iter([_cohesive_energy(model, s, t) for s, t in zip(included, types_of, strict=True)])
    types = np.concatenate(types_of)
    been_read = time.perf_counter()
    found = environments(included, model.r_min, model.r_max, with_positions=model.descriptor is behler)
    been_found = time.perf_counter()
    check_environments(model, included, types, found)
    try:
        features = model.descriptor.features(model.basis, types, found)
    except CoincidenceError as error:
        structure = included[error.structure]
        raise InputError(structure.path, str(error), structure.line_of(error.atom)) from None
    computed = time.perf_counter()

    place, starts, counts = 0, found.starts.tolist(), found.counts
    sizes = model.basis.sizes[types]
    rows = trainset.atoms(trainset.Atoms(types, found.positions, found.forces, sizes, features), starts)
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
        kept = found.only(place) if index in job.chosen else None
        repeated = is_repeated(structure, model.r_max)
        label = structure.label
        structures.append(Featurized(index, path, n_species, atoms, energy, kept, lines, repeated, label))
        place += 1
    seconds = (been_read - began, been_found - been_read, computed - been_found)
    return FeaturizedBatch(tuple(structures), types, features, b"".join(records), seconds)


def _skipped(index: int, path: str, structure: Structure) -> Featurized:
    return Featurized(index, path, len(structure.symbols), slice(0, 0), 0.0, None, report.skipped(path))


def _cohesive_energy(model: Model, structure: Structure, types: np.ndarray) -> float:
    """The file's cohesive energy or, without one, the total energy less the atomic energies, atom by atom.

    As in the original, a cohesive energy of zero counts as none, and a missing total energy as zero.  InputError if the
    result overflows.
    """
    if structure.cohesive_energy:
        return structure.cohesive_energy
    energy = 0.0 if structure.energy is None else structure.energy
    for t in types.tolist():
        energy = energy - model.atomic_energies[t]
    if not math.isfinite(energy):
        raise InputError(structure.path, "the energy less the atomic energies of TYPES overflows")
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
    """Compute all structures and write them to train and forces (both left for the caller to complete).

    given : what the deck lists; chosen : indices of the structures whose gradients are written, if forces is a file;
    say : takes the report; on_batch : called after some structures, in order; workers : compute, and are used up.
    """
    n_structures = structure_files.n_structures(given)
    statistics = RunningStatistics(model.basis.sizes)
    energies = RunningEnergies(n_structures)
    labels: dict[str, str] = {}
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
        raise AenetError("every structure has more species than TYPES lists; there is nothing to train on")
    train.write(trainset.footer(trainset.Footer(n_atoms, energies.result(), model.setups, tuple(statistics.result()))))
    return Summary(energies.n_included, energies.result(), mixed(labels))


def _add(statistics: RunningStatistics, batch: FeaturizedBatch) -> None:
    try:
        statistics.add(batch.types, batch.features)
    except NotANumberError as error:
        path = next(s.path for s in batch.structures if s.atoms.start <= error.atom < s.atoms.stop)
        raise InputError(text.native(path), f"features are not numbers; {NO_NUMBERS}") from None


@dataclass(frozen=True)
class _Part:
    """Gradients to compute: of some atoms of a structure, from first_atom on; sizes : bytes of the records of each.

    path : of the structure.
    """

    path: str
    types: np.ndarray
    found: Environments
    first_atom: int
    sizes: Sequence[int]


class _GradientFile:
    """Everything in NAME.train.forces in its order, computed and written by workers in tasks of a useful size."""

    def __init__(self, model: Model, file: PendingFile, workers: Workers):
        self._model, self._file, self._workers = model, file, workers
        self._parts: list[bytes | _Part] = []
        self._n_bytes = 0

    def write(self, data: bytes) -> None:
        self._add(data, len(data))

    def compute(self, path: str, types: np.ndarray, found: Environments) -> None:
        """The gradients of the structure at path."""
        sizes = gradient_sizes(self._model, types, found)
        for start, stop, n_bytes in runs(sizes, TASK_BYTES):
            self._add(_Part(path, types, found.around(start, stop), start, sizes[start:stop]), n_bytes)

    def _add(self, part: bytes | _Part, n_bytes: int) -> None:
        self._parts.append(part)
        self._n_bytes += n_bytes
        if self._n_bytes >= LEAST_TASK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Have done what has been collected."""
        offset = self._file.reserve(self._n_bytes)
        self._workers.fill(self._file, offset, _gradients, self._model, tuple(self._parts))
        self._parts, self._n_bytes = [], 0


def runs(sizes: Sequence[int], most: int) -> Iterator[tuple[int, int, int]]:
    """Runs of consecutive items, start, stop and sum of their sizes, which is at most most, or of one item."""
    start, total = 0, 0
    for stop, size in enumerate(sizes):
        if stop > start and total + size > most:
            yield start, stop, total
            start, total = stop, 0
        total += size
    yield start, len(sizes), total


def _gradients(model: Model, parts: Sequence[bytes | _Part]) -> Pieces:
    """What a part of the file of gradients holds."""
    for part in parts:
        if isinstance(part, bytes):
            yield len(part), [part]
            continue
        for first, last, n_bytes in runs(part.sizes, CHUNK_BYTES):
            begin, end = part.first_atom + first, part.first_atom + last
            yield n_bytes, gradient_records(part.path, model, part.types, part.found, begin, end)


def gradient_records(path: str, model: Model, types: np.ndarray, found: Environments, start: int, stop: int) -> list:
    """The records of the atoms start to stop in NAME.train.forces as buffers, good until this thread's next call.

    path : of the structure, for the InputError if a gradient is not a number.
    """
    computed = model.descriptor.gradients(model.basis, types, found, start, stop)
    if not math.isfinite(computed.sum()):
        raise InputError(path, f"gradients of features are not numbers; {NO_NUMBERS}")
    values = computed.data.cast("B")
    parts: list = []
    position = 0
    neighbors_from = (found.first[start : stop + 1] - found.first[start]).tolist()
    numbers = found.index[found.first[start] : found.first[stop]] + np.int32(1)  # files count from 1
    n_features_of = model.basis.sizes[types[start:stop]].tolist()
    for i, (itype, n_features) in enumerate(zip(types[start:stop].tolist(), n_features_of, strict=True)):
        neighbors = numbers[neighbors_from[i] : neighbors_from[i + 1]]
        own = position + 24 * n_features
        others = own + 24 * n_features * len(neighbors)
        parts += gradients_format.atom(itype + 1, n_features, neighbors, values[position:own], values[own:others])
        position = others
    return parts


def gradient_sizes(model: Model, types: np.ndarray, found: Environments) -> list[int]:
    """Bytes of each atom's records."""
    n_features = model.basis.sizes[types].tolist()
    return list(map(gradients_format.atom_size, n_features, found.counts.tolist()))


class RunningEnergies:
    """Energy per atom: average over all structures announced, minimum and maximum (ts_write_structure_info)."""

    def __init__(self, n_structures: int):
        self.n_included = 0
        self._n_structures = n_structures
        self._mean = self._low = self._high = 0.0

    def add(self, energy: float) -> None:
        share = energy / self._n_structures
        if self.n_included == 0:
            self._mean, self._low, self._high = share, energy, energy
        else:
            # Of two zeros with different signs the original keeps the older as minimum, the newer as maximum.
            self._low = energy if energy < self._low else self._low
            self._high = self._high if self._high > energy else energy
            self._mean = self._mean + share
        self.n_included += 1

    def result(self) -> EnergyStatistics:
        return EnergyStatistics(self._mean, self._low, self._high)
