"""Pages of the documentation: their cells print what they show."""

from __future__ import annotations

import re
import runpy

import pytest

from compat_tests.cli.cases import ROOT
from compat_tests.docs import cells


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "tutorials").glob("*.md")), ids=lambda page: page.stem)
def test_tutorials(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = cells.run(page)
    assert done
    for each in done:
        line = page.read_text().count("\n", 0, each.place.start)
        assert cells.agree(each.shown, each.printed), f"{page}:{line}: shows\n{each.shown}\nbut prints\n{each.printed}"
    for figure in cells.figures(page):
        assert (tmp_path / figure).exists()
        assert (page.parent / page.stem / figure).exists()


@pytest.mark.slow
def test_python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cells.run(ROOT / "docs" / "python.md")


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("RMSE 12.34 meV\n", "RMSE  12.94 meV", True),
        ("RMSE 12.34 meV\n", "RMSE 12.99 meV", False),
        ("drift 0.001 meV", "drift 0.002 meV", True),
        ("drift 0.001 meV", "drift 0.003 meV", False),
        ("1,234.5 eV, 3 atoms", "1,234.6 eV, 3 atoms", True),
        ("1,234.5 eV, 3 atoms", "1,234.5 eV, 4 atoms", False),
        ("needs ... GB, ... s", "needs 1.5 GB, 3 s", True),
        ("needs ... GB", "needs 1.5 MB", False),
        ("p = 4.8e-05", "p = 4.9e-05", True),
        ("p = 4.8e-05", "p = 4.8e-04", False),
        ("", "printed", False),
    ],
)
def test_what_a_cell_prints_is_compared(shown, printed, same):
    assert cells.agree(shown, printed) == same


def test_what_a_cell_prints(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n\n```python\nimport warnings\nwarnings.warn('no part')\nprint('python')\n```\n\n```text\n1\n```\n\n"
        "```sh\necho first >&2\nmkdir folder\ncd folder\nbasename $PWD\ncd ..\n```\n\n```text\n2\n```\n"
    )
    monkeypatch.chdir(tmp_path)
    found = [(each.shown, each.printed) for each in cells.run(page)]
    assert found == [("1\n", "python\n"), ("2\n", "first\nfolder\n")]


def test_a_command_that_fails_ends_a_page(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("```sh\ncd /\n```\n\n```sh\npwd\n```\n\n```text\n/\n```\n\n```sh\nfalse\n```\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match=r"page\.md:13: "):
        cells.run(page)


def test_the_page_of_commands_has_all_programs():
    programs = re.findall(r"^:prog: (.+)$", (ROOT / "docs" / "commands.md").read_text(), re.MULTILINE)
    assert sorted(programs) == sorted(path.name for path in (ROOT / "bin").iterdir())


def test_the_figure_of_speeds_finds_them_in_the_tables():
    script = runpy.run_path(str(ROOT / "docs" / "images" / "speed.py"))
    assert all(script["ratio"](*row[1:]) > 1 for row in script["ROWS"])
    with pytest.raises(ValueError, match="no table has a row"):
        script["ratio"]("README.md", "one epoch, s", "nothing")
