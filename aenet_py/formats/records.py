"""Fortran unformatted sequential records, as written by gfortran.

A record consists of its length in bytes (int32), the data, and the length again.  Data longer than `MAX_SUBRECORD`
bytes are split into pieces: the length before every piece but the last, and after every piece but the first, is
negative.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from aenet_py.errors import InputError
from aenet_py.formats.source import ByteSource, is_text
from aenet_py.structure import SYMBOL_LENGTH

MARKER = struct.Struct("<i")
MAX_SUBRECORD = 2147483639
TRUE = (1, -1)  # of gfortran and of Intel's compilers


def record(data: bytes, limit: int = MAX_SUBRECORD) -> bytes:
    """One record with its markers."""
    if len(data) <= limit:
        marker = MARKER.pack(len(data))
        return marker + data + marker
    pieces = [data[i : i + limit] for i in range(0, len(data), limit)]
    parts = []
    for i, piece in enumerate(pieces):
        before = MARKER.pack(-len(piece) if i < len(pieces) - 1 else len(piece))
        after = MARKER.pack(len(piece) if i == 0 else -len(piece))
        parts += [before, piece, after]
    return b"".join(parts)


def record_size(n_bytes: int) -> int:
    """Size in the file of a record of n_bytes."""
    pieces = max(1, -(-n_bytes // MAX_SUBRECORD))
    return n_bytes + 2 * MARKER.size * pieces


def integers(values: Sequence[int] | np.ndarray) -> bytes:
    """A record of 4-byte integers."""
    return record(np.asarray(values, dtype="<i4").tobytes())


def reals(values: Sequence[float] | np.ndarray) -> bytes:
    """A record of 8-byte reals."""
    return record(np.asarray(values, dtype="<f8").tobytes())


def text(value: str, length: int) -> bytes:
    """A record of characters, padded with blanks to length."""
    return record(value.ljust(length).encode("latin-1"))


def counted_text(value: str) -> bytes:
    """A record with the number of characters, and one with the characters."""
    return integers([len(value)]) + text(value, len(value))


def symbols(values: Sequence[str], layout: str = "joined") -> bytes:  # noqa: ARG001 - text has several layouts
    """A record of the names of species."""
    return record("".join(value.ljust(SYMBOL_LENGTH) for value in values).encode("latin-1"))


def logical(value: bool) -> bytes:
    """A record of one 4-byte logical."""
    return integers([int(value)])


class RecordReader(ByteSource):
    """Reads the records of a file one by one."""

    def __init__(self, path: str):
        super().__init__(path)
        self._start = 0

    @property
    def position(self) -> str:
        return f"record {self.number}"

    def error(self, message: str) -> InputError:
        where = f"record {self.number} at byte {self._start}"
        return InputError(self.path, f"{where} ({self.place + ': ' if self.place else ''}{self._what}): {message}")

    def record(self, what: str, n_bytes: int | None = None) -> bytes:
        """Data of the next record; InputError if n_bytes is given and they have another size."""
        return bytes(self._borrow(what, n_bytes))

    def _borrow(self, what: str, n_bytes: int | None) -> bytes | memoryview:
        """As `record`, but the data are valid only until the next read."""
        self.number, self._start, self._what = self.number + 1, self.offset, what
        wanted = "a record" if n_bytes is None else f"a record of {n_bytes} bytes"
        if self.at_end():
            raise self.error(f"found the end of the file; expected {wanted}")
        data = self._short_record(n_bytes)
        return self._long_record(n_bytes, wanted) if data is None else data

    def _short_record(self, n_bytes: int | None) -> memoryview | None:
        """Data of a record in one piece; None in every other case."""
        head = self.window.view(self.offset, MARKER.size)
        if len(head) < MARKER.size:
            return None
        length = MARKER.unpack(head)[0]
        if length < 0 or (n_bytes is not None and length != n_bytes):
            return None
        whole = self.window.view(self.offset, length + 2 * MARKER.size)
        if whole[length + MARKER.size :] != head:
            return None
        self.offset += len(whole)
        return whole[MARKER.size : -MARKER.size]

    def _long_record(self, n_bytes: int | None, wanted: str) -> bytes:
        """Data of a record in any number of pieces; InputError if it is damaged."""
        pieces: list[bytes] = []
        more = True
        while more:
            marker = self._marker(self.offset, wanted)
            more, length = marker < 0, abs(marker)
            if n_bytes is not None and not more and not pieces and length != n_bytes:
                raise self.error(f"found a record of {length} bytes; expected {n_bytes}")
            left = self.window.size - self.offset - MARKER.size
            if length + MARKER.size > left:
                message = f"found a record of {length} bytes where the file has {left} more"
                raise self.error(f"{message}; expected {wanted} and its length again")
            pieces.append(bytes(self.window.view(self.offset + MARKER.size, length)))
            self.offset += MARKER.size + length
            closing = self._marker(self.offset, wanted)
            if abs(closing) != length:
                message = f"found {closing} after the data at byte {self.offset}"
                raise self.error(f"{message}; expected their length, {length}")
            self.offset += MARKER.size
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if n_bytes is not None and len(data) != n_bytes:
            raise self.error(f"found a record of {len(data)} bytes; expected {n_bytes}")
        return data

    def integers(self, n: int, what: str) -> np.ndarray:
        values = np.frombuffer(self.record(what, 4 * n), dtype="<i4")
        self.keep(values)
        return values

    def reals(self, n: int, what: str) -> np.ndarray:
        values = np.frombuffer(self.record(what, 8 * n), dtype="<f8")
        self.keep(values)
        return values

    def borrowed_reals(self, n: int, what: str) -> np.ndarray:
        """As `reals`, but without a copy: the values are valid only until the next read."""
        values = np.frombuffer(self._borrow(what, 8 * n), dtype="<f8")
        if self.log is not None:
            self.keep(values.copy())
        return values

    def logical(self, what: str) -> bool:
        value = MARKER.unpack(self.record(what, 4))[0]
        if value != 0 and value not in TRUE:
            raise self.error(f"found {value}; expected 0 (false) or 1 (true)")
        self.keep(np.array([value != 0]))
        return value != 0

    def text(self, length: int, what: str, exact: bool = False) -> str:
        value = self.record(what, length).decode("latin-1")
        value = value if exact else value.rstrip(" ")
        self.keep((value,))
        return value

    def symbols(self, n: int, what: str) -> tuple[str, ...]:
        text = self.record(what, SYMBOL_LENGTH * n).decode("latin-1")
        values = tuple(text[i : i + SYMBOL_LENGTH].rstrip(" ") for i in range(0, len(text), SYMBOL_LENGTH))
        self.keep(values)
        return values

    def finish(self) -> None:
        if not self.at_end():
            self.number, self._start, self._what = self.number + 1, self.offset, "end"
            raise self.error(f"found {self.window.size - self.offset} more bytes; expected the end of the file")

    def ahead(self, n: int) -> list[int]:
        """Lengths of the next n records, or fewer if the file ends or its markers do not match; nothing is read."""
        lengths: list[int] = []
        offset = self.offset
        while len(lengths) < n:
            head = self.window.view(offset, MARKER.size)
            if len(head) < MARKER.size:
                break
            length = MARKER.unpack(head)[0]
            if length < 0 or offset + length + 2 * MARKER.size > self.window.size:
                break
            lengths.append(length)
            offset += length + 2 * MARKER.size
        return lengths

    def from_end(self, n: int) -> int | None:
        """Offset of the n-th record from the end of the file; None if the lengths do not match."""
        offset = self.window.size
        for _ in range(n):
            tail = self.window.view(offset - MARKER.size, MARKER.size) if offset >= 2 * MARKER.size else b""
            if len(tail) < MARKER.size:
                return None
            length = MARKER.unpack(tail)[0]
            offset -= length + 2 * MARKER.size
            if length < 0 or offset < 0:
                return None
        return offset

    def _marker(self, offset: int, wanted: str) -> int:
        marker = self.window.view(offset, MARKER.size)
        if len(marker) < MARKER.size:
            raise self.error(f"found the end of the file after {len(marker)} of 4 bytes of a length; expected {wanted}")
        return MARKER.unpack(marker)[0]

    def _check_kind(self) -> None:
        size, head = self.window.size, bytes(self.window.view(0, 64))
        if size == 0:
            raise InputError(self.path, "this file is empty; expected Fortran records")
        if self._opens_with("<q"):
            raise self._other_kind("8-byte lengths around the records", "4-byte ones (gfortran's default)")
        if self._opens_with("<i"):
            return
        if self._opens_with(">i") or self._opens_with(">q"):
            raise self._other_kind("big-endian records", "little-endian ones")
        if is_text(head):
            raise self._other_kind("text", "Fortran records, which are binary")

    def _other_kind(self, found: str, expected: str) -> InputError:
        return InputError(self.path, f"record 1 at byte 0: found {found}; expected {expected}")

    def _opens_with(self, form: str) -> bool:
        """Whether the file begins with a record whose lengths have this form and are positive."""
        marker = struct.Struct(form)
        head = self.window.view(0, marker.size)
        if len(head) < marker.size:
            return False
        length = marker.unpack(head)[0]
        if not 0 < length <= self.window.size - 2 * marker.size:
            return False
        return bytes(self.window.view(marker.size + length, marker.size)) == bytes(head)
