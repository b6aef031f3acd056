"""One reader for all decks: keywords in any case and order, each with its line and the lines that belong to it.

Blank lines and lines that begin with ``!``, ``#`` or ``%`` are skipped (aeio_readline).  The first occurrence of a
keyword counts (inp_find_keyword).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from aenet_py.errors import InputError
from aenet_py.formats import listio
from aenet_py.formats.text import BLANKS, native, read_text, split_lines

COMMENT = ("!", "#", "%")
T = TypeVar("T")


@dataclass(frozen=True)
class Line:
    """A line with content: its number in the file, counted from 1, and its text without surrounding blanks."""

    number: int
    text: str


@dataclass(frozen=True)
class Entry:
    """A keyword's own line and the lines of its section, the line with their number left out."""

    line: Line
    body: tuple[Line, ...] = ()

    @property
    def rest(self) -> str:
        """The line behind the first blank after the keyword."""
        return re.split("[ \t]", self.line.text, maxsplit=1)[1] if re.search("[ \t]", self.line.text) else ""


@dataclass(frozen=True)
class Deck:
    path: str
    entries: Mapping[str, Entry]
    unknown: tuple[tuple[Line, str], ...]  # lines nobody asked for, with the nearest keyword or ""

    def path_of(self, keyword: str, what: str) -> str | None:
        """The path behind a keyword, for the operating system; None without the keyword."""
        entry = self.entries.get(keyword)
        if entry is None:
            return None
        found = words(entry.rest)
        if not found or not found[0] or found[0].startswith(COMMENT):
            raise InputError(self.path, f"found {keyword.upper()} without a value; expected {what}", entry.line.number)
        return native(found[0])

    def require(self, keyword: str, what: str) -> Entry:
        if keyword not in self.entries:
            message = f"no {keyword.upper()} found; expected {what}"
            for line, near in self.unknown:
                if near == keyword:
                    raise InputError(self.path, f"{message}; did you mean {first_word(line.text)!r}?", line.number)
            raise InputError(self.path, message)
        return self.entries[keyword]

    def argument(self, keyword: str, parse: Callable[[str], T], what: str) -> T | None:
        """The keyword's value, None without the keyword; InputError if parse refuses it."""
        entry = self.entries.get(keyword)
        if entry is None:
            return None
        found = "" if entry.rest.strip(BLANKS).startswith(COMMENT) else first_word(entry.rest)
        try:
            return parse(found)
        except ValueError:
            message = f"found {keyword.upper()} {found or 'without a value'!s}; expected {what}"
            raise InputError(self.path, message, entry.line.number) from None


def first_word(line: str) -> str:
    """The word a line begins with, as a list-directed read finds it; "" if it begins with a separator."""
    found = listio.items(line)
    return (found[0] or "") if found else ""


def words(text: str) -> list[str]:
    """Words between blanks, slashes and commas among them; quotes keep one with blanks together."""
    return [
        word[1:].removesuffix(word[0]) if word[0] in "'\"" else word
        for word in re.findall(r"""'[^']*'?|"[^"]*"?|[^ \t]+""", text)
    ]


def content_lines(path: str, what: str) -> list[Line]:
    """Lines of a deck that are neither blank nor comment."""
    lines = split_lines(read_text(path, what))
    numbered = (Line(n, text.strip(BLANKS)) for n, text in enumerate(lines, 1))
    return [line for line in numbered if line.text and not line.text.startswith(COMMENT)]


def read_deck(path: str, what: str, single: set[str], counted: set[str], per_type: set[str]) -> Deck:
    """Take a deck apart.

    single : keywords on a line of their own; counted : followed by a number and as many lines, ``types`` among them;
    per_type : followed by one line a species.
    """
    lines = content_lines(path, what)
    keywords = single | counted | per_type
    n_types = _number_of_types(path, lines)
    entries: dict[str, Entry] = {}
    unknown: list[tuple[Line, str]] = []
    position = 0
    while position < len(lines):
        line = lines[position]
        keyword = first_word(line.text).lower()
        position += 1
        if keyword not in keywords:
            near = difflib.get_close_matches(keyword, keywords, n=1, cutoff=0.7)
            unknown.append((line, near[0] if near else ""))
            continue
        body: list[Line] = []
        if keyword in counted or keyword in per_type:
            n = n_types
            if keyword in counted:
                n = _count(path, keyword, line, lines[position : position + 1])
                position += 1
            body = lines[position : position + n]
            if len(body) < n:
                message = f"{keyword.upper()} needs {n} lines, but the file ends after {len(body)} of them"
                raise InputError(path, message, (body[-1] if body else line).number)
            position += n
        entries.setdefault(keyword, Entry(line, tuple(body)))
    return Deck(path, entries, tuple(unknown))


def _number_of_types(path: str, lines: list[Line]) -> int:
    for position, line in enumerate(lines):
        if first_word(line.text).lower() == "types":
            return _count(path, "types", line, lines[position + 1 : position + 2])
    return 0


def _count(path: str, keyword: str, line: Line, following: list[Line]) -> int:
    found = following[0] if following else Line(line.number, "the end of the file")
    try:
        count = listio.integer(listio.items(found.text)[0] or "")
        if count < 1:
            raise ValueError
    except (ValueError, IndexError):
        message = f"found {found.text!r} after {keyword.upper()}; expected a number of lines, at least 1"
        raise InputError(path, message, found.number) from None
    return count
