"""The folder of a study: the settings it belongs to, and its runs."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from aenet_py.errors import AenetError
from aenet_py.runtime import locks
from aenet_py.runtime.output import PendingFile

SETTINGS, RUNS = "settings.json", "runs"


@contextlib.contextmanager
def opened(folder: str, mark: Mapping[str, Any]) -> Iterator[str]:
    """Lock a folder, created if necessary, that belongs to settings.

    Parameters
    ----------
    folder
        For the results.
    mark
        Settings that must be those of earlier calls.

    Yields
    ------
    str
        The folder of the runs.

    Raises
    ------
    AenetError
        If it cannot be written, belongs to other settings, or is in use.
    """
    runs, path = os.path.join(folder, RUNS), os.path.join(folder, SETTINGS)
    try:
        os.makedirs(runs, exist_ok=True)
    except OSError as error:
        raise AenetError(f"{folder}: the folder for the results cannot be created: {error.strerror}") from None
    with locks.held(path, "aenet-py stability"):
        _compare(path, json.loads(json.dumps(mark)))
        yield runs


def _compare(path: str, mark: Mapping[str, Any]) -> None:
    """Write the settings, or compare them with those that are there."""
    try:
        with open(path, encoding="utf-8") as file:
            before = json.load(file)
    except FileNotFoundError:
        with PendingFile(path) as pending:
            pending.write((json.dumps(mark, indent=2) + "\n").encode())
            pending.complete(replace=False)
        return
    except OSError as error:
        raise AenetError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        line = getattr(error, "lineno", None)
        raise AenetError(f"{path}:{line}: not the settings of a study; choose another folder") from None
    if not isinstance(before, dict):
        raise AenetError(f"{path}:1: not the settings of a study; choose another folder")
    for name in mark:
        if before.get(name) != mark[name]:
            place = f"{path}: {name}"
            if name in ("structures", "potentials"):
                raise AenetError(f"{place} must be the same as in the runs there; choose another folder")
            raise AenetError(f"{place} is {before.get(name)} there, not {mark[name]}; choose another folder")
