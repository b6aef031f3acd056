"""Kernels run by the Python interpreter, which checks every index: with NUMBA_DISABLE_JIT=1, for tests."""

from __future__ import annotations

import importlib
import os
from typing import Any

import numpy as np

WANTED = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


class Guarded(np.ndarray):
    """An array that refuses negative indices, with which compiled code would reach for memory before it."""

    def __getitem__(self, key: Any) -> Any:
        _check(key)
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        _check(key)
        super().__setitem__(key, value)


def _check(key: Any) -> None:
    for index in key if isinstance(key, tuple) else (key,):
        if isinstance(index, int | np.integer) and index < 0:
            raise IndexError(f"index {index} is negative")


def call(module: str, function: str, arguments: dict[str, Any]) -> int:
    """Call the Python function of a kernel; IndexError where machine code would leave an array."""
    guarded = {
        name: value.view(Guarded) if isinstance(value, np.ndarray) else value for name, value in arguments.items()
    }
    return int(getattr(importlib.import_module(module), function)(**guarded))
