"""Files of list-directed text, as gfortran's ``write(unit, *)`` prints them and ``read(unit, *)`` reads them.

The functions write what those of `records` of the same names write in binary, each as one line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from aenet_py.errors import InputError
from aenet_py.formats import decimals, listio
from aenet_py.formats.source import ByteSource
from aenet_py.structure import SYMBOL_LENGTH

INTEGER_WIDTH = 12
LEFT = 64  # bytes of blank lines that a file may end with
FEW = 16  # numbers that are printed faster one by one
COLUMN_WIDTH, COLUMNS = 4, 100  # the format (100a4)
_INFINITE = re.compile(r"([+-]?)inf(inity)?", re.IGNORECASE)
_NAN = re.compile(r"[+-]?nan(\([^)]*\))?", re.IGNORECASE)
_SEPARATORS = re.compile(r"""[,;/*'"\t]""")

Layout = Literal["joined", "columns", "lines"]


def integers(values: Sequence[int] | np.ndarray) -> bytes:
    """A line of integers."""
    return b"".join(b"%*d" % (INTEGER_WIDTH, value) for value in values) + b"\n"


def reals(values: Sequence[float] | np.ndarray) -> bytes:
    """A line of real numbers."""
    if len(values) <= FEW:
        return b"".join(map(decimals.text, values)) + b"\n"
    fields = np.empty(len(values), decimals.FIELD)
    decimals.write(np.asarray(values, dtype=np.float64), fields)
    return fields.tobytes() + b"\n"


def text(value: str, length: int) -> bytes:
    """A line of characters, padded with blanks to length; ValueError if they have an end of line among them."""
    if "\n" in value:
        raise ValueError(f"found an end of line in {value[:40]!r}, which text cannot hold; expected one line")
    return f" {value.ljust(length)}\n".encode("latin-1")


def counted_text(value: str) -> bytes:
    """A line with the number of characters, then one with the characters."""
    return integers([len(value)]) + text(value, len(value))


def symbols(values: Sequence[str], layout: Layout = "joined") -> bytes:
    """Names of species: without anything between them, in columns of four (100 a line), or a line each."""
    padded = [value.ljust(SYMBOL_LENGTH) for value in values]
    if layout == "lines":
        lines = padded
    elif layout == "columns":
        columns = [value.rjust(COLUMN_WIDTH) for value in padded]
        lines = ["".join(columns[i : i + COLUMNS]) for i in range(0, len(columns), COLUMNS)]
    else:
        lines = [" " + "".join(padded)]
    return "".join(line + "\n" for line in lines).encode("latin-1")


def logical(value: bool) -> bytes:
    """A line of one logical."""
    return b" T\n" if value else b" F\n"


class ListReader(ByteSource):
    """The lines of a text file, one ``read(unit, *)`` after the other.

    Each read begins on a new line and goes on to further lines until it has all its values.  A string is the whole
    line, as the files' writers mean it; with whole_lines false it is what list-directed reading makes of it, unless
    blanks fill the line to the string's full length.
    """

    def __init__(self, path: str, whole_lines: bool = True):
        super().__init__(path)
        self._whole_lines = whole_lines

    @property
    def position(self) -> str:
        return f"line {self.number}"

    def error(self, message: str) -> InputError:
        return InputError(self.path, f"{self.place + ': ' if self.place else ''}{self._what}: {message}", self.number)

    def line(self, what: str) -> str:
        """The next line, without its end."""
        self.number, self._what = self.number + 1, what
        if self.offset >= self.window.size:
            raise self.error("found the end of the file; expected a line")
        line = self.window.line(self.offset)
        self.offset += len(line)
        if not line.endswith(b"\n"):
            raise self.error("found the end of the file within the line; expected a line that is ended")
        return line[:-1].decode("latin-1")

    def integers(self, n: int, what: str) -> np.ndarray:
        values = self._values(n, what, listio.integer, "an integer")
        if any(not -(2**31) <= value < 2**31 for value in values):
            raise self.error(f"found {max(values, key=abs)}; expected a 4-byte integer")
        found = np.array(values, dtype=np.int32)
        self.keep(found)
        return found

    def reals(self, n: int, what: str) -> np.ndarray:
        found = np.array(self._values(n, what, _any_real, "a real number"), dtype=np.float64)
        self.keep(found)
        return found

    def logical(self, what: str) -> bool:
        value = self._values(1, what, listio.logical, "T or F")[0]
        self.keep(np.array([value]))
        return value

    def text(self, length: int, what: str, exact: bool = False) -> str:
        value = self.line(what)
        if len(value) != length + 1:
            value = value.removesuffix("\r")
        if len(value) == length + 1 and value.startswith(" "):
            value = value[1:]
        elif exact:
            raise self.error(f"found {max(0, len(value) - 1)} characters behind a blank; expected {length}")
        elif self._whole_lines:
            value = value.strip(" ")[:length]
        else:
            value = (next(iter(listio.items(value)), None) or "")[:length]
        value = value if exact else value.rstrip(" ")
        self.keep((value,))
        return value

    def symbols(self, n: int, what: str) -> tuple[str, ...]:
        mark = self.mark()
        line = self.line(what).removesuffix("\r")
        joined = len(line) == 1 + n * SYMBOL_LENGTH and line[0] == " " and " " not in line[1::SYMBOL_LENGTH]
        if n > 1 and joined and not _SEPARATORS.search(line):
            found = [line[i : i + SYMBOL_LENGTH].rstrip() for i in range(1, len(line), SYMBOL_LENGTH)]
        else:
            self.reset(mark)
            found = [item[:SYMBOL_LENGTH] for item in self._values(n, what, str, "a species")[:n]]
        self.keep(tuple(found))
        return tuple(found)

    def at_end(self) -> bool:
        """Whether nothing but blank lines is left."""
        left = self.window.size - self.offset
        return left <= 0 or (left <= LEFT and not bytes(self.window.view(self.offset, left)).strip())

    def finish(self) -> None:
        while not self.at_end():
            if line := self.line("end").strip():
                raise self.error(f"found {line[:40]!r}; expected the end of the file")

    def _values(self, n: int, what: str, convert: Callable, expected: str) -> list:
        """n values, or more, from as many lines as they take; what follows on the last line may be a comment."""
        values: list = []
        while len(values) < n:
            line = self.line(what)
            found = listio.items(line)
            if not found and not line.strip():
                continue
            for item in found:
                if item is None:
                    raise self.error(f"found no value between separators; expected {expected}")
                try:
                    value = convert(item)
                except ValueError:
                    if len(values) >= n:
                        break
                    raise self.error(f"found {item[:40]!r}; expected {expected}") from None
                values.append(value)
            if len(values) < n and "/" in line:
                raise self.error(f"found {len(values)} values before a slash; expected {n}")
        if len(values) > n and convert in (listio.integer, _any_real):
            raise self.error(f"found {len(values)} values; expected {n}")
        return values

    def _check_kind(self) -> None:
        if self.window.size == 0:
            raise InputError(self.path, "this file is empty; expected text")
        if b"\0" in bytes(self.window.view(0, 4096)):
            raise InputError(self.path, "found a binary file; expected text", 1)


def _any_real(text: str) -> float:
    """A real number, infinite ones and NaN included; too large ones are infinite."""
    try:
        return listio.real(text)
    except ValueError:
        infinite = _INFINITE.fullmatch(text) or listio.REAL.fullmatch(text)
        if infinite:
            return -math.inf if text.startswith("-") else math.inf
        if _NAN.fullmatch(text):
            return math.nan
        raise
