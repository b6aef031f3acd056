"""Structures that are the same, or nearly, whatever their orientation and the order of their atoms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aenet_py.tools.check.findings import Finding
from aenet_py.tools.check.surroundings import STEP, Surroundings

NEAR = 0.4  # of the change of features if all atoms move by STEP
SAME = 0.1  # below, structures differ by rounding only
SAME_ENERGY = 2e-3  # eV/atom; energies of the same structure that differ by more contradict each other


def find(given: Sequence[Surroundings], energies: np.ndarray, names: Sequence[str]) -> list[Finding]:
    """Structures that are as close to an earlier one as if all atoms had moved by 0.01 Å.

    Parameters
    ----------
    given : sequence of Surroundings
        Of the structures.
    energies : array, shape (n,)
        Energies per atom, eV; NaN if unknown.
    names : sequence of str
        Names of the structures.

    Returns
    -------
    list of Finding
        At most one for each structure.
    """
    groups: dict[bytes, list[int]] = {}
    for number, each in enumerate(given):
        groups.setdefault(each.counts.tobytes(), []).append(number)
    earliest: dict[int, tuple[int, float]] = {}
    for members in groups.values():
        prints = np.array([given[number].fingerprint for number in members])
        reach = np.array([given[number].resolution for number in members])
        for one, other, distance in _near(prints, reach):
            first, second = sorted((members[one], members[other]))
            if second not in earliest or (first, distance) < earliest[second]:
                earliest[second] = first, distance
    return [
        _finding(number, names[first], distance, abs(energies[number] - energies[first]))
        for number, (first, distance) in sorted(earliest.items())
    ]


def _near(prints: np.ndarray, reach: np.ndarray) -> list[tuple[int, int, float]]:
    """Pairs of rows that are closer than the reach of one of them, with their distance relative to it.

    Rows are sorted along their principal direction: only those whose components along it are close can be close.
    """
    centered = prints - prints.mean(axis=0)
    direction = np.linalg.eigh(centered.T @ centered)[1][:, -1]
    along = centered @ direction
    order = np.argsort(along, kind="stable")
    found: list[tuple[int, int, float]] = []
    for step in range(1, len(order)):
        first, second = order[:-step], order[step:]
        limit = np.maximum(reach[first], reach[second])
        apart = along[second] - along[first]
        if not (apart <= reach.max()).any():
            break
        near = np.flatnonzero(apart <= limit)
        first, second, limit = first[near], second[near], limit[near]
        distance = np.linalg.norm(prints[first] - prints[second], axis=1)
        relative = np.where(limit > 0, distance / np.where(limit > 0, limit, 1.0), np.where(distance > 0, np.inf, 0.0))
        chosen = relative <= NEAR
        found += zip(first[chosen].tolist(), second[chosen].tolist(), relative[chosen].tolist(), strict=True)
    return found


def _finding(number: int, other: str, distance: float, apart: float) -> Finding:
    """distance : relative to that of a displacement by STEP; apart : difference of the energies, eV/atom."""
    if distance > SAME:
        moved = f"as if its atoms had moved by {STEP * distance:.3f} Angstrom"
        return Finding("near-duplicate", (number,), f"almost the same as {other}, {moved}")
    if apart > SAME_ENERGY:
        message = f"the same structure as {other}, but the energies differ by {1000 * apart:.1f} meV/atom"
        return Finding("contradiction", (number,), message)
    return Finding("duplicate", (number,), f"the same structure as {other}")
