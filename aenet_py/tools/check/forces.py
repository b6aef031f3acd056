"""Forces with the wrong sign or in another unit, and those that do not sum to zero."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from aenet_py.structure import Structure
from aenet_py.tools.check.findings import Finding
from aenet_py.tools.check.linear import Fit
from aenet_py.tools.check.surroundings import Surroundings

OUT = 6.0  # standard deviations of the force along all forces
REVERSED = (-2.5, -0.4)  # ratio of predicted and given force
UNITS = {  # value of an eV/Å in these
    "Hartree/Bohr": 1 / 51.422067, "Rydberg/Bohr": 1 / 25.711034, "Hartree/Angstrom": 1 / 27.211386,
    "kcal/mol/Angstrom": 23.060548, "meV/Angstrom": 1000.0,
}  # fmt: skip
UNLIKE, UNLIKE_OUT = 5.0, 4.0  # ratio of magnitudes that tells another unit; standard deviations
NEAR = 1.5  # ratio of magnitudes within which a unit is named
COMPRESSED = 0.6  # of the sum of the covalent radii
ATTRACTIVE = 3.0  # eV/Å; no two atoms that close attract each other so much
LEAST_NET, USUAL_NET, MOST_NET = 0.01, 10.0, 0.1  # eV/Å per root of the number of atoms; the second times the median


def by_fit(fit: Fit) -> list[Finding]:
    """Forces whose sign or unit contradicts the energies, as a fit to all structures tells.

    Parameters
    ----------
    fit : Fit
        Of all structures.

    Returns
    -------
    list of Finding
        One for all structures if most of them are concerned, and one for each of the others.
    """
    ratio = fit.predicted_force / fit.force
    against = (np.abs(fit.force_score) > OUT) & (ratio > REVERSED[0]) & (ratio < REVERSED[1])
    found = []
    if fit.agreement < 0:
        rest = np.flatnonzero(np.isfinite(ratio) & ~against)
        message = "forces point uphill: they have the sign of the derivatives of the energy"
        found.append(Finding("force-sign", tuple(rest.tolist()), message))
    else:
        message = "forces point uphill, against the change of the energy that the other structures predict"
        found += [Finding("force-sign", (number,), message) for number in np.flatnonzero(against).tolist()]
    magnitude = abs(fit.agreement)
    if math.isfinite(magnitude) and not 1 / UNLIKE < magnitude < UNLIKE:
        everything = tuple(np.flatnonzero(np.isfinite(ratio)).tolist())
        message = f"the energies change {magnitude:.3g} times as much as the forces say{unit_of(magnitude)}"
        return [*found, Finding("force-unit", everything, message)]
    other = (np.abs(fit.force_score) > UNLIKE_OUT) & ((ratio > UNLIKE) | ((ratio > 0) & (ratio < 1 / UNLIKE)))
    for number in np.flatnonzero(other).tolist():
        name = unit_of(ratio[number])
        if name:
            message = f"forces {1 / ratio[number]:.3g} times as large as the other structures predict{name}"
            found.append(Finding("force-unit", (number,), message))
    return found


def unit_of(ratio: float) -> str:
    """In words, the unit in which forces are smaller by this ratio than in eV/Å, or nothing."""
    name = min(UNITS, key=lambda each: abs(math.log(ratio * UNITS[each])))
    return f"; they look like {name}" if 1 / NEAR < ratio * UNITS[name] < NEAR else ""


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
        sums = radii[:, np.newaxis] + radii
        if (around.shortest / sums).min() > COMPRESSED:
            continue
        apart = 0.5 * float((structure.forces[other] - structure.forces[one]) @ direction)
        if apart < -ATTRACTIVE:
            message = f"two atoms closer than any bond attract each other by {-apart:.3g} eV/Angstrom"
            found.append(Finding("force-sign", (number,), message))
    return found


def net(structures: Sequence[Structure]) -> list[Finding]:
    """Forces that do not sum to zero, which those of an isolated or periodic system do.

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
    with_forces = np.array([s.forces is not None and s.n_atoms > 1 for s in structures], dtype=bool)
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
