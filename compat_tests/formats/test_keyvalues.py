"""Comment lines: pairs in any notation, with time and memory linear in the length."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aenet_py.formats.keyvalues import pairs, quoted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1 b='x y' c = \"z\" d", [("a", "1"), ("b", "x y"), ("c", "z")]),
        ("a=1, b=2; flag, c=3", [("a", "1"), ("b", "2"), ("c", "3")]),
        ("L=[[1, 0], [0, 1]] b=2", [("L", "[1, 0], [0, 1]"), ("b", "2")]),
        ("L={1 0 0} b=2", [("L", "1 0 0"), ("b", "2")]),
        ('a=["]", "x"] b=2', [("a", '"]", "x"'), ("b", "2")]),
        (r'a="x \"y\" \\ \n" b=2', [("a", 'x "y" \\ \n'), ("b", "2")]),
        ('"a key"="b" \'other key\' = 5', [("a key", "b"), ("other key", "5")]),
        ('"energy=3 in words" energy=4', [("energy", "4")]),
        ("it's energy=3 and that's all", [("energy", "3")]),
        ("name=O'Brien energy=3 note=it's", [("name", "O'Brien"), ("energy", "3"), ("note", "it's")]),
        ("note='never closed energy=3", [("note", "'never"), ("energy", "3")]),
        ('a="never closed energy=3 b="x"', [("a", "never closed energy=3 b="), ]),
        ("a=[1 2 energy=3", [("a", "[1"), ("energy", "3")]),
        ("= == a==b c=", [("a", "=b"), ("c", "")]),
        ('x="_JSON {\\"a\\": [1, 2]}" energy=3', [("x", '_JSON {"a": [1, 2]}'), ("energy", "3")]),
        ("\ta=1\t\tb=2 \r", [("a", "1"), ("b", "2")]),
        ("a=1,2 b=T,F", [("a", "1,2"), ("b", "T,F")]),
        ("", []),
    ],
)  # fmt: skip
def test_pairs(text, expected):
    assert [(key, value) for key, value in pairs(text) if value is not None] == expected


def test_words_without_a_value():
    found = list(pairs("flag energy=-1 Ha [1 2] 'a b' it's c = d last"))
    words = ["flag", ("energy", "-1"), "Ha", "1 2", "a b", "it's", ("c", "d"), "last"]
    assert found == [word if isinstance(word, tuple) else (word, None) for word in words]


@given(st.text(st.characters(codec="utf-8")), st.text(st.sampled_from("ab\\\"'[]{}= ,\n")))
def test_what_is_quoted_comes_back(one, other):
    assert list(pairs(f"a={quoted(one)} b={quoted(other)}")) == [("a", one), ("b", other)]


@given(st.text(st.sampled_from("ab\\\"'[]{}= ,;\n")))
def test_any_text_ends(text):
    assert sum(value is not None for _, value in pairs(text)) <= text.count("=")


PIECES = [
    "a ",
    "a=1 ",
    "=",
    '"',
    "'",
    'a="x ',
    '\\"',
    'a="\\ ',
    'a="\\" ',
    "a='",
    "a=[",
    "[",
    "]",
    ",",
    "k   ",
    "=\"'[",
    "x",
]


@pytest.mark.parametrize("piece", PIECES)
def test_long_lines_take_time_in_proportion(piece):
    """A search that restarts at each character would take minutes."""
    for start in ("", '"', 'a="', "a=[", "a='\\"):
        text = start + piece * (200_000 // len(piece))
        began = time.process_time()
        for _ in pairs(text):
            pass
        assert time.process_time() - began < 4


@pytest.mark.memory
@pytest.mark.parametrize("piece", ["a ", "a=1 ", '"', 'a="\\ ', "a=["])
def test_long_lines_take_memory_in_proportion(piece):
    text = "a=" + piece * (200_000 // len(piece))
    tracemalloc.start()
    for _ in pairs(text):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * len(text)
