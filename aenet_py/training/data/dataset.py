"""Structures for training from a training set: selected, with atoms ordered by network, and their normalisation.

The original keeps features, forces and gradients in single precision and computes with them in double precision; so
does this.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aenet_py.descriptors.model import model
from aenet_py.descriptors.setup import FeatureStatistics, Setup
from aenet_py.errors import AenetError, InputError
from aenet_py.formats import gradients as files
from aenet_py.formats import trainset
from aenet_py.formats.potential import Training
from aenet_py.formats.source import Advance, unwatched
from aenet_py.formats.text import native
from aenet_py.formats.trainset import TrainingSet
from aenet_py.inputs.generate import choose_forces
from aenet_py.inputs.train import TrainInput, Transfer
from aenet_py.structure import Structure
from aenet_py.training.data import direct, gradients, held_out, pairs, recompute, replay
from aenet_py.training.data.constants import LARGE
from aenet_py.training.data.direct import Direct
from aenet_py.training.data.gradients import Gradients, Wanted
from aenet_py.training.data.packing import layout_of
from aenet_py.training.data.pairs import Pairs

COLUMNS = 4  # of features that change places together
MOST_SINGLE = float(np.sqrt(np.finfo(np.float32).max))  # squares must be finite in single precision


@dataclass(frozen=True)
class Structures:
    """Structures of a training set, in the order of the file and not normalised; atoms are ordered by network.

    Attributes
    ----------
    paths : list of str
        Paths of the structures.
    energies : ndarray, shape (n,)
        Cohesive energies, eV.
    first_atoms : ndarray, shape (n + 1,)
        Where the atoms of each structure begin.
    forces : ndarray, shape (n_atoms, 3), float32
        Forces, eV/Å.
    features : list of ndarray, shape (atoms of the network, n_features), float32
        Per network, of this process's share of the structures (`Data.own`).
    rows : ndarray, shape (n + 1, n_networks)
        Where the atoms of each structure begin among those of all.
    with_forces : ndarray of bool, shape (n,)
        Whether the structure's forces are trained on.
    gradients : Gradients, Pairs or None
        Of these structures, or of this process's share of them, or what sums forces without any; None without FORCES.
    """

    paths: list[str]
    energies: np.ndarray
    first_atoms: np.ndarray
    forces: np.ndarray
    features: list[np.ndarray]
    rows: np.ndarray
    with_forces: np.ndarray
    gradients: Gradients | Pairs | None


@dataclass(frozen=True)
class Data:
    """Structures, and their normalisation.

    n_removed : structures above MAXENERGY; setups, statistics : per network; training : energies and their scale;
    shifts (n_networks,) : of the energy per atom, eV; weights (n, 2) : of each structure's energy and forces, None if
    all count the same; virials (n, 3, 3) : eV, NaN for structures without, None unless they are trained on; limits :
    errors of energies per atom (eV) and force components (eV/Å) beyond which the loss is linear; own (n,) bool : the
    structures whose features are kept in this process, None for all; checksum_of_all : of the features of all, then;
    replayed (n,) bool : which structures are those of replay, None without any; moved (n,) : what is added to their
    energies so that they are those of the source, eV; known (n_atoms, 3) bool : which force components are known, None
    for all.
    """

    structures: Structures
    n_removed: int
    setups: list[Setup]
    statistics: list[FeatureStatistics]
    training: Training
    shifts: tuple[float, ...]
    weights: np.ndarray | None = None
    virials: np.ndarray | None = None
    limits: tuple[float, float] = (math.inf, math.inf)
    own: np.ndarray | None = None
    checksum_of_all: int | None = None
    replayed: np.ndarray | None = None
    moved: np.ndarray | None = None
    known: np.ndarray | None = None

    @functools.cached_property
    def feature_scales(self) -> list[np.ndarray]:
        """Inverse standard deviation of each feature, per network (n_features,)."""
        return [normalisation_of_features(values)[1] for values in self.statistics]

    @functools.cached_property
    def feature_shifts(self) -> list[np.ndarray]:
        """Mean of each feature, per network (n_features,)."""
        return [normalisation_of_features(values)[0] for values in self.statistics]

    @property
    def huber(self) -> tuple[float, float] | None:
        """The normalised limits, None if there are none."""
        return (
            None
            if min(self.limits) == math.inf
            else (self.limits[0] * self.training.scale, self.limits[1] * self.training.scale)
        )

    @functools.cached_property
    def counts(self) -> np.ndarray:
        """Number of atoms per structure and network, (n, n_networks)."""
        return np.diff(self.structures.rows, axis=0)

    @functools.cached_property
    def force_counts(self) -> np.ndarray:
        """A third of the number of known force components of each structure, its number of atoms if all are, (n,)."""
        first_atoms = self.structures.first_atoms
        if self.known is None:
            return np.diff(first_atoms)
        return np.add.reduceat(self.known.sum(axis=1), first_atoms[:-1]) / 3.0

    @functools.cached_property
    def feature_rows(self) -> np.ndarray:
        """Where the atoms of each structure begin in the features that are kept, (n + 1, n_networks)."""
        if self.own is None:
            return self.structures.rows
        counts = np.where(self.own[:, np.newaxis], self.counts, 0)
        return np.concatenate([np.zeros((1, counts.shape[1]), np.int64), np.cumsum(counts, axis=0)])

    @functools.cached_property
    def offsets(self) -> np.ndarray:
        """Sum of the shifts of each structure's atoms, (n,) eV."""
        if len(set(self.shifts)) == 1:
            return self.counts.sum(axis=1) * self.shifts[0]  # as in the original; a sum rounds differently
        total = np.zeros(len(self.counts))
        for count, shift in zip(self.counts.T, self.shifts, strict=True):
            total += count * shift
        return total

    @functools.cached_property
    def energies(self) -> np.ndarray:
        """Normalised energies, (n,)."""
        energies = self.structures.energies if self.moved is None else self.structures.energies + self.moved
        return (energies - self.offsets) * self.training.scale

    def features(self, network: int, rows: np.ndarray | slice) -> np.ndarray:
        """Normalised features of some atoms of a network, (n, n_features) float64."""
        return (self.structures.features[network][rows] - self.feature_shifts[network]) * self.feature_scales[network]


def read(deck: TrainInput, advance: Advance = unwatched) -> TrainingSet:
    """Read the training set; AenetError if it does not fit the deck.  advance : called with the bytes read."""
    path = native(deck.training_set)
    training_set = trainset.read(path, advance, LARGE)
    trainset.check_header(path, training_set.header, "train on")
    if not training_set.footer.setups:
        raise InputError(deck.training_set, "this training set has no set-ups; expected one for each species")
    order_of_species(deck, training_set.header.types)
    check_finite(deck.training_set, training_set)
    return training_set


def used(deck: TrainInput, sizes: Sequence[int] | None) -> np.ndarray | None:
    """Which structures of `TrainInput.sets` are in the share of replay, (n,) bool; None without replay of a set."""
    return replay.used(deck, held_out.of_files(deck, sizes)) if deck.replays_set and sizes is not None else None


def kept(deck: TrainInput, training_set: TrainingSet, sizes: Sequence[int] | None = None) -> np.ndarray:
    """Which structures are used, and not above MAXENERGY, (n,) bool; AenetError if none is left.

    sizes : structures of each file, unless there is one.
    """
    entries, limit = training_set.structures.entries, deck.max_energy
    is_kept = np.array([limit is None or entry.energy / entry.n_atoms <= limit for entry in entries])
    in_share = used(deck, sizes)
    if in_share is not None:
        is_kept &= in_share
    if not is_kept.any():
        raise AenetError(f"{deck.training_set}: every structure is above MAXENERGY; there is nothing to train on")
    return is_kept


def with_forces(deck: TrainInput, training_set: TrainingSet, selected: np.ndarray | list[bool]) -> np.ndarray:
    """Which structures' forces are trained on with FORCES, (n,) bool: those whose forces are all below MAXFORCES.

    selected (n,) : whether the structure has gradients.
    """
    largest = np.maximum.reduceat(
        abs(training_set.structures.atoms.forces).max(axis=1), training_set.structures.starts[:-1]
    )
    return np.array(selected) & (largest < (math.inf if deck.max_forces is None else deck.max_forces))


def with_forces_ahead(
    deck: TrainInput, training_set: TrainingSet, of: Direct | None = None, sizes: Sequence[int] | None = None
) -> np.ndarray:
    """The same for the structures that are kept, before gradients are read, (n_kept,) bool; AenetError as above.

    of : the training set's structures, unless it is in a file; sizes : structures of each file, unless there is one.
    """
    is_kept = kept(deck, training_set, sizes)
    if deck.alpha is None:
        return np.zeros(int(is_kept.sum()), dtype=bool)
    if of is not None:
        return with_forces(deck, training_set, of.included.chosen)[is_kept]
    if deck.memory_mode == "recompute":
        return with_forces(deck, training_set, _chosen(deck, len(is_kept)))[is_kept]
    selected: list[bool] = []
    for file, size in zip(deck.sets, [len(is_kept)] if sizes is None else sizes, strict=True):
        path = files.path_of(native(file.path))
        found = files.selected(path)
        if len(found) != size:
            raise InputError(path, f"has {len(found)} structures, but {file.path} has {size}")
        selected += found
    return with_forces(deck, training_set, selected)[is_kept]


def _chosen(deck: TrainInput, n: int) -> np.ndarray:
    """Structures whose gradients MEMORY_MODE recompute uses, (n,) bool: those that generate.x would choose."""
    seed = deck.numpy_seed if deck.forces_seed is None else deck.forces_seed
    chosen = np.array(choose_forces(n, deck.forces_percent, seed), dtype=np.int64)
    return np.isin(np.arange(n), chosen)


def prepare(
    deck: TrainInput, training_set: TrainingSet, mine: np.ndarray | None = None,
    advance: Advance = unwatched, threads: int = 1, of: Direct | None = None, sizes: Sequence[int] | None = None,
    unknown: list[tuple[str, int]] | None = None,
) -> Data:  # fmt: skip
    """Select and order the structures and, with FORCES, read or compute their gradients.

    Parameters
    ----------
    deck : TrainInput
        The input.
    training_set : TrainingSet
        As `read` returns it.  Features in single precision are no longer in the order of its atoms afterwards.
    mine : ndarray of bool, shape (n,), optional
        Which of the structures that are kept this process works on; by default all.
    advance : callable, optional
        Called with the number of bytes read or, where gradients are computed, of structures since the last call.
    threads : int, default 1
        Threads that compute gradients.
    of : Direct, optional
        The training set's structures, unless it is in a file.
    sizes : sequence of int, optional
        Structures of each of the files (`TrainInput.sets`); by default, there is one.
    unknown : list of tuple, optional
        Filled as by `recompute.structures_of`.

    Returns
    -------
    Data
        Structures to train on and to test, with normalised energies.

    Raises
    ------
    AenetError
        If the gradients are missing or do not belong to the training set, or nothing is left to train on.
    """
    order = order_of_species(deck, training_set.header.types)
    whole = training_set.structures
    entries, atoms, starts = whole.entries, whole.atoms, whole.starts
    counts = np.diff(starts)
    per_atom = [entry.energy / entry.n_atoms for entry in entries]
    is_kept, in_share = kept(deck, training_set, sizes), used(deck, sizes)
    n_used = len(entries) if in_share is None else int(np.count_nonzero(in_share))
    numbers = np.flatnonzero(is_kept).tolist()
    of_networks = np.argsort(order)
    n_first = len(entries) if sizes is None else sizes[0]  # sets that are only tested do not change the training
    training = _normalisation(deck, training_set, of_networks, [per_atom[i] for i in numbers if i < n_first])
    setups = [training_set.footer.setups[t] for t in of_networks]
    setups = [dataclasses.replace(setup, description=setup.description.strip()) for setup in setups]
    statistics = [training_set.footer.statistics[t] for t in of_networks]
    networks = order[atoms.types].astype(np.int64)
    structure_of = np.repeat(np.arange(len(entries)), counts)
    sorting = np.lexsort((networks, structure_of))
    sorting = sorting[is_kept[structure_of[sorting]]]
    own, of_all, features = None if isinstance(deck.transfer, Transfer) else mine, 0, []
    is_own = np.ones(len(entries), dtype=bool)
    if own is not None:
        is_own[is_kept] = own
    of_each = [sorting[networks[sorting] == network] for network in range(len(statistics))]
    for rows, values, found in zip(of_each, statistics, _by_network(atoms.features, of_each), strict=True):
        chosen = found[:, : len(values.mean)]
        if own is not None:
            of_all = zlib.crc32(np.ascontiguousarray(chosen).view(np.uint8).data, of_all)
            chosen = chosen[is_own[structure_of[rows]]]
        features.append(chosen)
    in_each = np.zeros((len(entries), len(order)), dtype=np.int64)
    np.add.at(in_each, (structure_of, networks), 1)
    packed, selected = None, np.zeros(len(entries), dtype=bool)
    if deck.alpha is not None:
        told = [] if unknown is None else unknown
        packed, selected = _gradients(
            deck, training_set, networks, is_kept, mine, setups, threads, advance, of, sizes, told
        )  # fmt: skip
    structures = Structures(
        paths=[entries[i].path.strip() for i in numbers],
        energies=np.array([entries[i].energy for i in numbers]),
        first_atoms=np.concatenate([[0], np.cumsum(counts[is_kept])]),
        forces=atoms.forces[sorting].astype(np.float32),
        features=features,
        rows=np.concatenate([np.zeros((1, len(order)), np.int64), np.cumsum(in_each[is_kept], axis=0)]),
        with_forces=selected[is_kept],
        gradients=packed,
    )
    shifts = (training.shift,) * len(order)
    known = None if of is None else of.included.known_forces
    return Data(
        structures, n_used - len(numbers), setups, statistics, training, shifts, own=own,
        checksum_of_all=None if own is None else of_all, known=None if known is None else known[sorting],
    )  # fmt: skip


def _by_network(features: np.ndarray, of_each: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The features of each network's atoms (n, width) in single precision; of_each : their rows.

    Features that are given in single precision change places, as there may not be room for both.
    """
    if features.dtype != np.float32:
        return [features[rows].astype(np.float32) for rows in of_each]
    order = np.concatenate(of_each)
    for begin in range(0, features.shape[1], COLUMNS):
        part = features[:, begin : begin + COLUMNS]
        part[: len(order)] = part[order]
    return np.split(features[: len(order)], np.cumsum([len(rows) for rows in of_each])[:-1])


def checksum(data: Data) -> int:
    """Checksum of features and forces, which must be the same in all processes."""
    total = data.checksum_of_all or 0
    features = data.structures.features if data.checksum_of_all is None else []
    known = [] if data.known is None else [data.known]
    for values in (*features, data.structures.forces, *known, *data.feature_shifts, *data.feature_scales):
        total = zlib.crc32(np.ascontiguousarray(values).view(np.uint8).data, total)
    return total


def _gradients(
    deck: TrainInput, training_set: TrainingSet, networks: np.ndarray, is_kept: np.ndarray, mine: np.ndarray | None,
    setups: list[Setup], threads: int, advance: Advance, of: Direct | None, sizes: Sequence[int] | None,
    unknown: list[tuple[str, int]],
) -> tuple[Gradients | Pairs, np.ndarray]:  # fmt: skip
    """Gradients that this process needs, or pairs in their place, and which structures have forces to train on."""
    atoms, starts = training_set.structures.atoms, training_set.structures.starts
    recomputed = deck.memory_mode == "recompute"
    if of is not None:
        chosen = of.included.chosen
    else:
        chosen = _chosen(deck, len(is_kept)) if recomputed else np.ones(len(is_kept), dtype=bool)
    used = is_kept & with_forces(deck, training_set, chosen)
    if mine is not None:
        used[is_kept] &= mine
    layouts = tuple(layout_of(setup, deck.symbols) for setup in setups)
    kept_atoms = np.repeat(is_kept, np.diff(starts))
    if recomputed:
        given = None if of is None else of.included.structures
        structures = recompute.structures_of(deck.training_set, training_set, used, threads, unknown, given)
        summed = _pairs(deck, training_set, structures, networks, setups, threads, advance)
        if summed is not None:
            kept_numbers = dataclasses.replace(summed, numbers=summed.numbers[is_kept])
            return kept_numbers, with_forces(deck, training_set, chosen)
        if deck.loss.stress:
            message = f"a structure has more than {pairs.MOST_MEMBERS} atoms and images within reach; STRESS needs less"
            raise AenetError(f"{deck.path}: {message}")
        share = deck.batch_size / max(1, int(is_kept.sum()))
        store, words, begins = recompute.prepare(
            training_set, structures, networks, layouts, share, threads, advance
        )  # fmt: skip
        store = store.only(np.flatnonzero(is_kept).tolist())
        computed = Gradients(store, store.layouts, begins[kept_atoms], words[is_kept])
        return computed, with_forces(deck, training_set, chosen)
    on_disk = deck.memory_mode == "disk"
    if of is not None:
        known = [each if use else None for each, use in zip(of.included.structures, used.tolist(), strict=True)]
        source = recompute.source(training_set, known, networks, layouts, threads)
        found = direct.gradients(source, of.reals, on_disk, advance)
        found = dataclasses.replace(found, starts=found.starts[kept_atoms], words=found.words[is_kept])
        return found, with_forces(deck, training_set, chosen)
    wanted = [
        Wanted(entry, atoms.types[begin:end] + 1, networks[begin:end], bool(use))
        for entry, begin, end, use in zip(training_set.structures.entries, starts[:-1], starts[1:], used, strict=True)
    ]
    ends = [0, *np.cumsum([len(wanted)] if sizes is None else sizes).tolist()]
    parts = [
        gradients.Part(files.path_of(native(file.path)), file.path, wanted[begin:end])
        for file, (begin, end) in zip(deck.sets, itertools.pairwise(ends), strict=True)
    ]
    read, selected = gradients.read(parts, layouts, on_disk, advance)
    read = dataclasses.replace(read, starts=read.starts[kept_atoms], words=read.words[is_kept])
    return read, with_forces(deck, training_set, selected)


def _pairs(
    deck: TrainInput, training_set: TrainingSet, structures: list[Structure | None], networks: np.ndarray,
    setups: list[Setup], threads: int, advance: Advance,
) -> Pairs | None:  # fmt: skip
    """What sums forces without gradients; None where that is impossible."""
    of_type = dict(zip(training_set.header.types, training_set.header.atomic_energies, strict=True))
    together = model(deck.symbols, [of_type[symbol] for symbol in deck.symbols], setups)
    if not pairs.applies(together, deck.method):
        return None
    starts = training_set.structures.starts
    of_each = [networks[begin:end] for begin, end in itertools.pairwise(starts.tolist())]
    return pairs.listed(together, structures, of_each, threads, advance)


def check_finite(name: str, training_set: TrainingSet) -> None:
    """InputError that names the first structure or species with a value that is NaN, infinite or far too large."""
    entries, atoms = training_set.structures.entries, training_set.structures.atoms
    structure_of = np.repeat(np.arange(len(entries)), [entry.n_atoms for entry in entries])
    energies = np.array([entry.energy / entry.n_atoms for entry in entries])
    for what, good, structures in (
        ("energy is", abs(energies) < trainset.MOST_ENERGY, np.arange(len(entries))),
        ("forces are", _are_small(atoms.forces), structure_of),
        ("features are", _are_small(atoms.features), structure_of),
    ):
        if not good.all():
            path = entries[structures[np.argmin(good)]].path
            raise InputError(name, f"structure {path!r}: its {what} not finite, or too large")
    for symbol, values in zip(training_set.header.types, training_set.footer.statistics, strict=True):
        if not all((abs(each) < MOST_SINGLE).all() for each in (values.low, values.high, values.mean, values.square)):
            message = f"the statistics of the features of {symbol} are not finite; the footer is damaged"
            raise InputError(name, message)


def _are_small(values: np.ndarray) -> np.ndarray:
    """Whether each row (n, m) is finite in single precision, (n,) bool; without a copy, which may not fit."""
    return (values.max(axis=1) < MOST_SINGLE) & (values.min(axis=1) > -MOST_SINGLE)


def order_of_species(deck: TrainInput, wanted: Sequence[str]) -> np.ndarray:
    """Network of each species of the training set; InputError unless each has one."""
    given = deck.symbols
    for symbol in wanted:
        if symbol not in given:
            message = f"no network for {symbol}, a species in {deck.training_set}; add it to NETWORKS"
            raise InputError(deck.path, message)
    for network in deck.networks:
        if network.symbol not in wanted:
            message = f"NETWORKS has {network.symbol}, but the species in {deck.training_set} are {' '.join(wanted)}"
            raise InputError(deck.path, message, network.line)
    return np.array([given.index(symbol) for symbol in wanted])


def _normalisation(
    deck: TrainInput, training_set: TrainingSet, of_networks: np.ndarray, per_atom: list[float]
) -> Training:
    """Normalisation of the energies (`_energies`); of_networks : the species of the file for each network."""
    atomic = np.array(training_set.header.atomic_energies)[of_networks]
    return Training(
        path=deck.training_set,
        normalized=True,
        types=deck.symbols,
        atomic_energies=tuple(atomic.tolist()),
        n_atoms=training_set.footer.n_atoms,
        n_structures=training_set.header.n_structures,
        **_energies(deck, per_atom),
    )


def normalised(deck: TrainInput, data: Data) -> Data:
    """Saved structures with the normalisation of energies of this deck."""
    per_atom = data.structures.energies / data.counts.sum(axis=1)
    training = dataclasses.replace(data.training, **_energies(deck, per_atom.tolist()))
    return dataclasses.replace(data, training=training, shifts=(training.shift,) * len(data.shifts))


def _energies(deck: TrainInput, per_atom: list[float]) -> dict[str, Any]:
    """Normalisation of energies per atom to [-1, 1] (get_E_normalization); low, high and mean in eV."""
    total = 0.0
    for energy in per_atom:
        total += energy
    low, high, mean = min(per_atom), max(per_atom), total / len(per_atom)
    if deck.energy_range is not None:
        low, high, mean = dataclasses.astuple(deck.energy_range)
    if not high > low:
        raise AenetError(f"{deck.training_set}: all energies per atom are {low:g} eV; there is nothing to learn")
    return {"scale": 2 / (high - low), "shift": 0.5 * (high + low), "low": low, "high": high, "mean": mean}


def normalisation_of_features(statistics: FeatureStatistics) -> tuple[np.ndarray, np.ndarray]:
    """Means and inverse standard deviations of a species' features (normalize_stp), from single precision."""
    shift = statistics.mean.astype(np.float32).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = 1 / np.sqrt(statistics.square.astype(np.float32).astype(np.float64) - shift**2)
    scale[~np.isfinite(scale)] = 0.0  # constant features
    return shift, scale
