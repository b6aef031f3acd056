"""Databases of ASE (.db, .json), frame by frame.  They need ase, which is imported when one is opened."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from aenet_py.elements import SYMBOLS
from aenet_py.errors import AenetError, InputError
from aenet_py.formats.frames import Skip, frame_name, good
from aenet_py.structure import Frame, energy_of, species_of_atoms

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
    from ase.db import connect

    try:
        yield from connect(path, use_lock_file=False).select()
    except MemoryError:
        raise
    except Exception as error:  # ASE's readers raise whatever they come across
        raise AenetError(f"{path}: cannot be read: {reason(error)}; expected {WHAT}") from None


def reason(error: Exception) -> str:
    """An error of ASE in one line; its kind where the text alone tells nothing."""
    text = " ".join(str(error).split())[:300]
    return text if " " in text else f"{type(error).__name__} {text}".strip()


def _frame(path: str, row: Any) -> Frame:
    name = frame_name(path, row.id)
    try:
        values = (
            row.numbers, row.positions, row.cell, row.pbc, energy_of(row), row.get("forces"),
            row.get("tags"), row.data.get("system") if row.get("data") else None,
        )  # fmt: skip
    except Exception as error:  # as above: some values are decoded only now
        raise InputError(name, f"cannot be read: {reason(error)}") from None
    return checked_frame(name, *values)


def checked_frame(
    name: str, numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray, pbc: Sequence, energy: float | None,
    forces: np.ndarray | None, tags: np.ndarray | None, system: str | None,
) -> Frame:  # fmt: skip
    """What ASE holds as a frame of this name; InputError for atomic numbers of no element, or as `Frame` raises it.

    numbers : (n_atoms,), atomic; cell : (3, 3) Å, zeros where there is none; others : as in `Frame`.
    """
    wrong = [number for number in numbers.tolist() if not 1 <= number <= len(SYMBOLS)]
    if wrong or not len(numbers):
        raise InputError(name, f"found {f'atomic number {wrong[0]}' if wrong else 'no atoms'}; expected elements")
    symbols, species = species_of_atoms([SYMBOLS[number - 1] for number in numbers.tolist()])
    x, y, z = (bool(p) for p in pbc)
    return Frame(
        path=name,
        symbols=symbols,
        species=species,
        positions=positions,
        cell=cell if np.any(cell) else None,
        pbc=(x, y, z),
        energy=None if energy is None else float(energy),
        forces=forces,
        tags=None if tags is None else np.asarray(tags, dtype=np.int64),
        system=system,
    )


@contextlib.contextmanager
def writing(path: str, output: str) -> Iterator[Callable[[Frame], None]]:
    """A new database; what is yielded adds a structure.

    output : what path is called in errors.  AenetError where the database cannot take a structure, on a full disk say.
    """
    import sqlite3

    from ase.db import connect

    try:
        with connect(path, append=False, use_lock_file=False) as database:
            yield functools.partial(_write, database)
    except (sqlite3.Error, OSError) as error:
        raise AenetError(f"{output}: cannot be written: {getattr(error, 'strerror', None) or error}") from None


def _write(database: Any, frame: Frame) -> None:
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator

    atoms = Atoms(frame.names(), frame.positions, cell=frame.cell, pbc=frame.pbc, tags=frame.tags)
    results = {name: getattr(frame, name) for name in ("energy", "forces") if getattr(frame, name) is not None}
    if results:
        atoms.calc = SinglePointCalculator(atoms, **results)
    database.write(atoms, data={"system": frame.system} if frame.system is not None else {})
