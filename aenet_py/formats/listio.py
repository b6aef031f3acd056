"""Items of list-directed text, as read by Fortran's ``read(line, *)``.

Blanks, commas or semicolons separate items; a slash ends the line; strings may be quoted; ``3*0.5`` repeats an item, up
to a million times; an item between two commas is null.  Real numbers may have d or q as the exponent's e.
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
# Characters that str.split and Fortran treat differently.
_SPECIAL = re.compile(r"""[,;/*'"\x0b\x0c\x1c-\x1f\x85\xa0]""")
REAL = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eEdDqQ]([+-]?\d+)|([+-]\d+))?")
_DECIMAL = re.compile(r"[+-]?\d{1,30}\.\d{0,30}")  # the usual case
_LOGICAL = re.compile(r"\.?([tTfF])")


def is_plain(text: str) -> bool:
    """Whether only blanks separate items, as str.split assumes."""
    return _SPECIAL.search(text) is None


def items(line: str) -> list[str | None]:
    """Items of a line; a null item is None."""
    values: list[str | None] = []
    if is_plain(line):
        values.extend(line.split())
        return values
    position, pending = 0, False  # pending: an item was read, but not yet its separator
    while True:
        match = _ITEM.match(line, position)
        if match is None or match["end"] is not None:
            return values
        position = match.end()
        if match["comma"] is not None:
            if not pending:
                values.append(None)
            pending = False
            continue
        pending = True
        if match["null"] is not None:
            values.extend([None] * int(match["repeat"]))
            continue
        if match["single"] is not None:
            value = match["single"].replace("''", "'")
        elif match["double"] is not None:
            value = match["double"].replace('""', '"')
        else:
            value = match["plain"]
        values.extend([value] * int(match["times"] or 1))


def real(text: str) -> float:
    """A finite real number in any of Fortran's forms; otherwise ValueError."""
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
    """An integer; otherwise ValueError."""
    if not re.fullmatch(r"[+-]?\d+", text):
        raise ValueError(text)
    return int(text)


def logical(text: str) -> bool:
    """A logical such as ``.true.``, ``T`` or ``false``, of which only the first letter counts; otherwise ValueError."""
    match = _LOGICAL.match(text)
    if match is None:
        raise ValueError(text)
    return match[1] in "tT"
