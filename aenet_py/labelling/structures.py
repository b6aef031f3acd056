"""The structures to label, of files or of the caller, as ASE atoms and as what is written later."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers

from aenet_py.errors import AenetError, InputError
from aenet_py.formats.frames import frame_name
from aenet_py.formats.read import read
from aenet_py.labelling.compute import Label
from aenet_py.structure import Structure, as_structure, full_stress

One = str | os.PathLike[str] | Structure | Atoms
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


def unlabelled(given: One | Iterable[One], format_name: str | None = None) -> list[Unlabelled]:
    """All structures of files, and those given as objects, in their order.

    Parameters
    ----------
    given
        Paths, as for `read`, ase.Atoms or Structure; one or several.
    format_name
        ASE's name of the format of all files.

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
    for each in [some] if isinstance(some, str | os.PathLike | Structure | Atoms) else some:
        if isinstance(each, str | os.PathLike):
            found += map(_from_structure, read(each, format_name=format_name))
        elif isinstance(each, Structure):
            found.append(_from_structure(each))
        else:
            found.append(_from_atoms(each, frame_name("Atoms", len(found))))
    if not found:
        raise AenetError("no structures given; at least one is required")
    return found


def _from_structure(structure: Structure) -> Unlabelled:
    unknown = [symbol for symbol in structure.symbols if symbol not in atomic_numbers]
    if unknown:
        raise InputError(structure.path, f"species {' '.join(unknown)} is not a chemical element, as ASE requires")
    bare = _bare(structure)
    atoms = Atoms(bare.names(), bare.positions, cell=bare.cell, pbc=bare.pbc, tags=bare.tags, info=dict(bare.info))
    return Unlabelled(bare, atoms)


def _from_atoms(given: Atoms, name: str) -> Unlabelled:
    structure = _bare(as_structure(given, name))
    atoms = given.copy()
    atoms.calc = None
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


def labelled_structure(given: Unlabelled, label: Label) -> Structure:
    """The structure with the label, for a file."""
    stress = None if label.stress is None else full_stress(label.stress)
    return replace(given.structure, energy=label.energy, forces=label.forces, stress=stress)
