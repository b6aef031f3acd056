"""Neighbours of every atom of a structure, in the order of ænet's linked cells."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from aenet_py.accelerate import Kernel, scratch
from aenet_py.errors import InputError
from aenet_py.structure import Structure

_place_atoms = Kernel(
    "aenet_py.neighbors.kernels:place_atoms",
    "i8 i8 f8 f8 f8* f8* f8* f8* f8* i8* f8*",
)
_search = Kernel(
    "aenet_py.neighbors.kernels:search",
    "i8 i8 f8 i8 i8 f8* i8* f8* i4* i8* i4* f8*",
)
MAX_CELLS = 100_000_000


@dataclass(frozen=True)
class Environments:
    """All atoms of a structure with their neighbours.

    positions, forces : (n_atoms, 3) Å, eV/Å, as they come back from fractional coordinates, atoms wrapped into the
    cell (or, isolated, moved to their bounding box).  first : (n_atoms + 1,) int64, where the neighbours of each atom
    begin in index ((n,) int32, 1-based atom numbers) and vectors ((4, n or more): x, y, z to the neighbour
    and its distance, Å).
    """

    positions: np.ndarray
    forces: np.ndarray
    first: np.ndarray
    index: np.ndarray
    vectors: np.ndarray

    @property
    def distance(self) -> np.ndarray:
        """Distance of each neighbour, Å."""
        return self.vectors[3]

    @property
    def counts(self) -> np.ndarray:
        """Neighbours of each atom, (n_atoms,)."""
        return self.first[1:] - self.first[:-1]


def most_neighbors(r_min: float, r_max: float) -> int:
    """Neighbours within r_max in a close packing of atoms r_min apart (lcl_nmax_nbdist)."""
    atom = (0.5 * r_min) * (0.5 * r_min) * (0.5 * r_min)
    reach = r_max + 0.5 * r_min
    return math.ceil(reach * reach * reach / atom * 0.7405)


def environments(structure: Structure, r_min: float, r_max: float, keep: bool = True) -> Environments:
    """Find all neighbours within r_max (plus 0.001 Å, as the original does).

    Without keep the neighbours are good until this thread's next call only, which saves their copying.

    InputError for a flat cell, atoms far outside it, or more neighbours than atoms r_min apart can have.
    """
    n = structure.n_atoms
    periodic = structure.cell is not None
    cartesian, forces, grid = np.empty((n, 3)), np.empty((n, 3)), np.empty(10, dtype=np.int64)
    work = scratch("place", 3 * (n + 10))
    cell = np.zeros((3, 3)) if structure.cell is None else structure.cell
    failed = _place_atoms(
        n, int(periodic), r_min, r_max, cell, structure.positions.copy(), structure.forces,
        cartesian, forces, grid, work,
    )  # fmt: skip
    if failed == 1:
        raise InputError(structure.path, "the cell is flat; expected three cell vectors that span a volume")
    if failed == 2:
        raise InputError(structure.path, "an atom lies a million cells away; expected positions near the cell")
    cells, extent = grid[0:3].tolist(), grid[3:6].tolist()
    n_cells = math.prod(cells)
    if n_cells > MAX_CELLS:
        raise InputError(structure.path, f"atoms are too far apart: the search would need {n_cells} cells")
    integers = scratch("cells", 2 * n_cells + 4 * n + 3 * math.prod(2 * e + 1 for e in extent), np.int32)
    limit = most_neighbors(r_min, r_max)
    first = np.empty(n + 1, dtype=np.int64)
    capacity = 128 * n
    while True:
        index, vectors = scratch("index", capacity, np.int32), scratch("vectors", 4 * capacity)
        total = _search(
            n, int(periodic), r_max, limit, capacity, cartesian, grid, work, integers, first, index, vectors
        )
        if total < 0:
            message = f"atom {-total} has more neighbours than RMIN = {r_min:g} Angstrom allows"
            raise InputError(structure.path, message + "; expected atoms further apart, or a smaller RMIN")
        if total <= capacity:
            break
        capacity = total
    found = Environments(cartesian, forces, first, index[:total], vectors.reshape(4, capacity))
    return replace(found, index=found.index.copy(), vectors=found.vectors[:, :total].copy()) if keep else found
