"""The progress line: on terminals only, on time, with totals that are reached."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aenet_py.cli import aenet_pytorch, common, generate, predict, trainbin2ascii
from aenet_py.cli.aenet import main
from aenet_py.formats import frames
from compat_tests.cli.cases import FIXTURES, ROOT, copy_case
from compat_tests.cli.test_predict import CLUSTER, prepare
from compat_tests.cli.test_train import prepare as training_case
from compat_tests.structures import as_text, make_frames

TRAINING = FIXTURES / "cluster-cuau-h2o/train-forces-adamw/train.in"
LONG_FIRST_STEP = """
import time
from aenet_py.cli import common
with common.progress({total}, "{unit}") as advance:
    time.sleep(1.7)
    common.warn("look")
    advance(1)
    time.sleep(1)
print("done")
"""
SLOW_STRUCTURE = """
import sys, time
from aenet_py.cli import {program}
from {room} import {module} as reader
read = reader.{function}
def slow(*arguments):
    time.sleep(1.5)
    reader.{function} = read
    return read(*arguments)
reader.{function} = slow
sys.exit({program}.main(sys.argv[1:]))
"""
COMPILED = {"room": "aenet_py.pipelines", "module": "reading", "function": "_read_into"}  # of XSF files
PLAIN = {"room": "aenet_py.formats", "module": "xsf", "function": "read"}
SLOW_BATCHES = """
import sys, time
from aenet_py.cli import aenet_pytorch
from aenet_py.training import run
step = run._step
def slow(*arguments):
    time.sleep(1.5)
    return step(*arguments)
run._step = slow
sys.exit(aenet_pytorch.main([]))
"""


def on_terminal(*command: str, folder: Path = ROOT) -> tuple[str, str]:
    """Standard output and what a terminal of 80 columns gets as standard error."""
    own, other = os.openpty()
    environment = {**os.environ, "COLUMNS": "80", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=other, text=True
    ) as process:
        os.close(other)
        shown = b""
        with contextlib.suppress(OSError):  # how Linux says that the other side is closed
            while data := os.read(own, 4096):
                shown += data
        os.close(own)
        assert process.stdout is not None
        return process.stdout.read(), shown.decode()


@pytest.mark.parametrize(
    ("total", "unit", "before", "after"),
    [
        (4, "structures", r"\| 0/4 structures \[00:0\d, \? left\]", r"\| 1/4 structures \[00:0\d, 00:\d\d left\]"),
        (4, "B", r"\| 0.00B/4.00B \[00:0\d, \? left\]", r"\| 1.00B/4.00B \[00:0\d, 00:\d\d left\]"),
        (0, "structures", r"0 structures \[00:0\d\]", r"1 structures \[00:0\d\]"),
    ],
)
def test_a_long_first_step(total, unit, before, after):
    out, shown = on_terminal("-c", LONG_FIRST_STEP.format(total=total, unit=unit))
    assert out == "done\n"
    lines = shown.split("\r\x1b[K")
    assert re.search(before, lines[1])
    assert "Warning: look\r\n" in lines
    assert re.search(after, lines[-2])
    assert lines[-1] == ""
    assert max(map(len, lines)) < 80


def test_nothing_in_pipes():
    command = [sys.executable, "-c", LONG_FIRST_STEP.format(total=4, unit="B")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("done\n", "Warning: look\n")


def test_short_work_shows_nothing():
    script = "from aenet_py.cli import common\nwith common.progress(4, 'B') as advance:\n    advance(4)\n"
    assert on_terminal("-c", script) == ("", "")


def test_a_slow_structure_of_generate(tmp_path):
    case = copy_case(FIXTURES / "single-species", tmp_path / "case")
    out, shown = on_terminal("-c", SLOW_STRUCTURE.format(program="generate", **COMPILED), "generate.in", folder=case)
    assert "8 structures" not in out
    assert re.search(r"\| 0/8 structures \[00:0\d, \? left\]", shown)
    assert shown.endswith("\r\x1b[K")
    assert (case / "single.train").read_bytes() == (case / "expected/single.train").read_bytes()


def test_a_slow_structure_of_predict(tmp_path):
    work = prepare(CLUSTER / "predict.in", tmp_path)
    out, shown = on_terminal("-c", SLOW_STRUCTURE.format(program="predict", **PLAIN), "predict.in", folder=work)
    assert "Cohesive energy" in out
    assert re.search(r"\| 0/\d+ structures \[00:0\d, \? left\]", shown)
    assert shown.endswith("\r\x1b[K")


def test_a_slow_first_epoch(tmp_path):
    """The time left is known after the first batch; the report is that of a run without a terminal."""
    work = training_case(TRAINING, tmp_path / "run")
    deck = (work / "train.in").read_text().replace("ITERATIONS 40", "ITERATIONS 2")
    (work / "train.in").write_text(deck)
    out, shown = on_terminal("-c", SLOW_BATCHES, folder=work)
    assert re.search(r"\| 0/2 epochs \[00:0\d, 00:\d\d left\]", shown)
    assert re.search(r"\| 1/2 epochs \[00:0\d, 00:\d\d left\] \d+\.\d meV/atom, \d+ meV/Å", shown)
    lines = [line for line in shown.split("\r\x1b[K") if "epochs" in line]
    assert max(map(len, lines)) < 80
    assert "\x1b" not in out
    assert out.count("\n") > 40


def test_training_counts_the_bytes_of_its_files(tmp_path, monkeypatch, watched):
    monkeypatch.chdir(training_case(TRAINING, tmp_path / "run"))
    assert aenet_pytorch.main([]) == 0
    sizes = [size("cluster.train.ascii"), size("cluster.train.forces")]
    (one, two, epochs) = watched
    assert [one[0], two[0]] == sizes
    assert 0.9 * sizes[0] < one[1] <= sizes[0]
    assert two[1] == sizes[1]
    assert epochs == [40, pytest.approx(40)]


@pytest.fixture
def watched(monkeypatch) -> list[list[float]]:
    """Total and sum of what was done, of each progress line that the commands ask for."""
    lines: list[list[float]] = []

    @contextlib.contextmanager
    def progress(total: float, unit: str, wanted: bool = True, done: float = 0) -> Iterator:  # noqa: ARG001
        line = [total, done]
        lines.append(line)

        def advance(n: float, remark: str = "") -> None:  # noqa: ARG001
            line[1] += n

        yield advance

    monkeypatch.setattr(common, "progress", progress)
    return lines


@pytest.fixture
def case(tmp_path, monkeypatch, watched) -> None:
    """A folder with a training set in both forms, and files of structures."""
    monkeypatch.chdir(copy_case(FIXTURES / "cluster-cuau-h2o", tmp_path / "case"))
    assert generate.main(["generate.in"]) == 0
    assert trainbin2ascii.main(["cluster.train", "text"]) == 0
    text = "".join(map(as_text, make_frames(23)))
    for name in ("a.extxyz", "b.xyz.xz", "c.xyz.gz"):
        with frames.FramesFile(name) as file:
            file.write(text.encode())
            file.complete(replace=False)
    assert main(["convert", "a.extxyz", "d.db"]) == 0
    assert main(["convert", "a.extxyz", "xsf"]) == 0
    watched.clear()


def size(*paths: str) -> int:
    return sum(map(os.path.getsize, paths))


@pytest.mark.usefixtures("case")
def test_generate_counts_the_bytes_of_frames_and_then_structures(watched):
    deck = Path("generate.in").read_text().replace("\n14\n", "\n16\n") + "b.xyz.xz\nc.xyz.gz\n"
    Path("deck").write_text(deck.replace("cluster.train", "more.train").replace("FORCESLIST expected/selected.txt", ""))
    assert generate.main(["deck"]) == 0
    n = 14 + 2 * 23
    assert watched == [[size("b.xyz.xz", "c.xyz.gz")] * 2, [n, n]]


def test_predict_counts_structures(tmp_path, monkeypatch, watched):
    monkeypatch.chdir(prepare(CLUSTER / "predict.in", tmp_path))
    assert predict.main(["predict.in"]) == 0
    (count, structures) = watched
    assert count == [0, 0]
    assert structures[0] == structures[1] > 1


@pytest.mark.usefixtures("case")
@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        (["convert", "a.extxyz", "b.xyz.xz", "c.xyz.gz", "d.db", "xsf", "all.extxyz"], None),
        (["merge", "cluster.train", "cluster.train", "-o", "new.train"], ["cluster.train", "cluster.train.forces"] * 2),
        (["diff", "cluster.train", "text"], ["cluster.train"]),
        (["diff", "cluster.train", "cluster.train"], ["cluster.train"]),
        (["info", "--check", "cluster.train"], ["cluster.train"]),
        (["info", "--check", "text"], ["text"]),
        (["info", "--check", "cluster.train.forces"], ["cluster.train.forces"]),
        (["info", "b.xyz.xz"], ["b.xyz.xz"]),
        (["info", "d.db"], ["d.db"]),
    ],
    ids=lambda value: "-".join(value[:3]) if value else "",
)
def test_commands_count_bytes(watched, arguments, files):
    files = ["a.extxyz", "b.xyz.xz", "c.xyz.gz", "d.db", *map(str, Path("xsf").iterdir())] if files is None else files
    assert main(arguments) == 0
    assert watched == [[size(*files)] * 2]


@pytest.mark.usefixtures("case")
def test_files_of_one_size_with_different_bytes(watched):
    content = bytearray(Path("cluster.train").read_bytes())
    content[-5] ^= 1
    Path("other").write_bytes(content)
    assert main(["diff", "cluster.train", "other"]) == 1
    assert watched == [[len(content)] * 2]


@pytest.mark.usefixtures("case")
@pytest.mark.parametrize(
    ("arguments", "path"), [(["cluster.train", "new"], "cluster.train"), (["--to-binary", "text", "new"], "text")]
)
def test_converters_count_bytes(watched, arguments, path):
    assert trainbin2ascii.main(arguments) == 0
    total, done = watched[0]
    assert total == size(path)
    assert 0.9 * total < done <= total  # binary sets end with what was read first
