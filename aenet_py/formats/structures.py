"""What a deck lists under FILES: XSF files, files of many frames, single frames `file#index`.

    names ──sources──> what each stands for ──items──> one structure at a time, unread ──read──> Structure

Names are the deck's, a character for a byte (`text.foreign`).
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
class Source:
    """Structures of one file: name as the deck has it; frames : which of the file's, or None for an XSF file.

    structure : the structure itself, where no file has it; labels : which energies and forces to take from frames.
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
    """A structure that is not read yet: what the deck calls it, and its lines unless it has an XSF file of its own.

    structure, labels : as in `Source`.
    """

    name: str
    raw: RawFrame | None = None
    structure: Structure | None = None
    labels: Labels = ANY

    @property
    def size(self) -> int:
        """Bytes it takes in its file."""
        if self.raw is not None:
            return self.raw.size
        if self.structure is not None:
            return 2 * self.structure.positions.nbytes
        try:
            return os.path.getsize(native(self.name))
        except OSError:
            return 0  # reading it will say what is wrong


def path_of(name: str) -> str:
    """The file that an entry of a deck means, for the operating system."""
    return _frame_of(name)[0]


def _frame_of(name: str) -> tuple[str, int | None]:
    """File and frame that an entry of a deck means; a file of that very name comes first."""
    path, found, index = name.rpartition("#")
    if found and index.isdecimal() and frames.is_frames(path) and not os.path.exists(native(name)):
        return native(path), int(index)
    return native(name), None


def sources(names: Sequence[str], labels: Labels = ANY, advance: Advance = unwatched) -> list[Source]:
    """What the entries of a deck stand for; the frames of each file are counted, which reads it once.

    labels : which energies and forces to take from frames; advance : told the bytes read.  InputError for a file that
    cannot be taken apart, and for a frame that its file does not have.
    """
    counts: dict[str, int] = {}
    found = []
    for name in names:
        path, index = _frame_of(name)
        if not frames.is_frames(path):
            found.append(Source(name, path))
            continue
        if path not in counts:
            counts[path] = frames.count(path, advance)
        n_frames = counts[path]
        if index is not None and index >= n_frames:
            message = f"there is no such frame; expected a number from 0 to {n_frames - 1}"
            raise InputError(frames.frame_name(path, index), message)
        found.append(Source(name, path, range(n_frames) if index is None else range(index, index + 1), labels=labels))
    return found


def n_bytes(names: Sequence[str]) -> int:
    """Bytes that `sources` reads: those of the files of frames."""
    paths = {path_of(name) for name in names}
    return sum(os.path.getsize(path) for path in paths if frames.is_frames(path) and os.path.exists(path))


def n_structures(given: Sequence[Source]) -> int:
    return sum(source.n_structures for source in given)


def items(given: Sequence[Source]) -> Iterator[Item]:
    """The structures one after the other.  Frames listed in the order of their file are found in one go through it."""
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
                raise InputError(path, f"frame {index} is gone since the frames were counted; expected no change")
            position = index + 1
            yield Item(foreign(raw.name), raw, labels=source.labels)


def read(item: Item, reference: bool = True, types: Sequence[str] = ()) -> Structure:
    """Read a structure with energy and forces, which without reference are not read.

    types : species of a deck, whose names XSF files may use as they are (`xsf.read`).
    """
    if item.structure is not None:
        return item.structure
    if item.raw is None:
        return xsf.read(native(item.name), reference, types)
    structure = extxyz.parse(item.raw, reference, item.labels)
    if reference:
        structure.check_reference()
    return structure
