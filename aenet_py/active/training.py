"""The input file of a generation's training: that of the user, for other structures and another source."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from aenet_py.errors import InputError
from aenet_py.formats import potential_files
from aenet_py.formats import structures as structure_files
from aenet_py.formats.text import foreign, native
from aenet_py.inputs import train as train_inputs
from aenet_py.inputs.learn import LearnInput
from aenet_py.inputs.structures import NamedFile, StructureInput
from aenet_py.inputs.train import TrainInput, Transfer
from aenet_py.potentials.potential import Potential
from aenet_py.structure import Structure

STATES = ("model.transfered.restart", "model.restart")
SLOWER = 1.0 / 3.0  # learning rate of a fine-tuning, in units of that from scratch, unless a deck sets it


def base(wanted: LearnInput, path: str) -> TrainInput:
    """A deck of the user, checked; its paths are relative to its folder.

    Parameters
    ----------
    wanted
        The input of the loop.
    path
        Of the deck.

    Returns
    -------
    TrainInput

    Raises
    ------
    InputError
        If the deck cannot be used in a loop.
    """
    deck = train_inputs.read(path)
    if deck.structures is None:
        raise InputError(
            path, f"found TRAININGSET {deck.training_set}; expected TYPES, SETUPS and FILES with structures"
        )
    if deck.alpha is None:
        raise InputError(path, "no FORCES found; expected it, as simulations need forces")
    if path == wanted.transfer and not isinstance(deck.transfer, Transfer):
        raise InputError(path, "found no TRANSFER; expected it in the deck of all generations but the first")
    if deck.transfer is not None and not isinstance(deck.transfer, Transfer):
        raise InputError(path, "found TRANSFER_MODEL; expected TRANSFER, whose source can be a committee")
    return deck


def of_member(
    first: TrainInput, later: TrainInput | None, labelled: Sequence[str], previous: str | None, folder: str, member: int
) -> TrainInput:  # fmt: skip
    """The deck of a member of a generation's committee.

    Parameters
    ----------
    first
        The deck of the first generation.
    later
        That of the others; None derives it from the first.
    labelled
        Files of structures labelled in the loop, which are added to those of the first deck.
    previous
        The same member of the last generation: its folder; None in the first.
    folder
        Where to train.
    member
        Its number from 0, by which the seed of the weights differs.

    Returns
    -------
    TrainInput
        With paths for `folder`.
    """
    deck = first if previous is None or later is None else later
    given, at = deck.structures, os.path.dirname(deck.path)
    assert given is not None
    assert first.structures is not None
    files = [_seen(each, os.path.dirname(first.path), folder) for each in first.structures.given]
    files += [NamedFile(foreign(os.path.relpath(path, folder))) for path in labelled]
    moved = dataclasses.replace(_moved(given, at, folder), given=tuple(files))
    changes: dict[str, Any] = {"path": "train.in", "torch_seed": deck.torch_seed + member}
    transfer = deck.transfer
    if isinstance(transfer, Transfer):
        replay = None if transfer.replay is None else _seen(transfer.replay, at, folder)
        source = foreign(_relative(native(transfer.source), at, folder))
        changes["transfer"] = transfer = dataclasses.replace(transfer, replay=replay, source=source)
    if previous is not None:
        state = next(name for name in STATES if os.path.exists(os.path.join(previous, name)))
        source = foreign(os.path.relpath(os.path.join(previous, state), folder))
        if isinstance(transfer, Transfer):
            changes["transfer"] = dataclasses.replace(transfer, source=source)
        else:
            changes |= {"transfer": Transfer(source, freeze=0), "mode": "transfer"}
            changes["learning_rate"] = SLOWER * deck.learning_rate
        source_of = Potential.load(potential_files.files_of(previous))
        moved = dataclasses.replace(moved, repulsion=source_of.repulsion)
    return dataclasses.replace(deck, **changes, structures=moved)


def structures_of(deck: TrainInput) -> list[Structure]:
    """The structures to train on that a deck of the user names."""
    given = deck.structures
    assert given is not None
    names = [_seen(each, os.path.dirname(deck.path), ".").path for each in given.given]
    items = structure_files.items(structure_files.sources(names, given.labels))
    return [structure_files.read_item(item, reference=True) for item in items]


def _moved(given: StructureInput, at: str, folder: str) -> StructureInput:
    """Structures with paths relative to one folder, for another."""
    names = ("setups", "given", "test", "validation", "replay")
    changes: dict[str, Any] = {name: tuple(_seen(each, at, folder) for each in getattr(given, name)) for name in names}
    if given.forces_list is not None:
        changes["forces_list"] = _seen(given.forces_list, at, folder)
    return dataclasses.replace(given, **changes)


def _seen(file: Any, at: str, folder: str) -> NamedFile:
    assert isinstance(file, NamedFile)  # a deck names files only
    return NamedFile(foreign(_relative(native(file.path), at, folder)))


def _relative(path: str, at: str, folder: str) -> str:
    """A path relative to one folder, for another; the last part may have the number of a frame."""
    parent, name = os.path.split(os.path.join(at, path))
    return os.path.join(os.path.relpath(os.path.realpath(parent), os.path.realpath(folder)), name)
