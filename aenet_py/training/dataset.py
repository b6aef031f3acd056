"""From files to structures for training: which are used, normalised, their atoms ordered by species.

The original keeps features, forces and gradients in single precision and computes with them in double precision; so
does this.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from aenet_py.descriptors.setup import Setup
from aenet_py.errors import AenetError, InputError
from aenet_py.formats import gradients, trainset
from aenet_py.formats.potential import Training
from aenet_py.formats.records import RecordReader
from aenet_py.formats.trainset import FeatureStatistics, TrainingSet
from aenet_py.inputs.train import TrainInput
from aenet_py.training.forces import Gradients


@dataclass(frozen=True)
class Structure:
    """One structure, its atoms ordered by species as the networks are.

    energy : cohesive, normalised; features : per species (n, n_features) float64, normalised; forces (n_atoms, 3)
    float64, normalised; gradients : per species, not normalised; None if its forces are not trained on.
    """

    path: str
    n_atoms: int
    energy: float
    features: list[torch.Tensor]
    forces: torch.Tensor
    gradients: list[Gradients] | None


@dataclass(frozen=True)
class Data:
    """What is trained on.

    with_forces, energies_only : structures in the order of the file; n_removed : above MAXENERGY; setups, statistics :
    per network; training : energies and their normalisation; feature_scales : per species (n_features,) float64.
    """

    with_forces: list[Structure]
    energies_only: list[Structure]
    n_removed: int
    setups: list[Setup]
    statistics: list[FeatureStatistics]
    training: Training
    feature_scales: list[torch.Tensor]


def read(deck: TrainInput) -> Data:
    """Read the training set, and the gradients with FORCES; AenetError where they do not fit the deck."""
    found = trainset.read(deck.training_set)
    order = _order_of_species(deck, found)
    _refuse_what_is_no_number(deck, found)
    atoms, starts = found.structures.atoms, found.structures.starts.tolist()
    entries = found.structures.entries
    per_atom = [entry.energy / entry.n_atoms for entry in entries]
    kept = [i for i, energy in enumerate(per_atom) if deck.max_energy is None or energy <= deck.max_energy]
    if not kept:
        raise AenetError(f"{deck.training_set}: every structure is above MAXENERGY; there is nothing to train on")
    of_networks = np.argsort(order)
    training = _normalisation(deck, found, of_networks, [per_atom[i] for i in kept])
    setups = [found.footer.setups[t] for t in of_networks]
    setups = [dataclasses.replace(setup, description=setup.description.strip()) for setup in setups]
    statistics = [found.footer.statistics[t] for t in of_networks]
    shifts, scales = _feature_normalisation(statistics)
    chosen = set(kept)
    data: tuple[list[Structure], list[Structure]] = ([], [])
    for i, derivatives in enumerate(_gradients(deck, found, order)):
        if i not in chosen:
            continue
        rows = slice(starts[i], starts[i + 1])
        network_of = order[atoms.types[rows] - 1]
        sorting = np.argsort(network_of, kind="stable")
        forces = torch.from_numpy(atoms.forces[rows][sorting].astype(np.float32))
        if deck.max_forces is not None and not abs(atoms.forces[rows]).max() < deck.max_forces:
            derivatives = None
        features = [
            torch.from_numpy(atoms.features[rows][network_of == s][:, : len(shifts[s])].astype(np.float32))
            for s in range(len(order))
        ]
        structure = Structure(
            path=entries[i].path.strip(),
            n_atoms=entries[i].n_atoms,
            energy=(entries[i].energy - entries[i].n_atoms * training.shift) * training.scale,
            features=[(f - shift) * scale for f, shift, scale in zip(features, shifts, scales, strict=True)],
            forces=(forces * training.scale).double(),
            gradients=derivatives,
        )
        data[0 if derivatives is not None else 1].append(structure)
    return Data(data[0], data[1], len(entries) - len(kept), setups, statistics, training, scales)


def _refuse_what_is_no_number(deck: TrainInput, found: TrainingSet) -> None:
    """InputError that names the first structure with an energy, force or feature that is NaN or infinite."""
    entries, atoms = found.structures.entries, found.structures.atoms
    structure_of = np.repeat(np.arange(len(entries)), [entry.n_atoms for entry in entries])
    energies = np.array([entry.energy for entry in entries])
    for what, finite, structures in (
        ("energy", np.isfinite(energies), np.arange(len(entries))),
        ("forces", np.isfinite(atoms.forces).all(axis=1), structure_of),
        ("features", np.isfinite(atoms.features).all(axis=1), structure_of),
    ):
        if not finite.all():
            path = entries[structures[np.argmin(finite)]].path
            raise InputError(deck.training_set, f"found {what} of {path!r} that are no numbers; expected numbers")


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


def _feature_normalisation(statistics: list[FeatureStatistics]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Averages, and one over standard deviations, of each species' features (normalize_stp), from single precision."""
    shifts, scales = [], []
    for values in statistics:
        shift = torch.from_numpy(values.mean.astype(np.float32)).double()
        scale = 1 / torch.sqrt(torch.from_numpy(values.square.astype(np.float32)).double() - shift**2)
        scale[~torch.isfinite(scale)] = 0.0  # features that are the same everywhere
        shifts.append(shift)
        scales.append(scale)
    return shifts, scales


def _gradients(deck: TrainInput, found: TrainingSet, order: np.ndarray) -> Iterator[list[Gradients] | None]:
    """Gradients of each structure of the set, None for those without."""
    entries = found.structures.entries
    if deck.alpha is None:
        yield from [None] * len(entries)
        return
    path = deck.training_set.removesuffix(".ascii") + ".forces"
    with RecordReader(path) as source:
        steps = gradients.read(source)
        # One array for all of them, half as large as the file: the system maps it in large pages.
        room, place = np.empty(source.window.size // 8 + 1, dtype=np.float32), 0
        for number, entry in enumerate(entries, 1):
            given = next(steps, None)
            if not isinstance(given, gradients.Entry) or (given.path, given.n_atoms) != (entry.path, entry.n_atoms):
                shown = f"{given.path!r}" if isinstance(given, gradients.Entry) else "the end"
                message = f"found {shown} as structure {number}; expected {entry.path!r}, as in {deck.training_set}"
                raise InputError(path, message)
            if not given.selected:
                yield None
                continue
            atoms = []
            for _ in range(given.n_atoms):
                atoms.append(_single(next(steps), room, place))
                place += atoms[-1].size
            yield _by_species(atoms, order, room, path, entry.path)
        for _ in steps:
            raise InputError(path, f"found more structures than {deck.training_set} has; expected {len(entries)}")


@dataclass(frozen=True)
class _Atom:
    """An atom's species, neighbours, and where its gradients are: (3, n_features, n + 1), the first its own."""

    itype: int
    neighbors: np.ndarray
    start: int
    size: int


def _single(atom: gradients.Entry | gradients.AtomGradients, room: np.ndarray, start: int) -> _Atom:
    """Put an atom's gradients into room, in single precision."""
    assert isinstance(atom, gradients.AtomGradients)
    width, n = atom.own.shape[1], len(atom.neighbors)
    size = 3 * width * (n + 1)
    values = room[start : start + size].reshape(3, width, n + 1)
    values[:, :, 0], values[:, :, 1:] = atom.own, atom.others
    return _Atom(atom.itype, atom.neighbors, start, size)


def _by_species(atoms: list[_Atom], order: np.ndarray, room: np.ndarray, path: str, name: str) -> list[Gradients]:
    """Gradients ordered by species; atoms : in the order of the file."""
    first, last = atoms[0].start, atoms[-1].start + atoms[-1].size
    if not np.isfinite(room[first:last].sum()):
        raise InputError(path, f"structure {name!r} has gradients that are not numbers")
    network_of = np.array([order[atom.itype - 1] for atom in atoms])
    place = np.empty(len(atoms), dtype=np.int64)
    place[np.argsort(network_of, kind="stable")] = np.arange(len(atoms))
    found = []
    for species in range(len(order)):
        mine = np.flatnonzero(network_of == species)
        starts = np.array([atoms[i].start - first for i in mine], dtype=np.int64)
        counts = np.array([len(atoms[i].neighbors) + 1 for i in mine], dtype=np.int64)
        numbers = [place[np.append(i, atoms[i].neighbors - 1)] for i in mine]
        found.append(Gradients(room[first:last], starts, counts, np.concatenate([*numbers, np.zeros(0, np.int64)])))
    return found
