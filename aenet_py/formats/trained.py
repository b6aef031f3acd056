"""Tables written by a training run: train.error, energies.train and .test, forces.train and .test.

train.error    epoch, then errors of the training set and the test set.  With forces: the weighted sum of errors, those
               of energies (eV/atom) and of force vectors (eV/Å); without forces, those of energies only.  Zeros in a
               whole column mean that it was not measured.
energies.*     number of atoms, energy and predicted energy (eV), both per atom (eV/atom), path
forces.*       a line "# atoms error path", and for each atom its index, error, force and predicted force (eV/Å)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.errors import InputError
from aenet_py.formats.text import read_text

ENERGY_COLUMNS, FORCE_COLUMNS = 5, 8


@dataclass(frozen=True)
class LearningCurve:
    """Errors of the training set and the test set by epoch.

    Parameters
    ----------
    epochs : array of int, shape (n,)
    total : array, shape (n, 2)
        Weighted sum of the errors of energies and force vectors.
    energies : array, shape (n, 2)
        RMSE, eV/atom.
    force_vectors : array, shape (n, 2), or None
        RMSE of force vectors, eV/Å; None if no forces were trained.
    """

    epochs: np.ndarray
    total: np.ndarray
    energies: np.ndarray
    force_vectors: np.ndarray | None

    @property
    def forces(self) -> np.ndarray | None:
        """RMSE of force components, (n, 2) eV/Å, or None if no forces were trained."""
        return None if self.force_vectors is None else self.force_vectors / math.sqrt(3.0)


@dataclass(frozen=True)
class Energies:
    """Energies of structures: paths, n_atoms (n,), and reference and predicted energies (n,), eV/atom."""

    paths: tuple[str, ...]
    n_atoms: np.ndarray
    reference: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True)
class Forces:
    """Forces of structures: paths, index of the first atom of each in starts (n + 1,), and reference and predicted
    forces (n_atoms, 3), eV/Å; reference components that are not known are NaN."""

    paths: tuple[str, ...]
    starts: np.ndarray
    reference: np.ndarray
    predicted: np.ndarray


def error_lines(table: Sequence[tuple[int, Sequence[float]]], with_forces: bool) -> str:
    """Lines of train.error; table : epochs, with errors in the order of the columns."""
    lines = []
    for epoch, errors in table:
        pairs = [f"{errors[i]: 12.6f}  {errors[i + 1]: 12.6f}" for i in ((0, 2, 4) if with_forces else (0,))]
        lines.append(f"{epoch: 10d}   {'   '.join(pairs)}\n")
    return "".join(lines)


def energy_line(path: str, n_atoms: int, reference: float, predicted: float) -> str:
    """Line of a structure in energies.train or energies.test; energies in eV."""
    per_atom = f"{reference / n_atoms: 12.6f}  {predicted / n_atoms: 12.6f}"
    return f"{n_atoms:12d}    {reference: 12.6f}  {predicted: 12.6f}  {per_atom}      {path}\n"


def force_lines(path: str, reference: np.ndarray, predicted: np.ndarray) -> Iterator[str]:
    """Lines of a structure in forces.train or forces.test; forces (n_atoms, 3) in eV/Å, NaN where they are not known.

    Errors are those of known components; a third of their number stands for that of the atoms.
    """
    difference = predicted - reference
    known = ~np.isnan(reference)
    squares = np.where(known, difference**2, 0.0)
    yield f"# {len(reference):12d}  {np.sqrt(squares.sum()) / (known.sum() / 3): 12.6f}   {path}\n"
    for atom, error in enumerate(np.sqrt(squares.sum(axis=1))):
        values = [" ".join(f"{value: 12.6f}" for value in row[atom]) for row in (reference, predicted)]
        yield f"{atom:4d}   {error: 12.6f}   {values[0]}   {values[1]} \n"


def read_errors(path: str) -> LearningCurve:
    """Read train.error; InputError for anything else."""
    rows, width = [], 0
    for number, line in enumerate(_lines(path, "a table of errors (train.error)"), 1):
        words = line.split()
        width = width or len(words)
        if len(words) != width or width not in (3, 7):
            raise InputError(path, f"found {line.strip()!r}; expected an epoch and two or six errors", number)
        rows.append(_numbers(path, number, words))
    table = np.array(rows)
    pairs = [table[:, i : i + 2] for i in range(1, width, 2)]
    return LearningCurve(table[:, 0].astype(np.int64), pairs[0], pairs[width == 7], pairs[2] if width == 7 else None)


def read_energies(path: str) -> Energies:
    """Read energies.train or energies.test; InputError for anything else."""
    paths, rows = [], []
    for number, line in enumerate(_lines(path, "a table of energies (energies.*)"), 1):
        words = line.split(None, ENERGY_COLUMNS)
        if len(words) != ENERGY_COLUMNS + 1:
            raise InputError(path, f"found {line.strip()!r}; expected atoms, four energies and a path", number)
        rows.append(_numbers(path, number, words[:ENERGY_COLUMNS]))
        paths.append(words[-1].rstrip())
    table = np.array(rows)
    # The total energies have more digits than those per atom.
    n_atoms = table[:, 0].astype(np.int64)
    if n_atoms.min() < 1:
        raise InputError(path, "found a structure without atoms; expected at least 1", int(np.argmin(n_atoms)) + 1)
    return Energies(tuple(paths), n_atoms, table[:, 1] / n_atoms, table[:, 2] / n_atoms)


def read_forces(path: str) -> Forces:
    """Read forces.train or forces.test; InputError for anything else."""
    lines = _lines(path, "a table of forces (forces.*)")
    paths: list[str] = []
    rows: list[list[float]] = []
    starts = [0]
    number = 0
    while number < len(lines):
        head = lines[number].split(None, 3)
        if len(head) != 4 or head[0] != "#" or not head[1].isdecimal():
            raise InputError(path, f"found {lines[number].strip()!r}; expected '# atoms error path'", number + 1)
        stop = number + 1 + int(head[1])
        if stop > len(lines):
            raise InputError(path, f"found {len(lines) - number - 1} atoms; expected {head[1]}", number + 1)
        for index in range(number + 1, stop):
            words = lines[index].split()
            if len(words) != FORCE_COLUMNS:
                shown = repr(lines[index].strip())
                raise InputError(path, f"found {shown}; expected an atom, its error and two forces", index + 1)
            rows.append(_numbers(path, index + 1, words)[2:])
        paths.append(head[3].rstrip())
        starts.append(len(rows))
        number = stop
    table = np.array(rows).reshape(-1, 6)
    return Forces(tuple(paths), np.array(starts), table[:, :3], table[:, 3:])


def _lines(path: str, what: str) -> list[str]:
    return read_text(path, what).splitlines()


def _numbers(path: str, number: int, words: Sequence[str]) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError:
        raise InputError(path, f"found {' '.join(words)!r}; expected numbers", number) from None
