"""``train.rngstate``: the state of gfortran's generator of random numbers, xoshiro256** (random_save_state).

The file has two records: the number of integers, and the integers, from the last word of the
state to the first.  gfortran hides the state behind fixed keys.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from aenet_py.errors import InputError
from aenet_py.formats import records
from aenet_py.formats.records import RecordReader

N_INTEGERS = 8  # of 4 bytes
_KEYS = (0xBD0C5B6E50C2DF49, 0xD46061CD46E1DF38, 0xBB4F4D4ED6103544, 0x114A583D0756AD39)
_WORD = 2**64 - 1

State = tuple[int, int, int, int]


def read(path: str) -> State:
    """Read the state; InputError if the file has another form."""
    with RecordReader(path) as source:
        n = source.integer("number of integers", least=1)
        if n != N_INTEGERS:
            message = f"found {n} integers; expected {N_INTEGERS}, as gfortran 7 and later write"
            raise InputError(path, f"{message}; remove the file to draw a new test set")
        words = source.integers(n, "state")[::-1].copy().view("<u8").tolist()
        source.finish()
    a, b, c, d = (word ^ key for word, key in zip(words, _KEYS, strict=True))
    return a, b, c, d


def fresh() -> State:
    """A random state."""
    a, b, c, d = np.frombuffer(os.urandom(4 * N_INTEGERS), "<u8").tolist()
    return a, b, c, d


def to_binary(state: State) -> bytes:
    """The bytes of the file."""
    words = np.array([word ^ key for word, key in zip(state, _KEYS, strict=True)], "<u8")
    return records.integers([N_INTEGERS]) + records.integers(words.view("<i4")[::-1])


def uniform(state: State) -> Iterator[float]:
    """Random numbers from 0 to below 1, as random_number of gfortran draws them from a state.

    Blackman and Vigna, ACM Trans. Math. Softw. 47, 36 (2021).
    """
    a, b, c, d = state
    while True:
        word = _rotated(b * 5 & _WORD, 7) * 9 & _WORD
        shifted = b << 17 & _WORD
        c, d = c ^ a, d ^ b
        b, a = b ^ c, a ^ d
        c, d = c ^ shifted, _rotated(d, 45)
        yield (word >> 11) * 2.0**-53


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> (64 - bits)) & _WORD
