"""aenet-py convert: nothing is lost on the way, whatever the way; training sets do not depend on it."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import numpy as np
import pytest

from aenet_py.cli.aenet import main
from aenet_py.formats import databases, extxyz, xsf
from compat_tests.cli.cases import interrupt, listing, run
from compat_tests.cli.test_generate_frames import fill, products
from compat_tests.formats import calculations
from compat_tests.structures import as_text, check_same, make_frames, write

MADE = make_frames(23)
CIF = """data_x
_cell_length_a 4
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_crystal_system trigonal
_space_group_IT_number 1
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Mg1 0 0 0
S1 .5 .5 .5
"""
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
    for name, expected in (
        ("bare", "pbc is (True, True, True) without a cell; cell vectors are required"),
        ("unknown", "there is no element with atomic number 0"),
    ):
        assert main(["convert", "--incomplete", f"{name}.db", "b.xyz"]) == 1
        assert capsys.readouterr().err.startswith(f"Error: {name}.db#1: {expected}\n")
    assert main(["convert", "--incomplete", "--skip-bad", "bare.db", "b.xyz"]) == 1
    assert capsys.readouterr().err == "Error: b.xyz: the input has no structures to write\n"


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


def test_single_frames(capsys):
    convert("a.extxyz#3", "a.extxyz#1", "b.extxyz")
    frames = [raw.content for raw, _ in extxyz.read("a.extxyz")]
    assert Path("b.extxyz").read_bytes() == frames[3] + frames[1]
    convert("a.extxyz#2", "one.db")
    convert("one.db#1", "c.extxyz")
    check_same(frames_of("c.extxyz")[0], frames_of("a.extxyz")[2])
    capsys.readouterr()
    assert main(["convert", "a.extxyz#99", "d.extxyz"]) == 1
    assert "a.extxyz#99: there is no such frame; expected a number from 0 to" in capsys.readouterr().err
    assert main(["convert", "none.extxyz#0", "d.extxyz"]) == 1
    assert "none.extxyz#0: no such file" in capsys.readouterr().err
    assert not os.path.exists("d.extxyz")


def test_incomplete_structures(capsys):
    bare = "2\n\nCu 0 0 0\nCu 0 0 2\n2\nenergy=-1\nCu 0 0 0\nCu 0 0 2\n"
    Path("b.xyz").write_text(bare)
    assert main(["convert", "b.xyz", "c"]) == 1
    assert capsys.readouterr().err == "Error: b.xyz#0: no energy found; expected a total energy in eV\n"
    convert("--incomplete", "b.xyz", "c")
    assert capsys.readouterr().out == "c: 2 structures, 4 atoms\n  structures without energy: 1, without forces: 2\n"
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
    n_atoms = sum(frame.n_atoms for frame in frames_of("c.xyz"))
    assert lines[-1] == f"c.xyz: {n_good} structures, {n_atoms} atoms"
    assert lines[0] == f"{23 - n_good + 1} skipped"
    assert "expected the symbol of a chemical element" in lines[1] or "no energy found" in lines[1]
    assert lines[-2].endswith("found 'many'; expected the number of atoms of a frame")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["none.xyz", "b.xyz"], "none.xyz: no such file; expected a file .extxyz"),
        (["a.extxyz", "b.cif"], "b.cif: unknown kind of file; choose .extxyz"),
        (["a.extxyz", "a.extxyz", "b.xyz"], "a.extxyz: this file is given twice"),
        (["a.extxyz", "b.xsf"], "b.xsf: an XSF file holds one structure; choose a name with %d in it, or a folder"),
        (["a.extxyz", "taken.xyz"], "taken.xyz: file exists; choose another name"),
        (["a.extxyz", "taken.db"], "taken.db: file exists; choose another name"),
        (["a.extxyz", "taken/%06d.xsf"], "taken/000003.xsf: file exists; choose another name"),
        (["a.extxyz", "none/none/b.xyz"], "none/none/b.xyz: cannot be written: No such file or directory"),
        (["a.extxyz", "none/none/b"], "cannot be written: No such file or directory"),
        (["taken.db", "b.xyz"], "taken.db: not a valid ASE database: file is not a database"),
        (["taken.json", "b.xyz"], "taken.json: not a valid ASE database: "),
        (
            ["cohesive.xsf", "b.xyz"],
            "cohesive.xsf: a cohesive energy cannot be converted; give the total energy instead",
        ),
        (["empty", "b.xyz"], "empty: no such file in this folder; expected a file .extxyz"),
        (["generate.in", "b.xyz"], "generate.in: found no atoms; ASE reads this file as aims, choose another"),
        (["empty/readme", "b.xyz"], "empty/readme: cannot be read as a structure: ASE does not recognise its format"),
        (["--format", "foo", "a.extxyz", "b.xyz"], "--format foo: ASE reads no such format"),
        (["a.extxyz", "/dev/null"], "/dev/null: cannot be written: it is a device; choose another name"),
        (["species.xsf", "b.xyz"], "species.xsf: only XSF files can hold species that are not chemical elements: Qq"),
        (["species.xsf", "b.db"], "species.xsf: only XSF files can hold species that are not chemical elements: Qq"),
        (["species.xsf", "b.json"], "species.xsf: only XSF files can hold species that are not chemical elements: Qq"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_written(folder, capsys, arguments, expected):
    for name in ("taken.xyz", "taken.db", "taken.json", "taken/000003.xsf", "empty/readme", "generate.in"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("text that is no database, and long enough to be looked at" * 20)
    Path("cohesive.xsf").write_text("# cohesive energy = -1 eV\nATOMS\nCu 0 0 0 0 0 0\n")
    Path("species.xsf").write_text("# total energy = -1 eV\nATOMS\nQq 0 0 0 0 0 0\n")
    before = listing(folder), sorted(folder.rglob("*"))
    assert main(["convert", *arguments]) == 1
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1
    assert (listing(folder), sorted(folder.rglob("*"))) == before


def test_species_that_are_no_elements_stay_in_xsf_files(folder, capsys):
    write(folder / "q.xsf", "# total energy = -1 eV\nATOMS\nQq 0 0 0 0 0 0\n")
    convert("q.xsf", "b")
    assert xsf.read_frame("b/000000.xsf").symbols == ("Qq",)
    convert("--skip-bad", "a.extxyz", "q.xsf", "c.xyz")
    assert "q.xsf: only XSF files can hold species that are not chemical elements: Qq" in capsys.readouterr().out
    assert len(frames_of("c.xyz")) == len(MADE)


def test_files_of_other_codes(folder, capsys):
    made = calculations.made()
    write(folder / "OUTCAR", calculations.outcar(made))
    write(folder / "relax", calculations.espresso(made))
    convert("a.extxyz", "OUTCAR", "b.db")
    for found, expected in zip(frames_of("b.db"), [*MADE, *made], strict=True):
        check_same(found, expected)
    convert("relax", "c.xyz")
    assert len(frames_of("c.xyz")) == len(made)
    assert main(["convert", "--format", "vasp-out", "OUTCAR", "a.extxyz", "d.xyz"]) == 1
    assert "a.extxyz: cannot be read as a structure: ASE reads it as vasp-out and reports:" in capsys.readouterr().err


def test_warnings_of_ase_are_a_line_each(folder, capsys):
    write(folder / "a.cif", CIF)
    convert("--incomplete", "a.cif", "b.xyz")
    error = capsys.readouterr().err
    assert error.startswith("Warning: crystal system 'trigonal' is not interpreted")
    assert error.count("\n") == 1


@pytest.mark.parametrize("output", ["b", "taken", "taken/cu-%03d.xsf", "new/cu-%03d.xsf"])
def test_killed_it_is_completed_by_the_next_run(folder, output, monkeypatch):
    """The process ends at once, as from SIGKILL, before any of its last system calls that name files."""
    (folder / "taken").mkdir()
    write(folder / "taken/readme", "mine")
    convert("a.extxyz", "expected" + ("" if "%" not in output else "/cu-%03d.xsf"))
    target = folder / output.partition("/")[0]
    for call in ("rename", "link"):
        for count in (1, 2, 12, len(MADE)):
            pid = os.fork()
            if pid == 0:
                monkeypatch.setattr(os, call, ending(getattr(os, call), count))
                main(["convert", "a.extxyz", output])
                os._exit(0)
            os.waitpid(pid, 0)
            convert("a.extxyz", output)
            found = listing(target)
            assert found.pop("readme", b"mine") == b"mine"
            assert found == listing(folder / "expected")
            assert not list(folder.rglob(".*"))
            for name in found:
                os.unlink(target / name)
            if target.name != "taken":
                target.rmdir()


def ending(call, count: int):
    """A system call that ends the process instead of being done for the last of count times."""
    left = [count]

    def called(*args, **kwargs):
        left[0] -= 1
        if not left[0]:
            os._exit(9)
        return call(*args, **kwargs)

    return called


def test_what_cannot_be_written_is_named(folder):
    """A limit on the size of files does what a full disk does."""
    write(folder / "large.xyz", TEXT * 300)
    before = sorted(folder.rglob("*"))
    for output in ("b.xyz", "b.db", "b.json", "b.xyz.xz"):
        source = "a.extxyz" if output == "b.json" else "large.xyz"
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))  # noqa: E731
        done = run(folder, "convert", source, output, program="aenet-py", preexec_fn=limit)
        assert done.returncode == 1
        assert done.stderr.startswith(f"Error: {output}: cannot be written: ")
        assert done.stderr.count("\n") == 1
        assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("output", ["b.xyz.xz", "b.db", "b"])
def test_interrupted_it_leaves_nothing(folder, output):
    write(folder / "large.xyz", TEXT * 300)
    before = sorted(folder.rglob("*"))
    assert interrupt(folder, "convert", "large.xyz", output) == (130, "Error: interrupted; nothing was written\n")
    assert sorted(folder.rglob("*")) == before
