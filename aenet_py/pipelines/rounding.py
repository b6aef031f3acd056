"""Summary of forces as predict.x prints it, and whether rounding could change a printed digit."""

from __future__ import annotations

import math

import numpy as np

from aenet_py.potentials.potential import Prediction
from aenet_py.report.predict import ForceSummary

UNCERTAINTY = 1.0e-11  # eV and eV/Å, also relative to the largest force; sums in another order differ by about 1e-14


def summary(forces: np.ndarray) -> ForceSummary:
    """Mean, mean absolute, largest and root mean square force of forces (n_atoms, 3), eV/Å (calc_rms_force)."""
    squared = forces * forces
    atom = int(np.argmax((squared[:, 0] + squared[:, 1]) + squared[:, 2]))
    return ForceSummary(forces.mean(axis=0), np.abs(forces).mean(axis=0), forces[atom], atom, rms(forces))


def is_certain(prediction: Prediction) -> bool:
    """Whether no value is so close to a rounding boundary that the order of sums could change a printed digit."""
    forces, energies = prediction.forces, prediction.atomic_energies
    least = UNCERTAINTY * (1.0 + float(np.abs(forces).max()))
    error = least + np.finfo(float).eps * float(np.abs(energies).sum()) * (2.0 + math.sqrt(len(energies)))
    squares = np.sort(np.einsum("ij,ij->i", forces, forces))
    if len(squares) > 1 and squares[-1] - squares[-2] < UNCERTAINTY * (1.0 + squares[-1]):
        return False  # two atoms share the largest force
    summed = np.array([rms(forces), *np.abs(forces).mean(axis=0), *forces.mean(axis=0)])
    totals = np.array([prediction.cohesive_energy, prediction.energy])
    near = [(forces, 6, least), (summed, 6, least), (energies, 6, error), (totals, 8, error)]
    return all(bool((np.abs(v * 10.0**d % 1.0 - 0.5) > 10.0**d * e).all()) for v, d, e in near)


def rms(forces: np.ndarray) -> float:
    """Root mean square of the lengths of forces (n_atoms, 3)."""
    return float(np.sqrt(np.einsum("ij,ij->", forces, forces) / len(forces)))
