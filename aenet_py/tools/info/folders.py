"""What is in a folder of potentials."""

from __future__ import annotations

import os
from typing import Any

from aenet_py.formats import potential_files
from aenet_py.formats.source import unwatched
from aenet_py.tools.info import binary

POTENTIALS = "potentials"


def describe(folder: str, check: bool) -> dict[str, Any]:
    """Summarise the potentials of a folder.

    Parameters
    ----------
    folder : str
        A folder.
    check : bool
        As for files.

    Returns
    -------
    dict
        By species, what a single potential has.

    Raises
    ------
    AenetError
        If there are none, several for a species, or one is invalid.
    """
    files = potential_files.files_of(folder)
    described = {symbol: binary.describe(path, check, unwatched) for symbol, path in files.items()}
    size = sum(map(os.path.getsize, files.values()))
    return {"file": folder, "kind": POTENTIALS, "bytes": size, "potentials": described}
