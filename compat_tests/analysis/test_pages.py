"""One table as HTML and as Markdown, and drawings as SVG."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

from aenet_py.analysis import pages
from aenet_py.analysis.pages import Drawing, Key, Section, Table

TABLE = Table(["way", "error, meV/Å"], [["a|b <i>", "1.0"], ["c", "p = 2"]], "Means & more")


def line(ax) -> None:
    ax.plot([0, 1], [0, 1], "o-", label="R²")
    ax.legend()


def test_a_table_in_both_forms():
    html = pages.table(TABLE)
    ElementTree.fromstring(f"<div>{html.replace('&', '&amp;')}</div>")  # every element is closed
    assert "Means &amp; more" in html
    assert '<td class="word">a|b &lt;i&gt;</td><td>1.0</td>' in html
    assert "<td>p\u00a0=\u00a02</td>" in html
    assert pages.markdown_table(TABLE).splitlines() == [
        "| way | error, meV/Å |", "| --- | --- |", "| a\\|b <i> | 1.0 |", "| c | p = 2 |",
    ]  # fmt: skip


def test_sentences_carry_their_titles_to_narrow_screens():
    html = pages.table(Table(["way", 'a "b"'], [["c", "d"]], sentences=True))
    assert '<td class="word" data-head="a &quot;b&quot;">d</td>' in html
    assert "data-head" not in pages.table(TABLE)


def test_a_drawing():
    keys = [Key("a & b", "#0072B2", "--", "o"), Key("open", "#222222", "", "s", hollow=True)]
    drawing = Drawing("name", "What it shows.", [line, line], keys)
    html = pages.drawing(drawing)
    svgs = re.findall(r'<svg role="img".*?</svg>', html, re.S)
    assert len(svgs) == 2
    for svg in svgs:
        ElementTree.fromstring(svg)
        assert "R²</text>" in svg  # text, not outlines
    clips = [set(re.findall(r'<clipPath id="(\w+)"', svg)) for svg in svgs]
    assert clips[0]
    assert not clips[0] & clips[1]
    assert "a &amp; b</li>" in html
    assert html.count("stroke-dasharray") == 1
    assert len(pages.whole(drawing).axes) == 2
    folded = pages.drawing(Drawing("name", "What it shows.", [line], folded=True))
    assert folded.startswith("<details><summary>What it shows.</summary>")


def test_sections_as_markdown():
    parts = [
        Section("A title", ["A sentence.", TABLE, Drawing("one", "A figure.", [line]), Drawing("two", "Another.", [])])
    ]
    lines = pages.markdown("The page", parts, {"one": "figures/one.png"}).splitlines()
    assert lines[:6] == ["# The page", "", "## A title", "", "A sentence.", ""]
    assert lines[6:8] == ["Means & more", ""]
    assert lines[-1] == "![A figure.](figures/one.png)"
