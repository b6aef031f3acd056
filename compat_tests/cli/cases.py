"""Running generate.x in a folder of its own, and the golden cases to run it on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path

import numpy as np

from aenet_py.formats.records import split

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures" / "golden"
SHARED = ROOT.parent / "shared"
LAUNCHER = ROOT / "bin" / "generate.x"


def golden_cases() -> list[Path]:
    """Folders of golden cases: ours and, where they are at hand, the shared ones."""
    folders = [*FIXTURES.iterdir(), *(SHARED / "golden").glob("*/")]
    return sorted(folder for folder in folders if (folder / "generate.in").exists())


def copy_case(source: Path, target: Path) -> Path:
    """Copy a case to a writable folder; its FORCESLIST repeats the original's choice of structures."""
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for folder, _, _ in os.walk(target):
        os.chmod(folder, 0o755)
    if (target / "expected" / "selected.txt").exists():
        with open(target / "generate.in", "a") as deck:
            deck.write("\nFORCESLIST expected/selected.txt\n")
    return target


def run(folder: Path, *arguments: str, **options) -> subprocess.CompletedProcess:
    """Run the launcher in a folder, as a user would."""
    options = {"capture_output": True, "text": True, "timeout": 300, "check": False, **options}
    return subprocess.run([sys.executable, str(LAUNCHER), *arguments], cwd=folder, **options)


def listing(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def first_difference(expected: Path, ours: Path) -> str:
    """Which record of two files of Fortran records differs first, and by how many units in the last place."""
    for number, (theirs, mine) in enumerate(zip_longest(split(str(expected)), split(str(ours))), 1):
        if theirs == mine:
            continue
        place = f"{ours.name}: record {number}"
        if theirs is None or mine is None or len(theirs) != len(mine) or len(theirs) % 8:
            return f"{place}: {mine!r:.200}, expected {theirs!r:.200}"
        a, b = np.frombuffer(mine), np.frombuffer(theirs)
        i = int(np.flatnonzero(a.view(np.int64) != b.view(np.int64))[0])
        ulps = int(a.view(np.int64)[i]) - int(b.view(np.int64)[i])
        return f"{place}, value {i + 1}: {a[i]!r}, expected {b[i]!r} ({ulps:+d} units in the last place)"
    return f"{ours.name}: the same records, other markers"
