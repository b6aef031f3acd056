"""Databases of ASE (.db, .json), frame by frame.  They need ase, which is imported when one is opened."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from aenet_py.elements import SYMBOLS
from aenet_py.errors import AenetError, InputError
from aenet_py.formats.frames import Skip, frame_name, good
from aenet_py.structure import Frame, species_of_atoms

ENDINGS = (".db", ".json")
WHAT = "a database of ASE"


def is_database(path: str) -> bool:
    return path.lower().endswith(ENDINGS)


def read(path: str, reference: bool = True, skip: Skip | None = None) -> Iterator[Frame]:
    """The structures of a database, called `file#id`; energy and forces are the calculator's results.

    Constraints change no force.  reference, skip : as in `frames.good`.
    """
    if not os.path.isfile(path):
        raise AenetError(f"{path}: no such file; expected {WHAT}")
    for row in _rows(path):
        frame = good(functools.partial(_frame, path, row), reference, skip)
        if frame is not None:
            yield frame


def _rows(path: str) -> Iterator[Any]:
    import sqlite3

    from ase.db import connect
    from ase.io.formats import UnknownFileTypeError

    try:
        yield from connect(path, use_lock_file=False).select()
    except (sqlite3.Error, OSError, ValueError, KeyError, AssertionError, UnknownFileTypeError) as error:
        raise AenetError(f"{path}: cannot be read: {error or 'its content makes no sense'}; expected {WHAT}") from None


def _frame(path: str, row: Any) -> Frame:
    name = frame_name(path, row.id)
    numbers = row.numbers.tolist()
    wrong = [number for number in numbers if not 1 <= number <= len(SYMBOLS)]
    if wrong or not numbers:
        raise InputError(name, f"found {f'atomic number {wrong[0]}' if wrong else 'no atoms'}; expected elements")
    energy, forces = row.get("energy", row.get("free_energy")), row.get("forces")
    values = [np.asarray(row.positions, dtype=np.float64), np.asarray(row.cell, dtype=np.float64)]
    values += [] if forces is None else [np.asarray(forces, dtype=np.float64)]
    if not all(np.isfinite(each).all() for each in values) or not (energy is None or np.isfinite(energy)):
        raise InputError(name, "found a value that is no number; expected finite ones")
    symbols, species = species_of_atoms([SYMBOLS[number - 1] for number in numbers])
    x, y, z = (bool(p) for p in row.pbc)
    if (x or y or z) and not values[1].any():
        raise InputError(name, "it is periodic, but has no cell; expected cell vectors in Å")
    return Frame(
        path=name,
        symbols=symbols,
        species=species,
        positions=values[0],
        cell=values[1] if values[1].any() else None,
        pbc=(x, y, z),
        energy=None if energy is None else float(energy),
        forces=None if forces is None else values[2],
        tags=None if row.get("tags") is None else np.asarray(row.tags, dtype=np.int64),
        system=row.data.get("system") if row.get("data") else None,
    )


def connect_new(path: str) -> Any:
    """A database to write to; `with` it, everything is written at once."""
    from ase.db import connect

    return connect(path, append=False, use_lock_file=False)


def write(database: Any, frame: Frame) -> None:
    """Add a structure; AenetError where the database cannot take it, on a full disk say."""
    import sqlite3

    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator

    atoms = Atoms(frame.names(), frame.positions, cell=frame.cell, pbc=frame.pbc, tags=frame.tags)
    results = {name: getattr(frame, name) for name in ("energy", "forces") if getattr(frame, name) is not None}
    if results:
        atoms.calc = SinglePointCalculator(atoms, **results)
    try:
        database.write(atoms, data={"system": frame.system} if frame.system is not None else {})
    except (sqlite3.Error, OSError) as error:
        raise AenetError(f"{database.filename}: cannot be written: {error}") from None
