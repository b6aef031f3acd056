"""The files of a simulation: NAME.extxyz (frames) and NAME.csv (log) grow, NAME.restart says how to go on.

A state holds the lengths of the two others when it was saved, so that they are cut there before a simulation goes on:
whatever stopped it, they come out as without a break.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from aenet_py.errors import AenetError
from aenet_py.runtime import locks
from aenet_py.runtime.output import PendingFile, already_exists

if TYPE_CHECKING:
    from typing_extensions import Self

ENDINGS = ("extxyz", "csv")
COUNTS = ("step", "atoms_outside", "features_outside")


@dataclass(frozen=True)
class State:
    """All that a simulation needs to go on.

    step; positions (n_atoms, 3) Å; momenta (n_atoms, 3), ASE's units; random : state of the generator; transferred :
    eV, from the thermostat; searched_at : (n_atoms, 3) Å, see `ANNCalculator`; fragments : at the beginning;
    broken : why it cannot go on, empty if it can.
    """

    step: int
    positions: np.ndarray
    momenta: np.ndarray
    random: Mapping[str, Any]
    transferred: float
    searched_at: np.ndarray | None
    fragments: int | None
    broken: str


class Files:
    """The files called name, for writing; `state` is the one to go on from, None at the beginning.

    columns : of the log; restart : go on from what is there; mark : what a simulation that goes on must have in common
    with its beginning, by name.  AenetError if files exist, without restart, or do not fit, with it, or if another
    simulation writes them.
    """

    def __init__(self, name: str, columns: Sequence[str], restart: bool, mark: Mapping[str, Any]):
        self._paths, self._state_path = [f"{name}.{ending}" for ending in ENDINGS], f"{name}.restart"
        self._columns, self._mark = columns, mark
        self.state: State | None = None
        lengths = [0, 0]
        with contextlib.ExitStack() as stack:
            stack.enter_context(locks.held(self._state_path, "aenet-py md"))
            if restart:
                self.state, lengths = _read(self._state_path, mark)
            else:
                for path in (*self._paths, self._state_path):
                    if os.path.exists(path):
                        raise already_exists(path)
                with PendingFile(self._state_path):
                    pass
            self._files = [
                stack.enter_context(_opened(path, length if restart else None))
                for path, length in zip(self._paths, lengths, strict=True)
            ]
            self._stack = stack.pop_all()
        if not restart:
            self._write(1, (",".join(columns) + "\n").encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def append(self, atoms: Atoms, row: Mapping[str, float], energy: float, forces: np.ndarray) -> None:
        """Add a frame and a row of the log."""
        frame = atoms.copy()
        frame.info = {name: _plain(name, value) for name, value in row.items() if name in ("step", "time_ps")}
        frame.calc = SinglePointCalculator(frame, energy=energy, forces=forces)
        text = io.StringIO()
        write(text, frame, format="extxyz")
        self._write(0, text.getvalue().encode())
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(_plain(name, row[name]) for name in self._columns)
        self._write(1, line.getvalue().encode())

    def save(self, state: State) -> None:
        """Save the state."""
        for path, file in zip(self._paths, self._files, strict=True):
            with _writing(path):
                file.flush()
        stored = {"mark": self._mark, "lengths": [file.tell() for file in self._files], **dataclasses.asdict(state)}
        with PendingFile(self._state_path) as pending:
            pending.write((json.dumps(stored, default=np.ndarray.tolist) + "\n").encode())
            pending.complete(replace=True)

    def _write(self, place: int, data: bytes) -> None:
        with _writing(self._paths[place]):
            self._files[place].write(data)


def _plain(name: str, value: float) -> object:
    """A value as the log shows it: counts without a point, nothing for what is not known."""
    if math.isnan(value):
        return ""
    return int(value) if name in COUNTS else float(value)


@contextlib.contextmanager
def _writing(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AenetError(f"{path}: cannot be written: {error.strerror}") from None


@contextlib.contextmanager
def _opened(path: str, length: int | None) -> Iterator[BinaryIO]:
    """A new file (None) or one that is cut to a length, to write on."""
    with _writing(path):
        file = open(path, "xb" if length is None else "r+b")  # noqa: SIM115
    try:
        if length is not None:
            if os.path.getsize(path) < length:
                raise AenetError(f"{path}: found {os.path.getsize(path)} bytes; expected the {length} written before")
            with _writing(path):
                file.truncate(length)
                file.seek(length)
        yield file
    finally:
        with _writing(path):
            file.close()


def _read(path: str, mark: Mapping[str, Any]) -> tuple[State, list[int]]:
    """The state and the lengths of the other files."""
    try:
        with open(path, encoding="utf-8") as file:
            stored = json.load(file)
        found, lengths = stored.pop("mark"), [int(length) for length in stored.pop("lengths")]
        arrays = {k: np.array(stored[k]) for k in ("positions", "momenta", "searched_at") if stored[k] is not None}
        state = State(**{**stored, **arrays})
    except FileNotFoundError:
        raise AenetError(f"{path}: no such file; expected the state of a simulation to go on from") from None
    except OSError as error:
        raise AenetError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise AenetError(f"{path}: found something else; expected the state of a simulation") from None
    for name, value in mark.items():
        if found.get(name) != value:
            reason = f"found {name} {value}; expected {found.get(name)}"
            if name in ("structure", "potentials"):
                reason = f"found another {name}; expected the same" if name == "structure" else "found other potentials"
            raise AenetError(f"{path}: {reason}, as at the beginning of this simulation")
    if state.broken:
        raise AenetError(f"{path}: this simulation cannot go on: {state.broken}")
    return state, lengths
