"""From a kernel's Python to machine code, by Numba; imported only where the machine code is not kept."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import llvmlite.binding as llvm
import numba
from numba import carray, types
from numba.extending import intrinsic

from aenet_py.runtime.signatures import Argument, Arguments

LIBRARY = {"cos", "sin", "tanh", "exp", "pow", "sqrt", "fma", "memset", "memcpy", "memmove"}  # what kernels may call
_TYPES = {
    "i8": types.int64, "f8": types.float64, "i4": types.int32, "f4": types.float32, "u1": types.uint8,
    "i2": types.int16, "u2": types.uint16,
}  # fmt: skip


def _word_as(kind: types.Type) -> Callable:
    """A function (block, i) that takes the i-th word of a block as a value of a type."""

    @intrinsic
    def take(context: Any, block: Any, place: Any) -> Any:  # noqa: ARG001 - as Numba calls it
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = builder.gep(arguments[0], [arguments[1]])
            wanted = context.get_value_type(signature.return_type)
            if isinstance(signature.return_type, types.CPointer):
                return builder.inttoptr(builder.load(place), wanted)
            return builder.load(builder.bitcast(place, wanted.as_pointer()))

        return kind(block, place), generate

    return take


def arguments_of(function: Callable, single: Collection[str] = ()) -> list[tuple[str, Argument]]:
    """Names and annotations of a kernel's arguments; TypeError for one without.

    single: names of those that are arrays of float32 in place of float64.
    """
    arguments = [(name, parameter.annotation) for name, parameter in inspect.signature(function).parameters.items()]
    for name, annotation in arguments:
        if not isinstance(annotation, Argument):
            raise TypeError(f"kernel {function.__name__}: annotate {name} with its type")
    return [(name, replace(each, type="f4") if name in single else each) for name, each in arguments]


def compiled(function: Callable, arguments: Arguments, options: dict[str, Any], constants: dict[str, Any]) -> Any:
    """Numba's C callback of a kernel, which takes the address of the block of its arguments.

    Arguments that are constants, by name, are part of the machine code; what a call gives for them does not count.
    """
    names = {"carray": carray, "kernel": numba.jit(**options)(function)}
    given, word = [], 0
    for number, (name, argument) in enumerate(arguments):
        kind = _TYPES[argument.type]
        names[f"take{number}"] = _word_as(kind if argument.shape is None else types.CPointer(kind))
        value, word = f"take{number}(block, {word})", word + 1
        if argument.shape is not None and argument.layout != "pointer":
            axes = [f"block[{word + n}]" if axis is None else str(axis) for n, axis in enumerate(argument.shape)]
            value, word = f"carray({value}, ({', '.join(axes)},))", word + len(axes)
        if name in constants:
            value = f"constant{number}"
            names[value] = constants[name]
        given.append(value)
    source = f"def entry(block):\n    return kernel({', '.join(given)})"
    exec(compile(source, f"<entry of {function.__name__}>", "exec"), names)  # Numba needs a function of its own
    return numba.cfunc(types.int64(types.CPointer(types.int64)), **options)(names["entry"])


def object_code(callback: Any, name: str, symbol: str, machine: Any) -> bytes:
    """Object code of a callback alone, under a name of its own; RuntimeError if it needs more than libm."""
    module = llvm.parse_assembly(callback.inspect_llvm())
    for item in [*module.functions, *module.global_variables]:
        if item.name == callback.native_name:
            item.name = symbol
        elif not item.is_declaration:
            item.linkage = "internal"
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)  # drops Numba's Python wrappers, now unreachable
    needed = {f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")}
    if needed - LIBRARY:
        raise RuntimeError(f"kernel {name} allocates or raises: it needs {sorted(needed - LIBRARY)}")
    return machine.emit_object(module)
