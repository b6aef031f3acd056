"""Forces against differences of energies, along trajectories: consecutive structures that are alike.

The energy changes by minus the mean of the forces before and after times the displacement, but for an error of third
order in the displacement.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.structure import Structure
from aenet_py.tools.check.findings import Finding
from aenet_py.tools.check.forces import UNITS, unit_of

LONGEST = 0.25  # Å, largest displacement of an atom
FACTORS = (-1.0, *(1 / value for value in UNITS.values()))  # that make up for the wrong sign or unit
LEAST_STEPS = 8  # of a source
CORRELATED = 0.9  # of the changes of the energy with the work of the forces
WRONG = (0.67, 1.5)  # ratio of both outside which forces do not belong to the energies
FAR, CLEAR = 3.0, 0.99  # ratio; correlation that a smaller one needs: long steps change it, too
EXPLAINED, EXPLAINED_BY_UNIT = 0.3, 0.1  # part of the error that the other sign, or one of several units, leaves
UNUSUAL, LEAST_CHANGE = 6.0, 1e-3  # times the median error; eV
MOSTLY_RIGHT = 0.3  # ratio of the median error and change, below which a few long steps must be to blame


@dataclass(frozen=True)
class Step:
    """From a structure to the next one.

    first : index of the first structure; change : of the energy, eV; before, after : work of the forces of the first
    and second structure along half of the displacement, eV.
    """

    first: int
    change: float
    before: float
    after: float

    def error(self, first: float = 1.0, second: float = 1.0) -> float:
        """Change of the energy that the forces do not explain, eV, if those of the structures are so many times."""
        return self.change + first * self.before + second * self.after


def steps(structures: Sequence[Structure], sources: Sequence[str]) -> dict[str, list[Step]]:
    """The steps of each source.

    Parameters
    ----------
    structures : sequence of Structure
        Structures in the order of their files.
    sources : sequence of str
        Where each comes from.

    Returns
    -------
    dict of str to list of Step
    """
    found: dict[str, list[Step]] = {}
    for number in range(len(structures) - 1):
        one, other = structures[number : number + 2]
        if sources[number] != sources[number + 1] or not _comparable(one, other):
            continue
        moves = other.positions - one.positions
        if one.lattice is not None:
            cells = moves @ np.linalg.pinv(one.lattice)
            moves = moves - np.where(one.pbc, np.round(cells), 0.0) @ one.lattice
        if np.linalg.norm(moves, axis=1).max() > LONGEST:
            continue
        assert one.energy is not None
        assert other.energy is not None
        assert one.forces is not None
        assert other.forces is not None
        before, after = (0.5 * float(np.sum(each * moves)) for each in (one.forces, other.forces))
        found.setdefault(sources[number], []).append(Step(number, other.energy - one.energy, before, after))
    return found


def _comparable(one: Structure, other: Structure) -> bool:
    labelled = all(each.energy is not None and each.forces is not None for each in (one, other))
    if not labelled or one.pbc != other.pbc or one.names() != other.names():
        return False
    if one.cell is None or other.cell is None:
        return one.cell is other.cell
    return bool(np.allclose(one.cell, other.cell))


def find(structures: Sequence[Structure], sources: Sequence[str]) -> list[Finding]:
    """Forces that contradict the energies along trajectories.

    Parameters
    ----------
    structures : sequence of Structure
        Structures in the order of their files.
    sources : sequence of str
        Where each comes from.

    Returns
    -------
    list of Finding
        One for a source whose forces are wrong throughout, and one for each single structure.
    """
    found = []
    for source, taken in steps(structures, sources).items():
        if len(taken) < LEAST_STEPS:
            continue
        changes = np.array([step.change for step in taken])
        work = np.array([-step.before - step.after for step in taken])
        largest = int(np.argmax(np.abs(changes * work)))  # a single step must not decide
        correlation = min(
            _correlation(changes, work), _correlation(*(np.delete(e, largest) for e in (changes, work))), key=abs
        )
        ratio = float(changes @ work / (work @ work)) if correlation else 1.0
        right = np.median(np.abs(changes - work)) < MOSTLY_RIGHT * np.median(np.abs(changes))
        members = tuple(sorted({number for step in taken for number in (step.first, step.first + 1)}))
        needed = CLEAR if 1 / FAR < ratio < FAR else CORRELATED
        if correlation < -CORRELATED and not right:
            message = f"along {source}, the energy rises where the forces say that it falls"
            found.append(Finding("force-sign", members, message))
        elif correlation > needed and not (right or WRONG[0] < ratio < WRONG[1]):
            message = (
                f"along {source}, the energy changes {ratio:.3g} times as much as the forces say{unit_of(1 / ratio)}"
            )
            found.append(Finding("force-unit", members, message))
        else:
            found += _single(taken)
    return found


def _correlation(changes: np.ndarray, work: np.ndarray) -> float:
    norms = math.sqrt(float(changes @ changes) * float(work @ work))
    return float(changes @ work) / norms if norms > 0 else 0.0


def _single(taken: Sequence[Step]) -> list[Finding]:
    """Structures between two steps, both of which another sign or unit of their forces explains much better.

    And better than no forces at all, which are what those in a small unit nearly are.
    """
    middle = float(np.median([abs(step.error()) for step in taken]))
    usual = max(LEAST_CHANGE, UNUSUAL * middle)
    found = []
    for one, other in itertools.pairwise(taken):
        if other.first != one.first + 1:
            continue
        error = math.hypot(one.error(), other.error())
        left = {each: math.hypot(one.error(second=each), other.error(first=each)) for each in (0.0, *FACTORS)}
        factor = min(FACTORS, key=lambda each: left[each])
        both = max(middle, abs(one.error(second=factor))) < abs(one.error())
        both = both and max(middle, abs(other.error(first=factor))) < abs(other.error())
        enough = EXPLAINED if factor < 0 else EXPLAINED_BY_UNIT
        if both and error > usual and left[factor] < min(enough * error, enough * left[0.0], usual):
            kind, what = "force-sign", "with the other sign"
            if factor > 0:
                kind, what = "force-unit", f"{factor:.3g} times as large"
            unit = unit_of(1 / factor) if factor > 0 else ""
            message = f"forces {what} explain how the energy changes before and after{unit}"
            found.append(Finding(kind, (other.first,), message))
    return found
