"""METHOD bfgs of train.x and lbfgs: L-BFGS-B without bounds, one evaluation per epoch (opt_bfgs_weights).

Byrd, Lu, Nocedal and Zhu, SIAM J. Sci. Comput. 16, 1190 (1995); version 3.0, which scipy has in C.  Its arrays are
those of the Fortran code except that indices count from 0; `state_of` and `restored` convert them for
``train.restart``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import _lbfgsb

from aenet_py.errors import InputError
from aenet_py.formats import optimizer_state
from aenet_py.formats.optimizer_state import LbfgsbState

M = 20  # corrections that are kept
FACTR, PGTOL = 0.0, 1.0e-6  # tolerances of the loss and its gradient
LINE_STEPS = 20  # evaluations in a line search, at most
TASKS = {"START": (0, 0), "NEW_X": (1, 0), "FG_START": (3, 301), "FG_LNSRCH": (3, 302), "CONVERGENCE": (4, 0)}
START, NEW, EVALUATE, CONVERGED = 0, 1, 3, 4  # first integer of a task
DAMAGED = "the state of L-BFGS-B is damaged; remove the file to begin with a new one"
STOPPED = "ABNORMAL_TERMINATION_IN_LNSRCH"
_N_ARRAYS = 16  # in isave: sizes of arrays and where each begins
_HEAD, _N_KEPT, _TAIL = 26, 27, 28  # first, number and last of the corrections
_FREE = [37, 38, 39, 40]  # numbers of free and other parameters, and places among them
_PLACES = [*range(3, _N_ARRAYS), _HEAD, _TAIL, 39]  # which count from 0 or 1
_EPSILON = 4  # in dsave


@dataclass(frozen=True)
class Lbfgsb:
    """The arrays of L-BFGS-B, which `step` changes."""

    task: np.ndarray
    line_task: np.ndarray
    work: np.ndarray
    indices: np.ndarray
    logicals: np.ndarray
    integers: np.ndarray
    reals: np.ndarray

    def copy(self) -> Lbfgsb:
        return Lbfgsb(*(array.copy() for array in vars(self).values()))


def start(n: int) -> Lbfgsb:
    """The state before the first evaluation of n weights."""
    return Lbfgsb(
        task=np.zeros(2, np.int32),
        line_task=np.zeros(2, np.int32),
        work=np.zeros(optimizer_state.n_work(M, n)),
        indices=np.zeros(3 * n, np.int32),
        logicals=np.zeros(optimizer_state.N_LOGICALS, np.int32),
        integers=np.zeros(optimizer_state.N_INTEGERS, np.int32),
        reals=np.zeros(optimizer_state.N_REALS),
    )


def step(arrays: Lbfgsb, weights: np.ndarray, loss: float, gradient: np.ndarray) -> tuple[np.ndarray, bool]:
    """The next weights, given loss and gradient at the current ones, and whether the gradient vanishes.

    The first step returns the same weights, as does one after a line search that failed or found no lower loss.
    """
    new = weights.copy()
    if arrays.task[0] not in (START, EVALUATE, NEW):  # the original begins again from here
        arrays.task[:] = TASKS["FG_START"]
        return new, False
    slopes = gradient.copy()
    _advance(arrays, new, loss, slopes)
    converged = bool(arrays.task[0] == CONVERGED)
    if arrays.task[0] == NEW:
        _advance(arrays, new, loss, slopes)
    return new, converged


def _advance(arrays: Lbfgsb, weights: np.ndarray, loss: float, gradient: np.ndarray) -> None:
    n = len(weights)
    bounds, kinds = np.zeros((2, n)), np.zeros(n, np.int32)
    _lbfgsb.setulb(
        M, weights, bounds[0], bounds[1], kinds, np.array(loss), gradient, FACTR, PGTOL, arrays.work, arrays.indices,
        arrays.task, arrays.logicals, arrays.integers, arrays.reals, LINE_STEPS, arrays.line_task,
    )  # fmt: skip


def state_of(arrays: Lbfgsb) -> LbfgsbState:
    """The state as the Fortran code has it."""
    kind, detail = arrays.task.tolist()
    key = (kind, detail if kind == EVALUATE else 0)
    return LbfgsbState(
        m=M,
        n=len(arrays.indices) // 3,
        task={task: name for name, task in TASKS.items()}.get(key, STOPPED),
        line_task="FG" if arrays.line_task[0] == EVALUATE else "START",
        work=arrays.work,
        indices=_counted(arrays.indices, 1),
        logicals=arrays.logicals,
        integers=_moved(arrays.integers, 1),
        reals=np.where(np.arange(len(arrays.reals)) == _EPSILON, np.finfo(float).eps, arrays.reals),
    )


def restored(path: str, state: LbfgsbState) -> Lbfgsb:
    """The arrays of a state; InputError, with the path of its file, if they would make the code leave them."""
    arrays = Lbfgsb(
        task=np.array(TASKS.get(state.task, TASKS["CONVERGENCE"]), np.int32),
        line_task=np.array([EVALUATE if state.line_task == "FG" else START, 0], np.int32),
        work=state.work.copy(),
        indices=_counted(state.indices, -1),
        logicals=state.logicals.copy(),
        integers=_moved(state.integers, -1),
        reals=state.reals.copy(),
    )
    if state.task != "FG_LNSRCH":  # in a line search only, lists of indices have been set
        arrays.indices[: state.n] = 0
        arrays.indices[2 * state.n :] = 0
    if not _is_sound(arrays, state.n):
        raise InputError(path, DAMAGED)
    return arrays


def _is_sound(arrays: Lbfgsb, n: int) -> bool:
    """Whether all places lie in the arrays."""
    fresh = start(n)
    _advance(fresh, np.zeros(n), 0.0, np.zeros(n))
    integers, n_kept = arrays.integers, arrays.integers[_N_KEPT]
    ends = integers[[_HEAD, _TAIL]]
    return bool(
        np.array_equal(integers[:_N_ARRAYS], fresh.integers[:_N_ARRAYS])
        and (n_kept == 0 or (0 < n_kept <= M and ends.min() >= 0 and ends.max() < M))
        and (arrays.task[1] != TASKS["FG_LNSRCH"][1] or (integers[_FREE].min() >= 0 and integers[_FREE].max() <= n))
        and arrays.indices.min() >= -1
        and arrays.indices.max() <= n
    )


def _counted(indices: np.ndarray, by: int) -> np.ndarray:
    """index and indx2, the first and the last third, count from 0 or 1; iwhere holds kinds."""
    result = indices.copy()
    n = len(indices) // 3
    result[:n] += by
    result[2 * n :] += by
    return result


def _moved(integers: np.ndarray, by: int) -> np.ndarray:
    result = integers.copy()
    result[_PLACES] += by
    return result
