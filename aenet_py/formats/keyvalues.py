"""Comment lines of extended XYZ: `key=value` pairs in any order, quoted, in brackets or bare.

Time and memory are linear in the length of the line, whatever its content.
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
    """Keys and values as written, without surrounding quotes or brackets; None for a word without a value."""
    position, unclosed = 0, set[str]()
    while position < len(text):
        usual = _USUAL.match(text, position)
        if usual is not None:
            position, group = usual.end(), usual.lastindex
            if group == 4:
                yield usual[1], usual[4].rstrip(",;")
            else:
                yield usual[1], None if group == 1 else usual[group or 0]
            continue
        position = _end(_GAP, text, position)
        key, position = _item(text, position, _KEY, unclosed)
        equals = _EQUALS.match(text, position)
        if not key:
            position += 1
        elif equals is not None:
            value, position = _item(text, equals.end(), _VALUE, unclosed)
            yield key, value
        else:
            yield key, None


def quoted(text: str) -> str:
    """Quote a text such that `pairs` returns it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _item(text: str, position: int, bare: re.Pattern[str], unclosed: set[str]) -> tuple[str, int]:
    """The key or value at a position, and its end; unclosed : quotes and brackets that are not closed in the rest."""
    first = text[position : position + 1]
    if first in _CLOSED and first not in unclosed:
        quote = _CLOSED[first]
        end = _bracket(text, position) if quote is None else _quote(text, position, quote)
        if end >= 0:
            inside = text[position + 1 : end]
            return inside if quote is None else _unescaped(inside), end + 1
        unclosed.add(first)
    end = _end(bare, text, position)
    return text[position:end].rstrip(",;"), end


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    """End of the match of a pattern that also matches nothing."""
    match = pattern.match(text, position)
    return position if match is None else match.end()


def _quote(text: str, position: int, stops: re.Pattern[str]) -> int:
    """Position of the closing quote, or -1; stops : that quote, or a backslash, which escapes the next character."""
    while (stop := stops.search(text, position + 1)) is not None:
        if stop[0] != "\\":
            return stop.start()
        position = stop.end()
    return -1


def _bracket(text: str, position: int) -> int:
    """Position of the closing bracket, or -1."""
    depth = 0
    for bracket in _NESTED.finditer(text, position):
        depth += _DEPTH.get(bracket[0], 0)
        if depth == 0:
            return bracket.start()
    return -1


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return re.sub(r"\\(.)", lambda escape: "\n" if escape[1] == "n" else escape[1], text, flags=re.DOTALL)
