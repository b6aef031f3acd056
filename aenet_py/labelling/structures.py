"""The structures to label, of files or of the caller, as ASE atoms and as what is written later."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import ase_files, extxyz, frames
from aenet_py.formats.folders import files_in
from aenet_py.formats.frames import frame_name
from aenet_py.formats.read import is_own, read
from aenet_py.formats.structures import frame_of
from aenet_py.formats.text import foreign
from aenet_py.labelling.compute import Label
from aenet_py.structure import Structure, as_structure, full_stress

INITIAL = ("initial_charges", "initial_magmoms")
TOTALS = ("charge", "spin")  # of all atoms together, which some calculators read
NO_COLUMNS: Mapping[str, np.ndarray | None] = {}
RESULTS = ("stress", "virial", "energy", "forces", "dipole", "magmom")  # in names of values that the label replaces


@dataclass(frozen=True)
class Unlabelled:
    """A structure to label.

    Parameters
    ----------
    structure
        Without energy, forces and stress, and without values of other labels in its ``info``.
    atoms
        The same for a calculator.
    """

    structure: Structure
    atoms: Atoms


One = str | os.PathLike[str] | Structure | Atoms | Unlabelled


def from_file(path: str, format_name: str | None = None) -> Iterator[Unlabelled]:
    """The structures of a file, of a frame of it, or of all files in a folder, as `read` reads them.

    Initial charges and magnetic moments are read, too; energies and forces are not.  format_name : ASE's name of the
    format; None chooses by the name or detects it.
    """
    if os.path.isdir(path):
        for file in files_in([path], is_own, "a folder of XSF files, extended XYZ or databases of ASE"):
            yield from from_file(file, format_name)
        return
    file, index = frame_of(foreign(path))
    if format_name is None and frames.is_frames(file):
        found = False
        for raw in frames.read(file):
            if index in (None, raw.index):
                found = True
                frame = extxyz.parse(raw, reference=False)
                yield _from_structure(frame, {name: extxyz.column(raw, name) for name in INITIAL})
        if not found:
            raise InputError(path, "there is no such frame in this file")
    elif format_name is None and is_own(file):
        yield from map(_from_structure, read(path))
    else:
        for number, atoms in enumerate(ase_files.images(path, format_name)):
            yield _from_atoms(atoms, frame_name(path, number))


def unlabelled(given: One | Iterable[One]) -> list[Unlabelled]:
    """All structures of files, and those given as objects, in their order.

    Parameters
    ----------
    given
        Paths, as for `read`, ase.Atoms or Structure; one or several.

    Returns
    -------
    list of Unlabelled

    Raises
    ------
    AenetError
        As `read`, if there is no structure, or if a species is not a chemical element.
    """
    some: Any = given
    found: list[Unlabelled] = []
    for each in [some] if isinstance(some, str | os.PathLike | Structure | Atoms | Unlabelled) else some:
        if isinstance(each, Unlabelled):
            found.append(each)
        elif isinstance(each, str | os.PathLike):
            found += from_file(os.fspath(each))
        elif isinstance(each, Structure):
            found.append(_from_structure(each))
        else:
            found.append(_from_atoms(each, frame_name("Atoms", len(found))))
    if not found:
        raise AenetError("no structures given; at least one is required")
    return found


def _from_structure(structure: Structure, columns: Mapping[str, np.ndarray | None] = NO_COLUMNS) -> Unlabelled:
    unknown = [symbol for symbol in structure.symbols if symbol not in atomic_numbers]
    if unknown:
        raise InputError(structure.path, f"species {' '.join(unknown)} is not a chemical element, as ASE requires")
    bare = _bare(structure)
    atoms = Atoms(bare.names(), bare.positions, cell=bare.cell, pbc=bare.pbc, tags=bare.tags)
    atoms.info = {key: _total(value) if key in TOTALS else value for key, value in bare.info.items()}
    for name, values in columns.items():
        if values is not None and values.shape[1] in (1, 3):
            atoms.set_array(name, values[:, 0] if values.shape[1] == 1 else values)
    return Unlabelled(bare, atoms)


def _total(text: str) -> str | float:
    """A number, as calculators want it, if it is one."""
    try:
        return int(float(text)) if float(text).is_integer() else float(text)
    except (ValueError, OverflowError):
        return text


def _from_atoms(given: Atoms, name: str) -> Unlabelled:
    structure = _bare(as_structure(given, name))
    atoms = given.copy()
    atoms.calc = None
    atoms.set_constraint()  # which would change forces
    return Unlabelled(structure, atoms)


def _bare(structure: Structure) -> Structure:
    info = {key: value for key, value in structure.info.items() if not any(name in key.lower() for name in RESULTS)}
    return replace(structure, info=info, energy=None, forces=None, stress=None, label=None, cohesive_energy=None)


def labelled_atoms(given: Unlabelled, label: Label) -> Atoms:
    """A copy of the atoms with a calculator that holds the label."""
    atoms = given.atoms.copy()
    results = {"energy": label.energy, "forces": label.forces}
    if label.stress is not None:
        results["stress"] = label.stress
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def text(given: Unlabelled, label: Label | None = None) -> bytes:
    """Lines of extended XYZ: the structure with its initial charges and moments and, if it has one, its label.

    Without a label, it has no constraints, which would set forces to zero.
    """
    frame = replace(given.structure, fixed=None) if label is None else labelled_structure(given, label)
    return extxyz.text(
        frame, columns_of={name: given.atoms.get_array(name) for name in INITIAL if given.atoms.has(name)}
    )


def labelled_structure(given: Unlabelled, label: Label) -> Structure:
    """The structure with the label, for a file."""
    stress = None if label.stress is None else full_stress(label.stress)
    return replace(given.structure, energy=label.energy, forces=label.forces, stress=stress)
