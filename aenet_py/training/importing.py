"""Importing torch beside other work, as it takes longer than most small trainings do."""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from aenet_py.runtime.signals import uninterrupted

SHORT = 1e-4  # seconds until a thread that imports lets another one continue


@contextlib.contextmanager
def importing(module: str) -> Iterator[None]:
    """Import a module during the block: torch takes a second, in which gradients can be read or computed.

    The block itself must not import anything: if two threads import modules that need each other, Python gives one of
    them an incomplete module.
    """
    usual, thread = sys.getswitchinterval(), ThreadPoolExecutor(1)
    sys.setswitchinterval(SHORT)
    try:
        with uninterrupted():
            imported = thread.submit(_imported, module)
        yield
    finally:
        with uninterrupted():  # an abandoned thread would let signals end in tracebacks
            thread.shutdown()
        sys.setswitchinterval(usual)
    imported.result()


def _imported(module: str) -> None:
    """Import a module while the garbage collector rests: what modules allocate is no garbage."""
    is_enabled = gc.isenabled()
    gc.disable()
    try:
        importlib.import_module(module)
        if gc.get_freeze_count():  # as `common.run` does with the modules of our programs
            gc.freeze()
    finally:
        if is_enabled:
            gc.enable()
