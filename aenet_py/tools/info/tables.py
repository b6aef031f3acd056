"""Tables that training writes."""

from __future__ import annotations

from typing import Any

import numpy as np

from aenet_py.analysis.runs import quality
from aenet_py.formats import trained
from aenet_py.formats.source import Advance


def energies(path: str, _: Advance) -> dict[str, Any]:
    table = trained.read_energies(path)
    return {
        "structures": len(table.paths),
        "atoms": int(table.n_atoms.sum()),
        "cohesive_energy_per_atom": {"min": float(table.reference.min()), "max": float(table.reference.max())},
        "errors": _errors(table.reference, table.predicted),
    }


def forces(path: str, _: Advance) -> dict[str, Any]:
    table = trained.read_forces(path)
    known = ~np.isnan(table.reference)
    return {
        "structures": len(table.paths),
        "atoms": len(table.reference),
        "largest_force": float(np.sqrt(np.nansum(table.reference**2, axis=1)).max()),
        "errors": _errors(table.reference[known], table.predicted[known]),
    }


def errors(path: str, _: Advance) -> dict[str, Any]:
    """Root mean square errors of the last epoch and of the one with the smallest test error."""
    curve = trained.read_errors(path)
    watched = curve.total[:, 1] if curve.total[:, 1].any() else curve.total[:, 0]
    places = {"last": len(curve.epochs) - 1, "best": int(np.argmin(watched))}
    shown = {
        name: {"epoch": int(curve.epochs[place])}
        | {
            f"{kind}_{part}": float(values[place, column]) or None
            for kind, values in (("energy", curve.energies), ("force", curve.forces))
            if values is not None
            for column, part in enumerate(("train", "test"))
        }
        for name, place in places.items()
    }
    return {"lines": len(curve.epochs), **shown}


def _errors(reference: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    of = quality(reference, predicted)
    return {"rmse": of.rmse, "mae": of.mae, "max": of.max_error}
