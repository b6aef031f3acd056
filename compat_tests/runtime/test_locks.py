"""One program at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import signal
import subprocess
import sys

import pytest

from aenet_py.errors import AenetError
from aenet_py.runtime import locks
from compat_tests.cli.cases import ROOT

HOLDER = """
import sys, time
from aenet_py.runtime import locks
with locks.held(sys.argv[1], "program"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of file."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "file")], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_is_refused(tmp_path, holder):
    expected = f"another program (pid {holder.pid}) is writing {tmp_path}/file; wait"
    with pytest.raises(AenetError, match=re.escape(expected)), locks.held(str(tmp_path / "file"), "program"):
        pass
    (tmp_path / "link").symlink_to("file")
    with pytest.raises(AenetError, match=re.escape("is writing")), locks.held(str(tmp_path / "link"), "program"):
        pass
    with locks.held(str(tmp_path / "other"), "program"):
        pass


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_whatever_ends_the_holder(tmp_path, holder, number):
    holder.send_signal(number)
    holder.wait()
    with locks.held(str(tmp_path / "file"), "program"):
        assert os.listdir(tmp_path) == [".file.lock"]
    assert os.listdir(tmp_path) == []


def test_a_child_holds_it_too(tmp_path):
    with locks.held(str(tmp_path / "file"), "program") as fd:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[fd])
        duplicate = os.open(tmp_path / ".file.lock", os.O_RDONLY)
    assert locks.lock(duplicate) is False
    child.communicate(b"\n")
    assert locks.lock(duplicate) is True
    os.close(duplicate)


def test_a_holder_on_another_host(tmp_path):
    path = tmp_path / ".file.lock"
    path.write_text("12 elsewhere")
    with open(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(AenetError, match=r"pid 12 on elsewhere"), locks.held(str(tmp_path / "file"), "program"):
            pass


def test_file_systems_without_locks(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    with locks.held(str(tmp_path / "file"), "program"), locks.held(str(tmp_path / "file"), "program"):
        pass
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(AenetError, match="none/file: cannot be written"), locks.held(str(tmp_path / "none/file"), "x"):
        pass
