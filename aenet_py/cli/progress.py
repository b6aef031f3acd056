"""The progress line of commands: how much is done, and the time left."""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator

DELAY, INTERVAL = 1.0, 0.5  # seconds before the line appears, and between two updates of it
ERASE = "\r\x1b[K"  # the line of a terminal that the cursor is in
OF_TOTAL = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{unit} [{elapsed}, {remaining} left]"
OF_UNKNOWN = "{n_fmt}{unit} [{elapsed}]"


@contextlib.contextmanager
def progress(total: int, unit: str, wanted: bool = True) -> Iterator[Callable[[int], object]]:
    """A line on standard error, if that is a terminal, for work that takes longer than a second.

    Its own thread draws it, so that it appears during a long first step, too.  What is yielded takes what was done.

    total : how much there is to do, or 0 if that is unknown; unit : of it, "B" for bytes.
    """
    if not wanted or not sys.stderr.isatty():
        yield lambda n: None  # noqa: ARG005
        return
    finished = threading.Event()
    begin, n_done = time.monotonic(), 0

    def advance(n: int) -> None:
        nonlocal n_done
        n_done += n

    def line() -> str:
        import tqdm  # short runs do not need it

        return tqdm.tqdm.format_meter(
            n_done, total, time.monotonic() - begin, unit=unit, unit_scale=unit == "B",
            ncols=shutil.get_terminal_size().columns - 1, ascii=sys.stderr.encoding.lower() != "utf-8",
            bar_format=OF_TOTAL if total and n_done <= total else OF_UNKNOWN,
        )  # fmt: skip

    def draw() -> None:
        if finished.wait(DELAY):
            return
        with contextlib.suppress(OSError, ValueError):  # the terminal was closed
            while True:
                print(end=f"{ERASE}{line()}", file=sys.stderr, flush=True)
                if finished.wait(INTERVAL):
                    break
            print(end=ERASE, file=sys.stderr, flush=True)

    thread = threading.Thread(target=draw, daemon=True)
    thread.start()
    try:
        yield advance
    finally:
        finished.set()
        thread.join()
