"""How much more memory this process may use."""

from __future__ import annotations

import contextlib
import math
import resource
from pathlib import Path

_GROUP = Path("/sys/fs/cgroup")


def available() -> float:
    """Bytes left on the machine, or to the limit of this process or of its control group, whichever is smallest.

    Infinite if none of them is known.
    """
    return min(_of_machine(), _of_group(), _of_process())


def _of_machine() -> float:
    return _table("/proc/meminfo").get("MemAvailable:", math.inf) * 1024


def _of_group() -> float:
    with contextlib.suppress(OSError, ValueError):
        limit = int((_GROUP / "memory.max").read_text())
        used = int((_GROUP / "memory.current").read_text())
        # The system drops cached files when memory is needed.
        return limit - used + _table(str(_GROUP / "memory.stat")).get("inactive_file", 0)
    return math.inf


def _of_process() -> float:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return math.inf
    return limit - _table("/proc/self/status").get("VmSize:", 0) * 1024


def _table(path: str) -> dict[str, float]:
    """The number after the first word of each line of a file."""
    numbers = {}
    with contextlib.suppress(OSError):
        for line in Path(path).read_text().splitlines():
            name, *values = line.split()
            if values and values[0].isdecimal():
                numbers[name] = float(values[0])
    return numbers
