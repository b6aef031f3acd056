"""Shared parts of the studies: set-ups, errors of potentials, and tables."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aenet_py import evaluate
from aenet_py.potentials.members import Potentials
from aenet_py.structure import Structure

DATA = Path(__file__).parent / "data"  # structures with GFN1-xTB energies and forces, from reference.py
FIRST = 673  # frames of the first trajectory with one molecule; the others start from it
FRAME = 0.01  # ps between frames of trajectories
JUDGED = 300  # frames of six molecules at the start of the trajectory, from which those that judge are taken
DRAW = "only draw the figure from the tables in FOLDER"
TARGET = ("Cu", "Au", "O", "H")
LAYERS = ((15, "tanh"), (15, "tanh"))


@dataclass(frozen=True)
class Basis:
    """Chebyshev descriptor: cutoffs (Å) and orders of its radial and angular part."""

    radial_cutoff: float = 8.0
    radial_order: int = 15
    angular_cutoff: float = 5.0
    angular_order: int = 5

    @property
    def n_features(self) -> int:
        """Number of features: both parts twice, with and without the weights of the species."""
        return 2 * (self.radial_order + 1) + 2 * (self.angular_order + 1)


def setups(
    folder: Path, species: Sequence[str], basis: Basis = Basis(), environment: Sequence[str] | None = None
) -> dict[str, str]:
    """Write the set-up of each species to a folder, and return their paths.

    environment : species of neighbours; by default the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    around = species if environment is None else environment
    env = "\n".join([f"ENV {len(around)}", *around])
    terms = (
        f"BASIS type=Chebyshev\nradial_Rc = {basis.radial_cutoff} radial_N = {basis.radial_order} "
        f"angular_Rc = {basis.angular_cutoff} angular_N = {basis.angular_order}\n"
    )
    found = {}
    for symbol in species:
        path = folder / f"{symbol}.stp"
        path.write_text(f"DESCR\n{symbol}\nEND DESCR\nATOM {symbol}\n{env}\nRMIN 0.35\n{terms}")
        found[symbol] = str(path)
    return found


def errors(potentials: Potentials, structures: Sequence[Structure], relative: bool) -> tuple[float, float]:
    """Root mean square errors of energies, meV/atom, and force components, meV/Å; of a committee, those of its mean.

    relative : energies are compared up to a constant, as one composition does not tell the energies of the free atoms.
    """
    found = evaluate(potentials, structures).structures
    energies = np.array([each.energy_error for each in found])
    forces = np.concatenate([each.force_errors.ravel() for each in found])
    differences = energies - (np.mean(energies) if relative else 0.0)
    energy, force = (1e3 * float(np.sqrt(np.nanmean(values**2))) for values in (differences, forces))
    return energy, force


def table(path: Path) -> list[dict[str, Any]]:
    """The rows of a CSV file, as text by column."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
