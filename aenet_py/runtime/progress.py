"""The progress line on a terminal: how much is done, and the time left."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

DELAY, INTERVAL = 1.0, 0.5  # seconds before the line appears, and between two updates of it
COLUMNS = 80
ERASE = "\r\x1b[K"  # clears the current line of a terminal
_VISIBLE: list[Callable[[], None]] = []  # draw the line that is on the terminal now


class Advance(Protocol):
    """Tells a progress line how much more was done, in its unit, and what to show behind the time left."""

    def __call__(self, amount: float, remark: str = "", /) -> None: ...


@contextlib.contextmanager
def progress(total: float, unit: str, wanted: bool = True, done: float = 0.0) -> Iterator[Advance]:
    """Show a progress line on standard error, if that is a terminal, for work that takes longer than a second.

    A thread of its own draws it, so that it also appears during a long first step.

    Parameters
    ----------
    total : float
        Amount of work, or 0 if it is unknown.
    unit : str
        Unit of the amount, in the plural; "B" for bytes.
    wanted : bool, default True
        Show nothing if False.
    done : float, default 0
        Amount that is done already.

    Yields
    ------
    callable
        Call it with the amount done since the last call and, optionally, a remark to show.
    """
    if not wanted or not sys.stderr.isatty():
        yield lambda *_: None
        return
    finished = threading.Event()
    begin, amount, shown_remark = time.monotonic(), done, ""

    def advance(more: float, remark: str = "", /) -> None:
        nonlocal amount, shown_remark
        amount += more
        shown_remark = remark or shown_remark

    def draw() -> None:
        _print(_line(amount, total, unit, time.monotonic() - begin, done, shown_remark))

    def keep_drawn() -> None:
        if finished.wait(DELAY):
            return
        _VISIBLE.append(draw)
        while True:
            draw()
            if finished.wait(INTERVAL):
                break
        _VISIBLE.remove(draw)
        _print("")

    thread = threading.Thread(target=keep_drawn, daemon=True)
    thread.start()
    try:
        yield advance
    finally:
        finished.set()
        thread.join()


@contextlib.contextmanager
def beside_progress() -> Iterator[None]:
    """Print something else on the terminal: clear the progress line, if there is one, and draw it again afterwards."""
    if _VISIBLE:
        _print("")
    yield
    for draw in _VISIBLE:
        draw()


def _print(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # the terminal was closed
        print(end=f"{ERASE}{line}", file=sys.stderr, flush=True)


def _line(amount: float, total: float, unit: str, seconds: float, done: float, remark: str) -> str:
    import tqdm  # short runs do not need it

    is_known = total > 0 and amount <= total
    if unit == "B":
        shown = [f"{tqdm.tqdm.format_sizeof(n)}B" for n in (amount, total)]
    else:
        shown = [f"{int(n + 1e-6):,}" for n in (amount, total)]
        unit = f" {unit}"
    numbers = ("/".join(shown) if is_known else shown[0]) + unit.removeprefix("B")
    bar = "{percentage:3.0f}%|{bar}| " if is_known else ""
    left = ", {remaining} left" if is_known else ""
    return tqdm.tqdm.format_meter(
        amount, total, seconds, initial=done, ncols=min(COLUMNS, _columns()) - 1,
        ascii=sys.stderr.encoding.lower() != "utf-8",
        bar_format=f"{bar}{numbers} [{{elapsed}}{left}]{remark and f' {remark}'}",
    )  # fmt: skip


def _columns() -> int:
    """Width of the terminal; some do not know it or report 0."""
    with contextlib.suppress(OSError):
        return os.get_terminal_size(sys.stderr.fileno()).columns or COLUMNS
    return COLUMNS
