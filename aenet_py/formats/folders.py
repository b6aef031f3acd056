"""The files that paths stand for: themselves, or, of folders, what is in them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence

from aenet_py.errors import AenetError
from aenet_py.runtime.output import is_pending


def files_in(paths: Sequence[str], wanted: Callable[[str], bool], what: str) -> list[str]:
    """Files in the order given, those of a folder and its folders by name, numbers in names by value.

    wanted : which files of a folder count; what : they are, in words.  AenetError for a path that does not exist, a
    folder without such files, or a file that is given twice.
    """
    found: list[str] = []
    for path in paths:
        if not os.path.isdir(path):
            if not os.path.exists(path):
                raise AenetError(f"{path}: no such file; expected {what}")
            found.append(path)
            continue
        inside = [os.path.join(folder, name) for folder, names in _walk(path) for name in names if wanted(name)]
        if not inside:
            raise AenetError(f"{path}: found a folder without such a file; expected {what}")
        found += sorted(inside, key=_natural)
    seen: set[str] = set()
    for path in found:
        if os.path.realpath(path) in seen:
            raise AenetError(f"{path}: this file is given twice; expected each once")
        seen.add(os.path.realpath(path))
    return found


def _walk(path: str) -> Iterator[tuple[str, list[str]]]:
    """A folder and all folders in it that are complete, with the names of their files."""
    for folder, inside, names in os.walk(path):
        inside[:] = [name for name in inside if not is_pending(name)]
        yield folder, names


def _natural(path: str) -> list[tuple[int, str]]:
    """Sorts 2 before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path)]
