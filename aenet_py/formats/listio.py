"""The items of list-directed text, as Fortran's ``read(line, *)`` takes a line apart.

Items are separated by blanks, commas or semicolons; a slash ends the line; strings may be quoted; ``3*0.5`` repeats, up
to a million times; between two commas the item is null.  Real numbers may use d or q for the exponent's e.
"""

from __future__ import annotations

import math
import re

_ITEM = re.compile(
    r"""[ \t\r\n]*(?:(?P<end>/|$)
        |(?P<comma>[,;])
        |(?P<repeat>\d{1,6})\*(?=[ \t,;/]|$)(?P<null>)
        |(?:(?P<times>\d{1,6})\*)?
         (?:'(?P<single>(?:[^']|'')*)(?:'|$)|"(?P<double>(?:[^"]|"")*)(?:"|$)|(?P<plain>[^ \t\r\n,;/]+)))""",
    re.VERBOSE,
)
# What str.split would take apart otherwise than Fortran does.
_SPECIAL = re.compile(r"""[,;/*'"\x0b\x0c\x1c-\x1f\x85\xa0]""")
REAL = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eEdDqQ]([+-]?\d+)|([+-]\d+))?")
_DECIMAL = re.compile(r"[+-]?\d{1,30}\.\d{0,30}")  # the usual case
_LOGICAL = re.compile(r"\.?([tTfF])")


def is_plain(text: str) -> bool:
    """Whether blanks alone separate items, so that str.split finds them."""
    return _SPECIAL.search(text) is None


def items(line: str) -> list[str | None]:
    """The items of a line, None where one is null."""
    found: list[str | None] = []
    if is_plain(line):
        found.extend(line.split())
        return found
    position, pending = 0, False  # pending: an item was read and its separator not yet
    while True:
        match = _ITEM.match(line, position)
        if match is None or match["end"] is not None:
            return found
        position = match.end()
        if match["comma"] is not None:
            if not pending:
                found.append(None)
            pending = False
            continue
        pending = True
        if match["null"] is not None:
            found.extend([None] * int(match["repeat"]))
            continue
        if match["single"] is not None:
            value = match["single"].replace("''", "'")
        elif match["double"] is not None:
            value = match["double"].replace('""', '"')
        else:
            value = match["plain"]
        found.extend([value] * int(match["times"] or 1))


def real(text: str) -> float:
    """A real number in any of Fortran's forms; ValueError otherwise, also for infinities and NaN."""
    if _DECIMAL.fullmatch(text):
        return float(text)
    match = REAL.fullmatch(text)
    if match is None:
        raise ValueError(text)
    value = float(match[1] + "e" + (match[2] or match[3] or "0"))
    if math.isinf(value):
        raise ValueError(text)
    return value


def integer(text: str) -> int:
    """An integer; ValueError otherwise."""
    if not re.fullmatch(r"[+-]?\d+", text):
        raise ValueError(text)
    return int(text)


def logical(text: str) -> bool:
    """``.true.``, ``T``, ``false``: only the first letter counts; ValueError otherwise."""
    match = _LOGICAL.match(text)
    if match is None:
        raise ValueError(text)
    return match[1] in "tT"
