"""Pages with cells: blocks of ``sh`` and ``python``, which run in order, and what they print, in a block of ``text``.

    python -m compat_tests.docs.cells docs/tutorials/own-data.md

writes into the page what its cells print now, and beside it the figures they make.  In the text, ``...`` is anything,
and numbers with a decimal point may differ by one percent or one unit of the last digit.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

from compat_tests.cli.cases import ROOT

TOLERANCE = 0.01
NUMBER = r"-?\d[\d,]*\.\d+(?:e[-+]?\d+)?"
IMAGE = re.compile(r"!\[[^]]*]\(([^)]+)\)")


@dataclass
class Run:
    """What cells print; found : for each block of text below a cell, its place, what it shows, what was printed."""

    page: Path
    printed: str = ""
    end: int = 0  # of the last cell
    found: list[tuple[slice, str, str]] = field(default_factory=list)

    def shell(self, example: Example) -> None:
        """Run a cell of sh; any command that fails ends it.  Further cells run in the folder where it ends."""
        path = os.pathsep.join([str(ROOT / "bin"), os.path.dirname(sys.executable), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
        with tempfile.NamedTemporaryFile("r") as last:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", f"{example.parsed}\npwd > {last.name}"], env=environment, text=True,
                check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            assert done.returncode == 0, f"{self.page}:{example.line}: status {done.returncode}\n{done.stdout}"
            os.chdir(last.read().rstrip("\n"))
        self.ran(example, done.stdout)

    def python(self, example: Example) -> None:
        """Run a cell of Python; all cells of a page share their names."""
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            PythonEvaluator()(example)
        self.ran(example, printed.getvalue())

    def ran(self, example: Example, printed: str) -> None:
        self.printed, self.end = printed, example.region.end

    def text(self, example: Example) -> None:
        """Take a block of text that follows a cell as what that cell prints."""
        if not example.document.text[self.end : example.region.start].strip("`\n"):
            start = example.document.text.index("\n", example.region.start) + 1
            self.found.append((slice(start, start + len(example.parsed)), example.parsed, self.printed))


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


def run(page: Path) -> Run:
    """Run the cells of a page in the working folder, where they find `fixtures` as in a checkout."""
    folder = Path.cwd()
    (folder / "fixtures").symlink_to(ROOT / "fixtures")
    done = Run(page)
    parsers = [
        CodeBlockParser("sh", done.shell),
        CodeBlockParser("python", done.python),
        CodeBlockParser("text", done.text),
    ]
    document = Sybil(parsers, path=str(page.parent)).parse(page)
    for example in document.examples():
        example.evaluate()
    os.chdir(folder)
    return done


def figures(page: Path) -> list[Path]:
    """The figures of a page that its cells make: PAGE/report/parity.png is report/parity.png in the working folder."""
    images = map(Path, IMAGE.findall(page.read_text()))
    return [path.relative_to(page.stem) for path in images if path.parts[0] == page.stem]


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
        for place, shown, printed in reversed(run(page).found):
            if not agree(shown, printed):
                text = text[: place.start] + _renewed(shown, printed) + text[place.stop :]
        page.write_text(text)
        for figure in figures(page):
            kept = page.parent / page.stem / figure
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(figure, kept)
        os.chdir(ROOT)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        update(Path(name))
