"""Base of the readers of binary and text files, which allows one description of a format for both."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aenet_py.errors import AenetError, InputError

if TYPE_CHECKING:
    from typing_extensions import Self

Advance = Callable[[int], object]  # called with the number of bytes read since the last call


def unwatched(n_bytes: int) -> None:
    """An `Advance` that does nothing."""


AHEAD = 1 << 18  # bytes read at once


class Window:
    """Any part of a file, read ahead in large blocks (ahead : their size in bytes)."""

    def __init__(self, path: str):
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except FileNotFoundError:
            raise AenetError(f"{path}: no such file") from None
        except OSError as error:
            raise AenetError(f"{path}: cannot be read: {error.strerror}") from None
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(self._fd)
            raise AenetError(f"{path}: not a regular file; it must be readable more than once")
        self.size = status.st_size
        self.ahead = AHEAD
        self._buffer = bytearray()
        self._begin = self._length = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        os.close(self._fd)

    def view(self, offset: int, n_bytes: int) -> memoryview:
        """n_bytes from offset on, or fewer if the file ends; valid until the next call."""
        first = offset - self._begin
        if first < 0 or first + n_bytes > self._length:
            self._read(offset, min(max(n_bytes, self.ahead), max(0, self.size - offset)))
            first = 0
        return memoryview(self._buffer)[first : min(first + n_bytes, self._length)]

    def line(self, offset: int) -> bytes:
        """Bytes from offset to the end of the line, or of the file."""
        first = offset - self._begin
        if 0 <= first < self._length:
            end = self._buffer.find(b"\n", first, self._length)
            if end >= 0:
                return bytes(self._buffer[first : end + 1])
        n_bytes = self.ahead
        while True:
            data = self.view(offset, n_bytes)
            end = self._buffer.find(b"\n", offset - self._begin, self._length)
            if end >= 0 or len(data) < n_bytes:
                return bytes(data[: end + 1 - (offset - self._begin)] if end >= 0 else data)
            n_bytes *= 2

    def _read(self, offset: int, n_bytes: int) -> None:
        if len(self._buffer) != n_bytes:
            self._buffer = bytearray(n_bytes)
        self._begin, self._length = offset, 0
        with memoryview(self._buffer) as free:
            while self._length < n_bytes:  # the system gives at most 2 GiB at a time
                try:
                    n_read = os.preadv(self._fd, [free[self._length :]], offset + self._length)
                except OSError as error:
                    raise AenetError(f"{self.path}: cannot be read: {error.strerror}") from None
                if n_read == 0:
                    break
                self._length += n_read


@dataclass(frozen=True)
class Field:
    """A value or array of a file: its position ("record 7"), the part of the file, its name, and its values."""

    position: str
    place: str
    what: str
    values: np.ndarray | tuple[str, ...]


class ByteSource:
    """Reads the values of a file one by one.

    All methods raise InputError, with file and position, for values of another kind.  Their argument `what` is the
    name of the value in messages.

    Parameters
    ----------
    path : str
        The file, which is opened; leaving the context closes it.

    Attributes
    ----------
    place : str
        Part of the file that is being read, for messages.
    log : list of Field, optional
        If it is a list, every value read is appended to it.
    number : int
        Number of records or lines read.
    offset : int
        Where the next record or line begins, in bytes.
    """

    def __init__(self, path: str):
        self.path = path
        self.window = Window(path)
        self.number = self.offset = 0
        self.place = ""
        self.log: list[Field] | None = None
        self._what = ""
        self._told = 0
        try:
            self._check_kind()
        except InputError:
            self.window.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.window.close()

    def _check_kind(self) -> None:
        """Raise InputError if the file begins like one of another kind."""
        raise NotImplementedError

    def advanced(self) -> int:
        """Bytes read since the last call, for progress bars."""
        before, self._told = self._told, self.offset
        return self.offset - before

    @property
    def position(self) -> str:
        """Position of the value read last."""
        raise NotImplementedError

    def error(self, message: str) -> InputError:
        """An error about the value read last."""
        raise NotImplementedError

    def integers(self, n: int, what: str) -> np.ndarray:
        """(n,) int32."""
        raise NotImplementedError

    def reals(self, n: int, what: str) -> np.ndarray:
        """(n,) float64."""
        raise NotImplementedError

    def logical(self, what: str) -> bool:
        raise NotImplementedError

    def text(self, length: int, what: str, exact: bool = False) -> str:
        """Characters without trailing blanks; exact : exactly length characters, with their blanks."""
        raise NotImplementedError

    def symbols(self, n: int, what: str) -> tuple[str, ...]:
        """Names of n species."""
        raise NotImplementedError

    def mark(self) -> tuple[int, int]:
        """The current position, for `reset`."""
        return self.number, self.offset

    def reset(self, mark: tuple[int, int]) -> None:
        self.number, self.offset = mark

    def skip(self, number: int, n_bytes: int) -> None:
        """Skip records or lines that were read through the window."""
        self.number, self.offset = self.number + number, self.offset + n_bytes

    def at_end(self) -> bool:
        """Whether nothing is left to read."""
        return self.offset >= self.window.size

    def finish(self) -> None:
        """Raise InputError unless the file ends here."""
        raise NotImplementedError

    def integer(self, what: str, least: int | None = None) -> int:
        """One integer; InputError if it is below least."""
        value = int(self.integers(1, what)[0])
        if least is not None and value < least:
            raise self.error(f"found {value}; expected at least {least}")
        return value

    def real(self, what: str) -> float:
        return float(self.reals(1, what)[0])

    def counted_text(self, what: str) -> str:
        """Characters that follow their number."""
        return self.text(self.integer(f"length of the {what}", least=0), what, exact=True)

    def keep(self, values: np.ndarray | tuple[str, ...]) -> None:
        if self.log is not None:
            self.log.append(Field(self.position, self.place, self._what, values))


def is_text(head: bytes | memoryview) -> bool:
    """Whether the first bytes of a file look like text."""
    return all(byte >= 32 or byte in b"\t\r\n" for byte in bytes(head))
