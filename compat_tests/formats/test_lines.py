"""List-directed text as gfortran 12.2 writes and reads it."""

from __future__ import annotations

import numpy as np
import pytest

from aenet_py.errors import InputError
from aenet_py.formats import lines
from aenet_py.formats.lines import ListReader


def test_lines_as_gfortran_prints_them():
    assert lines.integers([2147483647, -2147483648, 5]) == b"  2147483647 -2147483648           5\n"
    assert lines.reals([1.0, -0.5]) == b"   1.0000000000000000      -0.50000000000000000     \n"
    assert lines.reals([1.0] * 40) == b"   1.0000000000000000     " * 40 + b"\n"
    assert lines.reals([]) == b"\n"
    assert lines.logical(True) + lines.logical(False) == b" T\n F\n"
    assert lines.text("ab", 4) == b" ab  \n"
    assert lines.counted_text("a b") == b"           3\n a b\n"
    assert lines.symbols(["Ti", "O", "H"]) == b" TiO H \n"
    assert lines.symbols(["Ti", "O", "H"], "columns") == b"  Ti  O   H \n"
    assert lines.symbols(["Ti", "O"], "lines") == b"Ti\nO \n"
    assert lines.symbols(["O"] * 101, "columns") == b"  O " * 100 + b"\n  O \n"


def reader(tmp_path, text: bytes, **options) -> ListReader:
    (tmp_path / "file").write_bytes(text)
    return ListReader(str(tmp_path / "file"), **options)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"1.0d-3 1d2 1 2.\n", [1e-3, 100, 1, 2]),
        (b"4*0.0\n", [0.0] * 4),
        (b"1.5\n\n  2 , 3;4 comment\n", [1.5, 2, 3, 4]),
        (b"+inf -Infinity 1.5+3 .5\r\n", [float("inf"), float("-inf"), 1500.0, 0.5]),
        (b"1e400 -1.d999 1d-400 0 ! as gfortran\n", [float("inf"), float("-inf"), 0.0, 0.0]),
    ],
)
def test_reals(tmp_path, text, expected):
    assert reader(tmp_path, text).reals(4, "numbers").tolist() == expected


def test_nan(tmp_path):
    assert np.isnan(reader(tmp_path, b"nan NaN(abc) -nan +NaN()\n").reals(4, "numbers")).all()


@pytest.mark.slow
@pytest.mark.parametrize("times", [b"2147483648", b"9" * 30, b"1000000", b"9" * 5000])
def test_too_many_repetitions(tmp_path, times):
    with pytest.raises(InputError, match=r"found '[129].*; expected a real number"):
        reader(tmp_path, times + b"*0.5\n").reals(2, "numbers")
    assert reader(tmp_path, b"1.5 " + times + b"*x\n").reals(1, "number").tolist() == [1.5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"1 2 x 4\n", ":1: numbers: found 'x'; expected a real number"),
        (b"1 2 3\n4 5\n", ":2: numbers: found 5 values; expected 4"),
        (b"1 2 / 3 4\n", ":1: numbers: found 2 values before a slash; expected 4"),
        (b"1,,2 3\n", ":1: numbers: found no value between separators"),
        (b"1 2\n", ":2: numbers: found the end of the file; expected a line"),
        (b"1 2 3 4", ":1: numbers: found the end of the file within a line"),
    ],
)
def test_not_these_reals(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        reader(tmp_path, text).reals(4, "numbers")


@pytest.mark.parametrize(("text", "found"), [(b"1.0\n", "'1.0'"), (b"2147483648\n", "2147483648")])
def test_not_an_integer(tmp_path, text, found):
    with pytest.raises(InputError, match=f"found {found}; expected"):
        reader(tmp_path, text).integers(1, "number")


@pytest.mark.parametrize(
    ("text", "expected"),
    [(b" T\n", True), (b"True\n", True), (b".false.\n", False), (b"F false if not\n", False)],
)
def test_logical(tmp_path, text, expected):
    assert reader(tmp_path, text).logical("flag") is expected


@pytest.mark.parametrize(
    ("text", "whole", "listed"),
    [
        (b"Ti in oxide, 2 sets\n", "Ti in oxide", "Ti"),
        (b" a/b\n", "a/b", "a"),
        (b"'a b'/c\n", "'a b'/c", "a b"),
        (b"\n", "", ""),
        (b"/data/x\n", "/data/x", ""),
        (b" two words  \n", "two words", "two words"),  # padded to its full length
    ],
)
def test_text(tmp_path, text, whole, listed):
    assert reader(tmp_path, text).text(11, "name") == whole
    assert reader(tmp_path, text, whole_lines=False).text(11, "name") == listed


def test_text_with_its_length(tmp_path):
    assert reader(tmp_path, b"           3\n  b \n").counted_text("name") == " b "
    with pytest.raises(InputError, match=":2: name: found 3 characters after a blank; expected 4"):
        reader(tmp_path, b"           4\n  b \n").counted_text("name")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"  Ti  O   H \n", ("Ti", "O", "H")),
        (b" TiO H \n", ("Ti", "O", "H")),
        (b"Ti\nO \nH \n", ("Ti", "O", "H")),
        (b"Ti O H \n", ("Ti", "O", "H")),
        (b"'Ti', Oxygen\n H\n", ("Ti", "Ox", "H")),
        (b"Ti O H ! and a comment\n", ("Ti", "O", "H")),
        (b" A;B,C,\n", ("A", "B", "C")),
        (b" 3*Ti  \n", ("Ti", "Ti", "Ti")),
    ],
)
def test_symbols(tmp_path, text, expected):
    assert reader(tmp_path, text).symbols(3, "species") == expected


def test_other_kinds_of_files(tmp_path):
    with pytest.raises(InputError, match=":1: found a binary file; expected text"):
        reader(tmp_path, b"\4\0\0\0\2\0\0\0\4\0\0\0")
    with pytest.raises(InputError, match="this file is empty"):
        reader(tmp_path, b"")


def test_the_end(tmp_path):
    source = reader(tmp_path, b"1\n \n\n")
    source.integers(1, "number")
    source.finish()
    source = reader(tmp_path, b"1\n\n2\n")
    source.integers(1, "number")
    with pytest.raises(InputError, match=":3: end: found '2'; expected the end of the file"):
        source.finish()
