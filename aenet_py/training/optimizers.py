"""The original's five optimizers, with torch's functions, on all parameters at once.

torch.optim's classes are not used: creating one takes a second, in which torch loads its compiler.  The state has the
form that they store, which makes model.restart interchangeable.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim.adadelta import adadelta
from torch.optim.adagrad import adagrad
from torch.optim.adam import adam
from torch.optim.adamax import adamax
from torch.optim.adamw import adamw

from aenet_py.training.model import Networks


@dataclass(frozen=True)
class Method:
    """step : torch's function; state : names of its arrays, except the number of steps; settings : those that torch
    stores, with its defaults; used : those that the function takes."""

    step: Callable[..., None]
    state: tuple[str, ...]
    settings: dict[str, Any]
    used: tuple[str, ...]


_SHARED = {"maximize": False, "foreach": None, "capturable": False, "differentiable": False}
_ADAM = {"betas": (0.9, 0.999), "eps": 1e-8, "amsgrad": False, **_SHARED, "fused": None}
_MOMENTS = ("exp_avg", "exp_avg_sq")
METHODS = {
    "adam": Method(adam, _MOMENTS, {**_ADAM, "decoupled_weight_decay": False}, ("betas", "eps", "amsgrad")),
    "adamw": Method(adamw, _MOMENTS, {**_ADAM, "decoupled_weight_decay": True}, ("betas", "eps", "amsgrad")),
    "adamax": Method(
        adamax, ("exp_avg", "exp_inf"), {"betas": (0.9, 0.999), "eps": 1e-8, **_SHARED}, ("betas", "eps")
    ),
    "adadelta": Method(adadelta, ("square_avg", "acc_delta"), {"rho": 0.9, "eps": 1e-6, **_SHARED}, ("rho", "eps")),
    "adagrad": Method(
        adagrad,
        ("sum",),
        {
            "lr_decay": 0, "eps": 1e-10, "initial_accumulator_value": 0, "foreach": None, "maximize": False,
            "differentiable": False, "fused": None,
        },
        ("lr_decay", "eps"),
    ),
}  # fmt: skip


@dataclass
class Optimizer:
    """The state of a method: settings as torch stores them, and arrays, each like the networks' values.

    n_steps (n_parameters,) : of each parameter; free : which parameters are trained; factors : of the learning rate of
    each; parts : those that are trained, by number of steps and factor, with the places of their values, (n,) bool, or
    None for all.
    """

    method: Method
    settings: dict[str, Any]
    n_steps: torch.Tensor
    arrays: list[torch.Tensor]
    free: tuple[bool, ...]
    factors: tuple[float, ...]
    parts: list[tuple[torch.Tensor | None, list[int]]]

    def copy(self) -> Optimizer:
        """A copy whose arrays are its own."""
        return dataclasses.replace(
            self,
            settings=dict(self.settings),
            n_steps=self.n_steps.clone(),
            arrays=[array.clone() for array in self.arrays],
        )


def start(
    method: str, networks: Networks, learning_rate: float, weight_decay: float, free: Sequence[bool] | None = None,
    factors: Sequence[float] | None = None,
) -> Optimizer:  # fmt: skip
    """A new state.

    free : which of the networks' parameters are trained, by default all; factors : of their rates, by default 1.
    """
    chosen = METHODS[method]
    settings = {"lr": learning_rate, "weight_decay": weight_decay, **chosen.settings}
    arrays = [torch.zeros_like(networks.values) for _ in chosen.state]
    n = len(networks.names)
    n_steps, trained, rates = torch.zeros(n), tuple(free or (True,) * n), tuple(factors or (1.0,) * n)
    return Optimizer(chosen, settings, n_steps, arrays, trained, rates, _parts(networks, n_steps, trained, rates))


def train_only(optimizer: Optimizer, networks: Networks, free: Sequence[bool]) -> None:
    """Train these of the networks' parameters from now on."""
    optimizer.free = tuple(free)
    optimizer.parts = _parts(networks, optimizer.n_steps, optimizer.free, optimizer.factors)


def _parts(
    networks: Networks, n_steps: torch.Tensor, free: Sequence[bool], factors: Sequence[float]
) -> list[tuple[torch.Tensor | None, list[int]]]:
    """Trained parameters by what a step depends on, as in `Optimizer`."""
    parts: dict[tuple[float, float], list[int]] = {}
    for number, (count, factor, is_free) in enumerate(zip(n_steps.tolist(), factors, free, strict=True)):
        if is_free:
            parts.setdefault((count, factor), []).append(number)
    places: list[tuple[torch.Tensor | None, list[int]]] = []
    for numbers in parts.values():
        chosen = torch.zeros_like(networks.values, dtype=torch.bool)
        views = networks.views(chosen)
        for number in numbers:
            views[number].fill_(True)
        places.append((None if chosen.all() else chosen, numbers))
    return places


def step(optimizer: Optimizer, values: torch.Tensor, gradient: torch.Tensor) -> None:
    """Take a step: change the values in place."""
    settings = {name: optimizer.settings[name] for name in ("lr", "weight_decay", *optimizer.method.used)}
    if "betas" in settings:
        settings["beta1"], settings["beta2"] = settings.pop("betas")
    whole = [values, *optimizer.arrays]
    for chosen, numbers in optimizer.parts:
        changed = whole if chosen is None else [array[chosen] for array in whole]
        part = gradient if chosen is None else gradient[chosen]
        arrays, n_steps = [[array] for array in changed[1:]], optimizer.n_steps[numbers[0]].clone()
        if "amsgrad" in settings:
            arrays.append([])  # maxima, which only AMSGrad has
        own = {**settings, "lr": settings["lr"] * optimizer.factors[numbers[0]]}
        optimizer.method.step(changed[:1], [part], *arrays, state_steps=[n_steps], foreach=False, maximize=False, **own)
        optimizer.n_steps[numbers] = n_steps
        if chosen is not None:
            for array, new in zip(whole, changed, strict=True):
                array[chosen] = new


def state(optimizer: Optimizer, networks: Networks) -> dict[str, Any]:
    """The state_dict of torch's optimizers."""
    names = optimizer.method.state
    parts = [networks.views(array.cpu().clone()) for array in optimizer.arrays]
    parameters = range(len(networks.names))
    states = {
        i: {
            "step": optimizer.n_steps[i].clone(),
            **{name: part[i].clone() for name, part in zip(names, parts, strict=True)},
        }
        for i in parameters
    }
    return {"state": states, "param_groups": [{**optimizer.settings, "params": list(parameters)}]}


def load(optimizer: Optimizer, stored: dict[str, Any], networks: Networks) -> None:
    """Resume from a state_dict; ValueError, KeyError or RuntimeError if it does not fit or is of another method."""
    (group,) = stored["param_groups"]
    wanted = optimizer.settings
    decoupled = "decoupled_weight_decay"
    if group.get("amsgrad"):
        raise ValueError("it was saved with amsgrad")
    if not set(optimizer.method.used) <= set(group) or group.get(decoupled, wanted.get(decoupled)) != wanted.get(
        decoupled
    ):
        raise ValueError("it was saved by another method")
    if stored["state"]:
        states = [stored["state"][i] for i in range(len(networks.names))]
        if any(set(each) != {"step", *optimizer.method.state} for each in states):
            raise ValueError("it was saved by another method")
        for name, array in zip(optimizer.method.state, optimizer.arrays, strict=True):
            for view, each in zip(networks.views(array), states, strict=True):
                if view.shape != each[name].shape:
                    raise ValueError(f"{name} has the shape {tuple(each[name].shape)}, not {tuple(view.shape)}")
                view.copy_(each[name])
        optimizer.n_steps.copy_(torch.stack([each["step"] for each in states]))
        train_only(optimizer, networks, optimizer.free)
    optimizer.settings = {**wanted, **{name: group[name] for name in wanted if name in group}}
