"""The folder of a study: the settings it belongs to, and its runs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from aenet_py.errors import AenetError
from aenet_py.runtime import locks, settings
from aenet_py.simulation.files import FIXED

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
        found = settings.first_difference(path, mark, "a study")
        if found is not None:
            name, before, value = found
            if name == "structures" and _digests(before) == _digests(value):
                message = f"the structures fix other atoms than in the runs there, {FIXED}"
                raise AenetError(f"{path}: {message}; choose another folder")
            if name in ("structures", "potentials"):
                raise AenetError(f"{path}: {name} must be the same as in the runs there; choose another folder")
            raise AenetError(f"{path}: {name} is {before} there, not {value}; choose another folder")
        yield runs


def _digests(structures: Any) -> list[str]:
    """The first word about each structure; what follows are its constraints."""
    return [each[0] for each in structures if isinstance(each, list)] if isinstance(structures, list) else []
