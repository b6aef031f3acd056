"""Eight numbers in a vector register: a type for kernels, with its arithmetic.

In compiled kernels `load` gives a value that LLVM keeps in registers whatever the loop around it looks like.  It can be
added, subtracted, multiplied and divided, by numbers, too.  Without Numba (NUMBA_DISABLE_JIT=1) the same functions work
on NumPy arrays, with their checks of bounds.
"""

import itertools
import operator

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

from aenet_py.runtime.constants import LANES


class Lanes(types.Type):
    """LANES float64, as Numba sees them."""

    def __init__(self):
        super().__init__(name="Lanes")


SHIFT = 6755399441055744.0  # 1.5 2^52: adding it rounds to a whole number, the low bits of the sum

LANES_TYPE = Lanes()
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_I32 = ir.IntType(32)


@register_model(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _VECTOR)


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
    whole = ir.VectorType(ir.IntType(64), LANES)
    low = builder.shl(builder.bitcast(v, whole), ir.Constant(whole, [52] * LANES))
    return builder.bitcast(builder.add(low, ir.Constant(whole, [1023 << 52] * LANES)), _VECTOR)


def _call(builder, name, *vectors):
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * len(vectors))
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{LANES}f64"), vectors)


def _address(context, builder, kind, array, place):
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [place]), _VECTOR.as_pointer())


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
    found, n = values[0], LANES
    while n > 1:
        n //= 2
        nothing, half = ir.Constant(found.type, ir.Undefined), ir.VectorType(_I32, n)
        low, high = (
            builder.shuffle_vector(found, nothing, ir.Constant(half, [start + lane for lane in range(n)]))
            for start in (0, n)
        )
        found = builder.fadd(low, high)
    return builder.extract_element(found, ir.Constant(_I32, 0))
