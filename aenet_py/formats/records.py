"""Fortran unformatted sequential records, as gfortran writes them.

A record is its length in bytes (int32), the data, and the length again.  Data longer than `MAX_SUBRECORD` bytes are
split: the length in front of every piece but the last, and the one behind every piece but the first, is negative.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from aenet_py.errors import InputError

MARKER = struct.Struct("<i")
MAX_SUBRECORD = 2147483639


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
    """Bytes a record of n_bytes takes in the file."""
    pieces = max(1, -(-n_bytes // MAX_SUBRECORD))
    return n_bytes + 2 * MARKER.size * pieces


def integers(*values: int) -> bytes:
    """A record of 4-byte integers."""
    return record(struct.pack(f"<{len(values)}i", *values))


def reals(*values: float) -> bytes:
    """A record of 8-byte reals."""
    return record(struct.pack(f"<{len(values)}d", *values))


def text(value: str, length: int | None = None) -> bytes:
    """A record of characters, padded with blanks to length."""
    return record((value if length is None else value.ljust(length)).encode("latin-1"))


def counted_text(value: str) -> bytes:
    """A record with the number of characters, then one with the characters."""
    return integers(len(value)) + text(value)


def logical(value: bool) -> bytes:
    """A record of one 4-byte logical."""
    return integers(int(value))


def split(path: str) -> Iterator[bytes]:
    """The data of each record of a file; InputError names record and offset where the markers do not fit."""
    with open(path, "rb") as file:
        number, data = 1, b""
        while head := file.read(MARKER.size):
            offset = file.tell() - len(head)
            n = MARKER.unpack(head)[0] if len(head) == MARKER.size else 0
            data += (piece := file.read(abs(n)))
            tail = file.read(MARKER.size)
            if len(piece) < abs(n) or len(tail) < MARKER.size or abs(MARKER.unpack(tail)[0]) != abs(n):
                message = f"record {number} at byte {offset}: found {len(piece)} bytes of data and {tail!r} behind them"
                raise InputError(path, f"{message}; expected {abs(n)} bytes between two equal lengths")
            if n >= 0:
                yield data
                number, data = number + 1, b""
