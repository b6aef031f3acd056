"""Calibrate the uncertainty of potentials, in one call.

training structures ──features──> averages and covariances ──┐
held-out structures ──forces──> distances or spread, errors ─┴─> factors ──> Calibration, uncertainty.json
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aenet_py.descriptors.model import species_of
from aenet_py.errors import AenetError
from aenet_py.evaluation import trained_on
from aenet_py.evaluation.evaluate import evaluations, jobs, predictions, read_all
from aenet_py.evaluation.evaluated import TEST, TRAIN, Evaluated
from aenet_py.formats import uncertainty as uncertainty_format
from aenet_py.formats.uncertainty import COMMITTEE, FEATURES, LAST_LAYER, Uncertainty
from aenet_py.potentials import uncertainty
from aenet_py.potentials.members import Potentials, members
from aenet_py.potentials.potential import Potential
from aenet_py.runtime.workers import Workers, number_of_threads
from aenet_py.structure import Structure, told_of_unknown

if TYPE_CHECKING:
    from aenet_py.evaluation.evaluate import Given


@dataclass(frozen=True)
class Calibration:
    """What `calibrate` returns.

    Parameters
    ----------
    uncertainty : Uncertainty
        What turns distances, or the spread of a committee, into force errors.
    path : str or None
        The file that was written.
    n_structures : int
        Structures whose force errors fixed the factors.
    held_out : bool
        Whether these are known to be others than those that the potential was trained on.
    species : array of str, shape (n_atoms,)
        Of the atoms of these structures.
    estimated, errors : array, shape (n_atoms,)
        Estimated and true force errors (lengths of vectors), eV/Å.
    left_out : str or None
        Which forces are not known (`Structure.unknown_forces`), in words; their atoms are left out.
    """

    uncertainty: Uncertainty
    path: str | None
    n_structures: int
    held_out: bool
    species: np.ndarray
    estimated: np.ndarray
    errors: np.ndarray
    left_out: str | None = None

    @property
    def rank_correlation(self) -> float:
        """Of estimated and true force errors (Spearman); NaN if either does not vary."""
        return rank_correlation(self.estimated, self.errors)


def calibrate(
    potential: Potentials,
    structures: Given | Iterable[Given],
    validation: Given | Iterable[Given] = (),
    *,
    method: str | None = None,
    training: str | os.PathLike[str] | None = None,
    output: str | os.PathLike[str] | None = None,
    legacy_angular: bool | None = None,
    energy_key: str | None = None,
    forces_key: str | None = None,
    threads: int | None = None,
    advance: Callable[[int], object] = lambda n: None,  # noqa: ARG005
) -> Calibration:
    """Calibrate the uncertainty of forces, which `ANNCalculator` and ``aenet-py md`` then report.

    Parameters
    ----------
    potential : path, mapping, Potential, or list of these
        As of `evaluate`; a list is a committee.
    structures : path, Structure, ase.Atoms, or iterable of these
        The training set, as for `read`.
    validation : path, Structure, ase.Atoms, or iterable of these
        Further structures, whose force errors fix the factors.  Without any, those of `structures` do that the tables
        in `training` do not name as trained on or validated by, or else all.
    method : {"features", "last layer", "committee"}, optional
        Distance of an atom's features to the training set (default of a single potential), the same in the last hidden
        layer, or the spread of forces (committees, always).
    training : path, optional
        Folder of the training, as for `evaluate`.
    output : path, optional
        Where to write the file, in place of an older one; nothing is written without.
    legacy_angular : bool, optional
        As for `Potential.load`.
    energy_key : str, optional
        As for `read`.
    forces_key : str, optional
        As for `read`.
    threads : int, optional
        Number of threads; by default one per processor.  The results do not depend on it.
    advance : callable
        Called with the number of structures evaluated since the last call.

    Returns
    -------
    Calibration
        The factors, and how estimated and true errors compare.

    Raises
    ------
    AenetError
        If potentials or structures cannot be read or do not belong together, the method does not apply, a species has
        no atoms in `structures`, or no structure has forces.

    Examples
    --------
    >>> folder = "fixtures/golden/cluster-cuau-h2o"
    >>> found = calibrate(f"{folder}/train-forces-adamw/expected", f"{folder}/xsf")
    >>> found.uncertainty.method, len(found.errors)
    ('features', 201)
    """
    committee = members(potential, legacy_angular, for_dynamics=False)
    method = _method(method, len(committee))
    all_given = list(read_all(structures, energy_key, forces_key))
    checked = list(read_all(validation, energy_key, forces_key))
    if not checked and not all_given:
        raise AenetError("no structures given; at least one is required")
    fitted, held_out = all_given, bool(checked)
    if not checked:
        known = frozenset() if training is None else trained_on.names(os.fspath(training))
        trained = [each for each in all_given if trained_on.name(each.path) in known]
        rest = [each for each in all_given if trained_on.name(each.path) not in known]
        has_both = bool(trained) and any(with_forces(each).any() for each in rest)
        fitted, checked = (trained, rest) if has_both else (all_given, all_given)
        held_out = has_both
    told = told_of_unknown((each.path, each.n_unknown_forces) for each in checked)
    checked = [each for each in checked if with_forces(each).any()]
    if not checked:
        raise AenetError("no structure has forces; they are needed to calibrate the uncertainty")
    number = number_of_threads(threads)
    compared: list[Evaluated] = []
    with Workers(number) as workers:
        if method == COMMITTEE:
            found = Uncertainty(method, uncertainty.digests(committee), dict.fromkeys(committee[0].types, 1.0))
        else:
            found = _covariances(committee[0], method, fitted, workers, advance)
        for part in workers.in_order(
            lambda job: evaluations(committee, found, job), jobs([(TEST, structure) for structure in checked])
        ):
            compared += part
            advance(len(part))
    species, estimated, errors = (np.concatenate(arrays) for arrays in zip(*map(_atoms, compared), strict=True))
    factors = _factors(committee[0].types, species, estimated, errors, method == COMMITTEE)
    of_energies = _of_energies(compared) if method == COMMITTEE else (None, 0)
    found = dataclasses.replace(
        found, factors=factors, n_atoms=len(errors), energy_factor=of_energies[0], n_structures=of_energies[1]
    )  # fmt: skip
    scaled = estimated * np.array([factors[symbol] for symbol in species.tolist()])
    path = None if output is None else os.fspath(output)
    if path is not None:
        uncertainty_format.write(path, found)
    return Calibration(found, path, len(checked), held_out, species, scaled, errors, told)


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation of two arrays (n,), with average ranks for equal values; NaN if one is constant."""
    ranks = [_ranks(values) for values in (one, other)]
    a, b = (values - values.mean() for values in ranks)
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0 else np.nan


def _ranks(values: np.ndarray) -> np.ndarray:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - 0.5 * (counts - 1))[places]


def _method(method: str | None, n_members: int) -> str:
    if n_members > 1:
        if method not in (None, COMMITTEE):
            raise AenetError(f"the method {method!r} is for a single potential; a committee has its spread")
        return COMMITTEE
    method = FEATURES if method is None else method
    if method not in (FEATURES, LAST_LAYER):
        raise AenetError(f"unknown method {method!r} for a single potential; choose {FEATURES!r} or {LAST_LAYER!r}")
    return method


def _atoms(each: Evaluated) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the atoms of a structure whose forces are known: species, raw uncertainty, length of the force error, eV/Å."""
    assert each.uncertainty is not None
    assert each.force_errors is not None
    structure, known = each.structure, with_forces(each.structure)
    lengths = np.linalg.norm(each.force_errors, axis=1)
    return np.array(structure.symbols)[structure.species][known], each.uncertainty[known], lengths[known]


def with_forces(structure: Structure) -> np.ndarray:
    """The atoms of a structure whose forces are known, (n_atoms,) bool; those of a single atom tell nothing."""
    has_several = np.full(structure.n_atoms, structure.n_atoms > 1)
    return has_several & structure.known_forces.all(axis=1)


def _of_energies(compared: Sequence[Evaluated]) -> tuple[float | None, int]:
    """The factor of a committee's spread of energies per atom, None for too few structures, and the number of these."""
    pairs = [
        (each.energy_error, each.energy_std / each.structure.n_atoms)
        for each in compared
        if each.energy_error is not None and each.energy_std is not None
    ]
    if len(pairs) < uncertainty.LEAST:
        return None, len(pairs)
    errors, spreads = np.array(pairs).T
    return uncertainty.ratio(errors**2, spreads**2), len(pairs)


def _covariances(
    potential: Potential, method: str, structures: Sequence[Structure], workers: Workers,
    advance: Callable[[int], object],
) -> Uncertainty:  # fmt: skip
    """Averages and transforms of all species, without factors."""

    def of_job(job: list[tuple[str, Structure]]) -> tuple[int, list[uncertainty.Moments]]:
        some = [structure for _, structure in job]
        sums = uncertainty.moments(potential, method)
        for structure, prediction in zip(some, predictions(potential, some), strict=True):
            types = species_of(potential.model, structure)
            for t in np.unique(types).tolist():
                sums[t].add(uncertainty.values_of(potential.files[t], prediction.features[types == t], method))
        return len(some), sums

    total = uncertainty.moments(potential, method)
    for n, sums in workers.in_order(of_job, jobs([(TRAIN, structure) for structure in structures])):
        for own, more in zip(total, sums, strict=True):
            own.n_atoms += more.n_atoms
            own.values += more.values
            own.products += more.products
        advance(n)
    missing = [symbol for symbol, sums in zip(potential.types, total, strict=True) if not sums.n_atoms]
    if missing:
        raise AenetError(f"no atoms of {' and '.join(missing)} in the structures; the training set is needed")
    found = [uncertainty.whitening(sums) for sums in total]
    means = {symbol: mean for symbol, (mean, _) in zip(potential.types, found, strict=True)}
    transforms = {symbol: transform for symbol, (_, transform) in zip(potential.types, found, strict=True)}
    return Uncertainty(method, uncertainty.digests([potential]), dict.fromkeys(means, 1.0), means, transforms)


def _factors(
    types: Sequence[str], species: np.ndarray, raw: np.ndarray, errors: np.ndarray, together: bool
) -> dict[str, float]:
    """The `ratio` of errors to raw values, by species or of all atoms together; 0 if there is none."""

    def ratio(chosen: np.ndarray) -> float:
        return uncertainty.ratio(errors[chosen] ** 2, raw[chosen] ** 2) or 0.0

    overall = ratio(np.ones(len(species), dtype=bool))
    present = set() if together else set(species.tolist())
    return {symbol: ratio(species == symbol) if symbol in present else overall for symbol in types}
