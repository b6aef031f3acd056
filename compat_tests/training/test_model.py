"""Networks: slopes and the gradient of a loss, against torch's automatic differentiation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from aenet_py.inputs.train import NetworkInput
from aenet_py.training import model

FORMS = [
    ((7,), ("tanh",)), ((5, 4), ("tanh", "sigmoid")), ((3, 6, 2), ("sigmoid", "linear", "tanh")), ((4,), ("linear",)),
]  # fmt: skip
_LAYERS = {"linear": nn.Identity, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def module_of(layers) -> nn.Sequential:
    """The same network, made by torch."""
    parts = []
    for layer in layers:
        linear = nn.Linear(layer.weight.shape[1], layer.weight.shape[0]).double()
        with torch.no_grad():
            linear.weight.copy_(layer.weight)
            linear.bias.copy_(layer.bias)
        parts += [linear, _LAYERS[layer.activation]()]
    return nn.Sequential(*parts)


@pytest.mark.parametrize(("nodes", "activations"), FORMS)
@pytest.mark.parametrize("n_with_forces", [None, 9, 4, 0])
def test_gradient_of_a_loss_of_energies_and_slopes(nodes, activations, n_with_forces):
    torch.manual_seed(3)
    networks = model.draw([6], [NetworkInput("A", "A.nn", nodes, activations)], torch.device("cpu"))
    (layers,) = networks.species
    rng = np.random.default_rng(1)
    features, by_energy = torch.from_numpy(rng.normal(size=(9, 6))), torch.from_numpy(rng.normal(size=9))
    n = n_with_forces or 0
    by_slopes = torch.from_numpy(rng.normal(size=(n, 6)))
    values = model.outputs(layers, features)
    found = model.slopes(layers, [value[:n] for value in values])
    into = networks.like(torch.zeros_like(networks.values))
    extra = (found, by_slopes) if n_with_forces is not None else (None, None)
    model.add_gradient(into.species[0], layers, values, by_energy, *extra)

    with torch.enable_grad():
        module, given = module_of(layers), features.clone().requires_grad_(True)
        energies = module(given)[:, 0]
        (slopes,) = torch.autograd.grad(energies.sum(), given, create_graph=True)
        torch.autograd.backward((energies * by_energy).sum() + (slopes[:n] * by_slopes).sum())
    torch.testing.assert_close(values[-1][:, 0], energies.detach(), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(found[0][0], slopes.detach()[:n], rtol=1e-12, atol=1e-13)
    wanted = torch.cat(
        [torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in module.parameters()]
    )
    torch.testing.assert_close(into.values, wanted, rtol=1e-12, atol=1e-12)
