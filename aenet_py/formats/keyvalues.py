"""The comment line of an extended XYZ frame: `key=value` pairs in any order, quoted, in brackets or bare.

Time and memory grow with the length of the line, whatever is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_CLOSED = {'"': re.compile(r'["\\]'), "'": re.compile(r"['\\]"), "[": None, "{": None}
_DEPTH = {"[": 1, "{": 1, "]": -1, "}": -1}
_NESTED = re.compile(r'[\[\]{}]|"[^"]*"')
_GAP = re.compile(r"[\s,;]*")
_EQUALS = re.compile(r"\s*=\s*")
_KEY = re.compile(r"[^\s=]*")
_VALUE = re.compile(r"\S*")
_USUAL = re.compile(  # a word alone, or a pair with nothing escaped and nothing in brackets
    r"""[\s,;]*([^\s=,;"'\[\]{}][^\s="']*)"""
    r"""(?:\s*=\s*(?:"([^"\\]*)"|'([^'\\]*)'|([^\s"'\[\]{}]\S*))|(?=\s+[^\s=]|\s*\Z))"""
)


def pairs(text: str) -> Iterator[tuple[str, str | None]]:
    """Keys and values as written, without the quotes or brackets around them; None for a word without a value."""
    place, unclosed = 0, set[str]()
    while place < len(text):
        usual = _USUAL.match(text, place)
        if usual is not None:
            place, group = usual.end(), usual.lastindex
            if group == 4:
                yield usual[1], usual[4].rstrip(",;")
            else:
                yield usual[1], None if group == 1 else usual[group or 0]
            continue
        place = _end(_GAP, text, place)
        key, place = _item(text, place, _KEY, unclosed)
        equals = _EQUALS.match(text, place)
        if not key:
            place += 1
        elif equals is not None:
            value, place = _item(text, equals.end(), _VALUE, unclosed)
            yield key, value
        else:
            yield key, None


def quoted(text: str) -> str:
    """A text as a value that `pairs` gives back."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _item(text: str, place: int, bare: re.Pattern[str], unclosed: set[str]) -> tuple[str, int]:
    """What begins here, and where it ends; unclosed : quotes and brackets that nothing closes any more."""
    first = text[place : place + 1]
    if first in _CLOSED and first not in unclosed:
        quote = _CLOSED[first]
        end = _bracket(text, place) if quote is None else _quote(text, place, quote)
        if end >= 0:
            inside = text[place + 1 : end]
            return inside if quote is None else _unescaped(inside), end + 1
        unclosed.add(first)
    end = _end(bare, text, place)
    return text[place:end].rstrip(",;"), end


def _end(pattern: re.Pattern[str], text: str, place: int) -> int:
    """Where a pattern that matches anywhere ends."""
    found = pattern.match(text, place)
    return place if found is None else found.end()


def _quote(text: str, place: int, stops: re.Pattern[str]) -> int:
    """Where a quote is closed, or -1; stops : that quote, or a backslash, which takes the next character's meaning."""
    while (found := stops.search(text, place + 1)) is not None:
        if found[0] != "\\":
            return found.start()
        place = found.end()
    return -1


def _bracket(text: str, place: int) -> int:
    """Where a bracket is closed, or -1."""
    depth = 0
    for found in _NESTED.finditer(text, place):
        depth += _DEPTH.get(found[0], 0)
        if depth == 0:
            return found.start()
    return -1


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], text, flags=re.DOTALL)
