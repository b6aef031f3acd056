"""Extended XYZ: frames as they were written, whatever the compression; what is wrong with a file, with its place."""

from __future__ import annotations

import lzma
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import extxyz, frames, xsf
from aenet_py.structure import Frame
from compat_tests.structures import as_text, check_same, make_frames, write

LATTICE = 'Lattice="4 0 0 0 4 0 0 0 4"'
FULL = "Properties=species:S:1:pos:R:3:forces:R:3"
GOOD = f"2\n{LATTICE} {FULL} energy=-1.5\nCu 0 0 0 0 0 0.1\nO 2 0 0.1 0 0 -0.1\n"


def read(path) -> list[Frame]:
    return [extxyz.parse(raw) for raw in frames.read(str(path))]


@pytest.mark.parametrize("ending", ["", ".xz", ".gz"])
@pytest.mark.parametrize("block", [1, 7, 100, 1 << 20])
def test_frames_come_back(tmp_path, monkeypatch, ending, block):
    monkeypatch.setattr(frames, "BLOCK_BYTES", block)
    made = make_frames(10 if block < 100 else 40)
    path = write(tmp_path / f"a.extxyz{ending}", "".join(as_text(frame) for frame in made))
    found = read(path)
    assert frames.count(str(path)) == len(found) == len(made)
    for number, (ours, frame) in enumerate(zip(found, made, strict=True)):
        check_same(ours, frame)
        assert ours.path == f"{path}#{number}"
        assert np.array_equal(ours.tags, frame.tags)
    assert b"".join(raw.content for raw in frames.read(str(path))).decode() == "".join(map(as_text, made))


def test_ase_reads_the_same(tmp_path):
    from ase.io import read as ase_read

    path = write(tmp_path / "a.extxyz", "".join(as_text(frame) for frame in make_frames(20)))
    for ours, atoms in zip(read(path), ase_read(path, ":"), strict=True):
        assert [ours.symbols[s] for s in ours.species] == atoms.get_chemical_symbols()
        assert np.array_equal(ours.positions, atoms.positions)
        assert ours.pbc == tuple(atoms.pbc)
        assert ours.energy == atoms.get_potential_energy()
        assert np.array_equal(ours.forces, atoms.get_forces(apply_constraint=False))
        assert np.array_equal(np.zeros((3, 3)) if ours.cell is None else ours.cell, atoms.cell[:])


def test_what_ase_writes_is_read(tmp_path):
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.constraints import FixAtoms
    from ase.io import write as ase_write

    path = tmp_path / "a.xyz"
    for made in make_frames(10):
        info = {"config": "a b", "charge": 1, "list": [1, 2], "note": "energy=7 pbc='F F F'"}
        atoms = Atoms(made.names(), made.positions, cell=made.cell, pbc=made.pbc, info=info)
        atoms.set_constraint(FixAtoms([0]))
        atoms.calc = SinglePointCalculator(atoms, energy=made.energy, forces=made.forces, stress=[1, 2, 3, 4, 5, 6])
        ase_write(path, atoms, format="extxyz", append=True)
    for found, made in zip(read(path), make_frames(10), strict=True):
        assert (found.energy, found.pbc) == (made.energy, made.pbc)
        assert found.names() == made.names()
        assert np.allclose(found.positions, made.positions, rtol=0, atol=1e-8)
        assert np.allclose(found.forces, made.forces, rtol=0, atol=1e-8)
        assert np.allclose(0 if found.cell is None else found.cell, 0 if made.cell is None else made.cell, atol=1e-8)


@settings(deadline=None)
@given(st.data())
def test_whatever_a_file_holds_it_is_read_or_named(tmp_path_factory, data):
    content = bytearray(GOOD.encode() * 2)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        piece = data.draw(
            st.sampled_from(
                [b"", b" ", b"\n", b"9" * 5000, b":", b"-", b"=", b'"', b"'", b"nan", b"\xff", b"tags:I:1:"]
            )
        )
        content[place : place + data.draw(st.integers(0, 3))] = piece
    path = tmp_path_factory.mktemp("any") / "a.xyz"
    path.write_bytes(content)
    try:
        for frame in read(path):
            assert np.isfinite(frame.positions).all()
            assert len(frame.names()) == len(frame.positions) > 0
    except InputError as error:
        assert str(error).startswith(str(path))  # noqa: PT017 - both ends are right


def test_atoms_that_may_not_move_keep_their_forces(tmp_path):
    (made,) = make_frames(1)
    (found,) = read(write(tmp_path / "a.xyz", as_text(made)))
    assert np.abs(found.forces[::2]).min() > 0  # where move_mask is 0


@pytest.mark.parametrize("number", range(10))
def test_what_is_written_is_read(tmp_path, number):
    made = make_frames(10)[number]
    path = tmp_path / "a.xyz"
    path.write_bytes(extxyz.text(made))
    check_same(read(path)[0], made)
    assert np.array_equal(read(path)[0].tags, made.tags)
    path = tmp_path / "a.xsf"
    path.write_bytes(xsf.text(made))
    check_same(xsf.read_frame(str(path)), made)
    if any(made.pbc):
        from ase.io import read as ase_read

        atoms = ase_read(path)
        assert np.array_equal(atoms.positions, made.positions)
        periodic = list(made.pbc)  # other vectors leave vacuum, as ænet repeats along all
        assert np.array_equal(atoms.cell[periodic], made.cell[periodic])
        assert tuple(atoms.pbc) == made.pbc or made.pbc == (False, True, False)  # which XSF cannot say
    structure = xsf.read(str(path))
    assert structure.total_energy == made.energy
    assert np.array_equal(structure.forces, made.forces)
    assert (structure.cell is None) == (not any(made.pbc))


@given(
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False, width=64).filter(lambda x: abs(x) < 1e300),
        min_size=6,
        max_size=6,
    )
)
def test_every_digit_is_kept(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("digits") / "a.xsf"
    numbers = np.array([values])
    frame = Frame("a#0", ("Cu",), np.array([0]), numbers[:, :3], energy=values[0], forces=numbers[:, 3:])
    path.write_bytes(xsf.text(frame))
    check_same(xsf.read_frame(str(path)), frame)
    path.write_bytes(extxyz.text(frame))
    check_same(read(path)[0], frame)


def test_keys_and_columns(tmp_path):
    def comment(text: str, atom: str = "Cu 0 0 1") -> Frame:
        (tmp_path / "a.xyz").write_text(f"1\n{text}\n{atom}\n\n \n")
        return read(tmp_path / "a.xyz")[0]

    assert comment("free_energy=-2 energy = -1").energy == -1
    assert comment("free_energy=-2").energy == -2
    assert comment('REF_energy="-3"').energy == -3
    assert comment("no value, a=b_c d={1 2}, 'x").energy is None
    assert comment("").pbc == (False, False, False)
    assert comment(LATTICE).pbc == (True, True, True)
    assert comment(f"{LATTICE} pbc=F").pbc == (False, False, False)
    assert comment(f"{LATTICE} pbc=[T, F, true]").pbc == (True, False, True)
    assert comment(f"{LATTICE} pbc=F").structure(reference=False).cell is None
    assert comment(f"{LATTICE} pbc='T T F'").structure(reference=False).cell is not None
    assert comment("energy=1 units=eV length_unit=Angstrom sid=random12").system == "random12"
    rows = np.arange(1.0, 4.0)
    found = comment("Properties=REF_forces:R:3:Z:I:1:species:S:1:pos:R:3", "1 2 3 29 Cu 7 8 9")
    assert np.array_equal(found.forces[0], rows)
    assert np.array_equal(found.positions[0], rows + 6)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "a.xyz: this file is empty; expected an extended XYZ file"),
        ("\n\n", "a.xyz: this file is empty"),
        ("two\n", "a.xyz#0:1: found 'two'; expected the number of atoms of a frame"),
        ("\0\1\n", "a.xyz#0:1: found '\\x00\\x01'; expected the number"),
        ("0\n\n", "a.xyz#0:1: found '0'; expected the number"),
        (GOOD + "\n3\n" + GOOD[2:], "a.xyz#1:6: 3 atoms announced, but the file ends after 2 lines of them"),
        (GOOD + "3", "a.xyz#1:5: 3 atoms announced, but the file ends after 0 lines"),
        (GOOD + "1\n" + GOOD[2:], "a.xyz#2:8: found 'O 2 0 0.1 0 0 -0.1'; expected the number of atoms"),
        (GOOD.replace("Cu 0", "Cu"), "a.xyz#0:3: found 'Cu 0 0 0 0 0.1'; expected the 7 words of an atom"),
        (GOOD.replace("O ", "Xx "), "a.xyz#0:4: found 'Xx'; expected the symbol of a chemical element"),
        (GOOD.replace("O ", "x "), "a.xyz#0:4: found 'x'; expected the symbol"),
        (GOOD.replace("-0.1", "nan"), "a.xyz#0:4: found 'nan' where a number belongs"),
        (GOOD.replace("-0.1", "1_0"), "a.xyz#0:4: found '1_0' where a number belongs"),
        (GOOD.replace("-0.1", "?"), "a.xyz#0:4: found '?' where a number belongs"),
        (GOOD.replace("-1.5", "low"), "a.xyz#0:2: found the energy 'low'; expected a number in eV"),
        (GOOD.replace("-1.5", "NaN"), "a.xyz#0:2: found the energy 'NaN'"),
        (GOOD.replace("energy", "E"), "a.xyz#0: no energy found; expected a total energy in eV"),
        (GOOD.replace(":forces", ":velocities"), "a.xyz#0: no forces found; expected those of every atom"),
        (GOOD.replace("4 0 0 0 4 ", "4 0 0 "), "a.xyz#0:2: found Lattice='4 0 0 0 0 0 4'; expected nine numbers in Å"),
        (GOOD.replace(LATTICE, "pbc='T T F'"), "a.xyz#0:2: found pbc='T T F', but no Lattice"),
        (GOOD.replace(LATTICE, LATTICE + " pbc='T T'"), "a.xyz#0:2: found pbc='T T'; expected three of T and F"),
        (GOOD.replace("energy", "energy_unit=Hartree energy"), "a.xyz#0:2: found energy_unit=Hartree; expected energi"),
        (GOOD.replace("energy", "units='kcal/mol' energy"), "a.xyz#0:2: found units=kcal/mol; expected energies in eV"),
        (GOOD.replace("pos:R:3", "pos:R:2"), "a.xyz#0:2: found pos:R:2 in Properties; expected pos:R:3"),
        (GOOD.replace("species:S:1:", ""), "a.xyz#0:2: found Properties=pos:R:3:forces:R:3; expected species:S:1 and"),
        (GOOD.replace("species:S:1", "species:S"), "a.xyz#0:2: found Properties=species:S:pos:R:3:forces:R:3; expecte"),
        (GOOD.replace("species:S:1", "species:X:1"), "a.xyz#0:2: found species:X:1 in Properties; expected a kind"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path, monkeypatch, content, expected):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.xyz", content)
    with pytest.raises(InputError) as caught:
        [frame.structure() for frame in read("a.xyz")]
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize("ending", [".xz", ".gz"])
def test_cut_and_broken_compressed_files(tmp_path, ending):
    path = write(tmp_path / f"a.extxyz{ending}", "".join(as_text(frame) for frame in make_frames(400)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"#\d+: the compressed data end too soon; expected the whole file"):
        frames.count(str(path))
    path.write_bytes(whole[:500] + bytes(100) + whole[600:])
    with pytest.raises(InputError, match=r"#\d+: the compressed data are broken"):
        frames.count(str(path))
    path.write_bytes(GOOD.encode())
    with pytest.raises(InputError, match="#0: the compressed data are broken"):
        frames.count(str(path))
    with pytest.raises(AenetError, match="no such file; expected an extended XYZ file"):
        frames.count(str(tmp_path / f"none.xyz{ending}"))


def test_several_streams_in_one_file(tmp_path):
    (tmp_path / "a.xyz.xz").write_bytes(lzma.compress(GOOD.encode()) * 3)
    assert frames.count(str(tmp_path / "a.xyz.xz")) == 3


def test_memory_does_not_grow_with_the_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "BLOCK_BYTES", 1 << 14)
    peaks = []
    for n in (500, 5000):
        path = write(tmp_path / f"{n}.xyz.gz", GOOD * n)
        tracemalloc.start()
        assert sum(len(extxyz.parse(raw).symbols) for raw in frames.read(str(path))) == 2 * n
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
