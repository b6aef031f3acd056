"""The training set together with those that TESTSET, VALIDATIONSET and replay name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aenet_py.errors import InputError
from aenet_py.formats import trainset
from aenet_py.formats.atoms import Atoms
from aenet_py.formats.source import Advance
from aenet_py.formats.text import native
from aenet_py.formats.trainset import StructureBatch, TrainingSet
from aenet_py.inputs import setup as setups
from aenet_py.inputs.train import TrainInput
from aenet_py.training.data import dataset
from aenet_py.training.data.constants import LARGE


def read(deck: TrainInput, advance: Advance) -> tuple[TrainingSet, list[int]]:
    """Read all sets, and join their structures.

    Parameters
    ----------
    deck : TrainInput
        The input, without structures.
    advance : callable
        Called with the number of bytes read.

    Returns
    -------
    TrainingSet, list of int
        The header and footer are those of the training set; the number of structures of each set.

    Raises
    ------
    AenetError
        If a set cannot be read, does not fit the deck, or has other species, atomic energies or set-ups than the
        training set.
    """
    first = dataset.read(deck, advance)
    found = [first]
    for file in deck.sets[1:]:
        other = trainset.read(native(file.path), advance, LARGE)
        _check(file.path, other, first, deck.training_set)
        dataset.check_finite(file.path, other)
        found.append(other)
    sizes = [len(each.structures.entries) for each in found]
    return (first if len(found) == 1 else TrainingSet(first.header, first.footer, _joined(found))), sizes


def _check(path: str, other: TrainingSet, first: TrainingSet, name: str) -> None:
    """InputError unless two sets have the same species, atomic energies and set-ups."""
    if not other.footer.setups:
        raise InputError(path, "this training set has no set-ups; expected one for each species")
    found = setups.difference((other.header, other.footer), (first.header, first.footer))
    if found is not None:
        what, mine, theirs = found
        if what == "set-up":
            raise InputError(path, f"found another set-up of {mine}; expected that of {name}")
        raise InputError(path, f"found {what} {mine}; expected {theirs}, as in {name}")


def _joined(sets: Sequence[TrainingSet]) -> StructureBatch:
    entries = tuple(entry for each in sets for entry in each.structures.entries)
    names = vars(sets[0].structures.atoms)
    arrays = {name: np.concatenate([getattr(each.structures.atoms, name) for each in sets]) for name in names}
    return StructureBatch(entries, Atoms(**arrays))
