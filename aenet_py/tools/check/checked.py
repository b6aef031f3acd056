"""The outcome of a check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from aenet_py.tools.check.findings import KINDS, Finding
from aenet_py.tools.check.linear import Fit


@dataclass(frozen=True)
class Distance:
    """Shortest distance of two species, Å, and the name of the structure."""

    length: float
    structure: str


@dataclass(frozen=True)
class Checked:
    """Outcome of `check`.

    Parameters
    ----------
    names : tuple of str
        Names of the n structures that could be read, ``file#index`` for those in files of several.
    species : mapping of str to tuple of int
        For each species, number of structures with it, and of its atoms.
    n_atoms : array, shape (n,)
        Number of atoms of each structure.
    periodicity : mapping of str to int
        Number of structures that are periodic in three, two, one or no directions, by these words.
    volumes : array
        Volumes per atom of the structures that are periodic in three directions, Å³.
    distances : mapping of (str, str) to Distance
        Shortest distance of each pair of species.
    energies : array, shape (n,)
        Energy per atom, eV; NaN if it is missing.
    largest_force : array, shape (n,)
        Norm of the largest force on an atom, eV/Å; NaN if forces are missing.
    unknown_forces : array, shape (n,)
        Number of force components that are zero because constraints hold atoms fixed (`Structure.unknown_forces`).
    fit : Fit or None
        The linear potential that tells which energies and forces are out of line; None with too few energies.
    force : array, shape (n,)
        Root mean square of the force components, eV/Å; NaN if forces are missing or not judged.
    predicted_force : array, shape (n,)
        The same of the part of the predicted forces that points along them; negative for forces of the opposite sign.
    findings : tuple of Finding
        What is wrong.
    output : str or None
        File of the structures without findings, if one was wanted.
    n_written : int
        Number of structures in it.
    """

    names: tuple[str, ...]
    species: Mapping[str, tuple[int, int]]
    n_atoms: np.ndarray
    periodicity: Mapping[str, int]
    volumes: np.ndarray
    distances: Mapping[tuple[str, str], Distance]
    energies: np.ndarray
    largest_force: np.ndarray
    unknown_forces: np.ndarray
    fit: Fit | None
    force: np.ndarray
    predicted_force: np.ndarray
    findings: tuple[Finding, ...]
    output: str | None = None
    n_written: int = 0

    @property
    def flagged(self) -> np.ndarray:
        """Whether something was found in each structure, (n,) bool."""
        flags = np.zeros(len(self.names), dtype=bool)
        flags[[number for finding in self.findings for number in finding.structures]] = True
        return flags

    def as_dict(self) -> dict[str, Any]:
        """Everything but the values of single structures, for JSON: energies in eV, lengths in Å, forces in eV/Å."""
        known = self.energies[np.isfinite(self.energies)]
        forces = self.largest_force[np.isfinite(self.largest_force)]
        return {
            "structures": len(self.names),
            "flagged": int(self.flagged.sum()),
            "species": {s: {"structures": n, "atoms": atoms} for s, (n, atoms) in self.species.items()},
            "atoms_per_structure": span(self.n_atoms),
            "periodicity": dict(self.periodicity),
            "volume_per_atom": span(self.volumes),
            "shortest_distances": {
                f"{a}-{b}": {"distance": each.length, "structure": each.structure}
                for (a, b), each in self.distances.items()
            },
            "with_energy": len(known),
            "energy_per_atom": span(known),
            "with_forces": len(forces),
            "largest_force": span(forces),
            "unknown_forces": int(self.unknown_forces.sum()),
            "with_unknown_forces": int(np.count_nonzero(self.unknown_forces)),
            "findings": [
                {
                    "kind": each.kind,
                    "title": KINDS[each.kind],
                    "structures": [self.names[number] for number in each.structures],
                    "indices": list(each.structures),
                    "message": each.message,
                }
                for each in self.findings
            ],
            "output": self.output,
            "written": self.n_written,
        }


def span(values: np.ndarray) -> dict[str, float] | None:
    """Smallest, middle and largest value; None without values."""
    if not len(values):
        return None
    low, middle, high = np.percentile(values, (0, 50, 100)).tolist()
    return {"min": low, "median": middle, "max": high}
