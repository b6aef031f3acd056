"""How much memory a program may still take."""

from __future__ import annotations

import contextlib
import math
import resource
from pathlib import Path

_GROUP = Path("/sys/fs/cgroup")


def available() -> float:
    """Bytes: what the machine has left, or the limit of this process or its control group if that is less.

    Infinite where none of these is known.
    """
    return min(_of_machine(), _of_group(), _of_process())


def _of_machine() -> float:
    return _table("/proc/meminfo").get("MemAvailable:", math.inf) * 1024


def _of_group() -> float:
    with contextlib.suppress(OSError, ValueError):
        limit = int((_GROUP / "memory.max").read_text())
        used = int((_GROUP / "memory.current").read_text())
        # Files that were read stay in memory only as long as nobody needs it.
        return limit - used + _table(str(_GROUP / "memory.stat")).get("inactive_file", 0)
    return math.inf


def _of_process() -> float:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return math.inf
    return limit - _table("/proc/self/status").get("VmSize:", 0) * 1024


def _table(path: str) -> dict[str, float]:
    """First number behind each first word of a file."""
    found = {}
    with contextlib.suppress(OSError):
        for line in Path(path).read_text().splitlines():
            name, *values = line.split()
            if values and values[0].isdecimal():
                found[name] = float(values[0])
    return found
