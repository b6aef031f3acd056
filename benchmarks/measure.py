"""Measure time and memory of a command; input that the benchmarks share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Run:
    seconds: float
    cpu: float
    megabytes: float


def measure(command: list[str], folder: Path) -> Run:
    """Run a command in a folder without its files bench.train*; wall and CPU time in s, peak memory in MB."""
    for path in folder.glob("bench.train*"):
        path.unlink()
    usual = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with open(folder / "report", "w") as report:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=usual, stdout=report, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed in {folder}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def best(runs: list[Run]) -> Run:
    return Run(*(min(getattr(run, name) for run in runs) for name in ("seconds", "cpu", "megabytes")))


def unpack(example: Path, folder: Path, *names: str) -> None:
    """Copy the example's structures and set-ups, and its files with these names."""
    with tarfile.open(example / "dir_xsf.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    for path in [*example.glob("*.stp"), *(found for name in names for found in example.glob(name))]:
        shutil.copyfile(path, folder / path.name)


def launcher(program: str) -> list[str]:
    """The command that runs one of our programs from the checkout."""
    return [sys.executable, str(ROOT / "bin" / program)]
