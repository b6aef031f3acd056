"""The atomic structure: what an XSF file or a frame of a file of many holds, and what the descriptor takes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from aenet_py.errors import AenetError, InputError

if TYPE_CHECKING:
    from ase import Atoms

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
    pbc : along which cell vectors it repeats; all false without a cell.
    claimed : along which its file says so, where ænet repeats it along all nevertheless; None if it says nothing.
    first_line : where the first atom stands in the file, the others follow; None if there is no file.
    label : what its file calls the energy, where it may hold several; None otherwise.

    Anything like arrays of these shapes becomes one; InputError for other shapes, numbers that are not finite and
    species that are not in symbols.
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
    pbc: tuple[bool, bool, bool] = (True, True, True)
    claimed: tuple[bool, bool, bool] | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        n_atoms = _check_species(self)
        for name, shape in (("positions", (n_atoms, 3)), ("forces", (n_atoms, 3)), ("cell", (3, 3))):
            if name != "cell" or self.cell is not None:
                _check_array(self, name, shape)
        if self.cell is None:
            object.__setattr__(self, "pbc", (False, False, False))
        _check_pbc(self)
        _check_number(self, "total_energy")
        _check_number(self, "cohesive_energy")

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
    energy : total energy, eV, or None; forces : (n_atoms, 3) eV/Å, or None; that on a lone atom is always zero.
    tags : (n_atoms,) int64, what the file tells the atoms apart by, or None.
    system : what the file calls the system that the frame is of, or None.
    first_line : where the first atom stands in the file; None if there is no file of lines.
    label : as in `Structure`.

    Checked like a `Structure`.
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
    label: str | None = None

    def __post_init__(self) -> None:
        n_atoms = _check_species(self)
        if self.forces is None and n_atoms == 1:
            object.__setattr__(self, "forces", np.zeros((1, 3)))
        _check_array(self, "positions", (n_atoms, 3))
        for name, shape in (("forces", (n_atoms, 3)), ("cell", (3, 3)), ("tags", (n_atoms,))):
            if getattr(self, name) is not None:
                _check_array(self, name, shape, np.int64 if name == "tags" else np.float64)
        if _check_pbc(self) and self.cell is None:
            raise InputError(self.path, f"found pbc={self.pbc!r} without a cell; expected cell vectors")
        if self.energy is not None:
            _check_number(self, "energy")

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
            pbc=self.pbc,
            label=self.label,
        )


def frame_of(atoms: Frame | Atoms, name: str, reference: bool = True) -> Frame:
    """A structure of ASE as a frame of this name; a frame is one already.

    reference : with the energy and forces that its calculator holds for it as it is.  AenetError for anything else.
    """
    if isinstance(atoms, Frame):
        return atoms
    if not all(hasattr(atoms, each) for each in ("get_chemical_symbols", "positions", "cell", "pbc", "calc")):
        raise AenetError(
            f"found {type(atoms).__name__}; expected ase.Atoms or a Frame (for predictions also a Structure)"
        )
    results = atoms.calc.results if reference and atoms.calc and not atoms.calc.check_state(atoms) else {}
    symbols, species = species_of_atoms(atoms.get_chemical_symbols())
    x, y, z = atoms.pbc.tolist()
    return Frame(
        path=name,
        symbols=symbols,
        species=species,
        positions=atoms.positions.copy(),
        cell=atoms.cell.array.copy() if atoms.cell.array.any() else None,
        pbc=(x, y, z),
        energy=energy_of(results),
        forces=results.get("forces"),
    )


def energy_of(results: Any) -> float | None:
    """The energy among the results of ASE, a dictionary or a row of a database: `energy`, otherwise `free_energy`."""
    energy = results.get("energy")
    return results.get("free_energy") if energy is None else energy


def as_structure(given: Structure | Frame | Atoms) -> Structure:
    """A structure without reference; AenetError for anything else."""
    return given if isinstance(given, Structure) else frame_of(given, "Atoms", False).structure(reference=False)


def _check_species(atoms: Structure | Frame) -> int:
    """How many atoms there are; InputError unless symbols and species fit together."""
    symbols = atoms.symbols
    named = isinstance(symbols, tuple | list) and all(isinstance(symbol, str) and symbol for symbol in symbols)
    if not named or len(set(symbols)) < len(symbols):
        raise InputError(atoms.path, f"found symbols={symbols!r}; expected distinct names of species")
    _check_array(atoms, "species", (-1,), np.int64)
    present = set(atoms.species.tolist())
    if not present:
        raise InputError(atoms.path, "found no atoms; expected at least one")
    wrong = present.difference(range(len(symbols)))
    if wrong:
        raise InputError(atoms.path, f"found {min(wrong)} in species; expected indices 0 to {len(symbols) - 1}")
    return len(atoms.species)


def _check_pbc(atoms: Structure | Frame) -> bool:
    """Whether a structure repeats along any cell vector; InputError unless pbc says so for each of them."""
    pbc = tuple(atoms.pbc) if isinstance(atoms.pbc, Iterable) else ()
    if len(pbc) != 3 or not all(isinstance(p, bool | np.bool_) for p in pbc):
        raise InputError(atoms.path, f"found pbc={atoms.pbc!r}; expected three values, True or False")
    return any(pbc)


def _check_array(atoms: Structure | Frame, field: str, shape: tuple[int, ...], dtype: type = np.float64) -> None:
    """Make a field an array of this type; InputError unless it has the shape (-1 : any) and finite numbers."""
    given = getattr(atoms, field)
    name = "cell vectors" if field == "cell" else field
    try:
        array = np.asarray(given)
    except ValueError:  # rows of different lengths
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in ("iu" if dtype is np.int64 else "iuf"):
        what = "integers" if dtype is np.int64 else "numbers"
        raise InputError(atoms.path, f"found {name} that are not an array of {what}; expected shape {_words(shape)}")
    if array.shape != shape and not (shape == (-1,) and array.ndim == 1):
        raise InputError(atoms.path, f"found {name} of shape {array.shape}; expected {_words(shape)}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(atoms.path, f"found {name} that are not finite; expected finite numbers")
    if array is not given or array.dtype != dtype:
        object.__setattr__(atoms, field, array.astype(dtype))


def _words(shape: tuple[int, ...]) -> str:
    return str(shape).replace("-1", "n_atoms")


def _check_number(atoms: Structure | Frame, name: str) -> None:
    try:
        finite = math.isfinite(getattr(atoms, name))
    except (TypeError, OverflowError):
        finite = False
    if not finite:
        raise InputError(atoms.path, f"found {name}={getattr(atoms, name)!r}; expected a finite number")
