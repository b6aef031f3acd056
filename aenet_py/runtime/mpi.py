"""MPI processes: rank 0 runs a command, the other ranks compute what it sends them.

    rank 0   main thread ── MpiPool.submit, .fill ──> communication thread ──┬──> threads of this rank
                                                                             └──> the other ranks, and back
    others   follow: orders from rank 0 ──> threads of this rank ──> answers to rank 0

Only rank 0 reads decks, prints, and creates files; ranks on its machine fill in parts of them.
mpi4py is imported by `world` only.
"""

from __future__ import annotations

import collections
import contextlib
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from aenet_py.errors import AenetError
from aenet_py.runtime import launch
from aenet_py.runtime.output import Handle
from aenet_py.runtime.workers import Pieces, SharedTarget, affinity, write_pieces

if TYPE_CHECKING:
    from concurrent.futures import Future

PAUSE = 0.001  # seconds between two polls for messages: waiting inside MPI would occupy a processor
AHEAD = 2  # tasks queued per thread of another rank


@dataclass(frozen=True)
class World:
    """All processes of a run.  comm : communicator of mpi4py; hosts, affinities : of each rank."""

    comm: Any
    rank: int
    hosts: tuple[str, ...]
    affinities: tuple[frozenset[int], ...]

    @property
    def size(self) -> int:
        return len(self.hosts)

    def threads(self) -> list[int]:
        """Threads per rank: the processors that the ranks of its host may use, divided by the number of these ranks."""
        return [self._threads(host) for host in self.hosts]

    def _threads(self, host: str) -> int:
        there = [processors for name, processors in zip(self.hosts, self.affinities, strict=True) if name == host]
        return max(1, len(frozenset().union(*there)) // len(there))


@dataclass(frozen=True)
class Begin:
    """The first order: number of threads, and what must be the same on every rank."""

    threads: int
    arguments: tuple[str, ...]
    digests: Mapping[str, str]


@dataclass(frozen=True)
class Task:
    number: int
    function: Callable[..., Any]
    arguments: tuple


@dataclass(frozen=True)
class End:
    """The last order; as an answer, that nothing follows."""

    status: int


@dataclass(frozen=True)
class Place:
    """Where in a file the result of a task is written."""

    target: SharedTarget
    offset: int

    def write(self, pieces: Pieces) -> None:
        write_pieces(self.target, self.offset, pieces)


@dataclass(frozen=True)
class Answer:
    number: int
    value: Any = None
    error: BaseException | None = None


def world() -> World:
    """Start MPI; AenetError on failure, or a silent exit on ranks other than 0."""
    place = launch.place()
    try:
        return _world(place)
    except AenetError:
        if place is not None and place.rank > 0:
            raise SystemExit(1) from None
        raise


def _world(place: launch.Launch | None) -> World:
    import importlib.util
    import socket

    if importlib.util.find_spec("mpi4py") is None:
        raise AenetError("running under MPI requires mpi4py; install it with pip install 'aenet_py[mpi]'")
    import mpi4py

    mpi4py.rc.thread_level = "serialized"
    try:
        from mpi4py import MPI
        from mpi4py.util import pkl5
    except (ImportError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise AenetError(f"mpi4py cannot load an MPI library: {reason}; it must find that of mpirun") from None
    comm = pkl5.Intracomm(MPI.COMM_WORLD)
    if comm.size == 1 and place is not None and place.size not in (None, 1):
        message = f"the launcher started {place.size} processes, but mpi4py connects none of them"
        raise AenetError(f"{message}; install an mpi4py that uses the MPI library of the launcher")
    ranks = comm.allgather((socket.gethostname(), affinity()))
    return World(comm, comm.rank, tuple(host for host, _ in ranks), tuple(own for _, own in ranks))


class MpiPool:
    """Runs functions in threads of all ranks, for `Workers`; functions, arguments and results must be picklable.

    Call `begin` first and `dismiss` last: the other ranks wait for it.
    """

    def __init__(self, world: World):
        self._world = world
        self._events: queue.SimpleQueue[Task | Answer | End] = queue.SimpleQueue()
        self._talker = threading.Thread(target=self._talk_or_abort, daemon=True)
        self._own: Any = None
        self._threads: list[int] = []
        self._pending: dict[int, tuple[Future, Place | None]] = {}
        self._changing = threading.Lock()
        self._number = 0

    def begin(self, threads: int | None, arguments: Sequence[str], paths: Iterable[str]) -> int:
        """Prepare all ranks; returns their total number of threads.

        threads : per rank, by default its share of the processors; arguments : of the command.  AenetError unless these
        and the files at paths are the same on all ranks.
        """
        from concurrent.futures import ThreadPoolExecutor

        self._threads = self._world.threads() if threads is None else [threads] * self._world.size
        self._own = ThreadPoolExecutor(self._threads[0])
        digests = {path: _digest(path) for path in paths}
        comm = self._world.comm
        for rank in range(1, self._world.size):
            comm.send(Begin(self._threads[rank], tuple(arguments), digests), dest=rank)
        answers = [comm.recv(source=rank) for rank in range(1, self._world.size)]
        for answer in answers:
            if answer.error is not None:
                raise answer.error
        self._talker.start()
        return sum(self._threads)

    def submit(self, function: Callable[..., Any], *arguments: object) -> Future:
        return self._submit(function, arguments, None)

    def fill(self, target: SharedTarget, offset: int, function: Callable[..., Pieces], *arguments: object) -> Future:
        """Compute pieces on any rank; they are written by that rank if it is on this machine, otherwise by this one."""
        return self._submit(function, arguments, Place(target, offset))

    def _submit(self, function: Callable, arguments: tuple, place: Place | None) -> Future:
        from concurrent.futures import Future

        self._number += 1
        future: Future = Future()
        self._pending[self._number] = future, place
        self._events.put(Task(self._number, function, arguments))
        return future

    def shutdown(self, cancel_futures: bool) -> None:
        """Stop writing; do not wait for answers of other ranks, which may have ended."""
        with self._changing:
            self._pending.clear()
        self._own.shutdown(cancel_futures=cancel_futures)

    def dismiss(self, status: int) -> None:
        """Make the other ranks exit with a status."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing is left to interrupt
        if self._talker.ident is None:
            self._talker.start()
        self._events.put(End(status))
        self._talker.join()

    def _talk_or_abort(self) -> None:
        with _aborting(self._world.comm):
            self._talk()

    def _talk(self) -> None:
        """Exchange all messages with the other ranks, because only one thread may call MPI."""
        comm, n_left = self._world.comm, self._world.size - 1
        waiting: collections.deque[Task] = collections.deque()
        free = [threads * (AHEAD if rank else 1) for rank, threads in enumerate(self._threads)]
        rank_of: dict[int, int] = {}
        requests: list[Any] = []
        while n_left:
            with contextlib.suppress(queue.Empty):
                event = self._events.get(timeout=PAUSE)
                if isinstance(event, Task):
                    waiting.append(event)
                elif isinstance(event, End):
                    waiting.clear()
                    requests += [comm.isend(event, dest=rank) for rank in range(1, self._world.size)]
                else:
                    free[rank_of.pop(event.number)] += 1
                    self._finish(event)
            for answer in _messages(comm):
                if isinstance(answer, End):
                    n_left -= 1
                elif answer.number in rank_of:  # not one to the first order, for which nobody waits after a signal
                    free[rank_of.pop(answer.number)] += 1
                    self._finish(answer)
            while waiting and max(free) > 0:
                task = waiting.popleft()
                rank = max(range(len(free)), key=free.__getitem__)
                request = self._start(task, rank)
                if request is not None:
                    free[rank] -= 1
                    rank_of[task.number] = rank
                    requests += request
            requests = [request for request in requests if not request.test()[0]]

    def _start(self, task: Task, rank: int) -> list[Any] | None:
        """Give a task to a rank; returns requests to wait for, or None if the task was dropped."""
        with self._changing:
            future, place = self._pending.get(task.number, (None, None))
            if future is None:
                return None
            if rank > 0:
                return [self._world.comm.isend(self._elsewhere(task, place, rank), dest=rank)]
            self._pending[task.number] = future, None
            self._own.submit(lambda: self._events.put(_attempt(task, place.write if place else _unchanged)))
            return []

    def _elsewhere(self, task: Task, place: Place | None, rank: int) -> Task:
        """The task for another rank, which returns those pieces that it cannot write at place itself."""
        if place is None:
            return task
        if self._world.hosts[rank] != self._world.hosts[0]:
            return Task(task.number, _collect, (task.function, *task.arguments))
        where = (place.target.handle, place.offset)
        return Task(task.number, _write_or_collect, (*where, task.function, *task.arguments))

    def _finish(self, answer: Answer) -> None:
        with self._changing:
            future, place = self._pending.pop(answer.number, (None, None))
            if future is None:
                return
            if place is not None and answer.error is None:
                answer = _attempt(Task(answer.number, place.write, (answer.value,)), _unchanged)
        if answer.error is None:
            future.set_result(answer.value)
        else:
            future.set_exception(answer.error)


def follow(world: World, arguments: Sequence[str]) -> int:
    """Work for rank 0 until it sends the exit status; arguments : of the command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # rank 0 cleans up and then ends all
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with _aborting(world.comm):
        return _follow(world, arguments)


@contextlib.contextmanager
def _aborting(comm: Any) -> Iterator[None]:
    """End all ranks after an unexpected exception, because the others would wait for this one."""
    try:
        yield
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        comm.Abort(1)
        raise


def _follow(world: World, arguments: Sequence[str]) -> int:
    from concurrent.futures import ThreadPoolExecutor

    where = "" if world.hosts[world.rank] == world.hosts[0] else f"on {world.hosts[world.rank]}: "
    answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
    pool: ThreadPoolExecutor | None = None
    while True:
        for order in _messages(world.comm):
            if isinstance(order, Begin):
                pool = ThreadPoolExecutor(order.threads)
                _answer(answers, Task(0, _check, (order, tuple(arguments), world.rank)))
            elif isinstance(order, Task):
                assert pool is not None
                pool.submit(_answer, answers, order)
            else:
                if pool is not None:
                    pool.shutdown(cancel_futures=True)
                world.comm.send(order, dest=0)
                return order.status
        with contextlib.suppress(queue.Empty):
            answer = answers.get(timeout=PAUSE)
            if isinstance(answer.error, AenetError):
                answer = Answer(answer.number, error=AenetError(f"{where}{answer.error}"))
            elif answer.error is not None and not isinstance(answer.error, MemoryError):
                raise answer.error
            world.comm.send(answer, dest=0)


def _messages(comm: Any) -> Iterator[Any]:
    """Messages that have arrived.  (improbe would wait for all parts of a message, which are sent one by one.)"""
    from mpi4py import MPI

    status = MPI.Status()
    while comm.iprobe(status=status):
        yield comm.recv(source=status.Get_source())


def _check(order: Begin, arguments: tuple[str, ...], rank: int) -> None:
    if arguments != order.arguments:
        ours, theirs = " ".join(arguments), " ".join(order.arguments)
        raise AenetError(f"rank {rank} was started with {ours!r}, rank 0 with {theirs!r}; they must be the same")
    for path, digest in order.digests.items():
        try:
            own = _digest(path)
        except AenetError as error:
            raise AenetError(f"{error}, by rank {rank}; all ranks must see the folder of rank 0") from None
        if own != digest:
            raise AenetError(f"{path}: different on rank {rank} and rank 0; all ranks must see the same folder")


def _digest(path: str) -> str:
    import hashlib

    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        raise AenetError(f"{path}: cannot be read: {error.strerror}") from None


def _attempt(task: Task, then: Callable[[Any], Any]) -> Answer:
    try:
        return Answer(task.number, then(task.function(*task.arguments)))
    except BaseException as error:
        return Answer(task.number, error=error)


def _answer(answers: queue.SimpleQueue[Answer], task: Task) -> None:
    answers.put(_attempt(task, _unchanged))


def _unchanged(value: Any) -> Any:
    return value


def _write_or_collect(handle: Handle, offset: int, function: Callable[..., Pieces], *arguments: object) -> Pieces:
    """Write the pieces into the file of rank 0, or return them if that cannot be reached."""
    if not handle.is_reachable:
        return _collect(function, *arguments)
    write_pieces(handle, offset, function(*arguments))
    return []


def _collect(function: Callable[..., Pieces], *arguments: object) -> Pieces:
    """Pieces as one array each, which are sent without another copy."""
    return [(n_bytes, [np.frombuffer(b"".join(parts), np.uint8)]) for n_bytes, parts in function(*arguments)]
