"""A training's folder, and how good its potentials are."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from aenet_py.errors import AenetError
from aenet_py.formats import trained
from aenet_py.formats.trained import Energies, Forces, LearningCurve

SETS = ("train", "test")
ENERGY, FORCE = "energy_eV_per_atom", "force_eV_per_A"
QUANTITIES = (ENERGY, FORCE)


@dataclass(frozen=True)
class Trained:
    """What a training left in a folder: its errors by epoch and, of the training and the test set, energies and forces,
    by the name of the set, each where it is there.
    """

    folder: str
    errors: LearningCurve | None
    energies: dict[str, Energies]
    forces: dict[str, Forces]

    def values(self, quantity: str, part: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Reference and prediction (n,) of a set, eV/atom or, components of forces, eV/Å; None without them."""
        found: Energies | Forces | None = (self.energies if quantity == ENERGY else self.forces).get(part)
        return None if found is None else (found.reference.ravel(), found.predicted.ravel())

    def deviations(self, quantity: str, part: str) -> dict[tuple[str, int], float]:
        """Absolute error of each structure, eV/atom or, averaged over its forces' components, eV/Å.

        Structures by their path, and how many of that path came before.
        """
        found: Energies | Forces | None = (self.energies if quantity == ENERGY else self.forces).get(part)
        if found is None:
            return {}
        errors = np.abs(found.predicted - found.reference)
        if isinstance(found, Forces):
            errors = np.array([errors[a:b].mean() for a, b in zip(found.starts[:-1], found.starts[1:], strict=True)])
        keyed: dict[tuple[str, int], float] = {}
        seen: dict[str, int] = {}
        for path, error in zip(found.paths, errors.tolist(), strict=True):
            keyed[path, seen.get(path, 0)] = error
            seen[path] = seen.get(path, 0) + 1
        return keyed


@dataclass(frozen=True)
class Quality:
    """Root mean square, mean absolute and largest error, and the coefficient of determination, NaN if all references
    are the same, of n values.
    """

    n: int
    rmse: float
    mae: float
    max_error: float
    r2: float


def read(folder: str) -> Trained:
    """Read what is there; AenetError if there is nothing, or something else."""
    if not os.path.isdir(folder):
        raise AenetError(f"{folder}: no such folder; expected that of a training")

    def path(name: str) -> str | None:
        full = os.path.join(folder, name)
        return full if os.path.exists(full) and os.path.getsize(full) else None

    errors = path("train.error")
    energies = {part: found for part in SETS if (found := path(f"energies.{part}"))}
    forces = {part: found for part in SETS if (found := path(f"forces.{part}"))}
    if errors is None and not energies and not forces:
        raise AenetError(f"{folder}: found no train.error, energies.* or forces.*; expected those of a training")
    return Trained(
        folder,
        None if errors is None else trained.read_errors(errors),
        {part: trained.read_energies(found) for part, found in energies.items()},
        {part: trained.read_forces(found) for part, found in forces.items()},
    )


def quality(reference: np.ndarray, found: np.ndarray) -> Quality:
    """How good predictions (n,) are."""
    errors = found - reference
    spread = ((reference - reference.mean()) ** 2).sum()
    r2 = 1.0 - (errors**2).sum() / spread if spread > 0 else np.nan
    size = np.abs(errors)
    return Quality(len(errors), float(np.sqrt((errors**2).mean())), float(size.mean()), float(size.max()), float(r2))


def qualities(run: Trained) -> dict[tuple[str, str], Quality]:
    """By quantity and set, of those that are there."""
    found = {}
    for quantity in QUANTITIES:
        for part in SETS:
            values = run.values(quantity, part)
            if values is not None:
                found[quantity, part] = quality(*values)
    return found


def row(quantity: str, part: str, found: Quality) -> dict[str, object]:
    """A row of a table of errors; the quantity names the unit of all but n and r2."""
    values = {"quantity": quantity, "set": part, **vars(found)}
    return {name: "" if value != value else value for name, value in values.items()}


COLUMNS = ("quantity", "set", "n", "rmse", "mae", "max_error", "r2")
