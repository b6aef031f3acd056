"""Optimizers: the steps and the stored state of torch's own classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aenet_py.inputs.train import METHODS, NetworkInput
from aenet_py.training import model, optimizers

CLASSES = {
    "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "adamax": torch.optim.Adamax,
    "adadelta": torch.optim.Adadelta, "adagrad": torch.optim.Adagrad,
}  # fmt: skip
SPECIES = [NetworkInput("A", "A.nn", (5, 3), ("tanh", "tanh")), NetworkInput("B", "B.nn", (2,), ("linear",))]
RATE, DECAY = 0.01, 0.003


@pytest.fixture
def networks():
    torch.manual_seed(5)
    return model.draw([4, 4], SPECIES, torch.device("cpu"))


def parameters_of(networks):
    return [view.clone().requires_grad_(True) for view in networks.views(networks.values)]


def steps(networks, optimizer, parameters, theirs, n, seed):
    rng = np.random.default_rng(seed)
    for _ in range(n):
        gradient = torch.from_numpy(rng.normal(size=len(networks.values)))
        optimizers.step(optimizer, networks.values, gradient)
        for parameter, part in zip(parameters, networks.views(gradient), strict=True):
            parameter.grad = part.clone()
        theirs.step()
    for view, parameter in zip(networks.views(networks.values), parameters, strict=True):
        torch.testing.assert_close(view, parameter.detach(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("method", METHODS)
def test_steps_and_state_are_torchs(method, networks):
    parameters = parameters_of(networks)
    optimizer = optimizers.start(method, networks, RATE, DECAY)
    theirs = CLASSES[method](parameters, lr=RATE, weight_decay=DECAY)
    steps(networks, optimizer, parameters, theirs, 4, 1)
    ours, wanted = optimizers.state(optimizer, networks), theirs.state_dict()
    assert ours["param_groups"] == wanted["param_groups"]
    assert ours["state"].keys() == wanted["state"].keys()
    for number, state in wanted["state"].items():
        assert ours["state"][number].keys() == state.keys()
        for name, value in state.items():
            torch.testing.assert_close(ours["state"][number][name], value, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [0, 3])
def test_either_resumes_from_the_others_state(method, n, networks):
    parameters = parameters_of(networks)
    first = optimizers.start(method, networks, RATE, DECAY)
    theirs = CLASSES[method](parameters, lr=RATE, weight_decay=DECAY)
    steps(networks, first, parameters, theirs, n, 2)
    from_ours = CLASSES[method](parameters, lr=1.0)
    from_ours.load_state_dict(optimizers.state(first, networks))
    from_theirs = optimizers.start(method, networks, 1.0, 0.0)
    optimizers.load(from_theirs, theirs.state_dict(), networks)
    steps(networks, from_theirs, parameters, from_ours, 3, 3)


@pytest.mark.parametrize(
    ("method", "other"), [("adam", "adamax"), ("adam", "adamw"), ("adadelta", "adam"), ("adagrad", "adam")]
)
def test_the_state_of_another_method_is_refused(method, other, networks):
    parameters = parameters_of(networks)
    theirs = CLASSES[other](parameters, lr=RATE)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    theirs.step()
    with pytest.raises((ValueError, KeyError)):
        optimizers.load(optimizers.start(method, networks, RATE, DECAY), theirs.state_dict(), networks)
