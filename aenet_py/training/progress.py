"""A line on a terminal with the progress of a training and the time left."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

from aenet_py.training.events import Advance, ignored

DELAY, EVERY = 2.0, 1.0  # seconds until the line is shown, and between two updates without any progress
WIDTH = 80
FORMAT = "{percentage:3.0f}%|{bar}| {desc}, {elapsed}, {remaining} left{postfix}"


@contextlib.contextmanager
def shown(total: float, unit: str, done: float = 0.0) -> Iterator[Advance]:
    """Show how much of `total` units is done and the time left, on standard error if that is a terminal.

    The line appears after two seconds, even if the first unit is not complete by then.
    """
    if not sys.stderr.isatty():
        yield ignored
        return
    import tqdm

    width = min(WIDTH, os.get_terminal_size(sys.stderr.fileno()).columns or WIDTH)
    with tqdm.tqdm(
        total=total, initial=done, file=sys.stderr, delay=DELAY, leave=False, ncols=width, bar_format=FORMAT
    ) as bar:

        def describe() -> None:
            bar.set_description_str(f"{int(bar.n + 1e-6)}/{total:g} {unit}", refresh=False)

        def advance(amount: float, remark: str = "") -> None:
            if remark:
                bar.set_postfix_str(remark, refresh=False)
            bar.update(amount)
            describe()

        def refresh() -> None:
            wait = DELAY
            while not ended.wait(wait):
                bar.refresh()
                wait = EVERY

        describe()
        ended = threading.Event()
        thread = threading.Thread(target=refresh, daemon=True)
        thread.start()
        try:
            yield advance
        finally:
            ended.set()
            thread.join()
