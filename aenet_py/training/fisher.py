"""How much each weight of a transfer's source matters: the diagonal of its Fisher information.

J. Kirkpatrick et al., PNAS 114, 3521 (2017), for errors of energies per atom and of force components that are normal
and weighted as in the loss.  Then it is the mean of squared derivatives of the predictions, whatever the labels.  Force
components that are not known are left out, as they are there.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from aenet_py.training import loop
from aenet_py.training.data import batches
from aenet_py.training.data.batches import Batch
from aenet_py.training.data.dataset import Data
from aenet_py.training.model import Networks
from aenet_py.training.ranks import ALONE
from aenet_py.training.secondorder import jacobian
from aenet_py.training.secondorder.constants import MOST_ROWS

BATCH = 16  # structures evaluated at a time


def information(networks: Networks, data: Data, alpha: float) -> torch.Tensor:
    """The diagonal of the Fisher information, up to a factor, (n_weights,).

    Parameters
    ----------
    networks : Networks
        Those of the source.
    data : Data
        Structures, normalised for them.
    alpha : float
        Weight of the forces in the loss.

    Returns
    -------
    Tensor
        Not negative.
    """
    device, n = networks.values.device, len(data.structures.energies)
    scales = [torch.from_numpy(scale).to(device) for scale in data.feature_scales]
    chosen = data.structures.with_forces
    parts = [([k for k in some if chosen[k]], [k for k in some if not chosen[k]]) for some in _numbers(n)]
    of_energies, of_forces = torch.zeros_like(networks.values), torch.zeros_like(networks.values)
    force_weight = 0.0
    for batch in batches.assemble(data, parts, False, ALONE):
        _add(networks, batch.to(device), scales, of_energies, of_forces)
        force_weight += batch.whole.force_weight
    return (1.0 - alpha) * of_energies / n + (alpha * of_forces / force_weight if force_weight else 0.0)


def _numbers(n: int) -> list[range]:
    return [range(first, min(first + BATCH, n)) for first in range(0, n, BATCH)]


def _add(
    networks: Networks, batch: Batch, scales: Sequence[torch.Tensor], of_energies: torch.Tensor,
    of_forces: torch.Tensor,
) -> None:  # fmt: skip
    """Add the squares of the derivatives of a batch's energies per atom and known forces."""
    evaluation, n = loop.evaluate(networks, batch, scales), len(batch.energies)
    n_forces = 0 if batch.forces is None else batch.forces.numel()
    is_force = torch.arange(n + n_forces, device=networks.values.device) >= n
    if batch.known is not None:
        is_force[n:] = batch.known.flatten() > 0
    for places, rows in jacobian.blocks(networks, batch, evaluation, scales, MOST_ROWS):
        squares = rows**2
        of_energies += squares[places < n].sum(dim=0)
        of_forces += squares[is_force[places]].sum(dim=0)
