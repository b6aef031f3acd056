"""List-directed text, as written by gfortran's ``write(unit, *)`` and read by ``read(unit, *)``.

Each function writes one line; those of the same names in `records` write the same values in binary.
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
LEFT = 64  # bytes of blank lines allowed at the end of a file
FEW = 16  # up to so many numbers are printed faster one by one
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
    """A line of characters, padded with blanks to length; ValueError if they contain an end of line."""
    if "\n" in value:
        raise ValueError(f"cannot write {value[:40]!r} as one line of text: it contains an end of line")
    return f" {value.ljust(length)}\n".encode("latin-1")


def counted_text(value: str) -> bytes:
    """A line with the number of characters, and one with the characters."""
    return integers([len(value)]) + text(value, len(value))


def symbols(values: Sequence[str], layout: Layout = "joined") -> bytes:
    """Names of species: joined, in columns of four characters (100 per line), or one per line."""
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
    """Reads a text file like a sequence of ``read(unit, *)`` statements.

    Each read begins on a new line and continues on the following lines until it has all its values.  A string is a
    whole line, as intended by the programs that write these files.  With whole_lines false it is the first item of the
    line, as in list-directed reading, unless blanks pad the line to the full length of the string.
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
            raise self.error("found the end of the file within a line; expected the end of the line")
        return line[:-1].decode("latin-1")

    def integers(self, n: int, what: str) -> np.ndarray:
        values = self._values(n, what, listio.integer, "an integer")
        if any(not -(2**31) <= value < 2**31 for value in values):
            raise self.error(f"found {max(values, key=abs)}; expected a 4-byte integer")
        integers = np.array(values, dtype=np.int32)
        self.keep(integers)
        return integers

    def reals(self, n: int, what: str) -> np.ndarray:
        reals = np.array(self._values(n, what, _any_real, "a real number"), dtype=np.float64)
        self.keep(reals)
        return reals

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
            raise self.error(f"found {max(0, len(value) - 1)} characters after a blank; expected {length}")
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
            names = [line[i : i + SYMBOL_LENGTH].rstrip() for i in range(1, len(line), SYMBOL_LENGTH)]
        else:
            self.reset(mark)
            names = [item[:SYMBOL_LENGTH] for item in self._values(n, what, str, "a species")[:n]]
        self.keep(tuple(names))
        return tuple(names)

    def at_end(self) -> bool:
        """Whether only blank lines are left."""
        left = self.window.size - self.offset
        return left <= 0 or (left <= LEFT and not bytes(self.window.view(self.offset, left)).strip())

    def finish(self) -> None:
        while not self.at_end():
            if line := self.line("end").strip():
                raise self.error(f"found {line[:40]!r}; expected the end of the file")

    def _values(self, n: int, what: str, convert: Callable, expected: str) -> list:
        """n or more values from as many lines as necessary; the last line may end with a comment."""
        values: list = []
        while len(values) < n:
            line = self.line(what)
            items = listio.items(line)
            if not items and not line.strip():
                continue
            for item in items:
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
    """A real number, including NaN and infinities, which also stand for numbers that overflow."""
    try:
        return listio.real(text)
    except ValueError:
        infinite = _INFINITE.fullmatch(text) or listio.REAL.fullmatch(text)
        if infinite:
            return -math.inf if text.startswith("-") else math.inf
        if _NAN.fullmatch(text):
            return math.nan
        raise
