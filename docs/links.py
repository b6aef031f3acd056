"""Relative links of Markdown pages, for places where they lead elsewhere or nowhere."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)([^)#\s]+)")
IMAGE = re.compile(r"!\[[^]]*]\((?!https?:)[^)]+\)\n*")
LINK = re.compile(r"\[([^]]*)]\((?!https?:|mailto:)([^)#\s]*)(?:#[^)]*)?\)")


def redirected(text: str, target: Callable[[str], str]) -> str:
    """The text with other targets of its relative links."""
    return TARGET.sub(lambda found: target(found[1]), text)


def named(text: str, folder: Path) -> str:
    """The text without relative images, and with the paths of pages in the repository in place of links to them."""

    def name(found: re.Match[str]) -> str:
        words, path = found.groups()
        return f"{words} (`{os.path.relpath((folder / path).resolve(), ROOT)}`)" if path else words

    return LINK.sub(name, IMAGE.sub("", text))
