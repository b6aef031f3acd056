"""The report of ``aenet-py diff``."""

from __future__ import annotations

from aenet_py.errors import counted
from aenet_py.tools.diff import Comparison


def report(a: str, b: str, found: Comparison, max_ulps: int) -> str:
    """A comparison in a few lines."""
    if found.identical:
        return f"{a} and {b} are identical, byte for byte\n"
    compared = f"{counted(found.n_values, 'value')} in {counted(found.n_fields, 'field')}"
    if found.agree and found.n_within:
        within = f"{found.n_within} differ, by up to {counted(found.most_ulps or 0, 'unit')} in the last place"
        return f"{a} and {b} agree: {compared}, of which {within}\n"
    if found.agree:
        return f"{a} and {b} agree: {compared}; they are written in different ways\n"
    lines = [f"first difference: {found.first}"]
    if found.n_different:
        differing = f"{found.n_different} of {compared} differ, in {counted(found.n_fields_different, 'field')}"
        farthest = "" if not found.most_ulps else f", by up to {counted(found.most_ulps, 'unit')} in the last place"
        lines.append(differing + farthest)
    if found.n_within:
        lines.append(f"{counted(found.n_within, 'further value')} differ by no more than {counted(max_ulps, 'unit')}")
    if not found.complete:
        lines.append("behind that the files cannot be compared")
    return "\n".join(lines) + "\n"
