"""Real numbers in the columns of ES24.17: literal examples, arrays against single numbers, and exact rounding."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aenet_py.formats import scientific
from compat_tests.formats.samples import next_to_the_middle

# Output of the format (1x,ES24.17) with gfortran 12.2.
PRINTED = [
    (float("inf"), b"                 Infinity"),
    (float("-inf"), b"                -Infinity"),
    (float("nan"), b"                      NaN"),
    (1.0, b"  1.00000000000000000E+00"),
    (-0.0, b" -0.00000000000000000E+00"),
    (0.0, b"  0.00000000000000000E+00"),
    (1e99, b"  9.99999999999999967E+98"),
    (1e100, b"  1.00000000000000002+100"),
    (-1e-100, b" -1.00000000000000002-100"),
    (1e-99, b"  1.00000000000000002E-99"),
    (5e-324, b"  4.94065645841246544-324"),
    (1.7976931348623157e308, b"  1.79769313486231571+308"),
    (-432.503149303, b" -4.32503149302999987E+02"),
]


def written(values: np.ndarray) -> np.ndarray:
    fields = np.empty(values.shape, scientific.FIELD)
    scientific.write(values, fields)
    return fields


def one_by_one(values: np.ndarray) -> bytes:
    return b"".join(scientific.text(value) for value in values.ravel().tolist())


@pytest.mark.parametrize(("value", "expected"), PRINTED)
def test_as_gfortran_prints_it(value, expected):
    assert scientific.text(value) == expected
    assert written(np.array([value])).tobytes() == expected
    np.testing.assert_array_equal(scientific.read(written(np.array([value]))), [value])


@given(hnp.arrays(np.float64, hnp.array_shapes(max_dims=2), elements=st.one_of(st.floats(), st.floats(-9, 9))))
def test_arrays_are_written_as_one_by_one_and_read_back(values):
    fields = written(values)
    assert fields.tobytes() == one_by_one(values)
    back = scientific.read(fields)
    assert back.shape == values.shape
    assert ((back.view(np.int64) == values.view(np.int64)) | (np.isnan(back) & np.isnan(values))).all()


def test_many_numbers():
    rng = np.random.default_rng(5)
    values = 10.0 ** rng.uniform(-110, 110, 60_000) * rng.choice([-1, 1], 60_000)
    whole = np.ldexp(rng.integers(0, 2**53, 20_000).astype(float), rng.integers(-80, 20, 20_000))
    for numbers in (values, whole, rng.integers(0, 2**62, 20_000).astype(float)):
        assert written(numbers).tobytes() == one_by_one(numbers)
        assert (scientific.read(written(numbers)) == numbers).all()


def test_next_to_powers():
    powers = np.array([float(f"1e{e}") for e in range(-102, 103)] + [2.0**e for e in range(-340, 340)])
    values = np.concatenate([powers, np.nextafter(powers, 0), np.nextafter(powers, np.inf), -powers])
    assert written(values).tobytes() == one_by_one(values)
    assert (scientific.read(written(values)) == values).all()


def test_halves_are_rounded_to_even():
    """Numbers with 19 digits, the last of which is a five."""
    halves = np.arange(2**18 + 1, 2**18 + 9999, 2) / 2**18
    assert all((Fraction(value) * 10**17).denominator == 2 for value in halves.tolist())
    assert written(halves).tobytes() == one_by_one(halves)


def field(digits: int, exponent: int) -> bytes:
    """A number of 18 digits, digits times 10**exponent, in its columns."""
    return f"  {digits // 10**17}.{digits % 10**17:017d}E{exponent + 17:+03d}".encode()


def assert_read_exactly(numbers: list[tuple[int, int]]) -> None:
    """Compare with exact fractions; numbers : digits and exponents."""
    fields = np.frombuffer(b"".join(field(*number) for number in numbers), scientific.FIELD)
    assert scientific.read(fields).tolist() == [float(Fraction(10) ** e * digits) for digits, e in numbers]


@given(st.lists(st.tuples(st.integers(0, 10**18 - 1), st.integers(-116, 82)), min_size=1))
def test_any_digits_are_rounded_correctly(numbers):
    assert_read_exactly(numbers)


@given(st.lists(st.floats(1e-90, 1e90), min_size=1))
def test_digits_next_to_the_middle_of_two_numbers(values):
    middles = [next_to_the_middle(value, 18, shift) for value in values for shift in (-1, 0, 1)]
    numbers = [(digits, exponent) for digits, exponent in middles if 10**17 <= digits < 10**18]
    assert_read_exactly(numbers)


@pytest.mark.parametrize("good", [b" -1.23456789012345678E-05", b"  1.23456789012345678+105"])
@pytest.mark.parametrize("wrong", [b"x", b"/", b":", b"\x80"])
def test_one_wrong_character(good, wrong):
    for column in range(scientific.WIDTH):
        fields = np.frombuffer(good + good[:column] + wrong + good[column + 1 :], scientific.FIELD)
        assert scientific.read(fields[:1]).tolist() == [float(good.replace(b"+105", b"e105"))]
        with pytest.raises(ValueError, match="1"):
            scientific.read(fields)
