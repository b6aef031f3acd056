"""A scan from its plan to its results: training sets first, then the trainings."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from aenet_py.errors import AenetError
from aenet_py.formats import tables
from aenet_py.inputs.scan import ScanInput
from aenet_py.inputs.train import to_text
from aenet_py.runtime.workers import processors
from aenet_py.scan import results, work
from aenet_py.scan.plan import TRAINING_SET, Features, Run, changed_since
from aenet_py.scan.results import Result
from aenet_py.scan.work import Job


def perform(
    deck: ScanInput, runs: Sequence[Run], stop: Callable[[], bool], advance: Callable[[int], object]
) -> list[Result]:
    """Do all runs that are not done; results of those that are done or have failed, in the order of runs.

    results.csv grows with every run.  stop : ends the scan as soon as possible; advance : told the runs that are over.
    AenetError if something the runs in the folder were made from has changed since.
    """
    at_once = min(deck.jobs, processors())
    with work.locked(deck.folder) as lock:
        changed = changed_since(runs)
        if changed is not None:
            raise AenetError(f"{deck.path}: {changed}; expected another FOLDER, or the folder of the latter removed")
        sets = {run.features.folder: _generation(run.features) for run in runs if run.features.folder is not None}
        work.run_all(list(sets.values()), at_once, lock, stop, lambda job: None)  # noqa: ARG005
        found: dict[str, Result] = {}
        trainings: dict[str, Job] = {}
        for run in runs:
            generation = sets.get(run.features.folder or "")
            job = _training(run)
            if job.is_done:
                found[run.folder] = results.read(run)
            elif generation is None or generation.is_done:
                trainings[run.folder] = job
            elif (error := work.outcome(generation.folder).error) is not None:
                found[run.folder] = results.failed(run, f"{generation.folder}: {error}")
        advance(len(found))
        of_folder = {run.folder: run for run in runs}

        def save() -> list[Result]:
            there = [found[run.folder] for run in runs if run.folder in found]
            tables.write(os.path.join(deck.folder, results.TABLE), results.COLUMNS, results.rows(there))
            return there

        def after(job: Job) -> None:
            error = work.outcome(job.folder).error
            if job.is_done:
                found[job.folder] = results.read(of_folder[job.folder])
            elif error is not None:
                found[job.folder] = results.failed(of_folder[job.folder], error)
            save()
            advance(1)

        work.run_all(list(trainings.values()), at_once, lock, stop, after)
        return save()


def _generation(features: Features) -> Job:
    assert features.folder is not None
    module = "aenet_py.cli.generate"
    return Job(features.folder, module, "generate.in", "generate", features.files, (TRAINING_SET,))


def _training(run: Run) -> Job:
    kinds = ("energies",) if run.deck.alpha is None else ("energies", "forces")
    expected = tuple(f"{kind}.{part}" for kind in kinds for part in ("train", "test"))
    files = {"train.in": to_text(run.deck).encode("latin-1")}
    return Job(run.folder, "aenet_py.cli.aenet_pytorch", "train.in", "train", files, ("train.error", *expected))
