"""One network per species: outputs, their slopes by the features, and the gradient of a loss of both by the weights.

The gradient needs no second pass of automatic differentiation: if v are the derivatives of the loss by the slopes, it
is the gradient of the networks' directional derivative along v (Pearlmutter, Neural Computation 6, 147 (1994)), one
pass forward and one back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from aenet_py.formats.potential import ACTIVATIONS, Network
from aenet_py.inputs.train import NetworkInput

# Each activation function's first and second derivative from its value.
_FUNCTIONS = {"linear": None, "tanh": torch.tanh, "sigmoid": torch.sigmoid}
_FIRST = {"tanh": lambda a: 1 - a * a, "sigmoid": lambda a: a * (1 - a)}
_SECOND = {"tanh": lambda a: -2 * a * (1 - a * a), "sigmoid": lambda a: a * (1 - a) * (1 - 2 * a)}


@dataclass(frozen=True)
class Layer:
    """weight (n_out, n_in), bias (n_out,) float64; activation : linear, tanh or sigmoid."""

    weight: torch.Tensor
    bias: torch.Tensor
    activation: str


@dataclass(frozen=True)
class Networks:
    """The networks of all species.

    values : all weights and biases, (n,) float64; names : of the parameters, as in the original (NetAtom), which makes
    model.restart interchangeable; species : the layers of each network, views of values.
    """

    values: torch.Tensor
    names: tuple[str, ...]
    species: tuple[tuple[Layer, ...], ...]

    def views(self, values: torch.Tensor) -> list[torch.Tensor]:
        """Views of an array like `values`, one per parameter, in its shape."""
        parameters = [p for layers in self.species for layer in layers for p in (layer.weight, layer.bias)]
        parts = torch.split(values, [p.numel() for p in parameters])
        return [part.view(p.shape) for part, p in zip(parts, parameters, strict=True)]

    def like(self, values: torch.Tensor) -> Networks:
        """Networks of the same architecture with other values."""
        views = iter(self.views(values))
        species = [[Layer(next(views), next(views), layer.activation) for layer in layers] for layers in self.species]
        return Networks(values, self.names, tuple(map(tuple, species)))

    def state(self) -> OrderedDict[str, torch.Tensor]:
        """The parameters by name, like a module's state_dict."""
        views = self.views(self.values.cpu().clone())
        return OrderedDict(zip(self.names, (view.clone() for view in views), strict=True))


def n_weights(layers: Sequence[Layer]) -> int:
    """Number of weights and biases of a network."""
    return sum(layer.weight.numel() + len(layer.bias) for layer in layers)


def draw(inputs: Sequence[int], networks: Sequence[NetworkInput], device: torch.device) -> Networks:
    """New networks, drawn in single precision from torch's global generator, as the original draws them."""
    names, parts, shapes = [], [], []
    for species, (n_features, network) in enumerate(zip(inputs, networks, strict=True)):
        sizes = [n_features, *network.nodes, 1]
        for layer in range(1, len(sizes)):
            linear = nn.Linear(sizes[layer - 1], sizes[layer])
            name = f"functions.{species}.Linear_Sp{species + 1}_F{layer}"
            names += [f"{name}.weight", f"{name}.bias"]
            parts += [linear.weight.detach().flatten(), linear.bias.detach()]
            shapes.append((species, linear.weight.shape, (*network.activations, "linear")[layer - 1]))
    values = torch.cat(parts).double().to(device)
    pieces = iter(torch.split(values, [len(part) for part in parts]))
    layers: list[list[Layer]] = [[] for _ in networks]
    for species, shape, activation in shapes:
        layers[species].append(Layer(next(pieces).view(shape), next(pieces), activation))
    return Networks(values, tuple(names), tuple(map(tuple, layers)))


def outputs(layers: Sequence[Layer], features: torch.Tensor) -> list[torch.Tensor]:
    """The features (n, n_features) and the values of each layer; the last are the energies, (n, 1)."""
    values = [features]
    for layer in layers:
        sums = torch.addmm(layer.bias, values[-1], layer.weight.T)
        function = _FUNCTIONS[layer.activation]
        values.append(function(sums) if function else sums)
    return values


def slopes(layers: Sequence[Layer], values: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Derivatives of the energy by the inputs of each layer (the features first), and by each layer's sums."""
    into, sums = [], [_chained(layers[-1], torch.ones_like(values[-1]), values[-1])]
    for layer in range(len(layers) - 1, -1, -1):
        into.append(sums[-1] @ layers[layer].weight)
        if layer:
            sums.append(_chained(layers[layer - 1], into[-1], values[layer]))
    return into[::-1], sums[::-1]


def _chained(layer: Layer, derivatives: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Derivatives by a layer's sums from those by its values."""
    first = _FIRST.get(layer.activation)
    return derivatives * first(values) if first else derivatives


def add_gradient(
    into: Sequence[Layer], layers: Sequence[Layer], values: list[torch.Tensor], by_energy: torch.Tensor,
    derivatives: tuple[list[torch.Tensor], list[torch.Tensor]] | None = None, by_slopes: torch.Tensor | None = None,
) -> None:  # fmt: skip
    """Add to `into` the gradient of a loss by the weights and biases.

    by_energy (n,), by_slopes (m, n_features) : derivatives of the loss by the energies, and by the slopes of the first
    m atoms; derivatives : of these atoms, as `slopes` returns them.
    """
    changed, n = [], 0
    if derivatives is not None and by_slopes is not None:
        n = len(by_slopes)
        changed = changes(layers, [value[:n] for value in values], by_slopes)
    by_sums = _chained(layers[-1], by_energy[:, None], values[-1])
    for number in range(len(layers) - 1, -1, -1):
        into[number].weight.addmm_(by_sums.T, values[number])
        into[number].bias.add_(by_sums.sum(dim=0))
        if changed:
            assert derivatives is not None
            into[number].weight.addmm_(derivatives[1][number].T, changed[number][0])
        if number:
            by_sums = _chained(layers[number - 1], by_sums @ layers[number].weight, values[number])
            if changed:
                assert derivatives is not None
                bent = _bent(layers[number - 1], values[number][:n], derivatives[0][number], changed[number - 1][1])
                if bent is not None:
                    by_sums[:n] += bent


def fill_gradient(
    into: torch.Tensor, layers: Sequence[Layer], values: list[torch.Tensor],
    derivatives: tuple[list[torch.Tensor], list[torch.Tensor]],
) -> None:  # fmt: skip
    """Fill in the gradient of the sum of these atoms' energies by the weights and biases, (n_weights,)."""
    end = 0
    for layer, inputs, by_sums in zip(layers, values, derivatives[1], strict=False):
        middle = end + layer.weight.numel()
        into[end:middle] = (by_sums.T @ inputs).flatten()
        end = middle + len(layer.bias)
        into[middle:end] = by_sums.sum(dim=0)


def fill_gradients_along(
    into: torch.Tensor, layers: Sequence[Layer], values: list[torch.Tensor],
    derivatives: tuple[list[torch.Tensor], list[torch.Tensor]], along: torch.Tensor,
) -> None:  # fmt: skip
    """Fill in the gradients, by the weights and biases, of sums of directional derivatives of these atoms' energies.

    Parameters
    ----------
    into : Tensor, shape (m, n_weights)
        Where they go, for the weights and biases of this network in the order of `Networks.values`.
    layers : sequence of Layer
        The network.
    values : list of Tensor
        Of these atoms, as `outputs` returns them.
    derivatives : tuple of list of Tensor
        Of these atoms, as `slopes` returns them.
    along : Tensor, shape (m, n, n_features)
        The direction of each derivative, per sum and atom.
    """
    changed, end = changes(layers, values, along), into.shape[1]
    by_sums = torch.zeros_like(changed[-1][1])  # of the last layer, which is linear
    for number in range(len(layers) - 1, -1, -1):
        middle = end - len(layers[number].bias)
        begin = middle - layers[number].weight.numel()
        into[:, middle:end] = by_sums.sum(dim=1)
        weights = by_sums.transpose(1, 2) @ values[number] + derivatives[1][number].T @ changed[number][0]
        into[:, begin:middle] = weights.flatten(1)
        end = begin
        if number:
            by_sums = _chained(layers[number - 1], by_sums @ layers[number].weight, values[number])
            bent = _bent(layers[number - 1], values[number], derivatives[0][number], changed[number - 1][1])
            if bent is not None:
                by_sums = by_sums + bent


def changes(
    layers: Sequence[Layer], values: list[torch.Tensor], along: torch.Tensor
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Changes of each layer's inputs and sums along a direction of the features, (..., n, n_features)."""
    found, change = [], along
    for layer, value in zip(layers, values[1:], strict=True):
        sums = change @ layer.weight.T
        found.append((change, sums))
        change = _chained(layer, sums, value)
    return found


def _bent(layer: Layer, values: torch.Tensor, by_values: torch.Tensor, sums: torch.Tensor) -> torch.Tensor | None:
    """What the curvature of a layer's activation function adds to the derivatives by its sums; None if it is linear.

    by_values : derivatives of the energy by the layer's values; sums : change of the layer's sums.
    """
    second = _SECOND.get(layer.activation)
    return by_values * sums * second(values) if second else None


def stored_weights(parameters: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> np.ndarray:
    """Weights and biases of a network's layers, in the order of potential files, (n_weights,)."""
    blocks = [torch.cat((weight, bias[:, None]), dim=1).cpu().numpy().T for weight, bias in parameters]
    return np.concatenate([block.ravel() for block in blocks])


def take_weights(layers: Sequence[Layer], weights: np.ndarray) -> None:
    """Copy the weights of a potential file to a network."""
    start = 0
    for layer in layers:
        n_out, n_in = layer.weight.shape
        block = torch.from_numpy(weights[start : start + (n_in + 1) * n_out].reshape(n_in + 1, n_out))
        layer.weight.copy_(block[:-1].T)
        layer.bias.copy_(block[-1])
        start += block.numel()


def network_of(layers: Sequence[Layer], network: NetworkInput) -> Network:
    """A species' network in the form of potential files (save_network_iesp)."""
    nodes = [layers[0].weight.shape[1], *(len(layer.bias) for layer in layers)]
    activations = [ACTIVATIONS.index(name) for name in network.activations]
    return Network.of(nodes, [*activations, 0], stored_weights([(layer.weight, layer.bias) for layer in layers]))
