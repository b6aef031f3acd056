"""Real numbers in the columns of gfortran's list-directed output: 26 characters each, 17 significant digits.

A number is a blank and 25 columns.  From 0.1 up to 1e17 the digits end in column 20, followed by five blanks; otherwise
the exponent follows: ``  -1308.9000000000001     ``, ``  -9.1009487097487560E-002``.  Columns 3 to 20 thus always hold
17 digits and a point; only numbers from 0.1 to 1 have an additional leading zero.

Arrays are converted by whole-array operations, with eight digits of a number in one 64-bit integer.  Numbers outside
their range (below 1e-6, from 1e7 on, infinities, other columns) are converted one by one.
"""

from __future__ import annotations

import math
import re

import numpy as np

from aenet_py.formats import eights

WIDTH = 26

# A number in overlapping pieces: columns 0 to 3, 3 to 10, 11 to 18, 18 to 25.  In the order head, tail, first, middle,
# each piece overwrites the surplus columns of those before.  (NumPy corrupts memory when it concatenates arrays of
# overlapping fields: join their bytes instead.)
FIELD = np.dtype(
    {"names": ["head", "tail", "first", "middle"], "formats": ["<u4", "<u8", "<u8", "<u8"], "offsets": [0, 18, 3, 11],
     "itemsize": WIDTH}
)  # fmt: skip

_LEAST, _MOST = -6, 6  # decimal exponents of the numbers converted as arrays: the point is in the first eight columns
_U = np.uint64


def text(value: float) -> bytes:
    """A number as printed by gfortran (write_real)."""
    if not math.isfinite(value):
        name = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return name.rjust(WIDTH).encode()
    digits = f"{value:.16e}"
    exponent = int(digits[digits.index("e") + 1 :])
    if value == 0 or -1 <= exponent < 17:
        decimals = 16 if value == 0 else 16 - exponent
        return (f"{value:#.{decimals}f}".rjust(WIDTH - 5) + "     ").encode()
    mantissa, sign = digits[: digits.index("e")], "-" if exponent < 0 else "+"
    return f"{mantissa}E{sign}{abs(exponent):03d}".rjust(WIDTH).encode()


def write(values: np.ndarray, out: np.ndarray) -> None:
    """Write numbers into fields of a text.

    values (n, ...) float64; out : `FIELD` of the same shape, with any strides.
    """
    eights.write(_write, values, out)


def _write(values: np.ndarray, out: np.ndarray) -> None:
    bits, size, place, others = _BY_BINARY.of(values)
    # 17 digits as an integer: product with a power of ten, whose rounding error is known exactly (Dekker 1971).
    scaled, error = eights.exact_product(size, _SCALE.take(place), _SCALE_HIGH.take(place), _SCALE_LOW.take(place))
    digits = scaled.astype(np.int64)
    digits += np.rint(error).astype(np.int64)
    others |= ((digits < 10**16) & (size != 0)) | (digits >= 10**17)
    digits = digits.view(_U)
    leading = digits // _U(100)
    last_two = digits - leading * _U(100)
    first_seven = leading // _U(10**8)
    first = eights.to_text(first_seven)
    middle = eights.to_text(leading - first_seven * _U(10**8))
    tens = (last_two * _U(205)) >> _U(11)
    last_two -= tens * _U(10)
    tail = _TAIL.take(place) | (((last_two << _U(8)) | tens) << _U(8))
    with_point = (first >> _U(8)) & _BEFORE_POINT.take(place)
    with_point |= first & _AFTER_POINT.take(place)
    with_point |= _POINT.take(place)
    out["head"] = _HEAD.take(2 * place + (bits >> _U(63)).astype(np.intp)).reshape(out.shape)
    out["tail"] = tail.reshape(out.shape)
    out["first"] = with_point.reshape(out.shape)
    out["middle"] = middle.reshape(out.shape)
    for index in np.flatnonzero(others).tolist():
        field = np.frombuffer(text(float(bits.view(np.float64)[index])), FIELD)[0]
        for name in ("head", "tail", "first", "middle"):
            out[name][np.unravel_index(index, out.shape)] = field[name]


def read(fields: np.ndarray) -> np.ndarray:
    """Read numbers, correctly rounded, from fields with the columns of `write`.

    fields (n, ...) `FIELD` with any strides.  Returns float64 of the same shape; ValueError if a field is not a number.
    """
    return eights.read(_read, fields)


def _read(fields: np.ndarray) -> np.ndarray:
    head, first, middle, tail = (fields[name].flatten() for name in ("head", "first", "middle", "tail"))
    # The byte of `first` that is a point, as its lowest bit: 1 << 8 times its position.
    point = first ^ _POINTS
    point = (point - _ONES) & ~point & _HIGH_BITS
    point &= ~point + _U(1)
    point >>= _U(7)
    n_decimals = 17 - ((point * _PLACE_OF_BIT) >> _U(56)).astype(np.intp)
    before = point - _U(1)
    leading = first & before
    leading <<= _U(8)
    first &= ~(before | (point * _U(255)))
    first |= leading | _U(ord("0"))
    last = tail >> _U(8)
    wrong = eights.not_digits(first) | eights.not_digits(middle) | (eights.not_digits(last) & _U(0xFFFF))
    wrong &= _HIGH_BITS
    tail >>= _U(24)
    head &= np.uint32(0xFFFFFF)
    negative = (head == _MINUS) | (head == _MINUS_ZERO)
    others = ~(negative | (head == _BLANK) | (head == _ZERO))
    others |= wrong != 0
    others |= point == 0
    with_exponent = np.flatnonzero(tail != _BLANK_TAIL)
    if len(with_exponent):
        exponents = tail[with_exponent] - _TAIL_MINUS_ZERO
        place = exponents >> _U(32)
        others[with_exponent] |= ((exponents & _U(0xFFFFFFFF)) != 0) | (place > -_LEAST)
        n_decimals[with_exponent] += place.astype(np.intp)
    digits = eights.to_number(first)
    digits *= _U(10**8)
    digits += eights.to_number(middle)
    digits *= _U(100)
    digits += (last & _U(15)) * _U(10)
    digits += (last >> _U(8)) & _U(15)
    others |= digits < _U(10**16)
    slow = np.flatnonzero(others)
    zero = slow[(digits[slow] | wrong[slow]) == 0]
    digits[slow], n_decimals[slow] = 10**16, 16
    values = _exact_quotient(digits, n_decimals)
    values[zero] = 0.0
    values.view(_U)[:] |= negative.astype(_U) << _U(63)
    for index in np.setdiff1d(slow, zero, assume_unique=True).tolist():
        values[index] = _number(fields[np.unravel_index(index, fields.shape)].tobytes())
    return values.reshape(fields.shape)


def _number(field: bytes) -> float:
    if field[:1] != b" " or not _NUMBER.fullmatch(field):
        raise ValueError(field)
    return float(field)


def _exact_quotient(digits: np.ndarray, n_decimals: np.ndarray) -> np.ndarray:
    """digits / 10**n_decimals, correctly rounded; digits (n,) uint64 below 1e17, n_decimals 10 to 22."""
    values = digits.view(np.int64) / _TENS.take(n_decimals)
    # The value is m 2**e and at most 1.5 units in the last place off.  The remainder, in units of 2**e / 5**n_decimals,
    # is an integer far below 2**63 and thus known from the last 64 bits of both terms.
    bits = values.view(_U)
    mantissa = bits & _U(2**52 - 1)
    mantissa |= _U(2**52)
    shift = _U(1075) - (bits >> _U(52))
    shift -= n_decimals.view(_U)
    fives = _FIVES.take(n_decimals)
    missing = digits << shift
    missing -= mantissa * fives.view(_U)
    twice = missing.view(np.int64)
    twice += twice
    bits += twice > fives  # never equal: fives are odd
    bits -= twice <= (-fives >> (mantissa == 2**52))  # below a power of two, the spacing is half as large
    return values


_bytes = eights.as_integer
_NUMBER = re.compile(rb" *[+-]?(\d+\.\d*(E[+-]\d{3})?|Infinity|NaN) *")
_ONES, _POINTS, _HIGH_BITS = _U(_bytes(b"\1" * 8)), _U(_bytes(b"." * 8)), _U(_bytes(b"\x80" * 8))
_PLACE_OF_BIT = _U(0x0001020304050607)
_BLANK, _MINUS, _ZERO, _MINUS_ZERO = (_bytes(head) for head in (b"   ", b"  -", b"  0", b" -0"))
_BLANK_TAIL, _TAIL_MINUS_ZERO = _U(_bytes(b"     ")), _U(_bytes(b"E-000"))

# By the number of decimals.
_TENS = np.array([10.0**n for n in range(23)])
_FIVES = np.array([5**n for n in range(23)])

# By the decimal exponent, from _LEAST on: position of the point among the 18 columns, and what depends on it.
_EXPONENTS = range(_LEAST, _MOST + 1)
_PLACES = [e + 1 if e >= 0 else 0 if e == -1 else 1 for e in _EXPONENTS]
_SCALE = _TENS[[16 - e for e in _EXPONENTS]]
_SCALE_HIGH, _SCALE_LOW = eights.split(_SCALE)
_BEFORE_POINT = np.array([(1 << 8 * p) - 1 for p in _PLACES], _U)
_AFTER_POINT = np.array([(1 << 64) - (1 << 8 * (p + 1)) for p in _PLACES], _U)
_POINT = np.array([ord(".") << 8 * p for p in _PLACES], _U)
_TAIL = np.array([_bytes(b"\0" + b"00" + (b"     " if e >= -1 else b"E-%03d" % -e)) for e in _EXPONENTS], _U)
_HEADS = [(b"  0 ", b" -0 ") if e == -1 else (b"    ", b"  - ") for e in _EXPONENTS]
_HEAD = np.array([_bytes(head) for pair in _HEADS for head in pair], "<u4")

# By the binary exponent of a number: decimal exponent at the start of its range, and the power of ten in the range.
_LOWEST_BINARY, _HIGHEST_BINARY = 1023 - 19, 1023 + 22
_FIRST_PLACE = np.full(2048, -_LEAST, np.intp)
_NEXT_POWER = np.full(2048, np.inf)
for _binary in range(_LOWEST_BINARY, _HIGHEST_BINARY + 1):
    _exponent = int(f"{2.0 ** (_binary - 1023):.16e}"[-3:])
    _FIRST_PLACE[_binary] = _exponent - _LEAST
    if float(f"1e{_exponent + 1}") < 2.0 ** (_binary - 1022):
        _NEXT_POWER[_binary] = float(f"1e{_exponent + 1}")
_BY_BINARY = eights.Exponents(_LOWEST_BINARY, _HIGHEST_BINARY, _FIRST_PLACE, _NEXT_POWER)

# Before a large block was freed once, glibc returns memory at once, and every intermediate array is mapped anew.
np.empty(30 << 17)
