"""When predict.x may sum in another order than the original."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from aenet_py.formats import xsf
from aenet_py.pipelines.rounding import is_certain
from aenet_py.potentials.potential import Potential
from compat_tests.cli.cases import FIXTURES

CLUSTER = FIXTURES / "cluster-cuau-h2o"


@pytest.fixture(scope="module")
def prediction():
    networks = CLUSTER / "train-forces-adamw" / "expected"
    potential = Potential.load({symbol: str(networks / f"{symbol}.pytorch.nn") for symbol in ("Cu", "Au", "O", "H")})
    return potential.energy_forces(xsf.read(str(CLUSTER / "xsf" / "s001.xsf")))


def test_usual_numbers_are_certain(prediction):
    assert is_certain(prediction)


@pytest.mark.parametrize("distance", [0.0, 1e-13, -1e-13])
def test_a_force_between_two_digits_is_not(prediction, distance):
    forces = prediction.forces.copy()
    forces[2, 1] = 0.1234565 + distance
    assert not is_certain(dataclasses.replace(prediction, forces=forces))


def test_two_atoms_with_the_largest_force_are_not(prediction):
    forces = prediction.forces.copy()
    forces[0] = 9.0, 0.25, 0.5
    forces[1] = -forces[0] * (1 + 1e-14)
    assert not is_certain(dataclasses.replace(prediction, forces=forces))


def test_large_forces_have_larger_rounding(prediction):
    forces = prediction.forces.copy()
    forces[2, 1] = 0.1234565 + 1e-9
    assert is_certain(dataclasses.replace(prediction, forces=forces))
    forces[0, 0] = 400.0
    assert not is_certain(dataclasses.replace(prediction, forces=forces))


def test_an_energy_between_two_digits_is_not(prediction):
    energies = prediction.atomic_energies.copy()
    energies[0] += np.floor(prediction.energy) + 0.123456785 - prediction.energy
    assert not is_certain(dataclasses.replace(prediction, atomic_energies=energies))
