"""Files of paths: the files themselves, and those in folders."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence

from aenet_py.errors import AenetError
from aenet_py.runtime.output import is_pending


def files_in(
    paths: Sequence[str], wanted: Callable[[str], bool], what: str, exists: Callable[[str], bool] = os.path.exists
) -> list[str]:
    """Files in the given order; those in folders, and in folders of these, sorted by name and numbers by value.

    wanted : selects the files of a folder; what : describes them; exists : whether there is such a file.
    AenetError for a path that does not exist, a folder without such files, or a file that is given twice.
    """
    files: list[str] = []
    for path in paths:
        if not os.path.isdir(path):
            if not exists(path):
                raise AenetError(f"{path}: no such file; expected {what}")
            files.append(path)
            continue
        inside = [os.path.join(folder, name) for folder, names in _walk(path) for name in names if wanted(name)]
        if not inside:
            raise AenetError(f"{path}: no such file in this folder; expected {what}")
        files += sorted(inside, key=_natural)
    seen: set[str] = set()
    for path in files:
        if os.path.realpath(path) in seen:
            raise AenetError(f"{path}: this file is given twice")
        seen.add(os.path.realpath(path))
    return files


def _walk(path: str) -> Iterator[tuple[str, list[str]]]:
    """A folder and all complete folders in it, with the names of their files."""
    for folder, inside, names in os.walk(path):
        inside[:] = [name for name in inside if not is_pending(name)]
        yield folder, names


def _natural(path: str) -> list[tuple[int, str]]:
    """Key that sorts 2 before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path)]
