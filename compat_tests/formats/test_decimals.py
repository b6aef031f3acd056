"""Real numbers in gfortran's columns: literal examples, arrays against single numbers, and exact rounding."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aenet_py.formats import decimals
from compat_tests.formats.samples import next_to_the_middle

# Output of write(*,*) with gfortran 12.2.
PRINTED = [
    (1.0, b"   1.0000000000000000     "),
    (-1.0, b"  -1.0000000000000000     "),
    (0.0, b"   0.0000000000000000     "),
    (-0.0, b"  -0.0000000000000000     "),
    (0.1, b"  0.10000000000000001     "),
    (-0.5, b" -0.50000000000000000     "),
    (0.09999999999999999, b"   9.9999999999999992E-002"),
    (0.9999999999999999, b"  0.99999999999999989     "),
    (123456.789, b"   123456.78900000000     "),
    (12345678901234567.0, b"   12345678901234568.     "),
    (-99999999999999984.0, b"  -99999999999999984.     "),
    (1e16, b"   10000000000000000.     "),
    (1e17, b"   1.0000000000000000E+017"),
    (1e23, b"   9.9999999999999992E+022"),
    (1e-5, b"   1.0000000000000001E-005"),
    (1e-6, b"   9.9999999999999995E-007"),
    (1e-99, b"   1.0000000000000000E-099"),
    (1e-300, b"   1.0000000000000000E-300"),
    (5e-324, b"   4.9406564584124654E-324"),
    (1.7976931348623157e308, b"   1.7976931348623157E+308"),
    (float("inf"), b"                  Infinity"),
    (float("-inf"), b"                 -Infinity"),
    (float("nan"), b"                       NaN"),
]


def written(values: np.ndarray) -> np.ndarray:
    fields = np.empty(values.shape, decimals.FIELD)
    decimals.write(values, fields)
    return fields


@pytest.mark.parametrize(("value", "expected"), PRINTED)
def test_text_as_gfortran_prints_it(value, expected):
    assert decimals.text(value) == expected
    assert written(np.array([value])).tobytes() == expected


def ordinary() -> st.SearchStrategy[float]:
    """Numbers within the range that is converted as arrays, and near its limits."""
    near = st.integers(-8, 18).flatmap(lambda e: st.floats(0.9, 10.1).map(lambda m: m * 10.0**e))
    return st.one_of(st.floats(), near, near.map(lambda x: -x), st.floats(-10, 10), st.just(0.0))


@pytest.mark.slow
@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=1, max_dims=2, max_side=40), elements=ordinary()))
def test_many_at_once_are_written_as_one_by_one_and_read_back(values):
    fields = written(values)
    assert fields.tobytes() == b"".join(decimals.text(value) for value in values.ravel().tolist())
    back = decimals.read(fields)
    assert back.shape == values.shape
    same = (back.view(np.int64) == values.view(np.int64)) | (np.isnan(back) & np.isnan(values))
    assert same.all()


def test_neighbours_of_powers():
    powers = np.array([10.0**e for e in range(-10, 20)] + [2.0**e for e in range(-30, 60)])
    values = np.concatenate([powers, np.nextafter(powers, 0), np.nextafter(powers, np.inf), -powers])
    assert written(values).tobytes() == b"".join(map(decimals.text, values.tolist()))
    assert (decimals.read(written(values)) == values).all()


def field(digits: int, exponent: int) -> bytes:
    """A number of 17 digits, digits times 10**exponent, in gfortran's columns."""
    text, magnitude = f"{digits:017d}", exponent + 16
    if magnitude == -1:
        return f" 0.{text}".rjust(21).encode() + b"     "
    if 0 <= magnitude < 17:
        return f"{text[: magnitude + 1]}.{text[magnitude + 1 :]}".rjust(21).encode() + b"     "
    return f"{text[0]}.{text[1:]}E{magnitude:+04d}".rjust(26).encode()


@given(st.lists(st.tuples(st.integers(10**16, 10**17 - 1), st.integers(-24, 0)), min_size=1))
def test_any_digits_are_rounded_correctly(numbers):
    fields = np.frombuffer(b"".join(field(*number) for number in numbers), decimals.FIELD)
    assert decimals.read(fields).tolist() == [float(Fraction(10) ** e * digits) for digits, e in numbers]


@given(st.floats(1.1e-6, 9e6), st.integers(-3, 3))
def test_digits_next_to_the_middle_of_two_numbers(value, shift):
    digits, exponent = next_to_the_middle(value, 17, shift)
    if not 10**16 <= digits < 10**17:
        return
    read = decimals.read(np.frombuffer(field(digits, exponent), decimals.FIELD))
    assert read.tolist() == [float(Fraction(10) ** exponent * digits)]


@pytest.mark.parametrize(
    "text",
    [
        b"   1.00000000000000x0     ", b"   1.0000000000000000    x", b"  x1.0000000000000000     ",
        b"x  1.0000000000000000     ", b"                          ", b"   1,0000000000000000     ",
        b"  --1.0000000000000000    ", b"   1.0000000000000000E-0x2", b"   1.0000000000000000D-002",
        b"   1.00000.0000000000     ", b"   10000000000000000000000", b"   \x801.000000000000000     ",
    ],
)  # fmt: skip
def test_not_a_number(text):
    assert len(text) == decimals.WIDTH
    with pytest.raises(ValueError):  # noqa: PT011 - the caller adds the place
        decimals.read(np.frombuffer(text, decimals.FIELD))


def test_strided_columns():
    values = np.arange(12.0).reshape(3, 4) - 5.5
    text = np.full((3, 4 * decimals.WIDTH + 1), ord("\n"), np.uint8)
    fields = np.ndarray((3, 4), decimals.FIELD, text, strides=(text.shape[1], decimals.WIDTH))
    decimals.write(values, fields)
    lines = text.tobytes().split(b"\n")
    assert [[float(word) for word in line.split()] for line in lines[:3]] == values.tolist()
    assert (decimals.read(fields) == values).all()
