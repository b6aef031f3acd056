"""``train.restart`` of METHOD ekf: the state of the Kalman filter (opt_save_state_ekf).

Five records: the method; numbers of weights, of weights in a group and of groups; the forgetting factor; the size of
each group; the covariance matrix of each group, with zeros after a smaller last group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aenet_py.errors import InputError
from aenet_py.formats import records
from aenet_py.formats.optimizer_state import METHOD_LENGTH
from aenet_py.formats.records import RecordReader

METHOD = "ekf"


@dataclass(frozen=True)
class EkfState:
    """The forgetting factor, and the covariance of the weights, (n_groups, size, size)."""

    forgetting: float
    covariance: np.ndarray


def read(path: str, n_weights: int, shape: tuple[int, ...]) -> EkfState | None:
    """Read a state; None if it has other weights or groups, InputError if the file has another form."""
    n_groups, size, _ = shape
    with RecordReader(path) as source:
        source.text(METHOD_LENGTH, "method")
        if source.integers(3, "numbers of weights and groups").tolist() != [n_weights, size, n_groups]:
            return None
        forgetting = float(source.reals(1, "forgetting factor")[0])
        sizes = source.integers(n_groups, "sizes of the groups").tolist()
        covariance = source.reals(n_groups * size * size, "covariance").reshape(shape)
        source.finish()
    if sizes != _sizes(n_weights, size, n_groups) or not (0 < forgetting <= 1 and np.isfinite(covariance).all()):
        raise InputError(path, "the state of the Kalman filter is damaged; remove the file to begin with a new one")
    return EkfState(forgetting, np.ascontiguousarray(covariance.transpose(0, 2, 1)))


def sizes(path: str) -> tuple[int, int, int]:
    """Numbers of weights, of weights in a group and of groups; InputError if they do not fit together."""
    with RecordReader(path) as source:
        source.text(METHOD_LENGTH, "method")
        n_weights, size, n_groups = source.integers(3, "numbers of weights and groups").tolist()
        if n_weights < 1 or size < 1 or n_groups != -(-n_weights // size):
            message = f"found {n_weights} weights in {n_groups} groups of {size}"
            raise source.error(f"{message}; expected as many groups as the weights fill")
    return n_weights, size, n_groups


def to_binary(state: EkfState, n_weights: int) -> bytes:
    """The bytes of the file."""
    n_groups, size, _ = state.covariance.shape
    return b"".join(
        [
            records.text(METHOD, METHOD_LENGTH),
            records.integers([n_weights, size, n_groups]),
            records.reals([state.forgetting]),
            records.integers(_sizes(n_weights, size, n_groups)),
            records.reals(state.covariance.transpose(0, 2, 1)),
        ]
    )


def _sizes(n_weights: int, size: int, n_groups: int) -> list[int]:
    return [min(size, n_weights - group * size) for group in range(n_groups)]
