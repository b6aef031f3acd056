"""Pages with cells: blocks of ``sh`` and ``python``, which run in order, and what they print, in a block of ``text``.

    python -m compat_tests.docs.cells docs/tutorials/own-data.md

writes into the page what its cells print now, and beside it the figures they make.  In the text, ``...`` is anything,
and numbers with a decimal point may differ by five percent or one unit of the last digit, as trainings on another
processor end at slightly different weights.  Cells run in a kernel of Jupyter, as the notebook that the site offers.
"""

from __future__ import annotations

import json
import math
import os
import re
import runpy
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

from compat_tests.cli.cases import ROOT

NOTEBOOKS = runpy.run_path(str(ROOT / "docs" / "notebooks.py"))
TOLERANCE = 0.05
NUMBER = r"-?\d[\d,]*\.\d+(?:e[-+]?\d+)?"


@dataclass(frozen=True)
class Shown:
    """A block of text below a cell: its place in the page, what it shows, and what the cell printed."""

    place: slice
    shown: str
    printed: str


def agree(shown: str, printed: str) -> bool:
    """Whether a cell printed what the page shows."""
    numbers: list[str] = []

    def pattern(word: str) -> str:
        if word == "...":
            return ".*?"
        if re.fullmatch(NUMBER, word):
            numbers.append(word)
            return f"({NUMBER})"
        return r"\s+" if word.isspace() else re.escape(word)

    words = re.split(rf"(\.\.\.|{NUMBER}|\s+)", shown.strip())
    found = re.fullmatch("".join(map(pattern, words)), printed.strip(), re.DOTALL)
    return found is not None and all(map(_close, numbers, found.groups()))


def _close(shown: str, printed: str) -> bool:
    digits, _, exponent = shown.replace(",", "").partition("e")
    last = 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
    return math.isclose(
        float(shown.replace(",", "")), float(printed.replace(",", "")), rel_tol=TOLERANCE, abs_tol=1.01 * last
    )


def run(page: Path) -> list[Shown]:
    """Run the notebook of a page in the working folder, where it finds `fixtures` as in a checkout."""
    (Path.cwd() / "fixtures").symlink_to(ROOT / "fixtures")
    notebook = nbformat.reads(json.dumps(NOTEBOOKS["notebook"](page)), as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder, "start.sh")  # of each cell of shell: one stream, as in a terminal
        start.write_text("set -uo pipefail; exec 2>&1; unset BASH_ENV\n")
        path = os.pathsep.join([str(ROOT / "bin"), os.path.dirname(sys.executable), os.environ["PATH"]])
        environment = {
            **os.environ,
            "PATH": path,
            "PYTHONPATH": str(ROOT),
            "BASH_ENV": str(start),
            "IPYTHONDIR": folder,
        }
        sockets = Config({"ConnectionFileMixin": {"transport": "ipc"}})  # tests side by side would want the same ports
        client = NotebookClient(
            notebook, timeout=600, resources={"metadata": {"path": str(Path.cwd())}}, config=sockets
        )
        try:
            client.execute(env=environment)
        except CellExecutionError as error:
            line = max(cell.metadata.line for cell in notebook.cells if cell.get("outputs"))
            raise AssertionError(f"{page}:{line}: {error}") from None
    found, before = [], None
    for block in NOTEBOOKS["blocks"](page):
        if block.kind == "text" and before is not None and before.kind in ("sh", "python"):
            found.append(Shown(block.place, block.content, _printed(notebook, before.line)))
        before = block
    return found


def _printed(notebook: Any, line: int) -> str:
    """What the cells of the block at this line print; warnings of Python are no part of it."""
    cells = (cell for cell in notebook.cells if cell.cell_type == "code" and cell.metadata.line == line)
    return "".join(output.text for cell in cells for output in cell.outputs if output.get("name") == "stdout")


def figures(page: Path) -> list[Path]:
    """The figures of a page that its cells make: PAGE/report/parity.png is report/parity.png in the working folder."""
    return [Path(block.content).relative_to(page.stem) for block in NOTEBOOKS["blocks"](page) if block.kind == "figure"]


def _renewed(shown: str, printed: str) -> str:
    """What was printed; lines that agree with it stay as they are."""
    old, new = shown.splitlines(), printed.rstrip().splitlines()
    if len(old) == len(new):
        new = [one if agree(one, other) else other for one, other in zip(old, new, strict=True)]
    return "\n".join([*new, ""])


def update(page: Path) -> None:
    """Write what the cells print into the page, and their figures beside it."""
    page = page.resolve()
    text = page.read_text()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for each in reversed(run(page)):
            if not agree(each.shown, each.printed):
                text = text[: each.place.start] + _renewed(each.shown, each.printed) + text[each.place.stop :]
        page.write_text(text)
        for figure in figures(page):
            kept = page.parent / page.stem / figure
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(figure, kept)
        os.chdir(ROOT)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        update(Path(name))
