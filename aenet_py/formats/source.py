"""What readers of binary and of text files share: a file's formats are described once and read from either."""

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

Advance = Callable[[int], object]  # told how many bytes more were read


def unwatched(n_bytes: int) -> None:
    """Take what an `Advance` is told where nobody watches."""


AHEAD = 1 << 18  # bytes read at once


class Window:
    """Any part of a file; what is read ahead (bytes at once) is kept until something else is asked for."""

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
            raise AenetError(f"{path}: this is not a regular file; expected one that can be read more than once")
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
        """n_bytes from offset on, fewer where the file ends; they stay what they are until the next call."""
        first = offset - self._begin
        if first < 0 or first + n_bytes > self._length:
            self._read(offset, min(max(n_bytes, self.ahead), max(0, self.size - offset)))
            first = 0
        return memoryview(self._buffer)[first : min(first + n_bytes, self._length)]

    def line(self, offset: int) -> bytes:
        """From offset to the end of the line, or of the file, whichever comes first."""
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
    """One value or array of a file: where it stands ("record 7"), the part of the file, its name, and the values."""

    position: str
    place: str
    what: str
    values: np.ndarray | tuple[str, ...]


class ByteSource:
    """Reads the values of a file one after the other.

    what : the name of a value, for messages; place : the part of the file being read, likewise; log : if it is a list,
    every value read is appended to it as a `Field`.  Each method raises InputError, which names file, position, what
    was found and what was expected.  number counts the records or lines read, offset is where the next one begins.
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
        """InputError if the file begins like one of another kind."""
        raise NotImplementedError

    def advanced(self) -> int:
        """Bytes read since this was asked last, for progress bars."""
        before, self._told = self._told, self.offset
        return self.offset - before

    @property
    def position(self) -> str:
        """Where the value read last stands."""
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
        """Characters without the blanks that pad them to length; exact : with them, and just as many."""
        raise NotImplementedError

    def symbols(self, n: int, what: str) -> tuple[str, ...]:
        """Names of n species."""
        raise NotImplementedError

    def mark(self) -> tuple[int, int]:
        """Where reading stands, for `reset`."""
        return self.number, self.offset

    def reset(self, mark: tuple[int, int]) -> None:
        self.number, self.offset = mark

    def skip(self, number: int, n_bytes: int) -> None:
        """Go on behind records or lines that were looked at through the window."""
        self.number, self.offset = self.number + number, self.offset + n_bytes

    def at_end(self) -> bool:
        """Whether nothing is left to read."""
        return self.offset >= self.window.size

    def finish(self) -> None:
        """InputError unless the file ends here."""
        raise NotImplementedError

    def integer(self, what: str, least: int | None = None) -> int:
        """One integer, at least so large."""
        value = int(self.integers(1, what)[0])
        if least is not None and value < least:
            raise self.error(f"found {value}; expected at least {least}")
        return value

    def real(self, what: str) -> float:
        return float(self.reals(1, what)[0])

    def counted_text(self, what: str) -> str:
        """Characters behind their number."""
        return self.text(self.integer(f"length of the {what}", least=0), what, exact=True)

    def keep(self, values: np.ndarray | tuple[str, ...]) -> None:
        if self.log is not None:
            self.log.append(Field(self.position, self.place, self._what, values))


def is_text(head: bytes | memoryview) -> bool:
    """Whether the first bytes of a file look like text."""
    return all(byte >= 32 or byte in b"\t\r\n" for byte in bytes(head))
