"""A neighbour list for simulations: pairs within the cutoff and a skin, searched again once atoms have moved.

Any cell and boundary conditions, and all neighbours: ænet's own search (`search`) misses some in cells that are much
smaller than the cutoff.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from aenet_py.errors import AenetError
from aenet_py.neighbors.constants import UNCOUNTABLE
from aenet_py.neighbors.periodicity import check_size, complete
from aenet_py.neighbors.search import MOST_NEIGHBORS, Environments, check_memory, check_work
from aenet_py.runtime.accelerate import Kernel

_update = Kernel("aenet_py.neighbors.verlet_kernels:update")
_find = Kernel("aenet_py.neighbors.verlet_kernels:find")
TINY = 1.0e-9  # of a cell vector: all atoms in a plane


@dataclass(frozen=True)
class Pairs:
    """Pairs of atoms closer than reach + skin.

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
    starts
        (n_centers + 1,) int64, where the pairs of each of the first n_centers atoms (usually all) begin.
    partners
        (n_pairs,) int64, the other atom of each pair.
    shifts
        (n_pairs, 3) cells between the two.
    """

    reach: float
    skin: float
    positions: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray
    starts: np.ndarray
    partners: np.ndarray
    shifts: np.ndarray

    def hold(self, atoms: Atoms) -> bool:
        """Whether these pairs still include all neighbours: same cell, no atom moved by more than half the skin."""
        same = len(atoms) == len(self.positions) and np.array_equal(atoms.pbc, self.pbc)
        if not same or not np.array_equal(atoms.cell.array, self.cell):
            return False
        moved = atoms.positions - self.positions
        return bool(np.einsum("ij,ij->i", moved, moved).max(initial=0.0) <= (0.5 * self.skin) ** 2)


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
    n, pbc, positions = len(atoms), atoms.pbc.copy(), atoms.positions.copy()
    check_size("positions", positions)
    cell = complete(atoms.cell.array, pbc)
    inverse = np.linalg.inv(cell)
    scaled = positions @ inverse
    wraps = np.where(pbc, np.floor(scaled), 0.0)
    scaled -= wraps
    low = np.where(pbc, 0.0, scaled.min(axis=0, initial=0.0))
    span = np.where(pbc, 1.0, np.maximum(scaled.max(axis=0, initial=0.0) - low, TINY))
    heights = span / np.linalg.norm(inverse, axis=0)  # of the space that is cut into bins, along each cell vector
    most = max(1, round(2.0 * n ** (1 / 3)))
    bins = np.clip(heights / (reach + skin), 1, 4 * most).astype(np.int64)
    while bins.prod() > 8 * n + 8:
        bins[np.argmax(bins)] //= 2
    extents = np.ceil((reach + skin) * bins / heights)
    extents = np.minimum(extents, np.where(pbc, UNCOUNTABLE, bins)).astype(np.int64)
    looked_at = np.where(pbc, 2.0 * extents + 1.0, np.minimum(2.0 * extents + 1.0, bins)).prod()
    n_centers = n if n_centers is None else n_centers
    check_work(n_centers, looked_at * (1.0 + n / bins.prod()), reach + skin, cell, pbc)
    place = np.clip(((scaled - low) / span * bins).astype(np.int64), 0, bins - 1)
    starts = np.empty(n_centers + 1, dtype=np.int64)
    head, following = np.empty(bins.prod(), dtype=np.int64), np.empty(n, dtype=np.int64)
    capacity = 256 * n_centers
    while True:
        partners, shifts = np.empty(capacity, dtype=np.int64), np.empty((capacity, 3))
        total = _find(
            reach=reach + skin, cell=cell, scaled=scaled, wraps=wraps, bins=bins, periodic=pbc.astype(np.int64),
            extents=extents, head=head, following=following, place=place, starts=starts, partners=partners,
            shifts=shifts,
        )  # fmt: skip
        most = int(np.diff(starts).max(initial=0))
        if most > MOST_NEIGHBORS:
            message = f"an atom has {most} neighbours within {reach + skin:g} Angstrom"
            raise AenetError(f"{message}; the limit is {MOST_NEIGHBORS}")
        if total <= capacity:
            cell = atoms.cell.array.copy()
            return Pairs(reach, skin, positions, cell, pbc, starts, partners[:total], shifts[:total])
        capacity = total
        check_memory(capacity, 32, reach + skin)


def environments(known: Pairs, atoms: Atoms, with_positions: bool = False) -> Environments:
    """Neighbours closer than reach at the positions of atoms, from pairs that still hold."""
    n, n_centers, m = len(atoms), len(known.starts) - 1, len(known.partners)
    positions = np.ascontiguousarray(atoms.positions)
    offsets = np.ascontiguousarray(known.shifts @ known.cell)
    first, index = np.empty(n_centers + 1, dtype=np.int64), np.empty(m, dtype=np.int32)
    vectors = np.empty((7 if with_positions else 4, m))
    total = _update(
        reach=known.reach, positions=positions, starts=known.starts, partners=known.partners, offsets=offsets,
        first=first, index=index, vectors=vectors,
    )  # fmt: skip
    return Environments(np.array([0, n_centers]), positions, np.zeros((n, 3)), first, index[:total], vectors[:, :total])
