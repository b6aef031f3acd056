"""Stress, virial and further values of frames: conventions of ASE, and back."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write

import aenet_py
from aenet_py.formats import extxyz, frames
from aenet_py.structure import as_structure

CELL = 'Lattice="4 0 0 0 5 0 0 0 6" Properties=species:S:1:pos:R:3'
SIX = "1 2 3 4 5 6"
FULL = np.array([[1.0, 6, 5], [6, 2, 4], [5, 4, 3]])


def frame_of(text):
    return frames.RawFrame("a.xyz", 0, 1, tuple(line.encode() for line in text.splitlines()))


@pytest.fixture
def copper():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    atoms.set_cell(atoms.cell.array * [[1.02], [1.0], [0.97]], scale_atoms=True)
    atoms.calc = EMT()
    atoms.info.update(config_type="strained bulk", number=3, dropped=[1, 2])
    atoms.get_stress()
    atoms.get_forces()
    return atoms


def test_what_ase_writes(copper, tmp_path):
    expected = copper.get_stress(voigt=False)
    for name in ("cu.extxyz", "cu.traj", "cu.db"):
        write(tmp_path / name, copper)
        found = aenet_py.read(tmp_path / name, index=0)
        assert np.allclose(found.stress, expected, atol=1e-9)
        if not name.endswith(".db"):
            assert found.info["config_type"] == "strained bulk"
    assert np.allclose(as_structure(copper, reference=True).stress, expected)
    assert as_structure(copper, reference=True).info == {"config_type": "strained bulk", "number": "3"}


@pytest.mark.parametrize("ending", ["extxyz", "db"])
def test_kept_by_conversion(copper, tmp_path, ending, capsys):
    from aenet_py.cli import aenet

    write(tmp_path / "cu.traj", copper)
    assert aenet.main(["convert", str(tmp_path / "cu.traj"), str(tmp_path / f"new.{ending}")]) == 0
    capsys.readouterr()
    found = aenet_py.read(tmp_path / f"new.{ending}", index=0)
    assert np.allclose(found.stress, copper.get_stress(voigt=False))
    assert ending == "db" or found.info["config_type"] == "strained bulk"


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        (f'stress="{SIX}" energy=1', FULL),
        ('stress="1 6 5 6 2 4 5 4 3" energy=1', FULL),
        ('stress="[[1, 6, 5], [6, 2, 4], [5, 4, 3]]" energy=1', FULL),
        (f'virial="{SIX}" energy=1', -FULL / 120),
        (f'REF_stress="{SIX}" REF_energy=1', FULL),
        (f'REF_virials="{SIX}" stress="9 9 9 9 9 9" REF_energy=1', -FULL / 120),
        (f'stress="{SIX}" REF_energy=1', None),
        (f'stress="{SIX}" virial="-120 -240 -360 -480 -600 -720" energy=1', FULL),
        (f'stress="{SIX}" virial="120 240 360 480 600 720" energy=1', None),
        ('stress="1 2 3" energy=1', None),
        ('stress="1 2 3 4 5 nan" energy=1', None),
        ("stress=unknown energy=1", None),
    ],
)
def test_names(comment, expected):
    found = extxyz.parse(frame_of(f"1\n{CELL} {comment}\nCu 0 0 0\n"), None).stress
    assert (found is None and expected is None) or np.allclose(found, expected)


def test_further_values_survive():
    text = f'1\n{CELL} energy=-1.5 config_type="a b" step=3 note="say \\"yes\\"" pbc="T T T"\nCu 0.0 0.0 0.0\n'
    found = extxyz.parse(frame_of(text), None)
    assert found.info == {"config_type": "a b", "step": "3", "note": 'say "yes"'}
    again = extxyz.parse(frame_of(extxyz.text(found).decode()), None)
    assert again.info == found.info
    assert again.energy == -1.5


def test_without_reference_no_stress():
    assert extxyz.parse(frame_of(f'1\n{CELL} stress="{SIX}" energy=1\nCu 0 0 0\n'), False).stress is None
