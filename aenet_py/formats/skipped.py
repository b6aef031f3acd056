"""Structures that were skipped because they are invalid."""

from __future__ import annotations

from dataclasses import dataclass, field

from aenet_py.errors import InputError

MOST_SKIPPED = 10  # whose reasons are reported


@dataclass
class Skipped:
    """Number of skipped structures, and the first reasons."""

    n: int = 0
    first: list[InputError] = field(default_factory=list)

    def add(self, error: InputError) -> None:
        """Count a structure."""
        self.n += 1
        if self.n <= MOST_SKIPPED:
            self.first.append(error)


def skipped(bad: Skipped) -> str:
    """How many structures were skipped, and why the first ones were, in lines."""
    if not bad.n:
        return ""
    lines = [f"{bad.n:,} skipped", *(f"  {error}" for error in bad.first)]
    if bad.n > len(bad.first):
        lines.append(f"  and {bad.n - len(bad.first):,} more")
    return "\n".join(lines) + "\n"
