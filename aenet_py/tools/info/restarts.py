"""Files that train.x keeps for the next run: train.rngstate and train.restart."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from aenet_py.errors import InputError
from aenet_py.formats import ekf_state, optimizer_state, rngstate
from aenet_py.formats.source import Advance

N_SHOWN = 3  # random numbers, enough to tell two states apart
# Places of values in isave and dsave of L-BFGS-B, from 0.
_CORRECTIONS, _ITERATIONS, _EVALUATIONS = 27, 29, 33
_LOSS, _GRADIENT = 1, 12


def generator(path: str, _: Advance) -> dict[str, Any]:
    """Random numbers that the test set is drawn with; InputError if the file has another form."""
    state = rngstate.read(path)
    return {
        "generator": "xoshiro256**, of gfortran",
        "next_numbers": list(itertools.islice(rngstate.uniform(state), N_SHOWN)),
    }


def optimizer(path: str, _: Advance) -> dict[str, Any]:
    """State of a method of train.x; InputError if the file is damaged or of another method."""
    method = optimizer_state.method_of(path)
    if method == "bfgs":
        return {"method": method} | _lbfgsb(path)
    if method == ekf_state.METHOD:
        return {"method": method} | _kalman(path)
    raise InputError(path, f"found the state of method {method!r}; expected bfgs or ekf")


def _lbfgsb(path: str) -> dict[str, Any]:
    state = optimizer_state.read_lbfgsb(path)
    described: dict[str, Any] = {
        "weights": state.n,
        "task": state.task,
        "evaluations": int(state.integers[_EVALUATIONS]),
        "iterations": int(state.integers[_ITERATIONS]),
        "corrections": int(state.integers[_CORRECTIONS]),
        "most_corrections": state.m,
    }
    return described | {"loss": float(state.reals[_LOSS]), "largest_gradient": float(state.reals[_GRADIENT])}


def _kalman(path: str) -> dict[str, Any]:
    n_weights, size, n_groups = ekf_state.sizes(path)
    state = ekf_state.read(path, n_weights, (n_groups, size, size))
    assert state is not None  # it has the sizes of its own file
    variances = np.diagonal(state.covariance, axis1=1, axis2=2).ravel()[:n_weights]
    return {
        "weights": n_weights,
        "groups": n_groups,
        "weights_per_group": size,
        "forgetting_factor": state.forgetting,
        "variances": {"min": float(variances.min()), "max": float(variances.max())},
    }
