"""Energies of the free atoms: given as numbers, fitted to the energies of structures, or those of single atoms."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np

from aenet_py.descriptors.model import Model, species_of
from aenet_py.errors import AenetError
from aenet_py.formats import structures as structure_files
from aenet_py.formats.structures import StructureSource
from aenet_py.formats.trainset import EnergyStatistics
from aenet_py.inputs.generate import FIT, ISOLATED, AtomicEnergy
from aenet_py.pipelines.featurize import FeaturizeJob, jobs
from aenet_py.pipelines.reading import read_items
from aenet_py.potentials import repulsion
from aenet_py.runtime.workers import Workers
from aenet_py.structure import Structure

LEAST_SINGULAR = 1e-8  # relative singular value below which a combination of species is not fitted
LEAST_BOX = 6.0  # Å between a single atom and its images
ABSURD = 100.0  # eV/atom; no structure is as far from free atoms


@dataclasses.dataclass(frozen=True)
class Known:
    """What atomic energies need of a structure: number of atoms per species, energy (eV), whether it is a free atom."""

    counts: np.ndarray
    energy: float
    isolated: bool


def are_given(wanted: Sequence[AtomicEnergy]) -> bool:
    """Whether all atomic energies are numbers."""
    return not any(isinstance(each, str) for each in wanted)


def numbers(wanted: Sequence[AtomicEnergy]) -> tuple[float, ...]:
    """The atomic energies that are numbers; zeros for those to be found."""
    return tuple(0.0 if isinstance(each, str) else each for each in wanted)


def known(model: Model, structure: Structure) -> Known | None:
    """What a structure tells about atomic energies, None if it is left out or has a cohesive energy only.

    InputError for an unknown species, as from `species_of`.
    """
    if len(structure.symbols) > len(model.types) or structure.energy is None or structure.cohesive_energy:
        return None
    counts = np.bincount(species_of(model, structure), minlength=len(model.types))
    return Known(counts, structure.energy, is_free(structure))


def is_free(atom: Structure) -> bool:
    """Whether a structure is a single atom whose images are far away."""
    if atom.n_atoms > 1 or atom.lattice is None:
        return atom.n_atoms == 1
    steps = np.array([each for each in itertools.product((-1, 0, 1), repeat=3) if any(each)])
    steps = steps[~(steps[:, ~np.array(atom.pbc)]).any(axis=1)]
    return bool(np.linalg.norm(steps @ atom.lattice, axis=1).min() > LEAST_BOX)


def of_files(
    model: Model, wanted: Sequence[AtomicEnergy], given: Sequence[StructureSource], threads: int
) -> tuple[Model, str]:
    """The model with the atomic energies that structures tell, for which they are read once.

    Parameters
    ----------
    model : Model
        Its atomic energies are replaced.
    wanted : sequence of float or str
        Atomic energies, or how to find them.
    given : sequence of StructureSource
        Structures.
    threads : int
        Number of threads that read.

    Returns
    -------
    Model, str
        And the atomic energies in words.

    Raises
    ------
    AenetError
        As from `of_structures`, or if a structure is invalid.
    """
    with Workers(threads) as workers:
        read = workers.in_order(functools.partial(_read, model), jobs(structure_files.items(given), frozenset()))
        return of_structures(model, wanted, itertools.chain.from_iterable(read))


def _read(model: Model, job: FeaturizeJob) -> list[Known | None]:
    learnt = repulsion.left_out(model, read_items(job.items, model.types))
    return [known(model, structure) for structure in learnt]


def of_structures(
    model: Model, wanted: Sequence[AtomicEnergy], given: Iterable[Known | None]
) -> tuple[Model, str]:  # fmt: skip
    """The model with the atomic energies that structures tell.

    Energies to be fitted are those of `least_squares` with all others fixed.  An isolated atom's energy is the lowest
    of its structures.

    Parameters
    ----------
    model : Model
        Its atomic energies are replaced.
    wanted : sequence of float or str
        Atomic energies, or how to find them.
    given : iterable of Known or None
        Of the structures.

    Returns
    -------
    Model, str
        And the atomic energies in words.

    Raises
    ------
    AenetError
        If there is no single atom of a species, or no structure to fit.
    """
    told = [each for each in given if each is not None]
    found = np.array(numbers(wanted))
    for number, (symbol, how) in enumerate(zip(model.types, wanted, strict=True)):
        if how == ISOLATED:
            free = [each.energy for each in told if each.isolated and each.counts[number]]
            if not free:
                message = f"TYPES has isolated for {symbol}, but no structure is a single atom of {symbol}"
                raise AenetError(f"{message} with a total energy; give its energy, or fit")
            found[number] = min(free)
    to_fit, rest = np.array([how == FIT for how in wanted]), ""
    if to_fit.any():
        told = [each for each in told if each.counts[to_fit].any()]
        counts = np.array([each.counts for each in told]).reshape(-1, len(to_fit))
        energies = np.array([each.energy for each in told])
        absent = to_fit & ~counts.any(axis=0)
        if absent.any():
            symbol = model.types[int(absent.argmax())]
            message = f"TYPES has fit for {symbol}, but no structure with a total energy contains {symbol}"
            raise AenetError(f"{message}; give its energy")
        n_atoms = counts.sum(axis=1)
        fractions = counts[:, to_fit] / n_atoms[:, np.newaxis]
        found[to_fit] = least_squares(fractions, (energies - counts @ found) / n_atoms)
        if np.linalg.matrix_rank(fractions, tol=LEAST_SINGULAR * np.linalg.norm(fractions, 2)) < to_fit.sum():
            rest = "; the compositions determine only sums of the fitted energies"
    energies_of = tuple(found.tolist())
    listed = ", ".join(
        f"{symbol} {energy!r}" + (f" ({how})" if isinstance(how, str) else "")
        for symbol, energy, how in zip(model.types, energies_of, wanted, strict=True)
    )
    return dataclasses.replace(model, atomic_energies=energies_of), f"Atomic energies in eV: {listed}{rest}"


def warning(energies: EnergyStatistics, atomic_energies: Sequence[float]) -> str | None:
    """What is wrong with atomic energies that leave absurd energies, None if they do not.

    energies : per atom, after subtraction, eV.
    """
    largest = max(abs(energies.low), abs(energies.high))
    if not (math.isfinite(largest) and largest > ABSURD):
        return None
    zero = (
        "the atomic energies in TYPES are zero"
        if not any(atomic_energies)
        else "the atomic energies in TYPES do not fit"
    )
    left = f"{zero}, which leaves energies of up to {largest:.0f} eV per atom to be learnt"
    return f"{left}; give the energies of the free atoms by the same method, or write fit in their place"


def least_squares(fractions: np.ndarray, energies: np.ndarray) -> np.ndarray:
    """Energy per atom of each species that describes energies by composition, by least squares.

    Where the compositions do not determine the energies of all species, as in water alone, these have the smallest
    norm.

    Parameters
    ----------
    fractions : ndarray, shape (n, n_species)
        Fraction of each structure's atoms per species.
    energies : ndarray, shape (n,)
        Energies per atom, eV.

    Returns
    -------
    ndarray, shape (n_species,)
        Energies, eV.
    """
    return np.linalg.lstsq(fractions, energies, rcond=LEAST_SINGULAR)[0]
