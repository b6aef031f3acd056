"""`read` returns the same structures from every kind of file."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import databases, extxyz, xsf
from aenet_py.formats.read import read
from compat_tests.structures import check_same, make_frames, write

MADE = make_frames(10)


@pytest.fixture
def files(tmp_path, monkeypatch) -> Path:
    """A folder with the same structures in several files, in which the test runs."""
    monkeypatch.chdir(tmp_path)
    frames = b"".join(map(extxyz.text, MADE))
    write(tmp_path / "a.extxyz", frames.decode())
    write(tmp_path / "a.xyz.gz", frames.decode())
    (tmp_path / "xsf").mkdir()
    for number, made in enumerate(MADE):
        (tmp_path / "xsf" / f"{number}.xsf").write_bytes(xsf.text(made))
    return tmp_path


def test_every_kind_of_file(files):
    with databases.writing("a.db", "a.db") as add:
        for made in MADE:
            add(made)
    for path in ("a.extxyz", Path("a.xyz.gz"), files / "a.db", "xsf", [f"xsf/{n}.xsf" for n in range(len(MADE))]):
        found = read(path)
        assert len(found) == len(MADE)
        for one, made in zip(found, MADE, strict=True):
            check_same(one, made)


@pytest.mark.usefixtures("files")
def test_what_only_ase_reads():
    from ase.io import write as ase_write

    ase_write("a.cif", [as_atoms(made) for made in MADE[:2]])
    found = read("a.cif")
    assert [structure.n_atoms for structure in found] == [made.n_atoms for made in MADE[:2]]
    assert read("a.extxyz", 3, format_name="extxyz").path == "a.extxyz#3"


def as_atoms(made):
    from ase import Atoms

    return Atoms(made.names(), made.positions, cell=made.cell, pbc=True)


def test_what_is_missing_is_none(files):
    bare = dataclasses.replace(MADE[0], energy=None, forces=None, tags=None)
    write(files / "bare.xyz", extxyz.text(bare).decode())
    (files / "bare.xsf").write_bytes(xsf.text(bare))
    for path in ("bare.xyz", "bare.xsf"):
        check_same(read(path, 0), bare)
    energy = f"# cohesive energy = -3.5 eV\n{xsf.text(bare).decode()}"
    (files / "cohesive.xsf").write_text(energy)
    found = read("cohesive.xsf", 0)
    assert (found.energy, found.cohesive_energy) == (None, -3.5)


@pytest.mark.usefixtures("files")
def test_some_of_the_structures():
    several = ["a.extxyz", "xsf/4.xsf"]
    assert read("a.extxyz", 7).path == "a.extxyz#7"
    assert read(several, -1).path == "xsf/4.xsf"
    assert read(several, 10).path == "xsf/4.xsf"
    assert [structure.path for structure in read(several, slice(-2, None))] == ["a.extxyz#9", "xsf/4.xsf"]
    assert [structure.path for structure in read(["a.extxyz#2", "xsf/1.xsf"])] == ["a.extxyz#2", "xsf/1.xsf"]
    for index in (11, -12):
        with pytest.raises(AenetError, match=f"there is no structure with index {index} in a.extxyz, xsf/4.xsf"):
            read(several, index)
    with pytest.raises(InputError, match=r"a\.extxyz#10: there is no such frame"):
        read("a.extxyz#10")
    with pytest.raises(AenetError, match=r"none\.xsf: no such file"):
        read("none.xsf")


def test_one_of_several_energies(files):
    columns = "Properties=species:S:1:pos:R:3:a_forces:R:3:b_forces:R:3 a_energy=-1 b_energy=-2"
    (files / "several.xyz").write_text(f"1\n{columns}\nCu 0 0 0 1 1 1 2 2 2\n")
    with pytest.raises(InputError, match=r"several\.xyz#0:2: found labels of several sources"):
        read("several.xyz")
    found = read("several.xyz", 0, energy_key="b_energy", forces_key="b_forces")
    assert (found.energy, found.label) == (-2, "b_energy")
    assert np.array_equal(found.forces, [[2, 2, 2]])


def test_own_formats_need_no_ase(files, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "ase"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ase", None)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ase" else find(name))
    assert len(read(["a.extxyz", "a.xyz.gz", "xsf"])) == 3 * len(MADE)
    for name, what in (("a.db", "databases of ASE require"), ("OUTCAR", "this kind of file requires")):
        (files / name).write_text("?")
        with pytest.raises(AenetError, match=rf"{name}: {what} ase; install it with pip install 'aenet_py\[ase\]'"):
            read(name)
