"""Structures: invalid values are errors, equivalent values are accepted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from hypothesis import given, settings
from hypothesis import strategies as st

from aenet_py.errors import AenetError
from aenet_py.formats import xsf
from aenet_py.neighbors import verlet
from aenet_py.potentials.potential import Potential
from aenet_py.structure import as_structure
from compat_tests.interfaces.test_ase import CLUSTER, as_atoms, networks

PATH = CLUSTER / "xsf" / "s001.xsf"
GOOD = xsf.read(str(PATH))
POTENTIAL = Potential.load(networks())
ENERGY = POTENTIAL.energy_forces(GOOD).energy


def with_number(values: np.ndarray, value: float) -> np.ndarray:
    changed = values.copy()
    changed.flat[4] = value
    return changed


WRONG = {
    "two coordinates": {"positions": GOOD.positions[:, :2]},
    "an atom fewer": {"positions": GOOD.positions[:-1]},
    "an atom more": {"positions": np.vstack([GOOD.positions, [9.0, 9.0, 9.0]])},
    "columns": {"positions": GOOD.positions.T},
    "flat": {"positions": GOOD.positions.ravel()},
    "ragged": {"positions": [[0.0, 0.0], [1.0, 1.0, 1.0]]},
    "no positions": {"positions": None},
    "text": {"positions": GOOD.positions.astype(str)},
    "complex": {"positions": GOOD.positions + 0j},
    "nan": {"positions": with_number(GOOD.positions, np.nan)},
    "inf": {"positions": with_number(GOOD.positions, -np.inf)},
    "species of fewer atoms": {"species": GOOD.species[:-1]},
    "species of more atoms": {"species": np.append(GOOD.species, 0)},
    "negative species": {"species": GOOD.species - 1},
    "species beyond symbols": {"species": GOOD.species + 1},
    "huge species": {"species": GOOD.species + 10**12},
    "species that are not integers": {"species": GOOD.species.astype(float)},
    "species by name": {"species": [GOOD.symbols[s] for s in GOOD.species]},
    "species in a column": {"species": GOOD.species[:, None]},
    "no atoms": {"species": np.empty(0, int), "positions": np.empty((0, 3)), "forces": np.empty((0, 3))},
    "a symbol twice": {"symbols": (GOOD.symbols[0], *GOOD.symbols[:-1])},
    "symbols in a word": {"symbols": "CuAuOH"},
    "too few symbols": {"symbols": GOOD.symbols[:-1]},
    "symbols that are not names": {"symbols": tuple(range(len(GOOD.symbols)))},
    "no symbols": {"symbols": None},
    "forces of fewer atoms": {"forces": GOOD.forces[:-1]},
    "forces that are none": {"forces": with_number(GOOD.forces, np.nan)},
    "lengths of a cell": {"cell": np.array([30.0, 30.0, 30.0])},
    "two cell vectors": {"cell": 30 * np.eye(3)[:2]},
    "a cell that is none": {"cell": np.full((3, 3), np.nan)},
    "energy nan": {"energy": np.nan},
    "huge energy": {"energy": 10**400},
    "an energy in words": {"energy": "-1"},
    "energies": {"cohesive_energy": np.zeros(2)},
    "pbc without a cell": {"pbc": (True, True, True)},
    "two of pbc": {"pbc": (True, False)},
    "pbc in a word": {"pbc": "FFF"},
    "tags of others": {"tags": [1, 2]},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_wrong_structures(changes):
    with pytest.raises(AenetError, match=r"s001\.xsf: .*( must be | must have shape |has no atoms|without a cell)"):
        dataclasses.replace(GOOD, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"positions": GOOD.positions.tolist(), "species": GOOD.species.tolist(), "forces": GOOD.forces.tolist()},
        {"positions": np.asfortranarray(GOOD.positions), "species": GOOD.species.astype(np.uint8)},
        {"symbols": list(GOOD.symbols), "energy": np.float32(1.0)},
    ],
)
def test_equivalent_values(changes):
    assert POTENTIAL.energy_forces(dataclasses.replace(GOOD, **changes)).energy == ENERGY


KINDS = st.sampled_from([np.float64, np.float32, np.int64, np.int32, np.uint8, np.bool_, np.complex128, object, str])
SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 4, 14, 15, 16, 45]), max_size=3).map(tuple)


@settings(max_examples=150)
@given(st.sampled_from(["positions", "species", "forces", "cell"]), SHAPES, KINDS)
def test_arrays_of_any_shape_and_kind(name, shape, kind):
    """Either an error or the documented shape."""
    value = (10.0 * np.arange(np.prod(shape, dtype=int)).reshape(shape)).astype(kind)
    try:
        found = dataclasses.replace(GOOD, **{name: value})
    except AenetError:
        return
    assert shape == {"species": (15,), "cell": (3, 3)}.get(name, (15, 3))
    assert getattr(found, name).dtype == (np.int64 if name == "species" else np.float64)


def test_structures_of_ase():
    atoms = as_atoms(PATH)
    assert POTENTIAL.energy_forces(atoms).energy == ENERGY
    atoms.set_cell([30, 30, 30])
    assert POTENTIAL.energy_forces(atoms).energy == ENERGY
    atoms.pbc = True
    assert POTENTIAL.energy_forces(atoms).energy == pytest.approx(ENERGY, rel=1e-12)
    for wrong, message in (
        (1, "must be ase.Atoms or a Structure, not int"),
        ([atoms], "must be ase.Atoms or a Structure, not list"),
        (None, "must be ase.Atoms or a Structure, not NoneType"),
        (Atoms(), "Atoms: this structure has no atoms"),
        (Atoms("Ar"), "found species 'Ar'"),
        (Atoms("Cu", pbc=True), "without a cell"),
    ):
        with pytest.raises(AenetError, match=message):
            POTENTIAL.energy_forces(wrong)


def test_reference_of_structures_of_ase():
    atoms = as_atoms(PATH)
    assert as_structure(atoms, "a", reference=True).energy is None
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=GOOD.forces)
    found = as_structure(atoms, "a", reference=True)
    assert (found.path, found.energy) == ("a", -1.0)
    assert np.array_equal(found.forces, GOOD.forces)
    assert as_structure(atoms).energy is None
    atoms.positions[0, 0] += 0.1  # the results are of another structure
    assert as_structure(atoms, "a", reference=True).energy is None
    assert as_structure(found) is found


def test_what_is_missing_is_none():
    bare = dataclasses.replace(GOOD, energy=None, forces=None, cohesive_energy=None)
    assert POTENTIAL.energy_forces(bare).energy == ENERGY
    for known in ({"energy": -1.0}, {"cohesive_energy": -1.0}):
        with pytest.raises(AenetError, match=r"s001\.xsf: no forces found"):
            dataclasses.replace(bare, **known).check_reference()
        dataclasses.replace(bare, **known, forces=GOOD.forces).check_reference()
    with pytest.raises(AenetError, match=r"s001\.xsf: no energy found"):
        dataclasses.replace(bare, forces=GOOD.forces).check_reference()


def test_an_isolated_structure_may_have_a_cell():
    boxed = dataclasses.replace(GOOD, cell=30 * np.eye(3))
    assert boxed.lattice is None
    assert POTENTIAL.energy_forces(boxed).energy == ENERGY


def test_types_and_environments_that_do_not_match():
    atoms = as_atoms(PATH)
    types = POTENTIAL.types_of(atoms.get_chemical_symbols())
    found = verlet.environments(verlet.pairs(atoms, POTENTIAL.model.r_max, 0.0), atoms)
    wanted = POTENTIAL.evaluate(types, found).energy
    for same in (types.tolist(), types.astype(np.int32), np.repeat(types, 2)[::2]):
        assert POTENTIAL.evaluate(same, found).energy == wanted
    for wrong, message in (
        (types[:-1], r"a type for each of its atoms .* not 14 types, .* 15 atoms"),
        (types - 1, r"types must be 0 to 3, not -1 to 2"),
        (types + 1, r"types must be 0 to 3, not 1 to 4"),
        (types.astype(float), r"types must be integers, \(n_atoms,\)"),
        (types[:, None], r"types must be integers, \(n_atoms,\)"),
        (types + 2**62, r"types must be 0 to 3, not 4611686018427387904 to"),
        (None, r"types must be integers, \(n_atoms,\)"),
    ):
        for in_order in (True, False):
            with pytest.raises(AenetError, match=message):
                POTENTIAL.evaluate(wrong, found, in_order=in_order)
