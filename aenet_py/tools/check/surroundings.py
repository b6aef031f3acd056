"""What surrounds the atoms of each structure: distances, and Chebyshev features that describe the structure.

Sums of the features, of their squares and of functions of the distance (`pairs`) are the columns of the linear fit.
They are computed for a structure and for copies of it that are slightly displaced.  Copies in which every atom moved by
a fixed distance at random tell how different the features of two structures are that count as the same; copies that
moved a tiny step along a few directions tell how the sums change there.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from aenet_py.descriptors import contraction
from aenet_py.descriptors import model as models
from aenet_py.descriptors.common import CoincidenceError
from aenet_py.descriptors.model import Model
from aenet_py.descriptors.setup import chebyshev_setup
from aenet_py.errors import InputError
from aenet_py.neighbors import search
from aenet_py.neighbors.periodicity import VACUUM
from aenet_py.runtime.workers import Workers
from aenet_py.structure import Structure
from aenet_py.tools.check import pairs
from aenet_py.tools.check.constants import N_TERMS
from aenet_py.tools.check.pairs import Pairs

R_MIN = 0.3  # Å
CUTOFF, RADIAL_ORDER = 6.5, 8  # Å
ANGULAR_CUTOFF, ANGULAR_ORDER = 4.0, 4
STEP = 0.01  # Å, by which atoms are displaced
LEAST_MOVED = 32  # atoms in all random copies together
LEAST_FORCE = 2e-3  # eV/Å; smaller ones are rounding in symmetric structures
MOST_COPIED = 20_000  # atoms in all copies along directions
TINY_STEP = 1e-4  # Å, norm of the displacement of all atoms along a direction


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
    columns : array of int64, shape (n_sums,)
        Columns of `Basis` that the sums belong to; all others are zero.
    sums : array, shape (n_sums,)
        Sums over all atoms, divided by the number of atoms.
    slopes : array, shape (n_directions, n_sums), or None
        Derivatives of the sums over all atoms along directions, orthonormal vectors of all coordinates, 1/Å; None
        without directions.
    along : array, shape (n_directions,), or None
        Component of the forces along each of them, eV/Å.
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
    columns: np.ndarray
    sums: np.ndarray
    slopes: np.ndarray | None
    along: np.ndarray | None
    fingerprint: np.ndarray
    resolution: float


@dataclass(frozen=True)
class Basis:
    """Columns of the linear fit: sums of features, of their squares and of functions of the distance.

    Parameters
    ----------
    model : Model
        Features of all species.
    pairs : Pairs
        Functions of the distance.
    """

    model: Model
    pairs: Pairs

    @property
    def n_features(self) -> int:
        """Features of an atom."""
        return int(self.model.basis.sizes[0])

    @property
    def squares(self) -> np.ndarray:
        """Whether each of the columns has squares, (n_columns,) bool: of each species the second half."""
        n_types = len(self.model.types)
        of_species = np.tile(np.arange(2 * self.n_features) >= self.n_features, n_types)
        return np.append(of_species, np.zeros(self.pairs.n * N_TERMS, dtype=bool))

    def columns(self, present: np.ndarray) -> np.ndarray:
        """Columns of structures of these species, (n_sums,) int64; the same array for all of them."""
        key = present.tobytes()
        if key not in self._known:
            self._known[key] = self._columns(present)
        return self._known[key]

    @functools.cached_property
    def _known(self) -> dict[bytes, np.ndarray]:
        return {}

    def _columns(self, present: np.ndarray) -> np.ndarray:
        width, first = 2 * self.n_features, 2 * self.n_features * len(self.model.types)
        of_species = width * present[:, np.newaxis] + np.arange(width)
        numbers = np.unique(self.pairs.numbers[np.ix_(present, present)])
        return np.append(of_species, first + N_TERMS * numbers[:, np.newaxis] + np.arange(N_TERMS))

    def sums(self, types: np.ndarray, values: np.ndarray, around: search.Environments) -> np.ndarray:
        """All columns of a structure, (n_columns,).

        Parameters
        ----------
        types : array of int64, shape (n_atoms,)
            Species.
        values : array, shape (n_atoms, n_features)
            Features of the atoms.
        around : Environments
            Their neighbours.

        Returns
        -------
        array, shape (n_columns,)
        """
        by_species = np.zeros((len(self.model.types), 2 * self.n_features))
        for t in np.unique(types):
            own = values[types == t]
            by_species[t] = np.append(own.sum(axis=0), (own**2).sum(axis=0))
        return np.concatenate([by_species.ravel(), self.pairs.sums(types, around).ravel()])

    def forces(self, slopes: np.ndarray, structure: Structure) -> np.ndarray:
        """Forces if the energy changes with the columns as given.

        Parameters
        ----------
        slopes : array, shape (n_columns,)
            Derivatives of the energy by the columns.
        structure : Structure
            Whose forces are computed.

        Returns
        -------
        array, shape (n_atoms, 3)
            eV/Å.
        """
        model, n_types = self.model, len(self.model.types)
        types = _types_of(model, structure)
        around = search.environments([apart(structure)], R_MIN, CUTOFF)
        values = model.descriptor.features(model.basis, types, around)
        by_species, by_pair = np.split(slopes, [2 * self.n_features * n_types])
        by_feature, by_square = np.split(by_species.reshape(n_types, -1), 2, axis=1)
        by_value = by_feature[types] + 2.0 * by_square[types] * values
        ones = np.ones((n_types, 3))
        found = contraction.forces(model, types, around, by_value, np.ones_like(by_feature), ones)[0]
        return found + self.pairs.forces(types, around, by_pair.reshape(-1, N_TERMS))


def basis(types: Sequence[str]) -> Basis:
    """The columns for these species."""
    setups = [
        chebyshev_setup("", each, tuple(types), R_MIN, "Chebyshev", CUTOFF, RADIAL_ORDER, ANGULAR_CUTOFF, ANGULAR_ORDER)
        for each in types
    ]
    return Basis(models.model(types, [0.0] * len(types), setups), pairs.pairs(types, CUTOFF))


def describe(
    structures: Iterable[Structure],
    types: Sequence[str],
    radii: np.ndarray,
    threads: int,
    directions: int = 0,
    stride: int = 1,
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
    directions : int
        Directions along which structures with forces are displaced, at most; no more than they have coordinates.
    stride : int
        Of so many structures, the first one is displaced.

    Yields
    ------
    Surroundings or InputError
    """
    wanted = (directions if number % stride == 0 else 0 for number in itertools.count())
    of_one = functools.partial(_described, basis(types), radii)
    with Workers(threads) as workers:
        yield from workers.in_order(of_one, zip(structures, wanted, itertools.count()))


def _described(of: Basis, radii: np.ndarray, task: tuple[Structure, int, int]) -> Surroundings | InputError:
    """task : structure, number of directions, and the seed of these."""
    structure, n_directions, seed = task
    model, types = of.model, _types_of(of.model, structure)
    moves = _directions(structure, n_directions, seed)
    copies = _copies(apart(structure), moves)
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
    first = len(copies) - len(moves)  # copies before it are displaced at random
    parts = [(each.mean(axis=1), each.std(axis=1)) for each in (values[:first, types == t] for t in present)]
    prints = np.concatenate([part for of_species in parts for part in of_species], axis=1)
    change = prints[1:] - prints[0]
    columns = of.columns(present)
    sums = np.array([of.sums(types, values[n], around.view(n))[columns] for n in (0, *range(first, len(copies)))])
    nearest, shortest, closest = _distances(around.view(0), types, n_types, radii)
    return Surroundings(
        counts=np.bincount(types, minlength=n_types),
        present=present,
        shortest=shortest,
        closest=closest,
        nearest=nearest,
        columns=columns,
        sums=sums[0] / n_atoms,
        slopes=(sums[1:] - sums[0]) / TINY_STEP if len(moves) else None,
        along=np.sum(moves * structure.forces, axis=(1, 2)) if len(moves) else None,
        fingerprint=prints[0].copy(),
        resolution=float(np.sqrt(np.mean(np.sum(change * change, axis=1)))),
    )


def apart(structure: Structure) -> Structure:
    """An isolated structure in a wide cell: the search for isolated ones misses neighbours, as the original's does."""
    if structure.lattice is not None:
        return structure
    cell = np.diag(np.ptp(structure.positions, axis=0) + VACUUM)
    return replace(structure, cell=cell, pbc=(True, True, False))


def _types_of(model: Model, structure: Structure) -> np.ndarray:
    """Species of each atom, (n_atoms,) int64."""
    return np.array([model.types.index(symbol) for symbol in structure.symbols])[structure.species]


def _directions(structure: Structure, n: int, seed: int) -> np.ndarray:
    """Orthonormal directions at random along which forces are known, (n, n_atoms, 3), or fewer; none without forces."""
    n_atoms, unknown = structure.n_atoms, structure.unknown_forces
    known = np.ones(3 * n_atoms) if unknown is None else (~unknown).ravel().astype(float)
    n = min(n, int(known.sum()), MOST_COPIED // n_atoms)
    if structure.forces is None or n == 0 or np.linalg.norm(structure.forces, axis=1).max() < LEAST_FORCE:
        return np.zeros((0, n_atoms, 3))
    moves = np.random.default_rng(seed).normal(size=(3 * n_atoms, n))
    return np.linalg.qr(known[:, np.newaxis] * moves)[0].T.reshape(n, n_atoms, 3)


def _copies(structure: Structure, directions: np.ndarray) -> list[Structure]:
    """The structure, random copies, and one displaced along each direction."""
    n_atoms = structure.n_atoms
    generator = np.random.default_rng(0)
    displacements = [np.zeros((n_atoms, 3))]
    for _ in range(-(-LEAST_MOVED // n_atoms)):
        moves = generator.normal(size=(n_atoms, 3))
        displacements.append(moves * (STEP / np.linalg.norm(moves, axis=1, keepdims=True)))
    displacements += [TINY_STEP * each for each in directions]
    return [replace(structure, positions=structure.positions + each) for each in displacements]


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
