"""Forces with the wrong sign or in another unit, and those that do not sum to zero."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from aenet_py.structure import Structure
from aenet_py.tools.check import linear, patterns
from aenet_py.tools.check.findings import Finding
from aenet_py.tools.check.linear import Fit, Potential
from aenet_py.tools.check.patterns import Pattern
from aenet_py.tools.check.surroundings import Basis, Surroundings

SURE, SURE_GROUP = 1e-2, 1e-4  # chance of a pattern, of a single structure and of a group
ALIKE = 0.5  # cosine of single forces in another unit and those expected
REVERSED = 0.55  # part of the difference from the expected forces that the other sign leaves
OUT_SIGN, OUT_SMALL = 1.0, 0.8  # times the usual difference that tells the other sign, and a small unit
UNSURE_OUT_SIGN, UNSURE_OUT_SMALL, UNSURE_OUT_LARGE = 2.0, 2.5, 6.0  # if the pattern may be by chance
LEAST_USUAL = 1e-3  # eV/Å
NEAR_SINGLE = 2.0  # ratio of a small factor and that of a unit
UNITS = {  # value of an eV/Å in these
    "Hartree/Bohr": 1 / 51.422067, "Rydberg/Bohr": 1 / 25.711034, "Hartree/Angstrom": 1 / 27.211386,
    "kcal/mol/Angstrom": 23.060548, "kJ/mol/Angstrom": 96.485332, "meV/Angstrom": 1000.0,
}  # fmt: skip
UNLIKE = 5.0  # factor that tells another unit
NEAR = 1.5  # ratio of factors within which a unit is named
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
    basis: Basis,
    sources: Sequence[Sequence[str]],
) -> list[Finding]:
    """Sources whose forces have another sign or unit than a potential fitted to all energies tells.

    Parameters
    ----------
    fit : Fit
        Of all structures.
    structures : sequence of Structure
        Structures.
    basis : Basis
        Columns of the fit.
    sources : sequence of sequence of str
        Where each structure comes from, at first roughly, then in detail.

    Returns
    -------
    list of Finding
        One for all structures, or one for each source; no structure is in two.
    """
    left = fit.has_forces.copy()
    known: dict[int, Pattern] = {}

    def pattern(number: int) -> Pattern:
        if number not in known:
            known[number] = _pattern(basis, fit.from_energies, structures, number)
        return known[number]

    found = []
    listed = [(name, np.array([each == name for each in names])) for names in sources for name in dict.fromkeys(names)]
    for name, group in [("", np.ones(len(left), dtype=bool)), *listed]:
        members = np.flatnonzero(group & left)
        if len(members) < LEAST_GROUP or (name and group[fit.has_forces].all()):
            continue
        seen = [pattern(number) for number in _some(members)]
        kind, message = _judged(seen, name, 0.0 if name else LEAST_COSINE)
        if kind:
            found.append(Finding(kind, tuple(members.tolist()), message))
            left[members] = False
    return found


def confirmed(fit: Fit, source: Finding, structures: Sequence[Structure], basis: Basis) -> bool:
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
    basis : Basis
        Columns of the fit.

    Returns
    -------
    bool
    """
    if not fit.has_forces.any():
        return True
    taken = _some(np.array(source.structures))
    seen = [_pattern(basis, fit.potential, structures, number) for number in taken]
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


def compare(fit: Fit, structures: Sequence[Structure], basis: Basis) -> list[Pattern | None]:
    """The forces of each structure against what all other structures tell.

    Parameters
    ----------
    fit : Fit
        Of all structures.
    structures : sequence of Structure
        Structures.
    basis : Basis
        Columns of the fit.

    Returns
    -------
    list of Pattern or None
        None for structures without forces, and if their forces are not to be judged.
    """
    return [
        _pattern(basis, fit.potential, structures, number) if known else None
        for number, known in enumerate(fit.has_forces.tolist())
    ]


def single(patterns: Sequence[Pattern | None]) -> list[Finding]:
    """Forces of single structures whose sign or unit contradicts what all other structures tell.

    Parameters
    ----------
    patterns : sequence of Pattern or None
        Of each structure.

    Returns
    -------
    list of Finding
        One for each structure.
    """
    seen = [(number, pattern) for number, pattern in enumerate(patterns) if pattern is not None]
    rests, sizes = (np.array([of(pattern) for _, pattern in seen]) for of in (_rest, _size))
    usual = linear.usual(rests, sizes, np.ones(len(seen), dtype=bool)) / linear.SIGMA
    found = []
    for (number, pattern), out in zip(seen, (rests / np.maximum(usual, LEAST_USUAL)).tolist(), strict=True):
        kind = _wrong(pattern, out)
        if kind == "force-sign":
            message = "forces point uphill, against the change of the energy that the other structures predict"
            found.append(Finding(kind, (number,), message))
        elif kind:
            unit = unit_of(pattern.factor)
            message = f"forces {pattern.factor:.3g} times as large as the other structures predict{unit}"
            found.append(Finding(kind, (number,), message))
    return found


def _rest(pattern: Pattern) -> float:
    return pattern.rest(1.0)


def _size(pattern: Pattern) -> float:
    return pattern.expected


def _wrong(pattern: Pattern, out: float) -> str:
    """Kind of what is wrong with forces, or nothing; out : difference from the expected ones, by what is usual."""
    factor, sure = pattern.factor, pattern.chance < SURE
    if pattern.rest(-1.0) < REVERSED * pattern.rest(1.0) and out > (OUT_SIGN if sure else UNSURE_OUT_SIGN):
        return "force-sign"
    if factor <= 0 or pattern.cosine < ALIKE:
        return ""
    if factor > UNLIKE:
        return "force-unit" if sure or out > UNSURE_OUT_LARGE else ""
    if factor < 1 / UNLIKE and nearest_unit(factor)[1] < NEAR_SINGLE:
        return "force-unit" if out > (OUT_SMALL if sure else UNSURE_OUT_SMALL) else ""
    return ""


def _pattern(basis: Basis, potential: Potential, structures: Sequence[Structure], number: int) -> Pattern:
    structure = structures[number]
    assert structure.forces is not None
    expected, unknown = basis.forces(potential.slopes(number), structure), structure.unknown_forces
    return patterns.compare(structure.forces, expected if unknown is None else np.where(unknown, 0.0, expected))


def nearest_unit(factor: float) -> tuple[str, float]:
    """The unit in which forces are larger by about this factor, and the ratio of the two, at least 1."""
    apart = {name: abs(math.log(factor / value)) for name, value in UNITS.items()}
    name = min(apart, key=lambda each: apart[each])
    return name, math.exp(apart[name])


def unit_of(factor: float) -> str:
    """In words, the unit in which forces are larger by this factor than in eV/Å, or nothing."""
    name, missed = nearest_unit(factor)
    return f"; they look like {name}" if missed < NEAR else ""


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
