"""The folder of a training, and the errors of its potentials."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aenet_py.errors import AenetError
from aenet_py.formats import trained
from aenet_py.formats.trained import Energies, Forces, LearningCurve

SETS = ("train", "test")
ENERGY, FORCE, STRESS = "energy_eV_per_atom", "force_eV_per_A", "stress_eV_per_A3"
QUANTITIES = (ENERGY, FORCE)  # in the tables of a training
N_TABLES = 5  # of a training


@dataclass(frozen=True)
class Trained:
    """Results of a training in a folder: errors by epoch, and energies and forces by set, where available.

    watched : the set whose errors by epoch stand beside those of the training set, ``"test"`` or ``"validation"``.
    """

    folder: str
    errors: LearningCurve | None
    energies: dict[str, Energies]
    forces: dict[str, Forces]
    watched: str = "test"

    def values(self, quantity: str, part: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Reference and prediction (n,) of a set: energies, eV/atom, or force components, eV/Å; None without them."""
        table: Energies | Forces | None = (self.energies if quantity == ENERGY else self.forces).get(part)
        if table is None:
            return None
        known = ~np.isnan(table.reference)
        return table.reference[known], table.predicted[known]

    def deviations(self, quantity: str, part: str) -> dict[tuple[str, int], float]:
        """Absolute error of each structure, eV/atom or, averaged over its force components, eV/Å.

        Structures are identified by their path and the number of structures with the same path before them.
        """
        table: Energies | Forces | None = (self.energies if quantity == ENERGY else self.forces).get(part)
        if table is None:
            return {}
        errors = np.abs(table.predicted - table.reference)
        if isinstance(table, Forces):
            errors = np.array(
                [np.nanmean(errors[a:b]) for a, b in zip(table.starts[:-1], table.starts[1:], strict=True)]
            )
        keyed: dict[tuple[str, int], float] = {}
        seen: dict[str, int] = {}
        for path, error in zip(table.paths, errors.tolist(), strict=True):
            keyed[path, seen.get(path, 0)] = error
            seen[path] = seen.get(path, 0) + 1
        return keyed


@dataclass(frozen=True)
class Quality:
    """Root mean square, mean absolute and largest error of n values, and their coefficient of determination.

    The latter is NaN if all references are equal.
    """

    n: int
    rmse: float
    mae: float
    max_error: float
    r2: float


def read(folder: str, advance: Callable[[int], object] = lambda n: None) -> Trained:  # noqa: ARG005
    """Read the tables of a training; AenetError if there are none, or they are invalid.

    advance : called with 1 for each of the N_TABLES tables, whether it exists or not.
    """
    if not os.path.isdir(folder):
        raise AenetError(f"{folder}: no such folder; give the folder of a training")

    def path(name: str) -> str | None:
        full = os.path.join(folder, name)
        return full if os.path.exists(full) and os.path.getsize(full) else None

    curve = path("train.error")
    energy_files, force_files = ({part: path(f"{kind}.{part}") for part in SETS} for kind in ("energies", "forces"))
    if not any((curve, *energy_files.values(), *force_files.values())):
        raise AenetError(f"{folder}: no train.error, energies.* or forces.* in this folder; give that of a training")
    errors = None if curve is None else trained.read_errors(curve)
    advance(1)
    energies: dict[str, Energies] = {}
    forces: dict[str, Forces] = {}
    for part in SETS:
        if (file := energy_files[part]) is not None:
            energies[part] = trained.read_energies(file)
        advance(1)
        if (file := force_files[part]) is not None:
            forces[part] = trained.read_forces(file)
        advance(1)
    validated = any(path(f"{kind}.validation") for kind in ("energies", "forces"))
    return Trained(folder, errors, energies, forces, "validation" if validated else "test")


def quality(reference: np.ndarray, predicted: np.ndarray) -> Quality:
    """Errors of predictions (n,)."""
    errors = predicted - reference
    spread = ((reference - reference.mean()) ** 2).sum()
    r2 = 1.0 - (errors**2).sum() / spread if spread > 0 else np.nan
    size = np.abs(errors)
    return Quality(len(errors), float(np.sqrt((errors**2).mean())), float(size.mean()), float(size.max()), float(r2))


def qualities(run: Trained) -> dict[tuple[str, str], Quality]:
    """Errors by quantity and set, where available."""
    errors = {}
    for quantity in QUANTITIES:
        for part in SETS:
            values = run.values(quantity, part)
            if values is not None:
                errors[quantity, part] = quality(*values)
    return errors


def row(quantity: str, part: str, errors: Quality) -> dict[str, object]:
    """A row of a table of errors; the unit of all but n and r2 is in the name of the quantity."""
    values = {"quantity": quantity, "set": part, **vars(errors)}
    return {name: "" if value != value else value for name, value in values.items()}


COLUMNS = ("quantity", "set", "n", "rmse", "mae", "max_error", "r2")
