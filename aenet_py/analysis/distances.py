"""How far atoms are from each other: radial distribution functions, and distances of clusters."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from aenet_py.errors import AenetError
from aenet_py.neighbors import verlet

PROMINENCE = 0.2  # of the highest peak: what is less prominent is no peak
SMOOTHED = 2.0  # bins, of the Gaussian that noise is smoothed by where peaks are looked for
SIGNIFICANT = 4.0  # standard deviations of counted pairs by which a peak rises above its valleys
NEAR = 4  # bins, from a smoothed peak to the highest bin


@dataclass(frozen=True)
class Distribution:
    """Distances of pairs of species.

    r : (n_bins,) Å, centres of the bins; pairs : of species; values : (n_pairs, n_bins); normalised : whether these are
    radial distribution functions g(r), of structures that are periodic in three directions, or else neighbours of an
    atom of the first species per Å, 1/Å; peaks : (n_pairs, 2) place (Å) and height of the first peak, NaN if there is
    none; n_frames : how many structures they were averaged over.
    """

    r: np.ndarray
    pairs: tuple[tuple[str, str], ...]
    values: np.ndarray
    normalised: bool
    peaks: np.ndarray
    n_frames: int


def distribution(
    frames: Iterable[Atoms], r_max: float = 8.0, width: float = 0.05,
    seen: Callable[[Atoms], object] = lambda atoms: None,  # noqa: ARG005
) -> Distribution:  # fmt: skip
    """Average the distances of all pairs of species over structures of the same atoms.

    r_max, width : Å, of all bins and of one; seen : called with each structure.

    g(r) = V n(r) / (N 4 pi r^2 dr), with the number n(r) of neighbours of the other species (N atoms) in a shell around
    an atom, all periodic images counted (M. P. Allen and D. J. Tildesley, Computer Simulation of Liquids, 2nd ed.,
    Oxford 2017, section 8.2); a shell's volume is that between its spheres.  AenetError for structures of other atoms.
    """
    if not 0 < width < r_max < np.inf:
        raise AenetError(f"found bins of {width:g} to {r_max:g} Angstrom; expected a width above 0, less than the end")
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
            of_others, seen_pairs = np.zeros_like(total), np.zeros_like(total)  # without images of the atom itself
        if not np.array_equal(atoms.numbers, first.numbers) or bool(atoms.pbc.all()) != normalised:
            raise AenetError(f"found other atoms in frame {n_frames + 1}; expected those of the first")
        found = verlet.environments(verlet.pairs(atoms, edges[-1], 0.0), atoms)
        centers, others = np.repeat(species, found.counts), species[found.index - 1]
        place = np.minimum((found.distance / width).astype(np.int64), n_bins - 1)
        which = (centers * len(symbols) + others) * n_bins + place
        of_self = found.index - 1 == np.repeat(np.arange(len(atoms)), found.counts)
        number, own = (np.bincount(each, minlength=total.size).reshape(total.shape) for each in (which, which[of_self]))
        weight = (atoms.get_volume() / counts[None, :, None] if normalised else 1.0 / width) / counts[:, None, None]
        total += number * weight
        of_others += (number - own) * weight
        seen_pairs += number - own
        n_frames += 1
        seen(atoms)
    if first is None:
        raise AenetError("found no structures; expected at least one")
    if normalised:
        shells = 4.0 / 3.0 * np.pi * (edges[1:] ** 3 - edges[:-1] ** 3)
        total, of_others = total / shells, of_others / shells
    chosen = list(itertools.combinations_with_replacement(range(len(symbols)), 2))
    chosen = [(a, b) for a, b in chosen if a != b or counts[a] > 1 or normalised]
    r = 0.5 * (edges[1:] + edges[:-1])
    values = np.array([total[a, b] / n_frames for a, b in chosen]).reshape(len(chosen), n_bins)
    pairs = tuple((symbols[a], symbols[b]) for a, b in chosen)
    peaks = [
        first_peak(r, of_others[a, b] / n_frames, seen_pairs[a, b] / (1 + (a == b)), normalised) for a, b in chosen
    ]
    return Distribution(r, pairs, values, normalised, np.array(peaks).reshape(len(chosen), 2), n_frames)


def first_peak(r: np.ndarray, values: np.ndarray, n_pairs: np.ndarray, normalised: bool) -> tuple[float, float]:
    """Position and height of the first peak, from a parabola through the highest bin and its two neighbours.

    values, n_pairs : (n_bins,) the distribution, and the number of pairs counted in each bin.  Peaks are searched in
    the smoothed values (divided by r where these are not normalised, because distant atoms are more numerous).  A peak
    rises above the valleys beside it by at least a fifth of the highest smoothed value.  NaN if there is none, or if
    the first one rises by less than four standard deviations of its counts, which are taken as Poisson numbers.
    """
    scaled = values if normalised else values / r
    smooth = gaussian_filter1d(scaled, SMOOTHED, mode="nearest")
    variance = scaled**2 / np.maximum(n_pairs, 1)
    # The square of a Gaussian's weights is a Gaussian narrower by the root of two.
    noise = np.sqrt(
        gaussian_filter1d(variance, SMOOTHED / np.sqrt(2), mode="nearest") / (2 * np.sqrt(np.pi) * SMOOTHED)
    )
    places, found = find_peaks(smooth, prominence=max(PROMINENCE * smooth.max(), np.finfo(float).tiny))
    if not len(places) or found["prominences"][0] < SIGNIFICANT * noise[places[0]]:
        return np.nan, np.nan
    start = max(int(places[0]) - NEAR, 0)
    k = start + int(np.argmax(values[start : places[0] + NEAR + 1]))
    if not 0 < k < len(values) - 1:
        return float(r[k]), float(values[k])
    before, at, after = values[k - 1 : k + 2]
    curvature = before - 2.0 * at + after
    shift = 0.5 * (before - after) / curvature if curvature < 0 else 0.0
    return float(r[k] + shift * (r[1] - r[0])), float(at - 0.25 * (before - after) * shift)
