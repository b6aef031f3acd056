"""Files in any format that ASE reads.  They require ase, which is imported when one is opened."""

from __future__ import annotations

import difflib
import functools
import os
from collections.abc import Iterator
from typing import Any

from aenet_py.errors import AenetError, InputError
from aenet_py.formats.databases import check_ase, reason
from aenet_py.formats.frames import Skip, frame_name, good
from aenet_py.structure import Structure, from_atoms

ALL, LAST = slice(None), slice(-1, None)
REFUSED = ("py", "postgresql", "mysql")  # Python code, which old versions of ASE run, and servers


def read(path: str, format_name: str | None, reference: bool = True, skip: Skip | None = None) -> Iterator[Structure]:
    """Read the structures of a file, named `file#index`, with the calculator's energy and forces.

    Constraints do not change forces.  format_name : as in `images`; reference, skip : as in `frames.good`.  After a
    structure that ASE cannot read, the rest of the file is not read and counts as a single skipped structure.
    """
    try:
        for index, atoms in enumerate(images(path, format_name)):
            frame = good(functools.partial(_structure, frame_name(path, index), atoms), reference, skip)
            if frame is not None:
                yield frame
    except InputError as error:
        if skip is None:
            raise
        skip(error)


def images(path: str, format_name: str | None, index: slice = ALL) -> Iterator[Any]:
    """Read the structures of a file as ase.Atoms.

    format_name : ASE's name of the format; None detects it as ASE does; index : selects structures.  AenetError if the
    file or format does not exist; InputError, with ASE's reason, if ASE cannot read the file, or if there is no
    structure in it and `index` does not select a single one by its number.
    """
    if not os.path.isfile(path):
        raise AenetError(f"{path}: no such file; expected a structure")
    check_ase(path, "this kind of file requires")
    from ase.io import iread
    from ase.io.formats import ioformats

    name = _detected(path) if format_name is None else _known(format_name)
    if ioformats[name].single and index.start not in (None, 0, -1):
        return
    nothing = f"found no atoms; ASE reads this file as {name}, choose another format with --format"
    structures = iread(path, index, name, parallel=False, do_not_split_by_at_sign=True)
    n_read = 0
    while True:
        place = frame_name(path, n_read) if n_read else path
        try:
            atoms = next(structures, None)
        except MemoryError:
            raise
        except Exception as error:  # ASE's readers raise errors of any class
            message = f"cannot be read as a structure: ASE reads it as {name} and reports: {reason(error)}"
            raise InputError(place, message) from None
        if atoms is None:
            break
        if not len(atoms):
            raise InputError(place, nothing)
        if name.startswith("lammps-"):
            _check_lammps(place, atoms)
        yield atoms
        n_read += 1
    if n_read == 0 and index in (ALL, LAST):
        raise InputError(path, nothing)


def _detected(path: str) -> str:
    """The format that ASE detects from a file's name or first bytes."""
    from ase.io.formats import UnknownFileTypeError, filetype, ioformats

    try:
        name = filetype(path)
    except UnknownFileTypeError:
        name = ""
    except Exception as error:  # compressed data may be broken
        raise AenetError(f"{path}: cannot be read as a structure: {reason(error)}") from None
    if name not in ioformats or name in REFUSED or not ioformats[name].can_read:
        message = "ASE does not recognise its format; choose one with --format"
        raise AenetError(f"{path}: cannot be read as a structure: {message}")
    return name


def _known(name: str) -> str:
    """The name of a format, if ASE reads it; otherwise AenetError."""
    from ase.io.formats import ioformats

    names = [each for each in ioformats if each not in REFUSED]
    if name not in names or not ioformats[name].can_read:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else "`ase info --formats` lists them"
        raise AenetError(f"--format {name}: ASE reads no such format; {hint}")
    return name


def _check_lammps(place: str, atoms: Any) -> None:
    """Raise InputError if ASE read types of atoms as atomic numbers, and discard the zero energies it sets in dumps."""
    types = atoms.arrays.get("type")
    if types is not None and "masses" not in atoms.arrays and (types == atoms.numbers).all():
        message = "this file has types of atoms, but neither elements nor masses to tell their species"
        raise InputError(place, message)
    if atoms.calc is not None and atoms.calc.results.get("energy") == 0.0:
        del atoms.calc.results["energy"]


def _structure(name: str, atoms: Any) -> Structure:
    return from_atoms(atoms, name, {} if atoms.calc is None else atoms.calc.results)
