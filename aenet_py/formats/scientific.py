"""Real numbers in the columns of Fortran's format ``(1x,ES24.17)``: 25 characters each, 18 significant digits.

A number is a blank, its sign, one digit, the point, 17 digits and the exponent: `` -4.32503149302999987E+02``.  The E
is left out where the exponent has three digits.  Arrays are converted by whole-array operations; numbers with such
exponents, infinities, and those too close to the middle between two roundings one by one.
"""

from __future__ import annotations

import math
import re

import numpy as np

from aenet_py.formats import eights

WIDTH = 25

# Blank, sign, digit and point; a digit; two times eight digits; exponent.
FIELD = np.dtype(
    {"names": ["head", "second", "first", "middle", "tail"], "formats": ["<u4", "u1", "<u8", "<u8", "<u4"],
     "offsets": [0, 4, 5, 13, 21], "itemsize": WIDTH}
)  # fmt: skip

_MOST = 99  # largest decimal exponent of the numbers converted as arrays
_PLACES = 17  # decimals
_U = np.uint64


def text(value: float) -> bytes:
    """A number in its columns."""
    if not math.isfinite(value):
        name = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return name.rjust(WIDTH).encode()
    mantissa, exponent = f"{value:.{_PLACES}e}".split("e")
    return f"{mantissa}{'E' if len(exponent) == 3 else ''}{exponent}".rjust(WIDTH).encode()


def write(values: np.ndarray, out: np.ndarray) -> None:
    """Write numbers into fields of a text.

    values (n, ...) float64; out : `FIELD` of the same shape, with any strides.
    """
    eights.write(_write, values, out)


def read(fields: np.ndarray) -> np.ndarray:
    """Read numbers, correctly rounded, from fields with the columns of `write`.

    fields (n, ...) `FIELD` with any strides.  Returns float64 of the same shape; ValueError if a field is not a number.
    """
    return eights.read(_read, fields)


def _write(values: np.ndarray, out: np.ndarray) -> None:
    bits, size, place, others = _BY_BINARY.of(values)
    # 18 digits as an integer: product with a power of ten, known to twice the precision.
    factor = _RANGE + _PLACES + _MOST - place
    scaled, error = eights.exact_product(size, _POWER.take(factor), _POWER_HIGH.take(factor), _POWER_LOW.take(factor))
    error += size * _REST.take(factor)
    whole = np.rint(error)
    others |= np.abs(np.abs(error - whole) - 0.5) < 1e-6
    digits = scaled.astype(np.int64)
    digits += whole.astype(np.int64)
    others |= ((digits < 10**_PLACES) & (size != 0)) | (digits >= 10 ** (_PLACES + 1))
    digits = digits.view(_U)
    digits[others] = 0
    leading = digits // _U(10**8)
    first_two = leading // _U(10**8)
    head = first_two + (bits >> _U(63)) * _U(100)
    first_two = first_two.astype(np.intp)
    out["head"] = _HEAD.take(head.astype(np.intp)).reshape(out.shape)
    out["second"] = _SECOND.take(first_two).reshape(out.shape)
    out["first"] = eights.to_text(leading - (leading // _U(10**8)) * _U(10**8)).reshape(out.shape)
    out["middle"] = eights.to_text(digits - leading * _U(10**8)).reshape(out.shape)
    out["tail"] = _TAIL.take(place).reshape(out.shape)
    for index in np.flatnonzero(others).tolist():
        out[np.unravel_index(index, out.shape)] = np.frombuffer(text(float(bits.view(np.float64)[index])), FIELD)[0]


def _read(fields: np.ndarray) -> np.ndarray:
    head, second, first, middle, tail = (
        fields[name].flatten() for name in ("head", "second", "first", "middle", "tail")
    )
    signs = head & np.uint32(0xFF00FFFF)
    leading = ((head >> np.uint32(16)) & np.uint32(0xFF)).astype(_U) - _U(ord("0"))
    following = second.astype(_U) - _U(ord("0"))
    tens = ((tail >> np.uint32(16)) & np.uint32(0xFF)).astype(np.intp) - ord("0")
    ones = (tail >> np.uint32(24)).astype(np.intp) - ord("0")
    up = (tail & np.uint32(0xFFFF)) == _UP
    others = (signs != _PLUS) & (signs != _MINUS)
    others |= (leading > 9) | (following > 9) | (tens < 0) | (tens > 9) | (ones < 0) | (ones > 9)
    others |= ~up & ((tail & np.uint32(0xFFFF)) != _DOWN)
    others |= ((eights.not_digits(first) | eights.not_digits(middle)) & _HIGH_BITS) != 0
    digits = ((leading * _U(10) + following) * _U(10**8) + eights.to_number(first)) * _U(10**8)
    digits += eights.to_number(middle)
    exponent = np.where(up, 10 * tens + ones, -(10 * tens + ones))
    digits[others], exponent[others] = 0, 0
    factor = _RANGE - _PLACES + exponent
    # The digits are a sum of two reals, as is the power; their product is a sum whose last bits are uncertain.
    rounded = digits.astype(np.float64)
    surplus = (digits - rounded.astype(_U)).view(np.int64).astype(np.float64)
    power = _POWER.take(factor)
    product, rest = eights.exact_product(rounded, power, _POWER_HIGH.take(factor), _POWER_LOW.take(factor))
    rest += rounded * _REST.take(factor) + surplus * power
    doubt = product * 2.0**-95
    values = product + (rest - doubt)
    others |= values != product + (rest + doubt)
    values.view(_U)[signs == _MINUS] |= _U(1 << 63)
    for index in np.flatnonzero(others).tolist():
        values[index] = _number(fields[np.unravel_index(index, fields.shape)].tobytes())
    return values.reshape(fields.shape)


def _number(field: bytes) -> float:
    match = _NUMBER.fullmatch(field)
    if match is None:
        raise ValueError(field)
    return float(match[1] if match[2] is None else match[2] + b"E" + match[3])


def _powers(least: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Powers of ten as sums of two reals."""
    powers, rests = [], []
    for n in range(least, most + 1):
        power = float(f"1e{n}")
        above, below = power.as_integer_ratio()
        wanted, divisor = (10**n, 1) if n >= 0 else (1, 10**-n)
        powers.append(power)
        rests.append((wanted * below - above * divisor) / (below * divisor))
    return np.array(powers), np.array(rests)


_NUMBER = re.compile(rb" +([+-]?\d\.\d+E[+-]\d\d|Infinity|-Infinity|NaN)|(?: +([+-]?\d\.\d+)([+-]\d{3}))")
_HIGH_BITS = _U(eights.as_integer(b"\x80" * 8))
_PLUS, _MINUS = (np.uint32(eights.as_integer(head)) for head in (b"  \0.", b" -\0."))
_UP, _DOWN = (np.uint32(eights.as_integer(tail)) for tail in (b"E+", b"E-"))

# By the first two digits; from 100 on, those of negative numbers.
_HEAD = np.array([eights.as_integer(b" %c%d." % (sign, n // 10)) for sign in b" -" for n in range(100)], "<u4")
_SECOND = np.array([ord("0") + n % 10 for n in range(100)], "u1")

# By the decimal exponent, from -_MOST on.
_TAIL = np.array([eights.as_integer(b"E%+03d" % e) for e in range(-_MOST, _MOST + 1)], "<u4")

# Powers of ten, from -_RANGE on: 10**(_PLACES - e) turns a number into its digits, 10**(e - _PLACES) digits into it.
_RANGE = _MOST + _PLACES
_POWER, _REST = _powers(-_RANGE, _RANGE)
_POWER_HIGH, _POWER_LOW = eights.split(_POWER)

# By the binary exponent of a number: decimal exponent at the start of its range, and the power of ten in the range.
_LOWEST_BINARY, _HIGHEST_BINARY = 1023 - 328, 1023 + 328
_BINARY = np.arange(_LOWEST_BINARY, _HIGHEST_BINARY + 1)
_FIRST_PLACE = np.full(2048, _MOST, np.intp)
_FIRST_PLACE[_BINARY] += np.floor((_BINARY - 1023) * math.log10(2)).astype(np.intp)
_NEXT_POWER = np.full(2048, np.inf)
_AT_LEAST = np.where(_REST > 0, np.nextafter(_POWER, np.inf), _POWER)  # smallest reals not below the powers
_NEXT_POWER[_BINARY] = _AT_LEAST[_RANGE + 1 - _MOST + _FIRST_PLACE[_BINARY]]
_BY_BINARY = eights.Exponents(_LOWEST_BINARY, _HIGHEST_BINARY, _FIRST_PLACE, _NEXT_POWER)
