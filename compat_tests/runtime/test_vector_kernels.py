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
    block,
    columns,
    count_from,
    fma,
    fms,
    folded,
    load,
    load_wholes,
    number_below,
    power_of_two,
    root,
    shift_of,
    smallest,
    splat,
    splat_as,
    splat_block,
    splat_in,
    store,
    store_below,
    subtract_from_rows,
    total,
    where_below,
    widen,
)
from compat_tests.compare import assert_same_bits

SMALL = np.iinfo(np.uint16).max
NUMBERS = {
    "none": np.full(LANES, 2.0),
    "all": np.linspace(-1.0, 0.5, LANES),
    "some": np.array([0.5, 3.0, -2.0, 1.0, 0.99, np.inf, np.nan, -np.inf]),
}


PRECISIONS = pytest.mark.parametrize("precision", [np.float64, np.float32])


def as_block(numbers, precision):
    """LANES numbers in double precision, and as many again in single precision."""
    return np.tile(numbers, LANES * 8 // np.dtype(precision).itemsize // LANES).astype(precision)


def choose(numbers, kept, places, begin):
    v = block(numbers, 0)
    store_below(kept, begin, v, v, 1.0)
    store_below(places, begin, count_from(40, v), v, 1.0)
    return number_below(v, 1.0)


def take(table, rows, found):
    x, y, z = columns(table, load_wholes(rows, 1, splat(0.0)))
    store(found, 0, x)
    store(found, LANES, y)
    store(found, 2 * LANES, z)
    return smallest(z), total(x)


def give(numbers, rows, sums, table):
    v = block(numbers, 0)
    places = load_wholes(rows, 0, v)
    add_at(sums, places, v)
    subtract_from_rows(table, places, v, 2.0 * v, v * v)


def calculate(numbers, others, found):
    """All that is done with numbers alone; writes double precision."""
    v, w, tail = block(numbers, 0), block(others, 0), load(numbers, 0)
    store(found[0], 0, fma(v, w, 0.1) - fms(v, 3.0, w) / root(w))
    store(found[1], 0, where_below(v, 0.3, w, 2.0) * splat_as(v, 0.7) + splat_block(numbers, 1.3))
    store(found[2], 0, power_of_two(v + shift_of(v)))
    store(found[3], 0, folded(v * w))
    store(found[3], LANES, widen(tail + splat_in(numbers, 0.2)))
    return total(v), smallest(w)


@PRECISIONS
def test_numbers_alone(precision):
    """Up to rounding, which is that of the precision, as products may be fused with sums."""
    generator = np.random.default_rng(0)
    numbers, others = (as_block(generator.uniform(0.2, 3.0, LANES), precision) for _ in range(2))
    found = [np.zeros((4, 2 * LANES)) for _ in range(2)]
    results = [f(numbers, others, into) for f, into in zip((calculate, numba.njit(calculate)), found, strict=True)]
    rounding = 8 * float(np.finfo(precision).eps)
    assert np.abs(found[1] - found[0]).max() <= rounding * np.abs(found[0]).max()
    assert results[1] == pytest.approx(results[0], rel=rounding)
    assert_same_bits(found[0][2, : len(numbers)], np.exp2(np.round(numbers.astype(float))), "powers")
    exact = (
        numbers.astype(float) * others - (numbers.astype(float) * 3.0 - others) / np.sqrt(others.astype(float)) + 0.1
    )
    assert np.abs(found[0][0, : len(numbers)] - exact).max() < rounding * np.abs(exact).max() * 4
    assert results[0] == (pytest.approx(numbers.sum(), rel=rounding), others.min())


@pytest.fixture(params=["compressed", "one by one"])
def compiled(request, monkeypatch):
    compressed = request.param == "compressed" and binding.llvm_version_info >= (20,)
    monkeypatch.setattr(vector_kernels, "_CAN_COMPRESS", compressed)
    return lambda function: numba.njit(function)


@PRECISIONS
@pytest.mark.parametrize("name", NUMBERS)
def test_lanes_below_a_limit_are_stored_without_gaps(compiled, name, precision):
    numbers, found = as_block(NUMBERS[name], precision), []
    n_lanes = len(numbers)
    for function in (choose, compiled(choose)):
        kept, places = np.full(2 * n_lanes, 7.0, dtype=precision), np.full(2 * n_lanes, 7, dtype=np.int64)
        n = function(numbers, kept, places, 3)
        assert n == np.count_nonzero(numbers < 1.0)
        assert (kept[:3] == 7.0).all()
        assert (kept[3 + n_lanes :] == 7.0).all()
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


@PRECISIONS
def test_rows_that_occur_twice_get_both(compiled, precision):
    """Sums in the precision of the numbers, rows in double precision."""
    numbers, rows = as_block(np.linspace(0.1, 2.3, LANES), precision), np.array([4, 0, 4, 2, 2, 2, 1, 0] * 2)

    def nothing():
        return np.linspace(-1.0, 1.0, 5).astype(precision), np.linspace(3.0, 5.0, 20).reshape(5, 4)

    found = []
    for function in (give, compiled(give)):
        sums, table = nothing()
        function(numbers, rows, sums, table)
        found.append((sums, table))
    sums, table = nothing()
    for number, row in zip(numbers, rows[: len(numbers)], strict=True):
        sums[row] += number
        table[row, :3] -= number, precision(2.0) * number, number * number
    for each in found:
        assert_same_bits(each[0], sums, "sums")
        assert_same_bits(each[1], table, "rows")
