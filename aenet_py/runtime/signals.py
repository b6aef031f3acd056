"""Ctrl-C and SIGTERM: raise an exception, wait until a block has ended, or only ask for a stop.

Python calls signal handlers in the main thread only; in any other thread these context managers do nothing.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Terminated(BaseException):
    """SIGTERM, raised in the main thread so that everything is cleaned up on the way out."""


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Raise KeyboardInterrupt or Terminated at the first signal and ignore all later ones.

    Launchers send several signals, and a second one would interrupt the cleaning up.
    """
    previous: dict[signal.Signals, Any] = {}

    def stop(number: int, _: object) -> None:
        for each in previous:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    for each in SIGNALS if _in_main_thread() else ():
        if each == signal.SIGTERM or signal.getsignal(each) in (signal.default_int_handler, signal.SIG_DFL):
            previous[each] = signal.signal(each, stop)
    try:
        yield
    finally:
        _restore(previous)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay signals until the end of the block, for work that must be done completely or not at all."""
    # A mask would hold for this thread only, and signals sent to other threads are handled here, too.
    waiting: list[int] = []
    previous: dict[signal.Signals, Any] = {}
    for each in SIGNALS if _in_main_thread() else ():
        previous[each] = signal.signal(each, lambda number, _: waiting.append(number))
    try:
        yield
    finally:
        _restore(previous)
        if waiting:
            signal.raise_signal(waiting[0])


@contextlib.contextmanager
def stopping() -> Iterator[Callable[[], str | None]]:
    """Let the first signal only ask for a stop; yields a function that returns its name, or None."""
    asked: list[str] = []
    previous: dict[signal.Signals, Any] = {}

    def stop(number: int, _: object) -> None:
        asked.append(signal.Signals(number).name)
        _restore(previous)

    for each in SIGNALS if _in_main_thread() else ():
        previous[each] = signal.signal(each, stop)
    try:
        yield lambda: asked[0] if asked else None
    finally:
        _restore(previous)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for each, handler in handlers.items():
        signal.signal(each, handler)
