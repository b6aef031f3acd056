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
from dataclasses import dataclass, fields

import numpy as np

from aenet_py.pipelines.atomic_energies import least_squares
from aenet_py.tools.check.surroundings import Surroundings

HUBER, TUKEY = 2.0, 8.0  # where weights begin to fall, and where they end, in standard deviations
N_HUBER, N_ROUNDS = 5, 15
IMPOSSIBLE = 12.0  # eV/atom; no two structures of the same atoms differ by more
SETTLED = 1e-3  # mean change of the weights after which no more rounds follow
MOST_FITTED = 3000  # structures
ROWS, LEAST_DIRECTIONS, MOST_DIRECTIONS = 6000, 2, 60  # of forces: all rows, and those of a structure
N_LEAST_ABSOLUTE = 60
BLOCK = 3000  # rows that are judged at a time
WINDOW = 25  # structures on either side that give the usual size of residuals
FREE = 100.0  # factor of the columns of fractions, which the ridge hardly keeps small
PENALTIES = 10.0 ** np.arange(-10, 3, 0.5)  # relative to the largest eigenvalue
MOST_USED = 0.6  # degrees of freedom per energy that the fit may use for the energies
BETTER = 0.7  # ratio of errors below which energies alone predict energies better
LEAST_OUT = 0.02  # of a structure's weight in its own prediction that is always taken as coming from others
LEAST_STRUCTURES = 10  # with energies, of which a model is fitted
SIGMA = 1.4826  # standard deviation of normally distributed values, relative to the median of their magnitudes
ROUNDING = 1e-13  # of the sum of squares
TINY = 1e-9  # eV/atom, eV/Å; smaller residuals are rounding


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
    from_energies : Potential
        Fitted to the energies alone.
    potential : Potential
        Fitted to energies and forces.
    has_forces : array of bool, shape (n,)
        Whether the forces of each structure are known, not negligible, and not excluded.
    """

    atomic: np.ndarray
    by_composition: np.ndarray
    predicted: np.ndarray
    score: np.ndarray
    from_energies: Potential
    potential: Potential
    has_forces: np.ndarray

    @property
    def residual(self) -> np.ndarray:
        """Energy minus predicted energy, (n,) eV/atom."""
        return self.by_composition - self.predicted


def fit(
    given: Sequence[Surroundings],
    energies: np.ndarray,
    has_forces: np.ndarray,
    excluded: np.ndarray,
    squares: np.ndarray,
) -> Fit | None:
    """Fit a linear potential.

    Parameters
    ----------
    given : sequence of Surroundings
        Of the structures.
    energies : array, shape (n,)
        Energies per atom, eV; NaN if unknown.
    has_forces : array of bool, shape (n,)
        Structures whose forces may be fitted.
    excluded : array of bool, shape (n,)
        Structures that are not fitted; what the others predict for their energies is known all the same.
    squares : array of bool, shape (n_columns,)
        Whether each of the columns has squares.

    Returns
    -------
    Fit or None
        None with too few energies.
    """
    has_energy = np.isfinite(energies)
    fitted = has_energy & ~excluded
    if fitted.sum() < LEAST_STRUCTURES:
        return None
    fractions = np.array([each.counts / each.counts.sum() for each in given])
    atomic = least_absolute(fractions[fitted], energies[fitted])
    by_composition = energies - fractions @ atomic
    stride = sample_stride(len(given))
    sample = np.flatnonzero(fitted)[:: 1 + int(fitted.sum()) // MOST_FITTED]
    columns = np.zeros((len(sample), len(squares)))
    for row, number in zip(columns, sample.tolist(), strict=True):
        row[given[number].columns] = given[number].sums
    spread, middle = columns.std(axis=0), columns.mean(axis=0)
    del columns
    varies = spread > TINY
    n_directions = max([0, *(len(each.along) for each in given if each.along is not None)])
    values = np.zeros((len(given), 1 + n_directions))
    known = np.zeros(values.shape, dtype=bool)
    values[has_energy, 0], known[:, 0] = by_composition[has_energy], fitted
    for number in np.flatnonzero(has_forces & ~excluded).tolist():
        along = given[number].along
        if along is not None:
            values[number, 1 : 1 + len(along)], known[number, 1 : 1 + len(along)] = -along, True

    def robust(chosen: np.ndarray, width: int) -> Potential:
        table = _Table(given, middle, np.where(chosen, 1.0 / np.where(varies, spread, 1.0), 0.0), width)
        return _robust(table, values[:, :width], known[:, :width], stride)

    alone = robust(varies & ~squares, 1)
    both = robust(varies & ~squares, 1 + n_directions)
    with_squares = robust(varies, 1 + n_directions)
    if np.median(with_squares.errors[fitted]) < np.median(both.errors[fitted]):
        both = with_squares
    alone_is_best = np.median(alone.errors[fitted]) < BETTER * np.median(both.errors[fitted])
    best = alone if alone_is_best else both  # of the energies
    return Fit(
        atomic=atomic,
        by_composition=by_composition,
        predicted=np.where(has_energy, best.predicted, np.nan),
        score=np.where(has_energy, best.scores, np.nan),
        from_energies=alone,
        potential=both,
        has_forces=has_forces & ~excluded,
    )


def sample_stride(n: int) -> int:
    """Of so many of n structures, one is fitted."""
    return 1 + n // MOST_FITTED


def n_directions(n: int) -> int:
    """Directions of each structure that is fitted, of n."""
    return min(max(LEAST_DIRECTIONS, ROWS // max(1, n // sample_stride(n))), MOST_DIRECTIONS)


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


@dataclass(frozen=True)
class _Table:
    """The rows of a fit, computed when they are needed: of each structure that of its energy, then those of forces.

    given : of all structures; middle, scales : of the columns, scale 0 for those that are left out; width : rows of a
    structure.
    """

    given: Sequence[Surroundings]
    middle: np.ndarray
    scales: np.ndarray
    width: int

    @functools.cached_property
    def kept(self) -> np.ndarray:
        """Columns that are fitted."""
        return np.flatnonzero(self.scales)

    def rows(self, which: np.ndarray) -> np.ndarray:
        """Rows of some structures, (len(which), width, d); zero where there is none."""
        n_types = len(self.given[0].counts)
        out = np.zeros((len(which), self.width, n_types + len(self.kept)))
        full = np.zeros((self.width, len(self.scales)))
        for rows, number in zip(out, which.tolist(), strict=True):
            each = self.given[number]
            full[:] = 0.0
            full[0, each.columns] = each.sums
            full[0] -= self.middle
            if each.slopes is not None and self.width > 1:
                full[1 : 1 + len(each.slopes), each.columns] = each.slopes
            rows[0, :n_types] = FREE * each.counts / each.counts.sum()
            rows[:, n_types:] = full[:, self.kept] * self.scales[self.kept]
        return out


@dataclass(frozen=True)
class Potential:
    """A fitted linear potential, and what the other structures predict for each structure.

    Parameters
    ----------
    table : _Table
        The rows.
    values : array, shape (n, width)
        Energy of each structure by composition, eV/atom, and minus the forces along its directions, eV/Å.
    weights : array, shape (n, width)
        Their weights in the fit.
    coefficients : array, shape (d,)
        Those of fractions, and of the columns that were fitted.
    root : array, shape (d, d)
        Root of the inverse of the normal matrix.
    predicted : array, shape (n,)
        Energy as the other structures predict it.
    errors : array, shape (n,)
        Usual error of such a prediction.
    scores : array, shape (n,)
        Residual in units of it.
    """

    table: _Table
    values: np.ndarray
    weights: np.ndarray
    coefficients: np.ndarray
    root: np.ndarray
    predicted: np.ndarray
    errors: np.ndarray
    scores: np.ndarray

    def slopes(self, number: int) -> np.ndarray:
        """Derivatives of the energy by the columns, as all structures but one tell, (n_columns,).

        Parameters
        ----------
        number : int
            Which one, 0-based.

        Returns
        -------
        array, shape (n_columns,)
        """
        coefficients, weights = self.coefficients, self.weights[number]
        if weights.any():
            rows = self.table.rows(np.array([number]))[0]
            reach = rows @ self.root
            share = _share((reach @ reach.T)[np.newaxis], weights[np.newaxis])[0]
            residuals = self.values[number] - rows @ coefficients
            coefficients = coefficients - self.root @ (reach.T @ (share @ residuals))
        out = np.zeros(len(self.table.scales))
        kept = self.table.kept
        out[kept] = coefficients[-len(kept) :] * self.table.scales[kept] if len(kept) else 0.0
        return out


def _share(reach: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What takes the rows of structures out of a fit, (n, width, width), by the formula of Woodbury.

    reach (n, width, width) : covariance of the fitted rows of each; weights (n, width).
    """
    roots = np.sqrt(weights)
    sizes, vectors = np.linalg.eigh(roots[:, :, np.newaxis] * reach * roots[:, np.newaxis])
    vectors = roots[:, :, np.newaxis] * vectors
    return (vectors / np.maximum(1.0 - sizes, LEAST_OUT)[:, np.newaxis]) @ vectors.transpose(0, 2, 1)


@dataclass(frozen=True)
class _Left:
    """Structures as the others predict them; of (n, 2) the first column is of energies, the second of forces.

    predicted (n,) : energies; reduced (n, 2) : residuals without the uncertainty of the prediction, of forces the root
    mean square; widths (n, 2) : factor of the error due to it; along (n, 2) : predicted energy, and size of the
    predicted forces; reach (n, 2) : variance of the prediction.
    """

    predicted: np.ndarray
    reduced: np.ndarray
    widths: np.ndarray
    along: np.ndarray
    reach: np.ndarray


def _robust(table: _Table, values: np.ndarray, known: np.ndarray, stride: int) -> Potential:
    """Fit the rows of a table to values (n, width) by reweighted ridge regression.

    known (n, width) : which of the values may be used.  Of large sets, every second or third structure and so on is
    fitted, and no impossible energies; all energies are judged.
    """
    n = len(values)
    used = np.arange(0, n, stride)
    centered = np.abs(values[:, 0] - np.median(values[known[:, 0], 0]))
    scales = np.array([_sigma(centered[known[:, 0]]), _sigma(values[:, 1:][known[:, 1:]])])
    may, targets, matrix = known[used], values[used], table.rows(used)
    either = _either(may)
    fitted = either & np.stack([centered[used] < IMPOSSIBLE, np.ones(len(used), dtype=bool)], axis=1)
    weights = fitted.astype(float)
    weights[:, 0] *= np.minimum(1.0, HUBER * scales[0] / np.maximum(centered[used], TINY))
    for number in range(N_ROUNDS):
        of_rows = _by_row(weights / scales**2, may)
        coefficients, root = _ridge(matrix, targets, of_rows)
        left = _left_out(matrix, targets, may, of_rows, scales, coefficients, root)
        scores = left.reduced / _usual_errors(left, may)
        before = weights
        if number < N_HUBER:
            scales = np.array([_sigma(left.reduced[either[:, which], which]) for which in (0, 1)])
            weights = fitted * np.minimum(1.0, HUBER / np.maximum(np.abs(scores), TINY))
        else:
            weights = fitted * np.clip(1.0 - (scores / TUKEY) ** 2, 0.0, None) ** 2
            if np.abs(weights - before).sum() < SETTLED * fitted.sum():
                break
    of_all = np.zeros(values.shape)
    of_all[used] = of_rows
    if len(used) < n:
        del matrix
        size = -(-BLOCK // table.width)
        blocks = [np.arange(start, min(start + size, n)) for start in range(0, n, size)]
        parts = [
            _left_out(table.rows(each), values[each], known[each], of_all[each], scales, coefficients, root)
            for each in blocks
        ]
        left = _Left(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(_Left)))
    usual = _usual_errors(left, known)[:, 0]
    return Potential(
        table, values, of_all, coefficients, root, left.predicted, usual * left.widths[:, 0], left.reduced[:, 0] / usual
    )


def _either(known: np.ndarray) -> np.ndarray:
    """Whether the energy is known, and any of the forces, (n, 2) bool."""
    return np.stack([known[:, 0], known[:, 1:].any(axis=1)], axis=1)


def _by_row(weights: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Weights of energies and forces (n, 2) for each row that is known, (n, width)."""
    every = np.repeat(weights, [1, known.shape[1] - 1], axis=1)
    return np.where(known, every, 0.0)


def _left_out(
    matrix: np.ndarray, values: np.ndarray, known: np.ndarray, weights: np.ndarray, scales: np.ndarray,
    coefficients: np.ndarray, root: np.ndarray,
) -> _Left:  # fmt: skip
    """Each structure as a fit without it predicts it.

    matrix (n, width, d), values, known, weights (n, width) : of the structures; scales (2,) : of energies and forces.
    """
    residuals, reach = values - matrix @ coefficients, matrix @ root
    reach = reach @ reach.transpose(0, 2, 1)
    share = reach @ _share(reach, weights)
    residuals = residuals + np.einsum("nij,nj->ni", share, residuals)
    variances = np.einsum("nii->ni", reach) + np.einsum("nij,nji->ni", share, reach)
    own = variances / np.append(scales[:1], np.repeat(scales[1:], values.shape[1] - 1)) ** 2
    widths = np.sqrt(1.0 + own)
    reduced, forces = residuals / widths, known[:, 1:]
    count = np.maximum(forces.sum(axis=1), 1)

    def mean(of: np.ndarray) -> np.ndarray:
        return np.where(forces, of[:, 1:], 0.0).sum(axis=1) / count

    predicted = values - residuals
    return _Left(
        predicted=predicted[:, 0],
        reduced=np.stack([reduced[:, 0], np.sqrt(mean(reduced**2))], axis=1),
        widths=np.stack([widths[:, 0], np.sqrt(mean(widths**2))], axis=1),
        along=np.stack([predicted[:, 0], np.sqrt(mean(predicted**2))], axis=1),
        reach=np.stack([own[:, 0], mean(own)], axis=1),
    )


def _usual_errors(left: _Left, known: np.ndarray) -> np.ndarray:
    """Residuals of energies and forces that are usual for such structures, (n, 2)."""
    found = np.empty(left.reduced.shape)
    for which, chosen in enumerate(_either(known).T):
        similar = [usual(left.reduced[:, which], each[:, which], chosen) for each in (left.along, left.reach)]
        found[:, which] = np.maximum(*similar)
    return found


def _ridge(matrix: np.ndarray, values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of weighted ridge regression, and a root (d, d) of the inverse of its normal matrix.

    matrix (n, width, d), values, weights (n, width).  The penalty is that of the smallest generalised cross-validation
    (G. H. Golub, M. Heath and G. Wahba, Technometrics 21 (1979) 215), of those that do not spend too many degrees of
    freedom on the energies: with more columns than structures, each would be fitted exactly.
    """
    rows = matrix.reshape(-1, matrix.shape[2])
    scaled = rows * weights.reshape(-1, 1)
    eigenvalues, vectors = np.linalg.eigh(scaled.T @ rows)
    eigenvalues = np.maximum(eigenvalues, 0.0)
    target = vectors.T @ (scaled.T @ values.ravel())
    n_used, total = max(1, int((weights > 0).sum())), float(np.sum(weights * values**2))
    of_energies = ((matrix[:, 0] @ vectors) ** 2 * weights[:, :1]).sum(axis=0)
    damped = eigenvalues + PENALTIES[:, np.newaxis] * max(eigenvalues[-1], TINY)
    penalties = damped - eigenvalues
    squares = total - ((target**2) * (eigenvalues + 2 * penalties) / damped**2).sum(axis=1)
    free = np.maximum(1.0 - (eigenvalues / damped).sum(axis=1) / n_used, 1e-3)
    score = np.maximum(squares, ROUNDING * total) / free**2
    allowed = (of_energies / damped).sum(axis=1) <= MOST_USED * max(1, int((weights[:, 0] > 0).sum()))
    allowed[-1] = True
    chosen = damped[np.argmin(np.where(allowed, score, np.inf))]
    return vectors @ (target / chosen), vectors / np.sqrt(chosen)


def _sigma(residuals: np.ndarray) -> float:
    return max(SIGMA * float(np.median(np.abs(residuals))), TINY) if len(residuals) else TINY


def usual(residuals: np.ndarray, along: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Standard deviation of those known residuals with similar values along, and at least that of all.

    Parameters
    ----------
    residuals : array, shape (n,)
        Residuals.
    along : array, shape (n,)
        By which they are compared with their neighbours.
    known : array of bool, shape (n,)
        Which residuals count.

    Returns
    -------
    array, shape (n,)
    """
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
