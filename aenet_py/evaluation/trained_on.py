"""Which structures a potential was trained on, or validated by, or tested by, from the tables of its training."""

from __future__ import annotations

import os
from collections.abc import Sequence

from aenet_py.formats import committee, trained
from aenet_py.formats import structures as structure_files
from aenet_py.formats.frames import frame_name
from aenet_py.formats.text import foreign

TABLES = ("energies.train", "energies.validation")  # names relative to the folder
TESTED = ("energies.test",)


def names(folder: str, tables: Sequence[str] = TABLES) -> frozenset[str]:
    """Structures that the tables in a folder name, as `name` gives them; empty without tables.

    Parameters
    ----------
    folder : str
        Where a training ran with SAVE_ENERGIES, also one with COMMITTEE.
    tables : sequence of str
        The tables, by default those of the structures that the potential was trained on or validated by.

    Returns
    -------
    frozenset of str
    """
    members = committee.read(folder)
    folders = [folder] if members is None else [os.path.join(folder, str(k + 1)) for k in range(members)]
    paths = [(place, os.path.join(place, table)) for place in folders for table in tables]
    return frozenset(
        name(each, place)
        for place, path in paths
        if os.path.isfile(path) and os.path.getsize(path) > 0  # without a test set, its table is empty
        for each in trained.read_energies(path).paths
    )


def name(path: str, folder: str = ".") -> str:
    """A structure by its absolute path, of a frame with its number; path : relative to the folder."""
    file, index = structure_files.frame_of(foreign(os.path.join(folder, path)))
    whole = os.path.realpath(file)
    return whole if index is None else frame_name(whole, index)
