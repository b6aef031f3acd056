"""Picks against brute force."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aenet_py import Potential
from aenet_py.active import picking
from aenet_py.active.picking import Candidates
from aenet_py.structure import as_structure
from compat_tests.active import examples

FOLDER = "fixtures/golden/cluster-cuau-h2o/train-forces-adamw/expected"
seeds = st.integers(0, 10_000)


def by_hand(points: np.ndarray, known: np.ndarray, n: int) -> list[int]:
    """Each time, all distances to all points that count."""
    chosen: list[int] = []
    while len(chosen) < n and len(points):
        others = [*known, *points[chosen]] if len(known) or chosen else [points.mean(axis=0)]
        distances = [min(float(np.sum((point - other) ** 2)) for other in others) for point in points]
        if max(distances, default=0) == 0:
            break
        chosen.append(int(np.argmax(distances)))
    return chosen


@given(seeds, st.integers(0, 12), st.integers(0, 4), st.integers(0, 14))
def test_as_by_hand(seed: int, n_points: int, n_known: int, n: int) -> None:
    generator = np.random.default_rng(seed)
    points, known = (generator.integers(0, 5, (k, 3)).astype(float) for k in (n_points, n_known))
    assert picking.farthest(points, known, n) == by_hand(points, known, n)


@given(seeds)
def test_none_is_as_far_as_the_next_one(seed: int) -> None:
    points = np.random.default_rng(seed).standard_normal((20, 4))
    known, rest = points[:3], points[3:]
    chosen = picking.farthest(rest, known, 6)
    gaps = []
    for k, place in enumerate(chosen):
        others = np.concatenate([known, rest[chosen[:k]]])
        gaps.append(np.sqrt(((others - rest[place]) ** 2).sum(axis=1)).min())
    assert gaps == sorted(gaps, reverse=True)


def test_uncertain_frames_come_first_then_worse_ones() -> None:
    structure = as_structure(examples.cluster())
    spread = np.array([0.05, 0.3, 0.4, 9.0, 5.0, 0.5])
    prints = np.array([[0.0], [1.0], [1.0], [50.0], [60.0], [3.0]])
    candidates = Candidates((structure,) * 6, spread, prints)
    known = np.zeros((1, 1))
    assert picking.choose(candidates, known, 2, 0.2, 3.0) == [5, 1]
    assert picking.choose(candidates, known, 4, 0.2, 3.0) == [5, 1, 4, 3]
    assert picking.choose(candidates, known, 9, 0.2, 10.0) == [4, 3, 5, 1]
    assert picking.choose(candidates, known, 3, 20.0, 30.0) == []


def test_the_scale_of_a_feature_does_not_matter() -> None:
    generator = np.random.default_rng(3)
    prints, known = generator.standard_normal((12, 5)), generator.standard_normal((4, 5))
    structure = as_structure(examples.cluster())
    factors = np.array([1.0, 1e-6, 1e5, 3.0, 1.0])
    one, other = (
        picking.choose(Candidates((structure,) * 12, np.ones(12), prints * f), known * f, 6, 0.5, 2.0)
        for f in (np.ones(5), factors)
    )
    assert one == other


def test_a_fingerprint_is_the_mean_over_each_species() -> None:
    potential = Potential.load(FOLDER)
    atoms = examples.cluster("Cu3Au2O")
    found = potential.energy_forces(as_structure(atoms))
    fingerprint = picking.fingerprint(potential, as_structure(atoms), found.features)
    rows = fingerprint.reshape(len(potential.types), -1)
    for row, symbol in zip(rows, potential.types, strict=True):
        own = [k for k, each in enumerate(atoms.symbols) if each == symbol]
        expected = np.mean([found.features[k] for k in own], axis=0) if own else np.zeros(rows.shape[1])
        assert np.allclose(row, expected, rtol=1e-14, atol=0)
    order = [5, 2, 4, 0, 1, 3]
    turned = picking.candidates([potential] * 2, None, [as_structure(atoms[order])])
    assert np.allclose(turned.fingerprints[0], fingerprint, rtol=1e-10)
    assert turned.spread[0] == 0
