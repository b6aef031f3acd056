"""simulate: the same results for every form of structure and potential, and as aenet-py md."""

from __future__ import annotations

import numpy as np
import pytest

from aenet_py.errors import AenetError
from aenet_py.formats import xsf
from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.potentials.potential import Potential
from aenet_py.simulation.simulate import simulate
from compat_tests.cli.cases import in_process
from compat_tests.interfaces.test_ase import CLUSTER, NETWORKS, OTHERS, as_atoms, networks
from compat_tests.simulation.systems import Springs, springs

STRUCTURE = CLUSTER / "xsf" / "s001.xsf"
ANYTHING = {"min_distance": 0.0, "max_temperature": 1e9, "max_excess": 1e9, "allow_fragments": True}
SHORT = {"steps": 20, "every": 5, **ANYTHING}


@pytest.fixture(scope="module")
def expected():
    return simulate(STRUCTURE, NETWORKS, **SHORT)


def same(a, b) -> bool:
    return np.array_equal(a.atoms.positions, b.atoms.positions) and all(
        np.array_equal(a.log[name], b.log[name], equal_nan=True) for name in a.log
    )


@pytest.mark.parametrize("form", [str, as_atoms, lambda path: xsf.read(str(path))])
def test_structures(expected, form):
    assert same(simulate(form(STRUCTURE), NETWORKS, **SHORT), expected)


@pytest.mark.parametrize(
    "form", [str, lambda _: networks(), lambda path: [path], Potential.load, lambda _: ANNCalculator(networks())]
)
def test_potentials(expected, form):
    assert same(simulate(STRUCTURE, form(NETWORKS), **SHORT), expected)


def test_a_committee():
    result = simulate(STRUCTURE, [NETWORKS, Potential.load(OTHERS)], **SHORT)
    assert (result.log["energy_std_eV"] > 0).all()


def test_the_structure_is_not_changed(expected):
    atoms = as_atoms(STRUCTURE)
    atoms.set_array("tags", np.arange(len(atoms)))
    before = atoms.positions.copy()
    result = simulate(atoms, NETWORKS, **SHORT)
    assert same(result, expected)
    assert np.array_equal(atoms.positions, before)
    assert (atoms.calc, atoms.has("tags"), atoms.has("momenta")) == (None, True, False)
    assert np.abs(result.atoms.positions - before).max() > 0


def test_it_is_the_command(tmp_path, capsys):
    options = ["--time", 0.01, "--temperature", 200, "--seed", 3, "--every", 4, "--max-excess", 1e9]
    assert in_process(
        capsys, "md", STRUCTURE, "--potential", NETWORKS, *options, "--output", tmp_path / "a"
    )[0] == 0  # fmt: skip
    result = simulate(
        STRUCTURE, NETWORKS, time=0.01, temperature=200, seed=3, every=4, max_excess=1e9, output=tmp_path / "b"
    )
    assert (result.step, result.settings.temperature) == (20, 200)
    for ending in ("extxyz", "csv", "restart"):
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_velocities_are_kept():
    atoms = as_atoms(STRUCTURE)
    atoms.set_momenta(np.ones((len(atoms), 3)) * np.arange(len(atoms))[:, None])
    result = simulate(atoms, NETWORKS, keep_velocities=True, ensemble="nve", **{**SHORT, "steps": 0})
    assert result.log["kinetic_energy_eV"][0] > 1
    assert not np.array_equal(result.atoms.get_momenta(), simulate(atoms, NETWORKS, **SHORT).atoms.get_momenta())


def test_another_calculator():
    atoms = springs()
    result = simulate(atoms, Springs(atoms, 2.0), steps=10, **ANYTHING)
    assert np.isnan(result.log["atoms_outside"]).all()
    with pytest.raises(AenetError, match="legacy_angular applies to potentials"):
        simulate(atoms, Springs(atoms, 2.0), steps=10, legacy_angular=True)
    with pytest.raises(AenetError, match="threads applies to potentials"):
        simulate(atoms, Springs(atoms, 2.0), steps=10, threads=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give either a time or a number of steps"),
        ({"time": 1.0, "steps": 1}, "give either a time or a number of steps"),
        ({"time": -1.0}, "time must be at least 0 ps and timestep above 0 fs, not -1 and 0.5"),
        ({"steps": 1, "ensemble": "npt"}, "unknown ensemble 'npt'"),
        ({"steps": 1, "max_share": -1}, "max_share must be at least 0, not -1"),
    ],
)
def test_invalid_settings(arguments, message):
    with pytest.raises(AenetError, match=message):
        simulate(STRUCTURE, NETWORKS, **arguments)


@pytest.mark.parametrize(
    ("structure", "potential", "message"),
    [
        (None, NETWORKS, "a structure must be ase.Atoms or a Structure, not NoneType"),
        ("nowhere.xsf", NETWORKS, "nowhere.xsf: no such file"),
        (STRUCTURE, None, r"potentials must be .*, not NoneType"),
        (STRUCTURE, [], "no potentials given"),
    ],
)
def test_invalid_arguments(structure, potential, message):
    with pytest.raises(AenetError, match=message):
        simulate(structure, potential, steps=1)
