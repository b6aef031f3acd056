"""A train.in for another folder than the one that its paths are relative to."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from aenet_py.formats.text import foreign, native
from aenet_py.inputs.model_transfer import ModelTransfer
from aenet_py.inputs.structures import NamedFile, StructureInput
from aenet_py.inputs.train import TrainInput, Transfer
from aenet_py.structure import Structure


def moved(deck: TrainInput, at: str, folder: str) -> TrainInput:
    """A deck with all paths rewritten.

    Parameters
    ----------
    deck
        The deck.
    at
        The folder that its paths are relative to.
    folder
        The folder that they are to be relative to.

    Returns
    -------
    TrainInput
        Absolute paths stay as they are.
    """

    def named(file: Any) -> Any:
        return file if file is None or isinstance(file, Structure) else NamedFile(_seen(file.path, at, folder))

    changes: dict[str, Any] = {}
    if deck.structures is None:
        changes["training_set"] = _seen(deck.training_set, at, folder)
    else:
        changes["structures"] = _structures(deck.structures, named)
    if deck.held_out is not None:
        sets = {name: named(getattr(deck.held_out, name)) for name in ("test_set", "validation_set")}
        changes["held_out"] = dataclasses.replace(deck.held_out, **sets)
    if deck.weights is not None:
        changes["weights"] = dataclasses.replace(deck.weights, table=named(deck.weights.table))
    transfer = deck.transfer
    if isinstance(transfer, Transfer):
        others = {name: named(getattr(transfer, name)) for name in ("replay", "fisher")}
        changes["transfer"] = dataclasses.replace(transfer, source=_seen(transfer.source, at, folder), **others)
    elif isinstance(transfer, ModelTransfer):
        model, potentials = (
            _seen(transfer.model, at, folder), tuple(_seen(path, at, folder) for path in transfer.potentials),
        )  # fmt: skip
        changes["transfer"] = dataclasses.replace(transfer, model=model, potentials=potentials)
    return dataclasses.replace(deck, **changes)


def _structures(given: StructureInput, named: Any) -> StructureInput:
    names = ("setups", "given", "test", "validation", "replay", "fisher")
    changes: dict[str, Any] = {name: tuple(map(named, getattr(given, name))) for name in names}
    return dataclasses.replace(given, **changes, forces_list=named(given.forces_list))


def _seen(path: str, at: str, folder: str) -> str:
    """A path of a deck; its last part may have the number of a frame."""
    given = native(path)
    if os.path.isabs(given):
        return path
    parent, name = os.path.split(os.path.join(at, given))
    seen = os.path.relpath(os.path.realpath(parent), os.path.realpath(folder))
    return foreign(name if seen == os.curdir else os.path.join(seen, name))
