"""Results of the runs of a scan: errors of energies and forces, learning curves, means over the seeds."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.formats import trained
from aenet_py.inputs.scan import SCANNED
from aenet_py.scan.plan import ScanRun, Settings
from aenet_py.scan.work import ProgramOutcome, outcome

KINDS = {  # of errors, and their columns
    "energy_train": "energy_rmse_train_eV_per_atom", "energy_test": "energy_rmse_test_eV_per_atom",
    "force_train": "force_rmse_train_eV_per_A", "force_test": "force_rmse_test_eV_per_A",
}  # fmt: skip
TABLE = "results.csv"
UNITS = {"radial_Rc": "radial_Rc_A", "angular_Rc": "angular_Rc_A"}
COLUMNS = (
    "folder", *(UNITS.get(name, name) for name in SCANNED), "npseed", "phseed", "features",
    *KINDS.values(), "epochs", "seconds", "error",
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """A run and its result.

    Parameters
    ----------
    run
        The run.
    errors
        RMSE for each of KINDS; None if not available.
    epochs
        Number of epochs trained.
    outcome
        Outcome of its program.
    split
        Names of the training and the test structures.
    """

    run: ScanRun
    errors: Mapping[str, float | None]
    epochs: int
    outcome: ProgramOutcome
    split: tuple[frozenset[str], frozenset[str]]


@dataclass(frozen=True)
class Mean:
    """A combination of settings: mean errors over the seeds, and their standard deviations (n - 1)."""

    settings: Settings
    n_features: int
    results: tuple[Result, ...]
    errors: Mapping[str, float | None]
    spread: Mapping[str, float | None]


def read(run: ScanRun) -> Result:
    """The result of a finished run."""
    errors: dict[str, float | None] = {}
    split = []
    for part in ("train", "test"):
        differences, paths = energies(os.path.join(run.folder, f"energies.{part}"))
        errors[f"energy_{part}"] = _rms(differences)
        split.append(frozenset(paths))
        with_forces = run.deck.alpha is not None
        components = forces(os.path.join(run.folder, f"forces.{part}")) if with_forces else np.empty(0)
        errors[f"force_{part}"] = _rms(components)
    epochs = run.deck.epochs
    if run.deck.patience is not None:
        table = curves(run)
        epochs = int(table[-1, 0]) + 1 if len(table) else 0
    return Result(run, errors, epochs, outcome(run.folder), (split[0], split[1]))


def failed(run: ScanRun, error: str) -> Result:
    """The result of a run that failed with this error."""
    ended = outcome(run.folder)
    return Result(
        run, dict.fromkeys(KINDS), 0, ProgramOutcome(ended.state, ended.seconds, error), (frozenset(), frozenset())
    )


def energies(path: str) -> tuple[np.ndarray, list[str]]:
    """Errors (eV/atom) and names of the structures in energies.train or energies.test."""
    if not os.path.getsize(path):
        return np.empty(0), []
    table = trained.read_energies(path)
    return table.predicted - table.reference, list(table.paths)


def forces(path: str) -> np.ndarray:
    """Errors (eV/Å) of all known force components in forces.train or forces.test."""
    if not os.path.getsize(path):
        return np.empty(0)
    table = trained.read_forces(path)
    return (table.predicted - table.reference)[~np.isnan(table.reference)]


def _rms(values: np.ndarray) -> float | None:
    return float(np.sqrt(np.mean(values**2))) if len(values) else None


def curves(run: ScanRun) -> np.ndarray:
    """The learning curves of a run, (n, 5): epoch, and the errors of KINDS; 0 for forces that are not trained."""
    path = os.path.join(run.folder, "train.error")
    if not os.path.getsize(path):
        return np.empty((0, 5))
    table = trained.read_errors(path)
    forces = np.zeros_like(table.energies) if table.forces is None else table.forces
    return np.column_stack([table.epochs, table.energies, forces])


def means(results: Sequence[Result]) -> list[Mean]:
    """Means over the finished runs of each combination without failed runs, in order."""
    combinations = []
    for _, group in itertools.groupby(results, lambda result: result.run.settings):
        of_one = tuple(group)
        if any(result.outcome.error is not None for result in of_one):
            continue
        values: dict[str, list[float | None]] = {kind: [r.errors[kind] for r in of_one] for kind in KINDS}
        there = {kind: np.array([v for v in given if v is not None]) for kind, given in values.items()}
        errors = {kind: float(given.mean()) if len(given) else None for kind, given in there.items()}
        spread = {kind: float(given.std(ddof=1)) if len(given) > 1 else None for kind, given in there.items()}
        combinations.append(Mean(of_one[0].run.settings, of_one[0].run.features.n_features, of_one, errors, spread))
    return combinations


def ranked(combinations: Sequence[Mean], sort: str) -> list[Mean]:
    """Combinations by error of the test structures, smallest first; sort : energy or force."""

    def error(mean: Mean) -> float:
        value = mean.errors[f"{sort}_test"]
        return value if value is not None and np.isfinite(value) else np.inf

    return sorted(combinations, key=error)


def unequal_split(results: Sequence[Result]) -> tuple[Result, Result] | None:
    """Two runs with the same seed but different training and test structures; None if there are none."""
    first: dict[int, Result] = {}
    for result in results:
        if result.outcome.error is None:
            other = first.setdefault(result.run.deck.numpy_seed, result)
            if other.split != result.split:
                return other, result
    return None


def rows(results: Sequence[Result]) -> Iterator[dict[str, object]]:
    """The rows of results.csv, with COLUMNS."""
    for result in results:
        run = result.run
        row: dict[str, object] = {"folder": run.folder, "npseed": run.seed[0], "phseed": run.seed[1]}
        row |= {UNITS.get(name, name): value for name, value in run.settings.items()}
        row |= {column: result.errors[kind] for kind, column in KINDS.items()}
        row |= {"features": run.features.n_features, "epochs": result.epochs}
        yield row | {"seconds": result.outcome.seconds, "error": result.outcome.error}
