"""Structures that a deck lists under FILES.

    names ──sources──> what each stands for ──items──> one structure at a time, unread ──read_item──> Structure

A deck lists XSF files, files of many frames, and single frames `file#index`.  Names are the deck's, a character for a
byte (`text.foreign`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aenet_py.errors import InputError
from aenet_py.formats import extxyz, frames, xsf
from aenet_py.formats.frames import RawFrame
from aenet_py.formats.labels import ANY, Labels
from aenet_py.formats.source import Advance, unwatched
from aenet_py.formats.text import foreign, native
from aenet_py.structure import Structure


@dataclass(frozen=True)
class StructureSource:
    """One entry of a deck: its name there, and the file.

    frames : which frames of the file, or None for an XSF file; structure : the structure itself, if it is not in a
    file; labels : which energies and forces of frames to read.
    """

    name: str
    path: str
    frames: range | None = None
    structure: Structure | None = None
    labels: Labels = ANY

    @property
    def n_structures(self) -> int:
        return 1 if self.frames is None else len(self.frames)


@dataclass(frozen=True)
class Item:
    """A structure that is not yet read: its name in the deck, and its lines unless it is in an XSF file of its own.

    structure, labels : as in `StructureSource`.
    """

    name: str
    raw: RawFrame | None = None
    structure: Structure | None = None
    labels: Labels = ANY

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


def path_of(name: str) -> str:
    """The file of a deck's entry, for the operating system."""
    return frame_of(name)[0]


def frame_of(name: str) -> tuple[str, int | None]:
    """File and frame of a deck's entry, unless a file has exactly this name."""
    path, sign, index = name.rpartition("#")
    if sign and index.isdecimal() and frames.is_frames(path) and not os.path.exists(native(name)):
        return native(path), int(index)
    return native(name), None


def sources(names: Sequence[str], labels: Labels = ANY, advance: Advance = unwatched) -> list[StructureSource]:
    """The files and frames of a deck's entries; each file of frames is read once to count them.

    labels : which energies and forces of frames to read; advance : called with the number of bytes read.  InputError
    for a file that cannot be split into frames, and for a frame that does not exist.
    """
    counts: dict[str, int] = {}
    listed = []
    for name in names:
        path, index = frame_of(name)
        if not frames.is_frames(path):
            listed.append(StructureSource(name, path))
            continue
        if path not in counts:
            counts[path] = frames.count(path, advance)
        n_frames = counts[path]
        if index is not None and index >= n_frames:
            message = f"there is no such frame; expected a number from 0 to {n_frames - 1}"
            raise InputError(frames.frame_name(path, index), message)
        listed.append(
            StructureSource(name, path, range(n_frames) if index is None else range(index, index + 1), labels=labels)
        )
    return listed


def n_bytes(names: Sequence[str]) -> int:
    """Number of bytes that `sources` reads, which are those of the files of frames."""
    paths = {path_of(name) for name in names}
    return sum(os.path.getsize(path) for path in paths if frames.is_frames(path) and os.path.exists(path))


def n_structures(given: Sequence[StructureSource]) -> int:
    return sum(source.n_structures for source in given)


def items(given: Sequence[StructureSource]) -> Iterator[Item]:
    """The structures one by one.  Frames in the order of their file are read in a single pass."""
    path, position = "", 0
    reader: Iterator[RawFrame] = iter(())
    for source in given:
        if source.frames is None:
            yield Item(source.name, structure=source.structure)
            continue
        if source.path != path or source.frames.start < position:
            path, reader, position = source.path, frames.read(source.path), 0
        for index in source.frames:
            raw = next((raw for raw in reader if raw.index == index), None)
            if raw is None:
                raise InputError(path, f"frame {index} has disappeared since the frames were counted")
            position = index + 1
            yield Item(foreign(raw.name), raw, labels=source.labels)


def read_item(item: Item, reference: bool = True, types: Sequence[str] = ()) -> Structure:
    """Read a structure; reference : energy and forces are required, or else not read; types : as in `xsf.read`."""
    if item.structure is not None:
        return item.structure
    if item.raw is None:
        return xsf.read(native(item.name), reference, types)
    structure = extxyz.parse(item.raw, reference, item.labels)
    if reference:
        structure.check_reference()
    return structure
