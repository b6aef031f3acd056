"""Functions of the distance for each pair of species, summed over all neighbours, and the forces of their sums.

Chebyshev polynomials of exp(-r / bond), with the sum of the covalent radii as the bond, times a cosine cutoff.  They
tell species apart, which the weights of Chebyshev features hardly do where there are many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aenet_py.elements import covalent_radius
from aenet_py.neighbors.search import Environments
from aenet_py.runtime.accelerate import Kernel
from aenet_py.tools.check.constants import N_TERMS

_add_sums = Kernel("aenet_py.tools.check.pairs_kernels:add_sums")
_add_forces = Kernel("aenet_py.tools.check.pairs_kernels:add_forces")


@dataclass(frozen=True)
class Pairs:
    """Pairs of species.

    Parameters
    ----------
    bonds : array, shape (n_types, n_types)
        Sums of the covalent radii, Å.
    numbers : array of int64, shape (n_types, n_types)
        Number of each pair.
    cutoff : float
        Å.
    """

    bonds: np.ndarray
    numbers: np.ndarray
    cutoff: float

    @property
    def n(self) -> int:
        """Number of pairs."""
        return int(self.numbers.max()) + 1

    def sums(self, types: np.ndarray, around: Environments) -> np.ndarray:
        """Sums over the neighbours of all atoms of one structure, (n, N_TERMS).

        Parameters
        ----------
        types : array of int64, shape (n_atoms,)
            Species of the atoms.
        around : Environments
            Of all atoms.

        Returns
        -------
        array, shape (n, N_TERMS)
        """
        sums = np.zeros((self.n, N_TERMS))
        _add_sums(**self._arguments(types, around), sums=sums)
        return sums

    def forces(self, types: np.ndarray, around: Environments, slopes: np.ndarray) -> np.ndarray:
        """Forces on all atoms, eV/Å, if the energy changes with the sums as given.

        Parameters
        ----------
        types : array of int64, shape (n_atoms,)
            Species of the atoms.
        around : Environments
            Of all atoms.
        slopes : array, shape (n, N_TERMS)
            Derivatives of the energy by the sums.

        Returns
        -------
        array, shape (n_atoms, 3)
        """
        forces = np.zeros((len(types), 3))
        _add_forces(**self._arguments(types, around), slopes=np.ascontiguousarray(slopes), forces=forces)
        return forces

    def _arguments(self, types: np.ndarray, around: Environments) -> dict[str, Any]:
        """What both kernels take."""
        of_pairs = {"bonds": self.bonds, "numbers": self.numbers, "cutoff": self.cutoff}
        return {"types": types, **around.neighbors, **of_pairs}


def pairs(symbols: Sequence[str], cutoff: float) -> Pairs:
    """The pairs of these species, with functions that end at a cutoff, Å."""
    n_types = len(symbols)
    radii = np.array([covalent_radius(symbol) for symbol in symbols])
    upper, numbers = np.triu_indices(n_types), np.zeros((n_types, n_types), dtype=np.int64)
    numbers[upper] = np.arange(len(upper[0]))
    return Pairs(radii[:, np.newaxis] + radii, np.maximum(numbers, numbers.T), cutoff)
