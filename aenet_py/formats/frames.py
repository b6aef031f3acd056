"""Files of many structures in extended XYZ, plain or compressed, taken apart into frames without reading their numbers.

    75                                  number of atoms
    Lattice="..." Properties=...        comment
    Cu x y z ...                        a line for each atom

A file is read in blocks: memory does not grow with the number of frames.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from aenet_py.errors import AenetError, InputError
from aenet_py.formats.source import Advance, unwatched
from aenet_py.formats.text import BYTE_ORDER_MARK
from aenet_py.runtime.output import PendingFile
from aenet_py.structure import Structure

if TYPE_CHECKING:
    import gzip

BLOCK_BYTES = 1 << 18
XZ_PRESET = 1  # files are up to a third larger than with the usual 6, written ten times as fast
LONGEST_LINE = 1 << 27  # bytes of a line; more is no text
MOST_DIGITS = 8  # of a frame's number of atoms; more is none
PLAIN = (".extxyz", ".xyz")
COMPRESSED = (".xz", ".gz")
WHAT = "an extended XYZ file"
Skip = Callable[[InputError], None]


@dataclass(frozen=True)
class RawFrame:
    """A frame's lines: number of atoms, comment, atoms.  path : of the file; index : from 0; line : of the first."""

    path: str
    index: int
    line: int
    lines: tuple[bytes, ...]

    @property
    def name(self) -> str:
        return frame_name(self.path, self.index)

    @property
    def size(self) -> int:
        """Bytes of its lines."""
        return sum(map(len, self.lines))

    @property
    def content(self) -> bytes:
        """Its bytes in the file, the last line ended."""
        return b"\n".join(self.lines) + b"\n"


def frame_name(path: str, index: int) -> str:
    """What a frame is called, from 0: `file#index`."""
    return f"{path}#{index}"


def is_frames(path: str) -> bool:
    """Whether a file's name says that it holds frames."""
    return plain_name(path).lower().endswith(PLAIN)


def plain_name(path: str) -> str:
    """A file's name without the ending of a compressed one."""
    stem, ending = os.path.splitext(path)
    return stem if ending in COMPRESSED else path


class _BrokenError(Exception):
    """What was compressed cannot be decompressed, or is no text."""


def read(path: str, advance: Advance = unwatched) -> Iterator[RawFrame]:
    """The frames of a file; InputError, once those before it are read, for one that is cut or begins with no number.

    advance : told the bytes read, of a compressed file as they are there.
    """
    lines: list[bytes] = []
    index, number = 0, 1
    try:
        for pieces in _pieces(path, WHAT, advance):
            lines += pieces
            start = 0
            while start < len(lines):
                if not lines[start].strip():
                    start += 1
                    continue
                stop = start + 2 + _n_atoms(path, index, number + start, lines[start])
                if stop > len(lines):
                    break
                yield RawFrame(path, index, number + start, tuple(lines[start:stop]))
                index += 1
                start = stop
            del lines[:start]
            number += start
    except _BrokenError as error:
        raise InputError(frame_name(path, index), str(error)) from None
    if lines:
        n_atoms = _n_atoms(path, index, number, lines[0])
        message = f"{n_atoms} atoms announced, but the file ends after {max(0, len(lines) - 2)} lines of them"
        raise InputError(frame_name(path, index), message, number)
    if index == 0:
        raise InputError(path, f"this file is empty; expected {WHAT}")


def count(path: str, advance: Advance = unwatched) -> int:
    """How many frames a file holds; advance : as in `read`."""
    return sum(1 for _ in read(path, advance))


def lines_of(path: str, what: str) -> Iterator[bytes]:
    """The lines of a text file, plain or compressed, without their ends."""
    try:
        for pieces in _pieces(path, what, unwatched):
            yield from pieces
    except _BrokenError as error:
        raise InputError(path, str(error)) from None


def good(make: Callable[[], Structure], reference: bool, skip: Skip | None) -> Structure | None:
    """A structure, or None for one that is not good and was skipped.

    make : reads it or raises InputError; reference : energy and forces are required; skip : called instead of raising
    InputError.
    """
    try:
        frame = make()
        if reference:
            frame.check_reference()
    except InputError as error:
        if skip is None:
            raise
        skip(error)
        return None
    return frame


class FramesFile(PendingFile):
    """A file of frames that appears under its name when complete, compressed as that says."""

    def __init__(self, path: str):
        self._compressor = _compressor(path)
        super().__init__(path)

    def write(self, data: bytes | memoryview) -> None:
        super().write(data if self._compressor is None else self._compressor.compress(data))

    def complete(self, replace: bool) -> None:
        if self._compressor is not None:
            super().write(self._compressor.flush())
        super().complete(replace)


def _compressor(path: str) -> Any:
    """What compresses, with methods compress and flush, or None."""
    import lzma
    import zlib

    if path.endswith(".xz"):
        return lzma.LZMACompressor(preset=XZ_PRESET)
    if path.endswith(".gz"):
        return zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    return None


def _n_atoms(path: str, index: int, number: int, line: bytes) -> int:
    words = line.split()
    if len(words) == 1 and words[0].isdigit() and len(words[0]) <= MOST_DIGITS and int(words[0]) > 0:
        return int(words[0])
    found = repr(line[:40].decode("latin-1").strip())
    raise InputError(frame_name(path, index), f"found {found}; expected the number of atoms of a frame", number)


def _pieces(path: str, what: str, advance: Advance) -> Iterator[list[bytes]]:
    """The lines of a file without their ends, decompressed, some at a time."""
    import lzma  # both are needed by few decks
    import zlib

    try:
        with open(path, "rb", buffering=0) as file, _decompressed(path, file) as content:
            parts, length, mark, position = [b""], 0, BYTE_ORDER_MARK, 0
            while block := content.read(BLOCK_BYTES):
                advance(file.tell() - position)
                position = file.tell()
                head, *others = block.split(b"\n")
                parts.append(head)
                length += len(head)
                if length > LONGEST_LINE:
                    raise _BrokenError(f"found a line of more than {LONGEST_LINE >> 20} MB; expected {what}")
                if others:
                    *whole, tail = others
                    yield [b"".join(parts).removeprefix(mark), *whole]
                    parts, length, mark = [tail], len(tail), b""
            if length:
                yield [b"".join(parts).removeprefix(mark)]
    except FileNotFoundError:
        raise AenetError(f"{path}: no such file; expected {what}") from None
    except EOFError:
        raise _BrokenError("the compressed data end too soon; expected the whole file") from None
    except (lzma.LZMAError, zlib.error) as error:
        raise _BrokenError(f"the compressed data are broken: {error}; expected those of {what}") from None
    except OSError as error:
        if error.strerror is None:  # what gzip makes of a file that is not its own
            raise _BrokenError(f"the compressed data are broken: {error}; expected those of {what}") from None
        raise AenetError(f"{path}: cannot be read: {error.strerror}; expected {what}") from None


def _decompressed(path: str, file: IO[bytes]) -> IO[bytes] | gzip.GzipFile:
    if path.endswith(".xz"):
        import lzma

        return lzma.open(file)
    if path.endswith(".gz"):
        import gzip

        return gzip.open(file)
    return file
