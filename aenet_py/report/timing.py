"""The log of TIMING, ``generate.time`` (timing)."""

from __future__ import annotations

import time
from collections.abc import Sequence

from aenet_py.runtime.output import PendingFile

STEPS = ("reading geometries", "in the neighbor list", "evaluating structural fingerprints")


class TimingLog(PendingFile):
    """Seconds since the start with what was done by then, and seconds spent on each of STEPS, over all threads."""

    def __init__(self, path: str, nameless: bool = False):
        super().__init__(path, nameless)
        self._start = self._last = time.perf_counter()
        self._spent = [0.0] * len(STEPS)

    def line(self, message: str) -> None:
        self._last = time.perf_counter()
        self._row(self._last - self._start, message)

    def part(self, message: str) -> None:
        """A line with the seconds since the last `line` (tng_timing2)."""
        self.write(f"     {time.perf_counter() - self._last:10.2f} s {message}\n".encode())

    def amount(self, seconds: float, message: str) -> None:
        """A line with a number of seconds (tng_dump)."""
        self._row(seconds, message)

    def structures(self, numbers: Sequence[int], seconds: tuple[float, ...]) -> None:
        """After some structures: the number of each and what the steps have taken so far."""
        self._spent = [total + s for total, s in zip(self._spent, seconds, strict=True)]
        for number in numbers:
            self.line(f"Structure: {number}".ljust(61))
            for total, step in zip(self._spent, STEPS, strict=True):
                self._row(total, f"time spent {step} (so far)")

    def totals(self) -> None:
        for total, step in zip(self._spent, STEPS, strict=True):
            self._row(total, f"total time spent {step}")

    def _row(self, seconds: float, message: str) -> None:
        self.write(f" {seconds:10.2f} s     {message}\n".encode())
