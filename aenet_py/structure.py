"""The atomic structure: what an XSF file holds and what the descriptor is computed from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SYMBOL_LENGTH = 2  # characters of a species' name that count


@dataclass(frozen=True)
class Structure:
    """Atoms in a cell, or isolated, with reference energy and forces.

    path : where it was read from, as the deck names it.
    symbols : species, in order of their first atom.
    species : (n_atoms,) int64, index into symbols.
    positions : (n_atoms, 3) Å.
    forces : (n_atoms, 3) eV/Å.
    cell : (3, 3) Å, rows are the cell vectors; None for an isolated structure.
    total_energy, cohesive_energy : eV, 0 if the file does not give it.
    first_line : where the first atom stands in the file, the others follow; None if there is no file.
    """

    path: str
    symbols: tuple[str, ...]
    species: np.ndarray
    positions: np.ndarray
    forces: np.ndarray
    cell: np.ndarray | None
    total_energy: float
    cohesive_energy: float
    first_line: int | None = None

    @property
    def n_atoms(self) -> int:
        return len(self.species)

    def line_of(self, atom: int) -> int | None:
        """Line of the file an atom (from 0) stands in."""
        return None if self.first_line is None else self.first_line + atom
