"""Tasks shared among processes, each of which does one at a time.

The processes are programs of their own (``python -m aenet_py.runtime.worker``), connected by a pipe: they import
nothing of the caller's script, and end with it.
"""

from __future__ import annotations

import collections
import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any

from aenet_py.errors import AenetError

POLL = 0.1  # s
WATCH = 0.5  # s
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Stop = Callable[[], bool]
Advance = Callable[[float], object]


@dataclass(frozen=True)
class Job:
    """What the processes do with each task.  Functions are those of a module, which the processes import.

    Parameters
    ----------
    load
        Called once in each process with `packed`; returns what all tasks need.
    one
        Called as ``one(loaded, task, stop, advance)``; returns the result, or None if stopped.
    packed
        What `load` needs.
    doing
        What a process does, for messages: "simulates".
    threads
        Threads of each process.
    """

    load: Callable[[bytes], Any]
    one: Callable[[Any, Any, Stop, Advance], Any]
    packed: bytes
    doing: str
    threads: int = 1


@dataclass
class _Worker:
    """A process, the task that it has, since when, and whether it has begun any."""

    process: subprocess.Popen
    task: Any = None
    since: float | None = None
    works: bool = False

    def kill(self) -> None:
        """End it and the programs that it started."""
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def share(
    job: Job, tasks: Sequence[Any], n_processes: int, stop: Stop, advance: Advance, ended: Callable[[Any, Any], object],
    *, interrupt: bool = True, timeout: float | None = None, lost: Callable[[Any, str], Any] | None = None,
) -> None:  # fmt: skip
    """Do tasks in processes.

    Parameters
    ----------
    job
        What to do with them.
    tasks
        The tasks.
    n_processes
        How many are done at a time.
    stop
        Asked often; no task is begun once it is true.
    advance
        Called with what tasks call theirs with.
    ended
        Called with each task that has ended and its result, in the order in which they end.
    interrupt
        Whether tasks that were begun are asked to stop, too.
    timeout
        Longest time of a task, s; the process of one that takes longer is killed.
    lost
        The result of a task whose process is killed, from the task and the reason.  Without it, this is an error.

    Raises
    ------
    AenetError
        What a task raises, or if a process cannot be started or is killed.
    """
    packed, left = pickle.dumps(job), collections.deque(tasks)
    workers: dict[Connection, _Worker] = {}
    stopped = False

    def start() -> None:
        connection, process = _start(job)
        workers[connection] = _Worker(process)
        _send(connection, workers[connection], job, packed, left.popleft())

    def give_up(connection: Connection, reason: str) -> None:
        """The result of a task whose process is lost, and another process for the others."""
        assert lost is not None
        worker = workers.pop(connection)
        connection.close()
        worker.kill()
        ended(worker.task, lost(worker.task, reason))
        if left and not stopped:
            start()

    try:
        for _ in range(min(n_processes, len(left))):
            start()
        while workers:
            if stop() and not stopped:
                stopped = True
                for worker in workers.values() if interrupt else ():
                    worker.process.terminate()
            for ready in wait(list(workers), POLL):
                assert isinstance(ready, Connection)
                worker = workers[ready]
                try:
                    kind, content = ready.recv()
                except (EOFError, ConnectionError):
                    if stopped and interrupt:
                        workers.pop(ready).process.wait()
                    elif lost is None or not worker.works:
                        raise _ended(worker.process, job) from None
                    else:
                        give_up(ready, f"its process {_how(worker.process)}")
                    continue
                if kind == "begun":
                    worker.since, worker.works = time.monotonic(), True
                elif kind == "advance":
                    advance(content)
                elif kind == "error":
                    raise content
                else:
                    if content is not None:
                        ended(worker.task, content)
                    if left and not stopped:
                        _send(ready, worker, job, None, left.popleft())
                    else:
                        ready.close()
                        workers.pop(ready).process.wait()
            now = time.monotonic()
            for connection, worker in list(workers.items()):
                late = timeout is not None and worker.since is not None and now - worker.since > timeout
                if late and not connection.poll():
                    give_up(connection, f"not done after {timeout:g} s")
    finally:
        for connection, worker in workers.items():
            connection.close()
            worker.kill()


def end_with_parent() -> None:
    """End this process, and programs that it started, when the one that started it has ended."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _send(connection: Connection, worker: _Worker, job: Job, packed: bytes | None, task: Any) -> None:
    """Give a process a task, and the job if it has none."""
    worker.task, worker.since = task, None
    try:
        if packed is not None:
            connection.send_bytes(packed)
        connection.send(task)
    except ConnectionError:
        raise _ended(worker.process, job) from None


def _how(process: subprocess.Popen) -> str:
    status = process.wait()
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def _ended(process: subprocess.Popen, job: Job) -> AenetError:
    """The error that a process ended which should not have."""
    return AenetError(f"a process that {job.doing} {_how(process)}; repeat the call to resume")


def _start(job: Job) -> tuple[Connection, subprocess.Popen]:
    """A process and the connection to it."""
    ours, its = Pipe()
    with its:
        places = os.pathsep.join(path or os.curdir for path in sys.path)
        environment = {**os.environ, **dict.fromkeys(THREADS, str(job.threads)), "PYTHONPATH": places}
        try:
            # In its own session, as a signal from the terminal is meant for this process.
            process = subprocess.Popen(
                [sys.executable, "-m", "aenet_py.runtime.worker", str(its.fileno())], env=environment,
                stdin=subprocess.DEVNULL, pass_fds=[its.fileno()], start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise AenetError(f"a process that {job.doing} cannot be started: {error.strerror}") from None
    return ours, process
