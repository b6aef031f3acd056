"""Initial structures: extended XYZ is read as in predict.x."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.constraints import FixAtoms, FixCartesian

from aenet_py.errors import AenetError
from aenet_py.simulation import start

FRAME = "2\n{comment}\nMg 0 0 0 0.1 0 0 24\nS 2.4 0 {z} 0 0 0 30\n"
COLUMNS = "Properties=species:S:1:pos:R:3:momenta:R:3:masses:R:1"


@pytest.mark.parametrize(
    ("keys", "pbc"),
    [
        ('Lattice="5 0 0 1 5.2 0 0 0 4" PBC="T T F"', [True, True, False]),
        ('lattice="5 0 0 1 5.2 0 0 0 4"', [True, True, True]),
        ('Lattice=[[5,0,0],[1,5.2,0],[0,0,4]] pbc="[true, false, true]"', [True, False, True]),
    ],
)
def test_frames_are_those_of_predict_x(tmp_path, keys, pbc):
    path = tmp_path / "a.xyz"
    path.write_text(FRAME.format(comment=f"{keys} {COLUMNS}", z=0))
    found = start.read(str(path))
    assert found.pbc.tolist() == pbc
    assert found.cell.tolist() == [[5, 0, 0], [1, 5.2, 0], [0, 0, 4]]
    assert found.get_chemical_symbols() == ["Mg", "S"]
    assert found.get_momenta().tolist() == [[0.1, 0, 0], [0, 0, 0]]
    assert found.get_masses().tolist() == [24, 30]


def test_units_are_checked(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(FRAME.format(comment=f"length_unit=bohr {COLUMNS}", z=0))
    with pytest.raises(AenetError, match="found length_unit=bohr"):
        start.read(str(path))


def test_any_frame(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text("".join(FRAME.format(comment=COLUMNS, z=z) for z in range(3)))
    for number, z in (("", 2), ("@0", 0), ("@1", 1), ("@-1", 2), ("@-3", 0)):
        assert start.read(f"{path}{number}").positions[1, 2] == z
    for number in (3, -4, 10**30, -(10**30)):
        with pytest.raises(AenetError, match="there is no structure"):
            start.read(f"{path}@{number}")
    path.write_text(FRAME.format(comment=COLUMNS, z=0).replace("0.1", "nan"))
    with pytest.raises(AenetError, match="found momenta that are not finite numbers"):
        start.read(str(path))
    assert np.isfinite(start.read(f"{path}", "extxyz").positions).all()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], []),
        ([FixAtoms([1, 3])], [FixAtoms([1, 3])]),
        (
            [FixCartesian([0], (True, False, False)), FixAtoms([2]), FixCartesian([1, 3], (False, True, True))],
            [FixCartesian([1, 3], (False, True, True)), FixCartesian([0], (True, False, False)), FixAtoms([2])],
        ),
    ],
)
def test_fixed_atoms_stay_fixed(tmp_path, given, expected):
    """As `ase.io.write` stores constraints."""
    atoms = Atoms("MgSMgS", np.arange(12).reshape(4, 3), constraint=given)
    atoms.set_momenta(np.ones((4, 3)), apply_constraint=False)
    ase.io.write(tmp_path / "a.extxyz", atoms)
    found = start.read(str(tmp_path / "a.extxyz"))
    assert list(map(repr, found.constraints)) == list(map(repr, expected))
    atoms.set_momenta(np.ones((4, 3)))  # zero for what is fixed
    assert found.get_momenta().tolist() == atoms.get_momenta().tolist()


def test_values_that_are_not_logical(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text("1\nProperties=species:S:1:pos:R:3:move_mask:L:1\nMg 0 0 0 maybe\n")
    with pytest.raises(AenetError, match=r"a\.xyz#0:3: found 'maybe' in move_mask; expected T or F"):
        start.read(str(path))
