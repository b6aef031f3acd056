"""A neighbour list for simulations: pairs within the cutoff and a skin, searched again once atoms have moved.

Any cell and boundary conditions, and all neighbours: ænet's own search (`search`) misses some in cells that are much
smaller than the cutoff.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from aenet_py.errors import AenetError
from aenet_py.neighbors.constants import UNCOUNTABLE
from aenet_py.neighbors.periodicity import check_size, complete
from aenet_py.neighbors.search import MOST_NEIGHBORS, Environments, check_memory, check_work
from aenet_py.runtime.accelerate import Kernel
from aenet_py.runtime.arrays import same

_update = Kernel("aenet_py.neighbors.verlet_kernels:update")
_has_moved = Kernel("aenet_py.neighbors.verlet_kernels:has_moved")
_find = Kernel("aenet_py.neighbors.verlet_kernels:find")
SORTED = ("bin_first", "order", "wrapped")  # arrays of `bins` that are filled when atoms are sorted into the bins
TINY = 1.0e-9  # of a cell vector: all atoms in a plane


@dataclass(frozen=True)
class Search:
    """What was searched.

    Parameters
    ----------
    reach, skin
        Cutoff and what is added to it, Å.
    positions
        (n_atoms, 3) Å, where the pairs were searched.
    cell
        (3, 3) Å, rows are cell vectors.
    pbc
        (3,) bool, along which of them the structure repeats.
    """

    reach: float
    skin: float
    positions: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray

    @classmethod
    def of(cls, atoms: Atoms, reach: float, skin: float) -> Search:
        """A search of these atoms."""
        return cls(reach, skin, atoms.positions.copy(), atoms.cell.array.copy(), atoms.pbc.copy())

    def holds(self, atoms: Atoms) -> bool:
        """Whether it still finds all neighbours: same cell, no atom moved by more than half the skin."""
        alike = len(atoms) == len(self.positions) and same(atoms.pbc, self.pbc)
        if not alike or not same(atoms.cell.array, self.cell):
            return False
        positions = np.ascontiguousarray(atoms.positions)
        return not _has_moved(limit=0.5 * self.skin, positions=positions, before=self.positions)


@dataclass(frozen=True)
class Pairs:
    """Pairs of atoms closer than reach + skin.

    Parameters
    ----------
    search
        Where they were searched.
    starts
        (n_centers + 1,) int64, where the pairs of each of the first n_centers atoms (usually all) begin.
    partners
        (n_pairs,) int64, the other atom of each pair.
    shifts
        (n_pairs, 3) int64, cells between the two.
    """

    search: Search
    starts: np.ndarray
    partners: np.ndarray
    shifts: np.ndarray


def pairs(atoms: Atoms, reach: float, skin: float, n_centers: int | None = None) -> Pairs:
    """Find all pairs closer than reach + skin.

    Parameters
    ----------
    atoms
        The structure.
    reach
        Cutoff, Å.
    skin
        Distance added to the cutoff, Å; the pairs are complete until an atom has moved by half of it.
    n_centers
        How many atoms, from the first, need their pairs; None for all.

    Returns
    -------
    Pairs
        Neighbours of each atom, with the cell translations of their images.

    Raises
    ------
    AenetError
        For positions or cells that are not finite, and for searches too large for memory.
    """
    n_centers = len(atoms) if n_centers is None else n_centers
    grid = bins(atoms, reach + skin, n_centers)
    starts, capacity = np.empty(n_centers + 1, dtype=np.int64), 256 * n_centers
    while True:
        partners, shifts = np.empty(capacity, dtype=np.int64), np.empty((capacity, 3), dtype=np.int64)
        total = _find(**grid, starts=starts, partners=partners, shifts=shifts)
        check_neighbors(int(np.diff(starts).max(initial=0)), reach + skin)
        if total <= capacity:
            return Pairs(Search.of(atoms, reach, skin), starts, partners[:total], shifts[:total])
        capacity = total
        check_memory(capacity, 32, reach + skin)


def bins(atoms: Atoms, reach: float, n_centers: int) -> dict[str, Any]:
    """The space around atoms cut into bins, as `verlet_kernels.find` takes it.

    AenetError as from `pairs`.
    """
    n, pbc = len(atoms), atoms.pbc
    check_size("positions", atoms.positions)
    cell = complete(atoms.cell.array, pbc)
    inverse = np.linalg.inv(cell)
    scaled = atoms.positions @ inverse
    wraps = np.where(pbc, np.floor(scaled), 0.0)
    scaled -= wraps
    low = np.where(pbc, 0.0, scaled.min(axis=0, initial=0.0))
    span = np.where(pbc, 1.0, np.maximum(scaled.max(axis=0, initial=0.0) - low, TINY))
    heights = span / np.linalg.norm(inverse, axis=0)  # of the space that is cut into bins, along each cell vector
    most = max(1, round(2.0 * n ** (1 / 3)))
    numbers = np.clip(2.0 * heights / reach, 1, 4 * most).astype(np.int64)  # half as wide as the reach
    while numbers.prod() > 8 * n + 8:
        numbers[np.argmax(numbers)] //= 2
    extents = np.ceil(reach * numbers / heights)
    extents = np.minimum(extents, np.where(pbc, UNCOUNTABLE, numbers)).astype(np.int64)
    looked_at = np.where(pbc, 2.0 * extents + 1.0, np.minimum(2.0 * extents + 1.0, numbers)).prod()
    check_work(n_centers, looked_at * (1.0 + n / numbers.prod()), reach, cell, pbc)
    return {
        "reach": reach,
        "cell": cell,
        "scaled": scaled,
        "wraps": wraps.astype(np.int64),
        "bins": numbers,
        "periodic": pbc.astype(np.int64),
        "extents": extents,
        "place": np.clip(((scaled - low) / span * numbers).astype(np.int64), 0, numbers - 1),
        "bin_first": np.empty(numbers.prod() + 1, dtype=np.int64),
        "order": np.empty(n, dtype=np.int64),
        "wrapped": np.empty((n, 3)),
    }


def check_neighbors(most: int, reach: float) -> None:
    """AenetError for an atom with so many neighbours within reach, Å."""
    if most > MOST_NEIGHBORS:
        raise AenetError(f"an atom has {most} neighbours within {reach:g} Angstrom; the limit is {MOST_NEIGHBORS}")


def environments(known: Pairs, atoms: Atoms, with_positions: bool = False) -> Environments:
    """Neighbours closer than reach at the positions of atoms, from pairs that still hold."""
    n, n_centers, m = len(atoms), len(known.starts) - 1, len(known.partners)
    positions = np.ascontiguousarray(atoms.positions)
    offsets = np.ascontiguousarray(known.shifts @ known.search.cell)
    first, index = np.empty(n_centers + 1, dtype=np.int64), np.empty(m, dtype=np.int32)
    vectors = np.empty((7 if with_positions else 4, m))
    total = _update(
        reach=known.search.reach, positions=positions, starts=known.starts, partners=known.partners, offsets=offsets,
        first=first, index=index, vectors=vectors,
    )  # fmt: skip
    return Environments(np.array([0, n_centers]), positions, np.zeros((n, 3)), first, index[:total], vectors[:, :total])
