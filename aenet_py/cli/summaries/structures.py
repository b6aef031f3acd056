"""What `aenet-py convert` prints, and what it shares with `aenet-py select`."""

from __future__ import annotations

from aenet_py.errors import counted
from aenet_py.formats.skipped import Skipped as Skipped
from aenet_py.formats.skipped import skipped as skipped
from aenet_py.tools.convert import Converted

SKIP_HELP = "skip invalid structures, and report how many and why"


def converted(output: str, done: Converted) -> str:
    """What was written, and how many structures lack energy or forces."""
    lines = [f"{output}: {counted(done.structures, 'structure')}, {counted(done.atoms, 'atom')}"]
    if done.without_energy or done.without_forces:
        lines.append(f"  structures without energy: {done.without_energy:,}, without forces: {done.without_forces:,}")
    return "\n".join(lines) + "\n"
