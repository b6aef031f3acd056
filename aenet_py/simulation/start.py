"""The structure a simulation begins with."""

from __future__ import annotations

import os

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.io import read as read_any

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import xsf
from aenet_py.formats.text import foreign

KEPT = {"numbers", "positions", "momenta", "masses"}


def read(path: str) -> Atoms:
    """Read a structure: XSF as aenet has it, anything else as ASE does, ``PATH@NUMBER`` for one of several, the last by
    default.  AenetError if there is none.
    """
    if path.lower().endswith(".xsf"):
        return _from_xsf(path)
    file = path if os.path.exists(path) else path.rpartition("@")[0] or path
    if not os.path.exists(file):
        raise AenetError(f"{file}: no such file; expected a structure")
    try:
        atoms = read_any(path)
    except Exception as error:  # which ASE's readers raise is not settled
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        if isinstance(error, StopIteration | IndexError):
            reason = f"found no structure {path.rpartition('@')[2]} in it"
        raise AenetError(f"{path}: cannot be read as a structure: {reason}") from None
    if not isinstance(atoms, Atoms) or not len(atoms):
        raise AenetError(f"{path}: found no atoms, or several structures; expected one with atoms")
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
