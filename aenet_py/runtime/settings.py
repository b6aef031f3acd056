"""The settings that a folder of results belongs to, in a file of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aenet_py.errors import AenetError
from aenet_py.runtime.output import PendingFile


def first_difference(path: str, wanted: Mapping[str, Any], what: str) -> tuple[str, Any, Any] | None:
    """Compare settings with those in a file, which is written if there is none.

    Parameters
    ----------
    path
        The file.
    wanted
        The settings; values that JSON has.
    what
        What they are the settings of, for messages: "a study".

    Returns
    -------
    tuple or None
        Name, value in the file (None without) and wanted value of the first setting that differs.

    Raises
    ------
    AenetError
        If the file cannot be read or written, or is another one.
    """
    stored = json.loads(json.dumps(wanted))
    try:
        with open(path, encoding="utf-8") as file:
            before = json.load(file)
    except FileNotFoundError:
        with PendingFile(path) as pending:
            pending.write((json.dumps(stored, indent=2) + "\n").encode())
            pending.complete(replace=False)
        return None
    except OSError as error:
        raise AenetError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise AenetError(f"{path}:{line}: not the settings of {what}; choose another folder") from None
    if not isinstance(before, dict):
        raise AenetError(f"{path}:1: not the settings of {what}; choose another folder")
    return next(((name, before.get(name), value) for name, value in stored.items() if before.get(name) != value), None)
