"""Files that appear when they are complete."""

from __future__ import annotations

import dataclasses
import os
import pickle
import subprocess
import sys

import pytest

from aenet_py.errors import AenetError
from aenet_py.formats.output import PendingFile
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
        with pytest.raises(AenetError, match="exists already"):
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
            with pytest.raises(AenetError, match="exists already"):
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
