"""What a training leaves: potentials, the state to go on from, energies and forces as the networks give them."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator

import torch

from aenet_py.errors import AenetError
from aenet_py.formats import potential
from aenet_py.formats.output import PendingFile
from aenet_py.inputs.train import TrainInput
from aenet_py.report import train as report
from aenet_py.training.batches import Batch, Part
from aenet_py.training.dataset import Data
from aenet_py.training.model import Networks, network_of

RESTART = "model.restart"


def load(networks: Networks, optimizer: torch.optim.Optimizer) -> bool:
    """Go on from model.restart, if there is one; AenetError if it belongs to other networks."""
    if not os.path.exists(RESTART):
        return False
    try:
        state = torch.load(RESTART, weights_only=True, map_location="cpu")
        networks.load_state_dict(state["model"])
        if _method(state["optimizer"]) != _method(optimizer.state_dict()):
            raise ValueError("it was saved by another method")
        optimizer.load_state_dict(state["optimizer"])
    except Exception as error:  # torch raises many kinds for what is no such file
        reason = str(error).strip().splitlines()[0]
        raise AenetError(f"{RESTART}: found no state of these networks and this method ({reason})") from None
    return True


def _method(state: dict) -> tuple:
    """What tells optimisers apart: the names of their settings, and how weights decay."""
    settings = state["param_groups"][0]
    return sorted(settings), settings.get("decoupled_weight_decay")


def potentials(deck: TrainInput, data: Data, networks: Networks) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the potentials."""
    for species, network in enumerate(deck.networks):
        found = potential.PotentialFile(
            network=network_of(networks.functions[species], network),
            setup=data.setups[species],
            statistics=data.statistics[species],
            training=data.training,
        )
        yield f"{network.path}.ascii", potential.to_trainer_text(found)


def restart(networks: Networks, optimizer: torch.optim.Optimizer) -> tuple[str, bytes]:
    """Name and content of model.restart, which the original loads too."""
    content = io.BytesIO()
    torch.save({"model": networks.state_dict(), "optimizer": optimizer.state_dict()}, content)
    return RESTART, content.getvalue()


def write(files: list[tuple[str, bytes]]) -> None:
    """Write all files, none of which appears before all are complete."""
    with contextlib.ExitStack() as stack:
        pending = [stack.enter_context(PendingFile(name)) for name, _ in files]
        for file, (_, content) in zip(pending, files, strict=True):
            file.write(content)
        for file in pending:
            file.complete(replace=True)


def energies(networks: Networks, batches: list[Batch], data: Data) -> str:
    """The lines of energies.train or energies.test."""
    scale, shift = data.training.scale, data.training.shift
    lines = []
    for part in _parts(batches):
        with torch.no_grad():
            found = networks.energies(part) / scale + shift * part.n_atoms
            reference = part.energies / scale + shift * part.n_atoms
        rows = zip(part.paths, part.n_atoms.tolist(), reference.tolist(), found.tolist(), strict=True)
        lines += [report.energy_line(path, int(n), known, predicted) for path, n, known, predicted in rows]
    return "".join(lines)


def forces(networks: Networks, batches: list[Batch], data: Data) -> str:
    """The lines of forces.train or forces.test."""
    scale = data.training.scale
    lines: list[str] = []
    for batch in batches:
        part = batch.with_forces
        if part is None or part.forces is None:
            continue
        _, predicted = networks.energies_and_forces(part, data.feature_scales, training=False)
        found, reference = (values.detach().numpy() / scale for values in (predicted, part.forces))
        start = 0
        for path, n in zip(part.paths, part.n_atoms.int().tolist(), strict=True):
            lines += report.force_lines(path, reference[start : start + n], found[start : start + n])
            start += n
    return "".join(lines)


def _parts(batches: list[Batch]) -> Iterator[Part]:
    for batch in batches:
        yield from (part for part in (batch.with_forces, batch.energies_only) if part is not None)
