"""The last lines of a command: the files that it wrote."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

WIDTH = 80
HEAD = "written: "


def written(paths: Iterable[str]) -> str:
    """The files that a command wrote, in lines of 80 characters where the names allow it."""
    return textwrap.fill(
        ", ".join(paths), WIDTH, initial_indent=HEAD, subsequent_indent=" " * len(HEAD), break_long_words=False,
        break_on_hyphens=False,
    ) + "\n"  # fmt: skip
