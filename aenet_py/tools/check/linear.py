"""A linear potential that is robust to wrong energies and forces, and how far each structure is from it.

    energy per atom = sum over species of (fraction * atomic energy + sum of features / n_atoms * coefficients)

Features count with and without their squares, whichever predicts better.  The potential is fitted to the energies and
to one component of the forces of each structure, that along all forces: minus the norm of the forces is the derivative
of the energy along them.  Ridge regression keeps it from following each structure; iterated weights (Huber's, then
Tukey's [1]_) keep it from following those that are wrong.  The residuals are those of a fit without the structure
itself, in units of what is usual for structures with similar energies.

References
----------
.. [1] P. J. Huber and E. M. Ronchetti, Robust Statistics, 2nd ed., Wiley 2009, chapter 7.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from aenet_py.pipelines.atomic_energies import least_squares
from aenet_py.tools.check.surroundings import Surroundings

HUBER, TUKEY = 2.0, 8.0  # where weights begin to fall, and where they end, in standard deviations
N_HUBER, N_ROUNDS = 5, 15
IMPOSSIBLE = 12.0  # eV/atom; no two structures of the same atoms differ by more
SETTLED = 1e-3  # mean change of the weights after which no more rounds follow
MOST_FITTED = 3000  # energies, and forces
N_LEAST_ABSOLUTE = 60
BLOCK = 1000  # rows that are judged at a time
WINDOW = 25  # structures on either side that give the usual size of residuals
FREE = 100.0  # factor of the columns of fractions, which the ridge hardly keeps small
PENALTIES = 10.0 ** np.arange(-10, 3, 0.5)  # relative to the largest eigenvalue
LEAST_OUT = 0.02  # of a structure's weight in its own prediction that is always taken as coming from others
LEAST_STRUCTURES = 10  # with energies, of which a model is fitted
SIGMA = 1.4826  # standard deviation of normally distributed values, relative to the median of their magnitudes
ROUNDING = 1e-13  # of the sum of squares
TINY = 1e-9  # eV/atom, eV/Å; smaller residuals are rounding


@dataclass(frozen=True)
class Potential:
    """A fitted linear potential.

    Parameters
    ----------
    coefficients : array, shape (d,)
        Those of fractions, and of the columns that were fitted.
    root : array, shape (d, d)
        Root of the inverse of the normal matrix.
    scales : array, shape (n_columns,)
        Factor of each column of sums; 0 for those that were not fitted.
    """

    coefficients: np.ndarray
    root: np.ndarray
    scales: np.ndarray

    def slopes(self, around: Surroundings, force: float = 0.0, weight: float = 0.0) -> np.ndarray:
        """Derivatives of the energy of a structure by sums of features and of their squares.

        Parameters
        ----------
        around : Surroundings
            Of the structure.
        force : float
            Root mean square of its force components, eV/Å.
        weight : float
            That of this force in the fit, which is taken out.

        Returns
        -------
        array, shape (n_types, 2 * n_features)
        """
        shape = len(around.counts), around.sums.shape[1]
        kept = np.flatnonzero(self.scales)
        first = len(self.coefficients) - len(kept)
        coefficients = self.coefficients
        if weight > 0 and around.slopes is not None:
            columns = _columns(around, around.slopes) / np.sqrt(3.0 * around.counts.sum())
            row = np.append(np.zeros(first), (columns * self.scales)[kept])
            reach = self.root @ (row @ self.root)
            residual = -force - float(row @ coefficients)
            rest = max(1.0 - weight * float(row @ reach), LEAST_OUT)
            coefficients = coefficients - weight * residual / rest * reach
        out = np.zeros(len(self.scales))
        out[kept] = coefficients[first:] * self.scales[kept]
        return out.reshape(shape)


@dataclass(frozen=True)
class Fit:
    """A linear potential and its residuals.

    Parameters
    ----------
    atomic : array, shape (n_types,)
        Atomic energies of the robust fit by composition alone, eV.
    by_composition : array, shape (n,)
        Energy per atom minus that of this fit, eV; NaN without energy.
    predicted : array, shape (n,)
        The same as the other structures predict it, eV.
    score : array, shape (n,)
        Residual of the energy in standard deviations that are usual for such structures.
    force : array, shape (n,)
        Root mean square of the force components, eV/Å; NaN if forces are missing or negligible.
    predicted_force : array, shape (n,)
        The same as the other structures predict it, eV/Å; negative for forces of the opposite sign.
    force_score : array, shape (n,)
        Residual of the force in standard deviations that are usual for such forces.
    from_energies : Potential
        Fitted to the energies alone.
    potential : Potential
        Fitted to energies and forces.
    force_weight : array, shape (n,)
        Weight of the force of each structure in this fit, (Å/eV)².
    """

    atomic: np.ndarray
    by_composition: np.ndarray
    predicted: np.ndarray
    score: np.ndarray
    force: np.ndarray
    predicted_force: np.ndarray
    force_score: np.ndarray
    from_energies: Potential
    potential: Potential
    force_weight: np.ndarray

    @property
    def residual(self) -> np.ndarray:
        """Energy minus predicted energy, (n,) eV/atom."""
        return self.by_composition - self.predicted


def fit(given: Sequence[Surroundings], energies: np.ndarray, forces: np.ndarray, excluded: np.ndarray) -> Fit | None:
    """Fit a linear potential.

    Parameters
    ----------
    given : sequence of Surroundings
        Of the structures.
    energies : array, shape (n,)
        Energies per atom, eV; NaN if unknown.
    forces : array, shape (n,)
        Root mean square of the force components, eV/Å; NaN if unknown.
    excluded : array of bool, shape (n,)
        Structures that are not fitted; what the others predict for their energies is known all the same.

    Returns
    -------
    Fit or None
        None with too few energies.
    """
    has_energy = np.isfinite(energies)
    fitted = (has_energy & ~excluded)[has_energy]
    has_forces = has_energy & ~excluded & np.isfinite(forces) & np.array([each.slopes is not None for each in given])
    n_known = int(has_energy.sum())
    if fitted.sum() < LEAST_STRUCTURES:
        return None
    fractions = np.array([each.counts / each.counts.sum() for each in given])
    atomic = least_absolute(fractions[has_energy][fitted], energies[has_energy][fitted])
    by_composition = energies - fractions @ atomic
    sample = np.flatnonzero(has_energy & ~excluded)[:: 1 + n_known // MOST_FITTED]
    columns = np.array([_columns(given[number], given[number].sums) for number in sample.tolist()])
    spread, middle = columns.std(axis=0), columns.mean(axis=0)
    varies = spread > TINY
    targets, linear_ones = by_composition[has_energy], varies & ~_are_squares(given[0])
    numbers = np.flatnonzero(has_energy), np.flatnonzero(has_forces)

    def table(chosen: np.ndarray) -> _Table:
        return _Table(given, *numbers, middle, np.where(chosen, 1.0 / np.where(varies, spread, 1.0), 0.0))

    def both_with(chosen: np.ndarray) -> _Robust:
        return _robust(table(chosen), targets, -forces[has_forces], fitted)

    alone = _robust(replace(table(linear_ones), forces=numbers[1][:0]), targets, np.zeros(0), fitted)
    both, kept = both_with(linear_ones), linear_ones
    with_squares = both_with(varies)
    if np.median(with_squares.errors[:n_known]) < np.median(both.errors[:n_known]):
        both, kept = with_squares, varies

    def potential(of: _Robust, chosen: np.ndarray) -> Potential:
        return Potential(of.coefficients, of.root, table(chosen).scales)

    def spread_out(values: np.ndarray, where: np.ndarray) -> np.ndarray:
        out = np.full(len(given), np.nan)
        out[where] = values
        return out

    return Fit(
        atomic=atomic,
        by_composition=by_composition,
        predicted=spread_out(both.predicted[:n_known], has_energy),
        score=spread_out(both.scores[:n_known], has_energy),
        force=np.where(has_forces, forces, np.nan),
        predicted_force=spread_out(-both.predicted[n_known:], has_forces),
        force_score=spread_out(both.scores[n_known:], has_forces),
        from_energies=potential(alone, linear_ones),
        potential=potential(both, kept),
        force_weight=np.nan_to_num(spread_out(both.weights[n_known:], has_forces)),
    )


def least_absolute(fractions: np.ndarray, energies: np.ndarray) -> np.ndarray:
    """Energy per atom of each species with the smallest sum of absolute residuals, eV, by reweighted least squares.

    fractions (n, n_types), energies (n,) : as of `least_squares`.  Up to half of the energies may be wrong.
    """
    weights = np.ones(len(energies))
    for _ in range(N_LEAST_ABSOLUTE):
        roots = np.sqrt(weights)
        atomic = least_squares(fractions * roots[:, np.newaxis], energies * roots)
        residuals = np.abs(energies - fractions @ atomic)
        weights = 1.0 / np.maximum(residuals, TINY + 1e-3 * np.median(residuals))
    return atomic


def _columns(around: Surroundings, sums: np.ndarray) -> np.ndarray:
    """Sums of a structure, or their slopes, in columns by species and feature, (n_types * n_columns,)."""
    out = np.zeros((len(around.counts), sums.shape[1]))
    out[around.present] = sums
    return out.ravel()


def _are_squares(around: Surroundings) -> np.ndarray:
    """Whether each of the columns has sums of squares of features, (n_types * n_columns,) bool."""
    n_types, n_columns = len(around.counts), around.sums.shape[1]
    return np.tile(np.arange(n_columns) >= n_columns // 2, n_types)


@dataclass(frozen=True)
class _Table:
    """The rows of a fit, which are computed when they are needed: first those of energies, then those of forces.

    given : of all structures; energies, forces : which of them have rows; middle, scales : of the columns, scale 0 for
    those that are left out.
    """

    given: Sequence[Surroundings]
    energies: np.ndarray
    forces: np.ndarray
    middle: np.ndarray
    scales: np.ndarray

    def rows(self, which: np.ndarray) -> np.ndarray:
        """Some rows, (len(which), d)."""
        kept, n = np.flatnonzero(self.scales), len(self.energies)
        n_types = len(self.given[0].counts)
        out = np.zeros((len(which), n_types + len(kept)))
        for row, place in zip(out, which.tolist(), strict=True):
            if place < n:
                each = self.given[self.energies[place]]
                row[:n_types] = FREE * each.counts / each.counts.sum()
                row[n_types:] = (_columns(each, each.sums) - self.middle)[kept]
            else:
                each = self.given[self.forces[place - n]]
                assert each.slopes is not None
                row[n_types:] = _columns(each, each.slopes)[kept] / np.sqrt(3.0 * each.counts.sum())
        out[:, n_types:] *= self.scales[kept]
        return out


@dataclass(frozen=True)
class _Robust:
    """Coefficients; for each row what the other rows predict, its usual error, and the residual in units of that."""

    coefficients: np.ndarray
    root: np.ndarray
    weights: np.ndarray
    predicted: np.ndarray
    errors: np.ndarray
    scores: np.ndarray


def _robust(table: _Table, energies: np.ndarray, forces: np.ndarray, fitted: np.ndarray) -> _Robust:
    """Fit the rows of a table to energies (n,) and forces (m,) by reweighted ridge regression.

    fitted (n,) : which energies may be used.  Of large sets, every second or third row and so on is fitted, and no
    impossible energies; all are judged.
    """
    values = np.concatenate([energies, forces])
    n, is_force = len(energies), np.arange(len(values)) >= len(energies)
    known = np.append(fitted, np.ones(len(forces), dtype=bool))
    used = np.concatenate(
        [np.flatnonzero(fitted)[:: 1 + n // MOST_FITTED], np.arange(n, len(values), 1 + len(forces) // MOST_FITTED)]
    )
    centered = np.abs(energies - np.median(energies[fitted]))
    scales = np.array([_sigma(centered[fitted]), _sigma(forces)])
    used = used[(used >= n) | (np.append(centered, np.zeros(len(forces)))[used] < IMPOSSIBLE)]
    weights = np.zeros(len(values))
    weights[used] = 1.0
    weights[used[used < n]] = np.minimum(1.0, HUBER * scales[0] / np.maximum(centered[used[used < n]], TINY))
    matrix = table.rows(used)
    for number in range(N_ROUNDS):
        coefficients, root = _ridge(matrix, values[used], weights[used] / scales[is_force[used].astype(int)] ** 2)
        judge = functools.partial(_judged, scales=scales, coefficients=coefficients, root=root)
        seen = matrix @ coefficients, np.sum((matrix @ root) ** 2, axis=1)
        judged, reduced = judge(*seen, values[used], is_force[used], weights[used], known[used])
        before = weights.copy()
        if number < N_HUBER:
            scales = np.array([_sigma(reduced[is_force[used] == which]) for which in (False, True)])
            weights[used] = np.minimum(1.0, HUBER / np.maximum(np.abs(judged.scores), TINY))
        else:
            weights[used] = np.clip(1.0 - (judged.scores / TUKEY) ** 2, 0.0, None) ** 2
            if np.abs(weights - before).sum() < SETTLED * len(used):
                break
    if len(used) == len(values):
        return judged
    del matrix
    found, reach = np.empty((2, len(values)))
    for start in range(0, len(values), BLOCK):
        rows = table.rows(np.arange(start, min(start + BLOCK, len(values))))
        found[start : start + BLOCK] = rows @ coefficients
        reach[start : start + BLOCK] = np.sum((rows @ root) ** 2, axis=1)
    return judge(found, reach, values, is_force, before, known)[0]


def _judged(
    fitted: np.ndarray, reach: np.ndarray, values: np.ndarray, is_force: np.ndarray, weights: np.ndarray,
    known: np.ndarray, scales: np.ndarray, coefficients: np.ndarray, root: np.ndarray,
) -> tuple[_Robust, np.ndarray]:  # fmt: skip
    """Each row as the others predict it, and its residual without the uncertainty of the prediction.

    fitted, reach : value and variance of each row by the fit to all.
    """
    own = reach / scales[is_force.astype(int)] ** 2
    rest = np.maximum(1.0 - weights * own, LEAST_OUT)
    residuals = (values - fitted) / rest
    widths = np.sqrt(1.0 + own / rest)
    reduced, predicted = residuals / widths, values - residuals
    usual = np.empty(len(values))
    for which in (is_force, ~is_force):
        similar = [_usual(reduced[which], along[which], known[which]) for along in (predicted, own)]
        usual[which] = np.maximum(*similar)
    return _Robust(
        coefficients, root, weights / scales[is_force.astype(int)] ** 2, predicted, usual * widths, reduced / usual
    ), reduced


def _ridge(matrix: np.ndarray, values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of weighted ridge regression, and a root (d, d) of the inverse of its normal matrix.

    The penalty is that of the smallest generalised cross-validation (G. H. Golub, M. Heath and G. Wahba, Technometrics
    21 (1979) 215).
    """
    scaled = matrix * weights[:, np.newaxis]
    eigenvalues, vectors = np.linalg.eigh(scaled.T @ matrix)
    eigenvalues = np.maximum(eigenvalues, 0.0)
    target = vectors.T @ (scaled.T @ values)
    n_used, total = max(1, int((weights > 0).sum())), float(weights @ values**2)
    penalties = PENALTIES * max(eigenvalues[-1], TINY)
    damped = eigenvalues + penalties[:, np.newaxis]
    squares = total - ((target**2) * (eigenvalues + 2 * penalties[:, np.newaxis]) / damped**2).sum(axis=1)
    free = np.maximum(1.0 - (eigenvalues / damped).sum(axis=1) / n_used, 1e-3)
    chosen = damped[np.argmin(np.maximum(squares, ROUNDING * total) / free**2)]
    return vectors @ (target / chosen), vectors / np.sqrt(chosen)


def _sigma(residuals: np.ndarray) -> float:
    return max(SIGMA * float(np.median(np.abs(residuals))), TINY) if len(residuals) else TINY


def _usual(residuals: np.ndarray, along: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Standard deviation of those known residuals with similar values along, (n,), and at least that of all."""
    overall = _sigma(residuals[known])
    places, sizes = along[known], np.abs(residuals[known])
    if len(places) <= 2 * WINDOW:
        return np.full(len(residuals), overall)
    order = np.argsort(places, kind="stable")
    padded = np.pad(sizes[order], WINDOW, mode="reflect")
    medians = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * WINDOW + 1), axis=1)
    found = np.empty(len(residuals))
    found[np.flatnonzero(known)[order]] = SIGMA * medians
    others = np.minimum(np.searchsorted(places[order], along[~known]), len(places) - 1)
    found[~known] = SIGMA * medians[others]
    return np.maximum(found, overall)
