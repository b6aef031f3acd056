"""Cells of structures that repeat along some directions only: slabs, wires, molecules in a box.

A structure has no images along an open direction, one that its pbc calls not periodic, whatever the length of that cell
vector, which may be zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aenet_py.errors import AenetError

LARGEST = 1.0e30  # Å, of coordinates and cell vectors: powers of larger ones could overflow
VACUUM = 20.0  # Å between a structure and its images along open directions, more than any cutoff in use
ROUNDING = 1.0e-6  # Å, of the vacuum
FLAT = 1.0e-9  # volume of a cell against the product of its edges, as in neighbors.kernels


def check_size(what: str, values: np.ndarray) -> None:
    """AenetError for lengths in Å that are not finite, or so large that their powers are not."""
    if not np.abs(values).max(initial=0.0) < LARGEST:
        raise AenetError(f"{what} must be finite and below {LARGEST:.0e} Angstrom")


def check_cell(cell: np.ndarray) -> None:
    """AenetError for cell vectors (rows, Å) that are too long, or too short but not missing, to calculate with."""
    rows = [[abs(value) for value in row] for row in cell.tolist()]  # for nine numbers faster than arrays
    if not all(value < LARGEST for row in rows for value in row):
        check_size("cell vectors", cell)
    if any(0.0 < max(row) < 1.0 / LARGEST for row in rows):
        raise AenetError(f"a cell vector is shorter than {1.0 / LARGEST:.0e} Angstrom; give lengths in Angstrom")


def complete(cell: np.ndarray, pbc: Sequence[bool] | np.ndarray) -> np.ndarray:
    """The cell (3, 3), rows in Å, with unit vectors normal to the others for missing ones (zero).

    AenetError for values that are not finite, vectors that are not independent, or a missing one that pbc needs.
    """
    check_cell(cell)
    missing = np.logical_not(cell.any(axis=1))
    if np.any(missing & np.asarray(pbc)):
        raise AenetError("pbc is set along a missing cell vector; give the vector")
    if missing.all():
        return np.eye(3)
    units = np.array([_unit(row) for row in cell])
    if missing.sum() == 2:
        along = units[~missing][0]
        units[np.flatnonzero(missing)[0]] = _unit(np.cross(along, np.eye(3)[np.argmin(np.abs(along))]))
    still = ~units.any(axis=1)
    if still.any():
        k = int(np.flatnonzero(still)[0])
        units[k] = _unit(np.cross(units[k - 2], units[k - 1]))
    if not abs(np.linalg.det(units)) > FLAT:
        raise AenetError("cell vectors lie in a plane or on a line; they must be independent")
    return np.where(missing[:, None], units, cell)


def with_vacuum(
    cell: np.ndarray, pbc: Sequence[bool] | np.ndarray, positions: np.ndarray, vacuum: float = VACUUM
) -> np.ndarray:
    """A fully periodic cell (3, 3) of the same structure: its images along open directions are at least vacuum apart.

    The cell itself where it leaves this vacuum; otherwise its open vectors are replaced by vectors normal to all
    others, of whole Å.  positions : (n, 3) Å.  AenetError as of `complete`.
    """
    check_size("positions", positions)
    full, periodic = complete(cell, pbc), np.asarray(pbc)
    inverse = np.linalg.inv(full)
    heights = 1.0 / np.linalg.norm(inverse, axis=0)
    gaps = heights - np.ptp(positions @ (inverse * heights), axis=0)
    if np.all(gaps[~periodic] > vacuum - ROUNDING):
        return full
    normals = [_unit(row) for row in _orthogonal(full[periodic])]
    for k in np.flatnonzero(~periodic):
        normal = full[k]
        for other in normals:
            normal = normal - (normal @ other) * other
        normal = _unit(normal)
        normals.append(normal)
        full[k] = np.ceil(np.ptp(positions @ normal) + vacuum) * normal
    return full


def _orthogonal(rows: np.ndarray) -> list[np.ndarray]:
    """At most two vectors, the second one normal to the first."""
    if len(rows) < 2:
        return list(rows)
    first = _unit(rows[0])
    return [first, rows[1] - (rows[1] @ first) * first]


def _unit(vector: np.ndarray) -> np.ndarray:
    """Of length 1; zero stays."""
    largest = float(np.abs(vector).max())
    if largest == 0.0:
        return vector
    scaled = vector / largest  # whose square neither overflows nor vanishes
    return scaled / np.linalg.norm(scaled)
