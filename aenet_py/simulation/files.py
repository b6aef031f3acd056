"""Files of a simulation: NAME.extxyz (trajectory), NAME.csv (log) and NAME.restart (state).

The state holds the lengths of the other two files when it was saved.  A simulation that resumes cuts them there, so
they become identical to those of an uninterrupted one, whatever stopped it.
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

FIXED = "maybe as earlier versions ignored move_mask of extended XYZ"
ENDINGS = ("extxyz", "csv")
COUNTS = ("step", "atoms_outside", "features_outside")


@dataclass(frozen=True)
class SimulationState:
    """All that is needed to resume a simulation.

    Parameters
    ----------
    step
        Steps done.
    positions
        (n_atoms, 3) Å.
    momenta
        (n_atoms, 3) in ASE's units.
    random
        State of the random generator.
    transferred
        Energy from the thermostat, eV.
    searched_at
        (n_atoms, 3) Å, see `ANNCalculator.searched_at`.
    fragments
        Number of fragments at the start.
    broken
        Why the simulation cannot be resumed; empty if it can.
    is_checked
        Whether the last step passed all checks; False after a stop at max_spread, which is checked again.
    """

    step: int
    positions: np.ndarray
    momenta: np.ndarray
    random: Mapping[str, Any]
    transferred: float
    searched_at: np.ndarray | None
    fragments: int | None
    broken: str
    is_checked: bool = True


class Files:
    """The open files of a simulation; `state` is the one to resume from, None at the start.

    Parameters
    ----------
    name
        NAME of the files.
    columns
        Columns of the log.
    restart
        Whether to resume from existing files.
    mark
        What must be the same when the simulation resumes, by name.

    Raises
    ------
    AenetError
        If files exist (without restart) or do not belong to this simulation (with it), or another simulation is
        writing them.
    """

    def __init__(self, name: str, columns: Sequence[str], restart: bool, mark: Mapping[str, Any]):
        self._paths, self._state_path = [f"{name}.{ending}" for ending in ENDINGS], f"{name}.restart"
        self._columns, self._mark = columns, mark
        self.state: SimulationState | None = None
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

    def append(
        self, atoms: Atoms, row: Mapping[str, float], energy: float, forces: np.ndarray,
        arrays: Mapping[str, np.ndarray],
    ) -> None:  # fmt: skip
        """Add a frame and a row of the log; arrays (n_atoms, ...) : further columns of the frame, by name."""
        frame = atoms.copy()
        for name, values in arrays.items():
            frame.arrays[name] = values
        frame.info = {name: _plain(name, value) for name, value in row.items() if name in ("step", "time_ps")}
        frame.calc = SinglePointCalculator(frame, energy=energy, forces=forces)
        text = io.StringIO()
        write(text, frame, format="extxyz")
        self._write(0, text.getvalue().encode())
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(_plain(name, row[name]) for name in self._columns)
        self._write(1, line.getvalue().encode())

    @property
    def lengths(self) -> list[int]:
        """Of the trajectory and the log, bytes."""
        return [file.tell() for file in self._files]

    def save(self, state: SimulationState, lengths: list[int] | None = None) -> None:
        """Replace the saved state; lengths : of the other files when it resumes, by default their present ones."""
        for path, file in zip(self._paths, self._files, strict=True):
            with _writing(path):
                file.flush()
        stored = {"mark": self._mark, "lengths": lengths or self.lengths, **dataclasses.asdict(state)}
        if state.is_checked:
            del stored["is_checked"]
        with PendingFile(self._state_path) as pending:
            pending.write((json.dumps(stored, default=np.ndarray.tolist) + "\n").encode())
            pending.complete(replace=True)

    def _write(self, place: int, data: bytes) -> None:
        with _writing(self._paths[place]):
            self._files[place].write(data)


def is_resumable(name: str) -> bool:
    """Whether NAME.restart is the state of a simulation that had not become unphysical."""
    try:
        with open(f"{name}.restart", encoding="utf-8") as file:
            return json.load(file)["broken"] == ""
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _plain(name: str, value: float) -> object:
    """A value as written to the log: counts without a decimal point, nothing for unknown values."""
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
    """A new file (length None), or an existing one cut to a length, opened for writing."""
    with _writing(path):
        file = open(path, "xb" if length is None else "r+b")  # noqa: SIM115
    try:
        if length is not None:
            if os.path.getsize(path) < length:
                size = f"{os.path.getsize(path)} bytes, less than the {length} bytes written before"
                raise AenetError(f"{path}: this file has {size}; it cannot be continued")
            with _writing(path):
                file.truncate(length)
                file.seek(length)
        yield file
    finally:
        with _writing(path):
            file.close()


def _read(path: str, mark: Mapping[str, Any]) -> tuple[SimulationState, list[int]]:
    """The state and the lengths of the other files."""
    try:
        with open(path, encoding="utf-8") as file:
            stored = json.load(file)
        before, lengths = stored.pop("mark"), [int(length) for length in stored.pop("lengths")]
        arrays = {k: np.array(stored[k]) for k in ("positions", "momenta", "searched_at") if stored[k] is not None}
        state = SimulationState(**{**stored, **arrays})
    except FileNotFoundError:
        raise AenetError(f"{path}: no such file; resuming requires the state that the simulation saved") from None
    except OSError as error:
        raise AenetError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise AenetError(f"{path}: not the state of a simulation") from None
    before.setdefault("precision", "double")  # of earlier versions
    for name, value in mark.items():
        if before.get(name) != value:
            if name in ("structure", "potentials", "uncertainty"):
                raise AenetError(f"{path}: {name} must be the same as at the start of this simulation")
            if name == "constraints" and name in before:
                raise AenetError(f"{path}: the structure fixes other atoms than this simulation, {FIXED}; start anew")
            message = f"{name} must be {before.get(name)}, as at the start of this simulation, not {value}"
            raise AenetError(f"{path}: {message}")
    if state.broken:
        raise AenetError(f"{path}: this simulation cannot be resumed: {state.broken}")
    return state, lengths
