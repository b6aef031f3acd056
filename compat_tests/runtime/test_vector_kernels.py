"""Eight numbers in a register: what is compiled does the same as the functions on arrays."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from llvmlite import binding

from aenet_py.runtime import vector_kernels
from aenet_py.runtime.constants import LANES
from aenet_py.runtime.vector_kernels import (
    add_at,
    columns,
    count_from,
    load,
    load_wholes,
    number_below,
    smallest,
    store,
    store_below,
    subtract_from_rows,
    total,
)
from compat_tests.compare import assert_same_bits

SMALL = np.iinfo(np.uint16).max
NUMBERS = {
    "none": np.full(LANES, 2.0),
    "all": np.linspace(-1.0, 0.5, LANES),
    "some": np.array([0.5, 3.0, -2.0, 1.0, 0.99, np.inf, np.nan, -np.inf]),
}


def choose(numbers, kept, places, begin):
    v = load(numbers, 0)
    store_below(kept, begin, v, v, 1.0)
    store_below(places, begin, count_from(40), v, 1.0)
    return number_below(v, 1.0)


def take(table, rows, found):
    x, y, z = columns(table, load_wholes(rows, 1))
    store(found, 0, x)
    store(found, LANES, y)
    store(found, 2 * LANES, z)
    return smallest(z), total(x)


def give(numbers, rows, sums, table):
    v, places = load(numbers, 0), load_wholes(rows, 0)
    add_at(sums, places, v)
    subtract_from_rows(table, places, v, 2.0 * v, v * v)


@pytest.fixture(params=["compressed", "one by one"])
def compiled(request, monkeypatch):
    compressed = request.param == "compressed" and binding.llvm_version_info >= (20,)
    monkeypatch.setattr(vector_kernels, "_CAN_COMPRESS", compressed)
    return lambda function: numba.njit(function)


@pytest.mark.parametrize("name", NUMBERS)
def test_lanes_below_a_limit_are_stored_without_gaps(compiled, name):
    numbers, found = NUMBERS[name], []
    for function in (choose, compiled(choose)):
        kept, places = np.full(2 * LANES, 7.0), np.full(2 * LANES, 7, dtype=np.int64)
        n = function(numbers, kept, places, 3)
        assert n == np.count_nonzero(numbers < 1.0)
        assert (kept[:3] == 7.0).all()
        assert (kept[3 + LANES :] == 7.0).all()
        found.append((kept[3 : 3 + n], places[3 : 3 + n]))
    (kept, places), (twin, twin_places) = found
    assert_same_bits(kept, numbers[numbers < 1.0], "numbers")
    assert_same_bits(places, 40 + np.flatnonzero(numbers < 1.0), "places")
    assert_same_bits(twin, kept, "compiled numbers")
    assert_same_bits(twin_places, places, "compiled places")


@pytest.mark.parametrize("kind", [np.int32, np.uint16, np.int64])
def test_columns_of_rows(compiled, kind):
    generator, n = np.random.default_rng(0), SMALL
    table, rows = generator.normal(size=(n, 4)), generator.integers(0, n, LANES + 2).astype(kind)
    rows[1] = n - 1
    found = [np.empty(3 * LANES), np.empty(3 * LANES)]
    results = [function(table, rows, into) for function, into in zip((take, compiled(take)), found, strict=True)]
    assert_same_bits(found[0], table[rows[1 : 1 + LANES], :3].T.ravel(), "columns")
    assert_same_bits(found[1], found[0], "compiled columns")
    assert results[0] == results[1]
    assert results[0][0] == table[rows[1 : 1 + LANES], 2].min()


def test_rows_that_occur_twice_get_both(compiled):
    numbers, rows = np.linspace(0.1, 2.3, LANES), np.array([4, 0, 4, 2, 2, 2, 1, 0])
    found = []
    for function in (give, compiled(give)):
        sums, table = np.linspace(-1.0, 1.0, 5), np.linspace(3.0, 5.0, 20).reshape(5, 4)
        function(numbers, rows, sums, table)
        found.append((sums, table))
    sums, table = np.linspace(-1.0, 1.0, 5), np.linspace(3.0, 5.0, 20).reshape(5, 4)
    for number, row in zip(numbers, rows, strict=True):
        sums[row] += number
        table[row, :3] -= number, 2.0 * number, number * number
    for each in found:
        assert_same_bits(each[0], sums, "sums")
        assert_same_bits(each[1], table, "rows")
