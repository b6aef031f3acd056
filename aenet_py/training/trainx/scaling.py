"""Normalised training sets, ``NAME.train.scaled``: energies from -1 to 1, features with variance 1 (ts_normalize)."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aenet_py.errors import InputError, counted
from aenet_py.formats import trainset
from aenet_py.formats.atoms import Atoms
from aenet_py.formats.trainset import (
    SCALED,
    Footer,
    Header,
    StructureBatch,
    StructureEntry,
    TrainingSet,
)
from aenet_py.runtime.output import PendingFile

MOST = 1.001  # normalised energy per atom; structures above it are not used


@dataclass(frozen=True)
class ScaledSet:
    """A normalised training set and its file.

    stored : whether the file existed; n_missing : structures that the header of the training set counts but the file
    lacks; n_removed : structures above MAXENERGY, None without any.
    """

    path: str
    training_set: TrainingSet
    stored: bool
    n_missing: int = 0
    n_removed: int | None = None


def load(path: str, max_energy: float | None) -> ScaledSet:
    """Read the normalised form of a training set, or normalise the set; `write` stores it.

    Parameters
    ----------
    path : str
        The training set, itself normalised or not.
    max_energy : float or None
        Largest cohesive energy per atom, eV.  A set that was normalised before stays as it is.

    Returns
    -------
    ScaledSet

    Raises
    ------
    AenetError
        If the file is not a training set, or its energies cannot be normalised.
    """
    stored = os.path.exists(path + SCALED)
    path = path + SCALED if stored else path
    given = trainset.read(path)
    if len(given.footer.setups) != len(given.header.types):
        raise InputError(path, "this training set has no set-ups; generate it again with generate.x")
    n_missing = given.header.n_structures - len(given.structures.entries)
    if given.header.normalized:
        return ScaledSet(path, given, stored, n_missing)
    trainset.check_header(path, given.header, "train on")
    values = scaled(path, given, max_energy)
    n_removed = None
    if max_energy is not None and max_energy < given.footer.energies.high:
        n_removed = len(given.structures.entries) - len(values.structures.entries)
    return ScaledSet(path + SCALED, values, stored, n_missing, n_removed)


def scaled(path: str, given: TrainingSet, max_energy: float | None) -> TrainingSet:
    """Normalise a training set; path : its name in errors."""
    if not given.structures.entries:
        raise InputError(path, "found no structures; expected at least one to normalise")
    for entry in given.structures.entries:  # one that is NaN would be left out as if it were above MAXENERGY
        if not math.isfinite(entry.energy):
            name = entry.path.strip()
            raise InputError(path, f"cannot normalise the energies: that of {name} is {entry.energy:g} eV")
    low, high = given.footer.energies.low, given.footer.energies.high
    high = high if max_energy is None else min(high, max_energy)
    if not high > low:
        reason = "all energies per atom are equal" if max_energy is None else f"no energy per atom lies from {low:g} eV"
        end = "" if max_energy is None else f" to MAXENERGY {max_energy:g}"
        raise InputError(path, f"cannot normalise the energies: {reason}{end}")
    scale, shift = 2.0 / (high - low), 0.5 * (high + low)
    entries, kept = [], []
    for old in given.structures.entries:
        energy = scale * (old.energy - old.n_atoms * shift)
        kept.append(energy / old.n_atoms <= MOST)
        if kept[-1]:
            entries.append(StructureEntry(old.path, old.n_atoms, old.n_types, energy))
    atoms = _scaled_atoms(given, np.repeat(kept, np.diff(given.structures.starts)), scale)
    header = Header(given.header.types, given.header.atomic_energies, len(entries), True, scale, shift)
    footer = Footer(len(atoms), trainset.energy_statistics(entries), given.footer.setups, given.footer.statistics)
    return TrainingSet(header, footer, StructureBatch(tuple(entries), atoms))


def _scaled_atoms(given: TrainingSet, kept: np.ndarray, scale: float) -> Atoms:
    atoms = given.structures.atoms
    types, sizes, features = atoms.types[kept], atoms.sizes[kept], atoms.features[kept]
    for species, statistics in enumerate(given.footer.statistics):
        rows, n = types == species, len(statistics.mean)
        features[rows, :n] = statistics.factors * (features[rows, :n] - statistics.mean)
    return Atoms(types, atoms.positions[kept], scale * atoms.forces[kept], sizes, features)


def write(given: ScaledSet) -> None:
    """Write a normalised training set."""
    values = given.training_set
    with PendingFile(given.path) as file:
        file.write(trainset.header(values.header))
        for data in trainset.structures(values.structures):
            file.write(data)
        file.write(trainset.footer(values.footer))
        file.complete(replace=True)


def warn_of_age(path: str, scaled_path: str, warn: Callable[[str], object]) -> None:
    """Warn if the training set at path is newer than its normalised form."""
    if os.path.exists(path) and os.path.getmtime(path) > os.path.getmtime(scaled_path):
        warn(f"{scaled_path} is older than {path}; remove it to normalise the training set again")


def warn_of_constant_features(footer: Footer, warn: Callable[[str], object]) -> None:
    """Warn of each species with features that normalising sets to zero."""
    for setup, statistics in zip(footer.setups, footer.statistics, strict=True):
        n_constant = int(np.count_nonzero(statistics.factors == 0))
        if n_constant:
            which = f"{counted(n_constant, 'feature')} of {setup.atom_type}"
            warn(f"{which} did not vary in the training set; set to zero")
