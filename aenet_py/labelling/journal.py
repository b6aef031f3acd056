"""The folder of labels: the calculator that they belong to, and a line for each label or failure.

    settings.json      the calculator
    labels.jsonl       {"key": ..., "energy": ..., "forces": ..., "stress": ...} or {"key": ..., "failed": reason}

A line is written at once when its calculation has ended.  An incomplete last line, of a process that was killed while
writing it, is removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator
from typing import Any

from ase import Atoms

from aenet_py.errors import AenetError, InputError
from aenet_py.labelling.compute import Failure, Label, checked
from aenet_py.labelling.structures import INITIAL, TOTALS
from aenet_py.runtime import locks
from aenet_py.runtime.output import PendingFile

SETTINGS, LABELS, WORK = "settings.json", "labels.jsonl", "work"
PROGRAM = "aenet-py label"
SYNC_EVERY = 1.0  # s
DIGITS = 32
OPEN = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)


def key_of(atoms: Atoms) -> str:
    """Of all that a label depends on: species, positions, cell and periodicity, initial charges and moments."""
    found = hashlib.sha256()
    for array in (
        atoms.numbers.astype("<i8"), atoms.positions.astype("<f8"), atoms.cell.array.astype("<f8"), atoms.pbc,
    ):  # fmt: skip
        found.update(array.tobytes())
    for name in INITIAL:
        if atoms.has(name) and atoms.get_array(name).any():
            found.update(name.encode() + atoms.get_array(name).astype("<f8").tobytes())
    for name in TOTALS:
        if name in atoms.info:
            found.update(f"{name}={atoms.info[name]}".encode())
    return found.hexdigest()[:DIGITS]


class Journal:
    """The labels of a folder by key, which is locked.

    Parameters
    ----------
    folder
        The folder, which exists.
    """

    def __init__(self, folder: str):
        self.folder = folder
        self.path = os.path.join(folder, LABELS)
        self.found: dict[str, Label | Failure] = {}
        self._synced = time.monotonic()
        length = self._read()
        try:
            self._fd = os.open(self.path, OPEN, 0o666)
            os.ftruncate(self._fd, length)
        except OSError as error:
            raise AenetError(f"{self.path}: cannot be written: {error.strerror}") from None

    @property
    def labels(self) -> dict[str, Label]:
        """The labels, without failures."""
        return {key: each for key, each in self.found.items() if isinstance(each, Label)}

    def add(self, key: str, result: Label | Failure) -> None:
        """Store a label or a failure."""
        self.found[key] = result
        stored: dict[str, Any] = {"key": key}
        if isinstance(result, Failure):
            stored["failed"] = result.reason
        else:
            stress = None if result.stress is None else result.stress.tolist()
            stored |= {"energy": result.energy, "forces": result.forces.tolist(), "stress": stress}
        line = (json.dumps(stored) + "\n").encode()
        try:
            while line:
                line = line[os.write(self._fd, line) :]
            if time.monotonic() - self._synced > SYNC_EVERY:
                os.fsync(self._fd)
                self._synced = time.monotonic()
        except OSError as error:
            raise AenetError(f"{self.path}: cannot be written: {error.strerror}") from None

    def clear(self) -> None:
        """Forget everything."""
        self.found.clear()
        os.ftruncate(self._fd, 0)

    def close(self) -> None:
        """Make sure that all is on the disk."""
        with contextlib.suppress(OSError):
            os.fsync(self._fd)
        os.close(self._fd)

    def _read(self) -> int:
        """Read the lines; the number of bytes of complete ones."""
        try:
            with open(self.path, "rb") as file:
                length = 0
                for number, line in enumerate(file, 1):
                    if not line.endswith(b"\n"):
                        break
                    key, self.found[key] = self._line(line, number)  # the last one counts
                    length += len(line)
                return length
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise AenetError(f"{self.path}: cannot be read: {error.strerror}") from None

    def _line(self, line: bytes, number: int) -> tuple[str, Label | Failure]:
        try:
            stored = json.loads(line)
            key = stored["key"]
            if "failed" in stored:
                return key, Failure(str(stored["failed"]))
            result = checked(stored["energy"], stored["forces"], stored["stress"], len(stored["forces"]))
        except (ValueError, KeyError, TypeError):
            result = Failure("")
        if isinstance(result, Failure):
            raise InputError(self.path, "not a label; remove this line to compute it again", number)
        return key, result


@contextlib.contextmanager
def opened(folder: str, calculator: str) -> Iterator[Journal]:
    """Lock a folder, created if necessary, whose labels belong to a calculator.

    Parameters
    ----------
    folder
        For the labels.
    calculator
        Its specification in a line.

    Yields
    ------
    Journal

    Raises
    ------
    AenetError
        If it cannot be written, has labels of another calculator, or is in use.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise AenetError(f"{folder}: the folder for the labels cannot be created: {error.strerror}") from None
    with locks.held(os.path.join(folder, SETTINGS), PROGRAM):
        journal = Journal(folder)
        try:
            _compare(os.path.join(folder, SETTINGS), calculator, journal)
            yield journal
        finally:
            journal.close()


def _compare(path: str, calculator: str, journal: Journal) -> None:
    """Write the calculator, or compare it with the one that is there.  Failures of another one are forgotten."""
    try:
        with open(path, encoding="utf-8") as file:
            before = json.load(file)["calculator"]
    except FileNotFoundError:
        before = None
    except OSError as error:
        raise AenetError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise AenetError(f"{path}: not the settings of labels; choose another folder") from None
    if before == calculator:
        return
    if journal.labels:
        raise AenetError(f"{path}: the labels there are of {before}, not of {calculator}; choose another folder")
    journal.clear()
    with PendingFile(path) as pending:
        pending.write((json.dumps({"calculator": calculator}, indent=2) + "\n").encode())
        pending.complete(replace=True)
