"""Running the commands in folders of their own, and the golden cases to run them on."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from aenet_py.cli import aenet
from aenet_py.cli.summaries.diff import report
from aenet_py.formats.records import RecordReader
from aenet_py.tools.diff import compare

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures" / "golden"
SHARED = ROOT.parent / "shared"
LAUNCHER = ROOT / "bin" / "generate.x"


def golden_cases() -> list[Path]:
    """Folders of golden cases: ours and, where they are at hand, the shared ones."""
    folders = [*FIXTURES.iterdir(), *(SHARED / "golden").glob("*/")]
    return sorted(folder for folder in folders if (folder / "generate.in").exists())


def golden_files(pattern: str) -> list[Path]:
    """Files that the original wrote: ours and, where they are at hand, the shared ones."""
    folders = [FIXTURES, *(folder for folder in [SHARED / "golden"] if folder.exists())]
    return sorted(path for folder in folders for path in folder.glob(pattern))


def name_of(path: Path) -> str:
    """A golden file's name in a test's."""
    return "-".join(path.parts[-4:])


def copy_case(source: Path, target: Path) -> Path:
    """Copy a case to a writable folder; its FORCESLIST repeats the original's choice of structures."""
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for folder, _, _ in os.walk(target):
        os.chmod(folder, 0o755)
    if (target / "expected" / "selected.txt").exists():
        with open(target / "generate.in", "a") as deck:
            deck.write("\nFORCESLIST expected/selected.txt\n")
    return target


def run(folder: Path, *arguments: str, program: str = "generate.x", **options) -> subprocess.CompletedProcess:
    """Run a launcher in a folder, as a user would."""
    options = {"capture_output": True, "text": True, "timeout": 300, "check": False, **options}
    return subprocess.run([sys.executable, str(ROOT / "bin" / program), *arguments], cwd=folder, **options)


def interrupt(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run aenet-py and interrupt it when it has begun to write; its exit status and what it says."""
    command = [sys.executable, str(ROOT / "bin" / "aenet-py"), *arguments]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not any(map(_is_begun, folder.glob(".*.partial"))):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate()
    return process.returncode, error


def _is_begun(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.stat().st_size > 0


def in_process(capsys, *arguments: object) -> tuple[int, str, str]:
    """Status, standard output and standard error of aenet-py, without another process."""
    try:
        status = aenet.main([*map(str, arguments)])
    except SystemExit as error:
        status = int(error.code or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def listing(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def first_difference(expected: Path, ours: Path) -> str:
    """Where two files of one of our formats differ first, and by how many units in the last place."""
    return report(str(expected), str(ours), compare(str(expected), str(ours), 0, bool), 0)


def records_of(path: Path) -> list[bytes]:
    """The data of all Fortran records of a file."""
    with RecordReader(str(path)) as source:
        found = []
        while not source.at_end():
            found.append(source.record("record"))
    return found


def bad_files(folder: Path) -> list[str]:
    """Names of what a failed command must not leave."""
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(".partial") or path.name == "out")
