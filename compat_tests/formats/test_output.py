"""Files that appear when they are complete."""

from __future__ import annotations

import os

import pytest

from aenet_py.errors import AenetError
from aenet_py.formats.output import PendingFile


def test_parts_in_any_order(tmp_path):
    path = tmp_path / "file"
    with PendingFile(str(path)) as file:
        file.write(b"head ")
        places = [file.reserve(3) for _ in range(2000)]
        file.write(b" tail")
        for i in reversed(range(2000)):
            file.write_at(places[i], [b"%03d" % (i % 1000)])
        file.write_at(0, [bytes([byte]) for byte in b"HEAD"])
        assert os.listdir(tmp_path) != ["file"]
        file.complete(replace=False)
    assert path.read_bytes() == b"HEAD " + b"".join(b"%03d" % (i % 1000) for i in range(2000)) + b" tail"
    assert os.listdir(tmp_path) == ["file"]


def test_more_buffers_than_the_system_takes_at_once(tmp_path):
    parts = [b"x" * (i % 7) for i in range(5000)]
    with PendingFile(str(tmp_path / "file")) as file:
        file.write_at(file.reserve(sum(map(len, parts))), parts)
        file.complete(replace=False)
    assert (tmp_path / "file").read_bytes() == b"".join(parts)


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
