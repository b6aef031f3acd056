"""Labels computed in this process or in others, each of which computes one at a time."""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ase import Atoms

from aenet_py.interfaces.source import packed, unpacked
from aenet_py.labelling.calculators import CalculatorSpec, Given
from aenet_py.labelling.compute import OUTPUT, Failure, Label, computed, new_folder, printing_to, remove
from aenet_py.labelling.results import NOT_CONVERGED, says_not_converged
from aenet_py.runtime.processes import Advance, Job, Stop, end_with_parent, share

DIGITS = 12  # of a key in the name of a folder
REMEDY = "use n_processes=1 without timeout"  # for calculators that cannot be sent to other processes


@dataclass(frozen=True)
class Task:
    """A structure to label.

    Parameters
    ----------
    key
        Of the structure.
    atoms
        The structure.
    """

    key: str
    atoms: Atoms


@dataclass(frozen=True)
class Settings:
    """How labels are computed.

    Parameters
    ----------
    n_processes
        How many at a time.
    threads
        Of each process.
    timeout
        Longest time of a calculation, s.
    keep
        Whether to keep the files of calculations that succeed.
    """

    n_processes: int = 1
    threads: int = 1
    timeout: float | None = None
    keep: bool = False


@dataclass
class Work:
    """What a process needs for any of the structures; kept : the calculator, if it is used more than once."""

    calculators: CalculatorSpec | Given
    folder: str
    keep: bool
    alone: bool
    kept: list[Any] = field(default_factory=list)


def compute(
    calculators: CalculatorSpec | Given, tasks: Sequence[Task], folder: str, settings: Settings, stop: Stop,
    ended: Callable[[Task, Label | Failure], object],
) -> None:  # fmt: skip
    """Compute labels, until all have ended or stop is true, when those that were begun are completed.

    A calculator that the caller made is used in this process if one is enough; all others run in processes of their
    own, whose end does not concern this one.

    Parameters
    ----------
    calculators
        Where calculators come from.
    tasks
        The structures.
    folder
        For a folder for each calculation.
    settings
        How to compute.
    stop
        Asked often.
    ended
        Called with each task and its result, in the order in which they end.

    Raises
    ------
    AenetError
        If a calculator cannot be built.
    """
    if not tasks:
        return
    if isinstance(calculators, Given) and settings.n_processes == 1 and settings.timeout is None:
        work = Work(calculators, folder, settings.keep, alone=False)
        for task in tasks:
            if stop():
                break
            ended(task, one(work, task))
        return
    made_by = packed(calculators, calculators.text.split()[0], REMEDY)
    content = pickle.dumps((made_by, folder, settings.keep))
    job = Job(_loaded, _one, content, "computes labels", settings.threads)
    share(
        job, tasks, settings.n_processes, stop, lambda _: None, ended, interrupt=False, timeout=settings.timeout,
        lost=lambda _, reason: Failure(reason),
    )  # fmt: skip


def _one(work: Work, task: Task, _stop: Stop, _advance: Advance) -> Label | Failure:
    return one(work, task)


def one(work: Work, task: Task) -> Label | Failure:
    """Compute a label in this process."""
    place = place_of(work.folder, task.key)
    new_folder(place)
    with printing_to(os.path.join(place, OUTPUT)) if work.alone else contextlib.nullcontext():
        result = computed(task.atoms, _calculator(work), place)
        if isinstance(result, Failure) and says_not_converged(place):
            result = NOT_CONVERGED
    if isinstance(result, Label) and not work.keep:
        remove(place)
    return result


def place_of(folder: str, key: str) -> str:
    """The folder of a structure's calculation."""
    return os.path.join(folder, key[:DIGITS])


def _calculator(work: Work) -> Any:
    if work.kept:
        return work.kept[0] if work.calculators.reused else work.kept.pop()
    calculator = work.calculators.new()
    if work.calculators.reused:
        work.kept.append(calculator)
    return calculator


def _loaded(content: bytes) -> Work:
    end_with_parent()
    calculators, folder, keep = pickle.loads(content)
    work = Work(unpacked(calculators, REMEDY), folder, keep, alone=True)
    with printing_to(os.devnull):
        work.kept.append(work.calculators.new())
    return work
