"""Files of many structures in extended XYZ, plain or compressed, split into frames whose numbers are not read.

    75                                  number of atoms
    Lattice="..." Properties=...        comment
    Cu x y z ...                        one line per atom

A file is read in blocks; memory does not grow with the number of frames.
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
XZ_PRESET = 1  # up to a third larger files than with the default 6, written ten times as fast
LONGEST_LINE = 1 << 27  # bytes
MOST_DIGITS = 8  # of a frame's number of atoms
PLAIN = (".extxyz", ".xyz")
COMPRESSED = (".xz", ".gz")
WHAT = "an extended XYZ file"
Skip = Callable[[InputError], None]


@dataclass(frozen=True)
class RawFrame:
    """The lines of a frame: number of atoms, comment, atoms.

    path : of the file; index : of the frame, 0-based; line : number of the first line, counted from 1.
    """

    path: str
    index: int
    line: int
    lines: tuple[bytes, ...]

    @property
    def name(self) -> str:
        return frame_name(self.path, self.index)

    @property
    def size(self) -> int:
        """Number of bytes of the lines."""
        return sum(map(len, self.lines))

    @property
    def content(self) -> bytes:
        """The bytes in the file, with the end of the last line."""
        return b"\n".join(self.lines) + b"\n"


def frame_name(path: str, index: int) -> str:
    """Name of a frame, with its 0-based index: `file#index`."""
    return f"{path}#{index}"


def is_frames(path: str) -> bool:
    """Whether a file has the name of extended XYZ."""
    return plain_name(path).lower().endswith(PLAIN)


def plain_name(path: str) -> str:
    """Name of a file without the ending for compression."""
    stem, ending = os.path.splitext(path)
    return stem if ending in COMPRESSED else path


class _BrokenError(Exception):
    """Compressed data are damaged, or are not text."""


def read(path: str, advance: Advance = unwatched) -> Iterator[RawFrame]:
    """The frames of a file; InputError at a frame that is incomplete or does not begin with a number.

    advance : is told the bytes read, of a compressed file as stored.
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
    """Number of frames in a file; advance : as in `read`."""
    return sum(1 for _ in read(path, advance))


def lines_of(path: str, what: str) -> Iterator[bytes]:
    """Lines of a text file, plain or compressed, without line ends."""
    try:
        for pieces in _pieces(path, what, unwatched):
            yield from pieces
    except _BrokenError as error:
        raise InputError(path, str(error)) from None


def good(make: Callable[[], Structure], reference: bool, skip: Skip | None) -> Structure | None:
    """A structure, or None if it is invalid and skipped.

    make : reads it or raises InputError; reference : energy and forces are required; skip : called with the error
    instead of raising it.
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
    """A file of frames, compressed according to its name, that appears when complete."""

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
    """An object with methods compress and flush, or None."""
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
    shown = repr(line[:40].decode("latin-1").strip())
    raise InputError(frame_name(path, index), f"found {shown}; expected the number of atoms of a frame", number)


def _pieces(path: str, what: str, advance: Advance) -> Iterator[list[bytes]]:
    """Blocks of decompressed lines of a file, without line ends."""
    import lzma  # few decks need both
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
        raise _BrokenError("the compressed data are incomplete") from None
    except (lzma.LZMAError, zlib.error) as error:
        raise _BrokenError(f"the compressed data are damaged: {error}") from None
    except OSError as error:
        if error.strerror is None:  # gzip raises it for other files
            raise _BrokenError(f"the compressed data are damaged: {error}") from None
        raise AenetError(f"{path}: cannot be read: {error.strerror}; expected {what}") from None


def _decompressed(path: str, file: IO[bytes]) -> IO[bytes] | gzip.GzipFile:
    if path.endswith(".xz"):
        import lzma

        return lzma.open(file)
    if path.endswith(".gz"):
        import gzip

        return gzip.open(file)
    return file
