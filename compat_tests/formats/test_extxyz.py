"""Extended XYZ: frames as they were written, with any compression, and errors with file and line."""

from __future__ import annotations

import lzma
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import extxyz, frames, xsf
from aenet_py.formats.labels import Labels
from aenet_py.structure import Structure, species_of_atoms
from compat_tests.structures import as_text, check_same, make_frames, write

LATTICE = 'Lattice="4 0 0 0 4 0 0 0 4"'
FULL = "Properties=species:S:1:pos:R:3:forces:R:3"
GOOD = f"2\n{LATTICE} {FULL} energy=-1.5\nCu 0 0 0 0 0 0.1\nO 2 0 0.1 0 0 -0.1\n"


def read(path) -> list[Structure]:
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


@given(st.data())
def test_any_bytes_are_read_or_an_error(tmp_path_factory, data):
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
        periodic = list(made.pbc)  # vacuum along the others, as ænet repeats along all
        assert np.array_equal(atoms.cell[periodic], made.cell[periodic])
        assert tuple(atoms.pbc) == made.pbc or made.pbc == (False, True, False)  # not possible in XSF
    structure = xsf.read(str(path))
    assert structure.energy == made.energy
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
    frame = Structure("a#0", ("Cu",), np.array([0]), numbers[:, :3], energy=values[0], forces=numbers[:, 3:])
    path.write_bytes(xsf.text(frame))
    check_same(xsf.read_frame(str(path)), frame)
    path.write_bytes(extxyz.text(frame))
    check_same(read(path)[0], frame)


def test_keys_and_columns(tmp_path):
    def comment(text: str, atom: str = "Cu 0 0 1") -> Structure:
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
    assert comment(f"{LATTICE} pbc=F").lattice is None
    assert comment(f"{LATTICE} pbc='T T F'").lattice is not None
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
        (GOOD.replace("species:S:1", "species:X:1"), "a.xyz#0:2: found species:X:1 in Properties; expected a type"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path, monkeypatch, content, expected):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.xyz", content)
    with pytest.raises(InputError) as caught:
        [frame.check_reference() for frame in read("a.xyz")]
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize("ending", [".xz", ".gz"])
def test_truncated_and_damaged_compressed_files(tmp_path, ending):
    path = write(tmp_path / f"a.extxyz{ending}", "".join(as_text(frame) for frame in make_frames(400)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"#\d+: the compressed data are incomplete"):
        frames.count(str(path))
    path.write_bytes(whole[:500] + bytes(100) + whole[600:])
    with pytest.raises(InputError, match=r"#\d+: the compressed data are damaged"):
        frames.count(str(path))
    path.write_bytes(GOOD.encode())
    with pytest.raises(InputError, match="#0: the compressed data are damaged"):
        frames.count(str(path))
    with pytest.raises(AenetError, match="no such file; expected an extended XYZ file"):
        frames.count(str(tmp_path / f"none.xyz{ending}"))


def test_several_streams_in_one_file(tmp_path):
    (tmp_path / "a.xyz.xz").write_bytes(lzma.compress(GOOD.encode()) * 3)
    assert frames.count(str(tmp_path / "a.xyz.xz")) == 3


@pytest.mark.memory
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


def frame_of(comment: str, *atoms: str, **options) -> Structure:
    lines = [str(len(atoms)), comment, *atoms]
    return extxyz.parse(frames.RawFrame("a.xyz", 0, 1, tuple(line.encode() for line in lines)), **options)


BOTH = "Properties=species:S:1:pos:R:3:forces:R:3:REF_forces:R:3"
ATOMS = ("Cu 0 0 0 0 0 0.1 0 0 0.2", "O 2 0 0.1 0 0 -0.1 0 0 -0.2")


@pytest.mark.parametrize(
    ("keys", "energy", "forces"),
    [
        ("energy=-1", -1, 0.1),
        ("REF_energy=-2", -2, 0.2),
        ("energy=-1 free_energy=-3", -1, 0.1),
        ("energy=-1 eV flag note=1 Ha", -1, 0.1),
        ("energy=-1 energy=-1 Energy=-1.00001", -1, 0.1),
    ],
)
def test_energy_and_forces_of_the_same_source(keys, energy, forces):
    found = frame_of(f"{BOTH} {keys}", *ATOMS, reference=True)
    assert (found.energy, found.forces[0, 2]) == (energy, forces)


LABEL = st.sampled_from(["", "REF_", "dft_", "MACE_", "pbe_"])
NEAR_ZERO = st.floats(-5, 5)


@given(st.lists(LABEL, min_size=2, max_size=3, unique=True), st.lists(NEAR_ZERO, min_size=6, max_size=6), st.data())
def test_several_sources_are_an_error_unless_one_is_chosen(sources, numbers, data):
    properties = ":".join(f"{name}forces:R:3" for name in sources)
    keys = " ".join(f"{name}energy={value!r}" for name, value in zip(sources, numbers, strict=False))
    atoms = [
        f"{symbol} 0 0 {i} " + " ".join(f"0 0 {x!r}" for x in numbers[3 : 3 + len(sources)])
        for i, symbol in enumerate(("Cu", "O"))
    ]
    comment = f"Properties=species:S:1:pos:R:3:{properties} {keys}"
    chosen = data.draw(st.sampled_from(range(len(sources))))
    name = sources[chosen]
    for labels in (
        Labels(f"{name}ENERGY", f"{name}forces"),
        Labels(f"{name}energy"),
        Labels(None, f"{name}Forces".upper()),
    ):
        found = frame_of(comment, *atoms, reference=True, labels=labels)
        assert (found.energy, found.forces[1, 2]) == (numbers[chosen], numbers[3 + chosen])
    n = len(sources)
    same = max(np.ptp(numbers[:n]), np.ptp(numbers[3 : 3 + n]))
    if same < 0.9e-4:
        assert frame_of(comment, *atoms, reference=True).energy in numbers[:n]
    elif same > 2.1e-4:
        with pytest.raises(InputError, match="found labels of several sources, which differ"):
            frame_of(comment, *atoms)
    assert frame_of(comment, *atoms, reference=False).energy is None


def columns(forces: str) -> str:
    return f"Properties=species:S:1:pos:R:3:{forces}:R:3"


NEEDED = {"reference": True}


@pytest.mark.parametrize(
    ("comment", "options", "expected"),
    [
        (f"{BOTH} energy=-1 REF_energy=-2", NEEDED,
         "found labels of several sources, which differ: energy with forces, REF_energy with REF_forces; choose with"),
        (f"{columns('REF_forces')} energy=-1", {}, "found energy, REF_forces: energy and forces of different sources"),
        (f"{FULL} total_energy=-1", NEEDED, "found total_energy, forces: no energy and forces of one source; choose"),
        (f"{columns('MACE_forces')} energy=-1", NEEDED, "found energy, MACE_forces: no energy and forces of one"),
        (f"{FULL} energy=-1", {**NEEDED, "labels": Labels("E")}, "found no energy 'E'; there is energy, forces"),
        (f"{FULL} energy=-1", {**NEEDED, "labels": Labels("energy", "F")}, "found no forces 'F'; there is energy, fo"),
        (f"{FULL} energy=-1 energy=-2", {}, "found energy=-1 and energy=-2; expected one value of a key"),
        (f"{FULL} energy=-1 Energy=-2", {}, "found labels of several sources, which differ: energy with forces, "),
        (f"{FULL} {LATTICE} lattice='2 0 0 0 2 0 0 0 2'", {}, "found lattice=4 0 0 0 4 0 0 0 4 and lattice=2 0 0 0 2"),
        (f"{FULL}:forces:R:3 energy=-1", {}, "found forces twice in Properties; expected each column once"),
        (f"{FULL} energy=-1", {"labels": Labels(None, "species")}, "found species:S:1 in Properties; expected"),
        (f"{FULL} energy_unit=Ha energy=-1", {"reference": False}, "found energy_unit=Ha; expected energies in eV"),
        (f"{FULL} energy=-0.36 Ha", {}, "found -0.36 Ha; expected energies in eV"),
        (f"{FULL} energy=-0.36 eV/atom", {}, "found -0.36 eV/atom; expected energies in eV"),
        (f"{FULL} E_Ha=-1", {"labels": Labels("E_Ha", "forces")}, "found E_Ha; expected total energies in eV"),
        (f"{FULL} {LATTICE} pbc=T T F", {}, "found pbc=T T without quotes; expected pbc="),
        (f"{FULL} cell='4 0 0 0 4 0 0 0 4'", {}, "found cell='4 0 0 0 4 0 0 0 4', but no Lattice; expected Lat"),
        (f"{FULL} Lattice_Vectors=[[4,0,0],[0,4,0],[0,0,4]]", {"reference": False}, "found lattice_vectors='[4,0,"),
        (f"{FULL} energy=-0.36 kcal/mol flag", {}, "found -0.36 kcal/mol; expected energies in eV"),
        (f"{FULL} pbc=F energy = -0.36, (hartree) a=b", {}, "found -0.36 (hartree); expected energies in eV"),
        (f"{FULL} Units=Ha", {}, "found Units=Ha; expected energies in eV, lengths in Å, forces in eV/Å"),
        ("Lattice=[[1,0,0],[0,1,0],[0,0]]", {}, "found Lattice='[1,0,0],[0,1,0],[0,0]'; expected nine numbers in Å"),
    ],
)  # fmt: skip
def test_labels_and_units_that_are_refused(comment, options, expected):
    atoms = ("Cu 0 0 0 0 0 0.1", "O 2 0 0.1 0 0 -0.1")
    if comment.startswith(BOTH):
        atoms = ATOMS
    with pytest.raises(InputError) as caught:
        frame_of(comment, *atoms, **options)
    assert str(caught.value).startswith(f"a.xyz#0:2: {expected}")


@pytest.mark.parametrize("lattice", [
    '"4 0 0 0 5 0 0 1 6"', "'4 0 0 0 5 0 0 1 6'", "{4 0 0 0 5 0 0 1 6}", "[4, 0, 0, 0, 5, 0, 0, 1, 6]",
    "4,0,0,0,5,0,0,1,6", "[[4, 0, 0], [0, 5, 0], [0, 1, 6]]", '"[[4,0,0],[0,5,0],[0,1,6]]"',
    '"{4 0 0} {0 5 0} {0 1 6}"', '"(4 0 0 0 5 0 0 1 6)"', r'"\"4 0 0 0 5 0 0 1 6\""', '"\t4  0 0 0 5 0 0 1 6 "',
])  # fmt: skip
def test_lattices(lattice):
    found = frame_of(f"pbc='T F T' Lattice = {lattice} energy=-1", "Cu 0 0 0")
    assert np.array_equal(found.cell, [[4, 0, 0], [0, 5, 0], [0, 1, 6]])
    assert (found.energy, found.pbc) == (-1, (True, False, True))


def test_atoms_by_number_and_by_symbol():
    for columns in ("Z:I:1:pos:R:3", "species:S:1:pos:R:3", "pos:R:3:Numbers:i:1", "SPECIES:s:1:Pos:r:3"):
        last = columns.lower().endswith("i:1")
        atoms = [f"{x} 0 0 {z}" if last else f"{z} {x} 0 0" for x, z in ((1, 29), (2, 8), (3, 29))]
        found = frame_of(f"Properties={columns}", *atoms)
        assert (found.names(), found.positions[:, 0].tolist()) == (["Cu", "O", "Cu"], [1, 2, 3])
    for symbol, hint in (
        ("CU", "; did you mean 'Cu'?"),
        ("cu", "; did you mean 'Cu'?"),
        ("0", ""),
        ("119", ""),
        ("Cu1", ""),
    ):
        with pytest.raises(InputError) as caught:
            frame_of("", f"{symbol} 0 0 0")
        assert str(caught.value) == f"a.xyz#0:3: found {symbol!r}; expected the symbol of a chemical element{hint}"


def test_other_columns_may_hold_anything():
    found = frame_of("Properties=label:S:1:species:S:1:pos:R:3:magmoms:R:1:energies:R:1", "C_sp3 C 0 0 1 nan ?")
    assert found.positions.tolist() == [[0, 0, 1]]


def test_a_single_atom_needs_no_forces():
    for comment in ("REF_energy=-4 pbc='F F F'", f"{LATTICE} REF_energy=-4", f"{LATTICE} pbc='F F F' REF_energy=-4"):
        found = frame_of(f"config_type=IsolatedAtom {comment}", "Cu 0 0 0", reference=True)
        assert (found.energy, found.forces.tolist()) == (-4, [[0, 0, 0]])
    for comment in ("cutoff_energy=500", "energy=-1 REF_energy=-4"):
        with pytest.raises(InputError):
            frame_of(comment, "Cu 0 0 0", reference=True)
    chosen = Labels("pbe_energy", "pbe_forces")
    assert frame_of("pbe_energy=-3 energy=-4", "Cu 0 0 0", reference=True, labels=chosen).energy == -3


@pytest.mark.parametrize("change", [
    lambda text: b"\xef\xbb\xbf" + text, lambda text: text.replace(b"\n", b"\r\n"),
    lambda text: text.replace(b"\n", b" \t\n"), lambda text: text.replace(b" ", b"\t"),
    lambda text: text + b"\r\n\r\n \n",
])  # fmt: skip
@pytest.mark.parametrize("block", [1, 1 << 20])
def test_line_ends_blanks_and_byte_order_marks(tmp_path, monkeypatch, change, block):
    monkeypatch.setattr(frames, "BLOCK_BYTES", block)
    path = tmp_path / "a.xyz"
    path.write_bytes(GOOD.encode() * 2)
    expected = read(path)
    path.write_bytes(change((GOOD * 2).encode()))
    for found, frame in zip(read(path), expected, strict=True):
        check_same(found, frame)


KEYS = st.sampled_from(["lower", "upper", "title"])


@given(st.data())
def test_order_case_and_quotes_of_keys_do_not_matter(data):
    (made,) = make_frames(1)
    rows = extxyz.text(made).decode().splitlines()
    cell = " ".join(map(repr, made.cell.ravel().tolist()))
    nested = ",".join("[" + ",".join(map(repr, row)) + "]" for row in made.cell.tolist())
    properties = ":".join(
        data.draw(st.sampled_from([name, name.upper(), name.capitalize()]))
        + ":"
        + data.draw(st.sampled_from([kind, kind.lower()]))
        for name, kind in (("species", "S:1"), ("pos", "R:3"), ("tags", "I:1"), ("forces", "R:3"))
    )
    values = {
        "Lattice": st.sampled_from([f'"{cell}"', f"'{cell}'", f"{{{cell}}}", f"[{nested}]", f'"[{nested}]"']),
        "Properties": st.sampled_from([properties, f'"{properties}"']),
        "energy": st.sampled_from([repr(made.energy), f'"{made.energy!r}"', f"{made.energy!r},"]),
        "pbc": st.sampled_from(['"T T T"', "[T, T, T]", "T", "{true True 1}", "'t,t,t'"]),
        "free_energy": st.just("7"),
        "note": st.sampled_from(['"energy=3 REF_energy=5"', "it's", r'"a \" b"', '{"energy": 3}', "[[1, 2], [3, 4]]"]),
        '"a key"': st.just("5"),
    }
    words = ["flag", "'energy=9'"]
    for key, value in values.items():
        spelled = data.draw(st.sampled_from([key, key.lower(), key.upper(), *([] if '"' in key else [f'"{key}"'])]))
        words.append(spelled + data.draw(st.sampled_from(["=", " = ", "= "])) + data.draw(value))
    comment = data.draw(st.sampled_from([" ", "  ", "\t"])).join(data.draw(st.permutations(words)))
    found = frame_of(comment, *rows[2:], reference=True)
    check_same(found, made)
    assert np.array_equal(found.tags, made.tags)


NUMBERS = st.floats(-1e6, 1e6)
SYMBOL = st.sampled_from(["H", "O", "Ti", "Og"])


@st.composite
def any_frame(draw) -> Structure:
    names = draw(st.lists(SYMBOL, min_size=1, max_size=5))
    symbols, species = species_of_atoms(names)
    n = len(names)

    def numbers(*shape: int) -> np.ndarray:
        size = int(np.prod(shape))
        return np.array(draw(st.lists(NUMBERS, min_size=size, max_size=size))).reshape(shape)

    cell = draw(st.sampled_from([None, numbers(3, 3)]))
    return Structure(
        path="a.xyz#0", symbols=symbols, species=species, positions=numbers(n, 3), cell=cell,
        pbc=(False, False, False) if cell is None else draw(st.tuples(st.booleans(), st.booleans(), st.booleans())),
        energy=draw(st.none() | NUMBERS), forces=draw(st.sampled_from([None, numbers(n, 3)])),
        tags=draw(st.sampled_from([None, np.arange(n)])),
        system=draw(st.none() | st.text(st.characters(codec="utf-8"))),
    )  # fmt: skip


@given(any_frame())
def test_any_frame_that_is_written_is_read(frame):
    lines = extxyz.text(frame).split(b"\n")
    assert lines.pop() == b""
    found = extxyz.parse(frames.RawFrame("a.xyz", 0, 1, tuple(lines)))
    check_same(found, frame, paths=True)
    assert found.system == frame.system
    assert (found.tags is None) == (frame.tags is None)


@pytest.mark.memory
@pytest.mark.slow
def test_a_long_comment_takes_little_memory(tmp_path):
    """Once, 50 MB with three million keys took 2.9 GB."""
    path = tmp_path / "a.xyz"
    for filling in ("x" * 5_000_000, 'key="value" ' * 400_000, "data=[" + "1.25 " * 1_000_000 + "]"):
        path.write_text(GOOD.replace(" energy", f" {filling} energy"))
        tracemalloc.start()
        assert read(path)[0].energy == -1.5
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 6 * len(filling)


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr(frames, "LONGEST_LINE", 1 << 20)
    path = write(tmp_path / "a.xyz.xz", "2\n" + "x" * 3_000_000 + "\n")
    with pytest.raises(InputError, match="#0: found a line of more than 1 MB; expected an extended XYZ file"):
        frames.count(str(path))


def test_a_cell_beside_the_lattice_is_not_used():
    assert frame_of(f"{LATTICE} cell='5 0 0 0 5 0 0 0 5' energy=-1", "Cu 0 0 0").cell[0, 0] == 4
    assert frame_of("cell='5 0 0 0 5 0 0 0 5' pbc=F energy=-1", "Cu 0 0 0").cell is None
    assert frame_of("cell=primitive energy=-1", "Cu 0 0 0").cell is None


def test_exponents_of_fortran():
    found = frame_of(
        f"Lattice='4.d0 0 0 0 4 0 0 0 1D+1' {FULL} energy=-1.5d+1", "Cd 1.D-1 2.5d0 0 0 0 1d0", "O 2 0 0 0 0 -1"
    )
    assert (found.energy, found.names()) == (-15.0, ["Cd", "O"])
    assert found.positions.tolist() == [[0.1, 2.5, 0], [2, 0, 0]]
    assert found.forces[0, 2] == 1.0
    assert found.cell.diagonal().tolist() == [4, 4, 10]
