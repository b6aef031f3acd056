"""Neighbours of every atom of a structure, in the order of ænet's linked cells."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.accelerate import Kernel, scratch
from aenet_py.errors import InputError
from aenet_py.structure import Structure

_place_atoms = Kernel("aenet_py.neighbors.kernels:place_atoms", "i8 i8 f8 f8 i8* i8* f8* f8* f8* f8* f8* i8* f8*")
_search = Kernel("aenet_py.neighbors.kernels:search", "i8 i8 f8 i8 i8 i8 i8 i8* i8* f8* i8* f8* i4* i8* i4* f8*")
_recenter = Kernel("aenet_py.neighbors.kernels:recenter", "i8 i8 i8 i8* f8* i8* f8* f8*")
MAX_CELLS = 100_000_000
BOX_MARGIN = 2.0e-6  # as in kernels, which is not imported where its machine code is at hand


@dataclass(frozen=True)
class Environments:
    """All atoms of some structures with their neighbours.

    starts : (n_structures + 1,) int64, where the atoms of each structure begin.  positions, forces : (n_atoms, 3) Å,
    eV/Å, as they come back from fractional coordinates, atoms wrapped into the cell (or, isolated, moved to their
    bounding box).  first : (n_atoms + 1,) int64, where the neighbours of each atom begin in index ((n,) int32, numbers
    of atoms in their structure, from 1) and vectors ((4, n): x, y, z to the neighbour and its distance, Å; or (7, n):
    and its position).
    """

    starts: np.ndarray
    positions: np.ndarray
    forces: np.ndarray
    first: np.ndarray
    index: np.ndarray
    vectors: np.ndarray

    @property
    def distance(self) -> np.ndarray:
        """Distance of each neighbour, Å."""
        return self.vectors[3]

    @functools.cached_property
    def counts(self) -> np.ndarray:
        """Neighbours of each atom, (n_atoms,)."""
        return self.first[1:] - self.first[:-1]

    @functools.cached_property
    def most_neighbors(self) -> int:
        """Neighbours of the atom that has most."""
        return int(self.counts.max(initial=0))

    def only(self, structure: int) -> Environments:
        """A copy with one of the structures alone."""
        start, stop = self.starts[structure : structure + 2]
        begin, end = self.first[start], self.first[stop]
        return Environments(
            starts=np.array([0, stop - start]),
            positions=self.positions[start:stop].copy(),
            forces=self.forces[start:stop].copy(),
            first=self.first[start : stop + 1] - begin,
            index=self.index[begin:end].copy(),
            vectors=self.vectors[:, begin:end].copy(),
        )

    def around(self, start: int, stop: int) -> Environments:
        """Neighbours of atoms start .. stop - 1 alone, of one structure and without positions and forces."""
        begin, end = self.first[start], self.first[stop]
        return Environments(
            starts=self.starts,
            positions=self.positions[:0],
            forces=self.forces[:0],
            first=self.first.clip(begin, end) - begin,
            index=self.index[begin:end],
            vectors=self.vectors[:, begin:end],
        )


def close_packing(r_min: float, r_max: float) -> int:
    """Neighbours within r_max in a close packing of atoms r_min apart (lcl_nmax_nbdist)."""
    atom = (0.5 * r_min) * (0.5 * r_min) * (0.5 * r_min)
    reach = r_max + 0.5 * r_min
    return math.ceil(reach * reach * reach / atom * 0.7405)


def environments(
    structures: Sequence[Structure], r_min: float, r_max: float, with_positions: bool = False, as_predict: bool = False
) -> Environments:
    """Find all neighbours within r_max (plus 0.001 Å, as the original does).

    with_positions : of the neighbours, too; as_predict : of the central atoms as predict.x rounds them, which is not
    as generate.x does (implies with_positions).

    The neighbours are good until this thread's next call; `Environments.only` makes copies.  InputError for a flat
    cell, atoms far outside it, or more neighbours than atoms r_min apart can have.
    """
    n_structures = len(structures)
    starts = np.array([0, *itertools.accumulate(s.n_atoms for s in structures)])
    n = int(starts[-1])
    cells = np.zeros((n_structures, 3, 3))
    periodic = np.array([s.cell is not None for s in structures], dtype=np.int64)
    for number, structure in enumerate(structures):
        if structure.cell is not None:
            cells[number] = structure.cell
    positions = np.ascontiguousarray(np.concatenate([s.positions for s in structures]), dtype=np.float64)
    given_forces = np.ascontiguousarray(np.concatenate([s.forces for s in structures]), dtype=np.float64)
    cartesian, forces, grids = np.empty((n, 3)), np.empty((n, 3)), np.empty((n_structures, 10), dtype=np.int64)
    work = scratch("place", 3 * (5 + 3 * n_structures + n))
    failed = _place_atoms(
        n_structures, n, r_min, r_max, starts, periodic, cells, positions, given_forces,
        cartesian, forces, grids, work,
    )  # fmt: skip
    if failed:
        path = structures[failed // 4].path
        if failed % 4 == 1:
            raise InputError(path, "the cell is flat; expected three cell vectors that span a volume")
        raise InputError(path, "an atom lies a million cells away; expected positions near the cell")
    n_integers = max(map(_search_size, structures, grids.tolist()))
    integers = scratch("cells", n_integers, np.int32)
    limit = close_packing(r_min, r_max)
    first = np.empty(n + 1, dtype=np.int64)
    capacity, n_rows = 128 * n, 7 if with_positions or as_predict else 4
    while True:
        index, vectors = scratch("index", capacity, np.int32), scratch("vectors", n_rows * capacity)
        total = _search(
            n_structures, n, r_max, limit, capacity, n_integers, n_rows, starts, periodic, cartesian, grids, work,
            integers, first, index, vectors,
        )  # fmt: skip
        if total < 0:
            number = int(np.searchsorted(starts, -1 - total, side="right")) - 1
            structure, atom = structures[number], -1 - total - int(starts[number])
            message = f"atom {atom + 1} has more neighbours than RMIN = {r_min:g} Angstrom allows"
            message += "; expected atoms further apart, or a smaller RMIN"
            raise InputError(structure.path, message, structure.line_of(atom))
        if total <= capacity:
            if as_predict:
                _recenter(n_structures, n, capacity, starts, work, first, cartesian, vectors)
            return Environments(
                starts, cartesian, forces, first, index[:total], vectors.reshape(n_rows, capacity)[:, :total]
            )
        capacity = total


def _search_size(structure: Structure, grid: list[int]) -> int:
    """Integers the search needs for a structure."""
    n_cells = math.prod(grid[0:3])
    if n_cells > MAX_CELLS:
        raise InputError(structure.path, f"atoms are too far apart: the search would need {n_cells} cells")
    return 2 * n_cells + 4 * structure.n_atoms + 3 * math.prod(2 * extent + 1 for extent in grid[3:6])
