"""The atomic structure: what an XSF file or a frame of a file of many holds, and what the descriptor takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.errors import InputError

SYMBOL_LENGTH = 2  # characters of a species' name that count


def species_of_atoms(names: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Species in order of their first atom, and the index of each atom's among them, (n_atoms,) int64."""
    known = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return tuple(known), np.array(list(map(known.__getitem__, names)), dtype=np.int64)


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


@dataclass(frozen=True)
class Frame:
    """Atoms as files with many structures hold them: energy and forces may be missing.

    path : where it was read from, with the frame's number, from 0: `file#number`.
    symbols, species, positions : as in `Structure`.
    cell : (3, 3) Å, rows are the cell vectors, or None; pbc : along which of them the structure repeats.
    energy : total energy, eV, or None; forces : (n_atoms, 3) eV/Å, or None.
    tags : (n_atoms,) int64, what the file tells the atoms apart by, or None.
    system : what the file calls the system that the frame is of, or None.
    first_line : where the first atom stands in the file; None if there is no file of lines.
    """

    path: str
    symbols: tuple[str, ...]
    species: np.ndarray
    positions: np.ndarray
    cell: np.ndarray | None = None
    pbc: tuple[bool, bool, bool] = (False, False, False)
    energy: float | None = None
    forces: np.ndarray | None = None
    tags: np.ndarray | None = None
    system: str | None = None
    first_line: int | None = None

    @property
    def n_atoms(self) -> int:
        return len(self.species)

    def names(self) -> list[str]:
        """The species of each atom."""
        return [self.symbols[s] for s in self.species.tolist()]

    def check_reference(self) -> None:
        """InputError unless energy and forces are there."""
        if self.energy is None:
            raise InputError(self.path, "no energy found; expected a total energy in eV")
        if self.forces is None:
            raise InputError(self.path, "no forces found; expected those of every atom in eV/Å")

    def structure(self, reference: bool = True) -> Structure:
        """What the descriptor takes: isolated without pbc; without reference, energy and forces count as zero."""
        if reference:
            self.check_reference()
        forces = self.forces if reference and self.forces is not None else np.zeros_like(self.positions)
        return Structure(
            path=self.path,
            symbols=self.symbols,
            species=self.species,
            positions=self.positions,
            forces=forces,
            cell=self.cell if any(self.pbc) else None,
            total_energy=self.energy if reference and self.energy is not None else 0.0,
            cohesive_energy=0.0,
            first_line=self.first_line,
        )
