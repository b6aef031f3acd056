"""What is in a folder of potentials."""

from __future__ import annotations

import os
from typing import Any

from aenet_py.formats import potential, potential_files
from aenet_py.formats.source import unwatched
from aenet_py.inputs import repulsion as inputs
from aenet_py.potentials import repulsion
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
        By species, what a single potential has; their repulsion, if they have one, and the lines that add it to
        ``pair_style aenet`` of LAMMPS.

    Raises
    ------
    AenetError
        If there are none, several for a species, or one is invalid.
    """
    files = potential_files.files_of(folder)
    described = {symbol: binary.describe(path, check, unwatched) for symbol, path in files.items()}
    size = sum(map(os.path.getsize, files.values()))
    found: dict[str, Any] = {"file": folder, "kind": POTENTIALS, "bytes": size, "potentials": described}
    wanted = inputs.of_setups([potential.read(path).setup for path in files.values()])
    if wanted is not None:
        found |= {"repulsion": wanted.words, "lammps": repulsion.lines_for_lammps(wanted, list(files))}
    return found
