"""Gradients of all structures of a training set: read from NAME.forces, packed, and kept in memory or in a file."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import numpy as np

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import gradients
from aenet_py.formats.gradients import GradientEntry
from aenet_py.formats.records import RecordReader
from aenet_py.formats.source import Advance, unwatched
from aenet_py.formats.trainset import StructureEntry
from aenet_py.training.data.packing import (
    Layout,
    Layouts,
    OtherBytesError,
    OtherFormError,
    in_full,
    joined,
    most_words,
    pack,
)

PART = 1 << 24  # words copied at a time


class Store:
    """Packed gradients of all structures, joined, in memory or in a file, as words of 32 bits.

    Those of the next structure are written into `room` and added by `keep`; `pieces` returns any part of them.
    """

    def __init__(self, n_words: int, on_disk: bool):
        """n_words : upper bound; pages that are not used take no memory; on_disk : in a file in the current folder."""
        self.length = 0
        self.file: BinaryIO | None = None
        if on_disk:
            try:
                self.file = tempfile.TemporaryFile(dir=".", prefix=".gradients-", buffering=0)  # noqa: SIM115
            except OSError as error:
                raise AenetError(f"the file of MEMORY_MODE disk cannot be written: {error.strerror}") from None
        self.values = np.empty(0 if on_disk else n_words, dtype=np.float32)

    @classmethod
    def opened(cls, path: str, length: int, on_disk: bool) -> Store:
        """Open what another store has written to a file; AenetError if it has another length."""
        try:
            size = os.path.getsize(path)
            if size != 4 * length:
                raise AenetError(f"{path}: has {size} bytes instead of {4 * length}; save the batches again")
            store = cls(0, False)
            store.length = length
            if on_disk:
                store.file = open(path, "rb")  # noqa: SIM115 - for as long as the store is used
            else:
                store.values = np.fromfile(path, dtype=np.float32)
        except OSError as error:
            raise AenetError(f"{path}: cannot be read: {error.strerror}") from None
        return store

    @property
    def whole(self) -> np.ndarray | None:
        """All words, if they are in memory."""
        return self.values if self.file is None else None

    def pieces(self, _: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> Pieces:
        """The words between these bounds, to be read when they are needed."""
        assert self.file is not None
        return Pieces(self.file, begins, ends)

    def parts(self) -> Iterator[memoryview]:
        """All words, piece by piece."""
        for begin in range(0, self.length, PART):
            end = min(begin + PART, self.length)
            if self.file is None:
                yield self.values[begin:end].view(np.uint8).data
            else:
                yield Pieces(self.file, np.array([begin]), np.array([end])).read().view(np.uint8).data

    def room(self, n_words: int) -> np.ndarray:
        """Memory for the next structure; when more is requested, its content is kept."""
        if self.file is None:
            return self.values[self.length : self.length + n_words]
        if len(self.values) < n_words:
            self.values = np.concatenate([self.values, np.empty(n_words, dtype=np.float32)])
        return self.values[:n_words]

    def keep(self, packed: np.ndarray) -> None:
        if self.file is not None:
            self._write(packed.view(np.uint8).data)
        self.length += len(packed)

    def _write(self, data: memoryview) -> None:
        assert self.file is not None
        try:
            while data:
                data = data[self.file.write(data) :]
        except OSError as error:
            raise AenetError(f"the file of MEMORY_MODE disk cannot be written: {error.strerror}") from None


class Later(Protocol):
    """Gradients of some structures that are not in memory yet."""

    def read(self) -> np.ndarray:
        """Their words, joined, (n_words,) float32."""
        ...


class GradientSource(Protocol):
    """The gradients of all structures: in memory, or available when they are needed."""

    @property
    def whole(self) -> np.ndarray | None: ...

    def pieces(self, numbers: np.ndarray, begins: np.ndarray, ends: np.ndarray, /) -> Later: ...


@dataclass(frozen=True)
class Pieces:
    """Gradients of some structures in a file; begins, ends (n,) : of each piece, in words."""

    file: BinaryIO
    begins: np.ndarray
    ends: np.ndarray

    def read(self) -> np.ndarray:
        """The pieces, joined, (n_words,) float32."""
        sizes = self.ends - self.begins
        values = np.empty(int(sizes.sum()), dtype=np.float32)
        at = 0
        for begin, size in zip(self.begins.tolist(), sizes.tolist(), strict=True):
            target, done = values[at : at + size].view(np.uint8).data, 0
            while done < 4 * size:
                n_read = os.preadv(self.file.fileno(), [target[done:]], 4 * begin + done)
                if not n_read:
                    raise AenetError("the temporary file of gradients was truncated by another program")
                done += n_read
            at += size
        return values


@dataclass(frozen=True)
class Wanted:
    """A structure of the training set; networks (n_atoms,) int64 : of its atoms; used : keep its gradients."""

    entry: StructureEntry
    types: np.ndarray
    networks: np.ndarray
    used: bool


@dataclass(frozen=True)
class Gradients:
    """Gradients of structures, in 1/Å.

    layouts : per network; starts (n_atoms of all structures,) int64 : the word at which each atom's gradients begin,
    atoms of a structure ordered by network, -1 for atoms without any; words (n_structures, 2) int64 : begin and end of
    each structure's gradients, equal if it has none.
    """

    store: GradientSource
    layouts: tuple[Layout, ...]
    starts: np.ndarray
    words: np.ndarray


@dataclass(frozen=True)
class Part:
    """A file of gradients, the training set that it belongs to, and all structures of that."""

    path: str
    of: str
    structures: Sequence[Wanted]


def read(
    parts: Sequence[Part], layouts: tuple[Layout, ...], on_disk: bool, advance: Advance = unwatched
) -> tuple[Gradients, np.ndarray]:
    """Read and pack the gradients of the structures that are used.

    Parameters
    ----------
    parts : sequence of Part
        The files.
    layouts : tuple of Layout
        Per network.
    on_disk : bool
        Whether to keep the gradients in a file instead of in memory.
    advance : callable, optional
        Called with the number of bytes read.

    Returns
    -------
    gradients : Gradients
        Of the structures of all files, in order.
    selected : ndarray of bool, shape (n,)
        Which structures have gradients in the files, used or not.

    Raises
    ------
    InputError
        If a file does not belong to its training set.
    """
    try:
        return _read(parts, layouts, on_disk, advance)
    except OtherFormError:
        pass
    try:
        return _read(parts, tuple(map(in_full, layouts)), on_disk, advance)
    except OtherFormError as error:
        path, structure = error.args
        raise InputError(path, f"structure {structure!r} has gradients that are not finite") from None


def _read(
    parts: Sequence[Part], layouts: tuple[Layout, ...], on_disk: bool, advance: Advance
) -> tuple[Gradients, np.ndarray]:
    structures = [wanted for part in parts for wanted in part.structures]
    words, selected = np.zeros((len(structures), 2), dtype=np.int64), np.zeros(len(structures), dtype=bool)
    starts = [np.full(wanted.entry.n_atoms, -1, dtype=np.int64) for wanted in structures]
    n_atoms = sum(wanted.entry.n_atoms for wanted in structures)
    n_bytes = sum(os.path.getsize(part.path) for part in parts if os.path.exists(part.path))
    store, kernel_layouts, first = Store(most_words(layouts, n_bytes // 8, n_atoms), on_disk), joined(layouts), 0

    def read_atoms(first: int, source: RecordReader, number: int, _: GradientEntry) -> int:
        place = first + number - 1
        packed, begins, most = _pack_structure(source, number, structures[place], layouts, kernel_layouts, store)
        if structures[place].used:
            starts[place] = store.length + begins
            words[place] = store.length, store.length + len(packed)
            store.keep(packed)
        return most

    for part in parts:
        with RecordReader(part.path) as source:
            steps = gradients.read(source, functools.partial(read_atoms, first))
            for number, wanted in enumerate(part.structures, 1):
                given, entry = next(steps, None), wanted.entry
                if not isinstance(given, GradientEntry) or (given.path, given.n_atoms) != (entry.path, entry.n_atoms):
                    shown = f"{given.path!r}" if isinstance(given, GradientEntry) else "the end"
                    message = f"found {shown} as structure {number}; expected {entry.path!r}, as in {part.of}"
                    raise InputError(part.path, message)
                selected[first + number - 1] = given.selected
                advance(source.advanced())
            for _ in steps:
                message = f"has more structures than the {len(part.structures)} of {part.of}"
                raise InputError(part.path, message)
            advance(source.advanced())
        first += len(part.structures)
    return Gradients(store, layouts, np.concatenate(starts), words), selected


def places_of(networks: np.ndarray) -> np.ndarray:
    """Place of each atom (n_atoms,) if the atoms of a structure are ordered by network."""
    places = np.empty(len(networks), dtype=np.int64)
    places[np.argsort(networks, kind="stable")] = np.arange(len(networks))
    return places


def _pack_structure(
    source: RecordReader,
    number: int,
    wanted: Wanted,
    layouts: tuple[Layout, ...],
    kernel_layouts: Layouts,
    store: Store,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Read and pack a structure's atoms; returns the words, where each atom's begin, and the most neighbours."""
    n_atoms, networks = wanted.entry.n_atoms, wanted.networks
    places = places_of(networks)
    begins, done, used, most, n_bytes = np.empty_like(places), 0, 0, 0, gradients.AHEAD
    while done < n_atoms:
        content = np.frombuffer(source.window.view(source.offset, n_bytes), dtype=np.uint8)
        room = store.room(used + most_words(layouts, len(content) // 8, n_atoms))
        starts = np.empty_like(places)
        try:
            words, n, n_read, neighbors = pack(
                kernel_layouts, wanted.types, networks, places, done, content, room[used:], starts
            )
        except OtherFormError:
            raise OtherFormError(source.path, wanted.entry.path) from None
        except OtherBytesError:
            raise _what_is_wrong(source, number, wanted, done) from None
        begins[places[done : done + n]] = used + starts[places[done : done + n]]
        source.skip(gradients.ATOM_RECORDS * n, n_read)
        done, used, most = done + n, used + words, max(most, neighbors)
        if n == 0 and len(content) < n_bytes:
            raise _what_is_wrong(source, number, wanted, done)
        n_bytes = n_bytes if n else 2 * n_bytes  # a single atom needs more
    return room[:used] if n_atoms else store.room(0), begins, most


def _what_is_wrong(source: RecordReader, number: int, wanted: Wanted, done: int) -> InputError:
    """The error for the next atom, which could not be packed, from the reader of single values."""
    atom = gradients.read_atom(source, number, done + 1, wanted.entry.n_atoms)
    read = f"found species {atom.itype} with {atom.own.shape[1]} features and {len(atom.neighbors)} neighbours"
    expected = f"expected species {wanted.types[done]} with as many features as its set-up says"
    return InputError(source.path, f"{read} as atom {done + 1} of {wanted.entry.path!r}; {expected}")
