"""A scan from its plan to its results: training sets first, then trainings."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from aenet_py.errors import AenetError
from aenet_py.formats import tables
from aenet_py.inputs.scan import ScanInput
from aenet_py.inputs.train import to_text
from aenet_py.runtime.workers import processors
from aenet_py.scan import results, work
from aenet_py.scan.plan import TRAINING_SET, Features, ScanRun, changed_since
from aenet_py.scan.results import Result
from aenet_py.scan.work import ProgramRun


def perform(
    deck: ScanInput, runs: Sequence[ScanRun], stop: Callable[[], bool], advance: Callable[[int], object]
) -> list[Result]:
    """Perform all missing runs; results.csv is updated after every run.

    Parameters
    ----------
    deck
        Input of the scan.
    runs
        The plan.
    stop
        Polled; ends the scan as soon as possible once true.
    advance
        Called with the number of runs that have ended.

    Returns
    -------
    list of Result
        Results of the runs that have finished or failed, in the order of runs.

    Raises
    ------
    AenetError
        If a file that existing runs were made from has changed since.
    """
    at_once = min(deck.jobs, processors())
    with work.locked(deck.folder) as lock:
        changed = changed_since(runs)
        if changed is not None:
            raise AenetError(f"{deck.path}: {changed}; choose another FOLDER, or remove the folder of the latter")
        sets = {run.features.folder: _generation(run.features) for run in runs if run.features.folder is not None}
        work.run_all(list(sets.values()), at_once, lock, stop, lambda job: None)  # noqa: ARG005
        done: dict[str, Result] = {}
        trainings: dict[str, ProgramRun] = {}
        for run in runs:
            generation = sets.get(run.features.folder or "")
            job = _training(run)
            if job.is_done:
                done[run.folder] = results.read(run)
            elif generation is None or generation.is_done:
                trainings[run.folder] = job
            elif (error := work.outcome(generation.folder).error) is not None:
                done[run.folder] = results.failed(run, f"{generation.folder}: {error}")
        advance(len(done))
        of_folder = {run.folder: run for run in runs}

        def save() -> list[Result]:
            there = [done[run.folder] for run in runs if run.folder in done]
            tables.write(os.path.join(deck.folder, results.TABLE), results.COLUMNS, results.rows(there))
            return there

        def after(job: ProgramRun) -> None:
            error = work.outcome(job.folder).error
            if job.is_done:
                done[job.folder] = results.read(of_folder[job.folder])
            elif error is not None:
                done[job.folder] = results.failed(of_folder[job.folder], error)
            save()
            advance(1)

        work.run_all(list(trainings.values()), at_once, lock, stop, after)
        return save()


def _generation(features: Features) -> ProgramRun:
    assert features.folder is not None
    module = "aenet_py.cli.generate"
    return ProgramRun(features.folder, module, "generate.in", "generate", features.files, (TRAINING_SET,))


def _training(run: ScanRun) -> ProgramRun:
    kinds = ("energies",) if run.deck.alpha is None else ("energies", "forces")
    expected = tuple(f"{kind}.{part}" for kind in kinds for part in ("train", "test"))
    files = {"train.in": to_text(run.deck).encode("latin-1")}
    return ProgramRun(run.folder, "aenet_py.cli.aenet_pytorch", "train.in", "train", files, ("train.error", *expected))
