"""Two files value by value: where they differ first, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from aenet_py.errors import AenetError, counted
from aenet_py.formats import identify, trainset
from aenet_py.formats.source import Advance, Field, Source

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Comparison:
    """What was found in two files.

    n_values, n_fields : compared, where a field is what a record or a line holds; n_different, n_fields_different :
    more than the allowed units in the last place apart, or other text; n_within : different, but not more; most_ulps :
    the largest distance of two numbers in such units, None where one of them is no number; first : the first
    difference in words; identical : whether the files have the same bytes, in which case no value is compared;
    complete : whether all were, which ends where the files have others in kind or number.
    """

    n_values: int
    n_fields: int
    n_different: int
    n_fields_different: int
    n_within: int
    most_ulps: int | None
    first: str | None
    identical: bool
    complete: bool

    @property
    def agree(self) -> bool:
        return self.first is None


def compare(a: str, b: str, max_ulps: int, advance: Advance) -> Comparison:
    """Compare two files of the same kind, binary or text; AenetError where one is broken or the kinds differ.

    max_ulps : how many units in the last place real numbers may be apart; advance : told the bytes of a read.
    """
    with trainset.open_source(a) as of_a, trainset.open_source(b) as of_b:
        kind, other = identify.identify(of_a), identify.identify(of_b)
        if kind is not other:
            raise AenetError(f"{b}: found {other.value}; expected {kind.value}, as in {a}")
        counter = _Counter(a, b, max_ulps)
        if _same_bytes(of_a, of_b):
            return counter.result(identical=True, complete=False)
        for mine, theirs in zip_longest(identify.fields(of_a, kind), identify.fields(of_b, kind)):
            if not counter.add(mine, theirs):
                return counter.result(identical=False, complete=False)
            advance(of_a.advanced())
    return counter.result(identical=False, complete=True)


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many float64 numbers lie between those of a and b, plus one where they differ; (n,) uint64.

    NaN equals NaN; the distance of NaN to a number is the largest there is.
    """
    places_a, places_b = _places(a), _places(b)
    distance = np.where(places_a > places_b, places_a - places_b, places_b - places_a)
    nan_a, nan_b = np.isnan(a), np.isnan(b)
    return np.where(nan_a | nan_b, np.where(nan_a & nan_b, 0, NOT_A_NUMBER), distance).astype(np.uint64)


NOT_A_NUMBER = np.uint64(2**64 - 1)


def _places(values: np.ndarray) -> np.ndarray:
    """Places of numbers in the order of all of them."""
    bits = np.ascontiguousarray(values, dtype=np.float64).view(np.uint64)
    sign = np.uint64(1 << 63)
    return np.where(bits & sign, ~bits, bits | sign)


class _Counter:
    def __init__(self, a: str, b: str, max_ulps: int):
        self._a, self._b, self._max_ulps = a, b, max_ulps
        self._n_values = self._n_fields = self._n_different = self._n_fields_different = self._n_within = 0
        self._most = np.uint64(0)
        self._first: str | None = None

    def add(self, mine: Field | None, theirs: Field | None) -> bool:
        """Count one field; False where the files have others from here on."""
        if mine is None or theirs is None:
            there = mine or theirs
            assert there is not None
            name = self._b if mine is None else self._a
            self._note(f"{name} ends before {_place(there)}, which the other file has in {there.position}")
            return False
        if (mine.place, mine.what, len(mine.values)) != (theirs.place, theirs.what, len(theirs.values)):
            found = [f"{_place(field)} ({counted(len(field.values), 'value')})" for field in (mine, theirs)]
            self._note(f"{self._a}, {mine.position}: {found[0]}; {self._b}, {theirs.position}: {found[1]}")
            return False
        self._n_fields += 1
        self._n_values += len(mine.values)
        if isinstance(mine.values, np.ndarray) and mine.values.dtype == np.float64:
            apart = distances(mine.values, np.asarray(theirs.values))
            different = np.flatnonzero(apart > self._max_ulps)
            self._n_within += int(np.count_nonzero(apart)) - len(different)
            self._most = max(self._most, apart.max(initial=np.uint64(0)))
        else:
            apart = None
            different = np.flatnonzero([x != y for x, y in zip(mine.values, theirs.values, strict=True)])
        if len(different):
            self._n_different += len(different)
            self._n_fields_different += 1
            self._note(self._describe(mine, theirs, int(different[0]), apart))
        return True

    def _describe(self, mine: Field, theirs: Field, index: int, apart: np.ndarray | None) -> str:
        value = f", value {index + 1}" if len(mine.values) > 1 else ""
        place = f"{self._a}, {mine.position}, and {self._b}, {theirs.position}: {_place(mine)}{value}"
        found = " and ".join(_shown(field.values[index]) for field in (mine, theirs))
        if apart is None or apart[index] == NOT_A_NUMBER:
            return f"{place}: {found}"
        return f"{place}: {found}, {counted(int(apart[index]), 'unit')} in the last place apart"

    def _note(self, difference: str) -> None:
        self._first = self._first or difference

    def result(self, identical: bool, complete: bool) -> Comparison:
        most = None if self._most == NOT_A_NUMBER else int(self._most)
        return Comparison(
            self._n_values, self._n_fields, self._n_different, self._n_fields_different, self._n_within, most,
            self._first, identical, complete,
        )  # fmt: skip


def _place(field: Field) -> str:
    return f"{field.place}: {field.what}" if field.place else field.what


def _shown(value: object) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)


def _same_bytes(a: Source, b: Source) -> bool:
    if a.window.size != b.window.size:
        return False
    return all(
        a.window.view(offset, _BLOCK) == b.window.view(offset, _BLOCK) for offset in range(0, a.window.size, _BLOCK)
    )
