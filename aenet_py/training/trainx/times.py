"""The log of TIMING, ``train.time``, and the time spent on the training and the test set."""

from __future__ import annotations

import time

from aenet_py.report.timing import TimingLog

TRAINING, TESTING = "training", "testing"


class Times:
    """Writes to a log, or does nothing without one."""

    def __init__(self, log: TimingLog | None):
        self._log = log
        self._spent = {TRAINING: 0.0, TESTING: 0.0}
        self._last = time.perf_counter()

    def steps(self, *messages: str) -> None:
        """What has been done, with the seconds since the start."""
        self._last = time.perf_counter()
        for message in messages:
            if self._log is not None:
                self._log.line(message)

    def part(self, message: str, spent_on: str | None = None) -> None:
        """A part of an epoch, with the seconds since the last step; spent_on : TRAINING or TESTING."""
        if self._log is not None:
            self._log.part(message)
        if spent_on is not None:
            now = time.perf_counter()
            self._spent[spent_on] += now - self._last
            self._last = now

    def totals(self) -> None:
        """The seconds spent on each set."""
        for name, seconds in self._spent.items():
            if self._log is not None:
                self._log.amount(seconds, f"Total time spent for {name} set.")
