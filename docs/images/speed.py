"""Draw speed.png: how many times as fast as the original each program is, from the tables in benchmarks.

python docs/images/speed.py
"""

from __future__ import annotations

import re
from pathlib import Path

from aenet_py.analysis import figures

ROOT = Path(__file__).resolve().parents[2]
# What the figure calls a row, the page, the beginning of the row in a table there, and its column with the ratio.
ROWS = (
    ("generate.x, two threads", "README.md", "25 % with forces, 2 threads", "speed-up"),
    ("aenet_pytorch.py, one epoch", "README.md", "one epoch, s", "ratio"),
    ("train.x, bfgs", "README.md", "bfgs", "ratio"),
    ("train.x, lm", "README.md", "lm", "ratio"),
    ("train.x, ekf", "README.md", "ekf", "ratio"),
    ("predict.x", "README.md", "predict.x, 200 structures with forces, s", "ratio"),
    ("LAMMPS step, 1536 atoms", "scaling.md", "1536", "speed-up"),
)


def ratio(page: str, row: str, column: str) -> float:
    """The value in a row and a column of the first table of a page that has both."""
    text = (ROOT / "benchmarks" / page).read_text()
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        for cells in lines[2:]:
            if cells[0] == row and column in lines[0]:
                return float(cells[lines[0].index(column)])
    raise ValueError(f"benchmarks/{page}: no table has a row {row!r} and a column {column!r}")


def main() -> None:
    ratios = [ratio(*row[1:]) for row in ROWS]
    figure, ((axis,),) = figures.panels()
    figure.set_size_inches(5.6, 2.4)
    bars = axis.barh(range(len(ROWS)), ratios, color=figures.COLORS[0], height=0.65)
    axis.bar_label(bars, [f"{value:.3g}" for value in ratios], padding=3, fontsize=figures.TICK)
    axis.set_yticks(range(len(ROWS)), [row[0] for row in ROWS])
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.set_xlim(1, 600)
    axis.set_xticks([1, 10, 100], ["1", "10", "100"])
    axis.set_xlabel("times as fast as the original, with the same results")
    figures.save(figure, str(Path(__file__).with_suffix(".png")))


if __name__ == "__main__":
    main()
