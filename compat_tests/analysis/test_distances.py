"""Radial distribution functions against ASE's, ideal gases and counts."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.geometry.rdf import get_rdf

from aenet_py.analysis.distances import distribution, first_peak, joined, overlap
from aenet_py.errors import AenetError


def salt(n: int = 3) -> Atoms:
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat(n)
    atoms.rattle(0.08, seed=3)
    return atoms


def test_crystals_agree_with_ase():
    frames = [salt(), salt()]
    frames[1].rattle(0.1, seed=4)
    found = distribution(frames, 8.0, 0.1)
    assert found.pairs == (("Na", "Na"), ("Na", "Cl"), ("Cl", "Cl"))
    assert (found.normalised, found.n_frames) == (True, 2)
    for pair, values in zip(found.pairs, found.values, strict=True):
        numbers = [Atoms(symbol).numbers[0] for symbol in pair]
        expected, r = get_rdf(frames, 8.0, 80, elements=numbers)
        assert np.allclose(found.r, r)
        assert np.allclose(values, expected, rtol=1e-9, atol=1e-9)
    single = bulk("Cu", cubic=True).repeat(4)
    single.rattle(0.1, seed=1)
    expected, _ = get_rdf(single, 7.0, 70)
    assert np.allclose(distribution([single], 7.0, 0.1).values[0], expected, rtol=1e-9, atol=1e-9)


def test_all_images_count_in_small_cells():
    small = bulk("Cu", cubic=True)
    small.rattle(0.1, seed=2)
    found, repeated = distribution([small], 9.0, 0.1), distribution([small.repeat(3)], 9.0, 0.1)
    assert np.allclose(found.values, repeated.values)
    assert distribution([bulk("Cu")], 5.0, 0.1).values.max() > 1.0  # one atom, its images alone


def test_first_peaks_of_a_crystal():
    frames = [salt() for _ in range(10)]
    for seed, atoms in enumerate(frames):
        atoms.rattle(0.05, seed=seed)
    found = distribution(frames, 8.0, 0.05)
    assert np.allclose(found.peaks[:, 0], [5.64 / 2**0.5, 5.64 / 2, 5.64 / 2**0.5], atol=0.03)
    assert np.all(found.peaks[:, 1] >= [values[found.r < 4.5].max() for values in found.values])


def test_an_ideal_gas_is_one_everywhere():
    generator = np.random.default_rng(0)
    frames = [
        Atoms("Ar100Ne50", 20 * generator.random((150, 3)), cell=[20, 20, 20], pbc=True) for _ in range(30)
    ]  # fmt: skip
    found = distribution(frames, 9.0, 0.5)
    expected = np.array([99 / 100, 1.0, 49 / 50])[:, None]
    relative = (found.values / expected)[:, 6:]
    assert np.allclose(relative, 1.0, atol=0.15)
    assert np.allclose(relative.mean(axis=1), 1.0, atol=0.015)


def test_clusters_count_neighbours_per_angstrom():
    generator = np.random.default_rng(1)
    atoms = Atoms("Cu3Au4O1", 4 * generator.random((8, 3)))
    found = distribution([atoms], 8.0, 0.02)
    assert not found.normalised
    expected = {("Cu", "Cu"): 2, ("Cu", "Au"): 4, ("Cu", "O"): 1, ("Au", "Au"): 3, ("Au", "O"): 1}
    assert {
        pair: round(values.sum() * 0.02, 9) for pair, values in zip(found.pairs, found.values, strict=True)
    } == expected
    distances = [atoms.get_distance(i, j) for i, j in itertools.product(range(3), range(3, 7))]
    counts, _ = np.histogram(distances, bins=0.02 * np.arange(401))
    assert np.allclose(found.values[1], counts / 3 / 0.02)


@pytest.mark.parametrize("normalised", [False, True])
def test_a_parabola_through_the_highest_bins(normalised):
    r = 0.05 * np.arange(160) + 0.025
    values = np.exp(-0.5 * ((r - 2.613) / 0.12) ** 2) + 2 * np.exp(-0.5 * ((r - 4.2) / 0.2) ** 2)
    n_pairs = 1000 * values
    place, height = first_peak(r, values, n_pairs, normalised)
    assert abs(place - 2.613) < 0.002
    assert abs(height - 1.0) < 0.002
    rng = np.random.default_rng(0)
    assert abs(first_peak(r, values + 0.05 * rng.random(160), n_pairs, normalised)[0] - 2.613) < 0.06
    assert np.isnan(first_peak(r, values, values, normalised)).all()  # one pair per bin
    assert np.isnan(first_peak(r, 0 * r, 0 * r, normalised)).all()
    assert np.isnan(first_peak(r, r**2, 1000 * r**2, True)).all()


@pytest.mark.parametrize("width", [0.05, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_an_ideal_gas_has_no_peaks(width, seed):
    generator = np.random.default_rng(seed)
    frames = [Atoms("Ar50Ne20", 15 * generator.random((70, 3)), cell=[15, 15, 15], pbc=True) for _ in range(20)]
    assert np.isnan(distribution(frames, 9.0, width).peaks).all()


def test_images_of_an_atom_itself_are_no_peaks():
    generator = np.random.default_rng(0)
    frames = [Atoms("ArNe9", 6 * generator.random((10, 3)), cell=[6, 6, 6], pbc=True) for _ in range(200)]
    found = distribution(frames, 9.0, 0.1)
    assert found.values[0, 60] > 10  # Ar at the length of the cell
    assert np.isnan(found.peaks).all()


def test_other_atoms_and_bins():
    with pytest.raises(AenetError, match="frame 2 has other atoms than the first frame"):
        distribution([salt(1), bulk("Cu")])
    with pytest.raises(AenetError, match="there are no structures"):
        distribution([])
    for r_max, width in ((1.0, 2.0), (5.0, 0.0), (5.0, -1.0), (np.inf, 0.1), (np.nan, 0.1)):
        with pytest.raises(AenetError, match="bins must have a width"):
            distribution([salt(1)], r_max, width)


def test_parts_are_joined_to_the_whole():
    frames = [salt() for _ in range(5)]
    for seed, atoms in enumerate(frames):
        atoms.rattle(0.05 * seed, seed=seed)
    whole, parts = distribution(frames), [distribution(frames[:2]), distribution(frames[2:])]
    found = joined(parts)
    assert np.allclose(found.values, whole.values)
    assert np.array_equal(found.shortest, whole.shortest)
    assert (found.n_frames, found.pairs) == (5, whole.pairs)
    distances = [atoms.get_all_distances(mic=True) + 99 * np.eye(len(atoms)) for atoms in frames]
    sodium = frames[0].symbols == "Na"
    expected = min(each[sodium][:, ~sodium].min() for each in distances)
    assert np.isclose(whole.shortest[whole.pairs.index(("Na", "Cl"))], expected)


def test_overlaps():
    """Of three atoms on a line; the second structure shares half of the distances of the first."""
    a, b, c = (
        distribution([Atoms("O3", [[0, 0, 0], [x, 0, 0], [x + y, 0, 0]])]) for x, y in ((1, 3), (1, 6.2), (2, 5))
    )
    assert np.isclose(overlap(a, a)[0], 1)
    assert np.isclose(overlap(a, c)[0], 0)
    assert np.isclose(overlap(a, b)[0], 1 / 3)  # b has distances of 1, 6.2 and 7.2, a of 1, 3 and 4
    assert np.isnan(overlap(a, distribution([Atoms("O3", [[0, 0, 0], [20, 0, 0], [40, 0, 0]])]))[0])
    whole = distribution([salt(2)], 2.0, 1.0)
    one, other = (replace(whole, r=np.array([1.0, 2.0]), values=np.array([g])) for g in ([1.0, 1.0], [1.0, 0.0]))
    assert np.isclose(overlap(one, other)[0], 1 / 5)  # shells grow with the square of the distance
    crystal = distribution([salt()])
    rattled = salt()
    rattled.rattle(0.3, seed=1)
    assert np.allclose(overlap(crystal, crystal), 1)
    assert np.all(overlap(crystal, distribution([rattled])) < 0.9)
