"""Links within the documentation lead somewhere."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest

from compat_tests.cli.cases import ROOT
from compat_tests.docs.pages import PAGES, anchors, links


def broken(page: Path) -> list[str]:
    """The relative links of a page to files or headings that do not exist."""
    found = []
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and (target.suffix != ".md" or anchor not in anchors(target))):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page):
    assert broken(page) == []


def test_all_pages_are_read():
    read = {str(page.relative_to(ROOT)) for page in PAGES}
    assert {"README.md", "CONTRIBUTING.md", "docs/train.md", "docs/study/README.md", "benchmarks/README.md"} <= read


def test_broken_links_are_found(tmp_path):
    (tmp_path / "other.md").write_text("# A `x.y` heading: *here*\n\n# Twice\n\n# Twice\n")
    page = tmp_path / "page.md"
    right = "[a](other.md#a-xy-heading-here) [b](other.md#twice-1) [c](https://x.org/none.md) `[d](none.md)`\n\n"
    wrong = '[e](other.md#twice-2) [f](none.md) ![g](none.png) <a href="gone.md">h</a>\n\n    [i](none.md)\n'
    page.write_text(right + wrong)
    assert broken(page) == ["other.md#twice-2", "none.md", "none.png", "gone.md"]
