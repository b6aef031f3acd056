"""What `aenet-py calibrate` prints."""

from __future__ import annotations

import numpy as np

from aenet_py.cli.summaries.closing import written
from aenet_py.errors import counted
from aenet_py.evaluation.calibrate import Calibration, rank_correlation

WAYS = {
    "features": "distance of features to the training set", "last layer": "distance in the last hidden layer",
    "committee": "spread of a committee",
}  # fmt: skip


def report(found: Calibration) -> str:
    """The factors, true and estimated errors by species, and their rank correlation."""
    kind = "held-out structures" if found.held_out else "structures that the potential may have been trained on"
    n = found.n_structures
    lines = [
        f"{WAYS[found.uncertainty.method]}; {n:,} {kind}, {counted(len(found.errors), 'atom')}",
        f"{'':8}{'atoms':>9}{'factor':>10}{'RMS error':>12}{'estimated':>12}{'rank correlation':>18}",
    ]
    for symbol, factor in found.uncertainty.factors.items():
        own = found.species == symbol
        if own.any():
            lines.append(_line(symbol, factor, found.estimated[own], found.errors[own]))
    lines.append(_line("all", None, found.estimated, found.errors))
    lines.append("errors of force vectors in eV/Angstrom")
    if found.left_out is not None:
        lines.append(f"{found.left_out}; their atoms are left out")
    if found.uncertainty.energy_factor is not None:
        n = found.uncertainty.n_structures
        lines.append(f"factor of the energies {found.uncertainty.energy_factor:.4g}, from {n:,} structures")
    return "\n".join(lines) + "\n" + ("" if found.path is None else written([found.path]))


def _line(label: str, factor: float | None, estimated: np.ndarray, errors: np.ndarray) -> str:
    true, guess = (float(np.sqrt((values**2).mean())) for values in (errors, estimated))
    head = f"  {label:6}{len(errors):9,d}{'' if factor is None else f'{factor:.4g}':>10}"
    return f"{head}{true:12.4f}{guess:12.4f}{rank_correlation(estimated, errors):18.3f}"
