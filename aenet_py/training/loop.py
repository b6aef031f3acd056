"""One epoch after the other: losses, steps and errors (step_train_any, step_valid_any)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from aenet_py.errors import AenetError
from aenet_py.training.batches import Batch
from aenet_py.training.model import Networks

OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adadelta": torch.optim.Adadelta,
    "adagrad": torch.optim.Adagrad,
    "adamw": torch.optim.AdamW,
    "adamax": torch.optim.Adamax,
}


@dataclass(frozen=True)
class Errors:
    """Root mean square errors, normalised: their weighted sum, energies per atom, forces."""

    total: float
    energy: float
    force: float


def epoch(
    networks: Networks, batches: list[Batch], scales: list[torch.Tensor], alpha: float,
    optimizer: torch.optim.Optimizer | None,
) -> Errors:  # fmt: skip
    """Go through all batches once; with an optimizer, one step after each.  alpha : weight of the force error."""
    energy_sum = force_sum = 0.0
    n_energies = n_forces = 0
    weight = torch.tensor(alpha)  # in single precision, as in the original
    for batch in batches:
        # What a batch has nothing of stays a single-precision zero of one element, which takes the loss to single
        # precision with it: the original's weights depend on that.
        with_forces = energies_only = force_error = torch.zeros(1)
        n_structures, n_atoms = 0, 0
        if batch.with_forces is not None and batch.with_forces.paths:
            part = batch.with_forces
            assert part.forces is not None
            energies, forces = networks.energies_and_forces(part, scales, training=optimizer is not None)
            n_structures, n_atoms = len(energies), len(forces)
            with_forces = torch.sum((energies - part.energies) ** 2 / part.n_atoms**2)
            force_error = torch.sqrt(torch.sum((forces - part.forces) ** 2) / n_atoms)
        if batch.energies_only is not None and batch.energies_only.paths:
            part = batch.energies_only
            energies = networks.energies(part)
            n_structures += len(energies)
            energies_only = torch.sum((energies - part.energies) ** 2 / part.n_atoms**2)
        if n_structures == 0:
            continue
        if optimizer is not None:
            loss = (1.0 - weight) * torch.sqrt((with_forces + energies_only) / n_structures) + weight * force_error
            if not torch.isfinite(loss).all():
                raise AenetError("the loss is no longer a number; expected a smaller learning rate or other data")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        energy_sum += with_forces.item() + energies_only.item()
        force_sum += force_error.item() ** 2 * n_atoms
        n_energies, n_forces = n_energies + n_structures, n_forces + n_atoms
    energy = math.sqrt(energy_sum / n_energies) if n_energies else 0.0
    force = math.sqrt(force_sum / n_forces) if n_forces else 0.0
    return Errors((1.0 - weight.item()) * energy + weight.item() * force, energy, force)
