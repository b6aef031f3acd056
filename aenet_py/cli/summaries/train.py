"""The report of aenet_pytorch.py on standard output, as the training proceeds; notes and warnings on standard error."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from typing import TYPE_CHECKING

from aenet_py.cli import common
from aenet_py.errors import counted
from aenet_py.inputs.model_transfer import ModelTransfer
from aenet_py.inputs.train import TrainInput, Transfer
from aenet_py.report import train as report
from aenet_py.runtime.progress import Advance, beside_progress
from aenet_py.training.data.dataset import Data
from aenet_py.training.data.splits import Draw
from aenet_py.training.events import EpochErrors, Events
from aenet_py.training.ranks import Ranks

if TYPE_CHECKING:
    import torch

    from aenet_py.training.committee import CommitteeOutcome, TestErrors
    from aenet_py.training.initialise import PreparedTraining
    from aenet_py.training.outcome import Outcome


class Report(Events):
    """Prints what happens in a training; VERBOSE in the deck prints more."""

    def __init__(self, deck: TrainInput):
        self.deck = deck
        self.on_terminal = sys.stdout.isatty()

    def note(self, text: str) -> None:
        common.note(text)

    def warn(self, text: str) -> None:
        common.warn(text)

    def start(self, ranks: Ranks) -> None:
        self._say(report.opening())
        self._say_more(report.parameters(self.deck))
        if ranks.size > 1:
            self.note(f"{ranks.size} processes train together; threads of each on this machine: {ranks.threads}.")

    def reading(self) -> None:
        self._say_more(report.reading())

    def loading_batches(self) -> None:
        self._say_more(report.loading_batches())

    def data(self, data: Data) -> None:
        with_forces, is_transfer = data.structures.with_forces, isinstance(self.deck.transfer, Transfer)
        n, n_forces = len(with_forces), int(with_forces.sum())
        self._say_more(report.data(data.training, n, n_forces, data.n_removed, is_transfer))

    def preparing(self) -> None:
        self._say_more(report.preparing())

    def batches(self, draw: Draw) -> None:
        self._say_more(report.batches(self.deck.batch_size, len(draw.train), draw.energy_size, draw.force_size))

    def saving_batches(self) -> None:
        self._say_more(report.saving_batches())

    def prepared(self, training: PreparedTraining, device: torch.device, errors: list[float] | None) -> None:
        data = training.data
        n_features = [setup.n_features for setup in data.setups]
        by_model = isinstance(self.deck.transfer, ModelTransfer)
        restarted = os.path.exists("model.restart") if by_model else training.restarted
        self._say_more(report.networks(self.deck, n_features, restarted))
        if by_model and not training.restarted:
            self._say(report.reading_source())
        if errors is not None:
            self._say(_transfer(self.deck, training, errors))
        self._say_more(report.details(self.deck, str(device)))
        (self._say if self.on_terminal else self._say_more)(report.table_head())

    def epoch(self, epoch: int, errors: EpochErrors) -> None:
        if errors.line is not None:
            self._say(report.table_line(epoch, errors.line, self.on_terminal))

    def trained(self, seconds: float, device: torch.device) -> None:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
        self._say(report.resources(seconds, memory, _gpu_memory(device)))

    def saving(self) -> None:
        self._say_more(report.saving(self.deck))

    def finished(self, outcome: Outcome | None) -> None:
        from aenet_py.training import checkpoint
        from aenet_py.training.data import saved

        self._say(report.closing())
        if outcome is None:
            self.note(f"Wrote the batches to the folder {saved.FOLDER}.")
            return
        tables = [f"{kind}.*" for kind in ("energies", "forces") if getattr(outcome, kind)]
        potentials = counted(len(self.deck.networks), "potential")
        files = [potentials, checkpoint.path_of(self.deck), "train.error", *tables]
        self.note(f"Wrote {', '.join(files)}.")
        if outcome.energy_error is not None:
            forces = "" if outcome.force_error is None else f", forces {1e3 * outcome.force_error:.1f} meV/Å"
            virials = "" if outcome.virial_error is None else f", virials {1e3 * outcome.virial_error:.2f} meV/atom"
            self.note(f"RMSE of the test set: energies {1e3 * outcome.energy_error:.2f} meV/atom{forces}{virials}.")

    def progress(self, total: float, unit: str, done: float = 0.0) -> contextlib.AbstractContextManager[Advance]:
        return common.progress(total, unit, done=done)

    def _say(self, text: str) -> None:
        with beside_progress() if self.on_terminal else contextlib.nullcontext():
            sys.stdout.buffer.write(text.encode("latin-1"))
            sys.stdout.flush()

    def _say_more(self, text: str) -> None:
        if self.deck.verbose:
            self._say(text)


def of_committee(outcome: CommitteeOutcome) -> str:
    """Errors of the members and of their mean, and the files."""
    rows = [(f"member {number}", errors) for number, errors in enumerate(outcome.members, 1)]
    lines = [f"{'RMSE of the test set':24}{'energies, meV/atom':>20}{'forces, meV/A':>16}"]
    lines += [f"{name:24}{_errors(errors)}".rstrip() for name, errors in (*rows, ("mean of the members", outcome.mean))]
    factors = outcome.calibration.energy_factor, outcome.calibration.force_factor
    if any(each is not None for each in factors):
        shown = [f"{each:.2f}" if each is not None else "" for each in factors]
        lines.append(f"{'error of the mean/spread':24}{shown[0]:>20}{shown[1]:>16}".rstrip())
    first, last = outcome.potentials[0], outcome.potentials[-1]
    n_files = sum(map(len, outcome.potentials))
    lines.append(f"Wrote {counted(n_files, 'potential')}, {first[0]} to {last[-1]}, and committee.json.")
    return "\n".join(lines) + "\n"


def _errors(errors: TestErrors) -> str:
    energy, force = (f"{1e3 * each:.2f}" if each is not None else "" for each in (errors.energy, errors.force))
    return f"{energy:>20}{force:>16}"


def _transfer(deck: TrainInput, training: PreparedTraining, errors: list[float]) -> str:
    from aenet_py.training import transfer

    wanted, origin, networks = deck.transfer, training.origin, training.state.networks
    assert isinstance(wanted, Transfer)
    assert origin is not None
    n_layers, n_frozen = [len(layers) for layers in networks.species], transfer.frozen(wanted, networks, origin)
    rows = list(zip(deck.symbols, origin.paths, n_layers, n_frozen, origin.shifts, origin.added, strict=True))
    return report.transfer(wanted, rows, origin.scale, origin.error, errors)


def _gpu_memory(device: torch.device) -> float:
    """The most memory of the device that was used, GiB."""
    import torch

    return torch.cuda.max_memory_allocated(device) / 1024**3 if device.type == "cuda" else 0.0
