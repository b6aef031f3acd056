"""What a kernel takes: the annotations of its arguments, and the checks of what it is called with.

A kernel's ``def`` is the only place that lists its arguments::

    def update(reach: f8, positions: f8[:, 3], index: out(i4[:])): ...

A scalar is annotated with its type, an array with its type and shape (``:`` is any length).  `out` marks an array that
the kernel writes, `rows` one whose rows may lie further apart in memory than they are long, `pointer` one of which the
kernel gets the address alone.  Each argument reaches the machine code as words of eight bytes in one block: a scalar's
value, or an array's address and lengths.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

_address_of, _buffer_of = ctypes.addressof, ctypes.c_char.from_buffer


@dataclass(frozen=True)
class Argument:
    """Type of one argument.

    Parameters
    ----------
    type
        ``i8``, ``f8``, ``i4``, ``f4``, ``u1``, ``i2`` or ``u2``.
    shape
        Length along each axis, None for any; None for a scalar.
    layout
        ``packed`` (C-contiguous), ``rows`` (each row is contiguous) or ``pointer`` (as packed, only the address is
        passed).
    written
        Whether the kernel writes to the array.
    """

    type: str
    shape: tuple[int | None, ...] | None = None
    layout: str = "packed"
    written: bool = False

    def __getitem__(self, axes: slice | int | tuple[slice | int, ...]) -> Argument:
        """An array of this type, as in ``f8[:, 3]``."""
        given = axes if isinstance(axes, tuple) else (axes,)
        return replace(self, shape=tuple(axis if isinstance(axis, int) else None for axis in given))

    def __str__(self) -> str:
        kind = _KINDS[self.type]
        if self.shape is None:
            return "an integer of 64 bits" if kind.kind == "i" else "a number"
        contiguous = "an array with contiguous rows" if self.layout == "rows" else "a C-contiguous array"
        axes = ", ".join("n" if axis is None else str(axis) for axis in self.shape)
        shape = "" if self.layout == "pointer" else f" of shape ({axes}{',' if len(self.shape) == 1 else ''})"
        return f"{contiguous} of {kind.name}{shape}{' that can be written to' if self.written else ''}"


Arguments: TypeAlias = Sequence[tuple[str, Argument]]

_KINDS = {name: np.dtype(name) for name in ("i8", "f8", "i4", "f4", "u1", "i2", "u2")}
_WORDS = {"i": "q", "f": "d"}  # of scalars, as struct names them
i8, f8, i4, f4, u1, i2, u2 = map(Argument, _KINDS)


def out(argument: Argument) -> Argument:
    """An array that the kernel writes."""
    return replace(argument, written=True)


def rows(argument: Argument) -> Argument:
    """An array of two axes, which the kernel sees with rows as long as the distance from one to the next."""
    return replace(argument, layout="rows")


def pointer(argument: Argument) -> Argument:
    """An array of any shape, of which the kernel gets the address alone."""
    return replace(argument, shape=(), layout="pointer")


def to_text(arguments: Arguments) -> str:
    """One line per argument, as `from_text` reads it."""
    lines = []
    for name, a in arguments:
        shape = "scalar" if a.shape is None else ",".join(":" if axis is None else str(axis) for axis in a.shape)
        lines.append(f"{name} {a.type} {shape or '-'} {a.layout} {int(a.written)}")
    return "\n".join(lines)


def from_text(text: str) -> list[tuple[str, Argument]]:
    """The reverse of `to_text`."""
    arguments = []
    for name, kind, axes, layout, written in map(str.split, text.splitlines()):
        shape: tuple[int | None, ...] | None = None
        if axes != "scalar":
            shape = tuple(None if axis == ":" else int(axis) for axis in axes.split(",") if axis != "-")
        arguments.append((name, Argument(kind, shape, layout, written == "1")))
    return arguments


def binder(
    kernel: str, arguments: Arguments, fixed: Mapping[str, Any] | None = None
) -> Callable[[dict[str, Any]], bytes]:
    """A function from a kernel's arguments by name to their block.

    It raises TypeError for a missing or unknown argument, a scalar of the wrong kind and an array of the wrong type,
    and ValueError for an array of the wrong shape or layout, or a read-only one that the kernel writes to.

    Parameters
    ----------
    kernel
        Its name, for messages.
    arguments
        What it takes.
    fixed
        Arguments that are the same in all calls; they are checked here, and the function takes the others.

    Returns
    -------
    callable
        From a dict of arguments to bytes.
    """
    fixed = fixed or {}
    words: list[str] = []
    template: list[int | float] = []
    plan: list[tuple[str, np.dtype | None, tuple[int | None, ...], tuple[int | None, ...] | None, str, int]] = []
    for name, a in arguments:
        place, kind = len(template), _KINDS[a.type]
        words.append(_WORDS[kind.kind] if a.shape is None else "q" * (1 + len(a.shape)))
        if name in fixed:
            template += _words(kernel, name, a, fixed[name])
            continue
        template += [0] * len(words[-1])
        if a.shape is None:
            plan.append((name, None, (), None, a.layout, place))
            continue
        tail = a.shape[1:] if a.shape and a.shape[0] is None and None not in a.shape[1:] else None
        plan.append((name, kind, a.shape, tail, a.layout, place))
    block, n_others = struct.Struct("=" + "".join(words)), len(plan)

    def bind(given: dict[str, Any]) -> bytes:
        # This runs at every call, so it only tells good from doubtful; `_checked` says what is wrong, if anything.
        # ctypes refuses read-only buffers and those that are not contiguous; struct, integers that are none.
        values: list[Any] = template.copy()
        try:
            for name, kind, shape, tail, layout, place in plan:
                value = given[name]
                if kind is None:
                    values[place] = value
                    continue
                if value.dtype is not kind:
                    break
                if layout == "packed":
                    values[place] = _address_of(_buffer_of(value))
                    if tail is not None:
                        if value.shape[1:] != tail:
                            break
                    elif not _fits(value.shape, shape):
                        break
                    values[place + 1 : place + 1 + len(shape)] = value.shape
                elif layout == "rows":
                    distance = _row_distance(value)
                    if distance < 0 or not _fits(value.shape, shape):
                        break
                    values[place : place + 3] = _address_of(_buffer_of(value[0])), len(value), distance
                else:
                    values[place] = _address_of(_buffer_of(value))
            else:
                if len(given) == n_others:
                    return block.pack(*values)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, struct.error):
            pass
        return block.pack(*_checked(kernel, arguments, {**fixed, **given}))

    return bind


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(w is None or w == n for w, n in zip(wanted, shape, strict=True))


def _checked(kernel: str, arguments: Arguments, given: dict[str, Any]) -> list[int | float]:
    """The words of all arguments, or the error that names the first wrong one."""
    names = [name for name, _ in arguments]
    missing, unknown = [name for name in names if name not in given], [name for name in given if name not in names]
    if missing or unknown:
        faults = [f"{what} {', '.join(which)}" for what, which in (("lacks", missing), ("has no", unknown)) if which]
        raise TypeError(f"{kernel}: the call {' and '.join(faults)}" if missing else f"{kernel} {faults[0]}")
    return [word for name, argument in arguments for word in _words(kernel, name, argument, given[name])]


def _words(kernel: str, name: str, argument: Argument, value: Any) -> list[int | float]:
    """The words of an argument, or the error that says what is wrong with it."""
    if argument.shape is None:
        return [_scalar(kernel, name, argument, value)]
    return [*_array(kernel, name, argument, value)]


def _scalar(kernel: str, name: str, argument: Argument, value: Any) -> int | float:
    word = struct.Struct("=" + _WORDS[_KINDS[argument.type].kind])
    try:
        return word.unpack(word.pack(value))[0]
    except (struct.error, TypeError, ValueError):
        raise TypeError(f"{kernel}: {name} must be {argument}, not {value!r} ({type(value).__name__})") from None


def _array(kernel: str, name: str, argument: Argument, value: Any) -> list[int]:
    fault = _fault(argument, value)
    if fault is not None:
        kind, found = fault
        raise kind(f"{kernel}: {name} must be {argument}, not {found}")
    address = int(value.__array_interface__["data"][0])
    if argument.layout == "rows":
        return [address, len(value), _row_distance(value)]
    return [address, *value.shape] if argument.layout == "packed" else [address]


def _fault(argument: Argument, value: Any) -> tuple[type[Exception], str] | None:
    """What is wrong with an array, and the error that this is."""
    if not isinstance(value, np.ndarray):
        return TypeError, type(value).__name__
    if value.dtype != _KINDS[argument.type]:
        return TypeError, f"of {value.dtype}"
    assert argument.shape is not None
    if argument.layout != "pointer" and not _fits(value.shape, argument.shape):
        return ValueError, f"of shape {value.shape}"
    if _row_distance(value) < 0 if argument.layout == "rows" else not value.flags.c_contiguous:
        return ValueError, f"one with strides of {value.strides} bytes"
    if argument.written and not value.flags.writeable:
        return ValueError, "a read-only one"
    return None


def _row_distance(value: np.ndarray) -> int:
    """From one row of an array to the next, in values; -1 where rows are not contiguous, or overlap."""
    if value.flags.c_contiguous:
        return value.shape[1]
    distance, rest = divmod(value.strides[0], value.itemsize)
    return distance if rest == 0 and distance >= value.shape[1] and value[:1].flags.c_contiguous else -1
