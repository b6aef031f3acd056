"""The program that simulates for another process: receives runs, returns outcomes, until its pipe is closed."""

from __future__ import annotations

import pickle
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from aenet_py.errors import AenetError, in_a_line
from aenet_py.runtime.signals import stopping
from aenet_py.survival import processes

REPORT_EVERY = 0.3  # s


def main() -> None:
    with Connection(int(sys.argv[1])) as connection, stopping() as stop:
        try:
            work = _work(connection.recv_bytes())
            while True:
                _do(connection, work, connection.recv(), lambda: stop() is not None)
        except AenetError as error:
            connection.send(AenetError(str(error)))  # of which all subclasses can be pickled
        except (EOFError, ConnectionError):
            return


def _work(packed: bytes) -> processes.Work:
    source, structures, folder = pickle.loads(packed)
    try:
        return processes.Work(pickle.loads(source), structures, folder)
    except Exception as error:  # whatever a foreign calculator raises
        reason = in_a_line(error)
        raise AenetError(f"the calculator cannot be built in another process ({reason}); use n_processes=1") from None


def _do(connection: Connection, work: processes.Work, run: processes.Run, stop: Callable[[], bool]) -> None:
    told, more = time.monotonic(), 0.0

    def advance(amount: float) -> None:
        nonlocal told, more
        more += amount
        if time.monotonic() - told > REPORT_EVERY:
            connection.send(more)
            told, more = time.monotonic(), 0.0

    outcome = processes.one(work, run, stop, advance)
    connection.send(more)
    connection.send(outcome)


if __name__ == "__main__":
    main()
