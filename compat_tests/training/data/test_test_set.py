"""Whatever changes between two runs, no structure that was trained on is tested."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aenet_py.inputs import train as inputs
from aenet_py.training.data import test_set
from compat_tests.cli.test_train import CLUSTER

DECK = inputs.read(str(CLUSTER / "train-forces-adamw/train.in"))


@st.composite
def runs(draw: st.DrawFn) -> list[tuple[list[str], np.ndarray, inputs.TrainInput]]:
    """Some runs, each with structures in an order of its own, some of which have forces, and a deck."""
    found = []
    for _ in range(draw(st.integers(2, 4))):
        paths = [f"{number}.xsf" for number in draw(st.lists(st.integers(0, 20), min_size=1, max_size=30))]
        with_forces = draw(st.lists(st.booleans(), min_size=len(paths), max_size=len(paths)))
        deck = dataclasses.replace(
            DECK, numpy_seed=draw(st.integers(0, 99)), batch_size=draw(st.integers(1, 9)),
            test_fraction=draw(st.sampled_from([0.0, 0.1, 0.5, 0.9])),
        )  # fmt: skip
        found.append((paths, np.array(with_forces), deck))
    return found


@settings(max_examples=200)
@given(runs())
def test_what_was_trained_on_is_never_tested(runs):
    before, trained = None, set()
    for paths, with_forces, deck in runs:
        try:
            drawn = test_set.draw(deck, with_forces, paths, before)
        except test_set.AenetError:
            continue  # all that is left belongs to the test set
        numbers = [[n for batch in part for some in batch for n in some] for part in (drawn.train, drawn.test)]
        assert sorted(numbers[0] + numbers[1]) == list(range(len(paths)))
        for batch in (*drawn.train, *drawn.test):
            assert with_forces[batch[0]].all()
            assert not with_forces[batch[1]].any()
        names = [(path, paths[:number].count(path)) for number, path in enumerate(paths)]
        trained |= {names[n] for n in numbers[0]}
        assert not trained & {names[n] for n in numbers[1]}
        data = SimpleNamespace(structures=SimpleNamespace(paths=paths, energies=np.arange(float(len(paths)))))
        before = test_set.remembered(deck, data, drawn, before)
        assert test_set.draw(deck, with_forces, paths, before) == drawn


def test_without_a_state_the_draw_is_that_of_the_original():
    """Another way to the same numbers: the split is a slice of a shuffled list."""
    with_forces = np.arange(20) % 3 == 0
    drawn = test_set.draw(DECK, with_forces, [str(n) for n in range(20)], None)
    np.random.seed(DECK.numpy_seed)  # noqa: NPY002 - the original's generator
    for n in (13, 7):  # the first draws only count
        np.random.shuffle(list(range(n)))  # noqa: NPY002
    indices = list(range(13))
    np.random.shuffle(indices)  # noqa: NPY002
    tested = [n for batch in drawn.test for n in batch[1]]
    assert tested == np.flatnonzero(~with_forces)[indices[:2]].tolist()
