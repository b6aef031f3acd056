"""Comparison of two files value by value (``aenet-py diff``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from aenet_py.errors import AenetError, counted
from aenet_py.formats import identify, trainset
from aenet_py.formats.source import Advance, ByteSource, Field

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Comparison:
    """Result of comparing two files.

    Attributes
    ----------
    n_values, n_fields : int
        Numbers of values and fields compared; a field is what one record or line holds.
    n_different, n_fields_different : int
        Values with different text or further apart than allowed, and fields with such values.
    n_within : int
        Values that differ, but not by more than allowed.
    most_ulps : int or None
        Largest distance between two numbers in units in the last place; None if one of them is NaN.
    first : tuple of str
        Description of the first difference, line by line; empty if the files agree.
    identical : bool
        Whether the files have the same bytes; their values are not compared then.
    complete : bool
        Whether all values were compared; the comparison ends where the files have different fields.
    """

    n_values: int
    n_fields: int
    n_different: int
    n_fields_different: int
    n_within: int
    most_ulps: int | None
    first: tuple[str, ...]
    identical: bool
    complete: bool

    @property
    def agree(self) -> bool:
        return not self.first


def compare(a: str, b: str, max_ulps: int, advance: Advance) -> Comparison:
    """Compare two training sets, files of gradients or potentials, each binary or text.

    Parameters
    ----------
    a : str
        Path of a file.
    b : str
        Path of the other file.
    max_ulps : int
        Units in the last place by which real numbers may differ.
    advance : callable
        Called with the number of bytes read of `a` since the last call.

    Returns
    -------
    Comparison

    Raises
    ------
    AenetError
        If a file is invalid or the files are of different kinds.
    """
    with trainset.open_source(a) as of_a, trainset.open_source(b) as of_b:
        kind, other = identify.identify(of_a), identify.identify(of_b)
        if kind is not other:
            raise AenetError(f"{b}: cannot compare {other.value} with {kind.value} in {a}")
        counter = _Counter(a, b, max_ulps)
        if _same_bytes(of_a, of_b, advance):
            return counter.result(identical=True, complete=False)
        for mine, theirs in zip_longest(identify.fields(of_a, kind), identify.fields(of_b, kind)):
            if not counter.add(mine, theirs):
                return counter.result(identical=False, complete=False)
            advance(of_a.advanced())
    return counter.result(identical=False, complete=True)


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Units in the last place between float64 numbers, (n,) uint64: one more than the numbers between them.

    NaN equals NaN; its distance to a number is the largest uint64.
    """
    places_a, places_b = _places(a), _places(b)
    distance = np.where(places_a > places_b, places_a - places_b, places_b - places_a)
    nan_a, nan_b = np.isnan(a), np.isnan(b)
    return np.where(nan_a | nan_b, np.where(nan_a & nan_b, 0, NOT_A_NUMBER), distance).astype(np.uint64)


NOT_A_NUMBER = np.uint64(2**64 - 1)


def _places(values: np.ndarray) -> np.ndarray:
    """Rank of each number in the order of all float64 numbers."""
    bits = np.ascontiguousarray(values, dtype=np.float64).view(np.uint64)
    sign = np.uint64(1 << 63)
    return np.where(bits & sign, ~bits, bits | sign)


class _Counter:
    def __init__(self, a: str, b: str, max_ulps: int):
        self._a, self._b, self._max_ulps = a, b, max_ulps
        self._n_values = self._n_fields = self._n_different = self._n_fields_different = self._n_within = 0
        self._most = np.uint64(0)
        self._first: tuple[str, ...] = ()

    def add(self, mine: Field | None, theirs: Field | None) -> bool:
        """Count one field; False if the files have different fields from here on."""
        if mine is None or theirs is None:
            there = mine or theirs
            assert there is not None
            name = self._b if mine is None else self._a
            self._note(_place(there), f"{name} ends before; the other file has it in {there.position}")
            return False
        if (mine.place, mine.what, len(mine.values)) != (theirs.place, theirs.what, len(theirs.values)):
            contents = [f"{_place(field)} ({counted(len(field.values), 'value')})" for field in (mine, theirs)]
            self._note("different contents", *self._both(mine, theirs, contents))
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
            self._note(*self._describe(mine, theirs, int(different[0]), apart))
        return True

    def _describe(self, mine: Field, theirs: Field, index: int, apart: np.ndarray | None) -> list[str]:
        value = f", value {index + 1}" if len(mine.values) > 1 else ""
        values = [_shown(field.values[index]) for field in (mine, theirs)]
        lines = [_place(mine) + value, *self._both(mine, theirs, values)]
        if apart is not None and apart[index] != NOT_A_NUMBER:
            lines.append(f"{counted(int(apart[index]), 'unit')} in the last place apart")
        return lines

    def _both(self, mine: Field, theirs: Field, values: Sequence[str]) -> list[str]:
        return [f"{self._a}, {mine.position}: {values[0]}", f"{self._b}, {theirs.position}: {values[1]}"]

    def _note(self, *difference: str) -> None:
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


def _same_bytes(a: ByteSource, b: ByteSource, advance: Advance) -> bool:
    """Whether two files have the same bytes; if not, advance is told that nothing was read."""
    size = a.window.size
    if size != b.window.size:
        return False
    for offset in range(0, size, _BLOCK):
        if a.window.view(offset, _BLOCK) != b.window.view(offset, _BLOCK):
            advance(-offset)
            return False
        advance(min(_BLOCK, size - offset))
    return True
