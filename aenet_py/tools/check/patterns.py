"""The forces of a linear potential on all atoms of a structure, and whether the given ones have their pattern.

Forces with the pattern of the expected ones, but another sign or size, are wrong as a whole; where the expected ones
are wrong, the pattern is another.  However little can be predicted, forces are on average as large as the part that is:
the slope of the given by the expected ones is 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

ALIKE = 1e-3  # of the largest force; atoms whose forces differ by less in magnitude count as equivalent


@dataclass(frozen=True)
class Pattern:
    """Given forces against expected ones.

    cosine : of the angle between the two, over all components; factor : slope of the given forces by the expected ones;
    chance : probability that forces of another pattern come as close to it, or to its opposite; given, expected : root
    mean squares of the components, eV/Å.
    """

    cosine: float
    factor: float
    chance: float
    given: float
    expected: float

    def rest(self, factor: float) -> float:
        """Root mean square of the difference, if the given forces are so many times the true ones."""
        given = self.given / abs(factor)
        cosine = self.cosine if factor > 0 else -self.cosine
        return math.sqrt(max(0.0, given**2 + self.expected**2 - 2.0 * cosine * given * self.expected))


def compare(given: np.ndarray, expected: np.ndarray) -> Pattern:
    """The pattern of given forces, (n_atoms, 3), against expected ones, eV/Å."""
    across, along = float(np.sum(given * expected)), float(np.sum(expected * expected))
    sizes = (float(np.sqrt(np.mean(given**2))), float(np.sqrt(np.mean(expected**2))))
    length = math.sqrt(along * float(np.sum(given * given)))
    if not length > 0:
        return Pattern(0.0, 1.0, 1.0, *sizes)
    cosine = max(-1.0, min(1.0, across / length))
    norms = np.linalg.norm(given, axis=1)
    n_different = len(np.unique(np.round(norms / (ALIKE * norms.max()))))
    return Pattern(cosine, across / along, _chance(cosine, 3 * n_different - 6), *sizes)


def _chance(cosine: float, n_free: int) -> float:
    """Probability of a cosine of at least this magnitude between directions at random in n_free dimensions."""
    if n_free < 2:
        return 1.0
    grid = np.linspace(0.0, 0.5 * math.pi, 2001)
    density = np.sin(grid) ** (n_free - 2)
    return float(density[grid <= math.acos(abs(cosine))].sum() / density.sum())
