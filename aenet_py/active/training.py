"""The input file of a generation's training: that of the user, for other structures and another source."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from aenet_py.errors import InputError
from aenet_py.formats import structures as structure_files
from aenet_py.formats.text import foreign
from aenet_py.inputs import train as train_inputs
from aenet_py.inputs.committee import CommitteeInput
from aenet_py.inputs.learn import LearnInput
from aenet_py.inputs.moved import moved
from aenet_py.inputs.structures import NamedFile
from aenet_py.inputs.train import TrainInput, Transfer
from aenet_py.structure import Structure

MEMBERS = 4
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


def of_generation(
    first: TrainInput, later: TrainInput | None, labelled: Sequence[str], previous: str | None, folder: str,
    members: int | None,
) -> TrainInput:  # fmt: skip
    """The deck of a generation's committee.

    Parameters
    ----------
    first
        The deck of the first generation.
    later
        That of the others; None derives it from the first.
    labelled
        Files of structures labelled in the loop, which are added to those of the first deck.
    previous
        Folder of the last committee; None in the first generation.
    folder
        Where to train.
    members
        Of the committee; None for those of the first deck, or `MEMBERS`.

    Returns
    -------
    TrainInput
        With paths for `folder`.
    """
    deck = first if previous is None or later is None else later
    own, given = (moved(each, os.path.dirname(each.path), folder).structures for each in (deck, first))
    assert own is not None
    assert given is not None
    files = (*given.given, *(NamedFile(foreign(os.path.relpath(path, folder))) for path in labelled))
    structures = dataclasses.replace(own, given=files)
    changes: dict[str, Any] = {"path": os.path.join(folder, "train.in")}
    changes["committee"] = CommitteeInput(members) if members else first.committee or CommitteeInput(MEMBERS)
    transfer = moved(deck, os.path.dirname(deck.path), folder).transfer
    if previous is not None:
        source = foreign(os.path.relpath(previous, folder))
        if isinstance(transfer, Transfer):
            transfer = dataclasses.replace(transfer, source=source)
        else:
            transfer = Transfer(source, freeze=0)
            changes |= {"mode": "transfer", "learning_rate": SLOWER * deck.learning_rate}
    return dataclasses.replace(deck, **changes, transfer=transfer, structures=structures)


def structures_of(deck: TrainInput) -> list[Structure]:
    """The structures to train on that a deck of the user names."""
    seen = moved(deck, os.path.dirname(deck.path), ".").structures
    assert seen is not None
    names = [each.path for each in seen.given if isinstance(each, NamedFile)]
    items = structure_files.items(structure_files.sources(names, seen.labels))
    return [structure_files.read_item(item, reference=True) for item in items]
