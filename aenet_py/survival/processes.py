"""Runs shared among processes, each of which does one at a time."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ase import Atoms

from aenet_py.interfaces.source import Source, packed, unpacked
from aenet_py.runtime.processes import Job, share
from aenet_py.survival import runs
from aenet_py.survival.runs import Outcome, Run

REMEDY = "use n_processes=1"  # for calculators that cannot be sent to other processes


@dataclass(frozen=True)
class Work:
    """All that a process needs for any of the runs."""

    source: Source
    structures: Sequence[Atoms]
    folder: str


def perform(
    work: Work, waiting: Sequence[Run], processes: int, stop: Callable[[], bool], advance: Callable[[float], object]
) -> list[Outcome]:
    """Perform runs; those that have ended when stop is true are returned, the others can be resumed.

    Parameters
    ----------
    work
        What the runs have in common.
    waiting
        The runs.
    processes
        Number of processes; 1 for this one.
    stop
        Asked often; no run goes on once it is true.
    advance
        Called with the number of runs, also fractions, done since the last call.

    Returns
    -------
    list of Outcome
        In the order in which they ended.

    Raises
    ------
    AenetError
        What a run raises, or if a process is killed.
    """
    ended: list[Outcome] = []
    if min(processes, len(waiting)) > 1:
        source = packed(work.source, type(work.source.other).__name__, REMEDY)
        job = Job(_loaded, one, pickle.dumps((source, work.structures, work.folder)), "simulates")
        share(job, waiting, processes, stop, advance, lambda _, outcome: ended.append(outcome))
        return ended
    for run in waiting:
        outcome = None if stop() else one(work, run, stop, advance)
        if outcome is None:
            break
        ended.append(outcome)
    return ended


def one(work: Work, run: Run, stop: Callable[[], bool], advance: Callable[[float], object]) -> Outcome | None:
    """Perform a run in this process; None if it was stopped."""
    share_of_step, done = 1.0 / max(run.settings.steps, 1), 0.0

    def step(n: int) -> None:
        nonlocal done
        done += n * share_of_step
        advance(n * share_of_step)

    atoms = work.structures[run.structure]
    outcome = runs.perform(run, atoms, work.source.new(), work.folder, stop, step)
    if outcome is not None:
        advance(1.0 - done)
    return outcome


def _loaded(content: bytes) -> Work:
    source, structures, folder = pickle.loads(content)
    return Work(unpacked(source, REMEDY), structures, folder)
