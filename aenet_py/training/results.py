"""Files written by a training run: potentials, state, and tables of energies and forces."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import gradients, potential, trained
from aenet_py.formats.text import native
from aenet_py.inputs import structures
from aenet_py.inputs.train import TrainInput
from aenet_py.runtime.output import PendingFile
from aenet_py.training import loop
from aenet_py.training.data.batches import Batch, on_device
from aenet_py.training.data.dataset import Data
from aenet_py.training.model import Networks, network_of
from aenet_py.training.ranks import Ranks


def potential_paths(deck: TrainInput) -> list[str]:
    return [native(network.path) + deck.ending for network in deck.networks]


def tables(deck: TrainInput) -> list[str]:
    """Names of the tables of energies and forces that the deck requests."""
    kinds = [("energies", deck.save_energies), ("forces", deck.save_forces and deck.alpha is not None)]
    parts = ("train", "validation", "test") if deck.validates else ("train", "test")
    return [f"{kind}.{part}" for kind, is_wanted in kinds if is_wanted for part in parts]


def check_apart(deck: TrainInput, paths: Sequence[str]) -> None:
    """InputError if a result would replace the deck, the training set, its gradients, structures or set-ups."""
    if deck.structures is None:
        training_set = native(deck.training_set)
        given = [training_set, gradients.path_of(training_set)]
    else:
        given = structures.paths(deck.structures)
    if deck.weights is not None and deck.weights.table is not None:
        given = [*given, deck.weights.table.path]
    read = {os.path.realpath(path) for path in (*given, native(deck.path))}
    for path in paths:
        if os.path.realpath(path) in read:
            raise InputError(
                deck.path, f"the results of this training would replace its input {path}; rename one of them"
            )


def check_writable(paths: Sequence[str]) -> None:
    """AenetError if one of these files cannot be written."""
    for path in paths:
        with PendingFile(path):
            pass


def potentials(deck: TrainInput, data: Data, networks: Networks) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the potentials."""
    for species, (network, path) in enumerate(zip(deck.networks, potential_paths(deck), strict=True)):
        file = potential.PotentialFile(
            network=network_of(networks.species[species], network),
            setup=data.setups[species],
            statistics=data.statistics[species],
            training=dataclasses.replace(data.training, shift=data.shifts[species]),
        )
        yield path, potential.to_trainer_text(file)


def write(stages: Sequence[dict[str, bytes]]) -> None:
    """Write files in stages: those of a stage appear together or not at all, independent of the others.

    AenetError names the files that could not be written, with their sizes, and those that are saved.
    """
    failures = [_failure(stage) for stage in stages]
    pairs = list(zip(stages, failures, strict=True))
    missing = [f"{name} ({len(content)} bytes)" for stage, bad in pairs if bad for name, content in stage.items()]
    if missing:
        saved = [name for stage, bad in pairs if not bad for name in stage]
        reason = next(filter(None, failures))
        also = f"; saved: {', '.join(saved)}" if saved else ""
        raise AenetError(f"{reason}; not saved: {', '.join(missing)}{also}")


def _failure(files: dict[str, bytes]) -> str | None:
    """Write files that appear together; returns the reason if they cannot be written, otherwise None."""
    try:
        _write_together(files)
    except AenetError as error:
        return str(error)
    return None


def _write_together(files: dict[str, bytes]) -> None:
    with contextlib.ExitStack() as stack:
        pending = [stack.enter_context(PendingFile(name)) for name in files]
        for file, content in zip(pending, files.values(), strict=True):
            file.write(content)
        for file in pending:
            file.complete(replace=True)


@dataclass(frozen=True)
class EnergyTable:
    """Reference and predicted cohesive energies.

    paths : of the structures; n_atoms (n,); reference, predicted (n,) : eV.
    """

    paths: tuple[str, ...]
    n_atoms: np.ndarray
    reference: np.ndarray
    predicted: np.ndarray

    def text(self) -> str:
        """The content of energies.train or energies.test."""
        rows = zip(self.paths, self.n_atoms.tolist(), self.reference.tolist(), self.predicted.tolist(), strict=True)
        return "".join(trained.energy_line(*row) for row in rows)


@dataclass(frozen=True)
class ForceTable:
    """Reference and predicted forces; the atoms of a structure are ordered by network.

    paths : of the structures with forces; starts (n + 1,) : where each structure's atoms begin; reference, predicted
    (n_atoms, 3) : eV/Å; components that are not known are NaN.
    """

    paths: tuple[str, ...]
    starts: np.ndarray
    reference: np.ndarray
    predicted: np.ndarray

    def text(self) -> str:
        """The content of forces.train or forces.test."""
        lines: list[str] = []
        for path, start, stop in zip(self.paths, self.starts[:-1], self.starts[1:], strict=True):
            lines += trained.force_lines(path, self.reference[start:stop], self.predicted[start:stop])
        return "".join(lines)


def energies(networks: Networks, batches: Sequence[Batch], data: Data, ranks: Ranks) -> EnergyTable:
    """Energies of all structures of these batches, in the order of the batches, over all processes."""
    scale = data.training.scale
    rows: list[tuple] = []
    for number, batch in enumerate(batches):
        without = dataclasses.replace(batch, gradients=None).to(networks.values.device)
        predicted = loop.evaluate(networks, without, []).energies.cpu() / scale + batch.offsets
        reference = batch.energies.cpu() / scale + batch.offsets
        columns = (batch.n_atoms.tolist(), reference.tolist(), predicted.tolist())
        rows += zip(itertools.repeat(number), batch.places.tolist(), batch.paths, *columns)
    rows = _in_order(rows, ranks)
    n_atoms = np.array([row[3] for row in rows], dtype=np.int64)
    values = np.array([row[4:] for row in rows]).reshape(-1, 2)
    return EnergyTable(tuple(row[2] for row in rows), n_atoms, values[:, 0], values[:, 1])


def forces(networks: Networks, batches: Sequence[Batch], data: Data, ranks: Ranks) -> ForceTable:
    """Forces on the atoms of all structures of these batches that have any, ordered in the same way."""
    scale = data.training.scale
    scales = [torch.from_numpy(values).to(networks.values.device) for values in data.feature_scales]
    rows: list[tuple] = []
    for number, batch in enumerate(on_device(batches, networks.values.device)):
        predicted = loop.evaluate(networks, batch, scales).forces
        if predicted is None or batch.forces is None:
            continue
        n = batch.n_with_forces
        ends = np.cumsum(batch.n_atoms[:n].int().numpy(force=True))[:-1]
        reference = batch.forces if batch.known is None else batch.forces.masked_fill(batch.known == 0.0, math.nan)
        columns = (np.split(values.cpu().numpy() / scale, ends) for values in (reference, predicted))
        rows += zip(itertools.repeat(number), batch.places[:n].tolist(), batch.paths[:n], *columns)
    rows = _in_order(rows, ranks)
    starts = np.concatenate([[0], np.cumsum([len(row[3]) for row in rows])]).astype(np.int64)
    values = [np.concatenate([np.zeros((0, 3)), *(row[place] for row in rows)]) for place in (3, 4)]
    return ForceTable(tuple(row[2] for row in rows), starts, values[0], values[1])


def _in_order(rows: list[tuple], ranks: Ranks) -> list[tuple]:
    """The rows of all processes, sorted by batch and place in the batch, their first two values."""
    return sorted(itertools.chain(*ranks.gathered(rows)), key=lambda row: row[:2])
