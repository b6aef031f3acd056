"""Parsers of numbers in a range, each with what it expects."""

from __future__ import annotations

import math
from collections.abc import Callable

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


WHOLE: Range = (where(lambda value: value >= 1 and value.is_integer()), "a whole number, at least 1")
POSITIVE: Range = (where(lambda value: value > 0), "a number above 0")
SHARE: Range = (where(lambda value: 0 <= value < 1), "a number, at least 0 and below 1")
NON_NEGATIVE: Range = (where(lambda value: value >= 0), "a number, at least 0")
NUMBER: Range = (where(math.isfinite), "a number")
FROM_ONE: Range = (where(lambda value: value >= 1), "a number, at least 1")
ABOVE_ONE: Range = (where(lambda value: value > 1), "a number above 1")
FORGETTING: Range = (where(lambda value: 0 < value <= 1), "a number above 0, at most 1")
FRACTION: Range = (where(lambda value: 0 <= value <= 1), "a number from 0 to 1")
