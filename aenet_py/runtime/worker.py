"""The program that works for another process: receives tasks, returns results, until its pipe is closed."""

from __future__ import annotations

import pickle
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

from aenet_py.errors import AenetError
from aenet_py.runtime.processes import Job, Stop
from aenet_py.runtime.signals import stopping

REPORT_EVERY = 0.3  # s


def main() -> None:
    with Connection(int(sys.argv[1])) as connection, stopping() as stop:
        try:
            job = pickle.loads(connection.recv_bytes())
            loaded = job.load(job.packed)
            while True:
                _do(connection, job, loaded, connection.recv(), lambda: stop() is not None)
        except AenetError as error:
            connection.send(("error", AenetError(str(error))))  # of which all subclasses can be pickled
        except (EOFError, ConnectionError):
            return


def _do(connection: Connection, job: Job, loaded: Any, task: Any, stop: Stop) -> None:
    told, more = time.monotonic(), 0.0

    def advance(amount: float) -> None:
        nonlocal told, more
        more += amount
        if time.monotonic() - told > REPORT_EVERY:
            connection.send(("advance", more))
            told, more = time.monotonic(), 0.0

    connection.send(("begun", None))
    result = job.one(loaded, task, stop, advance)
    connection.send(("advance", more))
    connection.send(("ended", result))


if __name__ == "__main__":
    main()
