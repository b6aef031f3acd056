"""Contacts and features outside the training range, against a slow implementation."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.data import covalent_radii

from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.potentials.potential import excess
from aenet_py.simulation import stability
from compat_tests.interfaces.test_ase import CLUSTER, as_atoms, cluster, crystal, networks

pytestmark = pytest.mark.filterwarnings("ignore:.*outside the range of the training set")


@pytest.mark.parametrize("make", [cluster, crystal])
def test_contacts(make):
    atoms = make()
    atoms.calc = ANNCalculator(networks())
    atoms.get_forces()
    cutoff, found = stability.neighbors(atoms)
    near = stability.contacts(atoms, found)
    distances = atoms.get_all_distances(mic=True) + 99 * np.eye(len(atoms))
    radii = covalent_radii[atoms.numbers]
    relative = distances / (radii[:, None] + radii)
    assert cutoff == 8.0
    assert np.isclose(near.shortest, distances.min())
    tightest = near.tightest
    assert np.isclose(tightest.distance / tightest.radii, relative.min())
    assert np.isclose(relative[tightest.i, tightest.j], relative.min())
    assert np.isclose(distances[near.nearest.i, near.nearest.j], distances.min())
    assert near.n_fragments == 1


def test_fragments_are_groups_without_neighbours_in_common():
    atoms = Atoms("Cu5", [[x, 0, 0] for x in (0, 5, 10, 17, 22)])
    near = stability.contacts(atoms, stability.neighbors(atoms)[1])
    assert near.fragments.tolist() == [0, 0, 0, 1, 1]
    alone = Atoms("Cu2", [[0, 0, 0], [0, 0, 50]])
    near = stability.contacts(alone, stability.neighbors(alone)[1])
    assert (near.shortest, near.n_fragments) == (np.inf, 2)


def test_excess_is_the_distance_from_the_range():
    atoms = cluster()
    atoms.positions *= 0.8
    atoms.calc = ANNCalculator([networks(), networks()])
    atoms.get_forces()
    found = stability.farthest(atoms)
    member, prediction = atoms.calc.members[0], atoms.calc.predictions[0]
    for atom, symbol in enumerate(atoms.get_chemical_symbols()):
        statistics = member.files[member.types.index(symbol)].statistics
        expected = 0.0
        for value, low, high in zip(prediction.features[atom], statistics.low, statistics.high, strict=False):
            expected = max(expected, (low - value) / (high - low), (value - high) / (high - low))
        assert np.isclose(found[atom], expected, rtol=1e-5, atol=1e-6)
    assert np.array_equal(found > 0, atoms.calc.results["outside"] > 0)
    assert found.max() > 0.5


def test_training_structures_are_within_the_range():
    for path in sorted((CLUSTER / "xsf").glob("*.xsf"))[:4]:
        atoms = as_atoms(path)
        atoms.calc = ANNCalculator(networks())
        atoms.get_forces()
        assert stability.farthest(atoms).max() == 0.0


def test_features_that_do_not_vary_do_not_count():
    networks_of = ANNCalculator(networks()).members[0].networks
    types = np.zeros(1, dtype=np.int64)
    features = (0.5 * (networks_of.low + networks_of.high))[:1].copy()
    assert excess(networks_of, types, features)[0] == 0.0
    features[0, 3] += 2.0 * (networks_of.high - networks_of.low)[0, 3]
    assert np.isclose(excess(networks_of, types, features)[0], 1.5)
    factors = networks_of.factors.copy()
    factors[0, 3] = 0.0
    constant = type(networks_of)(**{**vars(networks_of), "factors": factors})
    assert excess(constant, types, features)[0] == 0.0


def test_few_atoms_may_be_hotter():
    assert stability.hottest(300.0, 100) == 1500.0
    assert stability.hottest(1000.0, 100) == 5000.0
    assert stability.hottest(10.0, 100) == 1500.0
    assert stability.hottest(300.0, 1) == 300.0 * 41
