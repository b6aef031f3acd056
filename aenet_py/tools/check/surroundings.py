"""What surrounds the atoms of each structure: distances, and Chebyshev features that describe the structure.

The features are computed for a structure and for copies of it that are slightly displaced.  Copies in which every atom
moved by a fixed distance at random tell how different the features of two structures are that count as the same; copies
that moved along the forces and against them tell how the features change along the forces.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from aenet_py.descriptors import model as models
from aenet_py.descriptors.common import CoincidenceError
from aenet_py.descriptors.model import Model
from aenet_py.descriptors.setup import chebyshev_setup
from aenet_py.errors import InputError
from aenet_py.neighbors import search
from aenet_py.neighbors.periodicity import VACUUM
from aenet_py.runtime.workers import Workers
from aenet_py.structure import Structure

R_MIN = 0.3  # Å
CUTOFF, RADIAL_ORDER = 6.5, 8  # Å
ANGULAR_CUTOFF, ANGULAR_ORDER = 4.0, 4
STEP = 0.01  # Å, by which atoms are displaced
LEAST_MOVED = 32  # atoms in all random copies together
LEAST_FORCE = 2e-3  # eV/Å; smaller ones are rounding in symmetric structures


@dataclass(frozen=True)
class Surroundings:
    """Of one structure.

    Parameters
    ----------
    counts : array, shape (n_types,)
        Number of atoms of each species.
    present : array of int64, shape (n_present,)
        Which species these are.
    shortest : array, shape (n_types, n_types)
        Shortest distance of each pair of species, Å; infinite for none within the cutoff.
    closest : tuple
        The two atoms (0-based) that are closest in relation to their species' radii, and the unit vector between them;
        -1 and zeros without neighbours.
    nearest : array, shape (n_atoms,)
        Distance to the nearest atom, Å; infinite for none within the cutoff.
    sums : array, shape (n_present, 2 * n_features)
        Sums of the features of the atoms of each species, and of their squares, divided by the number of atoms.
    slopes : array, shape (n_present, 2 * n_features), or None
        Derivative of the sums over all atoms by their displacement along the forces, 1/Å; None without forces.
    fingerprint : array, shape (n_present * 2 * n_features,)
        Mean and standard deviation of the features of each species.
    resolution : float
        Root mean square change of the fingerprint if every atom moves by 0.01 Å.
    """

    counts: np.ndarray
    present: np.ndarray
    shortest: np.ndarray
    closest: tuple[int, int, np.ndarray]
    nearest: np.ndarray
    sums: np.ndarray
    slopes: np.ndarray | None
    fingerprint: np.ndarray
    resolution: float


def features(types: Sequence[str]) -> Model:
    """The features for these species."""
    setups = [
        chebyshev_setup("", each, tuple(types), R_MIN, "Chebyshev", CUTOFF, RADIAL_ORDER, ANGULAR_CUTOFF, ANGULAR_ORDER)
        for each in types
    ]
    return models.model(types, [0.0] * len(types), setups)


def describe(
    structures: Iterable[Structure], types: Sequence[str], radii: np.ndarray, threads: int
) -> Iterator[Surroundings | InputError]:
    """The surroundings of each structure, in order, or the error that its neighbours raise.

    Parameters
    ----------
    structures : iterable of Structure
        Whose species are all in types.
    types : sequence of str
        Species.
    radii : array, shape (n_types,)
        Radius of each species, Å.
    threads : int
        Number of threads.

    Yields
    ------
    Surroundings or InputError
    """
    of_one: Callable[[Structure], Surroundings | InputError] = functools.partial(_described, features(types), radii)
    with Workers(threads) as workers:
        yield from workers.in_order(of_one, structures)


def _described(model: Model, radii: np.ndarray, structure: Structure) -> Surroundings | InputError:
    types = np.array([model.types.index(symbol) for symbol in structure.symbols])[structure.species]
    copies, distance = _copies(apart(structure))
    try:
        around = search.environments(copies, R_MIN, CUTOFF)
        values = model.descriptor.features(model.basis, np.tile(types, len(copies)), around)
    except InputError as error:
        return error
    except CoincidenceError as error:
        return InputError(structure.path, str(error))
    n_atoms, n_types = len(types), len(model.types)
    values = values.reshape(len(copies), n_atoms, -1)
    present = np.unique(types)
    of_species = [values[:, types == t] for t in present]
    sums = np.stack([np.hstack([each.sum(axis=1), (each**2).sum(axis=1)]) for each in of_species], axis=1) / n_atoms
    prints = np.concatenate([each for of in of_species for each in (of.mean(axis=1), of.std(axis=1))], axis=1)
    n_random = len(copies) - 1 - 2 * (distance > 0)
    change = prints[1 : 1 + n_random] - prints[0]
    nearest, shortest, closest = _distances(around.view(0), types, n_types, radii)
    return Surroundings(
        counts=np.bincount(types, minlength=n_types),
        present=present,
        shortest=shortest,
        closest=closest,
        nearest=nearest,
        sums=sums[0].copy(),  # not a view of all copies
        slopes=n_atoms * (sums[-2] - sums[-1]) / (2 * distance) if distance > 0 else None,
        fingerprint=prints[0].copy(),
        resolution=float(np.sqrt(np.mean(np.sum(change * change, axis=1)))),
    )


def apart(structure: Structure) -> Structure:
    """An isolated structure in a wide cell: the search for isolated ones misses neighbours, as the original's does."""
    if structure.lattice is not None:
        return structure
    cell = np.diag(np.ptp(structure.positions, axis=0) + VACUUM)
    return replace(structure, cell=cell, pbc=(True, True, False))


def _copies(structure: Structure) -> tuple[list[Structure], float]:
    """The structure, random copies and, if there are forces, one displaced along the forces and one against them.

    Also by how much these two are displaced: the norm over all coordinates, Å; 0 without forces.
    """
    n_atoms = structure.n_atoms
    generator = np.random.default_rng(0)
    copies = [structure]
    for _ in range(-(-LEAST_MOVED // n_atoms)):
        moves = generator.normal(size=(n_atoms, 3))
        moves *= STEP / np.linalg.norm(moves, axis=1, keepdims=True)
        copies.append(replace(structure, positions=structure.positions + moves))
    largest = 0.0 if structure.forces is None else float(np.linalg.norm(structure.forces, axis=1).max())
    if structure.forces is None or largest < LEAST_FORCE:
        return copies, 0.0
    moves = STEP / largest * structure.forces
    copies += [replace(structure, positions=structure.positions + sign * moves) for sign in (1, -1)]
    return copies, float(np.linalg.norm(moves))


def _distances(
    around: search.Environments, types: np.ndarray, n_types: int, radii: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[int, int, np.ndarray]]:
    """Nearest neighbours, shortest distances by species and the closest pair, as in `Surroundings`."""
    nearest, shortest = np.full(len(types), np.inf), np.full(n_types * n_types, np.inf)
    if not len(around.index):
        return nearest, shortest.reshape(n_types, n_types), (-1, -1, np.zeros(3))
    centers = np.repeat(np.arange(len(types)), around.counts)
    np.minimum.at(nearest, centers, around.distance)
    np.minimum.at(shortest, types[centers] * n_types + types[around.index], around.distance)
    pair = int(np.argmin(around.distance / (radii[types[centers]] + radii[types[around.index]])))
    vector = around.vectors[:3, pair] / around.distance[pair]
    return nearest, shortest.reshape(n_types, n_types), (int(centers[pair]), int(around.index[pair]), vector)
