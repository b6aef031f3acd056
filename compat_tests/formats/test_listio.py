"""List-directed text as gfortran 12.2 reads it; the expectations were obtained from small Fortran programs."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aenet_py.formats import listio


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Ti 1.0  2.0", ["Ti", "1.0", "2.0"]),
        ("  Ti\t1.0\r", ["Ti", "1.0"]),
        ("", []),
        ("a,b;c", ["a", "b", "c"]),
        ("a , b", ["a", "b"]),
        ("a,,b", ["a", None, "b"]),
        (",a", [None, "a"]),
        ("a/b c", ["a"]),
        ("/a", []),
        ("'a b/c' \"d,e\"", ["a b/c", "d,e"]),
        ("'it''s' x", ["it's", "x"]),
        ("'not closed", ["not closed"]),
        ("3*0.5 1", ["0.5", "0.5", "0.5", "1"]),
        ("2* 1", [None, None, "1"]),
        ("3*'a b'", ["a b", "a b", "a b"]),
        ("x*3", ["x*3"]),
        ("caf\xc3\xa0 x\xc3\x85y", ["caf\xc3\xa0", "x\xc3\x85y"]),
        ("\x0cFORCES", ["\x0cFORCES"]),
    ],
)
def test_items(line, expected):
    assert listio.items(line) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1.0), ("-1.", -1.0), (".5", 0.5), ("0.35d0", 0.35), ("1.D+01", 10.0), ("1q2", 100.0), ("5.e-1", 0.5),
        ("1.5+3", 1500.0), ("1-2", 0.01), ("+2E3", 2000.0), ("1d-400", 0.0),
    ],
)  # fmt: skip
def test_real(text, expected):
    assert listio.real(text) == expected


@pytest.mark.parametrize(
    "text", ["", "x", "1x", "nan", "NaN", "inf", "-Infinity", "1e999", "1_0", "0x10", ".", "1e", "--1"]
)
def test_not_a_real(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the caller adds the place
        listio.real(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_reals_survive_printing(value):
    assert math.copysign(1.0, listio.real(repr(value))) == math.copysign(1.0, value)
    assert listio.real(repr(value).replace("e", "D")) == value


@given(st.lists(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1)))
def test_quoted_items_survive(words):
    line = " ".join("'" + word.replace("'", "''") + "'" for word in words)
    assert listio.items(line) == words


@pytest.mark.parametrize("text", ["T", "t", ".true.", "TRUE", ".t", "true!", "tomorrow"])
def test_true(text):
    assert listio.logical(text) is True


@pytest.mark.parametrize("text", ["F", ".false.", ".fx", "file"])
def test_false(text):
    assert listio.logical(text) is False


@pytest.mark.parametrize("text", ["", "yes", "1", "on", "."])
def test_not_a_logical(text):
    with pytest.raises(ValueError):  # noqa: PT011
        listio.logical(text)


@pytest.mark.parametrize("text", ["1.0", "", "x", "1e3"])
def test_not_an_integer(text):
    with pytest.raises(ValueError):  # noqa: PT011
        listio.integer(text)
