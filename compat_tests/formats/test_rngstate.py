"""train.rngstate: gfortran's random numbers from a state, and its bytes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from aenet_py.errors import InputError
from aenet_py.formats import records, rngstate
from aenet_py.training.trainx import split
from compat_tests.cli.cases import ROOT

GOLDEN = sorted((ROOT / "fixtures" / "golden-trainx").glob("*/start/train.rngstate"))
# random_number of gfortran 12.2 after random_seed(put=[1, 2, 3, 4, 5, 6, 7, 8])
DRAWN = [
    0.47107089936082125, 0.11734479025488309, 0.35754797210216693, 0.31813480208419698, 0.69675380000569165,
    0.42646034508932040,
]  # fmt: skip


def written(integers: list[int]) -> bytes:
    return records.integers([len(integers)]) + records.integers(integers)


def test_numbers_of_gfortran(tmp_path):
    path = tmp_path / "train.rngstate"
    path.write_bytes(written([1, 2, 3, 4, 5, 6, 7, 8]))
    assert list(itertools.islice(rngstate.uniform(rngstate.read(str(path))), 6)) == DRAWN


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.parts[-3])
def test_reading_and_writing_gives_the_same_bytes(path):
    assert rngstate.to_binary(rngstate.read(str(path))) == path.read_bytes()


def test_fresh_states_differ():
    assert rngstate.fresh() != rngstate.fresh()


def test_other_generators(tmp_path):
    path = tmp_path / "train.rngstate"
    path.write_bytes(written([1] * 33))
    with pytest.raises(InputError, match=r"found 33 integers; expected 8, as gfortran 7 and later write; remove the"):
        rngstate.read(str(path))


@pytest.mark.parametrize(("n", "percent", "n_test"), [(8, 20, 1), (14, 20, 2), (10, 0, 0), (10, 99, 9), (1, 50, 0)])
def test_size_of_the_test_set(n, percent, n_test):
    for _ in range(20):
        chosen = split.draw(n, percent, rngstate.fresh())
        assert (len(chosen), np.count_nonzero(chosen)) == (n, n_test)
