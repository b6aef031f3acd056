"""The structure a simulation begins with."""

from __future__ import annotations

import collections
import itertools
import os

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import ase_files, extxyz, frames, xsf
from aenet_py.formats.text import foreign

MOST_FRAMES = 10**12  # no file has more
KEPT = {"numbers", "positions", "momenta", "masses"}


def read(path: str, format_name: str | None = None) -> Atoms:
    """The structure in a file, which may have momenta and masses.

    path : an XSF file as aenet has it, extended XYZ as predict.x reads it, or any file that ASE reads; of several
    structures the last, or with `PATH@NUMBER` another one, counted from 0.
    format_name : ASE's name of the format; None goes by the name, or detects it.
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
    if frames.is_frames(file) and format_name is None and os.path.isfile(file):
        atoms = _from_frames(file, first)
    else:
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


def _from_frames(path: str, number: int) -> Atoms | None:
    """A frame of extended XYZ, from the end if number is negative; None if there is none."""
    if abs(number) > MOST_FRAMES:
        return None
    found = frames.read(path)
    if number >= 0:
        found = itertools.islice(found, number, number + 1)
    n_kept = max(1, -number)
    kept = collections.deque(found, n_kept)
    if len(kept) < n_kept:
        return None
    raw = kept[0]
    frame = extxyz.parse(raw, reference=False)
    atoms = Atoms(frame.names(), frame.positions, cell=frame.cell, pbc=frame.pbc)
    momenta, masses = (extxyz.column(raw, name) for name in ("momenta", "masses"))
    if masses is not None and masses.shape[1] == 1:
        atoms.set_masses(masses[:, 0])
    if momenta is not None and momenta.shape[1] == 3:
        atoms.set_momenta(momenta)
    return atoms
