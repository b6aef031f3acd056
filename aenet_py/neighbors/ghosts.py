"""Copies of atoms in parallel simulations: which atom each one is, and how the forces on copies get back to it.

A process has its own atoms and, around them, copies (ghosts) of atoms: periodic images and atoms of other processes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


def rows(tags: np.ndarray, n_local: int) -> tuple[np.ndarray, np.ndarray]:
    """Which distinct atom each atom or copy is, (n,), and where each distinct atom is first, (n_distinct,).

    tags (n,) : numbers of the process's own n_local atoms, which stay first and in order, and of copies.
    """
    _, first, which = np.unique(tags, return_index=True, return_inverse=True)
    order = np.argsort(first)
    if not np.array_equal(first[order[:n_local]], np.arange(n_local)):
        raise ValueError("an atom appears twice among those of a process")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place[which], first[order]


@dataclass(frozen=True)
class Route:
    """The way of values on copies of other processes' atoms to these processes.

    comm : mpi4py's; order (n_copies,) : the copies, grouped by the process that has the atom; sent, received
    (n_processes,) : how many go to and come from each; targets (n_received,) : the own atoms they belong to.
    """

    comm: Any
    order: np.ndarray
    sent: np.ndarray
    received: np.ndarray
    targets: np.ndarray

    def add(self, values: np.ndarray, n_local: int) -> None:
        """Add what all processes have for copies of the own atoms, in values (n_local + n_copies, 3), to these.

        All processes call this together.
        """
        arrived = _exchange(self.comm, values[n_local + self.order], self.sent, self.received)
        np.add.at(values, self.targets, arrived)


def route(comm: Any, own: np.ndarray, copies: np.ndarray) -> Route:
    """The way from copies of other processes' atoms, by their tags, to the processes whose own tags they are.

    Process tag mod n_processes keeps who has the atom, so that nobody needs to know all.  All processes call this
    together.
    """
    n = comm.size
    keepers, askers = np.argsort(own % n, kind="stable"), np.argsort(copies % n, kind="stable")
    sent = np.bincount(own % n, minlength=n)
    received = _counts(comm, sent)
    kept, owners = _exchange(comm, own[keepers], sent, received), np.repeat(np.arange(n), received)
    sent = np.bincount(copies % n, minlength=n)
    received = _counts(comm, sent)
    asked = _exchange(comm, copies[askers], sent, received)
    by_tag = np.argsort(kept)
    answers = owners[by_tag[np.searchsorted(kept, asked, sorter=by_tag)]]
    owner = np.empty(len(copies), dtype=np.int64)
    owner[askers] = _exchange(comm, answers, received, sent)

    order = np.argsort(owner, kind="stable")
    sent = np.bincount(owner, minlength=n)
    received = _counts(comm, sent)
    wanted = _exchange(comm, copies[order], sent, received)
    by_tag = np.argsort(own)
    return Route(comm, order, sent, received, by_tag[np.searchsorted(own, wanted, sorter=by_tag)])


def _counts(comm: Any, sent: np.ndarray) -> np.ndarray:
    received = np.empty_like(sent)
    comm.Alltoall(sent, received)
    return received


def _exchange(comm: Any, values: np.ndarray, sent: np.ndarray, received: np.ndarray) -> np.ndarray:
    """Rows of values, of which each process gets so many in turn; what arrives is in the processes' order."""
    width = int(np.prod(values.shape[1:]))
    arrived = np.empty((int(received.sum()), *values.shape[1:]), dtype=values.dtype)
    comm.Alltoallv([np.ascontiguousarray(values), width * sent], [arrived, width * received])
    return arrived
