"""Which structures are held out: groups stay together, and shares are as close as they can be."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aenet_py.errors import AenetError
from aenet_py.inputs.held_out import HeldOut
from aenet_py.training.data import held_out
from aenet_py.training.data.splits import HELD, TESTED, TRAINED, UNKNOWN
from compat_tests.training.data.test_test_set import DECK


def roles(names: list[str], test: float, held: HeldOut, seed: int = 0) -> np.ndarray | None:
    deck = dataclasses.replace(DECK, test_fraction=test, held_out=held, numpy_seed=seed)
    structures = [SimpleNamespace(path=f"{n}", info={"key": name}) for n, name in enumerate(names)]
    try:
        return held_out.roles(deck, np.full(len(names), UNKNOWN), structures)
    except AenetError:
        return None


@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=60), st.floats(0, 0.6), st.floats(0, 0.3),
    st.integers(0, 99), st.booleans(),
)  # fmt: skip
def test_groups(names, test, validation, seed, grouped):
    held = HeldOut(group="key" if grouped else "", validation=validation)
    found = roles(names, test, held, seed)
    if found is None:
        return
    assert set(found.tolist()) <= {TRAINED, TESTED, HELD}
    if grouped:
        assert all(len(set(found[np.array(names) == name])) == 1 for name in set(names))
    elif validation * len(names) >= 0.5:
        assert abs((found == TESTED).sum() - validation * len(names)) <= 1
        assert abs((found == HELD).sum() - test * len(names)) <= 1
    assert np.array_equal(found, roles(names, test, held, seed))


@given(st.integers(4, 60), st.integers(2, 7), st.floats(0, 0.4))
def test_every(n, every, validation):
    found = roles(["a"] * n, 0.0, HeldOut(every=every, validation=validation))
    if found is None:
        return
    watches = validation * n >= 0.5
    tested = np.zeros(n, dtype=bool)
    tested[every - 1 :: every] = True
    assert np.array_equal(found == (HELD if watches else TESTED), tested)
    assert not watches or abs((found == TESTED).sum() - validation * n) <= 1


@given(st.integers(1, 30), st.integers(1, 9), st.integers(0, 99))
def test_batches_hold_each_structure_once(n, size, seed):
    generator = np.random.default_rng(seed)
    found, with_forces = generator.integers(0, 3, n), generator.random(n) < 0.5
    batches = held_out.batches(found, with_forces, size)
    first, second = ([number for batch in batches for number in batch[part]] for part in (0, 1))
    assert sorted(first + second) == np.flatnonzero(found == HELD).tolist()
    assert with_forces[first].all()
    assert not with_forces[second].any()
    assert all(0 < len(a) + len(b) <= size for a, b in batches)
