"""The reader of all input files (decks): keywords in any case and order, each with its lines.

Blank lines and lines that begin with ``!``, ``#`` or ``%`` are skipped (aeio_readline).  The first occurrence of a
keyword counts (inp_find_keyword).
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TypeVar

from aenet_py.errors import InputError
from aenet_py.formats import listio
from aenet_py.formats.text import BLANKS, native, read_text, split_lines

COMMENT = ("!", "#", "%")
MOST_WARNINGS = 3  # of lines without a keyword
T = TypeVar("T")


@dataclass(frozen=True)
class Line:
    """A line that is not blank: its number in the file, counted from 1, and its text without surrounding blanks."""

    number: int
    text: str


@dataclass(frozen=True)
class TrainKeyword:
    """The line of a keyword, its value or settings with the number of their line, and the lines of a block."""

    line: Line
    words: tuple[str, ...]
    number: int
    body: tuple[Line, ...] = ()


@dataclass(frozen=True)
class KeywordLine:
    """The line of a keyword, and the lines of its section, without that with their number."""

    line: Line
    body: tuple[Line, ...] = ()

    @property
    def rest(self) -> str:
        """The text after the keyword and a blank."""
        return re.split("[ \t]", self.line.text, maxsplit=1)[1] if re.search("[ \t]", self.line.text) else ""


@dataclass(frozen=True)
class Deck:
    """An input file, split into keywords; unknown : lines that do not belong to a keyword."""

    path: str
    entries: Mapping[str, KeywordLine]
    keywords: frozenset[str]
    unknown: tuple[Line, ...]

    def path_of(self, keyword: str, what: str) -> str | None:
        """The path after a keyword, for the operating system; None without the keyword."""
        entry = self.entries.get(keyword)
        if entry is None:
            return None
        values = words(entry.rest)
        if not values or not values[0] or values[0].startswith(COMMENT):
            raise InputError(self.path, f"found {keyword.upper()} without a value; expected {what}", entry.line.number)
        return native(values[0])

    def require(self, keyword: str, what: str) -> KeywordLine:
        """The lines of a keyword; InputError without it, with a hint if a line resembles it."""
        if keyword not in self.entries:
            message = f"no {keyword.upper()} found; expected {what}"
            for line in self.unknown:
                if self.nearest(line) == keyword:
                    raise InputError(self.path, f"{message}; did you mean {first_word(line.text)!r}?", line.number)
            raise InputError(self.path, message)
        return self.entries[keyword]

    def argument(self, keyword: str, parse: Callable[[str], T], what: str) -> T | None:
        """The value of a keyword, None without the keyword; InputError if parse raises ValueError."""
        entry = self.entries.get(keyword)
        if entry is None:
            return None
        value = "" if entry.rest.strip(BLANKS).startswith(COMMENT) else first_word(entry.rest)
        try:
            return parse(value)
        except ValueError:
            message = f"found {keyword.upper()} {value or 'without a value'!s}; expected {what}"
            raise InputError(self.path, message, entry.line.number) from None

    def nearest(self, line: Line) -> str:
        """The keyword most similar to the first word of a line, or ""."""
        near = difflib.get_close_matches(first_word(line.text).lower(), self.keywords, n=1, cutoff=0.7)
        return near[0] if near else ""

    def flag(self, keyword: str) -> bool | None:
        """A logical value, true for the keyword alone, None without it."""
        return self.argument(keyword, lambda text: listio.logical(text or "T"), ".true. or .false.")

    def is_quiet(self, warn: Callable[[str], None]) -> bool:
        """Whether VERBOSITY is low; unknown values are a warning."""
        verbosity = (self.argument("verbosity", str, "low, normal or high") or "normal").lower()
        if verbosity not in ("low", "normal", "high"):
            number = self.entries["verbosity"].line.number
            warn(f"{self.path}:{number}: found VERBOSITY {verbosity}, taken for normal; expected low, normal or high")
        return verbosity == "low"

    def warn_of_unknown(self, warn: Callable[[str], None]) -> None:
        """Warn of lines that do not belong to a keyword."""
        for line in self.unknown[:MOST_WARNINGS]:
            near = self.nearest(line)
            hint = f"; did you mean {near.upper()}?" if near else ""
            warn(f"{self.path}:{line.number}: ignoring {first_word(line.text)!r}, which is not a keyword{hint}")
        more = self.unknown[MOST_WARNINGS:]
        if more:
            warn(f"{self.path}:{more[0].number}: ignoring {len(more)} more lines without a keyword")

    def files_of_species(self, keyword: str, types: Sequence[str], name: str, what: str) -> tuple[str, ...]:
        """The file of each species, from lines '<symbol> <file>' in any order; InputError if one does not exist."""
        files = self.lines_of_species(keyword, types, name)
        for line, path in files:
            if not os.path.exists(path):
                raise self.missing(line, path, what)
        return tuple(path for _, path in files)

    def lines_of_species(self, keyword: str, types: Sequence[str], name: str) -> list[tuple[Line, str]]:
        """The same files, which need not exist, with their lines."""
        files: dict[str, tuple[Line, str]] = {}
        for line in self.entries[keyword].body:
            given = words(line.text)
            if len(given) < 2:
                message = f"found {line.text!r} in {keyword.upper()}; expected '<symbol> <{name}>'"
                raise InputError(self.path, message, line.number)
            symbol, path = first_word(line.text), native(given[1])
            if symbol not in types:
                message = f"{keyword.upper()} names {symbol!r}; expected one of the species of TYPES: {' '.join(types)}"
                raise InputError(self.path, message, line.number)
            if symbol in files:
                raise InputError(self.path, f"{keyword.upper()} names {symbol!r} twice", line.number)
            files[symbol] = (line, path)
        return [files[t] for t in types]

    def missing(self, line: Line, path: str, what: str) -> InputError:
        """The error for a file that does not exist."""
        return InputError(self.path, f"found {path!r}, which does not exist; expected {what}", line.number)


def nobody(message: str) -> None:
    """Discard a warning."""


def first_word(line: str) -> str:
    """The first item of a line in list-directed reading; "" if the line begins with a separator."""
    items = listio.items(line)
    return (items[0] or "") if items else ""


def words(text: str) -> list[str]:
    """Words separated by blanks only (not by slashes or commas); quotes enclose words with blanks."""
    return [
        word[1:].removesuffix(word[0]) if word[0] in "'\"" else word
        for word in re.findall(r"""'[^']*'?|"[^"]*"?|[^ \t]+""", text)
    ]


def content_lines(path: str, what: str) -> list[Line]:
    """Lines of a deck that are neither blank nor comments."""
    lines = split_lines(read_text(path, what))
    numbered = (Line(n, text.strip(BLANKS)) for n, text in enumerate(lines, 1))
    return [line for line in numbered if line.text and not line.text.startswith(COMMENT)]


def read_deck(
    path: str, what: str, single: Set[str], counted: Set[str], per_type: Set[str], followed: Set[str] = frozenset()
) -> Deck:
    """Read a deck and split it into keywords, as `split` does."""
    return split(path, content_lines(path, what), single, counted, per_type, followed)


def split(
    path: str, lines: Sequence[Line], single: Set[str], counted: Set[str], per_type: Set[str],
    followed: Set[str] = frozenset(),
) -> Deck:  # fmt: skip
    """Split the lines of a deck into keywords.

    single : keywords without further lines; counted : followed by a number and as many lines, including ``types``;
    per_type : followed by one line per species; followed : by one line, unless it begins with a keyword.
    """
    keywords = single | counted | per_type | followed
    n_types = _number_of_types(path, lines)
    entries: dict[str, KeywordLine] = {}
    unknown: list[Line] = []
    position = 0
    while position < len(lines):
        line = lines[position]
        keyword = first_word(line.text).lower()
        position += 1
        if keyword not in keywords:
            unknown.append(line)
            continue
        body: list[Line] = []
        if keyword not in single:
            n = n_types if keyword in per_type else 1
            if keyword in counted:
                n = _count(path, keyword, line, lines[position : position + 1])
                position += 1
            body = list(lines[position : position + n])
            if keyword in followed and (not body or first_word(body[0].text).lower() in keywords):
                body, n = [], 0
            if len(body) < n:
                message = f"{keyword.upper()} needs {n} lines, but the file ends after {len(body)} of them"
                raise InputError(path, message, (body[-1] if body else line).number)
            position += n
        entries.setdefault(keyword, KeywordLine(line, tuple(body)))
    return Deck(path, entries, frozenset(keywords), tuple(unknown))


def _number_of_types(path: str, lines: Sequence[Line]) -> int:
    for position, line in enumerate(lines):
        if first_word(line.text).lower() == "types":
            return _count(path, "types", line, lines[position + 1 : position + 2])
    return 0


def _count(path: str, keyword: str, line: Line, following: Sequence[Line]) -> int:
    given = following[0] if following else Line(line.number, "the end of the file")
    try:
        count = listio.integer(listio.items(given.text)[0] or "")
        if count < 1:
            raise ValueError
    except (ValueError, IndexError):
        message = f"found {given.text!r} after {keyword.upper()}; expected a number of lines, at least 1"
        raise InputError(path, message, given.number) from None
    return count


def parameter(path: str, number: int, line: str, key: str, parse: Callable[[str], T]) -> T | None:
    """The value after ``key =`` (readval in io), None without the key."""
    _, given, rest = line.partition(key)
    if not given:
        return None
    what = f"'{key} = <{'integer' if parse is listio.integer else 'number' if parse is listio.real else 'name'}>'"
    return value_of(path, number, rest.partition("=")[2], parse, what)


def value_of(path: str, number: int, text: str, parse: Callable[[str], T], what: str) -> T:
    """The first item of a text, parsed; InputError if parse raises ValueError."""
    item = (listio.items(text) or [""])[0] or ""
    try:
        if not item:
            raise ValueError
        return parse(item)
    except ValueError:
        raise InputError(path, f"found {item or 'nothing'!r}; expected {what}", number) from None
