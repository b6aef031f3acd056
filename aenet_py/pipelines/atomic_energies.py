"""Energies of the free atoms, from the energies of structures."""

from __future__ import annotations

import numpy as np

LEAST_SINGULAR = 1e-8  # relative singular value below which a combination of species is not fitted


def least_squares(fractions: np.ndarray, energies: np.ndarray) -> np.ndarray:
    """Energy per atom of each species that describes energies by composition, by least squares.

    Where the compositions do not determine the energies of all species, as in water alone, these have the smallest
    norm.

    Parameters
    ----------
    fractions : ndarray, shape (n, n_species)
        Fraction of each structure's atoms per species.
    energies : ndarray, shape (n,)
        Energies per atom, eV.

    Returns
    -------
    ndarray, shape (n_species,)
        Energies, eV.
    """
    return np.linalg.lstsq(fractions, energies, rcond=LEAST_SINGULAR)[0]
