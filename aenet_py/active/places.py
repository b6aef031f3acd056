"""The files of a loop.

FOLDER/
  settings.json            what the loop depends on
  first/                   structures.extxyz, labelled.extxyz and what aenet-py init writes, without a deck
  labels/                  a record of each label that is complete
  generation-00/
    training/              train.in, potentials, state
    exploration/           the simulations
    picked.extxyz          frames to label
    labelled.extxyz        those that were labelled
    generation.json        numbers of this generation, written last
  potential                a link to the last training
  learn.csv  learn.png  index.html
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

from ase import Atoms

from aenet_py.errors import AenetError
from aenet_py.inputs.learn import LearnInput
from aenet_py.runtime import arrays, locks, settings

SETTINGS, FIRST, LABELS, POTENTIAL = "settings.json", "first", "labels", "potential"
STRUCTURES, LABELLED, PICKED = "structures.extxyz", "labelled.extxyz", "picked.extxyz"
_DIGESTS = {"start": "the initial structures", "deck": "the deck", "transfer": "the deck of the transfer"}
DIGITS = 16  # of a digest
TRAINING, EXPLORATION, RECORD = "training", "exploration", "generation.json"


def generation(folder: str, number: int) -> str:
    """The folder of a generation, counted from 0."""
    return os.path.join(folder, f"generation-{number:02d}")


@contextlib.contextmanager
def opened(wanted: LearnInput, start: Sequence[Atoms]) -> Iterator[None]:
    """Lock the folder of a loop, created if necessary, that belongs to these settings.

    Parameters
    ----------
    wanted
        The settings.  Those under ``stop`` and ``label`` may change while a loop is under way.
    start
        The initial structures.

    Raises
    ------
    AenetError
        If it cannot be written, belongs to other settings, or is in use.
    """
    path = os.path.join(wanted.folder, SETTINGS)
    try:
        os.makedirs(wanted.folder, exist_ok=True)
    except OSError as error:
        raise AenetError(f"{wanted.folder}: the folder cannot be created: {error.strerror}") from None
    with locks.held(path, "aenet-py learn"):
        found = settings.first_difference(path, _mark(wanted, start), "a loop")
        if found is not None:
            name, before, value = found
            if name in _DIGESTS:
                raise AenetError(f"{path}: {_DIGESTS[name]} must be the same as before; choose another folder")
            raise AenetError(f"{path}: {name} is {before} there, not {value}; choose another folder")
        yield


def link(folder: str, training: str) -> str:
    """Let FOLDER/potential lead to a training; its path."""
    path = os.path.join(folder, POTENTIAL)
    temporary = f"{path}.new"
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        os.symlink(os.path.relpath(training, folder), temporary, target_is_directory=True)
        os.replace(temporary, path)
    except OSError as error:
        raise AenetError(f"{path}: cannot be written: {error.strerror}") from None
    return path


def _mark(wanted: LearnInput, start: Sequence[Atoms]) -> dict[str, Any]:
    """All that the generations depend on."""
    values = {k: v for k, v in dataclasses.asdict(wanted).items() if k not in ("path", "folder", "stop", "label")}
    for name in ("deck", "transfer"):
        if values[name] is not None:
            with open(values[name], "rb") as file:
                values[name] = hashlib.sha256(file.read()).hexdigest()[:DIGITS]
    values["start"] = [
        arrays.digest([each.numbers, each.positions, each.cell.array, each.pbc])[:DIGITS] for each in start
    ]
    return values
