"""What a generation has shown: stability, uncertainty, and errors of structures before they are trained on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aenet_py.active.exploring import Exploration
from aenet_py.active.picking import Candidates
from aenet_py.errors import AenetError
from aenet_py.evaluation.calibrate import rank_correlation
from aenet_py.evaluation.evaluate import evaluate
from aenet_py.formats.uncertainty import Uncertainty
from aenet_py.potentials.potential import Potential
from aenet_py.runtime.output import PendingFile
from aenet_py.structure import Structure

QUANTILE = 0.98  # of the spreads of frames, in the table


@dataclass(frozen=True)
class Record:
    """The numbers of a generation; NaN where there are none.

    Parameters
    ----------
    generation
        Counted from 0.
    n_trained
        Structures that the potentials were trained, tested and validated on.
    n_labels
        Structures labelled in the loop until then.
    n_runs, n_ended
        Simulations, and those that reached their end.
    time
        Median of the times until which they were stable, ps.
    n_frames
        Frames in which nothing was broken.
    spread, high_spread
        Median, and `QUANTILE`, of the spread, or expected error, of the least certain force in a frame, eV/Å.
    share
        Share of frames in which that is above the limit, from 0 to 1.
    n_picked, n_failed
        Frames to label, and those of them that could not be labelled.
    energy_rmse, force_rmse
        Errors of the labelled frames before training on them, eV/atom and eV/Å (components).
    correlation
        Rank correlation of the spread, or expected error, of each atom's force with its true error.
    n_calibrated
        Atoms whose forces calibrated the expected errors; 0 without a calibration.
    ratio
        Expected errors of the forces in the labelled frames, in units of true ones (root mean squares of vectors), with
        a calibration.
    """

    generation: int
    n_trained: int
    n_labels: int
    n_runs: int
    n_ended: int
    time: float
    n_frames: int
    spread: float
    high_spread: float
    share: float
    n_picked: int = 0
    n_failed: int = 0
    energy_rmse: float = np.nan
    force_rmse: float = np.nan
    correlation: float = np.nan
    n_calibrated: int = 0
    ratio: float = np.nan

    @property
    def is_stable(self) -> bool:
        """Whether all simulations reached their end."""
        return self.n_ended == self.n_runs


def of_exploration(
    generation: int, n_trained: int, n_labels: int, explored: Exploration, candidates: Candidates, limit: float,
    calibration: Uncertainty | None,
) -> Record:  # fmt: skip
    """The record of a generation before frames are labelled; limit : of the spread or expected error, eV/Å."""
    spread = candidates.spread
    return Record(
        generation=generation,
        n_trained=n_trained,
        n_labels=n_labels,
        n_runs=explored.n_runs,
        n_ended=explored.n_ended,
        time=float(np.median(explored.times)),
        n_frames=len(spread),
        spread=float(np.median(spread)) if len(spread) else np.nan,
        high_spread=float(np.quantile(spread, QUANTILE)) if len(spread) else np.nan,
        share=float(np.mean(spread > limit)) if len(spread) else np.nan,
        n_calibrated=0 if calibration is None else calibration.n_atoms,
    )


def with_labels(
    record: Record, members: Sequence[Potential], calibration: Uncertainty | None, labelled: Sequence[Structure],
    n_picked: int,
) -> Record:  # fmt: skip
    """The record with errors of frames that were labelled, which the members were not trained on."""
    changed = dataclasses.replace(record, n_picked=n_picked, n_failed=n_picked - len(labelled))
    if not labelled:
        return changed
    found = evaluate(list(members), list(labelled), uncertainty=calibration).structures
    energies = np.array([each.energy_error for each in found if each.energy_error is not None])
    errors = np.concatenate([each.force_errors for each in found if each.force_errors is not None])
    uncertain = np.concatenate([each.uncertainty for each in found if each.uncertainty is not None])
    lengths = np.linalg.norm(errors, axis=1)
    known = ~np.isnan(lengths)  # atoms whose forces are
    return dataclasses.replace(
        changed,
        energy_rmse=float(np.sqrt(np.mean(energies**2))),
        force_rmse=float(np.sqrt(np.nanmean(errors**2))),
        correlation=rank_correlation(uncertain[known], lengths[known]),
        ratio=np.nan if calibration is None else _ratio(uncertain[known], lengths[known]),
    )


def _ratio(expected: np.ndarray, errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(expected**2) / np.mean(errors**2)))


def save(record: Record, path: str) -> None:
    """Write a record, which appears when complete."""
    stored = {k: None if v != v else v for k, v in dataclasses.asdict(record).items()}  # JSON has no NaN
    if not record.n_calibrated:
        del stored["n_calibrated"], stored["ratio"]
    with PendingFile(path) as file:
        file.write((json.dumps(stored, indent=2) + "\n").encode())
        file.complete(replace=True)


def load(path: str) -> Record | None:
    """A record that was written, None without; AenetError for another file."""
    try:
        with open(path, encoding="utf-8") as file:
            stored = json.load(file)
        known: dict[str, Any] = {k: np.nan if v is None else v for k, v in stored.items()}
        return Record(**known)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AenetError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError):
        raise AenetError(f"{path}: not the record of a generation; remove it to repeat the last step") from None
