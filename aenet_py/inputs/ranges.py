"""Parsers of numbers in a range, each with what it expects."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from aenet_py.errors import InputError
from aenet_py.formats import listio

Range = tuple[Callable[[str], float], str]  # ValueError for other numbers


def where(valid: Callable[[float], bool]) -> Callable[[str], float]:
    """A parser of finite numbers that are valid; ValueError for others."""

    def parse(text: str) -> float:
        value = listio.real(text)
        if not (math.isfinite(value) and valid(value)):
            raise ValueError(text)
        return value

    return parse


def settings(
    path: str, line: int, given: Mapping[str, str], defaults: Mapping[str, float], allowed: Mapping[str, Range]
) -> dict[str, float]:
    """Numbers by name, in place of the defaults.

    Parameters
    ----------
    path : str
        File, for messages.
    line : int
        Its line.
    given : mapping of str to str
        Text by name.
    defaults : mapping of str to float
        Values of those that are not given.
    allowed : mapping of str to Range
        How to read each.

    Returns
    -------
    dict of str to float

    Raises
    ------
    InputError
        For a text that is no number in its range.
    """
    values = dict(defaults)
    for name, text in given.items():
        parse, expected = allowed[name]
        try:
            values[name] = parse(text)
        except ValueError:
            message = f"found {text or 'nothing'!r} for {name}; expected {expected}"
            raise InputError(path, message, line) from None
    return values


WHOLE: Range = (where(lambda value: value >= 1 and value.is_integer()), "a whole number, at least 1")
POSITIVE: Range = (where(lambda value: value > 0), "a number above 0")
SHARE: Range = (where(lambda value: 0 <= value < 1), "a number, at least 0 and below 1")
NON_NEGATIVE: Range = (where(lambda value: value >= 0), "a number, at least 0")
NUMBER: Range = (where(math.isfinite), "a number")
FROM_ONE: Range = (where(lambda value: value >= 1), "a number, at least 1")
ABOVE_ONE: Range = (where(lambda value: value > 1), "a number above 1")
FORGETTING: Range = (where(lambda value: 0 < value <= 1), "a number above 0, at most 1")
FRACTION: Range = (where(lambda value: 0 <= value <= 1), "a number from 0 to 1")
