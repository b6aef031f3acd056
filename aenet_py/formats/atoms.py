"""Atoms of a training set as arrays: their layout in binary and text files.

All atoms with the same number of features have the same size, so a block of them is an array of one data type.  An atom
is five records, or lines of text: species, position, forces, number of features, features.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from aenet_py.formats import decimals, lines, scientific

RECORDS = 5  # records or lines of an atom

_PIECES = ("species", "position", "forces", "n_features", "features")
_INTEGER = np.dtype([("pad", "<u8"), ("end", "<u4")])  # twelve columns
_PAD = np.frombuffer(b" " * 8, "<u8")[0]
_NUMBERS = 10_000  # integers below it have up to four digits, which are looked up


@dataclass(frozen=True)
class Atoms:
    """Atoms in the order of the file.

    Parameters
    ----------
    types : array of int32, shape (n,)
        Index of each atom's species, counted from 0 (in files from 1).
    positions, forces : array, shape (n, 3)
        Å, eV/Å.
    sizes : array of int32, shape (n,)
        Number of features of each atom.
    features : array, shape (n, largest number of features)
        Rows of atoms with fewer features end with zeros.
    """

    types: np.ndarray
    positions: np.ndarray
    forces: np.ndarray
    sizes: np.ndarray
    features: np.ndarray

    def __len__(self) -> int:
        return len(self.types)


def join(parts: Iterable[Atoms], n_expected: int = 0, most: float = math.inf) -> Atoms:
    """Concatenate atoms.

    n_expected : their number, which avoids copies; most : bytes of features in single precision, above which they are
    rounded to it.
    """
    whole, n = _room(n_expected, 0, most), 0
    for part in parts:
        stop, width = n + len(part), part.features.shape[1]
        if stop > len(whole) or width > whole.features.shape[1]:
            larger = _room(max(stop, len(whole)), max(width, whole.features.shape[1]), most)
            _put(_first(whole, n), larger, 0)
            whole = larger
        _put(part, whole, n)
        n = stop
    return _first(whole, n)


def _room(n: int, width: int, most: float) -> Atoms:
    integers, kind = np.zeros((2, n), np.int32), np.float64 if 4 * n * width <= most else np.float32
    return Atoms(integers[0], np.zeros((n, 3)), np.zeros((n, 3)), integers[1], np.zeros((n, width), kind))


def _put(part: Atoms, whole: Atoms, start: int) -> None:
    for given, taken in zip(_values(part), _values(whole), strict=True):
        rows = taken[start : start + len(given)]
        if given.ndim == 2:
            with np.errstate(over="ignore"):  # infinite then, as anything else that single precision does not hold
                rows[:, : given.shape[1]] = given
        else:
            rows[:] = given


def _first(whole: Atoms, n: int) -> Atoms:
    return Atoms(whole.types[:n], whole.positions[:n], whole.forces[:n], whole.sizes[:n], whole.features[:n])


@functools.cache
def _shapes(n_features: int) -> tuple[tuple[int, ...], ...]:
    return (), (3,), (3,), (), (n_features,)


def binary_layout(n_features: int) -> np.dtype:
    """Five records with their lengths before and after the data."""
    fields: list[tuple] = []
    for name, kind, shape in zip(_PIECES, ("<i4", "<f8", "<f8", "<i4", "<f8"), _shapes(n_features), strict=True):
        fields += [(name + "_head", "<i4"), (name, kind, shape), (name + "_tail", "<i4")]
    return np.dtype(fields)


def to_binary(atoms: Atoms) -> np.ndarray:
    """Encode atoms that all have the full number of features."""
    layout = binary_layout(atoms.features.shape[1])
    block = np.empty(len(atoms), layout)
    for name, value in zip(_PIECES, _written(atoms), strict=True):
        block[name] = value
        block[name + "_head"] = block[name + "_tail"] = layout[name].itemsize
    return block


def from_binary(block: np.ndarray) -> Atoms:
    """Decode a block that `fits`."""
    return Atoms(block["species"] - 1, *(block[name].copy() for name in _PIECES[1:]))


@functools.cache
def text_layout(n_features: int) -> np.dtype:
    """Five lines with their ends."""
    return _lines(n_features, decimals.FIELD, "S1")


@functools.cache
def trnset_layout(n_features: int) -> np.dtype:
    """As `text_layout`, in the text of trnset2ASCII.x, where a blank follows the features."""
    return _lines(n_features, scientific.FIELD, "S2")


def _lines(n_features: int, of_features: np.dtype, last: str) -> np.dtype:
    """Five lines, the last of which has numbers of another kind and another end."""
    integer, real, features = (_INTEGER, "S1"), (decimals.FIELD, "S1"), (of_features, last)
    fields: list[tuple] = []
    for name, (kind, end), shape in zip(
        _PIECES, (integer, real, real, integer, features), _shapes(n_features), strict=True
    ):
        fields += [(name, kind, shape), (name + "_end", end)]
    return np.dtype(fields)


def to_text(atoms: Atoms) -> np.ndarray:
    """As `to_binary`, in text."""
    return _to_lines(atoms, text_layout(atoms.features.shape[1]))


def to_trnset(atoms: Atoms) -> np.ndarray:
    """As `to_text`, in the text of trnset2ASCII.x."""
    return _to_lines(atoms, trnset_layout(atoms.features.shape[1]))


def _to_lines(atoms: Atoms, layout: np.dtype) -> np.ndarray:
    block = np.empty(len(atoms), layout)
    for name, value in zip(_PIECES, _written(atoms), strict=True):
        if value.ndim == 1:
            block[name] = _integer_fields(value)
        else:
            _numbers_of(layout[name]).write(value, block[name])
        block[name + "_end"] = b"\n".rjust(layout[name + "_end"].itemsize)
    return block


def _numbers_of(kind: np.dtype) -> ModuleType:
    """The module that converts numbers with these columns."""
    return decimals if kind.base == decimals.FIELD else scientific


def from_text(block: np.ndarray) -> Atoms:
    """Decode a block of either text that `fits`; ValueError if the columns are not those of gfortran."""
    return Atoms(
        types=_integers(block["species"]) - 1,
        positions=decimals.read(block["position"]),
        forces=decimals.read(block["forces"]),
        sizes=np.full(len(block), _width(block.dtype), dtype=np.int32),
        features=_numbers_of(block.dtype["features"]).read(block["features"]),
    )


def fits(block: np.ndarray) -> bool:
    """Whether a block, binary or text, has the lengths or line ends and the numbers of features of its layout."""
    places, expected = _fixed_bytes(block.dtype)
    return bool((block.view(np.uint8).reshape(len(block), -1)[:, places] == expected).all())


@functools.cache
def _fixed_bytes(layout: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Positions and values of the bytes of an atom that do not depend on its values."""
    encode = {decimals.FIELD: to_text, scientific.FIELD: to_trnset}.get(layout["features"].base, to_binary)
    zero, n = np.zeros((1, 3)), _width(layout)
    example = encode(Atoms(np.array([0]), zero, zero, np.array([n]), np.zeros((1, n)))).view(np.uint8)
    assert layout.names is not None
    assert layout.fields is not None
    fixed = [layout.fields[name] for name in layout.names if name not in ("species", "position", "forces", "features")]
    places = np.concatenate([np.arange(field[1], field[1] + field[0].itemsize) for field in fixed])
    return places, example[places]


def first_width(data: memoryview, layout: np.dtype) -> int:
    """Number of features of the atom that begins here; ValueError if it is not a plausible one.

    layout : of an atom with a single feature, which differs from others only after that number.
    """
    value = np.frombuffer(data, layout, count=1)["n_features"]
    n = int(value.tobytes()) if value.dtype.names else int(value[0])
    if not 0 < n < _NUMBERS:
        raise ValueError(n)
    return n


def _width(layout: np.dtype) -> int:
    return layout["features"].shape[0]


def _values(atoms: Atoms) -> tuple[np.ndarray, ...]:
    return atoms.types, atoms.positions, atoms.forces, atoms.sizes, atoms.features


def _written(atoms: Atoms) -> tuple[np.ndarray, ...]:
    """Values as in files, where species count from 1."""
    types, *others = _values(atoms)
    return types + 1, *others


@functools.cache
def _ends() -> np.ndarray:
    """The last four columns of the integers from 0 on, as unsigned integers."""
    return np.frombuffer(b"".join(b"%4d" % n for n in range(_NUMBERS)), "<u4")


def _integer_fields(values: np.ndarray) -> np.ndarray:
    if len(values) <= lines.FEW or values.min() < 0 or values.max() >= _NUMBERS:
        return np.frombuffer(lines.integers(values.tolist())[:-1], _INTEGER)
    fields = np.empty(len(values), _INTEGER)
    fields["pad"] = _PAD
    fields["end"] = _ends().take(values)
    return fields


def _integers(fields: np.ndarray) -> np.ndarray:
    """Convert fields to integers; ValueError outside 0 to 9999."""
    if (fields["pad"] != _PAD).any():
        raise ValueError("pad")
    numbers = np.zeros(len(fields), np.int32)
    for end in set(fields["end"].tolist()):
        text = end.to_bytes(4, "little").lstrip()
        if not text.isdigit():
            raise ValueError(text)
        numbers[fields["end"] == end] = int(text)
    return numbers
