"""A structure and what a potential predicts for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aenet_py.structure import Structure

TRAIN, TEST = "train", "test"
PARTS = (TRAIN, TEST)


@dataclass(frozen=True)
class Evaluated:
    """A structure with its references, and what the potential predicts; of a committee, the mean.

    Parameters
    ----------
    structure
        The structure, with energy and forces where they are known.
    part
        "train" or "test".
    energy
        Predicted total energy, eV.
    free_atoms
        Energy of the free atoms, eV, which both energies contain.
    forces
        (n_atoms, 3) predicted forces, eV/Å.
    stress
        (3, 3) predicted stress, eV/Å³; None without three cell vectors.
    energy_std
        Standard deviation of the energy over the members of a committee, eV, times the factor of a calibration; None
        for a single potential.
    forces_std
        (n_atoms, 3) the same of the forces, eV/Å, times the factor of a calibration.
    outside
        (n_atoms,) number of features outside the range of the training set, the largest of all members.
    uncertainty
        (n_atoms,) expected force errors, eV/Å; None for a single potential that was not calibrated.
    """

    structure: Structure
    part: str
    energy: float
    free_atoms: float
    forces: np.ndarray
    stress: np.ndarray | None
    energy_std: float | None
    forces_std: np.ndarray | None
    outside: np.ndarray
    uncertainty: np.ndarray | None = None

    @property
    def energies(self) -> tuple[float, float] | None:
        """Reference and predicted energy per atom, less that of the free atoms, eV/atom; None without a reference."""
        reference, n_atoms = self.structure.cohesive_energy, self.structure.n_atoms
        if reference is None:
            if self.structure.energy is None:
                return None
            reference = self.structure.energy - self.free_atoms
        return reference / n_atoms, (self.energy - self.free_atoms) / n_atoms

    @property
    def energy_error(self) -> float | None:
        """Predicted minus reference energy, eV/atom."""
        return None if self.energies is None else self.energies[1] - self.energies[0]

    @property
    def force_errors(self) -> np.ndarray | None:
        """(n_atoms, 3) predicted minus reference forces, eV/Å, NaN where the reference is not known."""
        if self.structure.forces is None:
            return None
        return np.where(self.structure.known_forces, self.forces - self.structure.forces, np.nan)

    @property
    def force_rmse(self) -> float | None:
        """Root mean square error of the force components, eV/Å."""
        errors = None if self.force_errors is None else self.force_errors[~np.isnan(self.force_errors)]
        return None if errors is None or not len(errors) else float(np.sqrt((errors**2).mean()))
