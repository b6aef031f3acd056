"""Fortran records: markers, pieces of long data, and damaged files."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import records
from aenet_py.formats.records import RecordReader
from aenet_py.formats.source import Window
from compat_tests.cli.cases import records_of


def test_bytes_of_records():
    assert records.integers([1, -2]) == b"\x08\0\0\0\x01\0\0\0\xfe\xff\xff\xff\x08\0\0\0"
    assert records.text("O", 2) == b"\x02\0\0\0O \x02\0\0\0"
    assert records.symbols(["O", "Ti"]) == b"\x04\0\0\0O Ti\x04\0\0\0"
    assert records.logical(True) == b"\x04\0\0\0\x01\0\0\0\x04\0\0\0"
    assert records.reals([1.0]) == b"\x08\0\0\0\0\0\0\0\0\0\xf0\x3f\x08\0\0\0"
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
    path.write_bytes(records.integers([1]) + b"".join(records.record(item, limit) for item in data))
    assert records_of(path)[1:] == data


def test_values(tmp_path):
    path = tmp_path / "file"
    numbers = records.integers([3, -4]) + records.reals([0.5]) + records.logical(True)
    texts = records.text("a b", 5) + records.counted_text("x ") + records.symbols(["Ti", "O"])
    path.write_bytes(numbers + texts + records.integers([-1]))
    with RecordReader(str(path)) as source:
        source.log = []
        assert source.integers(2, "numbers").tolist() == [3, -4]
        assert source.reals(1, "real").tolist() == [0.5]
        assert source.logical("logical") is True
        assert source.text(5, "text") == "a b"
        assert source.counted_text("name") == "x "
        assert source.symbols(2, "species") == ("Ti", "O")
        assert source.logical("Intel's") is True
        source.finish()
        assert [field.position for field in source.log] == [f"record {n}" for n in range(1, 9)]
        assert source.log[4].what == "length of the name"


@pytest.mark.parametrize("cut", range(1, 16))
def test_cut_files(tmp_path, cut):
    path = tmp_path / "file"
    path.write_bytes((records.integers([1]) + records.integers([1, 2]))[: 12 + cut])
    with pytest.raises(InputError, match=r"record 2 at byte 12 .*: found .*; expected"):
        records_of(path)


def test_lengths_that_differ(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(records.integers([1]) + b"\x04\0\0\0abcd\x05\0\0\0")
    with pytest.raises(
        InputError, match=r"record 2 at byte 12 \(record\): found 5 after the data at byte 20; expec.*4"
    ):
        records_of(path)


def test_a_length_beyond_the_file_takes_no_memory(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(records.integers([1]) + struct.pack("<i", 2**31 - 1) + b"abcd")
    with pytest.raises(InputError, match="found a record of 2147483647 bytes where the file has 4 more"):
        records_of(path)


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda source: source.integers(2, "pair"), "found a record of 4 bytes; expected 8"),
        (lambda source: source.integer("count", least=8), "found 7; expected at least 8"),
        (lambda source: source.logical("flag"), r"found 7; expected 0 \(false\) or 1 \(true\)"),
        (lambda source: source.finish(), "found 12 more bytes; expected the end of the file"),
    ],
)
def test_other_values(tmp_path, read, message):
    path = tmp_path / "file"
    path.write_bytes(records.integers([7]))
    with RecordReader(str(path)) as source, pytest.raises(InputError, match="record 1 at byte 0 .*: " + message):
        read(source)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"           2\n           8\n  Cu  O \n", "found text; expected Fortran records"),
        (struct.pack(">iii", 4, 2, 4), "found big-endian records"),
        (struct.pack("<qiq", 4, 2, 4), "found 8-byte lengths"),
        (struct.pack("<qiqqiq", 4, 4, 4, 4, 9, 4), "found 8-byte lengths"),
        (b"", "this file is empty"),
    ],
)
def test_other_kinds_of_files(tmp_path, content, found):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InputError, match=found):
        RecordReader(str(path))


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(AenetError, match="no such file"):
        RecordReader(str(tmp_path / "none"))
    with pytest.raises(AenetError, match="not a regular file"):
        RecordReader(str(tmp_path))


def test_from_both_ends(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"".join(records.text("x" * n, n) for n in (3, 0, 5)))
    with RecordReader(str(path)) as source:
        assert source.ahead(2) == [3, 0]
        assert source.ahead(9) == [3, 0, 5]
        assert [source.from_end(n) for n in range(5)] == [32, 19, 11, 0, None]
        assert source.mark() == (0, 0)


def test_a_window_follows_wherever_it_is_moved(tmp_path, monkeypatch):
    monkeypatch.setattr("aenet_py.formats.source.AHEAD", 16)
    content = np.random.default_rng(5).bytes(300)
    path = tmp_path / "file"
    path.write_bytes(content)
    with Window(str(path)) as window:
        for offset, n in [(0, 5), (3, 20), (100, 1), (20, 90), (290, 50), (0, 300), (299, 1), (300, 4)]:
            assert bytes(window.view(offset, n)) == content[offset : offset + n]
        for offset in (0, 7, 250, 299):
            end = content.find(b"\n", offset)
            assert window.line(offset) == content[offset : end + 1 if end >= 0 else None]
