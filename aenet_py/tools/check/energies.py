"""Energies that are missing, out of line, or of another unit or level of theory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aenet_py.tools.check.findings import Finding
from aenet_py.tools.check.linear import Fit

OUT = 14.0  # standard deviations from what the other structures predict
LEAST_OUT = 0.1  # eV/atom
GROUP_OUT = 4.0  # standard deviations, the median of a group
STEEP = 0.35  # of the distance from the middle of all energies: strong repulsion is not predicted any better
BAND = 10  # %; of a group, as many energies may lie outside its band on either side
LEAST_GROUP = 5  # structures
LEAST_SHIFT, LEAST_GAP = 0.03, 0.1  # eV/atom
UNITS = {  # value of an eV in these
    "Hartree": 1 / 27.211386, "Rydberg": 1 / 13.605693, "kcal/mol": 23.060548, "kJ/mol": 96.485332, "meV": 1000.0,
}  # fmt: skip
CLOSER = 0.1  # a unit explains an energy if it leaves less than this part of the residual


def outliers(fit: Fit) -> np.ndarray:
    """Whether each energy is far from what the other structures predict, (n,) bool."""
    away = np.abs(fit.by_composition - np.nanmedian(fit.by_composition))
    return (np.abs(fit.score) > OUT) & (np.abs(fit.residual) > np.maximum(LEAST_OUT, STEEP * away))


def group(
    fit: Fit,
    energies: np.ndarray,
    n_atoms: np.ndarray,
    sources: Sequence[Sequence[str]],
    excluded: np.ndarray,
    cleared: Sequence[Finding],
) -> Finding | None:
    """The structures whose energies are shifted most against all others, so far that the two do not overlap.

    They are a source with at most half of the structures, or, whatever the sources, what a gap separates.

    Parameters
    ----------
    fit : Fit
        Of all structures.
    energies : array, shape (n,)
        Energies per atom, eV; NaN if unknown.
    n_atoms : array, shape (n,)
        Number of atoms.
    sources : sequence of sequence of str
        Where each structure comes from, at first roughly, then in detail.
    excluded : array of bool, shape (n,)
        Structures that are known to be wrong, and were not fitted.
    cleared : sequence of Finding
        Groups that the others do not contradict with certainty.

    Returns
    -------
    Finding or None
    """
    left = np.isfinite(energies) & ~excluded
    listed = [(name, np.array([each == name for each in names])) for names in sources for name in dict.fromkeys(names)]
    largest, found = LEAST_SHIFT, None
    for name, chosen in [*listed, ("a part of the structures", _behind_gap(fit, left))]:
        members, others = chosen & left, ~chosen & left
        if not LEAST_GROUP <= members.sum() <= others.sum():
            continue
        bands = [np.percentile(fit.residual[each], (BAND, 50, 100 - BAND)) for each in (members, others)]
        shift = float(bands[0][1] - bands[1][1])
        if abs(shift) > largest and (bands[0][0] > bands[1][2] or bands[0][2] < bands[1][0]):
            where = "above" if shift > 0 else "below"
            message = f"energies of {name} are {abs(shift):.3g} eV/atom {where} those of comparable structures"
            hint = _unit(energies, n_atoms, fit.residual - bands[1][1], members)
            numbers = tuple(np.flatnonzero(members).tolist())
            if all(numbers != each.structures for each in cleared):
                largest, found = abs(shift), Finding("level", numbers, message + hint)
    return found


def sure(fit: Fit, group: Finding) -> bool:
    """Whether a fit without a group contradicts it by more than its own uncertainty for such structures."""
    return bool(np.median(np.abs(fit.score[list(group.structures)])) > GROUP_OUT)


def _behind_gap(fit: Fit, left: np.ndarray) -> np.ndarray:
    """Whether the residual of each structure is in the smaller part, beyond the largest gap, (n,) bool; or none."""
    residual = np.where(left, fit.residual, np.nan)
    values = residual[left]
    ordered = np.sort(values)[LEAST_GROUP - 1 : len(values) - LEAST_GROUP + 1]
    if len(ordered) < 2:
        return np.zeros(len(fit.residual), dtype=bool)
    place = int(np.argmax(np.diff(ordered)))
    if ordered[place + 1] - ordered[place] < LEAST_GAP:
        return np.zeros(len(fit.residual), dtype=bool)
    middle = 0.5 * float(ordered[place] + ordered[place + 1])
    low, high = (np.percentile(each, (BAND, 100 - BAND)) for each in (values[values < middle], values[values > middle]))
    if ordered[place + 1] - ordered[place] < LEAST_GAP + np.ptp(low) + np.ptp(high):
        return np.zeros(len(fit.residual), dtype=bool)
    above = residual > middle
    return above if 2 * above.sum() <= len(values) else residual < middle


def find(fit: Fit, energies: np.ndarray, n_atoms: np.ndarray, excluded: np.ndarray) -> list[Finding]:
    """Single energies that do not belong to the others.

    Parameters
    ----------
    fit : Fit
        Of all structures.
    energies : array, shape (n,)
        Energies per atom, eV; NaN if unknown.
    n_atoms : array, shape (n,)
        Number of atoms.
    excluded : array of bool, shape (n,)
        Structures that are known to be wrong, and were not fitted.

    Returns
    -------
    list of Finding
        One for each structure.
    """
    found = []
    for number in np.flatnonzero(outliers(fit) & ~excluded).tolist():
        residual = float(fit.residual[number])
        message = f"energy {abs(residual):.3g} eV/atom {'above' if residual > 0 else 'below'} what the others predict"
        hint = _unit(energies, n_atoms, fit.residual, np.arange(len(energies)) == number)
        found.append(Finding("level" if hint else "outlier", (number,), message + hint))
    return found


def _unit(energies: np.ndarray, n_atoms: np.ndarray, residuals: np.ndarray, group: np.ndarray) -> str:
    """In words, the unit that explains the energies of a group, or nothing; residuals (n,) : eV/atom."""
    expected = energies[group] - residuals[group]
    off = float(np.median(np.abs(residuals[group])))
    found = {name: float(np.median(np.abs(energies[group] / unit - expected))) for name, unit in UNITS.items()}
    found["eV per atom"] = float(np.median(np.abs(energies[group] * n_atoms[group] - expected)))
    name = min(found, key=lambda each: found[each])
    return f"; this looks like {name}" if found[name] < CLOSER * off else ""
