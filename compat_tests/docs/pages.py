"""The Markdown pages of the repository: their links, anchors, code and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from compat_tests.cli.cases import ROOT

PARSER = MarkdownIt("commonmark").enable("table")
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/*.md", "fixtures/*.md", ".github/**/*.md")
    for page in ROOT.glob(pattern)
)
HTML = re.compile(r"""<(?:a|img)\s[^>]*?(?:href|src)=["']([^"']+)["']""")


def tokens(page: Path) -> Iterator[Token]:
    """All tokens of a page, those within others after them."""
    for token in PARSER.parse(page.read_text(encoding="utf-8")):
        yield token
        yield from token.children or ()


def links(page: Path) -> Iterator[str]:
    """Where links and images of a page lead."""
    for token in tokens(page):
        if token.type in ("link_open", "image"):
            yield str(token.attrs.get("href") or token.attrs["src"])
        elif token.type in ("html_inline", "html_block"):
            yield from HTML.findall(token.content)


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as GitHub makes them."""
    found: set[str] = set()
    is_heading = False
    for token in tokens(page):
        if token.type == "inline" and is_heading:
            text = "".join(each.content for each in token.children or ())
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            n = 0
            while (slug if n == 0 else f"{slug}-{n}") in found:
                n += 1
            found.add(slug if n == 0 else f"{slug}-{n}")
        if token.type in ("heading_open", "heading_close"):
            is_heading = token.type == "heading_open"
    return found


def code(page: Path) -> set[str]:
    """The words in the code of a page, within sentences and in blocks."""
    kinds = ("code_inline", "code_block", "fence")
    return {word for token in tokens(page) if token.type in kinds for word in re.findall(r"\w+", token.content)}


def rows(page: Path) -> Iterator[tuple[str, list[Token]]]:
    """The rows of all tables of a page without their headings: the section, and the content of each cell."""
    section = ""
    cells: list[Token] = []
    before = ""
    for token in tokens(page):
        if token.type == "inline" and before == "heading_open":
            section = token.content
        if token.type == "inline" and before == "td_open":
            cells.append(token)
        if token.type == "tr_close" and cells:
            yield section, cells
            cells = []
        before = token.type


def names(cell: Token) -> list[str]:
    """The code within a cell."""
    return [token.content for token in cell.children or () if token.type == "code_inline"]
