"""What ``aenet-py diff`` prints."""

from __future__ import annotations

from aenet_py.errors import counted
from aenet_py.tools.diff import Comparison


def report(a: str, b: str, result: Comparison, max_ulps: int) -> str:
    """The first difference, and how many values differ."""
    if result.identical:
        return f"{a} and {b} are identical, byte for byte\n"
    compared = f"{counted(result.n_values, 'value')} in {counted(result.n_fields, 'field')}"
    apart = f"by up to {counted(result.most_ulps, 'unit')} in the last place" if result.most_ulps else ""
    if result.agree:
        lines = [f"{a} and {b} agree: {compared}"]
        lines.append(f"  {result.n_within:,} of them differ, {apart}" if result.n_within else "  formatted differently")
        return "\n".join(lines) + "\n"
    where, *details = result.first
    lines = [f"first difference: {where}", *(f"  {line}" for line in details)]
    if result.n_different:
        fields = counted(result.n_fields_different, "field")
        lines += [f"{result.n_different:,} of {compared} differ, in {fields}"] + [f"  {apart}"] * bool(apart)
    if result.n_within:
        differ = "differs" if result.n_within == 1 else "differ"
        within = counted(max_ulps, "unit")
        lines.append(f"{counted(result.n_within, 'further value')} {differ} by no more than {within} in the last place")
    if not result.complete:
        lines.append("the rest cannot be compared")
    return "\n".join(lines) + "\n"
