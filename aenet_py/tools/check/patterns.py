"""The forces of a linear potential on all atoms of a structure, and whether the given ones have their pattern.

Forces with the pattern of the expected ones, but another sign or size, are wrong as a whole; where the expected ones
are wrong, the pattern is another.  However little can be predicted, forces are on average as large as the part that is:
the slope of the given by the expected ones is 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from aenet_py.descriptors import contraction
from aenet_py.descriptors.model import Model
from aenet_py.neighbors import search
from aenet_py.structure import Structure
from aenet_py.tools.check.surroundings import CUTOFF, R_MIN, apart

ALIKE = 1e-3  # of the largest force; atoms whose forces differ by less in magnitude count as equivalent


@dataclass(frozen=True)
class Pattern:
    """Given forces against expected ones.

    cosine : of the angle between the two, over all components; factor : slope of the given forces by the expected ones;
    chance : probability that forces of another pattern come as close to it, or to its opposite.
    """

    cosine: float
    factor: float
    chance: float


def compare(given: np.ndarray, expected: np.ndarray) -> Pattern:
    """The pattern of given forces, (n_atoms, 3), against expected ones, eV/Å."""
    across, along = float(np.sum(given * expected)), float(np.sum(expected * expected))
    length = math.sqrt(along * float(np.sum(given * given)))
    if not length > 0:
        return Pattern(0.0, 1.0, 1.0)
    cosine = max(-1.0, min(1.0, across / length))
    norms = np.linalg.norm(given, axis=1)
    n_different = len(np.unique(np.round(norms / (ALIKE * norms.max()))))
    return Pattern(cosine, across / along, _chance(cosine, 3 * n_different - 6))


def _chance(cosine: float, n_free: int) -> float:
    """Probability of a cosine of at least this magnitude between directions at random in n_free dimensions."""
    if n_free < 2:
        return 1.0
    grid = np.linspace(0.0, 0.5 * math.pi, 2001)
    density = np.sin(grid) ** (n_free - 2)
    return float(density[grid <= math.acos(abs(cosine))].sum() / density.sum())


def forces(model: Model, slopes: np.ndarray, structure: Structure) -> np.ndarray:
    """Forces of a linear potential.

    Parameters
    ----------
    model : Model
        Features of all species.
    slopes : array, shape (n_types, 2 * n_features)
        Derivatives of the energy by the sums of features and of their squares, as of `linear.Potential.slopes`.
    structure : Structure
        Whose forces are computed.

    Returns
    -------
    array, shape (n_atoms, 3)
        eV/Å.
    """
    types = np.array([model.types.index(symbol) for symbol in structure.symbols])[structure.species]
    around = search.environments([apart(structure)], R_MIN, CUTOFF)
    values = model.descriptor.features(model.basis, types, around)
    by_feature, by_square = np.split(slopes, 2, axis=1)
    by_value = by_feature[types] + 2.0 * by_square[types] * values
    ones = np.ones((len(slopes), 3))
    return contraction.forces(model, types, around, by_value, np.ones_like(by_feature), ones)[0]
