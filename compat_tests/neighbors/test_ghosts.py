"""Copies of atoms: which atom each is, and forces on copies that return to their atoms, without MPI."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aenet_py.neighbors import ghosts


class Threads:
    """What `ghosts` asks of mpi4py's communicator, for processes that are threads."""

    def __init__(self, rank: int, board: list, barrier: threading.Barrier):
        self.rank, self.size, self.board, self.barrier = rank, len(board), board, barrier

    def Alltoall(self, sent: np.ndarray, received: np.ndarray) -> None:  # noqa: N802 (mpi4py's name)
        self.Alltoallv([sent, np.ones(self.size, dtype=int)], [received, np.ones(self.size, dtype=int)])

    def Alltoallv(self, sent: list, received: list) -> None:  # noqa: N802
        values, counts = sent
        self.board[self.rank] = np.split(values.ravel(), np.cumsum(counts)[:-1])
        self.barrier.wait()
        parts = [row[self.rank] for row in self.board]
        assert [len(part) for part in parts] == list(received[1])
        received[0].reshape(-1)[:] = np.concatenate(parts)
        self.barrier.wait()


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_forces_come_back_to_the_atoms(seed, n):
    """Any atoms in any process, some in none, copies of any others in each: as one sum over all."""
    generator = np.random.default_rng(seed)
    tags = generator.permutation(int(generator.integers(1, 40))) * 3 + 1
    owner = generator.integers(0, n, len(tags)) if n > 1 else np.zeros(len(tags), dtype=int)
    own = [tags[owner == rank] for rank in range(n)]
    others = [tags[owner != rank] for rank in range(n)]
    copies = [generator.permutation(each)[: generator.integers(0, len(each) + 1)] for each in others]
    values = [generator.normal(size=(len(a) + len(b), 3)) for a, b in zip(own, copies, strict=True)]
    expected = {tag: np.zeros(3) for tag in tags.tolist()}
    for rank in range(n):
        for tag, value in zip([*own[rank], *copies[rank]], values[rank], strict=True):
            expected[int(tag)] += value
    board, barrier = [None] * n, threading.Barrier(n, timeout=20)

    def process(rank: int) -> None:
        way = ghosts.route(Threads(rank, board, barrier), own[rank], copies[rank])
        way.add(values[rank], len(own[rank]))

    threads = [threading.Thread(target=process, args=(rank,)) for rank in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for rank in range(n):
        for tag, value in zip(own[rank].tolist(), values[rank], strict=False):
            assert np.abs(value - expected[tag]).max() < 1e-12


@given(st.lists(st.integers(1, 30), unique=True), st.lists(st.integers(1, 30)))
def test_rows(own, copies):
    tags = np.array(own + copies, dtype=np.int64)
    rows, first = ghosts.rows(tags, len(own))
    distinct = list(dict.fromkeys(own + copies))
    assert tags[first].tolist() == distinct
    assert rows.tolist() == [distinct.index(tag) for tag in tags]


def test_an_atom_that_a_process_has_twice():
    with pytest.raises(ValueError, match="twice"):
        ghosts.rows(np.array([1, 2, 1]), 3)
