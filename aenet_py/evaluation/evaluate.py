"""What potentials predict for structures whose energies and forces are known, in one call.

structures ──potentials──> Evaluated, one per structure ──> Evaluation: errors by group, tables, figures
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from aenet_py.analysis.runs import Quality
from aenet_py.descriptors.model import species_of
from aenet_py.errors import AenetError, InputError
from aenet_py.evaluation import groups, trained_on
from aenet_py.evaluation.evaluated import PARTS, TEST, TRAIN, Evaluated
from aenet_py.formats import uncertainty as uncertainty_format
from aenet_py.formats.read import read
from aenet_py.formats.uncertainty import Uncertainty
from aenet_py.potentials import uncertainty as estimates
from aenet_py.potentials.members import Potentials, members
from aenet_py.potentials.potential import Potential, Prediction
from aenet_py.runtime.workers import Workers, number_of_threads
from aenet_py.structure import Structure, as_structure

if TYPE_CHECKING:
    from ase import Atoms

    Given = str | os.PathLike[str] | Structure | Atoms

TOGETHER = 1000  # atoms of structures that a thread evaluates in one go


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` returns.

    Parameters
    ----------
    structures
        The structures in the order given, those of the training set first.
    n_members
        Members of the committee; 1 for a single potential.
    """

    structures: tuple[Evaluated, ...]
    n_members: int

    def errors(self, by: str = groups.ALL) -> dict[groups.Key, Quality]:
        """Errors by quantity, "train" or "test", and group; the argument and units of `groups.values`."""
        return groups.errors(self.structures, by)


def evaluate(
    potential: Potentials,
    structures: Given | Iterable[Given],
    train: Given | Iterable[Given] = (),
    *,
    training: str | os.PathLike[str] | None = None,
    legacy_angular: bool | None = None,
    energy_key: str | None = None,
    forces_key: str | None = None,
    uncertainty: str | os.PathLike[str] | Uncertainty | None = None,
    threads: int | None = None,
    advance: Callable[[int], object] = lambda n: None,  # noqa: ARG005
) -> Evaluation:
    """Compare a potential with the energies and forces of structures.

    Parameters
    ----------
    potential : path, mapping, Potential, or list of these
        A folder with a potential per species, a mapping from species to file, or a `Potential`.  A list of these is a
        committee, whose mean is judged.
    structures : path, Structure, ase.Atoms, or iterable of these
        What the potential is judged by.  Paths are files or folders, as for `read`.
    train : path, Structure, ase.Atoms, or iterable of these
        Structures that the potential was trained on, which are kept apart in tables and figures.
    training : path, optional
        Folder of the training.  Of `structures`, those that its tables of energies name as trained on, or validated by,
        count as `train`, unless nothing else would be left.
    legacy_angular : bool, optional
        As for `Potential.load`.
    energy_key : str, optional
        As for `read`.
    forces_key : str, optional
        As for `read`.
    uncertainty : path or Uncertainty, optional
        What `calibrate` found for the potential; by default the file ``uncertainty.json`` in its folder, if it exists.
    threads : int, optional
        Number of threads; by default one per processor.  The results do not depend on it.
    advance : callable
        Called with the number of structures evaluated since the last call.

    Returns
    -------
    Evaluation
        Predictions next to the references, and errors overall, by species, config type and size.

    Raises
    ------
    AenetError
        If potentials or structures cannot be read or do not belong together, or no structure has an energy or forces.

    Examples
    --------
    >>> folder = "fixtures/golden/cluster-cuau-h2o"
    >>> found = evaluate(f"{folder}/train-forces-adamw/expected", f"{folder}/xsf")
    >>> copper = found.errors("species")["force_eV_per_A", "test", "Cu"]
    >>> print(f"{copper.n} components, RMSE {copper.rmse:.3f} eV/Å")
    207 components, RMSE 0.357 eV/Å
    """
    committee = members(potential, legacy_angular, for_dynamics=False)
    threads = number_of_threads(threads)
    found_for = uncertainty_format.beside(potential) if uncertainty is None else uncertainty
    calibration = estimates.loaded(found_for, committee)
    given = [
        (part, structure)
        for part, some in ((TRAIN, train), (TEST, structures))
        for structure in read_all(some, energy_key, forces_key)
    ]
    if not any(part == TEST for part, _ in given):
        raise AenetError("no structures given; at least one is required")
    known = frozenset() if training is None else trained_on.names(os.fspath(training))
    if known:
        apart = [(TRAIN if trained_on.name(each.path) in known else part, each) for part, each in given]
        if any(part == TEST for part, _ in apart):
            given = sorted(apart, key=lambda pair: PARTS.index(pair[0]))
    for part in PARTS:
        some = [structure for each, structure in given if each == part]
        if some and not any(map(_is_known, some)):
            raise InputError(some[0].path, "neither this nor any other structure has an energy or forces")
    found: list[Evaluated] = []
    with Workers(threads) as workers:
        for job in workers.in_order(lambda job: evaluations(committee, calibration, job), jobs(given)):
            found += job
            advance(len(job))
    return Evaluation(tuple(found), len(committee))


def n_structures(found: Evaluation, part: str) -> int:
    """Number of structures of a part."""
    return sum(each.part == part for each in found.structures)


def _is_known(structure: Structure) -> bool:
    """Whether an energy or forces are known; those of a single atom are zero anyway."""
    has_forces = structure.n_atoms > 1 and bool(structure.known_forces.any())
    return has_forces or structure.energy is not None or structure.cohesive_energy is not None


def read_all(given: Given | Iterable[Given], energy_key: str | None, forces_key: str | None) -> Iterator[Structure]:
    """Structures, read where they are paths."""
    some: Any = given
    single = isinstance(some, str | os.PathLike | Structure) or hasattr(some, "get_positions")
    for each in [some] if single else some:
        if isinstance(each, str | os.PathLike):
            yield from read(each, energy_key=energy_key, forces_key=forces_key)
        else:
            yield as_structure(each, reference=True)


def jobs(given: Sequence[tuple[str, Structure]]) -> Iterator[list[tuple[str, Structure]]]:
    """The structures in groups of about TOGETHER atoms."""
    job: list[tuple[str, Structure]] = []
    n_atoms = 0
    for each in given:
        if job and n_atoms + each[1].n_atoms > TOGETHER:
            yield job
            job, n_atoms = [], 0
        job.append(each)
        n_atoms += each[1].n_atoms
    if job:
        yield job


def evaluations(
    committee: Sequence[Potential], calibration: Uncertainty | None, job: Sequence[tuple[str, Structure]]
) -> list[Evaluated]:
    """What a committee, or a single potential, predicts for structures with their parts."""
    structures = [structure for _, structure in job]
    of_members = [predictions(member, structures) for member in committee]
    return [
        _combined(part, structure, predictions, committee[0], calibration)
        for (part, structure), *predictions in zip(job, *of_members, strict=True)
    ]


def predictions(member: Potential, structures: Sequence[Structure]) -> list[Prediction]:
    if member.tables is not None:
        return member.forces_together(structures)
    return [member.energy_forces(structure) for structure in structures]


def _combined(
    part: str, structure: Structure, predictions: Sequence[Prediction], first: Potential,
    calibration: Uncertainty | None,
) -> Evaluated:  # fmt: skip
    energies, forces = [p.energy for p in predictions], np.array([p.forces for p in predictions])
    is_committee = len(predictions) > 1
    deviation, uncertain = None, None
    if is_committee:
        deviation = estimates.deviation(forces, calibration)
        uncertain = estimates.spread(deviation)
    elif calibration is not None:
        types = species_of(first.model, structure)
        uncertain = estimates.estimate(first, calibration, types, predictions[0].features)
    stress = None
    if structure.cell is not None and all(structure.pbc):
        virial = np.mean([p.virial for p in predictions], axis=0)
        stress = 0.5 * (virial + virial.T) / abs(np.linalg.det(structure.cell))
    return Evaluated(
        structure=structure,
        part=part,
        energy=float(np.mean(energies)),
        free_atoms=float(predictions[0].atomic_references.sum()),
        forces=forces.mean(axis=0),
        stress=stress,
        energy_std=estimates.energy_factor(calibration) * float(np.std(energies)) if is_committee else None,
        forces_std=deviation,
        outside=np.max([p.outside for p in predictions], axis=0),
        uncertainty=uncertain,
    )
