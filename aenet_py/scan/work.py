"""The programs that a scan starts, several at a time, and the outcome of each."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aenet_py.errors import AenetError
from aenet_py.runtime import locks
from aenet_py.runtime.output import PendingFile

OUTCOME = "outcome.json"
WAIT = 0.05  # seconds between checks of the programs
FINISHED, STOPPED, FAILED = "finished", "stopped", "failed"


@dataclass(frozen=True)
class ProgramRun:
    """A program and the folder in which it runs.

    Parameters
    ----------
    folder
        Where it runs.
    module, argument
        The command.
    name
        Name of its .out and .err files.
    files
        Initial files of the folder.
    results
        Files that exist if and only if the program has finished.
    """

    folder: str
    module: str
    argument: str
    name: str
    files: Mapping[str, bytes]
    results: tuple[str, ...]

    @property
    def is_done(self) -> bool:
        """Whether the program has finished successfully."""
        return self._has_results and outcome(self.folder).state != FAILED

    @property
    def _has_results(self) -> bool:
        return all(os.path.exists(os.path.join(self.folder, name)) for name in self.results)

    def ended(self, status: int, stopped: bool) -> tuple[str, str | None]:
        """The state of a program that has ended, and why it failed."""
        if status == 0 and self._has_results:
            return FINISHED, None
        if stopped:
            return STOPPED, None
        path = Path(self.folder, f"{self.name}.err")
        lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
        ending = f"killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        return FAILED, lines[-1] if lines and status > 0 else ending


@dataclass(frozen=True)
class ProgramOutcome:
    """Content of outcome.json; state is "" if there is none, seconds None if unknown."""

    state: str = ""
    seconds: float | None = None
    error: str | None = None


def outcome(folder: str) -> ProgramOutcome:
    """The outcome stored in a folder."""
    try:
        with open(os.path.join(folder, OUTCOME), encoding="utf-8") as file:
            return ProgramOutcome(**json.load(file))
    except (FileNotFoundError, ValueError, TypeError):
        return ProgramOutcome()


@contextlib.contextmanager
def locked(folder: str) -> Iterator[int]:
    """Lock a folder, created if necessary, against other scans; the programs must inherit the yielded descriptor."""
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise AenetError(f"{folder}: the folder cannot be created: {error.strerror}") from None
    with contextlib.ExitStack() as stack:
        try:
            lock = stack.enter_context(locks.held(os.path.join(folder, "results.csv"), "scan"))
        except locks.HeldError as error:
            message = f"in use by another scan, or by a run of one{error.holder}; wait until it ends"
            raise AenetError(f"{folder}: {message}") from None
        yield lock


def run_all(
    jobs: Sequence[ProgramRun], at_once: int, lock: int, stop: Callable[[], bool], after: Callable[[ProgramRun], None]
) -> None:
    """Run all programs that have not finished, at_once of them at a time, each on its share of the processors.

    Parameters
    ----------
    jobs
        The programs.
    at_once
        How many run at a time.
    lock
        Descriptor that the programs inherit.
    stop
        Polled; once true, no program is started, and running ones are asked to save their state and end.
    after
        Called when a program has ended.
    """
    shares = _shares(at_once)
    waiting = [job for job in jobs if not job.is_done]
    running: dict[int, tuple[ProgramRun, subprocess.Popen, float]] = {}
    stopped = False
    try:
        while running or (waiting and not stop()):
            for slot in range(at_once):
                if slot not in running and waiting and not stop():
                    running[slot] = _start(waiting[0], shares[slot], lock)
                    waiting.pop(0)
            if stop() and not stopped:
                stopped = True
                for _, process, _ in running.values():
                    process.terminate()
            time.sleep(WAIT)
            for slot, (job, process, began) in list(running.items()):
                if process.poll() is None:
                    continue
                del running[slot]
                _record(job, process.returncode, stopped, time.monotonic() - began)
                after(job)
    finally:
        for _, process, _ in running.values():
            process.kill()
            process.wait()


def _shares(at_once: int) -> list[set[int]]:
    """Processors of each program; empty sets if the system does not support affinity."""
    if not hasattr(os, "sched_getaffinity"):
        return [set()] * at_once
    own = sorted(os.sched_getaffinity(0))
    return [set(own[slot::at_once]) for slot in range(at_once)]


def _start(job: ProgramRun, share: set[int], lock: int) -> tuple[ProgramRun, subprocess.Popen, float]:
    before = outcome(job.folder)
    try:
        os.makedirs(job.folder, exist_ok=True)
        if before.state in (FINISHED, FAILED):  # a trainer would resume from their files
            shutil.rmtree(job.folder)
            os.makedirs(job.folder)
    except OSError as error:
        raise AenetError(f"{job.folder}: cannot be written: {error.strerror}") from None
    for name, content in job.files.items():
        with PendingFile(os.path.join(job.folder, name)) as file:
            file.write(content)
            file.complete(replace=True)
    paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    try:
        with (
            open(os.path.join(job.folder, f"{job.name}.out"), "ab") as out,
            open(os.path.join(job.folder, f"{job.name}.err"), "wb") as err,
        ):
            # In its own session, since a second signal from the terminal would end it without saving.
            process = subprocess.Popen(
                [sys.executable, "-m", job.module, job.argument], cwd=job.folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True, pass_fds=[lock],
            )  # fmt: skip
    except OSError as error:
        raise AenetError(f"{job.folder}: the program cannot be started: {error.strerror}") from None
    if share:
        with contextlib.suppress(OSError):  # it may have ended already
            os.sched_setaffinity(process.pid, share)
    return job, process, time.monotonic()


def _record(job: ProgramRun, status: int, stopped: bool, seconds: float) -> None:
    state, error = job.ended(status, stopped)
    before = outcome(job.folder)
    if before.state == STOPPED:
        seconds += before.seconds or 0.0
    text = json.dumps({"state": state, "seconds": round(seconds, 3), "error": error}, indent=2)
    with PendingFile(os.path.join(job.folder, OUTCOME)) as file:
        file.write(f"{text}\n".encode())
        file.complete(replace=True)
