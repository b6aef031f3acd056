"""What a training tells its caller while it runs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aenet_py.runtime.progress import Advance

if TYPE_CHECKING:
    import torch

    from aenet_py.training.data.dataset import Data
    from aenet_py.training.data.splits import Draw
    from aenet_py.training.initialise import PreparedTraining
    from aenet_py.training.outcome import Outcome
    from aenet_py.training.ranks import Ranks


@dataclass(frozen=True)
class EpochErrors:
    """Root mean square errors of an epoch.

    Those of the training set are measured during the epoch, while the weights change; those of the test set after it.

    Attributes
    ----------
    energy_train, energy_test : float or None
        Of the energies per atom (eV/atom); None if nothing is tested in this epoch.
    forces_train, forces_test : float or None
        Of the components of the forces (eV/Å); None without forces.
    line : list of float, shape (6,), or None
        The epoch's line in train.error: weighted sum, energies (eV/atom) and lengths of force errors (eV/Å), of the
        training and the test set each; None if it has no line.
    """

    energy_train: float
    forces_train: float | None
    energy_test: float | None
    forces_test: float | None
    line: list[float] | None


def ignored(amount: float, remark: str = "", /) -> None:
    """An `Advance` that shows nothing."""


class Events:
    """Methods that a training calls at each step, in this order; subclasses override those they need.

    With several processes, only the first one should print.
    """

    def note(self, text: str) -> None:
        """Something worth knowing, at any time."""

    def warn(self, text: str) -> None:
        """Something that is probably a mistake, at any time."""

    def start(self, ranks: Ranks) -> None:
        """The folder is locked, and nothing has been read yet."""

    def reading(self) -> None:
        """The training set is read next."""

    def loading_batches(self) -> None:
        """Saved batches are read next, in place of the training set."""

    def data(self, data: Data) -> None:
        """The structures have been read."""

    def preparing(self) -> None:
        """The batches are drawn next."""

    def batches(self, draw: Draw) -> None:
        """The batches have been drawn."""

    def saving_batches(self) -> None:
        """The batches are saved next."""

    def prepared(self, training: PreparedTraining, device: torch.device, errors: list[float] | None) -> None:
        """Networks, optimizer and batches are ready; errors : of a transfer before its first epoch, as of `epoch`."""

    def epoch(self, epoch: int, errors: EpochErrors) -> bool | None:
        """An epoch has ended, counted from 0; returns whether to stop."""

    def trained(self, seconds: float, device: torch.device) -> None:
        """The last epoch has ended, after this wall-clock time."""

    def saving(self) -> None:
        """The tables of energies and forces are written next."""

    def finished(self, outcome: Outcome | None) -> None:
        """Everything is written; outcome : None after MODE batches."""

    def progress(self, total: float, unit: str, done: float = 0.0) -> AbstractContextManager[Advance]:  # noqa: ARG002
        """Show the progress of the work inside the block, of `total` units of which some are done."""
        return nullcontext(ignored)
