"""What a file holds, as a dictionary that may go to JSON (``aenet-py info``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aenet_py.errors import AenetError
from aenet_py.formats import identify
from aenet_py.formats.identify import FileType
from aenet_py.formats.source import Advance
from aenet_py.tools.info import binary, decks, states, structures, tables

_OF_KIND: dict[FileType, Callable[[str, Advance], dict[str, Any]]] = {
    FileType.ENERGIES: tables.energies,
    FileType.FORCES: tables.forces,
    FileType.ERRORS: tables.errors,
    FileType.STATE: states.state,
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
    """What path holds; AenetError where it is broken or none of ours.

    Of training sets, gradients and potentials from header and footer, with check from every value; other files are read
    whole.  Energies in eV, lengths in Å, forces in eV/Å; advance : told the bytes read.
    """
    kind, size = identify.glance(path)
    if size == 0:
        raise AenetError(f"{path}: this file is empty")
    if kind is None:
        return binary.describe(path, check, advance)
    return {"file": path, "kind": kind.value, "bytes": size} | _OF_KIND[kind](path, advance)
