"""aenet-py convert: nothing is lost on the way, whatever the way; training sets do not depend on it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from aenet_py.cli.aenet import main
from aenet_py.formats import databases, extxyz, xsf
from compat_tests.cli.cases import interrupt, listing
from compat_tests.cli.test_generate_frames import fill, products
from compat_tests.structures import as_text, check_same, make_frames, write

MADE = make_frames(23)
TEXT = "".join(as_text(frame) for frame in MADE)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.extxyz", TEXT)
    return tmp_path


def convert(*arguments: str) -> None:
    assert main(["convert", *arguments]) == 0


def frames_of(path: str) -> list:
    if path.endswith((".db", ".json")):
        return list(databases.read(path, True, None))
    if os.path.isdir(path):
        return [xsf.read_frame(str(file)) for file in sorted(Path(path).iterdir())]
    return [frame for _, frame in extxyz.read(path)]


@pytest.mark.parametrize("first", ["b.extxyz.xz", "b.xyz.gz", "b.xyz", "b.db", "b.json", "b"])
@pytest.mark.parametrize("second", ["c.extxyz.gz", "c.db", "c"])
def test_nothing_is_lost(first, second):
    convert("a.extxyz", first)
    convert(first, second)
    convert(second, "d.extxyz")
    for path in (first, second, "d.extxyz"):
        for found, made in zip(frames_of(path), MADE, strict=True):
            check_same(found, made)


def test_extended_xyz_stays_as_it_is():
    convert("a.extxyz", "b.extxyz.xz")
    convert("b.extxyz.xz", "c.xyz")
    assert Path("c.xyz").read_text() == TEXT


def test_training_set_from_xsf_files_as_from_the_frames(tmp_path, monkeypatch, capfdbinary):
    ours = fill(tmp_path / "ours", ["a.extxyz"])
    write(ours / "a.extxyz", TEXT)
    names = [f"a.extxyz#{number}" for number in range(len(MADE))]
    twin = fill(tmp_path / "twin", names)
    convert("a.extxyz", "twin/a.extxyz-%d.xsf")
    for number, name in enumerate(names):
        os.rename(twin / f"a.extxyz-{number}.xsf", twin / name)
    capfdbinary.readouterr()
    assert products(ours, monkeypatch, capfdbinary) == products(twin, monkeypatch, capfdbinary)


def test_constraints_in_a_database_change_no_force():
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.constraints import FixAtoms
    from ase.db import connect

    made = MADE[0]
    atoms = Atoms(made.names(), made.positions, cell=made.cell, pbc=made.pbc, constraint=FixAtoms([0, 1]))
    atoms.calc = SinglePointCalculator(atoms, energy=made.energy, forces=made.forces)
    connect("fixed.db").write(atoms)
    convert("fixed.db", "b.xyz")
    check_same(frames_of("b.xyz")[0], made)
    assert np.abs(made.forces[:2]).min() > 0


def test_a_database_that_makes_no_sense(capsys):
    from ase import Atoms
    from ase.db import connect

    connect("bare.db").write(Atoms("Cu", pbc=True))
    connect("unknown.db").write(Atoms("X"))
    for name, expected in (("bare", "it is periodic, but has no cell"), ("unknown", "found atomic number 0")):
        assert main(["convert", "--incomplete", f"{name}.db", "b.xyz"]) == 1
        assert capsys.readouterr().err.startswith(f"Error: {name}.db#1: {expected}; expected ")
    assert main(["convert", "--incomplete", "--skip-bad", "bare.db", "b.xyz"]) == 1
    assert capsys.readouterr().err == "Error: b.xyz: there is no structure to write; expected one at least\n"


def test_ase_reads_a_database_we_wrote():
    from ase.db import connect

    convert("a.extxyz", "b.db")
    rows = list(connect("b.db").select())
    assert [row.energy for row in rows] == [frame.energy for frame in MADE]
    assert all(np.array_equal(row.forces, frame.forces) for row, frame in zip(rows, MADE, strict=True))
    assert all(np.array_equal(row.tags, frame.tags) for row, frame in zip(rows, MADE, strict=True))


def test_folders_and_several_files(tmp_path):
    for name in ("s2/10.xyz", "s2/9.xyz.gz", "s1/sub/1.xyz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path / name, as_text(MADE[len(name)]))
    (tmp_path / "s2/readme.txt").write_text("not a structure")
    convert("s2", "a.extxyz", "s1", "b.xyz")
    assert Path("b.xyz").read_text() == as_text(MADE[11]) + as_text(MADE[9]) + TEXT + as_text(MADE[12])


def test_incomplete_structures(capsys):
    bare = "1\n\nCu 0 0 0\n1\nenergy=-1\nCu 0 0 0\n"
    Path("b.xyz").write_text(bare)
    assert main(["convert", "b.xyz", "c"]) == 1
    assert capsys.readouterr().err == "Error: b.xyz#0: no energy found; expected a total energy in eV\n"
    convert("--incomplete", "b.xyz", "c")
    assert capsys.readouterr().out == "2 structures in c\n1 of them without energy, 2 without forces\n"
    convert("--incomplete", "c", "d.db")
    convert("--incomplete", "d.db", "e.xyz")
    assert [frame.energy for _, frame in extxyz.read("e.xyz", reference=False)] == [None, -1.0]


def test_bad_structures_are_skipped_if_asked(capsys):
    broken = TEXT.replace("energy", "E", 2).replace("\nO ", "\nQ ", 1)
    write(Path("b.xyz"), broken + "many\n" + TEXT)
    assert main(["convert", "b.xyz", "c.xyz"]) == 1
    assert not Path("c.xyz").exists()
    capsys.readouterr()
    convert("--skip-bad", "b.xyz", "c.xyz")
    lines = capsys.readouterr().out.splitlines()
    n_good = len(frames_of("c.xyz"))
    assert lines[0] == f"{n_good} structures in c.xyz"
    assert lines[1] == f"{23 - n_good + 1} skipped"
    assert "expected the symbol of a chemical element" in lines[2] or "no energy found" in lines[2]
    assert lines[-1].endswith("found 'many'; expected the number of atoms of a frame")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["none.xyz", "b.xyz"], "none.xyz: no such file; expected a file .extxyz"),
        (["a.extxyz", "b.cif"], "b.cif: found a name of another kind; expected .extxyz"),
        (["a.extxyz", "a.extxyz", "b.xyz"], "a.extxyz: this file is given twice"),
        (["a.extxyz", "b.xsf"], "b.xsf: found a second structure; expected a name with %d in it, or a folder"),
        (["a.extxyz", "taken.xyz"], "taken.xyz: this file exists already"),
        (["a.extxyz", "taken.db"], "taken.db: this file exists already"),
        (["a.extxyz", "taken/%06d.xsf"], "taken/000003.xsf: this file exists already"),
        (["a.extxyz", "none/none/b.xyz"], "none/none/b.xyz: cannot be written: No such file or directory"),
        (["a.extxyz", "none/none/b"], "cannot be written: No such file or directory"),
        (["taken.db", "b.xyz"], "taken.db: cannot be read: file is not a database; expected a database of ASE"),
        (["taken.json", "b.xyz"], "taken.json: cannot be read: "),
        (["cohesive.xsf", "b.xyz"], "cohesive.xsf: found a cohesive energy; expected a total energy alone"),
        (["empty", "b.xyz"], "empty: found a folder without such a file; expected a file .extxyz"),
        (["generate.in", "b.xyz"], "generate.in: found a file of another kind; expected .extxyz"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_written(folder, capsys, arguments, expected):
    for name in ("taken.xyz", "taken.db", "taken.json", "taken/000003.xsf", "empty/readme", "generate.in"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("text that is no database, and long enough to be looked at" * 20)
    Path("cohesive.xsf").write_text("# cohesive energy = -1 eV\nATOMS\nCu 0 0 0 0 0 0\n")
    before = listing(folder), sorted(folder.rglob("*"))
    assert main(["convert", *arguments]) == 1
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1
    assert (listing(folder), sorted(folder.rglob("*"))) == before


@pytest.mark.parametrize("output", ["b.xyz.xz", "b.db", "b"])
def test_interrupted_it_leaves_nothing(folder, output):
    write(folder / "large.xyz", TEXT * 300)
    before = sorted(folder.rglob("*"))
    assert interrupt(folder, "convert", "large.xyz", output) == (130, "Error: interrupted; nothing was written\n")
    assert sorted(folder.rglob("*")) == before
