"""The training of a generation: with the user's input file, for other structures and another source."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

from aenet_py.errors import InputError
from aenet_py.formats import committee as committee_files
from aenet_py.formats import structures as structure_files
from aenet_py.formats import uncertainty
from aenet_py.formats.text import foreign
from aenet_py.formats.uncertainty import FEATURES
from aenet_py.inputs import train as train_inputs
from aenet_py.inputs.committee import CommitteeInput
from aenet_py.inputs.learn import LearnInput
from aenet_py.inputs.moved import moved
from aenet_py.inputs.structures import NamedFile
from aenet_py.inputs.train import TrainInput, Transfer
from aenet_py.structure import Structure
from aenet_py.training import committee, flow
from aenet_py.training.events import Events
from aenet_py.training.files import state_in
from aenet_py.training.outcome import ALL_EPOCHS, PATIENCE
from aenet_py.training.ranks import Ranks
from aenet_py.training.train import random_state_kept, working_in

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
    if deck.committee is not None and wanted.is_single:
        message = f'found COMMITTEE; expected a single potential with uncertainty = "{FEATURES}" in {wanted.path}'
        raise InputError(path, message, deck.committee.line)
    return deck


def committee_of(wanted: LearnInput, deck: TrainInput) -> CommitteeInput | None:
    """The committee to train, by default that of the first deck, or of `MEMBERS`; None for a single potential."""
    if wanted.is_single:
        return None
    return CommitteeInput(wanted.members) if wanted.members else deck.committee or CommitteeInput(MEMBERS)


def of_generation(
    first: TrainInput, later: TrainInput | None, labelled: Sequence[str], previous: str | None, folder: str,
    members: CommitteeInput | None,
) -> TrainInput:  # fmt: skip
    """The deck of a generation.

    Parameters
    ----------
    first
        The deck of the first generation.
    later
        That of the others; None derives it from the first.
    labelled
        Files of structures labelled in the loop, which are added to those of the first deck.
    previous
        Folder of the last training; None in the first generation.
    folder
        Where to train.
    members
        The committee; None for a single potential.

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
    changes: dict[str, Any] = {"path": os.path.join(folder, "train.in"), "committee": members}
    if members is None:  # as a member of a committee
        named = (dataclasses.replace(each, path=os.path.basename(each.path)) for each in deck.networks)
        changes |= {"networks": tuple(named), "save_energies": True}
    transfer = moved(deck, os.path.dirname(deck.path), folder).transfer
    if previous is not None:
        state = previous if members is not None else state_in(previous)
        assert state is not None
        source = foreign(os.path.relpath(state, folder))
        if isinstance(transfer, Transfer):
            transfer = dataclasses.replace(transfer, source=source)
        else:
            transfer = Transfer(source, freeze=0)
            changes |= {"mode": "transfer", "learning_rate": SLOWER * deck.learning_rate}
    return dataclasses.replace(deck, **changes, transfer=transfer, structures=structures)


def is_complete(folder: str, members: CommitteeInput | None) -> bool:
    """Whether a training has ended, as the files tell that follow it: a single potential is calibrated then."""
    if members is None:
        return os.path.exists(os.path.join(folder, uncertainty.NAME))
    return committee_files.read(folder) is not None


def run(deck: TrainInput, folder: str, events: Events, stop: Callable[[], bool]) -> bool:
    """Train in a folder, or resume there.

    Parameters
    ----------
    deck
        Of `of_generation`.
    folder
        Created if necessary.
    events
        Called as a training proceeds; the method `epoch` of a single potential returns whether to stop.
    stop
        Asked often, for committees, whether to stop.

    Returns
    -------
    bool
        Whether the training, of this call or an earlier one, came to its end.

    Raises
    ------
    AenetError
        As a training.
    """
    with working_in(folder):
        committee.write_deck(deck, ".")
        return _single(deck, events) if deck.committee is None else committee.run(deck, events, stop) is not None


def _single(deck: TrainInput, events: Events) -> bool:
    """Train a potential in the current folder; whether that came to its end."""
    from aenet_py.training import checkpoint

    if checkpoint.is_finished(checkpoint.path_of(deck)):  # and must not go on
        return True
    with random_state_kept():
        outcome = flow.run(deck, Ranks(), events)
    assert outcome is not None
    if outcome.signal is not None:
        signal.raise_signal(signal.Signals[outcome.signal])  # everything is saved; the caller's handler is next
    return outcome.reason in (ALL_EPOCHS, PATIENCE)


def structures_of(deck: TrainInput, which: str = "given") -> list[Structure]:
    """The structures that a deck of the user names, to train on, or to "test" as TESTSET."""
    seen = moved(deck, os.path.dirname(deck.path), ".").structures
    assert seen is not None
    names = [each.path for each in getattr(seen, which) if isinstance(each, NamedFile)]
    items = structure_files.items(structure_files.sources(names, seen.labels))
    return [structure_files.read_item(item, reference=True) for item in items]
