"""Energy of two atoms by their distance: is it repulsive where they overlap?"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

from aenet_py.errors import AenetError

CORE = 0.7  # distance, in units of the contact, below which the energy must rise as atoms approach
NEAREST, FARTHEST = 0.3, 2.5  # range of a curve, in units of the contact
N_POINTS = 111  # a fiftieth of the contact apart


@dataclass(frozen=True)
class Dimer:
    """Energy of an isolated pair of atoms.

    Parameters
    ----------
    pair
        The two species.
    contact
        Sum of their covalent radii, Å.
    distances
        (n,) Å, growing.
    energies
        (n,) eV, relative to the last one; NaN where the calculator fails.
    """

    pair: tuple[str, str]
    contact: float
    distances: np.ndarray
    energies: np.ndarray

    @property
    def attractive(self) -> tuple[float, float] | None:
        """Smallest and largest distance in the core, Å, at which the energy does not rise as the atoms approach.

        None if it always rises there: the core is repulsive.
        """
        wrong = self.distances[self.is_attractive]
        return (float(wrong[0]), float(wrong[-1])) if len(wrong) else None

    @property
    def barrier(self) -> float | None:
        """How high atoms must climb, eV, from the lowest energy to where the core attracts; None if it does not."""
        if not self.is_attractive.any():
            return None
        edge = int(np.flatnonzero(self.is_attractive)[-1])
        return float(self.energies[edge] - np.min(self.energies[edge:]))

    @property
    def is_attractive(self) -> np.ndarray:
        """(n,) whether a distance is in the core and its energy not below that of the distance before."""
        core = self.distances <= CORE * self.contact * (1.0 + 1e-9)
        return core & np.append(False, ~(np.diff(self.energies) < 0))

    @property
    def minimum(self) -> tuple[float, float]:
        """Distance, Å, and energy, eV, of the minimum outside of the core; NaN if the calculator fails there."""
        outside = np.where(self.distances > CORE * self.contact, self.energies, np.nan)
        if np.isnan(outside).all():
            return np.nan, np.nan
        place = int(np.nanargmin(outside))
        return float(self.distances[place]), float(outside[place])


def dimers(symbols: Sequence[str], calculator: Callable[[], Any]) -> list[Dimer]:
    """The curves of all pairs of species; calculator : makes a calculator for each of them."""
    return [dimer(pair, calculator()) for pair in itertools.combinations_with_replacement(symbols, 2)]


def dimer(pair: tuple[str, str], calculator: Any) -> Dimer:
    """The curve of a pair of species."""
    contact = float(sum(covalent_radii[atomic_numbers[symbol]] for symbol in pair))
    distances = contact * np.linspace(NEAREST, FARTHEST, N_POINTS)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*features outside")  # as is expected of dimers
        energies = np.array([_energy(pair, float(distance), calculator) for distance in distances])
    return Dimer(pair, contact, distances, energies - energies[-1])


def _energy(pair: tuple[str, str], distance: float, calculator: Any) -> float:
    atoms = Atoms(pair, [[0, 0, 0], [distance, 0, 0]], calculator=calculator)
    try:
        energy = float(atoms.get_potential_energy())
    except AenetError:
        raise
    except Exception:  # calculators of others raise various types, for example if they do not converge
        return np.nan
    return energy if np.isfinite(energy) else np.nan
