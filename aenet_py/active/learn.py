"""From a few labels to a potential, in generations of simulations and new labels.

first labels ──> training ──potentials──> simulations ──uncertain frames──> calculator ──labels──> training ──> ...

Every step leaves a file that appears when it is complete, so that a loop goes on where it was stopped or killed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms

from aenet_py.active import calibrating, files, judging, picking, places, training
from aenet_py.active.exploring import explore
from aenet_py.active.judging import Record
from aenet_py.errors import AenetError, StoppedError
from aenet_py.formats import extxyz
from aenet_py.formats.read import read
from aenet_py.formats.uncertainty import Uncertainty
from aenet_py.inputs import learn as inputs
from aenet_py.inputs.learn import LearnInput
from aenet_py.inputs.train import TrainInput
from aenet_py.labelling.label import label
from aenet_py.potentials.members import members
from aenet_py.potentials.potential import Potential
from aenet_py.runtime.output import PendingFile
from aenet_py.runtime.progress import Advance
from aenet_py.runtime.workers import processors
from aenet_py.simulation import start as starts
from aenet_py.structure import Structure, as_structure, from_atoms
from aenet_py.tools.init import init
from aenet_py.training.events import EpochErrors, Events

CERTAIN, BUDGET, GENERATIONS = "certain", "labels", "generations"
Progress = Callable[[float, str], contextlib.AbstractContextManager[Callable[[float], object]]]


@dataclass(frozen=True)
class Learned:
    """What a loop came to.

    Parameters
    ----------
    folder
        Of all files.
    potential
        The folder of the last training.
    records
        The numbers of each generation.
    reason
        Why the loop ended: ``"certain"`` (stable and certain), ``"labels"`` (all are spent) or ``"generations"``.
    written
        Table, figure and page.
    """

    folder: str
    potential: str
    records: tuple[Record, ...]
    reason: str
    written: tuple[str, ...]


@contextlib.contextmanager
def _silent(total: float, unit: str) -> Iterator[Callable[[float], object]]:  # noqa: ARG001
    yield lambda n: None  # noqa: ARG005


def learn(
    given: str | os.PathLike[str] | LearnInput,
    *,
    stop: Callable[[], bool] = lambda: False,
    tell: Callable[[str], object] = lambda text: None,  # noqa: ARG005
    progress: Progress = _silent,
) -> Learned:
    """Learn a potential from as few labels as possible, as ``aenet-py learn`` does.

    Parameters
    ----------
    given : path or LearnInput
        The input file, or its content.
    stop : callable
        Asked often whether to stop.
    tell : callable
        Called with a sentence at each step.
    progress : callable
        Called with a total and its unit; returns a context manager of a function that is called with increments.

    Returns
    -------
    Learned
        The potentials, and the numbers of all generations.

    Raises
    ------
    AenetError
        For invalid input, or a folder that belongs to a loop with other settings; `StoppedError` if stopped.

    Examples
    --------
    Twenty labelled clusters to begin with, and very short trainings and simulations:

    >>> from pathlib import Path
    >>> from ase import Atoms
    >>> from aenet_py import init, label, learn
    >>> cluster = Atoms("Cu4", [[0, 0, 0], [1.8, 1.8, 0], [1.8, 0, 1.8], [0, 1.8, 1.8]])
    >>> cluster.write("start.extxyz")
    >>> structures = [cluster.copy() for _ in range(20)]
    >>> for seed, atoms in enumerate(structures):
    ...     atoms.rattle(0.1, seed=seed)
    >>> made = init(label(structures, "emt", folder="labels").atoms, "given")
    >>> deck = Path("given/train.in")
    >>> _ = deck.write_text(deck.read_text().replace("ITERATIONS 1000", "ITERATIONS 20"))
    >>> _ = Path("learn.toml").write_text('''
    ... calculator = "emt"
    ... start = "start.extxyz"
    ... deck = "given/train.in"
    ... members = 2
    ... explore = {seeds = 1, time = 0.02}
    ... stop = {generations = 1}
    ... ''')
    >>> found = learn("learn.toml")
    >>> found.reason, found.records[0].n_trained
    ('certain', 20)
    """
    wanted = given if isinstance(given, LearnInput) else inputs.read(os.fspath(given))
    start = [starts.atoms_of(path) for path in wanted.start]
    first, later = (None if path is None else training.base(wanted, path) for path in (wanted.deck, wanted.transfer))
    with places.opened(wanted, start):
        return _Loop(wanted, start, stop, tell, progress).run(first, later)


@dataclass(frozen=True)
class _Loop:
    """A loop whose folder is locked."""

    wanted: LearnInput
    start: Sequence[Atoms]
    stop: Callable[[], bool]
    tell: Callable[[str], object]
    progress: Progress

    def run(self, first: TrainInput | None, later: TrainInput | None) -> Learned:
        """All generations; first, later : decks of the user."""
        folder, n_labels, previous = self.wanted.folder, 0, None
        if first is None:
            first, n_labels = self.first_labels()
        records: list[Record] = []
        known, apart, added = *(training.structures_of(first, which) for which in ("given", "test")), list[str]()
        while True:
            place = places.generation(folder, len(records))
            at = os.path.join(place, places.TRAINING)
            trained = self.trained(first, later, added, previous, at, len(records))
            record, labelled = self.generation(trained, place, len(records), known, apart, n_labels)
            records.append(record)
            written = files.write(self.wanted, records)
            reason = self.reason(record)
            if reason is not None:
                return Learned(folder, places.link(folder, at), tuple(records), reason, tuple(written))
            known, n_labels, previous = [*known, *labelled], n_labels + len(labelled), at
            added.append(os.path.join(place, places.LABELLED))

    def first_labels(self) -> tuple[TrainInput, int]:
        """Label the initial structures and displaced copies; the deck of a training on them, and their number."""
        folder, first = os.path.join(self.wanted.folder, places.FIRST), self.wanted.first
        path, deck = os.path.join(folder, places.STRUCTURES), os.path.join(folder, places.POTENTIAL, "train.in")
        os.makedirs(folder, exist_ok=True)
        if not os.path.exists(path):
            generator = np.random.default_rng(self.wanted.seed)
            structures = []
            for atoms in self.start:
                structures.append(atoms)
                for _ in range(first.copies):
                    copy = atoms.copy()
                    copy.positions += first.rattle * generator.standard_normal(atoms.positions.shape)
                    structures.append(copy)
            _write(path, [from_atoms(atoms, path, {}) for atoms in structures])
        labelled = os.path.join(folder, places.LABELLED)
        n_labels = len(self.labelled(path, labelled))
        if not os.path.exists(deck):
            init(labelled, os.path.dirname(deck))
        return training.base(self.wanted, deck), n_labels

    def trained(
        self, first: TrainInput, later: TrainInput | None, added: Sequence[str], previous: str | None, folder: str,
        generation: int,
    ) -> list[Potential]:  # fmt: skip
        """Train the potentials of a generation, unless they are there."""
        members_wanted = training.committee_of(self.wanted, first)
        if not training.is_complete(folder, members_wanted):
            deck = training.of_generation(first, later, added, previous, folder, members_wanted)
            self.tell(f"Generation {generation}: training")
            if not training.run(deck, folder, _Shown(self.progress, self.stop), self.stop):
                raise StoppedError(f"stopped in the training of generation {generation}")
        return members(folder)

    def generation(
        self, potentials: Sequence[Potential], folder: str, generation: int, known: Sequence[Structure],
        apart: Sequence[Structure], n_labels: int,
    ) -> tuple[Record, list[Structure]]:  # fmt: skip
        """Simulate, pick and label; the record, and the labelled frames.

        known : structures to train on; apart : further ones, for tests only.
        """
        path, labelled = (os.path.join(folder, name) for name in (places.RECORD, places.LABELLED))
        record = judging.load(path)
        if record is not None and (self.reason(record) is not None or record.n_picked):
            return record, read(labelled) if record.n_picked else []
        calibration = None
        if self.wanted.is_calibrated:
            at = os.path.join(folder, places.TRAINING)
            calibration = calibrating.calibrated(potentials, at, [*known, *apart])
        record, picked = self.explored(potentials, calibration, folder, generation, known, n_labels)
        new: list[Structure] = []
        if picked is not None:
            self.tell(f"Generation {generation}: labelling")
            new = self.labelled(picked, labelled)
            record = judging.with_labels(record, potentials, calibration, new, len(read(picked)))
        judging.save(record, path)
        return record, new

    def explored(
        self, potentials: Sequence[Potential], calibration: Uncertainty | None, folder: str, generation: int,
        known: Sequence[Structure], n_labels: int,
    ) -> tuple[Record, str | None]:  # fmt: skip
        """Simulate, and pick frames; the record so far, and the file of the frames, None if the loop ends."""
        wanted, pick = self.wanted, self.wanted.pick
        self.tell(f"Generation {generation}: simulations")
        n = len(self.start) * len(wanted.explore.temperatures) * wanted.explore.seeds
        with self.progress(n, "runs") as advance:
            place = os.path.join(folder, places.EXPLORATION)
            found = explore(wanted, potentials, self.start, place, generation, processors(), self.stop, advance)
        candidates = picking.candidates(potentials, calibration, found.frames)
        record = judging.of_exploration(
            generation, len(known), n_labels, found, candidates, pick.min_spread, calibration
        )  # fmt: skip
        if self.reason(record) is not None:
            return record, None
        path = os.path.join(folder, places.PICKED)
        if not os.path.exists(path):
            most = min(pick.structures, wanted.stop.labels - n_labels)
            prints = picking.fingerprints(potentials[0], known)
            chosen = picking.choose(candidates, prints, most, pick.min_spread, pick.max_spread)
            if not chosen:
                raise AenetError(f"{place}: there is no frame to label; the first structures must be better known")
            name = "spread" if calibration is None else "uncertainty"
            _write(path, [_named(candidates.structures[k], name, candidates.spread[k]) for k in chosen])
        return record, path

    def labelled(self, path: str, output: str) -> list[Structure]:
        """Label the structures in a file, unless they are; those that could be."""
        if os.path.exists(output):
            return read(output)
        structures = read(path)
        folder = os.path.join(self.wanted.folder, places.LABELS)
        with self.progress(len(structures), "labels") as advance:
            found = label(
                structures, self.wanted.calculator, folder=folder, n_processes=self.wanted.label.processes,
                timeout=self.wanted.label.timeout, stop=self.stop, advance=advance,
            )  # fmt: skip
        done = [
            replace(as_structure(atoms, each.path, reference=True), info=each.info, fixed=each.fixed)
            for each, atoms in zip(structures, found.atoms, strict=True)
            if atoms is not None
        ]
        if not done:
            _, why = found.failures[0]
            raise AenetError(f"{path}: no structure could be labelled; of the first: {why}")
        _write(output, done)
        return read(output)  # with the names by which trainings know them

    def reason(self, record: Record) -> str | None:
        """Why the loop ends after a generation, None if it goes on."""
        wanted = self.wanted.stop
        if record.is_stable and record.share <= wanted.share:
            return CERTAIN
        if record.n_labels >= wanted.labels:
            return BUDGET
        return GENERATIONS if record.generation >= wanted.generations else None


class _Shown(Events):
    """Shows the progress of a training, which stops on request."""

    def __init__(self, progress: Progress, stop: Callable[[], bool]):
        self._progress, self._stop = progress, stop

    def epoch(self, epoch: int, errors: EpochErrors) -> bool:  # noqa: ARG002
        return self._stop()

    def progress(self, total: float, unit: str, done: float = 0.0) -> contextlib.AbstractContextManager[Advance]:
        return self._shown(total, unit, done)

    @contextlib.contextmanager
    def _shown(self, total: float, unit: str, done: float) -> Iterator[Advance]:
        with self._progress(total, unit) as advance:

            def further(amount: float, remark: str = "", /) -> None:  # noqa: ARG001
                advance(amount)

            advance(done)
            yield further


def _named(frame: Structure, name: str, value: float) -> Structure:
    """A frame without predicted energy and forces, which says where it comes from, and how uncertain it is."""
    more = {"frame": os.path.basename(frame.path), name: f"{value:.4g}"}
    return replace(frame, energy=None, forces=None, info={**frame.info, **more})


def _write(path: str, structures: Sequence[Structure]) -> None:
    """Write extended XYZ, which appears when complete."""
    with PendingFile(path) as file:
        for structure in structures:
            file.write(extxyz.text(structure))
        file.complete(replace=True)
