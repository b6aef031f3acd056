"""Structures that a deck lists under FILES.

    names ──sources──> what each stands for ──items──> one structure at a time, unread ──read_item──> Structure

A deck lists XSF files, files of many frames, databases of ASE, and single frames `file#index`, in databases `file#id`.
Names are the deck's, a character for a byte (`text.foreign`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import databases, extxyz, frames, xsf
from aenet_py.formats.frames import RawFrame
from aenet_py.formats.labels import ANY, Labels
from aenet_py.formats.source import Advance, unwatched
from aenet_py.formats.text import foreign, native
from aenet_py.structure import Structure


@dataclass(frozen=True)
class StructureSource:
    """One entry of a deck: its name there, and the file.

    frames : which frames of the file, or rows of the database by their id, or None for an XSF file; structure : the
    structure itself, if it is not in a file; labels : which energies and forces of frames to read.
    """

    name: str
    path: str
    frames: Sequence[int] | None = None
    structure: Structure | None = None
    labels: Labels = ANY

    @property
    def n_structures(self) -> int:
        return 1 if self.frames is None else len(self.frames)


@dataclass(frozen=True)
class Item:
    """A structure that is not yet read: its name in the deck, and its lines unless it is in an XSF file of its own.

    structure, labels : as in `StructureSource`; of_database : whether the structure is from a database, which does not
    tell whether energy and forces are required.
    """

    name: str
    raw: RawFrame | None = None
    structure: Structure | None = None
    labels: Labels = ANY
    of_database: bool = False

    @property
    def size(self) -> int:
        """Size in the file, in bytes."""
        if self.raw is not None:
            return self.raw.size
        if self.structure is not None:
            return 2 * self.structure.positions.nbytes
        try:
            return os.path.getsize(native(self.name))
        except OSError:
            return 0  # reading it raises the error


def has_many(path: str) -> bool:
    """Whether a file has the name of one that holds many structures."""
    return frames.is_frames(path) or databases.is_database(path)


def path_of(name: str) -> str:
    """The file of a deck's entry, for the operating system."""
    return frame_of(name)[0]


def frame_of(name: str) -> tuple[str, int | None]:
    """File and frame of a deck's entry, unless a file has exactly this name."""
    path, sign, index = name.rpartition("#")
    if sign and index.isdecimal() and has_many(path) and not os.path.exists(native(name)):
        return native(path), int(index)
    return native(name), None


def sources(names: Sequence[str], labels: Labels = ANY, advance: Advance = unwatched) -> list[StructureSource]:
    """The files and frames of a deck's entries; each file of frames is read once to count them.

    labels : which energies and forces of frames to read; advance : called with the number of bytes read.  InputError
    for a file that cannot be split into frames, and for a frame that does not exist.
    """
    known: dict[str, Sequence[int]] = {}
    ids: dict[str, frozenset[int]] = {}  # of databases, which may have gaps; frames are ranges
    listed = []
    for name in names:
        path, index = frame_of(name)
        if not has_many(path):
            listed.append(StructureSource(name, path))
            continue
        if path not in known:
            known[path] = _numbers(path, labels, advance)
            if databases.is_database(path):
                ids[path] = frozenset(known[path])
        if index is not None and index not in ids.get(path, known[path]):
            expected = f"a number from 0 to {len(known[path]) - 1}"
            if databases.is_database(path):
                expected = f"the id of one of {len(known[path])} rows"
            raise InputError(frames.frame_name(path, index), f"there is no such frame; expected {expected}")
        listed.append(StructureSource(name, path, known[path] if index is None else (index,), labels=labels))
    return listed


def _numbers(path: str, labels: Labels, advance: Advance) -> Sequence[int]:
    """Indices of a file's frames, or ids of a database's rows."""
    if not databases.is_database(path):
        return range(frames.count(path, advance))
    if labels != ANY:
        raise AenetError(f"{path}: ENERGYKEY and FORCESKEY choose from extended XYZ; a database has one energy only")
    return databases.ids(path)


def n_bytes(names: Sequence[str]) -> int:
    """Number of bytes that `sources` reads, which are those of the files of frames."""
    paths = {path_of(name) for name in names}
    return sum(os.path.getsize(path) for path in paths if frames.is_frames(path) and os.path.exists(path))


def n_structures(given: Sequence[StructureSource]) -> int:
    return sum(source.n_structures for source in given)


def items(given: Sequence[StructureSource]) -> Iterator[Item]:
    """The structures one by one.  Frames in the order of their file are read in a single pass."""
    path, position = "", 0
    reader: Iterator[tuple[int, Item]] = iter(())
    for source in given:
        if source.frames is None:
            yield Item(source.name, structure=source.structure)
            continue
        if source.path != path or (source.frames and source.frames[0] < position):
            path, reader, position = source.path, _numbered(source.path), 0
        for index in source.frames:
            item = next((item for number, item in reader if number == index), None)
            if item is None:
                raise InputError(path, f"frame {index} has disappeared since the frames were counted")
            position = index + 1
            yield replace(item, labels=source.labels)


def _numbered(path: str) -> Iterator[tuple[int, Item]]:
    """The frames of a file by index, or the rows of a database by id."""
    if databases.is_database(path):
        for row, structure in databases.numbered(path):
            yield row, Item(foreign(structure.path), structure=structure, of_database=True)
        return
    for raw in frames.read(path):
        yield raw.index, Item(foreign(raw.name), raw)


def read_item(item: Item, reference: bool = True, types: Sequence[str] = ()) -> Structure:
    """Read a structure; reference : energy and forces are required, or else not read; types : as in `xsf.read`."""
    if item.structure is not None:
        if reference and item.of_database:
            item.structure.check_reference()
        return item.structure
    if item.raw is None:
        return xsf.read(native(item.name), reference, types)
    structure = extxyz.parse(item.raw, reference, item.labels)
    if reference:
        structure.check_reference()
    return structure
