"""What aenet-py init chooses, from figures alone, and these figures."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from aenet_py import check
from aenet_py.inputs.generate import FIT, ISOLATED
from aenet_py.structure import Structure
from aenet_py.tools.init import choose
from aenet_py.tools.init.choose import Choices
from aenet_py.tools.init.choose import choose as chosen
from aenet_py.tools.init.figures import RADII, Figures, figures

USUAL = Figures(
    atoms={"O": 14_000, "Ti": 7_000}, n_structures=1000, has_forces=True, cohesive=False, free=frozenset(),
    shortest=1.7, extent=math.inf, spread=0.3, neighbors=dict.fromkeys(RADII, 150.0), groups={},
)  # fmt: skip


def of(**changes: object) -> Choices:
    return chosen(replace(USUAL, **changes))


def structure(positions: list, symbols: str = "Cu", **more) -> Structure:
    n = len(positions)
    given = {"energy": -3.0 * n, "forces": np.zeros((n, 3)), "path": "a.xyz#0", **more}
    return Structure(symbols=(symbols,), species=np.zeros(n, int), positions=np.array(positions, float), **given)


def test_usual_data():
    found = of()
    assert (found.radial, found.angular) == ((6.0, 20), (4.0, 6))
    assert (found.test, found.validation, found.group) == (10, 10, "")
    assert found.patience < found.epochs
    assert found.atomic_energies == (FIT, FIT)
    assert found.alpha == 0.3


def test_sparse_data_have_long_cutoffs():
    found = of(neighbors=dict.fromkeys(RADII, 20.0))
    assert (found.radial, found.angular) == ((8.0, 20), (5.0, 6))


def test_one_structure_is_only_trained_on():
    found = of(atoms={"O": 3}, n_structures=1)
    assert (found.test, found.validation, found.patience) == (0, 0, None)
    assert found.epochs == choose.MOST
    assert found.batch == choose.LEAST_BATCH


def test_little_data_have_fewer_features_and_weights():
    for few in (of(n_structures=40), of(groups={"run_id": (20, 50)})):
        assert (few.radial, few.angular, few.nodes) == ((6.0, 10), (4.0, 4), (15, 15))
        sparse = chosen(replace(USUAL, n_structures=40, neighbors=dict.fromkeys(RADII, 20.0)))
        assert (sparse.radial, sparse.angular) == (few.radial, few.angular)
    kinds = of(groups={"config_type": (20, 50)})
    assert (kinds.radial, kinds.nodes) == (of().radial, of().nodes)


def test_few_structures_are_not_validated():
    found = of(n_structures=choose.LEAST_VALIDATED - 1)
    assert (found.test, found.validation, found.patience) == (10, 0, None)


def test_without_forces():
    found = of(has_forces=False)
    assert found.alpha is None
    assert ("forces", "none", "the structures have none") in found.reasons


def test_a_huge_set_ends_in_reasonable_time_and_memory():
    found = of(atoms={"O": 20_000_000, "Ti": 10_000_000}, n_structures=1_000_000)
    assert found.epochs == choose.FEWEST
    assert found.batch == choose.MOST_BATCH
    n_features = 2 * (found.radial[1] + found.angular[1] + 2)
    assert 1 <= found.forces_percent < 100
    assert found.forces_percent / 100 * 30e6 * 150 * n_features * choose.PACKED <= 8e9 or found.forces_percent == 1


@pytest.mark.parametrize("extent", [0.0, 1.5, 4.2, 6.9])
def test_cutoffs_of_molecules_reach_all_their_atoms(extent):
    found = of(extent=extent)
    assert min(extent + choose.SPACE, 6.0) <= found.radial[0] <= 6.0
    assert found.angular[0] <= found.radial[0]  # otherwise features depend on the order of neighbours
    assert found.radial[1] / found.radial[0] >= 20 / 6.0


@pytest.mark.parametrize(
    ("groups", "key"),
    [
        ({"run_id": (25, 60)}, "run_id"),
        ({"config_type": (25, 60), "trajectory": (30, 40)}, "trajectory"),
        ({"Config_Type": (25, 60)}, "Config_Type"),
        ({"config_type": (3, 400)}, ""),
        ({"config_type": (25, 600)}, ""),
        ({"name": (1000, 1)}, ""),
        ({"energy_sigma": (25, 60)}, ""),
    ],
)
def test_groups_are_those_that_can_be_held_out(groups, key):
    assert of(groups=groups).group == key


def test_atomic_energies():
    assert of(free=frozenset({"O", "Ti"})).atomic_energies == (ISOLATED, ISOLATED)
    assert of(free=frozenset({"O"})).atomic_energies == (FIT, FIT)
    assert of(cohesive=True).atomic_energies == (0.0, 0.0)


def test_r_min_is_below_all_distances():
    for shortest in (0.25, 0.74, 2.5, math.inf):
        found = of(shortest=shortest)
        assert 0 < found.r_min < shortest


def test_fine_tuning_keeps_the_features():
    found = chosen(USUAL, {"Ti": -1604.5})
    assert found.atomic_energies == (FIT, -1604.5)
    assert found.rate < of().rate
    assert ("features, networks", "those of the source", "their weights assume them") in found.reasons


def test_figures():
    pair = structure([[0, 0, 0], [0, 3, 0], [4, 0, 0]], path="a.xyz#0", info={"run": "1", "kind": "a"})
    free = structure([[1, 1, 1]], path="a.xyz#1", info={"run": "2"})
    found = figures([pair, free], check([pair, free]), True)
    assert found.atoms == {"Cu": 4}
    assert found.free == {"Cu"}
    assert found.shortest == pytest.approx(3)
    assert found.extent == pytest.approx(5)
    assert found.groups == {"run": (2, 1)}
    assert not found.cohesive
    assert found.spread == pytest.approx(0)


def test_neighbours_are_counted():
    cell = 3.0 * np.eye(3)
    cubic = structure([[0, 0, 0]], cell=cell, pbc=(True, True, True))
    found = figures([cubic], check([cubic]), True)
    assert found.neighbors[4.0] == 6
    assert found.neighbors[5.0] == 18
    assert found.extent == math.inf
