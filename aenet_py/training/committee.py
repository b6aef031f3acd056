"""COMMITTEE: members that are trained side by side, each in a folder and a process of its own.

deck ──member──> 1/train.in, 2/train.in, ... ──processes──> 1/, 2/, ... ──collected──> NAME.1.nn.ascii, committee.json
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aenet_py.errors import AenetError
from aenet_py.formats import committee as files
from aenet_py.formats import potential, trained, uncertainty
from aenet_py.formats.text import foreign, native
from aenet_py.inputs.moved import moved
from aenet_py.inputs.train import TrainInput, Transfer, to_text
from aenet_py.inputs.weights import WeightInput
from aenet_py.potentials.uncertainty import LEAST, ratio
from aenet_py.runtime import locks
from aenet_py.runtime.output import PendingFile
from aenet_py.runtime.processes import WATCH, Job, end_with_parent, share
from aenet_py.runtime.progress import Advance
from aenet_py.runtime.workers import processors
from aenet_py.structure import Structure
from aenet_py.training.events import EpochErrors, Events
from aenet_py.training.files import PATH, state_in

DONE = "energies.train"  # a table that a member's training writes at its end, and that is removed to begin anew
PATIENCE, WAIT = 20, WATCH / 4  # how often, and how long (s), to wait for a folder that is in use
SEEDS = 2**64  # numbers that PHSEED can be


@dataclass(frozen=True)
class TestErrors:
    """Root mean square errors for the test set: energies (eV/atom) and force components (eV/Å); None without."""

    energy: float | None
    force: float | None


@dataclass(frozen=True)
class Calibration:
    """How the errors of a committee's mean compare with the spread of its members, in the test set of its training.

    Parameters
    ----------
    energy_factor, force_factor
        Ratio of the root mean squares of errors and standard deviations, of energies per atom and of force vectors;
        None if there was too little to tell.
    n_structures, n_atoms
        Structures with energies and atoms with forces in the test set.
    """

    energy_factor: float | None = None
    force_factor: float | None = None
    n_structures: int = 0
    n_atoms: int = 0


@dataclass(frozen=True)
class CommitteeOutcome:
    """A committee that was trained.

    Parameters
    ----------
    members
        Errors of each member.
    mean
        Errors of the means of energies and forces over the members.
    potentials
        Names of each member's files, one per species.
    calibration
        How the errors of the mean compare with the spread.
    """

    members: tuple[TestErrors, ...]
    mean: TestErrors
    potentials: tuple[tuple[str, ...], ...]
    calibration: Calibration


def check(deck: TrainInput, n_processes: int) -> None:
    """AenetError for a committee in several processes that train together."""
    if n_processes > 1:
        message = f"found COMMITTEE in {n_processes} processes; the members are trained in processes of their own"
        raise AenetError(f"{deck.path}: {message}; start one")


def run(deck: TrainInput, events: Events, stop: Callable[[], bool]) -> CommitteeOutcome | None:
    """Train the members in folders of the current one, or resume.

    Parameters
    ----------
    deck
        The input, with COMMITTEE.
    events
        Of which `progress`, `note` and `warn` are called.
    stop
        Asked often; once it is true, each member stops after its current batch, with its state saved.

    Returns
    -------
    CommitteeOutcome or None
        None if stopped.

    Raises
    ------
    AenetError
        What the training of a member raises, or if another training runs in this folder.
    """
    wanted = deck.committee
    assert wanted is not None
    numbers = range(1, wanted.members + 1)
    with locks.held(files.NAME, "training"):
        _begin(numbers)
        decks = {number: member(deck, number) for number in numbers}
        for number, own in decks.items():
            write_deck(own, str(number))
        left = [number for number, own in decks.items() if not _has_ended(own, str(number))]
        at_once = min(wanted.processes or processors(), len(left)) or 1
        job = Job(_loaded, _train, pickle.dumps((decks, at_once)), "trains", max(1, processors() // at_once))
        done: set[int] = set()
        with events.progress(wanted.members * deck.epochs, "epochs", (wanted.members - len(left)) * deck.epochs) as to:

            def ended(number: int, told: Sequence[tuple[bool, str]]) -> None:
                done.add(number)
                for warns, text in told if number == left[0] else ():
                    (events.warn if warns else events.note)(text)

            share(job, left, at_once, stop, to, ended)
        if len(done) < len(left):
            return None
        return _collected(deck, decks)


def member(deck: TrainInput, number: int) -> TrainInput:
    """The deck of a member, counted from 1, for a folder with its number in that of the committee."""
    wanted, own = deck.committee, moved(deck, ".", str(number))
    assert wanted is not None
    changes: dict[str, Any] = {
        "path": "train.in", "committee": None, "torch_seed": (deck.torch_seed + number - 1) % SEEDS,
        "save_energies": True, "save_forces": deck.alpha is not None,
        "networks": tuple(dataclasses.replace(each, path=os.path.basename(each.path)) for each in deck.networks),
    }  # fmt: skip
    if isinstance(own.transfer, Transfer) and isinstance(deck.transfer, Transfer):
        source = of_source(native(deck.transfer.source), number)
        if source is not None:
            seen = os.path.relpath(os.path.realpath(source), os.path.realpath(str(number)))
            changes["transfer"] = dataclasses.replace(own.transfer, source=foreign(seen))
    if wanted.bootstrap:
        changes["weights"] = dataclasses.replace(own.weights or WeightInput(), bootstrap=number)
    return dataclasses.replace(own, **changes)


def of_source(source: str, number: int) -> str | None:
    """The state of a member's source if the source is a committee, whose members serve in turn; otherwise None."""
    members = files.read(source) if os.path.isdir(source) else None
    if members is None:
        return None
    folder = os.path.join(source, str((number - 1) % members + 1))
    state = state_in(folder)
    if state is None:
        raise AenetError(f"{folder}: no {PATH} of this member; the source must be the folder of a committee's training")
    return state


def _begin(numbers: Sequence[int]) -> None:
    """Make the folders; a committee that is complete begins anew, each member with its state."""
    try:
        for number in numbers:
            os.makedirs(str(number), exist_ok=True)
        if files.read(".") is not None:
            for number in numbers:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(str(number), DONE))
            os.unlink(files.NAME)
    except OSError as error:
        raise AenetError(f"{error.filename}: cannot be written: {error.strerror}") from None


def _has_ended(deck: TrainInput, folder: str) -> bool:
    """Whether the training of a member has ended: it has a table, and its state says so, too."""
    from aenet_py.training import checkpoint

    return os.path.exists(os.path.join(folder, DONE)) and checkpoint.is_finished(
        os.path.join(folder, checkpoint.path_of(deck))
    )


def write_deck(deck: TrainInput, folder: str) -> None:
    """Write train.in into a folder, unless some structures are in no file."""
    if deck.structures is not None and any(isinstance(each, Structure) for each in deck.structures.everything):
        return
    with PendingFile(os.path.join(folder, "train.in")) as file:
        file.write(to_text(deck).encode("latin-1"))
        file.complete(replace=True)


def _loaded(packed: bytes) -> tuple[dict[int, TrainInput], int]:
    end_with_parent()
    return pickle.loads(packed)


def _train(
    loaded: tuple[dict[int, TrainInput], int], number: int, stop: Callable[[], bool],
    advance: Callable[[float], object],
) -> list[tuple[bool, str]] | None:  # fmt: skip
    """Train a member in this process; its warnings and notes, None if it was stopped."""
    from aenet_py.training import flow
    from aenet_py.training.outcome import CALLER, SIGNAL
    from aenet_py.training.ranks import Ranks

    decks, at_once = loaded
    _take_share(number, at_once)
    told, folder, patience = _Told(stop, advance), os.getcwd(), PATIENCE
    os.chdir(str(number))
    try:
        while not stop():
            try:
                outcome = flow.run(decks[number], Ranks(), told)
                break
            except locks.HeldError:  # by a process whose committee was killed, and which is about to end
                if not patience:
                    raise
            patience -= 1
            time.sleep(WAIT)
        else:
            return None
    finally:
        os.chdir(folder)
    assert outcome is not None
    return None if outcome.reason in (CALLER, SIGNAL) else told.texts


def _take_share(number: int, at_once: int) -> None:
    """Keep this process to its share of the processors, where the system can do that."""
    if hasattr(os, "sched_getaffinity"):
        everything = sorted(os.sched_getaffinity(os.getppid()))
        with contextlib.suppress(OSError):  # the other process may have ended
            os.sched_setaffinity(0, everything[number % at_once :: at_once] or everything)


class _Told(Events):
    """Keeps what a training tells."""

    def __init__(self, stop: Callable[[], bool], advance: Callable[[float], object]):
        self.texts: list[tuple[bool, str]] = []
        self._stop, self._advance = stop, advance

    def note(self, text: str) -> None:
        self.texts.append((False, text))

    def warn(self, text: str) -> None:
        self.texts.append((True, text))

    def epoch(self, epoch: int, errors: EpochErrors) -> bool:  # noqa: ARG002
        self._advance(1.0)
        return self._stop()  # of a signal before the training looks out for them

    def progress(self, total: float, unit: str, done: float = 0.0) -> contextlib.AbstractContextManager[Advance]:
        if done and unit == "epochs":
            self._advance(done)
        return super().progress(total, unit, done)


def _collected(deck: TrainInput, decks: dict[int, TrainInput]) -> CommitteeOutcome:
    """Put the potentials of all members into the folder, and compare them with the test set."""
    from aenet_py.training import results

    names, content = [], {}
    for number, own in decks.items():
        paths = [files.name_of(path, number) for path in results.potential_paths(deck)]
        for path, name in zip(paths, results.potential_paths(own), strict=True):
            with open(os.path.join(str(number), name), "rb") as file:
                content[path] = file.read()
        names.append(tuple(paths))
    results.write([content])
    members, mean, calibration = _errors([str(number) for number in decks], deck.alpha is not None)
    _calibrate(deck, names, calibration)
    files.write(".", len(decks))
    return CommitteeOutcome(members, mean, tuple(names), calibration)


def _calibrate(deck: TrainInput, names: Sequence[Sequence[str]], found: Calibration) -> None:
    """Write uncertainty.json, by which all programs scale the spread, or remove an older one."""
    if found.energy_factor is None and found.force_factor is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(uncertainty.NAME)
        return
    members = tuple(
        {symbol: uncertainty.digest(potential.read(path)) for symbol, path in zip(deck.symbols, paths, strict=True)}
        for paths in names
    )
    factors = {} if found.force_factor is None else dict.fromkeys(deck.symbols, found.force_factor)
    calibrated = uncertainty.Uncertainty(
        uncertainty.COMMITTEE, members, factors, n_atoms=found.n_atoms, energy_factor=found.energy_factor,
        n_structures=found.n_structures,
    )  # fmt: skip
    uncertainty.write(uncertainty.NAME, calibrated)


def factor(differences: np.ndarray) -> float | None:
    """Error of a committee's mean for a spread of 1, as `ratio`; None also for fewer than `LEAST` values.

    differences : (n_members, n) or (n_members, n, 3) predicted minus reference values, NaN where these are not known.
    """
    if differences.shape[1] < LEAST:
        return None
    known = differences[:, ~np.isnan(differences[0])]
    return ratio(known.mean(axis=0) ** 2, known.var(axis=0))


def _errors(folders: Sequence[str], with_forces: bool) -> tuple[tuple[TestErrors, ...], TestErrors, Calibration]:
    """Errors of each member and of their mean, and how the latter compare with the spread, from their tables."""
    energies = _differences([os.path.join(folder, "energies.test") for folder in folders], _energies)
    paths = [os.path.join(folder, "forces.test") for folder in folders] if with_forces else []
    forces = _differences(paths, _forces)
    rows: list[list[float | None]] = []
    for values in (energies, forces):
        if values is None:
            rows.append([None] * (len(folders) + 1))
        else:
            rows.append([float(np.sqrt(np.nanmean(each**2))) for each in (*values, values.mean(axis=0))])
    *members, mean = [TestErrors(energy, force) for energy, force in zip(*rows, strict=True)]
    (energy, n_structures), (force, n_atoms) = (
        (None, 0) if each is None else (factor(each), each.shape[1]) for each in (energies, forces)
    )
    return tuple(members), mean, Calibration(energy, force, n_structures, n_atoms)


def _differences(paths: Sequence[str], read: Callable[[str], np.ndarray]) -> np.ndarray | None:
    """(n_members, ...) predicted minus reference values, NaN where these are not known; None without a test set."""
    if not paths or not all(os.path.exists(path) and os.path.getsize(path) for path in paths):
        return None
    return np.array([read(path) for path in paths])


def _energies(path: str) -> np.ndarray:
    table = trained.read_energies(path)
    return table.predicted - table.reference


def _forces(path: str) -> np.ndarray:
    table = trained.read_forces(path)
    known = ~np.isnan(table.reference).all(axis=1)
    return table.predicted[known] - table.reference[known]
