"""A potential evaluates structures in every form that they are given in."""

from __future__ import annotations

import numpy as np
import pytest

import aenet_py
from compat_tests.cli.cases import FIXTURES

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
