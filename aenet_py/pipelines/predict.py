"""Evaluate structures one by one, relax them on request, and report (predict.x)."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.descriptors.common import CoincidenceError
from aenet_py.errors import AenetError, InputError
from aenet_py.formats import structures as structure_files
from aenet_py.formats.structures import Item, StructureSource
from aenet_py.inputs.predict import PredictInput
from aenet_py.pipelines import rounding
from aenet_py.pipelines.relax import box_of, places, relax
from aenet_py.potentials.potential import Potential, Prediction
from aenet_py.report import predict as report
from aenet_py.runtime.workers import Workers
from aenet_py.structure import Structure

BATCH_BYTES = 48_000  # of structure files that are evaluated together, unless a single file is longer


@dataclass(frozen=True)
class Predicted:
    """A structure and its prediction before any relaxation; number : from 1; n_steps : of the relaxation."""

    number: int
    path: str
    structure: Structure
    prediction: Prediction
    n_steps: int


def load(deck: PredictInput) -> Potential:
    """The potential that a deck names."""
    return Potential.load(dict(zip(deck.types, deck.networks, strict=True)), deck.legacy_angular)


def predict(
    deck: PredictInput, given: Sequence[StructureSource], potential: Potential, say: Callable[[str], None],
    threads: int = 1,
) -> Iterator[Predicted]:  # fmt: skip
    """Evaluate all structures as the deck specifies; say receives the report, structure by structure.

    threads : each takes some structures or, where there are few, some atoms of each; the report does not depend on
    their number.  InputError if a structure cannot be evaluated; earlier structures have been reported by then.
    """
    n_structures = structure_files.n_structures(given)
    jobs = _jobs(structure_files.items(given), 0 if deck.relaxation else BATCH_BYTES)
    first = list(itertools.islice(jobs, 2 * threads))
    for said, found in _in_threads(deck, potential, itertools.chain(first, jobs), threads, len(first), say):
        for text in said:
            say(text)
        if isinstance(found, Exception):
            raise found
        if found.number < n_structures:
            say(report.between())
        yield found


@dataclass(frozen=True)
class _Job:
    """Structures to evaluate together; start : number of the first, from 1; failure : why there is no other one."""

    start: int
    items: tuple[Item, ...]
    failure: Exception | None = None


def _jobs(items: Iterable[Item], most_bytes: int) -> Iterator[_Job]:
    together: list[Item] = []
    start, total, failure = 1, 0, None
    try:
        for item in items:
            size = item.size
            if together and total + size > most_bytes:
                yield _Job(start, tuple(together))
                start, together, total = start + len(together), [], 0
            together.append(item)
            total += size
    except AenetError as error:
        failure = error
    if together or failure is not None:
        yield _Job(start, tuple(together), failure)


_Outcome = tuple[Sequence[str], Predicted | Exception]


def _in_threads(
    deck: PredictInput, potential: Potential, jobs: Iterable[_Job], threads: int, n_first: int,
    say: Callable[[str], None],
) -> Iterator[_Outcome]:  # fmt: skip
    """What is to be said of each structure, unless say was told at once, and the structure or an error."""
    if n_first < 2 * threads or threads == 1:
        for job in jobs:
            for found in _outcomes(deck, potential, job, threads, say):
                yield (), found
        return

    def work(job: _Job) -> list[_Outcome]:
        said: list[str] = []
        outcomes: list[_Outcome] = []
        for found in _outcomes(deck, potential, job, 1, said.append):
            outcomes.append((tuple(said), found))
            said.clear()
        return outcomes

    with Workers(threads) as workers:
        for outcomes in workers.in_order(work, jobs):
            yield from outcomes


def _outcomes(
    deck: PredictInput, potential: Potential, job: _Job, threads: int, say: Callable[[str], None]
) -> Iterator[Predicted | Exception]:
    """The structures of a job one by one, to the first error, which is the last."""
    structures: list[Structure] = []
    failure = job.failure
    try:
        structures.extend(structure_files.read_item(item, False, potential.types) for item in job.items)
    except AenetError as error:
        failure = error
    known = zip(job.items, structures, _together(deck, potential, structures), strict=False)
    try:
        for number, (item, structure, prediction) in enumerate(known, job.start):
            yield _predicted(deck, potential, number, item.name, structure, prediction, threads, say)
    except AenetError as error:
        failure = error
    if failure is not None:
        yield failure


def _together(
    deck: PredictInput, potential: Potential, structures: Sequence[Structure]
) -> Sequence[Prediction] | Sequence[None]:
    """Predictions of several structures, where the order of sums does not count and none of them is an error."""
    if len(structures) > 1 and potential.tables is not None and deck.forces and deck.relaxation is None:
        with contextlib.suppress(AenetError, CoincidenceError):
            return potential.forces_together(structures)
    return [None] * len(structures)


def _predicted(
    deck: PredictInput, potential: Potential, number: int, path: str, structure: Structure, known: Prediction | None,
    threads: int, say: Callable[[str], None],
) -> Predicted:  # fmt: skip
    """Evaluate one structure, unless its prediction is known, and report it."""
    symbols = structure.names()
    in_order = not deck.forces or deck.relaxation is not None
    prediction = known or potential.energy_forces(structure, deck.forces, in_order, threads)
    if not in_order and not rounding.is_certain(prediction):
        prediction = potential.energy_forces(structure, in_order=True)
    _check_numbers(structure, prediction)
    box, origin = box_of(structure, potential.model.r_max)
    lattice = box if structure.lattice is None else structure.lattice
    if not deck.quiet:
        say(report.structure(number, path, structure.n_atoms, len(structure.symbols), lattice))
    energies = prediction.atomic_energies if deck.atomic_energies else None
    forces = prediction.forces if deck.forces else None
    say(report.coordinates(symbols, places(structure, prediction, box, origin), forces, energies))
    last, n_steps = prediction, 0
    if deck.relaxation is not None:
        say("" if deck.quiet else report.relaxation())
        relaxed = relax(potential, structure, prediction, deck.relaxation, lambda t: None if deck.quiet else say(t))
        last, n_steps = relaxed.prediction, relaxed.n_steps
        say("\n")
        say(report.coordinates(symbols, relaxed.positions, last.forces, None, optimized=n_steps > 0))
        forces = last.forces
    summary = None if forces is None else rounding.summary(forces)
    say(report.energy(last.cohesive_energy, last.energy, summary))
    return Predicted(number, path, structure, prediction, n_steps)


def _check_numbers(structure: Structure, prediction: Prediction) -> None:
    if not np.isfinite(prediction.energy):
        raise InputError(structure.path, "the energy is not finite; move atoms apart")
