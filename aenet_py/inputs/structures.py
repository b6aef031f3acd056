"""Structures in train.in, in place of a training set: the sections TYPES, SETUPS and FILES of generate.in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from aenet_py.errors import InputError
from aenet_py.formats.labels import ANY, Labels
from aenet_py.formats.structures import path_of
from aenet_py.inputs import repulsion as repulsions
from aenet_py.inputs.generate import (
    FILES_EXPECTED,
    SETUPS_EXPECTED,
    AtomicEnergy,
    labels_of,
    lines_of_types,
    species_of,
)
from aenet_py.inputs.keywords import Deck, Line, split
from aenet_py.inputs.repulsion import Repulsion
from aenet_py.structure import Structure

SINGLE, COUNTED, PER_TYPE = {"energykey", "forceskey", "forceslist", "repulsion"}, {"types", "files"}, {"setups"}
KEYWORDS = ("types", "setups", "files", "energykey", "forceskey", "forceslist", "repulsion")


@dataclass(frozen=True)
class NamedFile:
    """A file that a deck names, and its line if known."""

    path: str
    line: int | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class StructureInput:
    """Structures to train on, and their features.

    Parameters
    ----------
    types : tuple of str
        Species.
    atomic_energies : tuple of float or str
        Energy of the free atom of each species, eV, or ``fit`` or ``isolated``.
    setups : tuple of NamedFile
        The .stp file of each species.
    given : tuple of NamedFile or Structure
        Files of structures as written in the deck (latin-1, one character per byte), or structures in memory.
    labels : Labels
        Which energies and forces of extended XYZ to read.
    forces_list : NamedFile or None
        File that lists the structures whose gradients are used.
    repulsion : Repulsion, str or None
        Repulsion that is left out, or ``auto``.
    test, validation, replay : tuple of NamedFile or Structure
        Further structures, which are only tested, only validated, and of the source of a transfer.
    fisher : tuple of NamedFile or Structure
        Structures that tell how much the source's weights matter; they are no part of the training.
    """

    types: tuple[str, ...]
    atomic_energies: tuple[AtomicEnergy, ...]
    setups: tuple[NamedFile, ...]
    given: tuple[NamedFile | Structure, ...] = field(repr=False)
    labels: Labels = ANY
    forces_list: NamedFile | None = None
    repulsion: Repulsion | str | None = None
    test: tuple[NamedFile | Structure, ...] = field(default=(), repr=False)
    validation: tuple[NamedFile | Structure, ...] = field(default=(), repr=False)
    replay: tuple[NamedFile | Structure, ...] = field(default=(), repr=False)
    fisher: tuple[NamedFile | Structure, ...] = field(default=(), repr=False)

    @property
    def everything(self) -> tuple[NamedFile | Structure, ...]:
        """All structures of the training, those to train on first."""
        return (*self.given, *self.test, *self.validation, *self.replay)

    @property
    def files(self) -> list[NamedFile]:
        """Those of `everything` that are in files."""
        return [each for each in self.everything if isinstance(each, NamedFile)]


def sections(path: str, lines: Sequence[Line]) -> tuple[Deck, list[Line]]:
    """The sections about structures in a deck of the trainer, and all lines outside, with the first one of each.

    InputError for sections without TYPES, which tells how many lines SETUPS has.
    """
    deck = split(path, lines, SINGLE, COUNTED, PER_TYPE)
    if list(deck.entries) == ["repulsion"]:
        message = "found REPULSION without structures; expected TYPES, SETUPS and FILES, or REPULSION in generate.in"
        raise InputError(path, message, deck.entries["repulsion"].line.number)
    if deck.entries:
        species_of(deck)
    firsts = [entry.line for entry in deck.entries.values()]
    return deck, sorted([*deck.unknown, *firsts], key=lambda line: line.number)


def read(deck: Deck, training_set: NamedFile | None) -> StructureInput | None:
    """The structures that a deck names, None without any; InputError with the line of what is missing or invalid.

    deck : its sections; training_set : the file of TRAININGSET, which takes the place of FILES.
    """
    if not deck.entries:
        return None
    types, energies = species_of(deck)
    deck.require("setups", SETUPS_EXPECTED)
    setups = tuple(NamedFile(path, line.number) for line, path in deck.lines_of_species("setups", types, ".stp file"))
    if training_set is None:
        files = tuple(NamedFile(line.text, line.number) for line in deck.require("files", FILES_EXPECTED).body)
    elif "files" in deck.entries:
        message = f"found FILES and TRAININGSET {training_set.path}; expected one of them"
        raise InputError(deck.path, message, deck.entries["files"].line.number)
    else:
        files = (training_set,)
    forces_list = deck.path_of("forceslist", "a file with structure numbers")
    chosen = None if forces_list is None else NamedFile(forces_list, deck.entries["forceslist"].line.number)
    return StructureInput(types, energies, setups, files, labels_of(deck), chosen, repulsions.of_deck(deck))


def check_files(path: str, given: StructureInput) -> None:
    """InputError with the line in the deck at path for the first file that does not exist."""
    for file, where, what in _files(given):
        if not os.path.exists(where):
            raise InputError(path, f"found {where!r}, which does not exist; expected {what}", file.line)


def paths(given: StructureInput) -> list[str]:
    """All files that are read, for the operating system."""
    return [where for _, where, _ in _files(given)]


def _files(given: StructureInput) -> Iterator[tuple[NamedFile, str, str]]:
    """Each file, its path for the operating system, and what it is."""
    for file in given.setups:
        yield file, file.path, "a fingerprint set-up file"
    for file in (*given.files, *(each for each in given.fisher if isinstance(each, NamedFile))):
        yield file, path_of(file.path), "an XSF or extended XYZ file, or an ASE database"
    if given.forces_list is not None:
        yield given.forces_list, given.forces_list.path, "a list of structure numbers"


def lines(given: StructureInput) -> list[str]:
    """The sections from which `read` takes these files; structures in memory have no lines."""
    found = ["TYPES", str(len(given.types))]
    found += lines_of_types(given.types, given.atomic_energies)
    found += ["SETUPS", *(f'{t} "{file.path}"' for t, file in zip(given.types, given.setups, strict=True))]
    for keyword, value in (("ENERGYKEY", given.labels.energy), ("FORCESKEY", given.labels.forces)):
        found += [f'{keyword} "{value}"'] if value is not None else []
    found += [f'FORCESLIST "{given.forces_list.path}"'] if given.forces_list is not None else []
    found += [repulsions.line(given.repulsion)] if given.repulsion is not None else []
    files = [each.path for each in given.given if isinstance(each, NamedFile)]
    return [*found, "FILES", str(len(files)), *files]
