"""Contents of a file as a dictionary that can be written as JSON (``aenet-py info``)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from aenet_py.errors import AenetError
from aenet_py.formats import identify
from aenet_py.formats.identify import FileType
from aenet_py.formats.source import Advance
from aenet_py.tools.info import binary, decks, folders, restarts, states, structures, tables

_OF_KIND: dict[FileType, Callable[[str, Advance], dict[str, Any]]] = {
    FileType.ENERGIES: tables.energies,
    FileType.FORCES: tables.forces,
    FileType.ERRORS: tables.errors,
    FileType.STATE: states.state,
    FileType.OPTIMIZER: restarts.optimizer,
    FileType.GENERATOR: restarts.generator,
    FileType.XSF: structures.xsf_file,
    FileType.FRAMES: structures.frames_file,
    FileType.DATABASE: structures.database,
    FileType.GENERATE: decks.generate,
    FileType.SETUP: decks.setup,
    FileType.TRAIN: decks.train,
    FileType.PREDICT: decks.predict,
    FileType.SCAN: decks.scan,
}


def describe(path: str, check: bool, advance: Advance) -> dict[str, Any]:
    """Identify a file and summarise its contents.

    Parameters
    ----------
    path : str
        Any file that one of the programs reads or writes, or a folder of potentials.
    check : bool
        Whether to read all values of training sets, gradients and potentials, not only header and footer.
    advance : callable
        Called with the number of bytes read since the last call.

    Returns
    -------
    dict
        Contents by name, with energies in eV, lengths in Å and forces in eV/Å.

    Raises
    ------
    AenetError
        If the file is invalid or of an unknown kind.
    """
    if os.path.isdir(path):
        return folders.describe(path, check)
    kind, size = identify.glance(path)
    if size == 0:
        raise AenetError(f"{path}: this file is empty")
    if kind is None:
        return binary.describe(path, check, advance)
    return {"file": path, "kind": kind.value, "bytes": size} | _OF_KIND[kind](path, advance)
