"""Dimers of known potentials."""

from __future__ import annotations

import numpy as np
from ase.calculators.calculator import CalculationFailed, Calculator, all_changes
from ase.calculators.lj import LennardJones
from ase.data import covalent_radii

from aenet_py.survival.dimers import CORE, dimer, dimers


class Curve(Calculator):
    """Energy as a function of the distance of two atoms, Å."""

    implemented_properties = ["energy"]  # noqa: RUF012 (as ASE has it)

    def __init__(self, function):
        super().__init__()
        self.function = function

    def calculate(self, atoms=None, properties=("energy",), system_changes=tuple(all_changes)):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": self.function(self.atoms.get_distance(0, 1))}


def test_a_repulsive_core():
    found = dimer(("Cu", "Au"), LennardJones(sigma=2.4, epsilon=0.5, rc=20))
    assert found.contact == covalent_radii[29] + covalent_radii[79]
    assert found.attractive is None
    assert found.barrier is None
    assert not found.is_attractive.any()
    at, energy = found.minimum
    assert abs(at - 2.4 * 2 ** (1 / 6)) < 0.03
    assert np.isclose(energy, -0.5, atol=0.03)  # relative to 2.5 contacts


def test_an_attractive_core():
    """A barrier at 1.2 Å, in the core of copper, which ends at 1.85 Å."""
    found = dimer(("Cu", "Cu"), Curve(lambda r: -abs(r - 1.2)))
    assert np.isclose(found.attractive[0], found.distances[1])
    assert abs(found.attractive[1] - 1.2) < 0.02 * found.contact  # one step
    assert np.array_equal(found.is_attractive[1:], found.distances[1:] <= found.attractive[1])
    assert np.isclose(found.barrier, found.distances[-1] - 1.2, atol=0.06)
    flat = dimer(("Cu", "Cu"), Curve(lambda r: 0.0))  # noqa: ARG005
    assert np.isclose(flat.attractive[1], CORE * flat.contact)
    assert flat.barrier == 0


def test_beyond_the_core_it_may_attract():
    found = dimer(("O", "H"), Curve(lambda r: np.cos(np.pi * (r - 0.69) / 0.6) if r > 0.69 else 1.69 - r))
    assert found.attractive is None


def test_failures_are_not_repulsive():
    def function(r):
        if r < 1.0:
            raise CalculationFailed("no convergence")
        return 1 / r if r > 1.2 else np.inf

    found = dimer(("Cu", "Cu"), Curve(function))
    assert np.isnan(found.energies[found.distances < 1.2]).all()
    assert found.attractive[1] > 1.15


def test_all_pairs():
    made = []

    def calculator():
        made.append(LennardJones())
        return made[-1]

    assert [each.pair for each in dimers(["O", "H", "Cu"], calculator)] == [
        ("O", "O"), ("O", "H"), ("O", "Cu"), ("H", "H"), ("H", "Cu"), ("Cu", "Cu"),
    ]  # fmt: skip
    assert len(made) == 6
