"""One structure: a calculator's energy, forces and stress, or the reason why there are none.

Atoms, calculator ─computed─> Label or Failure
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError

from aenet_py.errors import AenetError, in_a_line

OUTPUT = "output.txt"
LONGEST = 300  # characters of a reason


@dataclass(frozen=True)
class Label:
    """What a calculator returned for a structure.

    Parameters
    ----------
    energy
        eV.
    forces
        (n_atoms, 3) eV/Å.
    stress
        (6,) eV/Å³ in Voigt order; None if there is none.
    """

    energy: float
    forces: np.ndarray
    stress: np.ndarray | None = None


@dataclass(frozen=True)
class Failure:
    """Why a structure has no label.

    Parameters
    ----------
    reason
        What happened.
    place
        The file or folder that is wrong, if there is one.
    """

    reason: str
    place: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}" if self.place else self.reason


def computed(atoms: Atoms, calculator: Any, folder: str) -> Label | Failure:
    """Compute a label.

    Parameters
    ----------
    atoms
        The structure, which is not changed.
    calculator
        A calculator of ASE.
    folder
        For its files, if it writes any, and the traceback of an error.

    Returns
    -------
    Label or Failure
        A failure if the calculator raises an error, says that it did not converge, or returns numbers that are not
        finite.
    """
    atoms = atoms.copy()
    try:
        if hasattr(calculator, "reset"):
            calculator.reset()
        if hasattr(calculator, "directory"):
            calculator.directory = type(calculator.directory)(folder)
        atoms.calc = calculator
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            energy, forces = atoms.get_potential_energy(), atoms.get_forces(apply_constraint=False)
            stress = _stress(atoms, calculator)
    except MemoryError:
        return Failure("not enough memory")
    except AenetError as error:
        return Failure(shortened(error))
    except Exception as error:  # calculators raise errors of any class
        sys.stdout.flush()
        with open(os.path.join(folder, OUTPUT), "a", encoding="utf-8") as file:
            traceback.print_exc(file=file)
        return Failure(f"{type(error).__name__}: {shortened(error)}" if str(error).strip() else type(error).__name__)
    if getattr(calculator, "converged", None) is False:
        return Failure("not converged")
    return checked(energy, forces, stress, len(atoms))


def checked(energy: Any, forces: Any, stress: Any, n_atoms: int) -> Label | Failure:
    """A label from results, if they are finite numbers of the right shapes."""
    try:
        number, array = float(energy), np.array(forces, dtype=float)
        tensor = None if stress is None else np.array(stress, dtype=float)
    except (TypeError, ValueError):
        return Failure("energy, forces or stress are not numbers")
    if array.shape != (n_atoms, 3):
        return Failure(f"forces have shape {array.shape}, not {(n_atoms, 3)}")
    for name, values in (("energy", number), ("forces", array), ("stress", tensor)):
        if values is not None and not np.isfinite(values).all():
            return Failure(f"{name} not finite")
    return Label(number, array, tensor)


def shortened(error: Exception) -> str:
    """The first line of a message, not too long."""
    return in_a_line(error)[:LONGEST]


def _stress(atoms: Atoms, calculator: Any) -> np.ndarray | None:
    """Of structures that are periodic in three directions, if the calculator has it."""
    if not atoms.pbc.all() or "stress" not in getattr(calculator, "implemented_properties", ()):
        return None
    with contextlib.suppress(PropertyNotImplementedError):  # not in this mode
        return atoms.get_stress(voigt=True, apply_constraint=False)
    return None


def new_folder(place: str) -> None:
    """Create an empty folder for the files of a calculation."""
    remove(place)
    try:
        os.makedirs(place)
    except OSError as error:
        raise AenetError(f"{place}: cannot be created: {error.strerror}") from None


def remove(place: str) -> None:
    """Remove a folder with all files in it."""
    shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def printing_to(path: str) -> Iterator[None]:
    """Send all that this process and the programs that it starts print to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(1), os.dup(2)]
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        os.dup2(file, 1)
        os.dup2(file, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for each in (*saved, file):
            os.close(each)
