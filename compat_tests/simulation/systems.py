"""Systems with known statistics, and calculators that count their calls."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes


class Springs(Calculator):
    """Springs between all atoms (eV/Å², 0 for free atoms), at rest in the given structure.

    broken : number of calculations after which the energy is NaN.
    """

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 (as ASE has it)

    def __init__(self, atoms: Atoms, constant: float, broken: int | None = None):
        super().__init__()
        self.lengths, self.constant, self.broken, self.n = atoms.get_all_distances(), constant, broken, 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=tuple(all_changes)):
        super().calculate(atoms, properties, system_changes)
        self.n += 1
        vectors = atoms.positions[None] - atoms.positions[:, None]
        distances = np.sqrt((vectors**2).sum(axis=2)) + np.eye(len(atoms))
        stretched = np.where(np.eye(len(atoms)), 0.0, distances - self.lengths)
        energy = 0.25 * self.constant * (stretched**2).sum()
        forces = self.constant * (stretched / distances)[:, :, None] * vectors
        self.results = {"energy": energy, "forces": forces.sum(axis=1)}
        if self.broken is not None and self.n > self.broken:
            self.results["energy"] = np.nan


def springs(constant: float = 2.0, broken: int | None = None) -> Atoms:
    """Five isolated atoms of different masses."""
    atoms = Atoms("CuOCHAu", [[0, 0, 0], [2.2, 0.1, 0], [0.3, 2.1, 0.2], [0.1, 0.2, 2.3], [1.9, 2.0, 2.1]])
    atoms.calc = Springs(atoms, constant, broken)
    return atoms
