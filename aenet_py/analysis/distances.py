"""Interatomic distances: radial distribution functions of periodic structures, neighbour counts of clusters."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms

from aenet_py.errors import AenetError
from aenet_py.neighbors import verlet

PROMINENCE = 0.2  # smallest prominence of a peak, relative to the highest value
SMOOTHED = 2.0  # bins; width of the Gaussian that smooths noise in the peak search
SIGNIFICANT = 4.0  # smallest prominence in standard deviations of the pair counts
NEAR = 4  # bins; largest distance from a smoothed peak to the highest bin


@dataclass(frozen=True)
class Distribution:
    """Distances of pairs of species.

    Parameters
    ----------
    r
        (n_bins,) centres of the bins, Å.
    pairs
        Pairs of species.
    values
        (n_pairs, n_bins); the radial distribution functions g(r) if normalised, else the number of neighbours of the
        second species per atom of the first, 1/Å.
    normalised
        Whether the structures are periodic in three directions.
    peaks
        (n_pairs, 2) position (Å) and height of the first peak; NaN if there is none, or none was looked for.
    shortest
        (n_pairs,) shortest distance, Å; infinite if none is below the largest distance.
    n_frames
        Number of structures averaged.
    """

    r: np.ndarray
    pairs: tuple[tuple[str, str], ...]
    values: np.ndarray
    normalised: bool
    peaks: np.ndarray
    shortest: np.ndarray
    n_frames: int


def distribution(
    frames: Iterable[Atoms], r_max: float = 8.0, width: float = 0.05,
    visit: Callable[[Atoms], object] = lambda atoms: None,  # noqa: ARG005
    peaks: bool = True,
) -> Distribution:  # fmt: skip
    """Average the distances of all pairs of species over structures of the same atoms.

    g(r) = V n(r) / (N 4 pi r^2 dr), with the number n(r) of neighbours of the other species (N atoms) in a shell around
    an atom, including all periodic images [1]_.  The volume of a shell is that between its spheres.

    Parameters
    ----------
    frames
        Structures.
    r_max
        Largest distance, Å.
    width
        Width of the bins, Å.
    visit
        Called with each structure.
    peaks
        Whether to look for peaks.

    Returns
    -------
    Distribution
        For each pair of species, g(r), or for isolated structures the number of neighbours per Å.

    Raises
    ------
    AenetError
        If there are no structures, or they contain different atoms.

    References
    ----------
    .. [1] M. P. Allen and D. J. Tildesley, Computer Simulation of Liquids, 2nd ed., Oxford 2017, section 8.2.
    """
    if not 0 < width < r_max < np.inf:
        raise AenetError(f"bins must have a width above 0 and below r_max, not {width:g} and {r_max:g} Angstrom")
    edges = width * np.arange(round(r_max / width) + 1)
    n_bins, n_frames = len(edges) - 1, 0
    first: Atoms | None = None
    for atoms in frames:
        if first is None:
            first = atoms
            symbols = list(dict.fromkeys(atoms.symbols))
            species = np.array([symbols.index(symbol) for symbol in atoms.symbols])
            normalised = bool(atoms.pbc.all())
            counts = np.bincount(species)
            total = np.zeros((len(symbols), len(symbols), n_bins))
            of_others, n_pairs = np.zeros_like(total), np.zeros_like(total)  # without images of the atom itself
            shortest = np.full((len(symbols), len(symbols)), np.inf)
        if not np.array_equal(atoms.numbers, first.numbers) or bool(atoms.pbc.all()) != normalised:
            raise AenetError(f"frame {n_frames + 1} has other atoms than the first frame")
        near = verlet.environments(verlet.pairs(atoms, edges[-1], 0.0), atoms)
        centers, others = np.repeat(species, near.counts), species[near.index]
        bins = np.minimum((near.distance / width).astype(np.int64), n_bins - 1)
        which = (centers * len(symbols) + others) * n_bins + bins
        of_self = near.index == np.repeat(np.arange(len(atoms)), near.counts)
        number, own = (np.bincount(each, minlength=total.size).reshape(total.shape) for each in (which, which[of_self]))
        weight = (atoms.get_volume() / counts[None, :, None] if normalised else 1.0 / width) / counts[:, None, None]
        total += number * weight
        of_others += (number - own) * weight
        n_pairs += number - own
        np.minimum.at(shortest, (centers, others), near.distance)
        n_frames += 1
        visit(atoms)
    if first is None:
        raise AenetError("there are no structures to average")
    if normalised:
        shells = 4.0 / 3.0 * np.pi * (edges[1:] ** 3 - edges[:-1] ** 3)
        total, of_others = total / shells, of_others / shells
    chosen = list(itertools.combinations_with_replacement(range(len(symbols)), 2))
    chosen = [(a, b) for a, b in chosen if a != b or counts[a] > 1 or normalised]
    r = 0.5 * (edges[1:] + edges[:-1])
    values = np.array([total[a, b] / n_frames for a, b in chosen]).reshape(len(chosen), n_bins)
    pairs = tuple((symbols[a], symbols[b]) for a, b in chosen)
    found = np.full((len(chosen), 2), np.nan)
    for k, (a, b) in enumerate(chosen if peaks else ()):
        found[k] = first_peak(r, of_others[a, b] / n_frames, n_pairs[a, b] / (1 + (a == b)), normalised)
    least = np.array([shortest[pair] for pair in chosen])
    return Distribution(r, pairs, values, normalised, found, least, n_frames)


def joined(parts: Sequence[Distribution]) -> Distribution:
    """The average over all structures of several distributions of the same pairs, without peaks."""
    first, weights = parts[0], [part.n_frames for part in parts]
    return replace(
        first,
        values=np.average([part.values for part in parts], axis=0, weights=weights),
        peaks=np.full_like(first.peaks, np.nan),
        shortest=np.min([part.shortest for part in parts], axis=0),
        n_frames=sum(weights),
    )


def overlap(a: Distribution, b: Distribution) -> np.ndarray:
    """How much two distributions of the same pairs have in common: 1 if they are equal, 0 if no bin has both.

    Both are taken as probabilities p and q of the distances within r_max, whatever their number, so the overlap is
    1 - sum |p - q| / 2.

    Parameters
    ----------
    a
        A distribution.
    b
        Another one, with the same bins.

    Returns
    -------
    np.ndarray
        (n_pairs,); NaN without distances.
    """
    weights = a.r**2 if a.normalised else np.ones_like(a.r)
    with np.errstate(invalid="ignore"):
        p, q = (each.values * weights / (each.values @ weights)[:, None] for each in (a, b))
    return 1.0 - 0.5 * np.abs(p - q).sum(axis=1)


def first_peak(r: np.ndarray, values: np.ndarray, n_pairs: np.ndarray, normalised: bool) -> tuple[float, float]:
    """Position and height of the first peak, from a parabola through the highest bin and its two neighbours.

    Peaks are searched in the smoothed values (divided by r if not normalised, because distant atoms are more numerous).
    A peak rises above the valleys beside it by at least a fifth of the highest smoothed value.

    Parameters
    ----------
    r
        (n_bins,) centres of the bins, Å.
    values
        (n_bins,) the distribution.
    n_pairs
        (n_bins,) number of pairs counted in each bin.
    normalised
        As in `Distribution`.

    Returns
    -------
    tuple of float
        Position (Å) and height; NaN if there is no peak, or if the first one rises by less than four standard
        deviations of its counts, which are assumed to be Poisson distributed.
    """
    from scipy.ndimage import gaussian_filter1d  # slow to import
    from scipy.signal import find_peaks

    scaled = values if normalised else values / r
    smooth = gaussian_filter1d(scaled, SMOOTHED, mode="nearest")
    variance = scaled**2 / np.maximum(n_pairs, 1)
    # The square of a Gaussian is a Gaussian that is narrower by the root of two.
    noise = np.sqrt(
        gaussian_filter1d(variance, SMOOTHED / np.sqrt(2), mode="nearest") / (2 * np.sqrt(np.pi) * SMOOTHED)
    )
    peaks, properties = find_peaks(smooth, prominence=max(PROMINENCE * smooth.max(), np.finfo(float).tiny))
    if not len(peaks) or properties["prominences"][0] < SIGNIFICANT * noise[peaks[0]]:
        return np.nan, np.nan
    start = max(int(peaks[0]) - NEAR, 0)
    k = start + int(np.argmax(values[start : peaks[0] + NEAR + 1]))
    if not 0 < k < len(values) - 1:
        return float(r[k]), float(values[k])
    before, at, after = values[k - 1 : k + 2]
    curvature = before - 2.0 * at + after
    shift = 0.5 * (before - after) / curvature if curvature < 0 else 0.0
    return float(r[k] + shift * (r[1] - r[0])), float(at - 0.25 * (before - after) * shift)
