"""Energies that are missing, out of line, or of another unit or level of theory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from aenet_py.tools.check.findings import Finding
from aenet_py.tools.check.linear import Fit

OUT, FEW = 6.0, 20  # standard deviations from what the other structures predict; so many structures double them
LEAST_OUT = 0.1  # eV/atom
GROUP_OUT = 4.0  # standard deviations, the median of a group
STEEP = 0.35  # of the distance from the middle of all energies: strong repulsion is not predicted any better
BAND = 10  # %; of a group, as many energies may lie outside its band on either side
LEAST_GROUP = 5  # structures
LEAST_SHIFT, LEAST_GAP = 0.03, 0.1  # eV/atom
EXPLAINED = 0.75  # of the variance, by two clusters; of a normal distribution, they explain 0.64
FAR, N_JOINING = 3.0, 8  # width of the band within which clusters are looked for; rounds of joining them
UNITS = {  # value of an eV in these
    "Hartree": 1 / 27.211386, "Rydberg": 1 / 13.605693, "kcal/mol": 23.060548, "kJ/mol": 96.485332, "meV": 1000.0,
}  # fmt: skip
CLOSER = 0.1  # a unit explains an energy if it leaves less than this part of the residual


def outliers(fit: Fit) -> np.ndarray:
    """Whether each energy is far from what the other structures predict, (n,) bool."""
    away = np.abs(fit.by_composition - np.nanmedian(fit.by_composition))
    out = OUT * (1.0 + FEW / int(np.isfinite(fit.score).sum()))
    return (np.abs(fit.score) > out) & (np.abs(fit.residual) > np.maximum(LEAST_OUT, STEEP * away))


def group(
    fit: Fit,
    energies: np.ndarray,
    n_atoms: np.ndarray,
    sources: Sequence[Sequence[str]],
    excluded: np.ndarray,
    cleared: Sequence[Finding],
    refit: Callable[[np.ndarray], Fit | None],
) -> Finding | None:
    """The structures whose energies are shifted most against all others, so far that the two do not overlap.

    They are a source with at most half of the structures, or, whatever the sources, what a gap separates, if need be
    in fits to one of two parts.

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
    refit : callable
        Returns a fit without some more structures, given as (n,) bool.

    Returns
    -------
    Finding or None
    """
    left = np.isfinite(energies) & ~excluded
    listed = [(name, np.array([each == name for each in names])) for names in sources for name in dict.fromkeys(names)]
    candidates = [(name, chosen, fit) for name, chosen in listed]
    behind, of_others = _behind_gap(fit.residual, left), fit
    if not behind.any():
        behind, of_others = _separated(fit, left, refit)
    largest, found = LEAST_SHIFT, None
    for name, chosen, judge in [*candidates, ("a part of the structures", behind, of_others)]:
        members, others = chosen & left, ~chosen & left
        if not LEAST_GROUP <= members.sum() <= others.sum():
            continue
        bands = [np.percentile(judge.residual[each], (BAND, 50, 100 - BAND)) for each in (members, others)]
        shift = float(bands[0][1] - bands[1][1])
        if abs(shift) > largest and (bands[0][0] > bands[1][2] or bands[0][2] < bands[1][0]):
            where = "above" if shift > 0 else "below"
            message = f"energies of {name} are {abs(shift):.3g} eV/atom {where} those of comparable structures"
            hint = _unit(energies, n_atoms, judge.residual - bands[1][1], members)
            numbers = tuple(np.flatnonzero(members).tolist())
            if all(numbers != each.structures for each in cleared):
                largest, found = abs(shift), Finding("level", numbers, message + hint)
    return found


def sure(fit: Fit, group: Finding) -> bool:
    """Whether a fit without a group contradicts it by more than its own uncertainty for such structures."""
    return bool(np.median(np.abs(fit.score[list(group.structures)])) > GROUP_OUT)


def _separated(fit: Fit, left: np.ndarray, refit: Callable[[np.ndarray], Fit | None]) -> tuple[np.ndarray, Fit]:
    """The smaller one of two levels in one file, (n,) bool, or none; and a fit without it.

    A fit to both lies between them.  From two clusters of residuals on, the larger part is fitted, and all structures
    join the level that is nearer.
    """
    none = np.zeros(len(left), dtype=bool)
    part = _two_clusters(fit.residual, left)
    if not part.any():
        return none, fit
    for _ in range(N_JOINING):
        without = refit(part)
        if without is None:
            return none, fit
        fit, before = without, part
        middle = 0.5 * sum(float(np.median(fit.residual[each])) for each in (part, left & ~part))
        part = _smaller(fit.residual > middle, left)
        if not part.any() or (part == before).all():
            break
    return _behind_gap(fit.residual, left), fit


def _two_clusters(residuals: np.ndarray, left: np.ndarray) -> np.ndarray:
    """The smaller one of two clusters of residuals, (n,) bool; or none, if they are not far apart."""
    none = np.zeros(len(left), dtype=bool)
    low, middle, high = np.percentile(residuals[left], (BAND, 50, 100 - BAND))
    values = np.sort(residuals[left & (np.abs(residuals - middle) < FAR * (high - low))])
    n, sums = np.arange(1, len(values)), np.cumsum(values)
    if len(values) < 2 * LEAST_GROUP:
        return none
    lower, upper = sums[:-1] / n, (sums[-1] - sums[:-1]) / n[::-1]
    between = n * n[::-1] * (upper - lower) ** 2 / len(values) ** 2
    place = LEAST_GROUP - 1 + int(np.argmax(between[LEAST_GROUP - 1 : len(between) - LEAST_GROUP + 1]))
    if upper[place] - lower[place] < LEAST_GAP or between[place] < EXPLAINED * float(np.var(values)):
        return none
    return _smaller(residuals > 0.5 * (lower[place] + upper[place]), left)


def _smaller(above: np.ndarray, left: np.ndarray) -> np.ndarray:
    """The smaller part of those left, (n,) bool."""
    part = above & left
    return part if 2 * part.sum() <= left.sum() else left & ~above


def _behind_gap(residuals: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Whether the residual of each structure is in the smaller part, beyond the largest gap, (n,) bool; or none."""
    residual = np.where(left, residuals, np.nan)
    values = residual[left]
    ordered = np.sort(values)[LEAST_GROUP - 1 : len(values) - LEAST_GROUP + 1]
    if len(ordered) < 2:
        return np.zeros(len(residual), dtype=bool)
    place = int(np.argmax(np.diff(ordered)))
    if ordered[place + 1] - ordered[place] < LEAST_GAP:
        return np.zeros(len(residual), dtype=bool)
    middle = 0.5 * float(ordered[place] + ordered[place + 1])
    low, high = (np.percentile(each, (BAND, 100 - BAND)) for each in (values[values < middle], values[values > middle]))
    if ordered[place + 1] - ordered[place] < LEAST_GAP + np.ptp(low) + np.ptp(high):
        return np.zeros(len(residual), dtype=bool)
    return _smaller(residual > middle, left)


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
