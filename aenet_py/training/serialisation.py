"""Dataclasses as plain dictionaries, which torch.save stores without any code; arrays become tensors."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch

T = TypeVar("T")


def to_dict(values: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, arrays as tensors."""
    return {name: _converted(value, np.ndarray, _tensor) for name, value in vars(values).items()}


def from_dict(kind: type[T], values: dict[str, Any]) -> T:
    """A dataclass of this kind from its fields, tensors as arrays."""
    return kind(**{name: _converted(value, torch.Tensor, torch.Tensor.numpy) for name, value in values.items()})


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _converted(value: Any, kind: type, convert: Any) -> Any:
    if isinstance(value, list):
        return [_converted(item, kind, convert) for item in value]
    return convert(value) if isinstance(value, kind) else value
