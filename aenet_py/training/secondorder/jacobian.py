"""Errors of structures, and their derivatives by all weights: of energies per atom and of force components.

The force on an atom is a sum over centers of a vector, the stored gradients of the center's features, times the slopes
of its energy.  Its derivative by the weights is therefore a sum of gradients of directional derivatives along these
vectors (model.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from aenet_py.training import loop, model
from aenet_py.training.data.batches import Batch
from aenet_py.training.data.forces import Packed
from aenet_py.training.loop import Evaluation
from aenet_py.training.model import Networks
from aenet_py.training.secondorder.constants import MOST_VALUES

Slopes = tuple[list[torch.Tensor], list[torch.Tensor]]  # of a network (model.slopes)


@dataclass(frozen=True)
class Weights:
    """Weights of the squared errors: of the energies per atom, and of the components of the forces."""

    energy: float
    force: float


@dataclass(frozen=True)
class Part:
    """A structure of a batch.

    atoms : its atoms among those of the batch; rows : per network, the places of its atoms; along : per network
    (n_components, n_atoms, n_features), the gradients of its forces by the slopes of its energy, those by the networks'
    inputs; empty without forces.
    """

    number: int
    atoms: slice
    rows: list[slice]
    along: list[torch.Tensor]

    @property
    def n_rows(self) -> int:
        """One energy, and the components of the forces."""
        return 1 + (len(self.along[0]) if self.along else 0)


def weights_of(alpha: float, energy: float, force: float, n_structures: float, n_atoms: float) -> Weights:
    """Weights with which least squares lowers the loss.

    The loss is a weighted sum of the roots of two means.  This weighted sum of squares has, up to a factor, the same
    gradient, and by its concavity the loss falls at least as much.

    Parameters
    ----------
    alpha : float
        Weight of the force error in the loss, 0 to 1.
    energy : float
        Root mean square error of the energies per atom.
    force : float
        Root mean square of the lengths of the force errors.
    n_structures : float
        Number of energies.
    n_atoms : float
        Number of atoms with forces.

    Returns
    -------
    Weights
    """
    if not n_atoms or not force:
        return Weights(1.0 - alpha, 0.0)
    return Weights(1.0 - alpha, alpha * (energy / force) * (n_structures / n_atoms))


def errors(batch: Batch, evaluation: Evaluation) -> torch.Tensor:
    """Errors (reference - predicted) of the energies per atom, then of all force components, (n_rows,)."""
    energies = (batch.energies - evaluation.energies) / batch.n_atoms
    if batch.forces is None or evaluation.forces is None:
        return energies
    return torch.cat((energies, -loop.force_errors(batch, evaluation.forces).flatten()))


def roots(batch: Batch, weights: Weights) -> torch.Tensor:
    """The square root of the weight of each error, (n_rows,); 0 for force components that are not known."""
    n_forces = 0 if batch.forces is None else batch.forces.numel()
    sizes = ((len(batch.energies), weights.energy), (n_forces, weights.force))
    energies, forces = (batch.energies.new_full((n,), weight**0.5) for n, weight in sizes)
    return torch.cat((energies, forces if batch.known is None else forces * batch.known.flatten()))


def blocks(
    networks: Networks, batch: Batch, evaluation: Evaluation, scales: Sequence[torch.Tensor], most: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Derivatives of the predicted energies per atom and forces by all weights, in blocks of whole structures.

    Parameters
    ----------
    networks : Networks
        The networks.
    batch : Batch
        The structures.
    evaluation : Evaluation
        Of the batch by these networks.
    scales : sequence of Tensor
        Inverse standard deviation of each feature, per network.
    most : int
        Rows of a block, unless a single structure has more.

    Yields
    ------
    tuple of Tensor, shapes (n,) int64 and (n, n_weights)
        Places of the rows in the order of `errors`, and the rows.
    """
    slopes = evaluation.slopes
    if batch.n_with_forces < len(batch.energies):  # slopes are those of atoms with forces only
        pairs = zip(networks.species, evaluation.values, strict=True)
        slopes = [model.slopes(layers, values) for layers, values in pairs]
    waiting: list[Part] = []
    n_rows = 0
    for part in parts(batch, scales):
        n_own = part.n_rows
        if waiting and n_rows + n_own > most:
            yield _block(networks, batch, evaluation, slopes, waiting)
            waiting, n_rows = [], 0
        waiting.append(part)
        n_rows += n_own
    if waiting:
        yield _block(networks, batch, evaluation, slopes, waiting)


def _block(
    networks: Networks, batch: Batch, evaluation: Evaluation, slopes: Sequence[Slopes], chosen: Sequence[Part]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows of some structures."""
    n_energies, places, last = len(batch.energies), [], 0
    rows = batch.energies.new_empty((sum(part.n_rows for part in chosen), len(networks.values)))
    for part in chosen:
        first, last = last, last + part.n_rows
        values = [[value[place] for value in of] for of, place in zip(evaluation.values, part.rows, strict=True)]
        derivatives = [
            ([by[place] for by in by_inputs], [by[place] for by in by_sums])
            for (by_inputs, by_sums), place in zip(slopes, part.rows, strict=True)
        ]
        fill(rows[first], rows[first + 1 : last], networks, values, derivatives, part.along)
        rows[first] /= batch.n_atoms[part.number]
        begin = n_energies + 3 * part.atoms.start
        places += [part.number, *range(begin, begin + part.n_rows - 1)]
    return torch.tensor(places, device=rows.device), rows


def fill(
    energy: torch.Tensor, forces: torch.Tensor, networks: Networks, values: Sequence[list[torch.Tensor]],
    derivatives: Sequence[Slopes], along: Sequence[torch.Tensor],
) -> None:  # fmt: skip
    """Fill in the derivatives of a structure's energy, (n_weights,), and forces, (n_components, n_weights).

    values, derivatives, along : per network, of its atoms (model.outputs, model.slopes, `Part`).
    """
    end = 0
    for network, layers in enumerate(networks.species):
        begin, end = end, end + model.n_weights(layers)
        model.fill_gradient(energy[begin:end], layers, values[network], derivatives[network])
        if along:
            model.fill_gradients_along(
                forces[:, begin:end], layers, values[network], derivatives[network], along[network]
            )


def parts(batch: Batch, scales: Sequence[torch.Tensor]) -> Iterator[Part]:
    """The structures of a batch one by one; scales : of the features."""
    n, sizes = len(batch.energies), batch.n_atoms[: batch.n_with_forces].int().tolist()
    ends = [0, *batch.n_atoms.cumsum(0).long().tolist()]
    atoms = [slice(*pair) for pair in itertools.pairwise(ends)]
    bounds = [
        torch.searchsorted(owners, torch.arange(n + 1, device=owners.device)).tolist() for owners in batch.structures
    ]
    places = [[slice(bound[number], bound[number + 1]) for bound in bounds] for number in range(n)]
    for first, last in _pieces(sizes, max(len(scale) for scale in scales)):
        expanded = _expanded(batch, sum(sizes[:first]), sizes[first:last])
        starts = [place.start for place in places[first]]
        for number in range(first, last):
            along = [
                part[: 3 * sizes[number], place.start - start : place.stop - start] * scale
                for part, place, start, scale in zip(expanded, places[number], starts, scales, strict=True)
            ]
            yield Part(number, atoms[number], places[number], along)
    for number in range(len(sizes), n):
        yield Part(number, atoms[number], places[number], [])


def _pieces(sizes: list[int], n_features: int) -> Iterator[tuple[int, int]]:
    """Ranges of structures whose expanded gradients have MOST_VALUES at most, but one structure at least."""
    first, largest, total = 0, 0, 0
    for number, size in enumerate(sizes):
        largest, total = max(largest, size), total + size
        if number > first and 3 * largest * total * n_features > MOST_VALUES:
            yield first, number
            first, largest, total = number, size, size
    if first < len(sizes):
        yield first, len(sizes)


def _expanded(batch: Batch, begin: int, sizes: list[int]) -> list[torch.Tensor]:
    """Per network, gradients of each force component by the slopes, (n_components, n_atoms, n_features).

    The components are those of the largest structure; each of them is computed in all structures at once.  begin :
    first atom; sizes : of the structures.
    """
    gradients, n_atoms, device = batch.gradients, sum(sizes), batch.energies.device
    assert gradients is not None
    if isinstance(gradients, Packed):
        gradients, begin = gradients.part(begin, begin + n_atoms), 0
    starts, large = begin + np.cumsum([0, *sizes[:-1]]), np.array(sizes)
    components = []
    for atom in range(max(sizes)):
        own = torch.from_numpy(starts[large > atom] + atom).to(device)
        for axis in range(3):
            chosen = torch.zeros((gradients.n_atoms, 3), dtype=torch.float64, device=device)
            chosen[own, axis] = 1.0
            components.append(gradients.slopes(chosen))
    return [torch.stack(of_network) for of_network in zip(*components, strict=True)]
