"""Tutorials as notebooks, and the README without its relative links."""

from __future__ import annotations

import json
import re
import runpy

import pytest

from compat_tests.cli.cases import ROOT
from compat_tests.docs.pages import tokens

MADE = runpy.run_path(str(ROOT / "docs" / "notebooks.py"))
TUTORIALS = sorted(MADE["TUTORIALS"].glob("*.md"))


@pytest.fixture
def page(tmp_path):
    made = tmp_path / "page.md"
    made.write_text(
        "# Title\n\nText, [link](page.md#title).\n\n```sh\nmkdir a\ncd a\npwd\ncd ..\n```\n\n```text\na\n```\n\n"
        "```python\nx = 1\n```\n\n![Figure](page/b/c.png)\n\n```text\nalone\n```\n"
    )
    return made


def source(cell) -> str:
    return "".join(cell["source"])


def test_cells_of_a_page(page):
    cells = [cell for cell in MADE["notebook"](page)["cells"] if cell["cell_type"] == "code"]
    figure = 'from IPython.display import Image\n\nImage("b/c.png", width=680)'
    sources = ["%%bash -e\nmkdir a", "%cd -q a", "%%bash -e\npwd", "%cd -q ..", "x = 1", figure]
    assert list(map(source, cells)) == sources
    shown = [{"name": "stdout", "output_type": "stream", "text": ["a\n"]}]
    assert [cell["outputs"] for cell in cells] == [[], [], shown, [], [], []]
    assert [cell["metadata"]["line"] for cell in cells] == [5, 5, 5, 5, 16, 19]


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_notebook_has_all_cells_and_results_of_its_page(page, tmp_path):
    MADE["write"](tmp_path)
    cells = json.loads((tmp_path / f"{page.stem}.ipynb").read_text())["cells"]
    fences = [token for token in tokens(page) if token.type == "fence"]
    assert {token.info for token in fences} <= {"sh", "python", "text"}
    code = [source(cell) for cell in cells if cell["cell_type"] == "code"]
    lines = "\n".join(re.sub(r"^%cd -q", "cd", each) for each in code).splitlines()
    for token in fences:
        if token.info != "text":
            assert all(line in lines for line in token.content.splitlines())
    printed = ["".join(output["text"]) for cell in cells for output in cell.get("outputs", ())]
    assert printed == [token.content for token in fences if token.info == "text"]
    assert not any("](../" in source(cell) for cell in cells)


def test_python_cells_of_a_notebook_compile():
    for page in TUTORIALS:
        for cell in MADE["notebook"](page)["cells"]:
            if cell["cell_type"] == "code" and not source(cell).startswith("%"):
                compile(source(cell), page.name, "exec")


def test_links_in_other_places():
    named = runpy.run_path(str(ROOT / "docs" / "links.py"))["named"]
    text = "![figure](docs/images/speed.png)\n\n[a `b`](docs/install.md#extras), [c](#d), [e](https://x.org/f.md)"
    assert named(text, ROOT) == "a `b` (`docs/install.md`), c, [e](https://x.org/f.md)"
    assert named("[a](../install.md)", ROOT / "docs" / "tutorials") == "a (`docs/install.md`)"


def test_the_description_on_pypi_has_no_relative_links():
    named = runpy.run_path(str(ROOT / "docs" / "links.py"))["named"]
    text = named((ROOT / "README.md").read_text(), ROOT)
    assert "docs/tutorials/own-data.md" in text
    assert re.findall(r"\]\((?!https?://)", text) == []
