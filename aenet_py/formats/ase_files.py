"""Files in any format that ASE reads, structure by structure.  They need ase, which is imported when one is opened."""

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
    """The structures of a file, called `file#index`; energy and forces are the calculator's results.

    Constraints change no force.  format_name : as in `images`; reference, skip : as in `frames.good`.  Behind a
    structure that ASE cannot read the rest of the file is lost, and counts as one that is skipped.
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
    """The structures of a file as ase.Atoms.

    format_name : ASE's name of the format; None detects it as ASE does.  index : which structures.  AenetError if there
    is no such file or format; InputError, with ASE's reason, for what ASE cannot read, and for a file without any
    structure unless index asks for one by its number.
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
    found = iread(path, index, name, parallel=False, do_not_split_by_at_sign=True)
    n_read = 0
    while True:
        place = frame_name(path, n_read) if n_read else path
        try:
            atoms = next(found, None)
        except MemoryError:
            raise
        except Exception as error:  # ASE's readers raise whatever they come across
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
    """The format that ASE takes a file for, by its name or its first bytes."""
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
    """The name of a format that ASE reads; AenetError for another name."""
    from ase.io.formats import ioformats

    names = [each for each in ioformats if each not in REFUSED]
    if name not in names or not ioformats[name].can_read:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else "`ase info --formats` lists them"
        raise AenetError(f"--format {name}: ASE reads no such format; {hint}")
    return name


def _check_lammps(place: str, atoms: Any) -> None:
    """InputError where ASE takes types of atoms for atomic numbers; it also sets the energies of dumps to zero."""
    types = atoms.arrays.get("type")
    if types is not None and "masses" not in atoms.arrays and (types == atoms.numbers).all():
        message = "this file has types of atoms, but neither elements nor masses; their species are unknown"
        raise InputError(place, message)
    if atoms.calc is not None and atoms.calc.results.get("energy") == 0.0:
        del atoms.calc.results["energy"]


def _structure(name: str, atoms: Any) -> Structure:
    return from_atoms(atoms, name, {} if atoms.calc is None else atoms.calc.results)
