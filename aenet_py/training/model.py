"""One network a species; energies of structures and, through the gradients of the features, forces on atoms."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from aenet_py.formats.potential import ACTIVATIONS, Network
from aenet_py.inputs.train import NetworkInput
from aenet_py.training.batches import Part
from aenet_py.training.forces import Forces

_LAYERS = {"linear": nn.Identity, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


class Networks(nn.Module):
    """The networks of all species, in double precision; drawn in single precision, as the original draws them.

    The names of the parameters are the original's (NetAtom), so that either loads the other's model.restart.
    """

    def __init__(self, inputs: Sequence[int], networks: Sequence[NetworkInput]):
        super().__init__()
        self.functions = nn.ModuleList()
        for species, (n_features, network) in enumerate(zip(inputs, networks, strict=True), 1):
            layers: OrderedDict[str, nn.Module] = OrderedDict()
            sizes = [n_features, *network.nodes, 1]
            for layer in range(1, len(sizes)):
                layers[f"Linear_Sp{species}_F{layer}"] = nn.Linear(sizes[layer - 1], sizes[layer])
                if layer <= len(network.activations):
                    layers[f"Active_Sp{species}_F{layer}"] = _LAYERS[network.activations[layer - 1]]()
            self.functions.append(nn.Sequential(layers))
        self.double()

    def energies(self, part: Part) -> torch.Tensor:
        """Normalised energies of the structures, (n,)."""
        return self._sum([function(f) for function, f in zip(self.functions, part.features, strict=True)], part)

    def energies_and_forces(
        self, part: Part, scales: list[torch.Tensor], training: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Normalised energies (n,) and forces (n_atoms, 3); scales : of the features; training : keep the graph."""
        assert part.forces is not None
        atomic, slopes = [], []
        for function, values, scale in zip(self.functions, part.features, scales, strict=True):
            features = values.detach().requires_grad_(True)
            energies = function(features)
            (slope,) = torch.autograd.grad(energies.sum(), features, create_graph=training)
            atomic.append(energies)
            slopes.append(slope * scale)
        return self._sum(atomic, part), Forces.apply(len(part.forces), part.gradients, part.places, *slopes)

    def _sum(self, atomic: list[torch.Tensor], part: Part) -> torch.Tensor:
        total = torch.zeros_like(part.energies)
        for energies, structures in zip(atomic, part.structures, strict=True):
            if len(energies):
                total = total.index_add(0, structures, energies[:, 0])
        return total


def network_of(function: nn.Module, network: NetworkInput) -> Network:
    """A species' network as potentials store it (save_network_iesp)."""
    linear = [layer for layer in function.children() if isinstance(layer, nn.Linear)]
    nodes = np.array([linear[0].in_features, *(layer.out_features for layer in linear)], dtype=np.int32)
    blocks = [torch.cat((layer.weight, layer.bias[:, None]), dim=1).detach().cpu().numpy().T for layer in linear]
    activations = [ACTIVATIONS.index(name) for name in network.activations]
    return Network(
        nodes=nodes,
        activations=np.array([*activations, 0], dtype=np.int32),
        weight_ends=np.array([0, *np.cumsum([block.size for block in blocks])], dtype=np.int32),
        value_ends=np.array([0, *np.cumsum(nodes[:-1] + 1)], dtype=np.int32),
        weights=np.concatenate([block.ravel() for block in blocks]),
        most_nodes=int(nodes.max()),
        n_values=int((nodes[:-1] + 1).sum() + nodes[-1]),
    )
