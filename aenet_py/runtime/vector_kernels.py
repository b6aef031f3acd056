"""Eight numbers in a vector register: a type for kernels, with its arithmetic.

In compiled kernels `load` gives a value that LLVM keeps in registers whatever the loop around it looks like.  It can be
added, subtracted, multiplied and divided, by numbers, too.  Without Numba (NUMBA_DISABLE_JIT=1) the same functions work
on NumPy arrays, with their checks of bounds.
"""

import itertools
import operator

import numpy as np
from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

from aenet_py.runtime.constants import LANES


class Lanes(types.Type):
    """LANES float64, as Numba sees them."""

    def __init__(self):
        super().__init__(name="Lanes")


class Wholes(types.Type):
    """LANES int64, as Numba sees them."""

    def __init__(self):
        super().__init__(name="Wholes")


SHIFT = 6755399441055744.0  # 1.5 2^52: adding it rounds to a whole number, the low bits of the sum

LANES_TYPE, WHOLES_TYPE = Lanes(), Wholes()
_I32, _I64 = ir.IntType(32), ir.IntType(64)
_VECTOR, _WHOLE_VECTOR = ir.VectorType(ir.DoubleType(), LANES), ir.VectorType(_I64, LANES)
# LLVM can choose lanes anywhere, but without an instruction for it does so by way of memory.
_CAN_COMPRESS = binding.llvm_version_info >= (20,) and "+avx512f" in binding.get_host_cpu_features().flatten()


@register_model(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _VECTOR)


@register_model(Wholes)
class _WholesModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _WHOLE_VECTOR)


def load(a, i):
    """Elements i .. i + LANES - 1 of an array of one axis."""
    found = a[i : i + LANES].copy()
    assert i >= 0
    assert len(found) == LANES
    return found


def store(a, i, v):
    """Write v to elements i .. i + LANES - 1."""
    assert i >= 0
    a[i : i + LANES] = v


def splat(number):
    """The same number in all lanes."""
    return np.full(LANES, number)


def fma(a, b, c):
    """a b + c, rounded once where the processor can."""
    return a * b + c


def fms(a, b, c):
    """a b - c, rounded once where the processor can."""
    return a * b - c


def root(v):
    """Square roots."""
    return np.sqrt(v)


def where_below(v, limit, inside, outside):
    """inside in the lanes where v < limit, outside elsewhere."""
    return np.where(v < limit, inside, outside)


def power_of_two(n):
    """2^n of whole numbers to which SHIFT was added."""
    return np.exp2(n - SHIFT)


def total(v):
    """Sum of the lanes."""
    while len(v) > 1:
        v = v[: len(v) // 2] + v[len(v) // 2 :]
    return v[0]


def smallest(v):
    """The smallest of the lanes."""
    return v.min()


def load_wholes(a, i):
    """Elements i .. i + LANES - 1 of an array of integers, as int64."""
    return load(a, i).astype(np.int64)


def count_from(number):
    """number, number + 1 and so on."""
    return np.arange(number, number + LANES)


def columns(table, rows):
    """The first three columns of rows (LANES) of a table (n, 4)."""
    x, y, z, _ = table[rows].T.copy()
    return x, y, z


def store_below(a, i, v, value, limit):
    """Write the lanes of v where value < limit to a, from i on without gaps; anything to what is left of LANES."""
    kept = v[value < limit]
    store(a, i, np.concatenate([kept, np.full(LANES - len(kept), -1, dtype=a.dtype)]))


def add_at(a, rows, v):
    """Add each lane of v to the element of a whose number the same lane of rows has, one after the other."""
    np.add.at(a, rows, v)


def subtract_from_rows(table, rows, x, y, z):
    """Subtract x, y and z from the first three columns of rows (LANES) of a table (n, 4), one row after the other."""
    for column, v in enumerate((x, y, z)):
        np.subtract.at(table[:, column], rows, v)


def number_below(value, limit):
    """In how many lanes value < limit."""
    return np.count_nonzero(value < limit)


# From here on, how Numba compiles these functions and the operators.


def _typed(function, result, wanted):
    """Tell Numba what a function gives; wanted: (types of arguments) -> those that it takes, or None."""

    class Template(AbstractTemplate):
        key = function

        def generic(self, arguments, _keywords):
            taken = wanted(arguments)
            return None if taken is None else signature(result, *taken)

    infer_global(function)(Template)


def _lanes_or_numbers(arguments):
    """Vectors and, in all lanes, numbers."""
    if not any(isinstance(kind, Lanes) for kind in arguments):
        return None
    return [kind if isinstance(kind, Lanes) else types.float64 for kind in arguments]


def _elementwise(function, n, generate):
    """Compile a function of n vectors or numbers; generate: (builder, vectors) -> vector."""

    def code(_context, builder, given, values):
        wide = [
            value if isinstance(kind, Lanes) else _splat(builder, value)
            for kind, value in zip(given.args, values, strict=True)
        ]
        return generate(builder, *wide)

    _typed(function, LANES_TYPE, _lanes_or_numbers)
    for kinds in itertools.product((LANES_TYPE, types.float64), repeat=n):
        if LANES_TYPE in kinds:
            lower_builtin(function, *kinds)(code)


def _splat(builder, number):
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    single = builder.insert_element(nothing, number, ir.Constant(_I32, 0))
    return builder.shuffle_vector(single, nothing, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES))


def _exponents(builder, v):
    low = builder.shl(builder.bitcast(v, _WHOLE_VECTOR), ir.Constant(_WHOLE_VECTOR, [52] * LANES))
    return builder.bitcast(builder.add(low, ir.Constant(_WHOLE_VECTOR, [1023 << 52] * LANES)), _VECTOR)


def _call(builder, name, *vectors):
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * len(vectors))
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{LANES}f64"), vectors)


def _address(context, builder, kind, array, place, n=LANES):
    data = context.make_array(kind)(context, builder, array).data
    element = context.get_data_type(kind.dtype)
    return builder.bitcast(builder.gep(data, [place]), ir.VectorType(element, n).as_pointer())


def _mask(builder, value, limit):
    return builder.fcmp_ordered("<", value, _splat(builder, limit))


def _picked(builder, v, order, other=None):
    """Lanes of a vector, or of two that follow each other, in this order."""
    other = ir.Constant(v.type, ir.Undefined) if other is None else other
    return builder.shuffle_vector(v, other, ir.Constant(ir.VectorType(_I32, len(order)), order))


def _reduced(builder, found, combine):
    n = LANES
    while n > 1:
        n //= 2
        low, high = (_picked(builder, found, list(range(start, start + n))) for start in (0, n))
        found = combine(low, high)
    return builder.extract_element(found, ir.Constant(_I32, 0))


_elementwise(operator.add, 2, lambda builder, a, b: builder.fadd(a, b))
_elementwise(operator.sub, 2, lambda builder, a, b: builder.fsub(a, b))
_elementwise(operator.mul, 2, lambda builder, a, b: builder.fmul(a, b))
_elementwise(operator.truediv, 2, lambda builder, a, b: builder.fdiv(a, b))
_elementwise(fma, 3, lambda builder, a, b, c: _call(builder, "fmuladd", a, b, c))
_elementwise(fms, 3, lambda builder, a, b, c: _call(builder, "fmuladd", a, b, builder.fneg(c)))
_elementwise(root, 1, lambda builder, v: _call(builder, "sqrt", v))
_elementwise(
    where_below, 4, lambda builder, v, limit, a, b: builder.select(builder.fcmp_ordered("<", v, limit), a, b)
)  # fmt: skip
_elementwise(power_of_two, 1, lambda builder, v: _exponents(builder, v))
_typed(splat, LANES_TYPE, lambda _: [types.float64])
_typed(load, LANES_TYPE, lambda arguments: [arguments[0], types.intp])
_typed(store, types.none, lambda arguments: [arguments[0], types.intp, LANES_TYPE])
_typed(total, types.float64, lambda _: [LANES_TYPE])
_typed(smallest, types.float64, lambda _: [LANES_TYPE])
_typed(load_wholes, WHOLES_TYPE, lambda arguments: [arguments[0], types.intp])
_typed(count_from, WHOLES_TYPE, lambda _: [types.int64])
_typed(columns, types.UniTuple(LANES_TYPE, 3), lambda arguments: arguments)
_typed(store_below, types.none, lambda arguments: [arguments[0], types.intp, arguments[2], LANES_TYPE, types.float64])
_typed(add_at, types.none, lambda arguments: [arguments[0], WHOLES_TYPE, LANES_TYPE])
_typed(subtract_from_rows, types.none, lambda arguments: arguments)
_typed(number_below, types.int64, lambda _: [LANES_TYPE, types.float64])


@lower_builtin(splat, types.float64)
def _splat_code(_context, builder, _given, values):
    return _splat(builder, values[0])


@lower_builtin(load, types.Array, types.intp)
def _load_code(context, builder, given, values):
    return builder.load(_address(context, builder, given.args[0], *values), align=8)


@lower_builtin(store, types.Array, types.intp, LANES_TYPE)
def _store_code(context, builder, given, values):
    builder.store(values[2], _address(context, builder, given.args[0], *values[:2]), align=8)
    return context.get_dummy_value()


@lower_builtin(total, LANES_TYPE)
def _total_code(_context, builder, _given, values):
    return _reduced(builder, values[0], builder.fadd)


@lower_builtin(smallest, LANES_TYPE)
def _smallest_code(_context, builder, _given, values):
    return _reduced(builder, values[0], lambda a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b))


@lower_builtin(load_wholes, types.Array, types.intp)
def _load_wholes_code(context, builder, given, values):
    kind = given.args[0]
    found = builder.load(_address(context, builder, kind, *values), align=kind.dtype.bitwidth // 8)
    extended = builder.sext if kind.dtype.signed else builder.zext
    return found if kind.dtype.bitwidth == _I64.width else extended(found, _WHOLE_VECTOR)


@lower_builtin(count_from, types.int64)
def _count_from_code(_context, builder, _given, values):
    nothing = ir.Constant(_WHOLE_VECTOR, ir.Undefined)
    single = builder.insert_element(nothing, values[0], ir.Constant(_I32, 0))
    return builder.add(_picked(builder, single, [0] * LANES), ir.Constant(_WHOLE_VECTOR, list(range(LANES))))


def _row_addresses(context, builder, kind, table, rows):
    for lane in range(LANES):
        row = builder.mul(builder.extract_element(rows, ir.Constant(_I32, lane)), ir.Constant(_I64, 4))
        yield _address(context, builder, kind, table, row, 4)


@lower_builtin(columns, types.Array, WHOLES_TYPE)
def _columns_code(context, builder, given, values):
    addresses = _row_addresses(context, builder, given.args[0], *values)
    found, n = [builder.load(address, align=8) for address in addresses], 1
    while len(found) > 1:  # each holds n numbers of the first column, n of the second and so on
        order = [column * n + side * 4 * n + k for column in range(4) for side in (0, 1) for k in range(n)]
        found, n = [_picked(builder, a, order, b) for a, b in zip(found[::2], found[1::2], strict=True)], 2 * n
    wanted = [_picked(builder, found[0], list(range(column * n, (column + 1) * n))) for column in range(3)]
    return context.make_tuple(builder, types.UniTuple(LANES_TYPE, 3), wanted)


def _store_below_code(context, builder, given, values):
    array, place, v, value, limit = values
    mask = _mask(builder, value, limit)
    if _CAN_COMPRESS:
        name = f"llvm.experimental.vector.compress.v{LANES}{'f64' if v.type == _VECTOR else 'i64'}"
        kind = ir.FunctionType(v.type, [v.type, mask.type, v.type])
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        kept = builder.call(function, [v, mask, ir.Constant(v.type, ir.Undefined)])
        builder.store(kept, _address(context, builder, given.args[0], array, place), align=8)
        return context.get_dummy_value()
    for lane in range(LANES):
        number = builder.extract_element(v, ir.Constant(_I32, lane))
        to = _address(context, builder, given.args[0], array, place, 1)
        builder.store(number, builder.bitcast(to, number.type.as_pointer()))
        bit = builder.extract_element(mask, ir.Constant(_I32, lane))
        place = builder.add(place, builder.zext(bit, _I64))
    return context.get_dummy_value()


for _kind in (LANES_TYPE, WHOLES_TYPE):
    lower_builtin(store_below, types.Array, types.intp, _kind, LANES_TYPE, types.float64)(_store_below_code)


@lower_builtin(add_at, types.Array, WHOLES_TYPE, LANES_TYPE)
def _add_at_code(context, builder, given, values):
    data = context.make_array(given.args[0])(context, builder, values[0]).data
    for lane in range(LANES):
        place, number = (builder.extract_element(v, ir.Constant(_I32, lane)) for v in values[1:])
        target = builder.gep(data, [place])
        builder.store(builder.fadd(builder.load(target), number), target)
    return context.get_dummy_value()


@lower_builtin(subtract_from_rows, types.Array, WHOLES_TYPE, *[LANES_TYPE] * 3)
def _subtract_from_rows_code(context, builder, given, values):
    table, rows, x, y, z = values
    mixed = [side * LANES + lane for lane in range(LANES) for side in (0, 1)]
    first, last = _picked(builder, x, mixed, y), _picked(builder, z, mixed, ir.Constant(_VECTOR, [0.0] * LANES))
    for lane, address in enumerate(_row_addresses(context, builder, given.args[0], table, rows)):
        place = 2 * lane
        row = _picked(builder, first, [place, place + 1, 2 * LANES + place, 2 * LANES + place + 1], last)
        builder.store(builder.fsub(builder.load(address, align=8), row), address, align=8)
    return context.get_dummy_value()


@lower_builtin(number_below, LANES_TYPE, types.float64)
def _number_below_code(_context, builder, _given, values):
    bits = builder.bitcast(_mask(builder, *values), ir.IntType(LANES))
    kind = ir.FunctionType(bits.type, [bits.type])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.ctpop.i{LANES}")
    return builder.zext(builder.call(function, [bits]), _I64)
