"""Files that appear when they are complete."""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import os
import pickle
import subprocess
import sys

import pytest

from aenet_py.errors import AenetError
from aenet_py.runtime.output import PendingFile, PendingFolder
from compat_tests.cli.cases import ROOT


@pytest.mark.parametrize("nameless", [False, True])
@pytest.mark.parametrize("replace", [False, True])
def test_parts_in_any_order(tmp_path, nameless, replace):
    path = tmp_path / "file"
    if replace:
        path.write_bytes(b"older")
    with PendingFile(str(path), nameless) as file:
        file.write(b"head ")
        places = [file.reserve(3) for _ in range(2000)]
        file.write(b" tail")
        for i in reversed(range(2000)):
            file.write_at(places[i], [b"%03d" % (i % 1000)])
        file.write_at(0, [bytes([byte]) for byte in b"HEAD"])
        assert path.exists() == replace
        file.complete(replace)
    assert path.read_bytes() == b"HEAD " + b"".join(b"%03d" % (i % 1000) for i in range(2000)) + b" tail"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("nameless", [False, True])
def test_another_file_of_the_name_stays(tmp_path, nameless):
    with PendingFile(str(tmp_path / "file"), nameless) as file:
        (tmp_path / "file").write_bytes(b"another")
        file.write(b"ours")
        with pytest.raises(AenetError, match="file exists; choose another name"):
            file.complete(replace=False)
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"another"


def test_more_buffers_than_the_system_takes_at_once(tmp_path):
    parts = [b"x" * (i % 7) for i in range(5000)]
    with PendingFile(str(tmp_path / "file")) as file:
        file.write_at(file.reserve(sum(map(len, parts))), parts)
        file.complete(replace=False)
    assert (tmp_path / "file").read_bytes() == b"".join(parts)


@pytest.mark.parametrize("nameless", [False, True])
def test_filled_by_another_process(tmp_path, nameless):
    program = "import pickle, sys; pickle.load(sys.stdin.buffer).write_at(4, [b'more', b' words'])"
    with PendingFile(str(tmp_path / "file"), nameless) as file:
        file.write(b"some")
        file.reserve(10)
        subprocess.run([sys.executable, "-c", program], input=pickle.dumps(file.handle), cwd=ROOT, check=True)
        file.complete(replace=False)
    assert (tmp_path / "file").read_bytes() == b"somemore words"


def test_a_file_that_another_process_cannot_reach(tmp_path):
    with PendingFile(str(tmp_path / "file")) as file, PendingFile(str(tmp_path / "other")) as other:
        assert file.handle.is_reachable
        assert not dataclasses.replace(file.handle, place=other.handle.place).is_reachable
        assert not dataclasses.replace(file.handle, place="/proc/0/fd/3").is_reachable


def test_incomplete_files_vanish(tmp_path):
    with PendingFile(str(tmp_path / "file")) as file:
        file.write(b"some")
        assert len(os.listdir(tmp_path)) == 1
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("replace", [False, True])
def test_existing_files(tmp_path, replace):
    (tmp_path / "file").write_bytes(b"old")
    with PendingFile(str(tmp_path / "file")) as file:
        file.write(b"new")
        if replace:
            file.complete(replace=True)
        else:
            with pytest.raises(AenetError, match="file exists; choose another name"):
                file.complete(replace=False)
    assert (tmp_path / "file").read_bytes() == (b"new" if replace else b"old")
    assert os.listdir(tmp_path) == ["file"]


def test_usual_permissions(tmp_path):
    old = os.umask(0o027)
    try:
        with PendingFile(str(tmp_path / "file")) as file:
            file.complete(replace=False)
    finally:
        os.umask(old)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


HOLDER = """
import os, sys, time
from aenet_py.runtime.output import PendingFile, PendingFolder
with PendingFile("file") as file, PendingFolder("folder") as folder:
    file.write(b"some")
    open(os.path.join(folder.path, "part"), "w").close()
    print("begun", flush=True)
    time.sleep(60)
"""


def begin(folder) -> subprocess.Popen:
    """A process that is writing a file and a folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True, cwd=folder, env=environment
    )
    assert process.stdout.readline() == "begun\n"
    return process


def test_the_next_run_removes_what_a_killed_one_left(tmp_path):
    (tmp_path / ".mine.partial").write_text("another's")
    killed, alive = begin(tmp_path), begin(tmp_path)
    killed.kill()
    killed.communicate()
    assert len(os.listdir(tmp_path)) == 5
    with PendingFile(str(tmp_path / "other")):
        assert len(os.listdir(tmp_path)) == 4
    assert len(os.listdir(tmp_path)) == 3
    alive.kill()
    alive.communicate()
    with PendingFolder(str(tmp_path / "other")) as folder:
        assert sorted(os.listdir(tmp_path)) == sorted([".mine.partial", os.path.basename(folder.path)])
    assert os.listdir(tmp_path) == [".mine.partial"]


def test_nothing_is_removed_where_there_are_no_locks(tmp_path, monkeypatch):
    killed = begin(tmp_path)
    killed.kill()
    killed.communicate()

    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    with PendingFile(str(tmp_path / "file")) as file:
        file.complete(replace=False)
    assert len(os.listdir(tmp_path)) == 3


def test_files_that_begin_while_others_clean_up(tmp_path):
    """Processes that remove what is abandoned never take a file away that another has just begun."""
    program = """
import sys
from aenet_py.runtime.output import PendingFile, PendingFolder
for number in range(200):
    with PendingFile(f"{sys.argv[1]}-{number}") as file:
        file.complete(replace=False)
    with PendingFolder(f"{sys.argv[1]}-{number}-folder") as folder:
        folder.complete()
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    commands = [[sys.executable, "-c", program, name] for name in "abc"]
    processes = [subprocess.Popen(command, cwd=tmp_path, env=environment) for command in commands]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(os.listdir(tmp_path)) == 1200


@pytest.mark.parametrize("nameless", [False, True])
def test_what_is_no_regular_file(tmp_path, nameless):
    reader, writer = os.pipe()
    os.mkfifo(tmp_path / "fifo")
    places = {f"/proc/self/fd/{writer}": "a pipe", "/dev/null": "a device", str(tmp_path): "a folder"}
    for path, kind in {**places, str(tmp_path / "fifo"): "a pipe"}.items():
        with pytest.raises(AenetError) as caught:
            PendingFile(path, nameless)
        assert str(caught.value).startswith(f"{path}: cannot be written: it is {kind}; choose another name")
    os.close(reader)
    os.close(writer)


class TestFolders:
    def test_a_new_folder_appears_at_once(self, tmp_path):
        with PendingFolder(str(tmp_path / "new")) as folder:
            (tmp_path / folder.path / "a").write_text("a")
            assert not (tmp_path / "new").exists()
            folder.complete()
        assert os.listdir(tmp_path / "new") == ["a"]
        assert os.listdir(tmp_path) == ["new"]
        with (
            PendingFolder(str(tmp_path / "new")) as folder,
            pytest.raises(AenetError, match="file exists; choose another name"),
        ):
            folder.complete()
        assert os.listdir(tmp_path) == ["new"]

    def test_the_same_content_is_not_in_the_way(self, tmp_path):
        targets = {name: str(tmp_path / name) for name in "abc"}
        (tmp_path / "b").write_text("b")
        with PendingFolder(str(tmp_path / "x")) as folder:
            for name in targets:
                (tmp_path / folder.path / name).write_text(name)
            folder.complete_files(targets)
        assert {name: (tmp_path / name).read_text() for name in os.listdir(tmp_path)} == {name: name for name in "abc"}

    def test_all_or_nothing(self, tmp_path, monkeypatch):
        (tmp_path / "b").write_text("b")
        (tmp_path / "d").write_text("another")
        targets = {name: str(tmp_path / name) for name in "abcd"}
        with PendingFolder(str(tmp_path / "x")) as folder:
            for name in targets:
                (tmp_path / folder.path / name).write_text(name)
            with pytest.raises(AenetError, match="d: file exists; choose another name"):
                folder.complete_files(targets)
            monkeypatch.setattr(os, "link", full_after(os.link, 1))
            with pytest.raises(AenetError, match="c: cannot be written: No space left on device"):
                folder.complete_files({name: targets[name] for name in "abc"})
        assert sorted(os.listdir(tmp_path)) == ["b", "d"]


def full_after(link, n: int):
    """A link that only works n times."""
    left = [n]

    def called(*names: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        link(*names)

    return called
