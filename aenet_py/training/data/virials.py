"""Virials of structures, of which STRESS trains (inputs/loss.py)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aenet_py.descriptors.model import Model
from aenet_py.errors import InputError
from aenet_py.inputs.train import TrainInput
from aenet_py.structure import Structure
from aenet_py.training.data import pairs


def check(deck: TrainInput, model: Model, structures: Sequence[Structure]) -> None:
    """InputError if virials cannot be computed with these features, or no structure has one."""
    if not pairs.applies(model, deck.method):
        message = "found STRESS; expected it with Chebyshev features whose angular cutoffs are not the larger ones"
        raise InputError(deck.path, message, deck.loss.line)
    if not any(map(_has_virial, structures)):
        message = "found STRESS, but no structure has one; expected stress or virial in extended XYZ, and three periods"
        raise InputError(deck.path, message, deck.loss.line)


def of(structures: Sequence[Structure]) -> np.ndarray:
    """Virials of structures: the derivative of the energy by the strain, which is the stress times the volume.

    Parameters
    ----------
    structures : sequence of Structure
        The structures.

    Returns
    -------
    ndarray, shape (n, 3, 3)
        eV; NaN for structures without stress, or not periodic along three vectors.
    """
    found = np.full((len(structures), 3, 3), np.nan)
    for number, structure in enumerate(structures):
        if _has_virial(structure) and structure.cell is not None:
            found[number] = structure.stress * abs(np.linalg.det(structure.cell))
    return found


def _has_virial(structure: Structure) -> bool:
    return structure.stress is not None and all(structure.pbc)
