"""Which frames to label: uncertain ones that differ from each other and from all that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.descriptors.model import species_of
from aenet_py.formats.uncertainty import Uncertainty
from aenet_py.potentials import uncertainty
from aenet_py.potentials.potential import Potential
from aenet_py.structure import Structure


@dataclass(frozen=True)
class Candidates:
    """Frames of simulations, as potentials see them.

    Parameters
    ----------
    structures
        The n frames.
    spread
        (n,) spread, or expected error, of the least certain force of each, eV/Å.
    fingerprints
        (n, n_values) see `fingerprint`.
    """

    structures: tuple[Structure, ...]
    spread: np.ndarray
    fingerprints: np.ndarray


def fingerprint(potential: Potential, structure: Structure, features: np.ndarray) -> np.ndarray:
    """Means of the features over the atoms of each species, one species after the other.

    Parameters
    ----------
    potential
        Whose features they are.
    structure
        The structure.
    features
        (n_atoms, largest number of features).

    Returns
    -------
    numpy.ndarray
        (n_species * largest number of features,); zeros for species that the structure does not have.
    """
    names = np.array(structure.names())
    means = np.zeros((len(potential.types), features.shape[1]))
    for row, symbol in enumerate(potential.types):
        if (names == symbol).any():
            means[row] = features[names == symbol].mean(axis=0)
    return means.ravel()


def choose(candidates: Candidates, known: np.ndarray, n: int, least: float, most: float) -> list[int]:
    """Choose frames to label.

    Among the frames whose spread is from least to most, those are taken one after the other that are farthest from all
    known and all chosen ones (farthest-point sampling; T. F. Gonzalez, Theor. Comput. Sci. 38, 293 (1985)).  If there
    are fewer than n, frames with a larger spread follow, the most certain ones first.

    Parameters
    ----------
    candidates
        To choose from.
    known
        (m, n_values) fingerprints of all structures that are labelled.
    n
        How many to choose, at most.
    least
        Smallest spread, eV/Å.
    most
        Largest spread, eV/Å.

    Returns
    -------
    list of int
        Places of the chosen frames, in the order of the choice.
    """
    spread = candidates.spread
    inside = np.flatnonzero((spread >= least) & (spread <= most))
    scaled_known, scaled = _scaled(known, candidates.fingerprints)
    chosen = [int(inside[k]) for k in farthest(scaled[inside], scaled_known, n)]
    beyond = np.flatnonzero(spread > most)
    order = beyond[np.argsort(spread[beyond], kind="stable")]
    return chosen + [int(k) for k in order[: n - len(chosen)]]


def farthest(points: np.ndarray, known: np.ndarray, n: int) -> list[int]:
    """Points that are far from the known ones and from each other.

    Parameters
    ----------
    points
        (k, d) to choose from.
    known
        (m, d) others; without any, the first choice is the point farthest from the mean of all.
    n
        How many to choose, at most; a point that coincides with a known or a chosen one is never chosen.

    Returns
    -------
    list of int
        Rows of points, each the farthest from all known and earlier ones; the first of equal ones.
    """
    if not len(points):
        return []
    start = known if len(known) else points.mean(axis=0, keepdims=True)
    nearest = np.array([_square(point, start).min() for point in points])
    chosen: list[int] = []
    while len(chosen) < n and nearest.max() > 0:
        place = int(nearest.argmax())
        chosen.append(place)
        if len(chosen) == 1 and not len(known):
            nearest = _square(points[place], points)
        else:
            nearest = np.minimum(nearest, _square(points[place], points))
    return chosen


def _square(point: np.ndarray, others: np.ndarray) -> np.ndarray:
    return ((others - point) ** 2).sum(axis=1)


def _scaled(*some: np.ndarray) -> list[np.ndarray]:
    """Points with a standard deviation of 1 of each value over all; values that do not vary become 0."""
    everything = np.concatenate(some)
    widths = everything.std(axis=0)
    factors = np.divide(1.0, widths, out=np.zeros_like(widths), where=widths > 1e-9 * np.abs(everything).max(axis=0))
    return [each * factors for each in some]


def fingerprints(potential: Potential, structures: Sequence[Structure]) -> np.ndarray:
    """The `fingerprint` of each structure, (n, n_values)."""
    found = [fingerprint(potential, each, potential.energy_forces(each).features) for each in structures]
    return _rows(potential, found)


def candidates(
    members: Sequence[Potential], calibration: Uncertainty | None, structures: Sequence[Structure]
) -> Candidates:
    """What potentials say about structures.

    Parameters
    ----------
    members
        A committee, or a single potential.
    calibration
        Of their uncertainty; None for the spread of a committee itself.
    structures
        The structures.

    Returns
    -------
    Candidates
    """
    spreads, prints = [], []
    for structure in structures:
        found = [member.energy_forces(structure) for member in members]
        if len(members) > 1:
            uncertain = uncertainty.spread(
                uncertainty.deviation(np.array([each.forces for each in found]), calibration)
            )
        else:
            assert calibration is not None
            types = species_of(members[0].model, structure)
            uncertain = uncertainty.estimate(members[0], calibration, types, found[0].features)
        spreads.append(uncertain.max())
        prints.append(fingerprint(members[0], structure, found[0].features))
    return Candidates(tuple(structures), np.array(spreads), _rows(members[0], prints))


def _rows(potential: Potential, prints: Sequence[np.ndarray]) -> np.ndarray:
    """Fingerprints as an array, also if there are none."""
    return np.array(prints).reshape(len(prints), len(potential.types) * potential.networks.means.shape[1])
