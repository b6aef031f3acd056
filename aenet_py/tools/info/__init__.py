"""What a file holds, as a dictionary that may go to JSON (``aenet-py info``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aenet_py.errors import AenetError
from aenet_py.formats import identify
from aenet_py.formats.identify import Kind
from aenet_py.formats.source import Advance
from aenet_py.tools.info import binary, decks, states, structures, tables

_OF_KIND: dict[Kind, Callable[[str, Advance], dict[str, Any]]] = {
    Kind.ENERGIES: tables.energies,
    Kind.FORCES: tables.forces,
    Kind.ERRORS: tables.errors,
    Kind.STATE: states.state,
    Kind.XSF: structures.xsf_file,
    Kind.FRAMES: structures.frames_file,
    Kind.DATABASE: structures.database,
    Kind.GENERATE: decks.generate,
    Kind.SETUP: decks.setup,
    Kind.TRAIN: decks.train,
    Kind.PREDICT: decks.predict,
    Kind.SCAN: decks.scan,
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
