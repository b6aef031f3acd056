"""What convert and select say."""

from __future__ import annotations

from collections.abc import Sequence

from aenet_py.errors import InputError
from aenet_py.exchange import Converted

MOST_SKIPPED = 10  # whose reasons are told


def converted(output: str, done: Converted) -> str:
    lines = [f"{done.structures:,} structures in {output}"]
    if done.without_energy or done.without_forces:
        lines.append(f"{done.without_energy:,} of them without energy, {done.without_forces:,} without forces")
    return "\n".join(lines) + "\n"


def skipped(errors: Sequence[InputError]) -> str:
    """How many structures were skipped, and why the first of them."""
    if not errors:
        return ""
    lines = [f"{len(errors):,} skipped"] + [f"  {error}" for error in errors[:MOST_SKIPPED]]
    if len(errors) > MOST_SKIPPED:
        lines.append(f"  and {len(errors) - MOST_SKIPPED:,} more")
    return "\n".join(lines) + "\n"
