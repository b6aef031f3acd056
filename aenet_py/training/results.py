"""What a training leaves: potentials, the state to go on from, energies and forces as the networks give them."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Iterator, Sequence

import torch

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import gradients, potential, trained
from aenet_py.formats.text import native
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
    """Names of the tables of energies and forces that the deck asks for."""
    kinds = [("energies", deck.save_energies), ("forces", deck.save_forces and deck.alpha is not None)]
    return [f"{kind}.{part}" for kind, is_wanted in kinds if is_wanted for part in ("train", "test")]


def check_apart(deck: TrainInput, paths: Sequence[str]) -> None:
    """InputError if the results would replace the training set, its gradients or the deck."""
    training_set = native(deck.training_set)
    read = [os.path.realpath(path) for path in (training_set, gradients.path_of(training_set), native(deck.path))]
    for path in paths:
        if os.path.realpath(path) in read:
            raise InputError(
                deck.path, f"the results of this training would replace its input {path}; rename one of them"
            )


def check_writable(paths: Sequence[str]) -> None:
    """AenetError, before the work is done, if one of these files cannot be written."""
    for path in paths:
        with PendingFile(path):
            pass


def potentials(deck: TrainInput, data: Data, networks: Networks) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the potentials."""
    for species, (network, path) in enumerate(zip(deck.networks, potential_paths(deck), strict=True)):
        found = potential.PotentialFile(
            network=network_of(networks.species[species], network),
            setup=data.setups[species],
            statistics=data.statistics[species],
            training=dataclasses.replace(data.training, shift=data.shifts[species]),
        )
        yield path, potential.to_trainer_text(found)


def write(stages: Sequence[dict[str, bytes]]) -> None:
    """Write files stage by stage: those of a stage appear together or not at all, whatever becomes of the others.

    AenetError names what is missing and how large it is, and what is saved.
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
    """Write files that appear together; why they could not be written, None if they were."""
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


Block = tuple[int, int, str]  # lines of a structure, behind its batch's number and its place there


def energies(networks: Networks, batches: Sequence[Batch], data: Data, ranks: Ranks) -> str:
    """The lines of energies.train or energies.test."""
    scale = data.training.scale
    blocks: list[Block] = []
    for number, batch in enumerate(batches):
        without = dataclasses.replace(batch, gradients=None).to(networks.values.device)
        found = loop.evaluate(networks, without, []).energies.cpu() / scale + batch.offsets
        reference = batch.energies.cpu() / scale + batch.offsets
        rows = zip(batch.paths, batch.n_atoms.tolist(), reference.tolist(), found.tolist(), strict=True)
        lines = [trained.energy_line(path, int(n), known, predicted) for path, n, known, predicted in rows]
        blocks += [(number, place, line) for place, line in zip(batch.places.tolist(), lines, strict=True)]
    return _in_order(blocks, ranks)


def forces(networks: Networks, batches: Sequence[Batch], data: Data, ranks: Ranks) -> str:
    """The lines of forces.train or forces.test."""
    scale = data.training.scale
    scales = [torch.from_numpy(values).to(networks.values.device) for values in data.feature_scales]
    blocks: list[Block] = []
    for number, batch in enumerate(on_device(batches, networks.values.device)):
        predicted = loop.evaluate(networks, batch, scales).forces
        if predicted is None or batch.forces is None:
            continue
        found, reference = (values.cpu().numpy() / scale for values in (predicted, batch.forces))
        start, n = 0, batch.n_with_forces
        rows = zip(batch.places[:n].tolist(), batch.paths[:n], batch.n_atoms[:n].int().tolist(), strict=True)
        for place, path, n_atoms in rows:
            here = slice(start, start + n_atoms)
            blocks.append((number, place, "".join(trained.force_lines(path, reference[here], found[here]))))
            start += n_atoms
    return _in_order(blocks, ranks)


def _in_order(blocks: list[Block], ranks: Ranks) -> str:
    """The lines of all processes, in the order of the batches."""
    return "".join(lines for *_, lines in sorted(itertools.chain(*ranks.gathered(blocks))))
