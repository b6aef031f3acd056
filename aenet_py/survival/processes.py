"""Runs shared among processes, each of which does one at a time.

The processes are programs of their own (``python -m aenet_py.survival.worker``), connected by a pipe: they import
nothing of the caller's script, end with it, and are asked to save their state when it receives Ctrl-C.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait

from ase import Atoms

from aenet_py.errors import AenetError
from aenet_py.survival import runs
from aenet_py.survival.runs import Outcome, Run
from aenet_py.survival.source import Source

POLL = 0.1  # s
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Work:
    """All that a process needs for any of the runs."""

    source: Source
    structures: Sequence[Atoms]
    folder: str


def perform(
    work: Work, waiting: Sequence[Run], processes: int, stop: Callable[[], bool], advance: Callable[[float], object]
) -> list[Outcome]:
    """Perform runs; those that have ended when stop is true are returned, the others can be resumed.

    Parameters
    ----------
    work
        What the runs have in common.
    waiting
        The runs.
    processes
        Number of processes; 1 for this one.
    stop
        Asked often; no run goes on once it is true.
    advance
        Called with the number of runs, also fractions, done since the last call.

    Returns
    -------
    list of Outcome
        In the order in which they ended.

    Raises
    ------
    AenetError
        What a run raises, or if a process is killed.
    """
    if min(processes, len(waiting)) > 1:
        return _shared(work, waiting, min(processes, len(waiting)), stop, advance)
    ended: list[Outcome] = []
    for run in waiting:
        outcome = None if stop() else one(work, run, stop, advance)
        if outcome is None:
            break
        ended.append(outcome)
    return ended


def one(work: Work, run: Run, stop: Callable[[], bool], advance: Callable[[float], object]) -> Outcome | None:
    """Perform a run in this process; None if it was stopped."""
    share, done = 1.0 / max(run.settings.steps, 1), 0.0

    def step(n: int) -> None:
        nonlocal done
        done += n * share
        advance(n * share)

    atoms = work.structures[run.structure]
    outcome = runs.perform(run, atoms, work.source.new(), work.folder, stop, step)
    if outcome is not None:
        advance(1.0 - done)
    return outcome


def _shared(
    work: Work, waiting: Sequence[Run], processes: int, stop: Callable[[], bool], advance: Callable[[float], object]
) -> list[Outcome]:
    packed = pickle.dumps((work.source.packed(), work.structures, work.folder))
    left = list(waiting)
    ended: list[Outcome] = []
    workers: dict[Connection, subprocess.Popen] = {}
    stopped = False
    try:
        for _ in range(processes):
            connection, process = _start()
            workers[connection] = process
            _send(connection, process, packed, left.pop(0))
        while workers:
            if stop() and not stopped:
                stopped = True
                for process in workers.values():
                    process.terminate()
            for ready in wait(list(workers), POLL):
                assert isinstance(ready, Connection)
                try:
                    message = ready.recv()
                except (EOFError, ConnectionError):
                    process = workers.pop(ready)
                    if not stopped:
                        raise _ended(process) from None
                    process.wait()
                    continue
                if isinstance(message, float):
                    advance(message)
                    continue
                if isinstance(message, AenetError):
                    raise message
                if message is not None:
                    ended.append(message)
                if left and not stopped:
                    _send(ready, workers[ready], None, left.pop(0))
                else:
                    ready.close()
                    workers.pop(ready).wait()
    finally:
        for connection, process in workers.items():
            connection.close()
            process.kill()
            process.wait()
    return ended


def _send(connection: Connection, process: subprocess.Popen, packed: bytes | None, run: Run) -> None:
    """Give a process its work, packed, if it has none, and a run."""
    try:
        if packed is not None:
            connection.send_bytes(packed)
        connection.send(run)
    except ConnectionError:
        raise _ended(process) from None


def _ended(process: subprocess.Popen) -> AenetError:
    """The error that a process ended which should not have."""
    status = process.wait()
    how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    return AenetError(f"a process that simulates {how}; repeat the call to resume")


def _start() -> tuple[Connection, subprocess.Popen]:
    """A process and the connection to it."""
    ours, its = Pipe()
    with its:
        places = os.pathsep.join(path or os.curdir for path in sys.path)
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": places}
        try:
            # In its own session, as a signal from the terminal is meant for this process.
            process = subprocess.Popen(
                [sys.executable, "-m", "aenet_py.survival.worker", str(its.fileno())], env=environment,
                stdin=subprocess.DEVNULL, pass_fds=[its.fileno()], start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise AenetError(f"a process that simulates cannot be started: {error.strerror}") from None
    return ours, process
