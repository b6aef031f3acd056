"""Checks of values from files that may contain anything: each form checks one kind of value."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch

Form = Callable[[Any, str], None]  # checks a value at a place in the file; DamagedError if it has another form
LARGEST = 2**62  # of whole numbers
Shape = tuple[int | None, ...]  # None: any length


class DamagedError(ValueError):
    """A value in a file is invalid."""


def damaged(place: str, value: object, expected: str) -> DamagedError:
    return DamagedError(f"{place or 'the content'} is {_shown(value)}; expected {expected}")


def number(low: float = -math.inf, high: float = math.inf, infinite: bool = False) -> Form:
    """A number from low to high; infinite : whether it may be infinite."""

    def check(value: Any, place: str) -> None:
        is_whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST
        if not ((is_whole or isinstance(value, float)) and low <= value <= high and _allowed(value, infinite)):
            raise damaged(place, value, _range("a number", low, high))

    return check


def real(value: Any, place: str) -> None:
    """Any float, including NaN."""
    if not isinstance(value, float):
        raise damaged(place, value, "a real number")


def whole(low: int = 0, high: int = LARGEST) -> Form:
    """A whole number from low to high."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise damaged(place, value, _range("a whole number", low, high))

    return check


def text(value: Any, place: str) -> None:
    if not isinstance(value, str):
        raise damaged(place, value, "text")


def flag(value: Any, place: str) -> None:
    if not isinstance(value, bool):
        raise damaged(place, value, "True or False")


def optional(form: Form) -> Form:
    """This form, or None."""

    def check(value: Any, place: str) -> None:
        if value is not None:
            form(value, place)

    return check


def several(form: Form) -> Form:
    """A list or tuple of values of one form."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, list | tuple):
            raise damaged(place, value, "a list")
        for index, item in enumerate(value):
            form(item, f"{place}[{index}]")

    return check


def items(*forms: Form) -> Form:
    """A list or tuple with one form per value."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, list | tuple):
            raise damaged(place, value, "a list")
        if len(value) != len(forms):
            raise DamagedError(f"{place} has {len(value)} values; expected {len(forms)}")
        for index, (item, form) in enumerate(zip(value, forms, strict=True)):
            form(item, f"{place}[{index}]")

    return check


def each(key: Form, form: Form) -> Form:
    """A dictionary with keys of one form and values of another."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise damaged(place, value, "a dictionary")
        for name, item in value.items():
            key(name, f"a key of {place}")
            form(item, f"{place}[{name!r}]")

    return check


def record(required: Mapping[str, Form], more: Mapping[str, Form] | None = None) -> Form:
    """A dictionary with these entries; more : those that may be missing.  Other entries are ignored."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise damaged(place, value, "a dictionary")
        for name, form in {**required, **(more or {})}.items():
            inside = f"{place}.{name}" if place else name
            if name in value:
                form(value[name], inside)
            elif name in required:
                raise DamagedError(f"{inside} is missing")

    return check


def array(
    dtype: torch.dtype, shape: Shape | None = None, low: float = -math.inf, high: float = math.inf,
    infinite: bool = False, undefined: bool = False,
) -> Form:  # fmt: skip
    """A tensor in memory.

    shape : None for any; low, high, infinite : of its values, as of `number`; undefined : whether any may be NaN.
    """

    def check(value: Any, place: str) -> None:
        if not isinstance(value, torch.Tensor) or value.dtype is not dtype:
            raise damaged(place, value, f"an array of {_name(dtype)}")
        if (
            value.layout is not torch.strided
            or value.device.type != "cpu"
            or value.requires_grad
            or _exceeds_its_storage(value)
        ):
            raise damaged(place, value, "an array stored in full")
        if shape is not None and not _fits(tuple(value.shape), shape):
            raise damaged(place, value, f"the shape ({', '.join('any' if n is None else str(n) for n in shape)})")
        if undefined:
            value = value[~value.isnan()]
        if dtype is torch.bool or not value.numel():
            return
        for extreme in (value.min().item(), value.max().item()):  # NaN if any value is
            if not (low <= extreme <= high and _allowed(extreme, infinite)):
                raise damaged(f"a value of {place}", extreme, _range("numbers", low, high))

    return check


def _exceeds_its_storage(value: torch.Tensor) -> bool:
    """Whether the file stores fewer values than the array has."""
    return value.numel() * value.element_size() > value.untyped_storage().nbytes()


def _fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(n in (None, m) for n, m in zip(wanted, shape, strict=True))


def _allowed(value: float, infinite: bool) -> bool:
    return abs(value) <= sys.float_info.max or (infinite and value in (-math.inf, math.inf))


def _shown(value: object) -> str:
    if isinstance(value, torch.Tensor):
        return f"an array of {_name(value.dtype)} {tuple(value.shape)}"
    if isinstance(value, str | float | bool | None) or (isinstance(value, int) and abs(value) <= LARGEST):
        shown = repr(value)
        return shown if len(shown) <= 60 else f"{shown[:60]}..."
    return f"a {type(value).__name__}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _range(what: str, low: float, high: float) -> str:
    if high in (math.inf, LARGEST):
        return f"{what}, at least {low}" if low > -math.inf else f"finite {what}" if what == "numbers" else what
    return f"{what} from {low} to {high}"
