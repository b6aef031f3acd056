"""Threads that share work."""

from __future__ import annotations

import threading

import pytest

from aenet_py.runtime import workers


def test_an_error_in_a_thread_is_raised_when_all_have_stopped():
    working, lock, begun = set(), threading.Lock(), threading.Barrier(2, timeout=30)

    def work(number: int) -> int:
        with lock:
            working.add(number)
        try:
            if number < 2:
                begun.wait()
                raise KeyboardInterrupt
        finally:
            with lock:
                working.remove(number)
        return 0

    with pytest.raises(KeyboardInterrupt):
        workers.shared(work, [(number,) for number in range(50)], 2)
    assert not working


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_all_pieces_are_done_once(threads):
    done = []
    assert workers.shared(lambda n: (done.append(n), n)[1], [(n,) for n in range(40)], threads) == 39
    assert sorted(done) == list(range(40))
