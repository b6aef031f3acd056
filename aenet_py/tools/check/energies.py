"""Energies that are missing, out of line, or of another unit or level of theory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aenet_py.tools.check.findings import Finding
from aenet_py.tools.check.linear import IMPOSSIBLE, Fit

OUT = 14.0  # standard deviations from what the other structures predict
LEAST_OUT = 0.1  # eV/atom
GROUP_OUT, GROUP_SHARE, LEAST_GROUP = 4.0, 0.8, 3  # of a group that has another level of theory
UNITS = {  # value of an eV in these
    "Hartree": 1 / 27.211386, "Rydberg": 1 / 13.605693, "kcal/mol": 23.060548, "kJ/mol": 96.485332, "meV": 1000.0,
}  # fmt: skip
CLOSER = 0.1  # a unit explains an energy if it leaves less than this part of the residual


def outliers(fit: Fit) -> np.ndarray:
    """Whether each energy is far from what the other structures predict, (n,) bool."""
    far = (np.abs(fit.score) > OUT) & (np.abs(fit.residual) > LEAST_OUT)
    return far | (np.abs(fit.by_composition - np.nanmedian(fit.by_composition)) > IMPOSSIBLE)


def find(fit: Fit, energies: np.ndarray, n_atoms: np.ndarray, sources: Sequence[str]) -> list[Finding]:
    """Energies that do not belong to the others.

    Parameters
    ----------
    fit : Fit
        Of all structures.
    energies : array, shape (n,)
        Energies per atom, eV; NaN if unknown.
    n_atoms : array, shape (n,)
        Number of atoms.
    sources : sequence of str
        Where each structure comes from.

    Returns
    -------
    list of Finding
        A structure is in one of them at most.
    """
    found, far = [], outliers(fit)
    left = far.copy()
    for source in dict.fromkeys(sources):
        group = np.array([each == source for each in sources]) & np.isfinite(energies)
        off = group & ((np.abs(fit.score) > GROUP_OUT) | far)
        signs = np.sign(fit.residual[off])
        same = max((signs > 0).sum(), (signs < 0).sum())
        if far[group].sum() < LEAST_GROUP or same < GROUP_SHARE * group.sum() or 2 * group.sum() > len(energies):
            continue
        shift = float(np.median(fit.residual[group]))
        message = f"energies of {source} are {abs(shift):.3g} eV/atom {'above' if shift > 0 else 'below'} those of "
        hint = _unit(fit, energies, n_atoms, group)
        found.append(Finding("level", _numbers(group), message + f"comparable structures{hint}"))
        left &= ~group
    for number in np.flatnonzero(left).tolist():
        residual = float(fit.residual[number])
        message = f"energy {abs(residual):.3g} eV/atom {'above' if residual > 0 else 'below'} what the others predict"
        hint = _unit(fit, energies, n_atoms, np.arange(len(energies)) == number)
        found.append(Finding("level" if hint else "outlier", (number,), message + hint))
    return found


def _unit(fit: Fit, energies: np.ndarray, n_atoms: np.ndarray, group: np.ndarray) -> str:
    """In words, the unit that explains the energies of a group, or nothing."""
    expected = energies[group] - fit.residual[group]
    off = float(np.median(np.abs(fit.residual[group])))
    found = {name: float(np.median(np.abs(energies[group] / unit - expected))) for name, unit in UNITS.items()}
    found["eV per atom"] = float(np.median(np.abs(energies[group] * n_atoms[group] - expected)))
    name = min(found, key=lambda each: found[each])
    return f"; this looks like {name}" if found[name] < CLOSER * off else ""


def _numbers(chosen: np.ndarray) -> tuple[int, ...]:
    return tuple(np.flatnonzero(chosen).tolist())
