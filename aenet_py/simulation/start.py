"""The initial structure of a simulation."""

from __future__ import annotations

import collections
import itertools
import os

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import ase_files, extxyz, frames, xsf
from aenet_py.formats.structures import frame_of
from aenet_py.formats.text import foreign
from aenet_py.structure import Structure, as_structure, constraints_of

MOST_FRAMES = 10**12  # no file has more
KEPT = {"numbers", "positions", "momenta", "masses"}


def atoms_of(given: Atoms | Structure | str | os.PathLike[str], format_name: str | None = None) -> Atoms:
    """The initial structure as new ASE atoms, without a calculator.

    Parameters
    ----------
    given
        ASE atoms, whose momenta, masses and constraints are kept; a structure of ours; or a file, as for `read`.
    format_name
        ASE's name of the format of a file.

    Returns
    -------
    Atoms
        A new object.

    Raises
    ------
    AenetError
        If there is no such structure, or it is no structure.
    """
    if isinstance(given, str | os.PathLike):
        return read(os.fspath(given), format_name)
    if not isinstance(given, Atoms):
        return _from_structure(as_structure(given))
    return _cleaned(given.copy(), "Atoms")


def read(path: str, format_name: str | None = None) -> Atoms:
    """Read a structure, with momenta, masses and constraints where the file has them.

    Parameters
    ----------
    path
        An XSF file as in ænet, extended XYZ as read by predict.x, or any other file that ASE reads.  The last structure
        of the file is used, or the one selected by ``PATH@NUMBER``, counted from 0 (negative: from the end), or
        ``PATH#NUMBER`` of extended XYZ, as in tables and messages.
    format_name
        ASE's name of the format; None chooses by the name or detects it.

    Returns
    -------
    Atoms
        Without a calculator.

    Raises
    ------
    AenetError
        If there is no such structure.
    """
    if xsf.is_xsf(path) and format_name is None:
        return _from_structure(xsf.read(foreign(path), reference=False))
    file, at, number = (path, "", "") if os.path.exists(path) else path.rpartition("@")
    if not at:
        file, index_of_frame = frame_of(foreign(path))
        number = "-1" if index_of_frame is None else str(index_of_frame)
    try:
        index = int(number)
    except ValueError:
        raise AenetError(f"{path}: no such file; give FILE or FILE@NUMBER") from None
    if frames.is_frames(file) and format_name is None and os.path.isfile(file):
        atoms = _from_frames(file, index)
    else:
        atoms = next(ase_files.images(file, format_name, slice(index, index + 1 or None)), None)
    if atoms is None:
        raise AenetError(f"{path}: there is no structure {number} in this file")
    return _cleaned(atoms, path)


def _cleaned(atoms: Atoms, name: str) -> Atoms:
    """Without a calculator and arrays that the simulation does not use."""
    if not np.isfinite(atoms.positions).all():
        raise AenetError(f"{name}: positions are not finite")
    atoms.calc = None
    for array in set(atoms.arrays) - KEPT:
        del atoms.arrays[array]
    return atoms


def _from_structure(structure: Structure) -> Atoms:
    unknown = [symbol for symbol in structure.symbols if symbol not in atomic_numbers]
    if unknown:
        raise InputError(structure.path, f"species {' '.join(unknown)} is not a chemical element, as ASE requires")
    return Atoms(
        structure.names(), structure.positions, cell=structure.cell, pbc=structure.pbc,
        constraint=constraints_of(structure.fixed),
    )  # fmt: skip


def _from_frames(path: str, number: int) -> Atoms | None:
    """A frame of extended XYZ, counted from the end if number is negative; None if there is none."""
    if abs(number) > MOST_FRAMES:
        return None
    candidates = frames.read(path)
    if number >= 0:
        candidates = itertools.islice(candidates, number, number + 1)
    n_kept = max(1, -number)
    kept = collections.deque(candidates, n_kept)
    if len(kept) < n_kept:
        return None
    raw = kept[0]
    frame = extxyz.parse(raw, reference=False)
    atoms = _from_structure(frame)
    momenta, masses = (extxyz.column(raw, name) for name in ("momenta", "masses"))
    if masses is not None and masses.shape[1] == 1:
        atoms.set_masses(masses[:, 0])
    if momenta is not None and momenta.shape[1] == 3:
        atoms.set_momenta(momenta)
    return atoms
