"""The structure a simulation begins with."""

from __future__ import annotations

import os

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import ase_files, xsf
from aenet_py.formats.text import foreign

KEPT = {"numbers", "positions", "momenta", "masses"}


def read(path: str, format_name: str | None = None) -> Atoms:
    """The structure in a file, which may have momenta and masses.

    path : an XSF file as aenet has it, or any file that ASE reads, of several structures the last; `PATH@NUMBER` for
    another one, counted from 0.  format_name : ASE's name of the format; None goes by the name, or detects it.
    AenetError if there is no such structure.
    """
    if xsf.is_xsf(path) and format_name is None:
        return _from_xsf(path)
    file, at, number = (path, "", "") if os.path.exists(path) else path.rpartition("@")
    if not at:
        file, number = path, "-1"
    try:
        first = int(number)
    except ValueError:
        raise AenetError(f"{path}: no such file; expected FILE or FILE@NUMBER") from None
    atoms = next(ase_files.images(file, format_name, slice(first, first + 1 or None)), None)
    if atoms is None:
        raise AenetError(f"{path}: cannot be read as a structure: found no structure {number} in it")
    if not np.isfinite(atoms.positions).all():
        raise AenetError(f"{path}: found positions that are no numbers; expected numbers")
    atoms.calc = None
    for name in set(atoms.arrays) - KEPT:
        del atoms.arrays[name]
    return atoms


def _from_xsf(path: str) -> Atoms:
    found = xsf.read(foreign(path), reference=False)
    unknown = [symbol for symbol in found.symbols if symbol not in atomic_numbers]
    if unknown:
        raise InputError(path, f"found species {' '.join(unknown)}; expected chemical elements")
    symbols = [found.symbols[species] for species in found.species]
    return Atoms(symbols, found.positions, cell=found.cell, pbc=found.cell is not None)
