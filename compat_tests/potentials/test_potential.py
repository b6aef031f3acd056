"""A potential evaluates structures in every form that they are given in."""

from __future__ import annotations

import numpy as np
import pytest

import aenet_py
from aenet_py.descriptors.common import CoincidenceError
from aenet_py.neighbors import verlet
from aenet_py.potentials import potential as potential_module
from aenet_py.potentials.potential import Potential
from aenet_py.structure import as_structure
from compat_tests.cli.cases import FIXTURES
from compat_tests.compare import assert_same_bits
from compat_tests.interfaces import test_ase

CLUSTER = FIXTURES / "cluster-cuau-h2o"
NETWORKS = CLUSTER / "train-forces-adamw" / "expected"
STRUCTURE = CLUSTER / "xsf" / "s001.xsf"


@pytest.fixture(scope="module")
def potential() -> aenet_py.Potential:
    return aenet_py.Potential.load(NETWORKS)


@pytest.mark.parametrize("given", [STRUCTURE, str(STRUCTURE)], ids=["Path", "str"])
def test_a_path_is_its_last_structure(potential, given):
    wanted = potential.energy_forces(aenet_py.read(STRUCTURE, index=0))
    prediction = potential.energy_forces(given)
    assert prediction.energy == wanted.energy
    assert np.array_equal(prediction.forces, wanted.forces)


def test_a_missing_file_is_an_error(potential, tmp_path):
    with pytest.raises(aenet_py.AenetError, match=r"none\.xsf"):
        potential.energy_forces(tmp_path / "none.xsf")


@pytest.mark.parametrize("system", test_ase.SYSTEMS)
@pytest.mark.parametrize("threads", [1, 3])
def test_features_alone_are_those_of_an_evaluation(system, threads, monkeypatch):
    monkeypatch.setattr(potential_module, "PART", 4)
    make, paths = test_ase.SYSTEMS[system]
    structure, loaded = as_structure(make()), Potential.load(paths)
    found = loaded.energy_forces(structure)
    types = loaded.types_of(structure.names())
    assert_same_bits(loaded.features(types, found.environments, threads), found.features, "features")


def test_features_of_coinciding_atoms():
    atoms = test_ase.cluster()
    atoms.positions[3] = atoms.positions[1]
    loaded = Potential.load(test_ase.networks())
    pairs = verlet.environments(verlet.pairs(atoms, loaded.model.r_max, 0.0), atoms)
    with pytest.raises(CoincidenceError):
        loaded.features(loaded.types_of(atoms.get_chemical_symbols()), pairs)
