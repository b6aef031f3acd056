"""``train.restart`` of train.x: the state of the optimizer, here that of L-BFGS-B 3.0 (opt_save_state_bfgs).

Six records: the method; m and n; factr and pgtol; the task; the verbosity; bounds and working arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aenet_py.errors import InputError
from aenet_py.formats import records
from aenet_py.formats.records import RecordReader

METHOD_LENGTH, TASK_LENGTH = 50, 60
N_LOGICALS, N_INTEGERS, N_REALS = 4, 44, 29
SILENT = -1  # iprint


@dataclass(frozen=True)
class LbfgsbState:
    """State of L-BFGS-B between two evaluations, in the arrays of its Fortran code, which count from 1.

    Parameters
    ----------
    m, n : int
        Number of corrections and of parameters.
    task, line_task : str
        ``task`` and ``csave``.
    work : array, shape (`n_work`,)
    indices : array of int32, shape (3 n,)
    logicals, integers, reals : arrays, shapes (4,), (44,), (29,)
        ``lsave``, ``isave`` and ``dsave``.
    """

    m: int
    n: int
    task: str
    line_task: str
    work: np.ndarray
    indices: np.ndarray
    logicals: np.ndarray
    integers: np.ndarray
    reals: np.ndarray


def n_work(m: int, n: int) -> int:
    """Size of the array of reals."""
    return (2 * m + 5) * n + 11 * m * m + 8 * m


def method_of(path: str) -> str:
    """The method whose state the file holds."""
    with RecordReader(path) as source:
        return source.text(METHOD_LENGTH, "method")


def read_lbfgsb(path: str) -> LbfgsbState:
    """Read a state of L-BFGS-B; InputError if the file has another form."""
    with RecordReader(path) as source:
        source.text(METHOD_LENGTH, "method")
        m, n = source.integers(2, "numbers of corrections and parameters").tolist()
        if m < 1 or n < 1:
            raise InputError(path, f"found {m} corrections and {n} parameters; expected at least 1 of each")
        source.reals(2, "tolerances")
        task = source.text(TASK_LENGTH, "task")
        source.integer("verbosity")
        data = np.frombuffer(source.record("state", layout(m, n).itemsize), layout(m, n))[0]
        source.finish()
    return LbfgsbState(
        m=m, n=n, task=task, line_task=data["line_task"].decode("latin-1").rstrip(" \0"), work=data["work"],
        indices=data["indices"], logicals=data["logicals"], integers=data["integers"], reals=data["reals"],
    )  # fmt: skip


def to_binary(state: LbfgsbState, factr: float, pgtol: float) -> bytes:
    """The bytes of the file."""
    data = np.zeros((), layout(state.m, state.n))
    data["line_task"] = state.line_task.ljust(TASK_LENGTH).encode("latin-1")
    for name in ("work", "indices", "logicals", "integers", "reals"):
        data[name] = getattr(state, name)
    return b"".join(
        [
            records.text("bfgs", METHOD_LENGTH),
            records.integers([state.m, state.n]),
            records.reals([factr, pgtol]),
            records.text(state.task, TASK_LENGTH),
            records.integers([SILENT]),
            records.record(data.tobytes()),
        ]
    )


def layout(m: int, n: int) -> np.dtype:
    """The last record: lower and upper bounds and their kinds, which are all zero, and the arrays of the state."""
    return np.dtype(
        [
            ("bounds", "<f8", (2 * n,)), ("kinds", "<i4", (n,)), ("work", "<f8", (n_work(m, n),)),
            ("indices", "<i4", (3 * n,)), ("line_task", f"S{TASK_LENGTH}"), ("logicals", "<i4", (N_LOGICALS,)),
            ("integers", "<i4", (N_INTEGERS,)), ("reals", "<f8", (N_REALS,)),
        ]
    )  # fmt: skip
