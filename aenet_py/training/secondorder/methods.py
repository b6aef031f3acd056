"""The state of METHOD lbfgs, lm and ekf, and a step on a batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from aenet_py.errors import InputError
from aenet_py.formats.optimizer_state import LbfgsbState
from aenet_py.training import loop, model
from aenet_py.training.data.batches import Batch
from aenet_py.training.loop import Evaluation, Shares, Sums, Terms
from aenet_py.training.model import Networks
from aenet_py.training.ranks import Ranks
from aenet_py.training.secondorder import diverged, ekf, jacobian, lm
from aenet_py.training.secondorder.constants import MOST_ROWS
from aenet_py.training.secondorder.jacobian import Part, Weights

if TYPE_CHECKING:
    from aenet_py.training.secondorder.lbfgsb import Lbfgsb

NAMES = ("lbfgs", "lm", "ekf")
CHANGING = ("damping", "lambda")  # settings that a training changes
_ARRAYS = ("work", "indices", "logicals", "integers", "reals")  # of LbfgsbState


@dataclass
class SecondOrder:
    """The state of a method.

    settings : of METHOD, with the last values of those that change; covariance (n_groups, size, size) : of ekf;
    lbfgsb : of lbfgs, None before its first step; trained (n_weights,) bool : which weights are trained, None for all;
    n_diverged : steps of ekf that were left out and of which nobody has been warned.
    """

    name: str
    settings: dict[str, float]
    covariance: torch.Tensor | None = None
    lbfgsb: Lbfgsb | None = None
    trained: torch.Tensor | None = None
    n_diverged: int = 0

    def copy(self) -> SecondOrder:
        """A copy; the covariance is never changed in place."""
        lbfgsb = None if self.lbfgsb is None else self.lbfgsb.copy()
        return dataclasses.replace(self, settings=dict(self.settings), lbfgsb=lbfgsb)

    def warn_of_diverged_steps(self, warn: Callable[[str], None]) -> None:
        """Warn of the steps of ekf that were left out since the last call, if there are any."""
        if self.n_diverged:
            warn(diverged.warning(self.n_diverged))
            self.n_diverged = 0

    @property
    def arrays(self) -> list[torch.Tensor]:
        """All arrays that the next steps depend on."""
        lbfgsb = [] if self.lbfgsb is None else [torch.from_numpy(array) for array in vars(self.lbfgsb).values()]
        return [*lbfgsb, *([] if self.covariance is None else [self.covariance])]


def start(name: str, settings: Mapping[str, float], networks: Networks, free: Sequence[bool] | None) -> SecondOrder:
    """A new state; free : which of the networks' parameters are trained, by default all."""
    trained = None
    if free is not None and not all(free):
        trained = torch.zeros_like(networks.values, dtype=torch.bool)
        for view, is_free in zip(networks.views(trained), free, strict=True):
            view.fill_(is_free)
    covariance = _covariance(settings, networks) if name == "ekf" else None
    return SecondOrder(name, dict(settings), covariance, None, trained)


def _covariance(settings: Mapping[str, float], networks: Networks) -> torch.Tensor:
    return ekf.start(networks.values, int(settings["wgroup"]), 1.0 / settings["state"])


def step(
    method: SecondOrder, networks: Networks, batch: Batch, evaluation: Evaluation, terms: Terms,
    scales: Sequence[torch.Tensor], shares: Shares, ranks: Ranks,
) -> torch.Tensor:  # fmt: skip
    """The networks' values after a step; changes the method's state.

    Parameters
    ----------
    method : SecondOrder
        The method.
    networks : Networks
        The networks.
    batch : Batch
        This process's part of the batch.
    evaluation : Evaluation
        Of the batch by these networks.
    terms : Terms
        Of the whole batch.
    scales : sequence of Tensor
        Inverse standard deviation of each feature, per network.
    shares : Shares
        Weights of the parts of the loss.
    ranks : Ranks
        The processes.

    Returns
    -------
    Tensor, shape (n_weights,)
    """
    if method.name == "lbfgs":
        return _lbfgs(method, networks, batch, evaluation, terms, scales, shares, ranks)
    found = Sums().plus(terms).errors(shares)
    weights = jacobian.weights_of(shares.force, found.energy, found.force, terms.energy_weight, terms.force_weight)
    if method.name == "lm":
        return _lm(method, networks, batch, evaluation, found.total, scales, shares, weights, ranks)
    return _ekf(method, networks, batch, scales, weights)


def _lbfgs(
    method: SecondOrder, networks: Networks, batch: Batch, evaluation: Evaluation, terms: Terms,
    scales: Sequence[torch.Tensor], shares: Shares, ranks: Ranks,
) -> torch.Tensor:  # fmt: skip
    from aenet_py.training.secondorder import lbfgsb  # scipy is slow to import

    gradient = loop.gradient(networks, batch, evaluation, terms, scales, shares)
    if gradient is None:
        return networks.values
    gradient = ranks.sum(gradient)
    if method.trained is not None:
        gradient *= method.trained
    n, loss = len(gradient), Sums().plus(terms).errors(shares).total
    given = networks.values.numpy(force=True), loss, gradient.numpy(force=True)
    if method.lbfgsb is None:
        method.lbfgsb = lbfgsb.start(n)
        lbfgsb.step(method.lbfgsb, *given)  # which leaves the weights
    new, _ = lbfgsb.step(method.lbfgsb, *given)
    return torch.from_numpy(new).to(networks.values.device)


def _lm(
    method: SecondOrder, networks: Networks, batch: Batch, evaluation: Evaluation, before: float,
    scales: Sequence[torch.Tensor], shares: Shares, weights: Weights, ranks: Ranks,
) -> torch.Tensor:  # fmt: skip
    def loss(values: torch.Tensor) -> float:
        changed = loop.evaluate(networks.like(values), batch, scales)
        return Sums().plus(loop.terms(batch, changed, ranks)).errors(shares).total

    roots, errors = jacobian.roots(batch, weights), jacobian.errors(batch, evaluation)
    is_dual = ranks.size == 1 and len(errors) < len(networks.values)

    def weighted() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for places, rows in jacobian.blocks(networks, batch, evaluation, scales, len(errors) if is_dual else MOST_ROWS):
            rows *= roots[places, None]
            if method.trained is not None:
                rows *= method.trained
            yield errors[places] * roots[places], rows

    equations = lm.dual(*next(weighted())) if is_dual else lm.primal(weighted(), networks.values, ranks)
    new, method.settings["damping"] = lm.step(
        networks.values, equations, before, loss, method.settings["damping"], method.settings["adjust"]
    )
    return new


def _ekf(
    method: SecondOrder, networks: Networks, batch: Batch, scales: Sequence[torch.Tensor], weights: Weights
) -> torch.Tensor:
    """Learn the structures of a batch one after the other."""
    settings, values = method.settings, networks.values
    for part in jacobian.parts(batch, scales):
        errors, rows = _of_structure(networks.like(values), batch, part)
        roots = errors.new_full((len(errors),), weights.force**0.5)
        roots[0] = weights.energy**0.5
        if batch.known is not None and part.along:
            roots[1:] *= batch.known[part.atoms].flatten()
        errors, rows = errors * roots, rows * roots[:, None]
        if method.trained is not None:
            rows *= method.trained
        assert method.covariance is not None
        found = ekf.step(method.covariance, errors, rows, settings["lambda"], settings["pnoise"])
        if found is None:
            method.covariance, method.n_diverged = _covariance(settings, networks), method.n_diverged + 1
        else:
            values, method.covariance = values + found[0], found[1]
        settings["lambda"] = settings["lambda0"] * (settings["lambda"] - 1.0) + 1.0
    return values


def _of_structure(networks: Networks, batch: Batch, part: Part) -> tuple[torch.Tensor, torch.Tensor]:
    """Errors of a structure, (n_rows,), and derivatives of its predictions, (n_rows, n_weights)."""
    pairs = zip(networks.species, batch.features, part.rows, strict=True)
    outputs = [model.outputs(layers, features[rows]) for layers, features, rows in pairs]
    slopes = [model.slopes(layers, values) for layers, values in zip(networks.species, outputs, strict=True)]
    n_atoms = part.atoms.stop - part.atoms.start
    rows = batch.energies.new_zeros((part.n_rows, len(networks.values)))
    jacobian.fill(rows[0], rows[1:], networks, outputs, slopes, part.along)
    energy = torch.stack([values[-1].sum() for values in outputs]).sum()
    errors = [((batch.energies[part.number] - energy) / n_atoms)[None]]
    if part.along and batch.forces is not None:
        pulls = [
            torch.einsum("cnf,nf->c", along, of_network[0][0])
            for along, of_network in zip(part.along, slopes, strict=True)
        ]
        errors.append(batch.forces[part.atoms].flatten() - torch.stack(pulls).sum(dim=0))
    rows[0] /= n_atoms
    return torch.cat(errors), rows


def state(method: SecondOrder) -> dict[str, Any]:
    """What model.restart stores."""
    stored: dict[str, Any] = {"method": method.name, "settings": dict(method.settings)}
    if method.covariance is not None:
        stored["covariance"] = method.covariance.cpu().clone()
    if method.lbfgsb is not None:
        from aenet_py.training.secondorder import lbfgsb

        values = vars(lbfgsb.state_of(method.lbfgsb))
        stored["lbfgsb"] = {name: torch.tensor(value) if name in _ARRAYS else value for name, value in values.items()}
    return stored


def load(method: SecondOrder, stored: Mapping[str, Any], n_weights: int, path: str) -> None:
    """Resume from a stored state of the file at path; ValueError or InputError if it does not fit this method."""
    if stored.get("method") != method.name:
        raise ValueError("it was saved by another method")
    if method.covariance is not None:
        shape, wanted = tuple(stored["covariance"].shape), tuple(method.covariance.shape)
        if shape != wanted:
            raise ValueError(f"its covariance has the shape {shape}, not {wanted}")
        method.covariance = stored["covariance"].to(method.covariance.device)
    if "lbfgsb" in stored:
        from aenet_py.training.secondorder import lbfgsb

        given = {name: value.numpy() if name in _ARRAYS else value for name, value in stored["lbfgsb"].items()}
        like = vars(lbfgsb.state_of(lbfgsb.start(n_weights)))
        if any(np.shape(given[name]) != np.shape(like[name]) for name in like) or given["n"] != n_weights:
            raise InputError(path, lbfgsb.DAMAGED)
        method.lbfgsb = lbfgsb.restored(path, LbfgsbState(**given))
    method.settings |= {name: stored["settings"][name] for name in CHANGING if name in method.settings}
