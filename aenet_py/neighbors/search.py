"""Neighbours of every atom of a structure, in the order of ænet's linked cells."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.errors import AenetError, InputError
from aenet_py.neighbors.constants import (
    COMPLETE,
    CUTOFF_MARGIN,
    FAR_ATOM,
    FLAT_CELL,
    ISOLATED,
    LATTICES,
    N_REASONS,
    PERIODIC,
    UNCOUNTABLE,
)
from aenet_py.neighbors.periodicity import VACUUM, check_cell, check_size, with_vacuum
from aenet_py.runtime.accelerate import Kernel, scratch
from aenet_py.runtime.memory import available
from aenet_py.structure import Structure

_place_atoms = Kernel("aenet_py.neighbors.kernels:place_atoms")
_search = Kernel("aenet_py.neighbors.kernels:search")
_recenter = Kernel("aenet_py.neighbors.kernels:recenter")
MAX_CELLS = 100_000_000  # linked cells of a structure
MOST_OTHERS = 1_000_000  # atoms, images and linked cells to look at for an atom
MOST_PAIRS = 100_000_000_000  # and for all atoms of a structure
MOST_NEIGHBORS = 30_000  # of an atom: angular features take their pairs
LONGEST = 1.0e6  # Å, cutoff of a structure that repeats along some directions


@dataclass(frozen=True)
class Environments:
    """All atoms of some structures with their neighbours.

    Parameters
    ----------
    starts
        (n_structures + 1,) int64, where the atoms of each structure begin.
    positions
        (n_atoms, 3) Å, as they come back from fractional coordinates: atoms are wrapped into the cell or, if isolated,
        moved to the corner of their bounding box.
    forces
        (n_atoms, 3) eV/Å, as they come back from fractional coordinates.
    first
        (n_atoms + 1,) int64, where the neighbours of each atom begin in `index` and `vectors`.
    index
        (n_neighbors,) int32, atom of the structure that each neighbour is, from 0.
    vectors
        (4, n_neighbors) x, y, z to the neighbour and its distance, Å; or (7, n_neighbors), with its position.
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

    @property
    def neighbors(self) -> dict[str, np.ndarray]:
        """`first`, `index` and `vectors` by name, as kernels take them."""
        return {"first": self.first, "index": self.index, "vectors": self.vectors}

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
        view = self.view(structure)
        copies = {name: getattr(view, name).copy() for name in ("positions", "forces", "index", "vectors")}
        return dataclasses.replace(view, **copies)

    def view(self, structure: int) -> Environments:
        """The same without copies: its neighbours are valid as long as these."""
        start, stop = self.starts[structure : structure + 2]
        begin, end = self.first[start], self.first[stop]
        return Environments(
            starts=np.array([0, stop - start]),
            positions=self.positions[start:stop],
            forces=self.forces[start:stop],
            first=self.first[start : stop + 1] - begin,
            index=self.index[begin:end],
            vectors=self.vectors[:, begin:end],
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
    ratio = reach * reach * reach / atom * 0.7405 if atom > 0.0 else math.inf
    if math.isnan(ratio):  # both volumes overflow
        return 1
    return math.ceil(min(ratio, UNCOUNTABLE))


def check_work(
    n_atoms: int, others: float, reach: float, cell: np.ndarray | None, pbc: Sequence[bool] | np.ndarray
) -> None:
    """AenetError if a search exceeds the limits above; others: atoms and images to look at for each of n_atoms.

    reach: Å; cell: (3, 3), rows in Å, or None; pbc: along which of them the structure repeats.
    """
    if others <= MOST_OTHERS and others * n_atoms <= MOST_PAIRS:
        return
    reason = f"too many atoms lie within the cutoff of {reach:g} Angstrom"
    if cell is not None and any(pbc):
        with np.errstate(all="ignore"):
            thinnest = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)[np.asarray(pbc)].max()
        reason = f"the cell is {thinnest:.3g} Angstrom thick, too thin for the cutoff of {reach:g} Angstrom"
    work = f"the search would look at {others:.1e} atoms and images for each of {n_atoms} atoms"
    raise AenetError(f"{reason}: {work}; the limit is {MOST_OTHERS:.0e}, and {MOST_PAIRS:.0e} for all atoms")


def check_memory(n_neighbors: int, n_bytes: float, reach: float) -> None:
    """AenetError if so many neighbours, of n_bytes each, do not fit into memory; reach : Å."""
    if n_neighbors * n_bytes > available():
        message = f"the {n_neighbors:.1e} neighbours within {reach:g} Angstrom do not fit into memory"
        raise AenetError(f"{message}; reduce the cutoff or the number of atoms")


@contextlib.contextmanager
def _naming(structure: Structure) -> Iterator[None]:
    """Errors name the structure."""
    try:
        yield
    except AenetError as error:
        raise InputError(structure.path, str(error)) from None


def search_cell(structure: Structure, r_max: float) -> np.ndarray:
    """The cell (3, 3), Å, of a structure that has one, in which its neighbours within r_max are searched.

    As if it were periodic along all vectors: with enough vacuum along those along which it is not.  AenetError for
    a cell that does not make sense.
    """
    assert structure.lattice is not None
    check_cell(structure.lattice)
    if all(structure.pbc):
        return structure.lattice
    if r_max > LONGEST:
        message = f"the cell is too thin for the cutoff of {r_max:g} Angstrom"
        raise AenetError(f"{message}; the largest is {LONGEST:.0e} Angstrom")
    return with_vacuum(structure.lattice, structure.pbc, structure.positions, max(VACUUM, r_max + 2.0 * CUTOFF_MARGIN))


def is_repeated(structure: Structure, r_max: float) -> bool:
    """Whether a structure has neighbours within r_max, Å, that its file does not mean (`Structure.claimed`)."""
    if structure.lattice is None or structure.claimed is None or all(structure.claimed):
        return False
    wide = with_vacuum(structure.lattice, structure.claimed, structure.positions, r_max + CUTOFF_MARGIN)
    return not np.array_equal(wide, structure.lattice)


def environments(
    structures: Sequence[Structure], r_min: float, r_max: float, with_positions: bool = False, as_predict: bool = False
) -> Environments:
    """Find all neighbours within r_max (plus 0.001 Å, as the original does).

    Parameters
    ----------
    structures
        Structures to search.
    r_min
        Smallest distance expected, which limits the number of neighbours, Å.
    r_max
        Cutoff, Å.
    with_positions
        Whether the positions of neighbours are wanted.
    as_predict
        Whether the central atoms are rounded as in predict.x, which differs from generate.x; implies with_positions.

    Returns
    -------
    Environments
        Its neighbours are valid until this thread's next call; `Environments.only` makes copies.

    Raises
    ------
    InputError
        For a flat cell, atoms far outside it, more neighbours than atoms r_min apart can have, or too large a search.
    """
    n_structures = len(structures)
    starts = np.array([0, *itertools.accumulate(s.n_atoms for s in structures)])
    n = int(starts[-1])
    cells = np.zeros((n_structures, 3, 3))
    modes = np.array([_mode(structure) for structure in structures], dtype=np.int64)
    for number, structure in enumerate(structures):
        with _naming(structure):
            if structure.lattice is not None:
                cells[number] = search_cell(structure, r_max)
            else:
                check_size("positions", structure.positions)
    positions = np.ascontiguousarray(np.concatenate([s.positions for s in structures]), dtype=np.float64)
    forces_of = [np.zeros_like(s.positions) if s.forces is None else s.forces for s in structures]
    given_forces = np.ascontiguousarray(np.concatenate(forces_of), dtype=np.float64)
    cartesian, forces, grids = np.empty((n, 3)), np.empty((n, 3)), np.empty((n_structures, 10), dtype=np.int64)
    others = np.empty(n_structures)
    work = scratch("place", 3 * (LATTICES + 3 * n_structures + n)).reshape(-1, 3)
    failed = _place_atoms(
        r_min=r_min, r_max=r_max, starts=starts, modes=modes, cells=cells, positions=positions, forces=given_forces,
        cartesian=cartesian, forces_out=forces, grids=grids, others=others, work=work,
    )  # fmt: skip
    if failed:
        number, reason = divmod(failed, N_REASONS)
        path = structures[number].path
        if reason == FLAT_CELL:
            raise InputError(path, "the cell is flat; its three vectors must span a volume")
        if reason == FAR_ATOM:
            raise InputError(path, "an atom lies a million cells away; move it into the cell")
        raise _too_many_cells(structures[number], cells[number], r_max, math.inf)
    coarse: dict[int, int] = {}
    for number, (structure, cell, grid) in enumerate(zip(structures, cells, grids, strict=True)):
        n_cells = math.prod(grid[0:3].tolist())
        if n_cells > MAX_CELLS:
            if _volume(structure, cell) > MAX_CELLS:  # Å³: too many with any cutoff
                raise _too_many_cells(structure, cell, r_max, n_cells)
            # Without neighbours, the order in which the original finds them does not count.
            coarse[number] = n_cells
            grid[0:3], grid[3:6], grid[9], others[number] = 1, 0, structure.n_atoms - 1, structure.n_atoms
        with _naming(structure):
            periodic = None if structure.lattice is None else cell
            check_work(structure.n_atoms, float(others[number]), r_max, periodic, structure.pbc)
    n_integers = max(map(_search_size, structures, grids.tolist()))
    integers = scratch("cells", n_integers, np.int32)
    limit = min(close_packing(r_min, r_max), MOST_NEIGHBORS)
    first = np.empty(n + 1, dtype=np.int64)
    capacity, n_rows = 128 * n, 7 if with_positions or as_predict else 4
    while True:
        index, vectors = scratch("index", capacity, np.int32), scratch("vectors", n_rows * capacity)
        vectors = vectors.reshape(n_rows, capacity)
        total = _search(
            r_max=r_max, most_neighbors=limit, starts=starts, modes=modes, cartesian=cartesian, grids=grids, work=work,
            integers=integers, first=first, index=index, vectors=vectors,
        )  # fmt: skip
        if total < 0:
            number = int(np.searchsorted(starts, -1 - total, side="right")) - 1
            structure, atom = structures[number], -1 - total - int(starts[number])
            message = f"atom {atom + 1} has more neighbours than RMIN = {r_min:g} Angstrom allows"
            remedy = "move atoms apart or reduce RMIN"
            if limit == MOST_NEIGHBORS:
                message += f", or than {MOST_NEIGHBORS} within {r_max:g} Angstrom"
                remedy = "move atoms apart or reduce the cutoff"
            message += f"; {remedy}"
            raise InputError(structure.path, message, structure.line_of(atom))
        for number, n_cells in coarse.items():
            if first[starts[number]] < first[starts[number + 1]]:
                raise _too_many_cells(structures[number], cells[number], r_max, n_cells)
        if total <= capacity:
            if as_predict:
                _recenter(starts=starts, work=work, first=first, cartesian=cartesian, vectors=vectors)
            return Environments(starts, cartesian, forces, first, index[:total], vectors[:, :total])
        capacity = total
        with _naming(structures[0]):
            check_memory(capacity, 4 + 8 * n_rows, r_max)


def _mode(structure: Structure) -> int:
    """How `kernels.place_atoms` takes a structure."""
    if structure.lattice is None:
        return ISOLATED
    return PERIODIC if all(structure.pbc) else COMPLETE


def _search_size(structure: Structure, grid: list[int]) -> int:
    """Integers the search needs for a structure."""
    return 2 * math.prod(grid[0:3]) + 4 * structure.n_atoms + 3 * math.prod(2 * extent + 1 for extent in grid[3:6])


def _volume(structure: Structure, cell: np.ndarray) -> float:
    """Of the cell, or of the box around an isolated structure, Å³."""
    return float(np.ptp(structure.positions, axis=0).prod() if structure.lattice is None else abs(np.linalg.det(cell)))


def _too_many_cells(structure: Structure, cell: np.ndarray, r_max: float, n_cells: float) -> InputError:
    far = _volume(structure, cell) > MAX_CELLS
    reason = "its atoms are too far apart for" if far else "the structure is too large for"
    number = f"{n_cells:.3g}" if math.isfinite(n_cells) else f"more than {UNCOUNTABLE:.0e}"
    message = f"{reason} the cutoff of {r_max:g} Angstrom: the search would need {number} cells"
    return InputError(structure.path, f"{message}; the limit is {MAX_CELLS:.0e}")
