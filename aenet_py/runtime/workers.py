"""Workers, threads or MPI processes, that compute ahead of the main thread."""

from __future__ import annotations

import collections
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from aenet_py.errors import AenetError

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")
R = TypeVar("R")
Pieces = Iterable[tuple[int, Sequence]]  # of a file: number of bytes, and buffers valid until the next piece


def affinity() -> frozenset[int]:
    """Numbers of the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def processors() -> int:
    """Number of processors that this process may use."""
    return len(affinity())


def number_of_threads(wanted: int | None) -> int:
    """How many threads to use: wanted, or by default one per processor; AenetError unless it is a positive integer."""
    if wanted is None:
        return processors()
    if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
        raise AenetError(f"threads must be at least 1, not {wanted!r}")
    return wanted


def shared(work: Callable[..., int], pieces: Sequence[tuple], threads: int) -> int:
    """Have threads do all pieces; returns the largest result."""
    if threads == 1 or len(pieces) == 1:
        return max(work(*piece) for piece in pieces)
    waiting = iter(pieces)

    def some() -> int:
        return max((work(*piece) for piece in waiting), default=0)

    from concurrent.futures import wait

    others = [_pool(threads, os.getpid()).submit(some) for _ in range(min(threads, len(pieces)) - 1)]
    try:
        return max(some(), *(other.result() for other in others))
    finally:
        for _ in waiting:  # after an exception, nothing more is begun
            pass
        wait(others)  # as they write to arrays of this thread


@functools.cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:  # noqa: ARG001 - a forked process has no threads
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(threads - 1, thread_name_prefix="aenet_py")


class Target(Protocol):
    """A file whose parts may be written in any order; see `runtime.output`."""

    def write_at(self, offset: int, parts: Sequence, /) -> None: ...


class SharedTarget(Target, Protocol):
    """A target into which other processes of this machine may write through its handle."""

    @property
    def handle(self) -> Any: ...


def write_pieces(target: Target, offset: int, pieces: Pieces) -> None:
    """Write pieces one after the other."""
    for n_bytes, parts in pieces:
        target.write_at(offset, parts)
        offset += n_bytes


class Pool(Protocol):
    """Runs functions like an Executor, and computes and writes pieces of files."""

    def submit(self, function: Callable[..., R], /, *arguments: object) -> Future[R]: ...

    def fill(
        self, target: SharedTarget, offset: int, function: Callable[..., Pieces], /, *arguments: object
    ) -> Future[None]: ...

    def shutdown(self, *, cancel_futures: bool) -> None: ...


class Workers:
    """Runs functions whose results are needed in order (`in_order`), and writes parts of files (`fill`).

    With one thread the caller's own does everything; otherwise a pool does, which has that many threads.  Leaving the
    ``with`` block waits for all work or, after an exception, drops what has not started.
    """

    def __init__(self, threads: int, pool: Pool | None = None):
        self._threads = threads
        self._pool = _threads(threads) if pool is None and threads > 1 else pool
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
        """Results of function for all jobs, in their order; some are computed ahead."""
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

    def fill(self, target: SharedTarget, offset: int, function: Callable[..., Pieces], *arguments: object) -> None:
        """Write the pieces that function returns to target, from offset on."""
        if self._pool is None:
            write_pieces(target, offset, function(*arguments))
            return
        while len(self._submitted) > 2 * self._threads:
            self._submitted.popleft().result()
        self._submitted.append(self._pool.fill(target, offset, function, *arguments))


def _threads(n: int) -> Pool:
    from concurrent.futures import ThreadPoolExecutor  # slow to import, and one thread needs no pool

    class Threads(ThreadPoolExecutor):
        def fill(
            self, target: SharedTarget, offset: int, function: Callable[..., Pieces], /, *arguments: object
        ) -> Future[None]:
            return self.submit(lambda: write_pieces(target, offset, function(*arguments)))

    return Threads(n)
