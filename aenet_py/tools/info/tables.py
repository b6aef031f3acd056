"""The tables of a training."""

from __future__ import annotations

from typing import Any

import numpy as np

from aenet_py.analysis.runs import quality
from aenet_py.formats import trained
from aenet_py.formats.source import Advance


def energies(path: str, _: Advance) -> dict[str, Any]:
    found = trained.read_energies(path)
    return {
        "structures": len(found.paths),
        "atoms": int(found.n_atoms.sum()),
        "cohesive_energy_per_atom": {"min": float(found.reference.min()), "max": float(found.reference.max())},
        "errors": _errors(found.reference, found.predicted),
    }


def forces(path: str, _: Advance) -> dict[str, Any]:
    found = trained.read_forces(path)
    return {
        "structures": len(found.paths),
        "atoms": len(found.reference),
        "largest_force": float(np.linalg.norm(found.reference, axis=1).max()),
        "errors": _errors(found.reference.ravel(), found.predicted.ravel()),
    }


def errors(path: str, _: Advance) -> dict[str, Any]:
    """Root mean square errors of the last epoch, and of the one with the smallest error of the test set."""
    found = trained.read_errors(path)
    watched = found.total[:, 1] if found.total[:, 1].any() else found.total[:, 0]
    places = {"last": len(found.epochs) - 1, "best": int(np.argmin(watched))}
    shown = {
        name: {"epoch": int(found.epochs[place])}
        | {
            f"{kind}_{part}": float(values[place, column]) or None
            for kind, values in (("energy", found.energies), ("force", found.forces))
            if values is not None
            for column, part in enumerate(("train", "test"))
        }
        for name, place in places.items()
    }
    return {"lines": len(found.epochs), **shown}


def _errors(reference: np.ndarray, found: np.ndarray) -> dict[str, float]:
    of = quality(reference, found)
    return {"rmse": of.rmse, "mae": of.mae, "max": of.max_error}
