"""Eight or sixteen numbers in vector registers: types for kernels, with their arithmetic.

In compiled kernels `load` gives a value that LLVM keeps in registers whatever the loop around it looks like.  It can be
added, subtracted, multiplied and divided, by numbers, too.  Its precision is that of the array, and numbers are rounded
to it; arrays get what is stored in their own precision.  `load` takes LANES numbers, and `block` those that fill the
same registers: `width` of them, LANES in double precision.  Without Numba (NUMBA_DISABLE_JIT=1) the same functions work
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
    """n numbers of so many bits, as Numba sees them."""

    def __init__(self, bits, n):
        super().__init__(name=f"Lanes{bits}x{n}")
        self.bits, self.n = bits, n


class Wholes(types.Type):
    """n int64, as Numba sees them."""

    def __init__(self, n):
        super().__init__(name=f"Wholes{n}")
        self.n = n


SHIFTS = {64: 1.5 * 2.0**52, 32: 1.5 * 2.0**23}  # by bits: adding it rounds to a whole number, the low bits of the sum
FRACTIONS = {64: 52, 32: 23}  # bits of the fraction

DOUBLES, SINGLES, MANY_SINGLES = Lanes(64, LANES), Lanes(32, LANES), Lanes(32, 2 * LANES)
_LANES = (DOUBLES, SINGLES, MANY_SINGLES)
_WHOLES = {n: Wholes(n) for n in (LANES, 2 * LANES)}
_I32, _I64 = ir.IntType(32), ir.IntType(64)
_NUMBERS = {64: ir.DoubleType(), 32: ir.FloatType()}
# LLVM can choose lanes anywhere, but without an instruction for it does so by way of memory.
_CAN_COMPRESS = binding.llvm_version_info >= (20,) and "+avx512f" in binding.get_host_cpu_features().flatten()


def _vector(kind):
    return ir.VectorType(_NUMBERS[kind.bits], kind.n)


@register_model(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _vector(kind))


@register_model(Wholes)
class _WholesModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, ir.VectorType(_I64, kind.n))


def load(a, i):
    """Elements i .. i + LANES - 1 of an array of one axis."""
    return _taken(a, i, LANES)


def block(a, i):
    """Elements i .. i + width(a) - 1 of an array of one axis."""
    return _taken(a, i, width(a))


def width(a):
    """The numbers of an array that are worked on together: LANES in double precision, twice as many in single."""
    return LANES * 8 // a.dtype.itemsize


def _taken(a, i, n):
    found = a[i : i + n].copy()
    assert i >= 0
    assert len(found) == n
    return found


def store(a, i, v):
    """Write v to the elements of an array from i on."""
    assert i >= 0
    a[i : i + len(v)] = v


def splat(number):
    """LANES times the same number, in double precision."""
    return np.full(LANES, number)


def splat_as(v, number):
    """The same number in as many lanes as v has, in its precision."""
    return np.full(len(v), number, dtype=v.dtype)


def splat_in(a, number):
    """LANES times the same number, in the precision of an array."""
    return np.full(LANES, number, dtype=a.dtype)


def splat_block(a, number):
    """`width` times the same number, in the precision of an array."""
    return np.full(width(a), number, dtype=a.dtype)


def widen(v):
    """In double precision."""
    return v.astype(np.float64)


def folded(v):
    """In double precision, LANES numbers: of more, the halves are added."""
    wide = v.astype(np.float64)
    return wide if len(wide) == LANES else wide[:LANES] + wide[LANES:]


def shift_of(v):
    """In the precision of v, the number that rounds to whole numbers where it is added."""
    return splat_as(v, SHIFTS[8 * v.dtype.itemsize])


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
    """2^n of whole numbers to which `shift_of` them was added."""
    return np.exp2(n - shift_of(n))


def total(v):
    """Sum of the lanes."""
    while len(v) > 1:
        v = v[: len(v) // 2] + v[len(v) // 2 :]
    return v[0]


def smallest(v):
    """The smallest of the lanes."""
    return v.min()


def load_wholes(a, i, v):
    """Elements of an array of integers from i on, as int64, as many as v has lanes."""
    return _taken(a, i, len(v)).astype(np.int64)


def count_from(number, v):
    """number, number + 1 and so on, as many as v has lanes."""
    return np.arange(number, number + len(v))


def columns(table, rows):
    """The first three columns of rows (LANES) of a table (n, 4)."""
    x, y, z, _ = table[rows].T.copy()
    return x, y, z


def store_below(a, i, v, value, limit):
    """Write the lanes of v where value < limit to a, from i on without gaps; anything to what is left of them."""
    kept = v[value < limit]
    store(a, i, np.concatenate([kept, np.full(len(v) - len(kept), -1, dtype=a.dtype)]))


def add_at(a, rows, v):
    """Add each lane of v to the element of a whose number the same lane of rows has, one after the other."""
    np.add.at(a, rows, v)


def subtract_from_rows(table, rows, x, y, z):
    """Subtract x, y and z from the first three columns of rows of a table (n, 4), one row after the other."""
    for column, v in enumerate((x, y, z)):
        np.subtract.at(table[:, column], rows, v)


def number_below(value, limit):
    """In how many lanes value < limit."""
    return np.count_nonzero(value < limit)


# From here on, how Numba compiles these functions and the operators.


def _typed(function, result, wanted):
    """Tell Numba what a function gives; wanted: (types of arguments) -> those that it takes, or None.

    result: its type, or (types of arguments) -> type.
    """

    class Template(AbstractTemplate):
        key = function

        def generic(self, arguments, _keywords):
            taken = wanted(arguments)
            if taken is None:
                return None
            return signature(result if isinstance(result, types.Type) else result(arguments), *taken)

    infer_global(function)(Template)


def _lanes_or_numbers(arguments):
    """Lanes of one kind and, in all of them, numbers."""
    if len({kind for kind in arguments if isinstance(kind, Lanes)}) != 1:
        return None
    return [kind if isinstance(kind, Lanes) else types.float64 for kind in arguments]


def _own(arguments):
    """The kind of the first argument that is lanes."""
    return next(kind for kind in arguments if isinstance(kind, Lanes))


def _of_array(arguments):
    """LANES numbers in the precision of an array."""
    return SINGLES if arguments[0].dtype == types.float32 else DOUBLES


def _block_of(arguments):
    """A block of an array."""
    return MANY_SINGLES if arguments[0].dtype == types.float32 else DOUBLES


def _elementwise(function, n, generate):
    """Compile a function of n vectors or numbers; generate: (builder, vectors) -> vector."""

    def code(_context, builder, given, values):
        kind = _vector(given.return_type)
        wide = [value if value.type == kind else _splat(builder, value, kind) for value in values]
        return generate(builder, *wide)

    _typed(function, _own, _lanes_or_numbers)
    for lanes in _LANES:
        for kinds in itertools.product((lanes, types.float64), repeat=n):
            if lanes in kinds:
                lower_builtin(function, *kinds)(code)


def _splat(builder, number, kind):
    """The same number, of 64 bits, in all lanes of a kind of vector."""
    if kind.element != number.type:
        number = builder.fptrunc(number, kind.element)
    nothing = ir.Constant(kind, ir.Undefined)
    single = builder.insert_element(nothing, number, ir.Constant(_I32, 0))
    return _picked(builder, single, [0] * kind.count)


def _as(builder, v, element):
    """A vector with another type of numbers; whole numbers as they are."""
    if v.type.element in (element, _I64):
        return v
    convert = builder.fptrunc if element == _NUMBERS[32] else builder.fpext
    return convert(v, ir.VectorType(element, v.type.count))


def _bits(v):
    return 64 if v.type.element == _NUMBERS[64] else 32


def _exponents(builder, v):
    bits = _bits(v)
    fraction, kind = FRACTIONS[bits], ir.VectorType(ir.IntType(bits), v.type.count)
    low = builder.shl(builder.bitcast(v, kind), ir.Constant(kind, [fraction] * v.type.count))
    one = ((1 << (bits - fraction - 2)) - 1) << fraction
    return builder.bitcast(builder.add(low, ir.Constant(kind, [one] * v.type.count)), v.type)


def _call(builder, name, *vectors):
    kind = vectors[0].type
    name = f"llvm.{name}.v{kind.count}f{_bits(vectors[0])}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * len(vectors)), name)
    return builder.call(function, vectors)


def _address(context, builder, kind, array, place, n=1):
    data = context.make_array(kind)(context, builder, array).data
    element = context.get_data_type(kind.dtype)
    return builder.bitcast(builder.gep(data, [place]), ir.VectorType(element, n).as_pointer())


def _size(array):
    """Bytes of an element."""
    return array.dtype.bitwidth // 8


def _mask(builder, value, limit):
    return builder.fcmp_ordered("<", value, _splat(builder, limit, value.type))


def _picked(builder, v, order, other=None):
    """Lanes of a vector, or of two that follow each other, in this order."""
    other = ir.Constant(v.type, ir.Undefined) if other is None else other
    return builder.shuffle_vector(v, other, ir.Constant(ir.VectorType(_I32, len(order)), order))


def _halves(builder, v):
    n = v.type.count // 2
    return [_picked(builder, v, list(range(start, start + n))) for start in (0, n)]


def _reduced(builder, found, combine):
    while found.type.count > 1:
        found = combine(*_halves(builder, found))
    number = builder.extract_element(found, ir.Constant(_I32, 0))
    return number if number.type == _NUMBERS[64] else builder.fpext(number, _NUMBERS[64])


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
_elementwise(shift_of, 1, lambda _builder, v: ir.Constant(v.type, [SHIFTS[_bits(v)]] * v.type.count))
_typed(splat, DOUBLES, lambda _: [types.float64])
_typed(splat_as, _own, lambda arguments: [arguments[0], types.float64])
_typed(splat_in, _of_array, lambda arguments: [arguments[0], types.float64])
_typed(splat_block, _block_of, lambda arguments: [arguments[0], types.float64])
_typed(width, types.intp, lambda arguments: arguments)
_typed(widen, DOUBLES, lambda arguments: arguments)
_typed(folded, DOUBLES, lambda arguments: arguments)
_typed(load, _of_array, lambda arguments: [arguments[0], types.intp])
_typed(block, _block_of, lambda arguments: [arguments[0], types.intp])
_typed(store, types.none, lambda arguments: [arguments[0], types.intp, arguments[2]])
_typed(total, types.float64, lambda arguments: arguments)
_typed(smallest, types.float64, lambda arguments: arguments)
_typed(
    load_wholes, lambda arguments: _WHOLES[arguments[2].n], lambda arguments: [arguments[0], types.intp, arguments[2]]
)
_typed(count_from, lambda arguments: _WHOLES[arguments[1].n], lambda arguments: [types.int64, arguments[1]])
_typed(columns, types.UniTuple(DOUBLES, 3), lambda arguments: arguments)
_typed(store_below, types.none, lambda arguments: [arguments[0], types.intp, *arguments[2:4], types.float64])
_typed(add_at, types.none, lambda arguments: arguments)
_typed(subtract_from_rows, types.none, lambda arguments: arguments)
_typed(number_below, types.int64, lambda arguments: [arguments[0], types.float64])


@lower_builtin(splat, types.float64)
@lower_builtin(splat_in, types.Array, types.float64)
@lower_builtin(splat_block, types.Array, types.float64)
def _splat_code(_context, builder, given, values):
    return _splat(builder, values[-1], _vector(given.return_type))


@lower_builtin(width, types.Array)
def _width_code(context, _builder, given, _values):
    return context.get_constant(types.intp, _block_of(given.args).n)


@lower_builtin(load, types.Array, types.intp)
@lower_builtin(block, types.Array, types.intp)
def _load_code(context, builder, given, values):
    kind = given.args[0]
    return builder.load(_address(context, builder, kind, *values, given.return_type.n), align=_size(kind))


def _store_code(context, builder, given, values):
    kind = given.args[0]
    v = _as(builder, values[2], _NUMBERS[kind.dtype.bitwidth])
    builder.store(v, _address(context, builder, kind, *values[:2], v.type.count), align=_size(kind))
    return context.get_dummy_value()


def _widen_code(_context, builder, _given, values):
    return _as(builder, values[0], _NUMBERS[64])


def _folded_code(_context, builder, _given, values):
    v = _as(builder, values[0], _NUMBERS[64])
    return v if v.type.count == LANES else builder.fadd(*_halves(builder, v))


def _total_code(_context, builder, _given, values):
    return _reduced(builder, values[0], builder.fadd)


def _smallest_code(_context, builder, _given, values):
    return _reduced(builder, values[0], lambda a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b))


def _load_wholes_code(context, builder, given, values):
    kind, n = given.args[0], given.return_type.n
    found = builder.load(_address(context, builder, kind, *values[:2], n), align=_size(kind))
    extended = builder.sext if kind.dtype.signed else builder.zext
    return found if kind.dtype.bitwidth == _I64.width else extended(found, ir.VectorType(_I64, n))


def _count_from_code(_context, builder, given, values):
    kind = ir.VectorType(_I64, given.return_type.n)
    single = builder.insert_element(ir.Constant(kind, ir.Undefined), values[0], ir.Constant(_I32, 0))
    return builder.add(_picked(builder, single, [0] * kind.count), ir.Constant(kind, list(range(kind.count))))


def _row_addresses(context, builder, kind, table, rows):
    for lane in range(rows.type.count):
        row = builder.mul(builder.extract_element(rows, ir.Constant(_I32, lane)), ir.Constant(_I64, 4))
        yield _address(context, builder, kind, table, row, 4)


@lower_builtin(columns, types.Array, _WHOLES[LANES])
def _columns_code(context, builder, given, values):
    addresses = _row_addresses(context, builder, given.args[0], *values)
    found, n = [builder.load(address, align=8) for address in addresses], 1
    while len(found) > 1:  # each holds n numbers of the first column, n of the second and so on
        order = [column * n + side * 4 * n + k for column in range(4) for side in (0, 1) for k in range(n)]
        found, n = [_picked(builder, a, order, b) for a, b in zip(found[::2], found[1::2], strict=True)], 2 * n
    wanted = [_picked(builder, found[0], list(range(column * n, (column + 1) * n))) for column in range(3)]
    return context.make_tuple(builder, given.return_type, wanted)


def _store_below_code(context, builder, given, values):
    array, place, v, value, limit = values
    kind, mask = given.args[0], _mask(builder, value, limit)
    v = _as(builder, v, context.get_data_type(kind.dtype))
    n = v.type.count
    if _CAN_COMPRESS:
        name = f"llvm.experimental.vector.compress.v{n}{'i' if v.type.element == _I64 else 'f'}{8 * _size(kind)}"
        function_type = ir.FunctionType(v.type, [v.type, mask.type, v.type])
        function = cgutils.get_or_insert_function(builder.module, function_type, name)
        kept = builder.call(function, [v, mask, ir.Constant(v.type, ir.Undefined)])
        builder.store(kept, _address(context, builder, kind, array, place, n), align=_size(kind))
        return context.get_dummy_value()
    for lane in range(n):
        number = builder.extract_element(v, ir.Constant(_I32, lane))
        to = _address(context, builder, kind, array, place)
        builder.store(number, builder.bitcast(to, number.type.as_pointer()))
        bit = builder.extract_element(mask, ir.Constant(_I32, lane))
        place = builder.add(place, builder.zext(bit, _I64))
    return context.get_dummy_value()


def _add_at_code(context, builder, given, values):
    kind = given.args[0]
    data = context.make_array(kind)(context, builder, values[0]).data
    v = _as(builder, values[2], _NUMBERS[kind.dtype.bitwidth])
    for lane in range(v.type.count):
        place, number = (builder.extract_element(each, ir.Constant(_I32, lane)) for each in (values[1], v))
        target = builder.gep(data, [place])
        builder.store(builder.fadd(builder.load(target), number), target)
    return context.get_dummy_value()


def _subtract_from_rows_code(context, builder, given, values):
    kind, size = given.args[0], _size(given.args[0])
    x, y, z = (_as(builder, v, _NUMBERS[kind.dtype.bitwidth]) for v in values[2:])
    n = x.type.count
    mixed = [side * n + lane for lane in range(n) for side in (0, 1)]
    first, last = _picked(builder, x, mixed, y), _picked(builder, z, mixed, ir.Constant(z.type, [0.0] * n))
    for lane, address in enumerate(_row_addresses(context, builder, kind, *values[:2])):
        place = 2 * lane
        row = _picked(builder, first, [place, place + 1, 2 * n + place, 2 * n + place + 1], last)
        builder.store(builder.fsub(builder.load(address, align=size), row), address, align=size)
    return context.get_dummy_value()


def _number_below_code(_context, builder, _given, values):
    mask = _mask(builder, *values)
    bits = builder.bitcast(mask, ir.IntType(mask.type.count))
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(bits.type, [bits.type]), f"llvm.ctpop.i{mask.type.count}"
    )
    return builder.zext(builder.call(function, [bits]), _I64)


for _kind in _LANES:
    _whole = _WHOLES[_kind.n]
    lower_builtin(splat_as, _kind, types.float64)(_splat_code)
    lower_builtin(store, types.Array, types.intp, _kind)(_store_code)
    lower_builtin(widen, _kind)(_widen_code)
    lower_builtin(folded, _kind)(_folded_code)
    lower_builtin(total, _kind)(_total_code)
    lower_builtin(smallest, _kind)(_smallest_code)
    lower_builtin(load_wholes, types.Array, types.intp, _kind)(_load_wholes_code)
    lower_builtin(count_from, types.int64, _kind)(_count_from_code)
    lower_builtin(store_below, types.Array, types.intp, _kind, _kind, types.float64)(_store_below_code)
    lower_builtin(store_below, types.Array, types.intp, _whole, _kind, types.float64)(_store_below_code)
    lower_builtin(add_at, types.Array, _whole, _kind)(_add_at_code)
    lower_builtin(subtract_from_rows, types.Array, _whole, *[_kind] * 3)(_subtract_from_rows_code)
    lower_builtin(number_below, _kind, types.float64)(_number_below_code)
