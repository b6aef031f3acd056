"""Fortran records: markers, sub-records of long data, and what does not fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aenet_py.errors import InputError
from aenet_py.formats import records


def test_bytes_of_records():
    assert records.integers(1, -2) == b"\x08\0\0\0\x01\0\0\0\xfe\xff\xff\xff\x08\0\0\0"
    assert records.text("O", 2) == b"\x02\0\0\0O \x02\0\0\0"
    assert records.logical(True) == b"\x04\0\0\0\x01\0\0\0\x04\0\0\0"
    assert records.reals(1.0) == b"\x08\0\0\0\0\0\0\0\0\0\xf0\x3f\x08\0\0\0"
    assert records.record(b"") == b"\0" * 8


def test_long_data_are_split_as_gfortran_does():
    # written by gfortran with -fmax-subrecord-length=8
    expected = (
        b"\xf8\xff\xff\xffABCDEFGH\x08\0\0\0\xf8\xff\xff\xffIJKLMNOP\xf8\xff\xff\xff\x04\0\0\0QRST\xfc\xff\xff\xff"
    )
    assert records.record(b"ABCDEFGHIJKLMNOPQRST", limit=8) == expected


def test_sizes():
    assert [records.record_size(n) for n in (0, 5, records.MAX_SUBRECORD)] == [8, 13, records.MAX_SUBRECORD + 8]
    assert records.record_size(records.MAX_SUBRECORD + 1) == records.MAX_SUBRECORD + 1 + 16


@given(st.lists(st.binary(max_size=40)), st.integers(1, 50))
def test_what_is_written_is_read(tmp_path_factory, data, limit):
    path = tmp_path_factory.mktemp("records") / "file"
    path.write_bytes(b"".join(records.record(item, limit) for item in data))
    assert list(records.split(str(path))) == data


@pytest.mark.parametrize("cut", range(1, 20))
def test_cut_files(tmp_path, cut):
    content = records.integers(1) + records.integers(1, 2)
    assert len(content) == 28
    path = tmp_path / "file"
    path.write_bytes(content[: 12 + min(cut, 15)])
    with pytest.raises(InputError, match="record 2 at byte 12: found"):
        list(records.split(str(path)))


def test_other_markers(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"\x04\0\0\0abcd\x05\0\0\0")
    with pytest.raises(InputError, match="record 1 at byte 0"):
        list(records.split(str(path)))
