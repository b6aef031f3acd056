"""Threads that work ahead."""

from __future__ import annotations

import collections
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")
R = TypeVar("R")


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """Threads for work that comes back in order (`in_order`) and work that only has to be done (`submit`).

    One thread means the caller's own.  Leaving the ``with`` block waits for everything, or, after an exception, drops
    what has not begun.
    """

    def __init__(self, threads: int):
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        if threads > 1:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(threads)
        self._submitted: collections.deque[Future] = collections.deque()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, failure: object, *_: object) -> None:
        if self._pool is None:
            return
        try:
            while self._submitted and failure is None:
                self._submitted.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def in_order(self, function: Callable[[T], R], jobs: Iterable[T]) -> Iterator[R]:
        if self._pool is None:
            yield from map(function, jobs)
            return
        jobs = iter(jobs)
        ahead: collections.deque[Future] = collections.deque()
        while True:
            for job in itertools.islice(jobs, 3 * self._threads - len(ahead)):
                ahead.append(self._pool.submit(function, job))
            if not ahead:
                return
            yield ahead.popleft().result()

    def submit(self, function: Callable[..., None], *args: object) -> None:
        if self._pool is None:
            function(*args)
            return
        while len(self._submitted) > 2 * self._threads:
            self._submitted.popleft().result()
        self._submitted.append(self._pool.submit(function, *args))
