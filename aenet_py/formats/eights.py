"""Digits of many numbers at once: eight of them in one 64-bit integer, and exact products of reals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

CHUNK = 16384  # numbers converted at once

_U = np.uint64
ASCII_ZEROS = _U(0x3030303030303030)


def write(convert: Callable[[np.ndarray, np.ndarray], None], values: np.ndarray, out: np.ndarray) -> None:
    """Write numbers into fields, (n, ...) both; convert : writes so few that its arrays fit into the cache."""
    for rows in _chunks(values):
        convert(values[rows], out[rows])


def read(convert: Callable[[np.ndarray], np.ndarray], fields: np.ndarray) -> np.ndarray:
    """Inverse of `write`."""
    values = np.empty(fields.shape)
    for rows in _chunks(fields):
        values[rows] = convert(fields[rows])
    return values


def _chunks(values: np.ndarray) -> list[slice]:
    """Chunks of rows whose intermediate results fit into the processor's cache."""
    rows = max(1, CHUNK * len(values) // max(1, values.size))
    return [slice(start, start + rows) for start in range(0, len(values), rows)]


@dataclass(frozen=True)
class Exponents:
    """Decimal exponents by the binary exponent of a number, as stored from 0 to 2047.

    Numbers from lowest to highest, and zeros, are converted as arrays.  first : place of the decimal exponent at the
    start of the binary range; following : the power of ten within it, or infinity.
    """

    lowest: int
    highest: int
    first: np.ndarray
    following: np.ndarray

    def of(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Bits, sizes and places of all numbers, and which are out of range, whose sizes are set to 1; (n,) each."""
        flat = np.ascontiguousarray(values, dtype=np.float64).ravel()
        size, bits = np.abs(flat), flat.view(_U)
        binary = ((bits >> _U(52)) & _U(0x7FF)).astype(np.intp)
        others = ((binary < self.lowest) | (binary > self.highest)) & (size != 0)
        size[others] = 1.0
        place = self.first.take(binary)
        place += size >= self.following.take(binary)
        return bits, size, place, others


def split(value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A number as the sum of two of 26 bits (Veltkamp 1968)."""
    carried = value * 134217729.0
    high = carried - (carried - value)
    return high, value - high


def exact_product(a: np.ndarray, b: np.ndarray, b_high: np.ndarray, b_low: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a b rounded, and the rounding error (Dekker 1971)."""
    product = a * b
    a_high, a_low = split(a)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def to_text(number: np.ndarray) -> np.ndarray:
    """Eight digits as text, with the first in the lowest byte; number : uint64 below 1e8."""
    high = number // _U(10000)
    pairs = high | ((number - high * _U(10000)) << _U(32))
    high = ((pairs * _U(10486)) >> _U(20)) & _U(0x7F0000007F)
    pairs = high | ((pairs - high * _U(100)) << _U(16))
    high = ((pairs * _U(103)) >> _U(10)) & _U(0x000F000F000F000F)
    return high | ((pairs - high * _U(10)) << _U(8)) | ASCII_ZEROS


def to_number(digits: np.ndarray) -> np.ndarray:
    """Inverse of `to_text`: digits are joined to pairs, pairs to fours, fours to eight digits."""
    number = digits & _U(0x0F0F0F0F0F0F0F0F)
    number *= _U(10 * 2**8 + 1)
    number >>= _U(8)
    number &= _U(0x00FF00FF00FF00FF)
    number *= _U(100 * 2**16 + 1)
    number >>= _U(16)
    number &= _U(0x0000FFFF0000FFFF)
    number *= _U(10000 * 2**32 + 1)
    number >>= _U(32)
    return number


def not_digits(eight: np.ndarray) -> np.ndarray:
    """Set the high bit of bytes that are not digits, and of some others if there are any."""
    return (eight + _U(0x4646464646464646)) | (eight - ASCII_ZEROS)


def as_integer(text: bytes) -> int:
    """Characters as an integer, the first in the lowest byte."""
    return int.from_bytes(text, "little")
