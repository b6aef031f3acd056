"""From files to structures for training: which are used, their atoms ordered by network, how they are normalised.

The original keeps features, forces and gradients in single precision and computes with them in double precision; so
does this.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aenet_py.descriptors.setup import FeatureStatistics, Setup
from aenet_py.errors import AenetError, InputError
from aenet_py.formats import gradients as files
from aenet_py.formats import trainset
from aenet_py.formats.potential import Training
from aenet_py.formats.text import native
from aenet_py.formats.trainset import TrainingSet
from aenet_py.inputs.generate import choose_forces
from aenet_py.inputs.train import TrainInput
from aenet_py.training.data import gradients, recompute
from aenet_py.training.data.gradients import Gradients, Wanted
from aenet_py.training.data.packing import layout_of

MOST_SINGLE = float(np.sqrt(np.finfo(np.float32).max))  # so that squares are numbers in single precision


@dataclass(frozen=True)
class Structures:
    """Structures that are trained on, in the order of the file and as it has them; atoms are ordered by network.

    paths, energies (n,) : cohesive, eV; first_atoms (n + 1,) : where each structure's atoms begin; forces (n_atoms of
    all, 3) float32, eV/Å; features : per network (its atoms in all, n_features) float32; rows (n + 1, n_networks) :
    where each structure's begin; with_forces (n,) bool : whether its forces are trained on; gradients : of these, or of
    this process's share of them, None without FORCES.
    """

    paths: list[str]
    energies: np.ndarray
    first_atoms: np.ndarray
    forces: np.ndarray
    features: list[np.ndarray]
    rows: np.ndarray
    with_forces: np.ndarray
    gradients: Gradients | None


@dataclass(frozen=True)
class Data:
    """What is trained on, and what it is normalised with.

    n_removed : structures above MAXENERGY; setups, statistics : per network; training : energies and their scale;
    shifts (n_networks,) : of an atom's energy, eV.
    """

    structures: Structures
    n_removed: int
    setups: list[Setup]
    statistics: list[FeatureStatistics]
    training: Training
    shifts: tuple[float, ...]

    @functools.cached_property
    def feature_scales(self) -> list[np.ndarray]:
        """One over the standard deviation of each feature, per network (n_features,)."""
        return [normalisation_of_features(values)[1] for values in self.statistics]

    @functools.cached_property
    def feature_shifts(self) -> list[np.ndarray]:
        """Average of each feature, per network (n_features,)."""
        return [normalisation_of_features(values)[0] for values in self.statistics]

    @functools.cached_property
    def counts(self) -> np.ndarray:
        """Atoms of each network in each structure, (n, n_networks)."""
        return np.diff(self.structures.rows, axis=0)

    @functools.cached_property
    def offsets(self) -> np.ndarray:
        """The shifts of each structure's atoms, (n,) eV."""
        if len(set(self.shifts)) == 1:
            return self.counts.sum(axis=1) * self.shifts[0]  # as the original, which rounds otherwise than a sum
        total = np.zeros(len(self.counts))
        for count, shift in zip(self.counts.T, self.shifts, strict=True):
            total += count * shift
        return total

    @functools.cached_property
    def energies(self) -> np.ndarray:
        """Energies normalised, (n,)."""
        return (self.structures.energies - self.offsets) * self.training.scale

    def features(self, network: int, rows: np.ndarray | slice) -> np.ndarray:
        """Some of a network's features normalised, (n, n_features) float64."""
        return (self.structures.features[network][rows] - self.feature_shifts[network]) * self.feature_scales[network]


def read(deck: TrainInput) -> TrainingSet:
    """Read the training set; AenetError where it does not fit the deck."""
    path = native(deck.training_set)
    found = trainset.read(path)
    trainset.check_header(path, found.header, "train on")
    _order_of_species(deck, found)
    _refuse_what_is_no_number(deck, found)
    return found


def kept(deck: TrainInput, found: TrainingSet) -> np.ndarray:
    """Which structures are below MAXENERGY, (n,) bool; AenetError if none is."""
    entries, limit = found.structures.entries, deck.max_energy
    is_kept = np.array([limit is None or entry.energy / entry.n_atoms <= limit for entry in entries])
    if not is_kept.any():
        raise AenetError(f"{deck.training_set}: every structure is above MAXENERGY; there is nothing to train on")
    return is_kept


def with_forces(deck: TrainInput, found: TrainingSet, selected: np.ndarray | list[bool]) -> np.ndarray:
    """Which structures' forces are trained on, (n,) bool: with FORCES, those without one above MAXFORCES.

    selected (n,) : whether there are gradients of them.
    """
    largest = np.maximum.reduceat(abs(found.structures.atoms.forces).max(axis=1), found.structures.starts[:-1])
    return np.array(selected) & (largest < (math.inf if deck.max_forces is None else deck.max_forces))


def with_forces_ahead(deck: TrainInput, found: TrainingSet) -> np.ndarray:
    """The same of the structures that are kept, before gradients are read, (n_kept,) bool; AenetError as above."""
    is_kept = kept(deck, found)
    if deck.alpha is None:
        return np.zeros(int(is_kept.sum()), dtype=bool)
    if deck.memory_mode == "recompute":
        return with_forces(deck, found, _chosen(deck, len(is_kept)))[is_kept]
    path = files.path_of(native(deck.training_set))
    selected = files.selected(path)
    if len(selected) != len(is_kept):
        raise InputError(path, f"found {len(selected)} structures; expected {len(is_kept)}, as in {deck.training_set}")
    return with_forces(deck, found, selected)[is_kept]


def _chosen(deck: TrainInput, n: int) -> np.ndarray:
    """The structures whose gradients MEMORY_MODE recompute takes, (n,) bool: those that generate.x would choose."""
    seed = deck.numpy_seed if deck.forces_seed is None else deck.forces_seed
    chosen = np.array(choose_forces(n, deck.forces_percent, seed), dtype=np.int64)
    return np.isin(np.arange(n), chosen)


def prepare(
    deck: TrainInput, found: TrainingSet, mine: np.ndarray | None = None,
    advance: Callable[[int], object] = lambda n: None, threads: int = 1,  # noqa: ARG005
) -> Data:  # fmt: skip
    """Select and order the structures, and read gradients with FORCES; AenetError as above.

    mine (n,) bool : which of the structures that are kept need gradients here, if not all; advance : called with how
    many structures are done, where gradients are computed; threads : to compute them with.
    """
    order = _order_of_species(deck, found)
    entries, atoms, starts = found.structures.entries, found.structures.atoms, found.structures.starts
    counts = np.diff(starts)
    per_atom = [entry.energy / entry.n_atoms for entry in entries]
    is_kept = kept(deck, found)
    numbers = np.flatnonzero(is_kept).tolist()
    of_networks = np.argsort(order)
    training = _normalisation(deck, found, of_networks, [per_atom[i] for i in numbers])
    setups = [found.footer.setups[t] for t in of_networks]
    setups = [dataclasses.replace(setup, description=setup.description.strip()) for setup in setups]
    statistics = [found.footer.statistics[t] for t in of_networks]
    networks = order[atoms.types].astype(np.int64)
    structure_of = np.repeat(np.arange(len(entries)), counts)
    sorting = np.lexsort((networks, structure_of))
    sorting = sorting[is_kept[structure_of[sorting]]]
    features = []
    for network, values in enumerate(statistics):
        chosen = atoms.features[sorting[networks[sorting] == network], : len(values.mean)]
        features.append(chosen.astype(np.float32))
    in_each = np.zeros((len(entries), len(order)), dtype=np.int64)
    np.add.at(in_each, (structure_of, networks), 1)
    packed, selected = None, np.zeros(len(entries), dtype=bool)
    if deck.alpha is not None:
        packed, selected = _gradients(deck, found, networks, is_kept, mine, setups, threads, advance)
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
    return Data(structures, len(entries) - len(numbers), setups, statistics, training, shifts)


def checksum(data: Data) -> int:
    """Of features and forces, for processes that must have the same."""
    found = 0
    for values in (*data.structures.features, data.structures.forces, *data.feature_shifts, *data.feature_scales):
        found = zlib.crc32(np.ascontiguousarray(values).view(np.uint8).data, found)
    return found


def _gradients(
    deck: TrainInput, found: TrainingSet, networks: np.ndarray, is_kept: np.ndarray, mine: np.ndarray | None,
    setups: list[Setup], threads: int, advance: Callable[[int], object],
) -> tuple[Gradients, np.ndarray]:  # fmt: skip
    """Gradients of those of the structures kept that need them here, and which structures have forces to train on."""
    atoms, starts = found.structures.atoms, found.structures.starts
    recomputed = deck.memory_mode == "recompute"
    chosen = _chosen(deck, len(is_kept)) if recomputed else np.ones(len(is_kept), dtype=bool)
    used = is_kept & with_forces(deck, found, chosen)
    if mine is not None:
        used[is_kept] &= mine
    layouts = tuple(layout_of(setup, deck.symbols) for setup in setups)
    kept_atoms = np.repeat(is_kept, np.diff(starts))
    if recomputed:
        share = deck.batch_size / max(1, int(is_kept.sum()))
        store, words, begins = recompute.prepare(
            deck.training_set, found, networks, used, layouts, share, threads, advance
        )
        store = store.only(np.flatnonzero(is_kept).tolist())
        computed = Gradients(store, store.layouts, begins[kept_atoms], words[is_kept])
        return computed, with_forces(deck, found, chosen)
    wanted = [
        Wanted(entry, atoms.types[begin:end] + 1, networks[begin:end], bool(use))
        for entry, begin, end, use in zip(found.structures.entries, starts[:-1], starts[1:], used, strict=True)
    ]
    path = files.path_of(native(deck.training_set))
    read, selected = gradients.read(path, wanted, layouts, deck.training_set, on_disk=deck.memory_mode == "disk")
    read = dataclasses.replace(read, starts=read.starts[kept_atoms], words=read.words[is_kept])
    return read, with_forces(deck, found, selected)


def _refuse_what_is_no_number(deck: TrainInput, found: TrainingSet) -> None:
    """InputError that names the first structure or species with a value that is NaN, infinite or beyond any sense."""
    entries, atoms = found.structures.entries, found.structures.atoms
    structure_of = np.repeat(np.arange(len(entries)), [entry.n_atoms for entry in entries])
    energies = np.array([entry.energy / entry.n_atoms for entry in entries])
    for what, good, structures in (
        ("energy", abs(energies) < trainset.MOST_ENERGY, np.arange(len(entries))),
        ("forces", (abs(atoms.forces) < MOST_SINGLE).all(axis=1), structure_of),
        ("features", (abs(atoms.features) < MOST_SINGLE).all(axis=1), structure_of),
    ):
        if not good.all():
            path = entries[structures[np.argmin(good)]].path
            raise InputError(deck.training_set, f"found {what} of {path!r} that are no numbers; expected numbers")
    for symbol, values in zip(found.header.types, found.footer.statistics, strict=True):
        if not all((abs(each) < MOST_SINGLE).all() for each in (values.low, values.high, values.mean, values.square)):
            message = f"found statistics of the features of {symbol} that are no numbers; the footer is damaged"
            raise InputError(deck.training_set, message)


def _order_of_species(deck: TrainInput, found: TrainingSet) -> np.ndarray:
    """Which network belongs to each species of the file; InputError unless each has one."""
    given, wanted = deck.symbols, found.header.types
    if not found.footer.setups:
        raise InputError(deck.training_set, "this training set has no set-ups; expected one for each species")
    for symbol in wanted:
        if symbol not in given:
            raise InputError(
                deck.path, f"no network for {symbol}; expected one, as {deck.training_set} has this species"
            )
    for symbol in given:
        if symbol not in wanted:
            expected = " ".join(wanted)
            raise InputError(deck.path, f"found a network for {symbol}; expected the species of the set, {expected}")
    return np.array([given.index(symbol) for symbol in wanted])


def _normalisation(deck: TrainInput, found: TrainingSet, of_networks: np.ndarray, per_atom: list[float]) -> Training:
    """Energies per atom go to [-1, 1] (get_E_normalization); the values stored are those in eV.

    of_networks : the species of the file that each network is for.
    """
    total = 0.0
    for energy in per_atom:
        total += energy
    low, high = min(per_atom), max(per_atom)
    if not high > low:
        raise AenetError(f"{deck.training_set}: all energies per atom are {low:g} eV; expected different ones")
    atomic = np.array(found.header.atomic_energies)[of_networks]
    return Training(
        path=deck.training_set,
        normalized=True,
        scale=2 / (high - low),
        shift=0.5 * (high + low),
        types=deck.symbols,
        atomic_energies=tuple(atomic.tolist()),
        n_atoms=found.footer.n_atoms,
        n_structures=found.header.n_structures,
        low=low,
        high=high,
        mean=total / len(per_atom),
    )


def normalisation_of_features(statistics: FeatureStatistics) -> tuple[np.ndarray, np.ndarray]:
    """Averages, and one over standard deviations, of a species' features (normalize_stp), from single precision."""
    shift = statistics.mean.astype(np.float32).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = 1 / np.sqrt(statistics.square.astype(np.float32).astype(np.float64) - shift**2)
    scale[~np.isfinite(scale)] = 0.0  # features that are the same everywhere
    return shift, scale
