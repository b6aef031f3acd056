"""Programs in parallel: what is run, how often and on which processors, and the recorded outcomes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from aenet_py.errors import AenetError
from aenet_py.scan import work
from aenet_py.scan.work import FAILED, FINISHED, STOPPED, ProgramRun

# A program that does as its argument says, and counts how often it was started.
PROGRAM = """\
import os, signal, sys, time
open("started", "a").write("x")
what = sys.argv[1]
began = time.monotonic()
if what == "fail":
    print("some warning", file=sys.stderr)
    sys.exit("Error: it went wrong")
if what == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if what == "wait":
    signal.signal(signal.SIGTERM, lambda *_: (open("saved", "a").write("x"), sys.exit(0)))
    open("ready", "w").close()
    while os.path.exists("../hold"):
        time.sleep(0.01)
while what.startswith("with:") and not os.path.exists(f"../{what[5:]}/started"):
    time.sleep(0.01)
print(sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [])
print(began, time.monotonic())
open("result", "w").write(open("given").read())
"""


@pytest.fixture(autouse=True)
def program(tmp_path, monkeypatch) -> None:
    (tmp_path / "program_of_the_test.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def job(folder: str, what: str = "work") -> ProgramRun:
    return ProgramRun(f"all/{folder}", "program_of_the_test", what, "log", {"given": folder.encode()}, ("result",))


def perform(jobs: list[ProgramRun], at_once: int = 2, stop=lambda: False) -> list[str]:
    over: list[str] = []
    with work.locked("all") as lock:
        work.run_all(jobs, at_once, lock, stop, lambda each: over.append(os.path.basename(each.folder)))
    return over


def n_starts(folder: str) -> int:
    path = Path("all", folder, "started")
    return len(path.read_text()) if path.exists() else 0


def test_once_each():
    jobs = [job(name) for name in "abc"]
    assert sorted(perform(jobs)) == ["a", "b", "c"]
    assert [each.is_done for each in jobs] == [True] * 3
    assert [Path("all", name, "result").read_text() for name in "abc"] == ["a", "b", "c"]
    assert perform([*jobs, job("d")]) == ["d"]
    assert [n_starts(name) for name in "abcd"] == [1] * 4
    found = work.outcome("all/a")
    assert (found.state, found.error) == (FINISHED, None)
    assert found.seconds > 0


def test_failures_are_kept_and_tried_again():
    jobs = [job("bad", "fail"), job("killed", "kill"), job("good")]
    assert sorted(perform(jobs)) == ["bad", "good", "killed"]
    assert [each.is_done for each in jobs] == [False, False, True]
    assert (work.outcome("all/bad").state, work.outcome("all/bad").error) == (FAILED, "Error: it went wrong")
    assert work.outcome("all/killed").error == "killed by SIGKILL"
    Path("all/bad/model.restart").touch()
    assert perform([job("bad"), job("good")]) == ["bad"]
    assert not Path("all/bad/model.restart").exists()  # the second attempt begins from nothing
    assert job("bad").is_done


def test_side_by_side():
    perform([job(name, f"with:{other}") for name, other in ("ab", "ba", "cd", "dc")])
    lines = [Path("all", name, "log.out").read_text().splitlines() for name in "abcd"]
    times = [tuple(map(float, line[1].split())) for line in lines]
    most = max(sum(begin <= at < end for begin, end in times) for at, _ in times)
    assert most == 2
    if hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) > 1:
        shares = [frozenset(json.loads(line[0])) for line in lines]
        first, second = set(shares)
        assert first | second == os.sched_getaffinity(0)
        assert not first & second


def test_stopping_lets_programs_save():
    Path("all").mkdir()
    Path("all/hold").touch()
    names = ["a", "b"]
    over = perform(
        [job(name, "wait") for name in [*names, "never"]],
        stop=lambda: all(Path("all", name, "ready").exists() for name in names),
    )
    assert sorted(over) == names
    for name in names:
        assert Path("all", name, "saved").read_text() == "x"  # asked once
        assert work.outcome(f"all/{name}").state == STOPPED
    assert not Path("all/never").exists()
    Path("all/hold").unlink()
    Path("all/a/model.restart").touch()
    before = work.outcome("all/a").seconds
    assert sorted(perform([job(name, "wait") for name in names])) == names
    assert Path("all/a/model.restart").exists()  # from where it goes on
    assert work.outcome("all/a").state == FINISHED
    assert work.outcome("all/a").seconds > before


def test_an_error_ends_the_programs():
    Path("all").mkdir()
    Path("all/hold").touch()

    def stop() -> bool:
        if Path("all/a/ready").exists():
            raise KeyboardInterrupt
        return False

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        perform([job("a", "wait")], stop=stop)
    assert time.monotonic() - began < 30
    assert not Path("all/a/result").exists()
    with work.locked("all"):  # no program is left that holds it
        pass


def test_one_scan_a_folder():
    with work.locked("all"), pytest.raises(AenetError, match="all: in use by another scan, or by a run of one"):
        perform([])
    Path("file").touch()
    with pytest.raises(AenetError, match="file: the folder cannot be created"), work.locked("file"):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", '{"other": 1}'])
def test_an_outcome_that_makes_no_sense(content):
    perform([job("a")])
    Path("all/a/outcome.json").write_text(content)
    assert work.outcome("all/a") == work.ProgramOutcome()
    assert job("a").is_done
