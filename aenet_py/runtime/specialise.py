"""Kernels whose machine code contains some of their arguments, such as the layers of a network.

They do the same operations in the same order, faster, because loops of known length can be unrolled.  Nobody waits for
the compiler: until the special form is there, the general one works, and short runs never ask for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from aenet_py.runtime.accelerate import Kernel

AFTER = 30.0  # s of work with the general form, after which the special one is compiled, in some 5 s


class Specialised:
    """A kernel with constants.

    Parameters
    ----------
    general
        The kernel.
    constants
        Integers and arrays by the names of its arguments, which must be the same in all calls.

    Attributes
    ----------
    is_special : bool
        Whether the special form is there.
    """

    def __init__(self, general: Kernel, constants: dict[str, Any]):
        self._general, self._special = general, Kernel(general.name, constants, general.single)
        self.is_special, self._spent = self._special.is_kept(), 0.0
        self._compiling: threading.Thread | None = None
        self._lock = threading.Lock()

    def bound(self, **fixed: Any) -> Callable[..., int]:
        """As `Kernel.bound`, of the form that is there at each call."""
        forms: dict[bool, Callable[..., int]] = {}

        def call(**others: Any) -> int:
            is_special = self.is_special
            if is_special not in forms:
                forms[is_special] = (self._special if is_special else self._general).bound(**fixed)
            if is_special:
                return forms[True](**others)
            began = time.perf_counter()
            result = forms[False](**others)
            self._spent += time.perf_counter() - began
            if self._spent > AFTER and self._compiling is None:
                self.compile()
            return result

        return call

    def compile(self) -> threading.Thread:
        """Begin to compile the special form, unless that was done; returns the thread that does it."""
        with self._lock:
            if self._compiling is None:
                self._compiling = threading.Thread(target=self._compile, name="aenet_py compiler")
                self._compiling.start()
            return self._compiling

    def _compile(self) -> None:
        try:
            self._special.ready()
        except Exception:  # the general form does the same
            return
        self.is_special = True
