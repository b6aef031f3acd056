"""Atomic structures, whether from files, from ASE or from scripts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from aenet_py.elements import SYMBOLS
from aenet_py.errors import AenetError, InputError, counted

if TYPE_CHECKING:
    from ase import Atoms
    from ase.constraints import FixAtoms, FixCartesian

SYMBOL_LENGTH = 2  # significant characters of a species' name
_VOIGT = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])  # place of each component in Voigt order
_KINDS: dict[type, tuple[str, str]] = {  # kinds of arrays that are converted, and what messages call their values
    np.int64: ("iu", "integers"), np.float64: ("iuf", "numbers"), np.bool_: ("b", "logical values"),
}  # fmt: skip
_FIXING = ("FixAtoms", "FixCartesian", "FixScaled", "FixedPlane", "FixedLine")  # constraints that hold coordinates
_PLAIN = (str, bool, int, float, np.bool_, np.integer, np.floating)


def species_of_atoms(names: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Species in order of their first atom, and the index of each atom's species, (n_atoms,) int64."""
    known = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return tuple(known), np.array(list(map(known.__getitem__, names)), dtype=np.int64)


@dataclass(frozen=True)
class Structure:
    """Atoms in a cell, or isolated, with energy and forces if they are known.  Missing values are None.

    Parameters
    ----------
    path : str
        Origin of the structure, which error messages begin with; ``file#index`` for a frame of a file.
    symbols : tuple of str
        Distinct species, usually in order of their first atom.
    species : array of int64, shape (n_atoms,)
        Index of each atom's species in `symbols`.
    positions : array, shape (n_atoms, 3)
        Cartesian coordinates, Å.
    cell : array, shape (3, 3), optional
        Cell vectors in rows, Å.
    pbc : tuple of three bool
        Whether the structure is periodic along each cell vector.  It is isolated if it is periodic along none.
    energy : float, optional
        Total energy, eV.
    forces : array, shape (n_atoms, 3), optional
        eV/Å.  Missing forces of a single atom are zero.
    tags : array of int64, shape (n_atoms,), optional
        Labels of the atoms, as in ASE.
    system : str, optional
        Name of the system that the structure belongs to.
    first_line : int, optional
        Line of the first atom in the file, counted from 1; the other atoms follow.
    label : str, optional
        Name of the energy, in files that may have several.
    cohesive_energy : float, optional
        Energy minus that of the free atoms, eV, if the file gives it.
    claimed : tuple of three bool, optional
        Periodicity along each cell vector according to an XSF file, which ænet treats as periodic along all.
    stress : array, shape (3, 3), optional
        eV/Å³, positive under tension, as in ASE.
    info : mapping of str to str
        Further values that the file gives for the structure, such as its ``config_type``.
    fixed : array of bool, shape (n_atoms, 3), optional
        Cartesian coordinates that constraints hold fixed; None if all are free.

    Raises
    ------
    InputError
        If an array has another shape, a number is not finite, a species is not in `symbols`, or the structure is
        periodic without a cell.  Anything that numpy converts to such arrays is accepted.

    Examples
    --------
    >>> from aenet_py import Potential, Structure
    >>> dimer = Structure("dimer", ("Cu", "Au"), [0, 1], [[0.0, 0.0, 0.0], [0.0, 0.0, 2.6]])
    >>> potential = Potential.load("fixtures/golden/cluster-cuau-h2o/train-forces-adamw/expected")
    >>> potential.energy_forces(dimer).forces.shape
    (2, 3)
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
    cohesive_energy: float | None = None
    claimed: tuple[bool, bool, bool] | None = None
    stress: np.ndarray | None = None
    info: Mapping[str, str] = field(default_factory=dict)
    fixed: np.ndarray | None = None

    def __post_init__(self) -> None:
        n_atoms = _check_species(self)
        if self.forces is None and n_atoms == 1:
            object.__setattr__(self, "forces", np.zeros((1, 3)))
        _check_array(self, "positions", (n_atoms, 3))
        for name, shape in (("forces", (n_atoms, 3)), ("cell", (3, 3)), ("stress", (3, 3)), ("tags", (n_atoms,))):
            if getattr(self, name) is not None:
                _check_array(self, name, shape, np.int64 if name == "tags" else np.float64)
        if self.fixed is not None:
            _check_array(self, "fixed", (n_atoms, 3), np.bool_)
            if not self.fixed.any():
                object.__setattr__(self, "fixed", None)
        if _check_pbc(self) and self.cell is None:
            raise InputError(self.path, f"pbc is {self.pbc!r} without a cell; cell vectors are required")
        _check_number(self, "energy")
        _check_number(self, "cohesive_energy")

    @property
    def n_atoms(self) -> int:
        return len(self.species)

    @property
    def lattice(self) -> np.ndarray | None:
        """Cell vectors, (3, 3) Å, or None if the structure is isolated."""
        return self.cell if any(self.pbc) else None

    @property
    def unknown_forces(self) -> np.ndarray | None:
        """Components of the forces that are not known, (n_atoms, 3) bool; None if all are, or there are no forces.

        ASE writes zero for components that constraints hold fixed.  A fixed component that is not zero is known.
        """
        if self.fixed is None or self.forces is None or self.n_atoms == 1:
            return None
        unknown = self.fixed & (self.forces == 0.0)
        return unknown if unknown.any() else None

    @property
    def known_forces(self) -> np.ndarray:
        """The other components, (n_atoms, 3) bool; none without forces."""
        unknown = self.unknown_forces
        return np.full((self.n_atoms, 3), self.forces is not None) if unknown is None else ~unknown

    @property
    def n_unknown_forces(self) -> int:
        """Number of these components."""
        unknown = self.unknown_forces
        return 0 if unknown is None else int(unknown.sum())

    def names(self) -> list[str]:
        """The species of each atom."""
        return [self.symbols[s] for s in self.species.tolist()]

    def line_of(self, atom: int) -> int | None:
        """Line of an atom (0-based) in the file."""
        return None if self.first_line is None else self.first_line + atom

    def check_reference(self) -> None:
        """Raise InputError unless energy and forces are known."""
        if self.energy is None and self.cohesive_energy is None:
            raise InputError(self.path, "no energy found; expected a total energy in eV")
        if self.forces is None:
            raise InputError(self.path, "no forces found; expected those of every atom in eV/Å")


def as_structure(given: Structure | Atoms, path: str = "Atoms", reference: bool = False) -> Structure:
    """Return a structure unchanged, or convert one of ASE.

    Parameters
    ----------
    given : Structure or ase.Atoms
    path : str
        What error messages call a structure of ASE.
    reference : bool
        Include the energy and forces that the calculator holds for the current positions.

    Returns
    -------
    Structure
        The given one, or a copy of the atoms.

    Raises
    ------
    AenetError
        For any other object, and as `from_atoms`.
    """
    if isinstance(given, Structure):
        return given
    if not all(hasattr(given, each) for each in ("numbers", "positions", "cell", "pbc", "arrays", "calc")):
        raise AenetError(f"a structure must be ase.Atoms or a Structure, not {type(given).__name__}")
    results = given.calc.results if reference and given.calc and not given.calc.check_state(given) else {}
    return from_atoms(given, path, results)


def from_atoms(atoms: Atoms, path: str, results: Mapping[str, Any], system: str | None = None) -> Structure:
    """Convert a structure of ASE.

    Parameters
    ----------
    atoms : ase.Atoms
        The atoms, which are copied.
    path : str
        As in `Structure`.
    results : mapping
        Results of a calculator: ``energy`` or else ``free_energy`` (eV), ``forces`` (eV/Å) and ``stress`` (eV/Å³).
    system : str, optional
        As in `Structure`.

    Returns
    -------
    Structure
        With energy and forces if `results` has them.

    Raises
    ------
    InputError
        If there are no atoms, an atomic number is not that of an element, or as in `Structure`.
    """
    numbers = atoms.numbers.tolist()
    if not numbers:
        raise InputError(path, "this structure has no atoms")
    wrong = next((number for number in numbers if not 1 <= number <= len(SYMBOLS)), None)
    if wrong is not None:
        raise InputError(path, f"there is no element with atomic number {wrong}")
    symbols, species = species_of_atoms([SYMBOLS[number - 1] for number in numbers])
    x, y, z = atoms.pbc.tolist()
    energy, tags = results.get("energy"), atoms.arrays.get("tags")
    return Structure(
        path=path,
        symbols=symbols,
        species=species,
        positions=atoms.positions.copy(),
        cell=atoms.cell.array.copy() if atoms.cell.array.any() else None,
        pbc=(x, y, z),
        energy=results.get("free_energy") if energy is None else energy,
        forces=results.get("forces"),
        tags=None if tags is None else tags.astype(np.int64),
        system=system,
        stress=None if results.get("stress") is None else full_stress(results["stress"]),
        info={str(key): str(value) for key, value in atoms.info.items() if isinstance(value, _PLAIN)},
        fixed=_fixed(atoms, path),
    )


def _fixed(atoms: Atoms, path: str) -> np.ndarray | None:
    """As in `Structure`: coordinates along which constraints let no force act."""
    if not atoms.constraints:
        return None
    from ase import constraints

    kinds = tuple(getattr(constraints, name) for name in _FIXING)
    probe = np.random.default_rng(0).uniform(1.0, 2.0, (len(atoms), 3))  # so that no projection vanishes by chance
    try:
        for each in atoms.constraints:
            if isinstance(each, kinds):
                each.adjust_forces(atoms, probe)
    except (IndexError, np.linalg.LinAlgError) as error:  # of other atoms, or along the vectors of no cell
        raise InputError(path, f"its constraints cannot be applied: {error}") from None
    return probe == 0.0


def constraints_of(fixed: np.ndarray | None) -> list[FixAtoms | FixCartesian]:
    """Constraints of ASE that hold these coordinates fixed.

    Parameters
    ----------
    fixed : array of bool, shape (n_atoms, 3), or None
        As in `Structure`.

    Returns
    -------
    list of FixAtoms and FixCartesian
        One for all atoms with the same fixed coordinates.
    """
    if fixed is None:
        return []
    from ase.constraints import FixAtoms, FixCartesian

    found: list[FixAtoms | FixCartesian] = []
    for mask in np.unique(fixed[fixed.any(axis=1)], axis=0):
        atoms = np.flatnonzero((fixed == mask).all(axis=1))
        found.append(FixAtoms(atoms) if mask.all() else FixCartesian(atoms, mask))
    return found


def told_of_unknown(counts: Iterable[tuple[str, int]]) -> str | None:
    """How many force components are not known (`Structure.unknown_forces`), in words; None if all are.

    counts : path of each structure, and the number of these components.
    """
    some = [(path, n) for path, n in counts if n]
    if not some:
        return None
    components, where = counted(sum(n for _, n in some), "component"), some[0][0]
    if len(some) > 1:
        where = f"{len(some):,} structures, such as {where}"
    return f"forces that are zero because constraints hold atoms fixed are not known: {components} in {where}"


def full_stress(values: Sequence[float] | np.ndarray) -> np.ndarray | None:
    """A stress as a symmetric tensor.

    Parameters
    ----------
    values : array
        Six numbers in Voigt order (xx, yy, zz, yz, xz, xy), or nine.

    Returns
    -------
    array, shape (3, 3), or None
        None for another count of numbers, and for numbers that are not finite.
    """
    array = np.asarray(values, dtype=np.float64).ravel()
    if len(array) not in (6, 9) or not np.isfinite(array).all():
        return None
    full = array[_VOIGT] if len(array) == 6 else array.reshape(3, 3)
    return 0.5 * (full + full.T)


def _check_species(atoms: Structure) -> int:
    """The number of atoms; InputError if symbols and species do not match."""
    symbols = atoms.symbols
    named = isinstance(symbols, tuple | list) and all(isinstance(symbol, str) and symbol for symbol in symbols)
    if not named or len(set(symbols)) < len(symbols):
        raise InputError(atoms.path, f"symbols must be distinct names of species, not {symbols!r}")
    _check_array(atoms, "species", (-1,), np.int64)
    present = set(atoms.species.tolist())
    if not present:
        raise InputError(atoms.path, "this structure has no atoms")
    wrong = present.difference(range(len(symbols)))
    if wrong:
        raise InputError(atoms.path, f"species must be indices from 0 to {len(symbols) - 1}, not {min(wrong)}")
    return len(atoms.species)


def _check_pbc(atoms: Structure) -> bool:
    """Whether a structure is periodic along any cell vector; InputError unless pbc has three logical values."""
    pbc = tuple(atoms.pbc) if isinstance(atoms.pbc, Iterable) else ()
    if len(pbc) != 3 or not all(isinstance(p, bool | np.bool_) for p in pbc):
        raise InputError(atoms.path, f"pbc must be three values, True or False, not {atoms.pbc!r}")
    return any(pbc)


def _check_array(atoms: Structure, field: str, shape: tuple[int, ...], dtype: type = np.float64) -> None:
    """Convert a field to an array of this type; InputError for another shape (-1 : any) or numbers not finite."""
    given = getattr(atoms, field)
    name = "cell vectors" if field == "cell" else field
    try:
        array = np.asarray(given)
    except ValueError:  # rows of different lengths
        array = np.empty(0, dtype=object)
    kinds, what = _KINDS[dtype]
    if array.dtype.kind not in kinds:
        raise InputError(atoms.path, f"{name} must be an array of {what} of shape {_words(shape)}")
    if array.shape != shape and not (shape == (-1,) and array.ndim == 1):
        raise InputError(atoms.path, f"{name} must have shape {_words(shape)}, not {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(atoms.path, f"{name} must be finite")
    if array is not given or array.dtype != dtype:
        object.__setattr__(atoms, field, array.astype(dtype))


def _words(shape: tuple[int, ...]) -> str:
    return str(shape).replace("-1", "n_atoms")


def _check_number(atoms: Structure, name: str) -> None:
    """Convert a field to a float unless it is None; InputError if it is not a finite number."""
    value = getattr(atoms, name)
    if value is None:
        return
    try:
        finite = math.isfinite(value)
    except (TypeError, OverflowError):
        finite = False
    if not finite:
        raise InputError(atoms.path, f"{name} must be a finite number, not {value!r}")
    object.__setattr__(atoms, name, float(value))
