"""Databases of ASE (.db, .json).  They require ase, which is imported when one is opened."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
from collections.abc import Callable, Iterator
from typing import Any

from aenet_py.errors import AenetError, InputError
from aenet_py.formats.frames import Skip, frame_name, good
from aenet_py.formats.source import Advance, unwatched
from aenet_py.structure import Structure, constraints_of, from_atoms

ENDINGS = (".db", ".json")
WHAT = "a database of ASE"


def is_database(path: str) -> bool:
    return path.lower().endswith(ENDINGS)


def read(
    path: str, reference: bool = True, skip: Skip | None = None, advance: Advance = unwatched
) -> Iterator[Structure]:
    """Read the structures of a database, named `file#id`, with the calculator's energy and forces.

    Constraints do not change forces.  reference, skip : as in `frames.good`; advance : told the bytes read, where every
    structure counts as an equal share of the file.
    """
    _check(path)
    size = os.path.getsize(path)
    for number, n_rows, row in _rows(path):
        advance(size * number // n_rows - size * (number - 1) // n_rows)
        frame = good(functools.partial(_structure, path, row), reference, skip)
        if frame is not None:
            yield frame


def numbered(path: str) -> Iterator[tuple[int, Structure]]:
    """The same structures, each with the id of its row; energy and forces may be missing."""
    _check(path)
    for _, _, row in _rows(path):
        yield row.id, _structure(path, row)


def ids(path: str) -> tuple[int, ...]:
    """The id of each row, in order; AenetError if there is none."""
    _check(path)
    found = tuple(row.id for _, _, row in _rows(path, ["id"]))
    if not found:
        raise AenetError(f"{path}: no structures found; expected some in {WHAT}")
    return found


def _check(path: str) -> None:
    if not os.path.isfile(path):
        raise AenetError(f"{path}: no such file; expected {WHAT}")
    check_ase(path, "databases of ASE require")


def check_ase(path: str, what: str) -> None:
    """Raise AenetError unless ase is installed; what : requires it, for the message."""
    if importlib.util.find_spec("ase") is None:
        raise AenetError(f"{path}: {what} ase; install it with pip install 'aenet_py[ase]'")


def _rows(path: str, columns: str | list[str] = "all") -> Iterator[tuple[int, int, Any]]:
    """The rows of a database with some columns, each with its number, from 1, and the number of all rows."""
    from ase.db import connect

    try:
        database = connect(path, use_lock_file=False)
        n_rows = database.count()
        for number, row in enumerate(database.select(columns=columns), 1):
            yield number, n_rows, row
    except MemoryError:
        raise
    except Exception as error:  # ASE's readers raise errors of any class
        raise AenetError(f"{path}: not a valid ASE database: {reason(error)}") from None


def reason(error: Exception) -> str:
    """An error of ASE in one line, with its class if the message is a single word."""
    text = " ".join(str(error).split())[:300]
    return text if " " in text else f"{type(error).__name__} {text}".strip()


def _structure(path: str, row: Any) -> Structure:
    from ase import Atoms

    name = frame_name(path, row.id)
    try:
        atoms = Atoms(
            row.numbers, row.positions, cell=row.cell, pbc=row.pbc, tags=row.get("tags"), constraint=row.constraints
        )
        atoms.info.update(row.key_value_pairs)
        results = {key: row.get(key) for key in ("energy", "free_energy", "forces", "stress")}
        system = row.data.get("system") if row.get("data") else None
    except Exception as error:  # as above; some values are decoded only here
        raise InputError(name, f"cannot be read: {reason(error)}") from None
    return from_atoms(atoms, name, results, system)


@contextlib.contextmanager
def writing(path: str, output: str) -> Iterator[Callable[[Structure], None]]:
    """Create a database; the function that is yielded adds a structure.

    output : name of the file in errors.  AenetError if a structure cannot be written, for example on a full disk.
    """
    import sqlite3

    from ase.db import connect

    try:
        with connect(path, append=False, use_lock_file=False) as database:
            yield functools.partial(_write, database)
    except (sqlite3.Error, OSError) as error:
        raise AenetError(f"{output}: cannot be written: {getattr(error, 'strerror', None) or error}") from None


def _write(database: Any, frame: Structure) -> None:
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.stress import full_3x3_to_voigt_6_stress

    atoms = Atoms(
        frame.names(), frame.positions, cell=frame.cell, pbc=frame.pbc, tags=frame.tags,
        constraint=constraints_of(frame.fixed),
    )  # fmt: skip
    known = {"energy": frame.energy, "forces": frame.forces}
    if frame.stress is not None:
        known["stress"] = full_3x3_to_voigt_6_stress(frame.stress)
    results = {name: value for name, value in known.items() if value is not None}
    if results:
        atoms.calc = SinglePointCalculator(atoms, **results)
    database.write(atoms, data={"system": frame.system} if frame.system is not None else {})
