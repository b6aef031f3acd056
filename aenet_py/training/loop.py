"""A batch: evaluation, loss and its gradient, errors (step_train_any, step_valid_any)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from aenet_py.inputs.train import TrainInput
from aenet_py.training import model
from aenet_py.training.data.batches import Batch
from aenet_py.training.data.summed import Summed
from aenet_py.training.model import Networks
from aenet_py.training.ranks import Ranks


@dataclass(frozen=True)
class Shares:
    """Weights of the errors of forces and of virials in the loss."""

    force: float = 0.0
    virial: float = 0.0


def shares_of(deck: TrainInput) -> Shares:
    return Shares(deck.alpha or 0.0, deck.loss.stress)


@dataclass(frozen=True)
class Errors:
    """Normalised root mean square errors: weighted sum, energies per atom, lengths of force errors, virials per atom.

    That of a virial is the root of the sum of its nine squares.
    """

    total: float
    energy: float
    force: float
    virial: float = 0.0


@dataclass(frozen=True)
class Sums:
    """Sums of squared errors in an epoch so far, and how many, or the sums of their weights."""

    energy: float = 0.0
    force: float = 0.0
    n_energies: float = 0
    n_forces: float = 0
    virial: float = 0.0
    n_virials: float = 0

    def errors(self, shares: Shares) -> Errors:
        energy = math.sqrt(self.energy / self.n_energies) if self.n_energies else 0.0
        force = math.sqrt(self.force / self.n_forces) if self.n_forces else 0.0
        virial = math.sqrt(self.virial / self.n_virials) if self.n_virials else 0.0
        weight = torch.tensor(shares.force).item()  # in single precision, as in the original
        total = (1.0 - weight - shares.virial) * energy + weight * force + shares.virial * virial
        return Errors(total, energy, force, virial)

    def plus(self, terms: Terms) -> Sums:
        return Sums(
            self.energy + terms.with_forces.item() + terms.energies_only.item(),
            self.force + terms.force_error.item() ** 2 * terms.force_weight,
            self.n_energies + terms.energy_weight,
            self.n_forces + terms.force_weight,
            self.virial + terms.virial_error.item() ** 2 * terms.virial_weight,
            self.n_virials + terms.virial_weight,
        )


@dataclass(frozen=True)
class Terms:
    """Terms of a batch's loss, over all processes.

    with_forces, energies_only : squared errors of the energies per atom; force_error, virial_error : root mean square
    errors of the forces, and of the virials per atom.  Of the first three, one that a batch does not have stays a
    single-precision zero of one element, which makes the loss single precision: the original's weights depend on that.
    energy_weight, force_weight, virial_weight : sums of weights over energies, atoms with forces and virials, which are
    the numbers of these where all count the same.
    """

    with_forces: torch.Tensor
    energies_only: torch.Tensor
    force_error: torch.Tensor
    virial_error: torch.Tensor
    energy_weight: float
    force_weight: float
    virial_weight: float


@dataclass(frozen=True)
class Evaluation:
    """The networks' predictions for a batch, and what the gradient of its loss needs.

    values, slopes : per network (model.outputs, model.slopes), the latter for atoms with forces; energies (n,), forces
    (n_atoms, 3), virials (n_with_forces, 3, 3) : normalised.
    """

    values: list[list[torch.Tensor]]
    slopes: list[tuple[list[torch.Tensor], list[torch.Tensor]]]
    energies: torch.Tensor
    forces: torch.Tensor | None
    virials: torch.Tensor | None = None


def evaluate(networks: Networks, batch: Batch, scales: Sequence[torch.Tensor]) -> Evaluation:
    """Energies and, if the batch has gradients, forces; scales : of the features."""
    values = [model.outputs(layers, f) for layers, f in zip(networks.species, batch.features, strict=True)]
    energies = torch.zeros_like(batch.energies)
    for layers, structures in zip(values, batch.structures, strict=True):
        energies.index_add_(0, structures, layers[-1][:, 0])
    if batch.gradients is None:
        return Evaluation(values, [], energies, None)
    rows = batch.gradients.rows
    slopes = [
        model.slopes(layers, [value[:n] for value in of_layers])
        for layers, of_layers, n in zip(networks.species, values, rows, strict=True)
    ]
    scaled = [by_inputs[0] * scale for (by_inputs, _), scale in zip(slopes, scales, strict=True)]
    if batch.virials is None:
        return Evaluation(values, slopes, energies, batch.gradients.forces(scaled))
    assert isinstance(batch.gradients, Summed)
    return Evaluation(values, slopes, energies, *batch.gradients.forces_and_virials(scaled))


def force_errors(batch: Batch, forces: torch.Tensor) -> torch.Tensor:
    """Predicted minus reference forces, (n_atoms, 3), 0 for components that are not known; the batch has forces."""
    assert batch.forces is not None
    differences = forces - batch.forces
    return differences if batch.known is None else differences * batch.known


def terms(batch: Batch, evaluation: Evaluation, ranks: Ranks) -> Terms:
    errors, n = evaluation.energies - batch.energies, batch.n_with_forces
    if batch.huber is None:
        squares = errors**2 / batch.n_atoms**2
    else:
        squares = _huber(errors / batch.n_atoms, batch.huber[0])
    if batch.energy_weights is not None:
        squares = squares * batch.energy_weights
    parts = [torch.sum(squares[:n]), torch.sum(squares[n:]), *batch.energies.new_zeros(2)]
    if batch.forces is not None and evaluation.forces is not None:
        differences = force_errors(batch, evaluation.forces)
        differences = differences**2 if batch.huber is None else _huber(differences, batch.huber[1])
        parts[2] = torch.sum(differences if batch.force_weights is None else differences * batch.force_weights)
    if batch.virials is not None and evaluation.virials is not None:
        parts[3] = torch.sum((evaluation.virials - batch.virials.values) ** 2 * batch.virials.per_square)
    whole, sums = batch.whole, ranks.sum(torch.stack(parts).cpu())
    return Terms(
        sums[0] if whole.n_with_forces else torch.zeros(1),
        sums[1] if whole.n_with_forces < whole.n_structures else torch.zeros(1),
        torch.sqrt(sums[2] / whole.force_weight) if whole.n_atoms else torch.zeros(1),
        torch.sqrt(sums[3] / whole.virial_weight) if whole.virial_weight else sums[3],
        whole.energy_weight,
        whole.force_weight,
        whole.virial_weight,
    )


def _huber(differences: torch.Tensor, limit: float) -> torch.Tensor:
    """Squares of differences, which go on as straight lines beyond a limit (Huber 1964, times two)."""
    sizes = differences.abs()
    return torch.where(sizes <= limit, differences**2, limit * (2 * sizes - limit))


def gradient(
    networks: Networks, batch: Batch, evaluation: Evaluation, terms: Terms, scales: Sequence[torch.Tensor],
    shares: Shares,
) -> torch.Tensor | None:  # fmt: skip
    """This process's part of the gradient of a batch's loss by the networks' values; None if the loss is not finite."""
    weight = torch.tensor(shares.force)  # in single precision, as in the original
    leaves = [value.requires_grad_(True) for value in (terms.with_forces, terms.energies_only, terms.force_error)]
    with torch.enable_grad():
        energies = torch.sqrt((leaves[0] + leaves[1]) / terms.energy_weight)
        loss = (1.0 - weight - shares.virial) * energies + weight * leaves[2] + shares.virial * terms.virial_error
        if not torch.isfinite(loss).all():
            return None
        loss.backward()
    by_squares, error = [leaf.grad.item() for leaf in leaves if leaf.grad is not None], terms.force_error.item()
    of_kind = torch.full_like(batch.energies, by_squares[1])
    of_kind[: batch.n_with_forces] = by_squares[0]
    errors = evaluation.energies - batch.energies
    if batch.huber is None:
        by_energies = 2 * of_kind * errors / batch.n_atoms**2
    else:
        bounded = (errors / batch.n_atoms).clamp(-batch.huber[0], batch.huber[0])
        by_energies = 2 * of_kind * bounded / batch.n_atoms
    if batch.energy_weights is not None:
        by_energies = by_energies * batch.energy_weights
    by_slopes: list[torch.Tensor | None] = [None] * len(scales)
    if batch.gradients is not None and batch.forces is not None and evaluation.forces is not None:
        by_force = by_squares[2] / (error * terms.force_weight) if error else 0.0  # per difference
        differences = force_errors(batch, evaluation.forces)
        if batch.huber is not None:
            differences = differences.clamp(-batch.huber[1], batch.huber[1])
        by_forces = differences * by_force
        if batch.force_weights is not None:
            by_forces = by_forces * batch.force_weights
        if batch.virials is None or evaluation.virials is None:
            of_scaled = batch.gradients.slopes(by_forces)
        else:
            assert isinstance(batch.gradients, Summed)
            error = terms.virial_error.item()
            by_virial = shares.virial / (error * terms.virial_weight) if error else 0.0
            by_virials = (evaluation.virials - batch.virials.values) * batch.virials.per_square * by_virial
            of_scaled = batch.gradients.slopes(by_forces, by_virials)
        by_slopes = [slope * scale for slope, scale in zip(of_scaled, scales, strict=True)]
    into = networks.like(torch.zeros_like(networks.values))
    for network, layers in enumerate(networks.species):
        model.add_gradient(
            into.species[network], layers, evaluation.values[network], by_energies[batch.structures[network]],
            evaluation.slopes[network] if evaluation.slopes else None, by_slopes[network],
        )  # fmt: skip
    return into.values
