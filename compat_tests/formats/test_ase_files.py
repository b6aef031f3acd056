"""Files of other codes, read by ASE: every structure with energy and forces, and errors in one line."""

from __future__ import annotations

import dataclasses
import gzip
import warnings
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.io import write
from hypothesis import given, settings
from hypothesis import strategies as st

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import ase_files
from compat_tests.formats import calculations

MADE = calculations.made()
ISOLATED = [dataclasses.replace(frame, cell=None, pbc=(False,) * 3) for frame in MADE]
FILES = {
    "OUTCAR": (calculations.outcar, MADE),
    "vasprun.xml": (calculations.vasprun, MADE),
    "relax.out": (calculations.espresso, MADE),
    "aims.out": (calculations.aims, ISOLATED),
}
pytestmark = pytest.mark.filterwarnings("ignore:FHI-aims IO:FutureWarning")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def as_atoms(frame) -> Atoms:
    atoms = Atoms(frame.names(), frame.positions, cell=frame.cell, pbc=frame.pbc, constraint=FixAtoms([0]))
    results = {name: getattr(frame, name) for name in ("energy", "forces") if getattr(frame, name) is not None}
    atoms.calc = SinglePointCalculator(atoms, **results) if results else None
    return atoms


def check(path: str, expected: list, tolerance: float = 1e-8, format_name: str | None = None) -> None:
    found = list(ase_files.read(path, format_name))
    assert [frame.path for frame in found] == [f"{path}#{i}" for i in range(len(expected))]
    for one, other in zip(found, expected, strict=True):
        assert one.names() == other.names()
        assert one.pbc == other.pbc
        assert (one.cell is None) == (other.cell is None)
        assert one.cell is None or np.allclose(one.cell, other.cell, atol=tolerance, rtol=0)
        assert np.allclose(one.positions, other.positions, atol=tolerance, rtol=0)
        assert np.allclose(one.forces, other.forces, atol=tolerance, rtol=0)
        assert abs(one.energy - other.energy) < tolerance


@pytest.mark.parametrize("name", FILES)
def test_every_structure_with_its_energy_and_forces(name):
    write_text, frames = FILES[name]
    Path(name).write_text(write_text(frames))
    check(name, frames)


def test_compressed_and_under_another_name():
    with gzip.open("OUTCAR.gz", "wt") as file:
        file.write(calculations.outcar(MADE))
    check("OUTCAR.gz", MADE)
    Path("run@3[a]*.log").write_text(calculations.outcar(MADE))
    check("run@3[a]*.log", MADE, format_name="vasp-out")


@pytest.mark.parametrize("name", ["a.traj", "a@1.traj"])
def test_constraints_change_no_force(name):
    assert np.abs(MADE[0].forces[0]).min() > 0
    write(name, [as_atoms(frame) for frame in MADE])
    check(name, MADE, 0.5e-15)


def test_missing_energy_or_forces_is_an_error_of_the_structure():
    frames = [MADE[0], calculations.without(MADE[1], "energy"), calculations.without(MADE[2], "forces")]
    write("a.traj", [as_atoms(frame) for frame in frames])
    with pytest.raises(InputError, match=r"a\.traj#1: no energy found"):
        list(ase_files.read("a.traj", None))
    skipped: list[str] = []
    found = list(ase_files.read("a.traj", None, skip=lambda error: skipped.append(str(error).partition(";")[0])))
    assert [frame.path for frame in found] == ["a.traj#0"]
    assert skipped == ["a.traj#1: no energy found", "a.traj#2: no forces found"]
    found = list(ase_files.read("a.traj", None, reference=False))
    assert [(frame.energy is None, frame.forces is None) for frame in found] == [
        (False,) * 2,
        (True, False),
        (False, True),
    ]


def test_the_free_energy_if_there_is_no_other():
    atoms = as_atoms(calculations.without(MADE[0], "energy"))
    atoms.calc.results["free_energy"] = -3.5
    write("a.traj", atoms)
    assert [frame.energy for frame in ase_files.read("a.traj", None)] == [-3.5]


def test_structures_alone():
    atoms = as_atoms(MADE[0])
    for name in ("a.cif", "POSCAR"):
        write(name, atoms)
        (frame,) = ase_files.read(name, None, reference=False)
        assert (frame.energy, frame.forces) == (None, None)
        assert frame.pbc == (True, True, True)
        assert frame.symbols == MADE[0].symbols
        assert abs(np.linalg.det(frame.cell) - np.linalg.det(MADE[0].cell)) < 1e-2


def test_the_structures_before_a_damaged_one():
    text = calculations.espresso(MADE)
    start = text.rindex("ATOMIC_POSITIONS")
    Path("relax.out").write_text(text[:start] + text[start:].replace(".", "x", 1))
    with pytest.raises(
        InputError, match=r"relax\.out#2: cannot be read as a structure: ASE reads it as espresso-out and"
    ):
        list(ase_files.read("relax.out", None))
    skipped: list[InputError] = []
    assert len(list(ase_files.read("relax.out", None, skip=skipped.append))) == 2
    assert len(skipped) == 1


@pytest.mark.parametrize(
    ("name", "content", "format_name", "message"),
    [
        ("none", None, None, "none: no such file"),
        ("what", b"nonsense", None, "ASE does not recognise its format; choose one with --format"),
        ("what.foo", b"nonsense", None, "ASE does not recognise its format"),
        ("empty", b"", None, "ASE does not recognise its format"),
        ("code.py", b"raise SystemExit", None, "ASE does not recognise its format"),
        ("a.png", b"\x89PNG", None, "ASE does not recognise its format"),
        ("a.gz", b"nonsense", None, "a.gz: cannot be read as a structure: Not a gzipped file"),
        ("small.data", b"4 atoms\n", None, "found no atoms; ASE reads this file as runnerdata, choose"),
        ("cp2k.out", b" CP2K| version string:\n", None, "found no atoms; ASE reads this file as espresso-out"),
        ("a.traj", b"nonsense", None, "a.traj: cannot be read as a structure: ASE reads it as traj and reports: "),
        ("OUTCAR", b" running on 4 total cores\n", None, "ASE reads it as vasp-out and reports: Incomplete OUTCAR"),
        ("a.cif", b"nonsense", "cjson", "ASE reads it as cjson and reports: "),
        ("what", b"", "vasp_out", "--format vasp_out: ASE reads no such format; did you mean vasp-out?"),
        ("what", b"", "py", "--format py: ASE reads no such format"),
        ("what", b"", "png", "--format png: ASE reads no such format"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(name, content, format_name, message):
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(AenetError) as caught:
        list(ase_files.read(name, format_name))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


DATA = """small cell

2 atoms
2 atom types

0 8 xlo xhi
0 8 ylo yhi
0 8 zlo zhi
{}
Atoms # atomic

1 1 0 0 0
2 2 2.4 0.1 0
"""


def test_types_of_lammps_are_not_elements():
    Path("a.data").write_text(DATA.format("\nMasses\n\n1 24.305\n2 32.06\n"))
    (frame,) = ase_files.read("a.data", "lammps-data", reference=False)
    assert frame.symbols == ("Mg", "S")
    Path("a.data").write_text(DATA.format(""))
    with pytest.raises(InputError, match=r"a\.data: this file has types of atoms, but neither elements nor masses"):
        list(ase_files.read("a.data", "lammps-data", reference=False))


def test_dumps_of_lammps_have_no_energy():
    head = "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n1\nITEM: BOX BOUNDS pp pp pp\n0 8\n0 8\n0 8\n"
    Path("a.dump").write_text(f"{head}ITEM: ATOMS id type element x y z fx fy fz\n1 1 Mg 0 0 0 0.5 0 0\n")
    (frame,) = ase_files.read("a.dump", "lammps-dump-text", reference=False)
    assert frame.symbols == ("Mg",)
    assert frame.energy is None
    assert frame.forces.tolist() == [[0.5, 0.0, 0.0]]


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_give_structures_or_one_line(name, folder):
    """A truncated or altered file raises no other exception, whatever ASE does with it."""
    write_text, frames = FILES[name]
    content = write_text(frames).encode()
    path, lines = folder / name, []

    @settings(max_examples=15, derandomize=True)
    @given(st.integers(0, len(content)), st.integers(0, len(content) - 1), st.integers(0, 255), st.booleans())
    def damage(stop: int, place: int, byte: int, cut: bool) -> None:
        path.write_bytes(content[:stop] if cut else content[:place] + bytes([byte]) + content[place + 1 :])
        try:
            found = list(ase_files.read(name, None))
        except AenetError as error:
            found = []
            lines.append(str(error).count("\n"))
        assert all(frame.forces.shape == frame.positions.shape for frame in found)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        damage()
    assert set(lines) == {0}
