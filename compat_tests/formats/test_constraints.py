"""Constraints of structures in extended XYZ, databases and other files of ASE, and the forces that are not known."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixBondLength, FixCartesian, FixedLine, FixedPlane, FixScaled
from ase.db import connect
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aenet_py.cli.aenet import main
from aenet_py.errors import InputError
from aenet_py.formats import extxyz, frames
from aenet_py.formats.read import read
from aenet_py.structure import Structure, as_structure, constraints_of, told_of_unknown

HEAD = '3\nLattice="4 0 0 0 5 0 0 0 6" Properties=species:S:1:pos:R:3:{column}:forces:R:3 energy=-1.0\n'
ROWS = "Cu 0 0 0 {} 0 0 0\nCu 2 0 0 {} 0 0.5 -0.0\nO 2 2 0 {} 0 0 0.3\n"
MASKS = arrays(bool, st.tuples(st.integers(2, 6), st.just(3)))


def parsed(text: bytes | str, path: str = "a.xyz") -> Structure:
    lines = tuple((text.encode() if isinstance(text, str) else text).splitlines())
    return extxyz.parse(frames.RawFrame(path, 0, 1, lines))


def slab(constraint=(), cell=(4.0, 5.0, 6.0)) -> Atoms:
    """Four atoms whose forces ASE sets to zero where constraints say so, as `get_forces` does."""
    atoms = Atoms("CuCuOH", 0.9 * np.arange(12).reshape(4, 3), cell=cell, pbc=True, constraint=constraint)
    forces = np.random.default_rng(1).uniform(0.1, 1.0, (4, 3))
    atoms.calc = SinglePointCalculator(atoms, energy=-3.0, forces=forces)
    atoms.calc = SinglePointCalculator(atoms, energy=-3.0, forces=atoms.get_forces())
    return atoms


def made(fixed: np.ndarray, forces: np.ndarray) -> Structure:
    n = len(fixed)
    positions = 1.3 * np.arange(3 * n).reshape(n, 3)
    return Structure("made", ("Cu",), np.zeros(n, int), positions, energy=-1.0, forces=forces, fixed=fixed)


def test_a_mask_of_atoms():
    found = parsed(HEAD.format(column="move_mask:L:1") + ROWS.format("F", "0", "true"))
    assert found.fixed.tolist() == [[True] * 3, [True] * 3, [False] * 3]
    assert found.unknown_forces.tolist() == [[True] * 3, [True, False, True], [False] * 3]  # -0.0 is zero, too
    assert found.n_unknown_forces == 5


def test_a_mask_of_coordinates():
    found = parsed(HEAD.format(column="MOVE_MASK:l:3") + ROWS.format("T T F", "T F T", "1 1 1"))
    assert found.fixed.tolist() == [[False, False, True], [False, True, False], [False] * 3]
    assert found.unknown_forces.tolist() == [[False, False, True], [False] * 3, [False] * 3]


@pytest.mark.parametrize(("column", "mask"), [("move_mask:L:1", "T"), ("move_mask:L:3", "T T T")])
def test_all_atoms_are_free(column, mask):
    found = parsed(HEAD.format(column=column) + ROWS.format(mask, mask, mask))
    assert found.fixed is found.unknown_forces is None


def test_without_constraints_zeros_are_forces():
    found = parsed(HEAD.replace(":{column}", "") + ROWS.replace(" {}", ""))
    assert found.fixed is found.unknown_forces is None
    assert not found.forces[0].any()


@pytest.mark.parametrize(
    ("column", "mask", "message"),
    [
        ("move_mask:L:1", "maybe", r"a\.xyz#0:5: found 'maybe' in move_mask; expected T or F"),
        ("move_mask:L:2", "T T", r"a\.xyz#0:2: found move_mask:L:2 in Properties; expected move_mask:L:1 or move_m"),
        ("move_mask:R:1", "1.0", r"a\.xyz#0:2: found move_mask:R:1 in Properties"),
    ],
)
def test_masks_that_are_none(column, mask, message):
    good = mask if mask != "maybe" else "T"
    with pytest.raises(InputError, match=message):
        parsed(HEAD.format(column=column) + ROWS.format(good, good, mask))


@given(MASKS, st.data())
def test_what_is_written_is_read(fixed, data):
    forces = data.draw(arrays(float, fixed.shape, elements=st.sampled_from([0.0, -0.0, 0.25, -1.5])))
    frame = made(fixed, forces)
    found = parsed(extxyz.text(frame))
    assert (found.fixed is None) == (not fixed.any())
    assert found.fixed is None or np.array_equal(found.fixed, fixed)
    assert np.array_equal(found.forces, forces)
    wanted = fixed & (forces == 0)
    assert found.n_unknown_forces == wanted.sum()
    assert found.unknown_forces is None or np.array_equal(found.unknown_forces, wanted)


@given(MASKS)
def test_ase_holds_the_same_coordinates(tmp_path_factory, fixed):
    """As it reads the column, and by the constraints that are made of it, whose forces it sets to zero."""
    ones, path = np.ones(fixed.shape), tmp_path_factory.mktemp("ase") / "a.xyz"
    path.write_bytes(extxyz.text(made(fixed, ones)))
    atoms = ase.io.read(path)
    assert np.array_equal(atoms.get_forces() == 0, fixed)
    assert np.array_equal(atoms.get_forces(apply_constraint=False), ones)
    other = Atoms("Cu" * len(fixed), atoms.positions, constraint=constraints_of(fixed if fixed.any() else None))
    other.calc = SinglePointCalculator(other, forces=ones)
    assert np.array_equal(other.get_forces() == 0, fixed)
    found = as_structure(other, reference=True)
    assert (found.fixed is None and not fixed.any()) or np.array_equal(found.fixed, fixed)


@pytest.mark.parametrize(
    ("constraint", "fixed"),
    [
        (FixAtoms([0, 2]), ["xyz", "", "xyz", ""]),
        ([FixCartesian([1], (True, False, True)), FixAtoms([0])], ["xyz", "xz", "", ""]),
        (FixScaled([1, 2], (True, True, True)), ["", "xyz", "xyz", ""]),
        (FixScaled([3], (False, True, False)), ["", "", "", "y"]),
        (FixedPlane([0, 1], (0, 0, 1)), ["z", "z", "", ""]),
        (FixedLine([2], (0, 1, 0)), ["", "", "xz", ""]),
        (FixBondLength(0, 1), None),  # holds no coordinate
        (FixedPlane([0, 1], (1, 1, 0)), None),
    ],
)
@pytest.mark.parametrize("name", ["a.traj", "a.db", "a.json", None])
def test_kinds_of_constraints(constraint, fixed, name, tmp_path):
    atoms = slab(constraint)
    if name is None:
        found = as_structure(atoms, reference=True)
    else:
        if name == "a.traj":
            ase.io.write(tmp_path / name, atoms)
        else:
            connect(tmp_path / name).write(atoms)
        (found,) = read(tmp_path / name)
    wanted = None if fixed is None else [[axis in axes for axis in "xyz"] for axes in fixed]
    assert (None if found.fixed is None else found.fixed.tolist()) == wanted
    assert (None if found.unknown_forces is None else found.unknown_forces.tolist()) == wanted


def test_selective_dynamics_along_skew_vectors(tmp_path):
    """Two fixed fractional coordinates of a hexagonal cell are x and y; a single one is no Cartesian coordinate."""
    cell = [[4, 0, 0], [-2, 3.5, 0], [0, 0, 6]]
    constraints = [FixScaled([0], (True, True, False)), FixScaled([1], (True, False, False)), FixAtoms([2])]
    ase.io.write(tmp_path / "POSCAR", slab(constraints, cell), format="vasp")
    (found,) = read(tmp_path / "POSCAR")
    assert sorted(map(list, found.fixed.tolist())) == sorted(
        [[True, True, False], [False] * 3, [True] * 3, [False] * 3]
    )
    assert found.unknown_forces is None  # as there are no forces


def test_true_forces_of_fixed_atoms_are_known(tmp_path):
    atoms = slab()
    atoms.set_constraint(FixAtoms([0, 1]))
    ase.io.write(tmp_path / "a.xyz", atoms)
    connect(tmp_path / "a.db").write(atoms)
    for name in ("a.xyz", "a.db"):
        (found,) = read(tmp_path / name)
        assert found.fixed[:2].all()
        assert found.unknown_forces is None
        assert np.abs(found.forces).min() > 0


def test_a_single_atom_has_no_forces():
    assert made(np.ones((1, 3), bool), np.zeros((1, 3))).unknown_forces is None


def test_constraints_of_other_atoms():
    atoms = slab()
    atoms.set_constraint(FixAtoms([7]))
    with pytest.raises(InputError, match="here: its constraints cannot be applied: index 7 is out of bounds"):
        as_structure(atoms, "here")


@pytest.mark.parametrize("to", ["b.xyz", "b.db", "b.json", "b.extxyz.gz"])
@pytest.mark.parametrize("source", ["a.xyz", "a.db", "a.traj"])
def test_conversions_keep_constraints(source, to, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    atoms = slab([FixAtoms([0]), FixCartesian([2], (False, False, True))])
    ase.io.write(source, atoms)
    assert main(["convert", source, to]) == 0
    (given,), (found,) = read(source), read(to)
    assert np.array_equal(found.fixed, given.fixed)
    assert np.array_equal(found.forces, given.forces)
    assert found.n_unknown_forces == 4
    assert np.array_equal(ase.io.read(to).get_forces(), ase.io.read(source).get_forces())
    assert capsys.readouterr().err == ""


def test_xsf_files_cannot_say_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ase.io.write("a.xyz", [slab(FixAtoms([0])), slab(), slab(FixAtoms([0, 3]))])
    assert main(["convert", "a.xyz", "xsf"]) == 0
    told = "Warning: forces that are zero because constraints hold atoms fixed are not known:"
    lost = "XSF cannot say so, and whatever reads {} takes the zeros for forces\n"
    assert capsys.readouterr().err == f"{told} 9 components in 2 structures, such as a.xyz#0; {lost.format('xsf')}"
    assert main(["check", "a.xyz", "-o", "clean"]) == 2  # the others are duplicates of the first
    assert capsys.readouterr().err == f"{told} 3 components in a.xyz#0; {lost.format('clean')}"
    assert told_of_unknown([("a", 0), ("b", 1)]).endswith("not known: 1 component in b")
    assert told_of_unknown([("a", 0)]) is None


def test_copies_of_atoms_and_supercells():
    """ASE repeats constraints, and so do structures."""
    atoms = bulk("Cu", cubic=True)
    atoms.set_constraint(FixAtoms([0]))
    found = as_structure(atoms * (2, 1, 1))
    assert found.fixed.all(axis=1).tolist() == [True, False, False, False] * 2
