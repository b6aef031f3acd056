"""The page of a study, the same as Markdown, and the figures as files."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
from pathlib import Path

import pytest

from aenet_py.analysis.pages import Drawing, Table
from aenet_py.errors import AenetError
from aenet_py.studies import read, structures
from aenet_py.studies.report import report, sections
from aenet_py.studies.simulations import averaged, curve
from compat_tests.studies.folders import put, study, tables

TITLES = [
    "What the study reports, and what is found here", "Data for pre-training", "Choice of the descriptor",
    "Choice of optimizer, rate and weight decay", "Choice of the weight of forces, alpha", "Pre-training",
    "Direct application", "Fine-tuning and training from scratch", "Predictions and references",
    "Stability of simulations", "Temperature", "Distances",
]  # fmt: skip
DRAWN = ("screening", "pretraining", "curves", "direct", "temperatures", "distances", "parity", "subsets")
OF_TABLE = {  # sections that are left out without a table
    "subsets": TITLES[1:2], "screening": TITLES[2:5], "direct": TITLES[6:7], "parity": TITLES[8:9],
    "simulations": TITLES[9:10], "temperatures": TITLES[10:11], "distances": TITLES[11:12],
}  # fmt: skip


@pytest.fixture
def no_viewer(monkeypatch):
    """As if chemiscope was not installed."""

    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(structures.importlib.metadata, "distribution", missing)


@pytest.fixture
def viewer(tmp_path, monkeypatch):
    """A package in place of chemiscope, with the files that are used of it."""
    site = tmp_path / "site"
    info, script = site / "chemiscope-9.0.dist-info", site / structures.SCRIPT
    info.mkdir(parents=True)
    script.parent.mkdir(parents=True)
    script.write_text("var Chemiscope = {end: '</script>'};")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: chemiscope\nVersion: 9.0\n")
    (info / "LICENSE").write_text("Copyright of the viewer\n")
    (info / "RECORD").write_text("chemiscope-9.0.dist-info/LICENSE,,\nchemiscope-9.0.dist-info/METADATA,,\n")
    monkeypatch.syspath_prepend(str(site))


def titles(folder: Path) -> list[str]:
    return [each.title for each in sections(read.read(str(folder)))]


def test_all_sections_in_the_order_of_the_study(tmp_path):
    assert titles(study(tmp_path / "study")) == TITLES


@pytest.mark.parametrize("name", OF_TABLE)
def test_sections_without_numbers_are_left_out(tmp_path, name):
    assert titles(study(tmp_path / "study", without=(name,))) == [each for each in TITLES if each not in OF_TABLE[name]]


def test_empty_columns(tmp_path):
    """Of six molecules and training errors, which need not be known."""
    folder = study(tmp_path / "study", without=tuple(name for name in tables() if name != "finetuning"))
    head, rows = tables()["finetuning"]
    for row in rows:
        row[4:6], row[8:11] = ["", ""], ["", "", ""]
    put(folder, "finetuning", head, rows)
    found = sections(read.read(str(folder)))
    assert [each.title for each in found] == [TITLES[0], TITLES[7]]
    table, drawing = found[1].blocks[:2]
    assert isinstance(table, Table)
    assert table.head == ["way", "seeds", "energy, test, meV/atom", "force, test, meV/Å"]
    assert isinstance(drawing, Drawing)
    assert len(drawing.panels) == 2


def test_learning_curves_without_values(tmp_path):
    """A quantity without values has no panel."""
    rows = [["pretraining any", 1, 2.0, ""], ["8K any 1", 1, "", ""]]
    put(tmp_path, "curves", "training epoch energy_test_meV_per_atom force_test_meV_per_A", rows)
    (found,) = sections(read.read(str(tmp_path)))
    (drawing,) = found.blocks
    assert isinstance(drawing, Drawing)
    assert (drawing.name, len(drawing.panels)) == ("learning-pretraining", 1)


@pytest.mark.usefixtures("no_viewer")
def test_page(tmp_path):
    out = str(tmp_path / "page.html")
    drawn: list[int] = []
    assert report(str(study(tmp_path / "study")), out, advance=drawn.append) == [out]
    page = Path(out).read_text()
    drawings = [block for part in sections(read.read(str(tmp_path / "study"))) for block in part.blocks]
    n_panels = sum(len(block.panels) for block in drawings if isinstance(block, Drawing))
    assert page.count('<svg role="img"') == len(drawn) == n_panels
    assert re.findall("<h2>(.*)</h2>", page) == TITLES
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert "@import" not in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', page)) <= set(ids)


@pytest.mark.usefixtures("no_viewer")
def test_markdown_and_figures(tmp_path):
    folder, text = study(tmp_path / "study", without=DRAWN), tmp_path / "docs" / "README.md"
    text.parent.mkdir()
    paths = report(str(folder), str(tmp_path / "page.html"), str(text), str(tmp_path / "docs" / "figures"), "svg")
    assert sorted(paths[2:]) == sorted(str(path) for path in (tmp_path / "docs" / "figures").iterdir())
    written = text.read_text()
    assert re.findall("^## (.*)$", written, re.M) == [TITLES[0], TITLES[7], TITLES[9]]
    linked = re.findall(r"!\[.*\]\((.*)\)", written)
    assert [os.path.join(text.parent, link) for link in linked] == paths[2:]
    assert "| 0.6K | scratch | 250 | 0 of 5 | 13.3 ± 26.1 | 2.00 |" in written
    page = (tmp_path / "page.html").read_text()
    report(str(folder), str(tmp_path / "page.html"), str(text))
    assert (tmp_path / "page.html").read_text() == page
    assert "![" not in text.read_text()


@pytest.mark.usefixtures("viewer")
def test_structures(tmp_path):
    out = tmp_path / "page.html"
    report(str(study(tmp_path / "study", without=(*DRAWN, "simulations"), structures=True)), str(out))
    page = out.read_text()
    assert page.count("<script") == page.count("</script>") == 4
    assert "var Chemiscope = {end: '<\\/script>'};" in page
    assert "Copyright of the viewer" in page
    data = json.loads(re.search(r'id="structures-data">(.*?)</script>', page).group(1))
    assert [each["names"] for each in data["structures"]] == [["Cu", "Au"], ["O", "H", "H"]]
    assert data["structures"][0]["z"] == [0, 2.5]
    buttons = re.findall(r'<button data-caption="(.*?)" aria-pressed="(.*?)">(.*?)</button>', page)
    assert buttons == [("A dimer", "true", "dimer &lt;/script&gt;"), ("", "false", "structure 2")]


@pytest.mark.usefixtures("no_viewer")
def test_structures_without_a_viewer(tmp_path):
    text = structures.section(str(study(tmp_path / "study", structures=True)))
    assert "install chemiscope (pip install 'aenet_py[viewer]')" in text
    assert "<script" not in text


def test_installed_viewer():
    """The package has what is used of it, also in later versions."""
    pytest.importorskip("chemiscope", reason="needs chemiscope")
    assert "StructureVisualizer" in structures._script()
    assert "BSD" in structures._licences() or "Redistribution" in structures._licences()


def test_nothing_is_written_on_bad_input(tmp_path):
    folder = study(tmp_path / "study", structures=True)
    (folder / "structures.extxyz").write_text("2\n\nCu 0 0 0\n")
    arguments = (str(tmp_path / "page.html"), str(tmp_path / "page.md"), str(tmp_path / "figures"))
    with pytest.raises(AenetError, match=r"structures.extxyz: cannot be read: "):
        report(str(folder), *arguments)
    with pytest.raises(AenetError, match="no such folder"):
        report(str(tmp_path / "none"), *arguments)
    with pytest.raises(AenetError, match="the page has the same name"):
        report(str(folder), arguments[0], arguments[0])
    os.remove(folder / "structures.extxyz")
    with pytest.raises(AenetError, match=r"README.md: cannot be written: No such file or directory"):
        report(
            str(folder), str(tmp_path / "page.html"), str(tmp_path / "none" / "README.md"), str(tmp_path / "figures")
        )
    assert [path.name for path in tmp_path.iterdir()] == ["study"]


def test_survival_and_averages(tmp_path):
    found = read.read(str(study(tmp_path / "study")))
    one = curve(found["simulations"].where(set="0.6K", way="scratch"))
    assert one.times.tolist() == [0, 0.5, 1, 2, 3, 60]
    assert one.probability.tolist() == pytest.approx([1, 0.8, 0.6, 0.4, 0.2, 0])
    assert curve(found["simulations"].where(set="8K", way="any")).probability.tolist() == [1, 1]
    r, g = averaged(found["distances"].where(set="0.6K", way="both", pair="O-H"))
    assert (r.tolist(), g.tolist()) == ([0.5, 1, 1.5], [2, 2.5, 3])
