"""Forces with the wrong sign or in another unit, and those that do not sum to zero."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from aenet_py.descriptors.model import Model
from aenet_py.structure import Structure
from aenet_py.tools.check import patterns
from aenet_py.tools.check.findings import Finding
from aenet_py.tools.check.linear import Fit
from aenet_py.tools.check.patterns import Pattern
from aenet_py.tools.check.surroundings import Surroundings

OUT, UNLIKE_OUT = 6.0, 4.0  # standard deviations of the force along all forces that tell another sign or another unit
LEAST_OUT = 2.0  # with the pattern
SURE_SIGN, SURE_UNIT, SURE_GROUP = 1e-4, 1e-3, 1e-4  # chance of such a pattern
REVERSED = (-2.5, -0.4)  # factor of given and expected forces
UNITS = {  # value of an eV/Å in these
    "Hartree/Bohr": 1 / 51.422067, "Rydberg/Bohr": 1 / 25.711034, "Hartree/Angstrom": 1 / 27.211386,
    "kcal/mol/Angstrom": 23.060548, "kJ/mol/Angstrom": 96.485332, "meV/Angstrom": 1000.0,
}  # fmt: skip
UNLIKE = 5.0  # factor that tells another unit
NEAR = 1.5  # ratio of factors within which a unit is named
SUSPECT = (0.33, 3.0)  # ratio of expected and given force along all forces outside which a structure is looked at
LEAST_GROUP, MOST_TAKEN = 5, 40  # structures of a group; those of them that are looked at
LEAST_AGREEING, SCATTERED = 20, 4.0  # structures, and ratio of the quartiles of their factors, that tell of all forces
LEAST_CONFIRMED = 0.5  # cosine with the forces that all other forces tell
LEAST_COSINE = 0.6  # near equilibrium, forces with some of the pattern are often expected too large
COMPRESSED = 0.6  # of the sum of the covalent radii
ATTRACTIVE = 3.0  # eV/Å; no two atoms that close attract each other so much
LEAST_NET, USUAL_NET, MOST_NET = 0.01, 10.0, 0.1  # eV/Å per root of the number of atoms; the second times the median


def groups(
    fit: Fit,
    structures: Sequence[Structure],
    given: Sequence[Surroundings],
    model: Model,
    sources: Sequence[Sequence[str]],
) -> list[Finding]:
    """Sources whose forces have another sign or unit than a potential fitted to all energies tells.

    Parameters
    ----------
    fit : Fit
        Of all structures.
    structures : sequence of Structure
        Structures.
    given : sequence of Surroundings
        Of each.
    model : Model
        Features of all species.
    sources : sequence of sequence of str
        Where each structure comes from, at first roughly, then in detail.

    Returns
    -------
    list of Finding
        One for all structures, or one for each source; no structure is in two.
    """
    left = np.isfinite(fit.force)
    known: dict[int, Pattern] = {}

    def pattern(number: int) -> Pattern:
        if number not in known:
            slopes = fit.from_energies.slopes(given[number])
            known[number] = _pattern(model, slopes, structures[number])
        return known[number]

    found = []
    listed = [(name, np.array([each == name for each in names])) for names in sources for name in dict.fromkeys(names)]
    for name, group in [("", np.ones(len(left), dtype=bool)), *listed]:
        members = np.flatnonzero(group & left)
        if len(members) < LEAST_GROUP or (name and group[np.isfinite(fit.force)].all()):
            continue
        seen = [pattern(number) for number in _some(members)]
        kind, message = _judged(seen, name, 0.0 if name else LEAST_COSINE)
        if kind:
            found.append(Finding(kind, tuple(members.tolist()), message))
            left[members] = False
    return found


def confirmed(
    fit: Fit, source: Finding, structures: Sequence[Structure], given: Sequence[Surroundings], model: Model
) -> bool:
    """Whether the forces of a source contradict all other forces, too: those are fitted, its own are not.

    Without other forces there is nothing to confirm.

    Parameters
    ----------
    fit : Fit
        Without the forces of the source.
    source : Finding
        As of `groups`.
    structures : sequence of Structure
        Structures.
    given : sequence of Surroundings
        Of each.
    model : Model
        Features of all species.

    Returns
    -------
    bool
    """
    if not np.isfinite(fit.force).any():
        return True
    taken = _some(np.array(source.structures))
    seen = [_pattern(model, fit.potential.slopes(given[number]), structures[number]) for number in taken]
    return _judged(seen, "the source", LEAST_CONFIRMED)[0] == source.kind


def _some(members: np.ndarray) -> list[int]:
    """At most so many of them as are looked at."""
    return members[np.unique(np.linspace(0, len(members) - 1, MOST_TAKEN).astype(int))].tolist()


def _judged(patterns: Sequence[Pattern], name: str, least: float) -> tuple[str, str]:
    """Kind and message of what is wrong with the forces of a source, or of all without a name; or nothing.

    least : cosine, in magnitude.
    """
    low, factor, high = np.percentile([each.factor for each in patterns], (25, 50, 75)).tolist()
    cosine = float(np.median([each.cosine for each in patterns]))
    near, far = sorted((abs(low), abs(high)))
    sure = np.median([each.chance for each in patterns]) < SURE_GROUP
    if not name:  # one unit for all
        sure = len(patterns) >= LEAST_AGREEING and low * high > 0 and far < SCATTERED * near
    if not sure or abs(cosine) < least:
        return "", ""
    where = f"forces of {name}" if name else "forces"
    usual = 1 / UNLIKE < abs(factor) < UNLIKE
    unit = "" if usual else unit_of(abs(factor))
    if factor < 0 and (usual or unit):
        return "force-sign", f"{where} point uphill: they have the sign of the derivatives of the energy{unit}"
    if factor > UNLIKE or (0 < factor < 1 / UNLIKE and cosine > LEAST_COSINE):
        return "force-unit", f"{where} are {factor:.3g} times as large as the changes of the energy tell{unit}"
    return "", ""


def single(fit: Fit, structures: Sequence[Structure], given: Sequence[Surroundings], model: Model) -> list[Finding]:
    """Forces of single structures whose sign or unit contradicts what all other structures tell.

    Parameters
    ----------
    fit : Fit
        Of all structures.
    structures : sequence of Structure
        Structures.
    given : sequence of Surroundings
        Of each.
    model : Model
        Features of all species.

    Returns
    -------
    list of Finding
        One for each structure.
    """
    ratio = fit.predicted_force / fit.force
    found = []
    for number in np.flatnonzero((ratio < SUSPECT[0]) | (ratio > SUSPECT[1])).tolist():
        slopes = fit.potential.slopes(given[number], fit.force[number], fit.force_weight[number])
        seen, out = _pattern(model, slopes, structures[number]), abs(fit.force_score[number])
        alike = abs(seen.cosine) > LEAST_COSINE
        unit = unit_of(seen.factor) if seen.factor > 0 else ""
        large = seen.factor > UNLIKE
        if REVERSED[0] < seen.factor < REVERSED[1] and (out > OUT or (alike and seen.chance < SURE_SIGN)):
            message = "forces point uphill, against the change of the energy that the other structures predict"
            found.append(Finding("force-sign", (number,), message))
        elif (
            (unit and out > UNLIKE_OUT and (large or alike))
            or (unit and out > LEAST_OUT and alike and seen.chance < SURE_UNIT)
            or (large and out > OUT and alike)
        ):
            message = f"forces {seen.factor:.3g} times as large as the other structures predict{unit}"
            found.append(Finding("force-unit", (number,), message))
    return found


def _pattern(model: Model, slopes: np.ndarray, structure: Structure) -> Pattern:
    assert structure.forces is not None
    expected, unknown = patterns.forces(model, slopes, structure), structure.unknown_forces
    return patterns.compare(structure.forces, expected if unknown is None else np.where(unknown, 0.0, expected))


def unit_of(factor: float) -> str:
    """In words, the unit in which forces are larger by this factor than in eV/Å, or nothing."""
    name = min(UNITS, key=lambda each: abs(math.log(factor / UNITS[each])))
    return f"; they look like {name}" if 1 / NEAR < factor / UNITS[name] < NEAR else ""


def contacts(structures: Sequence[Structure], given: Sequence[Surroundings], radii: np.ndarray) -> list[Finding]:
    """Structures in which two atoms attract each other although they are closer than any bond.

    Parameters
    ----------
    structures : sequence of Structure
        Structures.
    given : sequence of Surroundings
        Of each.
    radii : array, shape (n_types,)
        Covalent radii of the species, Å.

    Returns
    -------
    list of Finding
        One for each structure.
    """
    found = []
    for number, (structure, around) in enumerate(zip(structures, given, strict=True)):
        one, other, direction = around.closest
        if structure.forces is None or one < 0 or one == other:
            continue
        if structure.unknown_forces is not None and structure.unknown_forces[[one, other]].any():
            continue
        sums = radii[:, np.newaxis] + radii
        if (around.shortest / sums).min() > COMPRESSED:
            continue
        apart = 0.5 * float((structure.forces[other] - structure.forces[one]) @ direction)
        if apart < -ATTRACTIVE:
            message = f"two atoms closer than any bond attract each other by {-apart:.3g} eV/Angstrom"
            found.append(Finding("force-sign", (number,), message))
    return found


def net(structures: Sequence[Structure]) -> list[Finding]:
    """Forces that do not sum to zero, which those of an isolated or periodic system do, if all of them are known.

    Parameters
    ----------
    structures : sequence of Structure
        Structures.

    Returns
    -------
    list of Finding
        One for each structure.
    """
    sums = np.array([0.0 if s.forces is None else np.linalg.norm(s.forces.sum(axis=0)) for s in structures])
    scaled = sums / np.sqrt([s.n_atoms for s in structures])
    with_forces = np.array(
        [s.forces is not None and s.n_atoms > 1 and s.unknown_forces is None for s in structures], dtype=bool
    )
    usual = float(np.median(scaled[with_forces])) if with_forces.any() else 0.0
    limit = min(max(LEAST_NET, USUAL_NET * usual), MOST_NET)
    found = []
    for number in np.flatnonzero(with_forces & (scaled > limit)).tolist():
        forces = structures[number].forces
        assert forces is not None
        n_zero = int((~forces.any(axis=1)).sum())
        hint = f"; those of {n_zero} atoms are zero, as with constraints" if n_zero else ""
        found.append(Finding("net-force", (number,), f"forces sum to {sums[number]:.3g} eV/Angstrom{hint}"))
    return found
