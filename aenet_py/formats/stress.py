"""Stress of a frame: `stress` in eV/Å³, or `virial` in eV, which is minus the stress times the volume, as in ASE."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from aenet_py.structure import full_stress

NAMES = ("stress", "virial", "virials")
NEAR = 1e-4  # relative difference below which a stress and a virial agree
_ENERGY = re.compile(r"(free_?)?energy", re.IGNORECASE)
_BRACKETS = re.compile(r"[\[\](),]")


def of_frame(info: Mapping[str, str], energy: str | None, cell: np.ndarray | None) -> np.ndarray | None:
    """The stress that belongs to an energy, in the names of which only this word differs.

    Parameters
    ----------
    info
        Values of the comment by key, as written.
    energy
        Name of the energy, such as ``REF_energy``, to which ``REF_stress`` and ``REF_virial`` belong.
    cell
        (3, 3) cell vectors in rows, Å.

    Returns
    -------
    numpy.ndarray or None
        (3, 3) eV/Å³, symmetric; None if there is none, or neither six (in Voigt order) nor nine numbers, or if stress
        and virial contradict each other.
    """
    if cell is None or not info:
        return None
    volume = abs(float(np.linalg.det(cell)))
    lower = {key.lower(): value for key, value in info.items()}
    found = []
    for name in NAMES:
        values = _tensor(lower.get(_ENERGY.sub(name, energy or "energy").lower(), ""))
        if values is not None and volume > 0:
            found.append(values if name == "stress" else -values / volume)
    if not found or any(not np.allclose(found[0], other, rtol=NEAR, atol=1e-7) for other in found[1:]):
        return None
    return found[0]


def _tensor(text: str) -> np.ndarray | None:
    try:
        return full_stress([float(word) for word in _BRACKETS.sub(" ", text).split()])
    except ValueError:
        return None
