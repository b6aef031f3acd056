"""Periodicity and the work of the neighbour search: inputs that failed for users."""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from pathlib import Path

import pytest
from ase.io import read
from hypothesis import given, settings
from hypothesis import strategies as st

from aenet_py.cli.generate import main as generate
from aenet_py.cli.predict import main as predict
from aenet_py.interfaces.ase import ANNCalculator
from compat_tests.cli.cases import ROOT, in_process

CASES = ROOT / "fixtures" / "cases"
SLAB, TINY_CUTOFF = "31-slab-with-little-vacuum", "18-tiny-cutoff"
SLAB_ENERGY = -19.899043  # eV, of the README
ZEROS = "f6261a5f23d2750f2a2de3f10484f6f1c75285d8d85014bd9777de766d5fb6c2"  # SHA-256 of the original
SETUP = """DESCR
END DESCR
ATOM {}
ENV 2
Mg
S
RMIN {}
BASIS type=Chebyshev
radial_Rc = {} radial_N = 2 angular_Rc = 3.0 angular_N = 1
"""
DECK = """OUTPUT x.train
TYPES
2
Mg -4.0
S -5.0
SETUPS
Mg Mg.stp
S S.stp
FORCES
FORCESPERCENT 100
FILES
1
{}
"""


@pytest.fixture(autouse=True, params=[SLAB])
def case(request, tmp_path, monkeypatch):
    """A copy of a case's folder, to work in."""
    folder = tmp_path / "case"
    shutil.copytree(CASES / request.param, folder, copy_function=shutil.copyfile)
    monkeypatch.chdir(folder)


tiny_cutoff = pytest.mark.parametrize("case", [TINY_CUTOFF], indirect=True)


def prepare(structure: str, cutoff: float = 4.0, r_min: float = 0.5) -> None:
    """A deck for generate.x of Mg and S."""
    for symbol in ("Mg", "S"):
        Path(f"{symbol}.stp").write_text(SETUP.format(symbol, r_min, cutoff))
    Path("generate.in").write_text(DECK.format(structure))


def products() -> list[bytes]:
    """What generate.x writes, which is removed."""
    assert generate(["generate.in"]) == 0
    found = [Path(name).read_bytes() for name in ("x.train", "x.train.forces")]
    Path("x.train").unlink()
    return found


def energies(capfd, *structures: str) -> list[float]:
    assert predict(["predict.in", *structures]) == 0
    found = re.findall(r"Total energy +: +(\S+) eV", capfd.readouterr().out)
    return [float(energy) for energy in found]


def test_predict_and_the_calculator_agree_on_a_slab(capfd):
    atoms = read("slab.extxyz")
    atoms.calc = ANNCalculator({"Mg": "Mg.nn.ascii", "S": "S.nn.ascii"})
    with pytest.warns(UserWarning, match="outside the range"):
        energy = atoms.get_potential_energy()
    assert energy == pytest.approx(SLAB_ENERGY, abs=1e-6)
    assert in_process(capfd, "convert", "slab.extxyz", "slab.xsf")[0] == 0
    assert energies(capfd, "slab.extxyz", "slab.xsf") == pytest.approx([energy] * 2, abs=1e-8)


@pytest.mark.parametrize("third", ["0 0 0", "0 0 1", "0 0 400", "0.5 -1 3"])
def test_an_open_vector_of_any_length_means_nothing(capfd, third):
    text = Path("slab.extxyz").read_text()
    Path("other.extxyz").write_text(text.replace("0 0 4.0", third))
    assert energies(capfd, "other.extxyz") == pytest.approx([SLAB_ENERGY], abs=1e-6)


def test_atoms_are_printed_where_they_are_along_an_open_vector(capfd):
    """And the frame's own cell, also after a relaxation."""
    text = Path("slab.extxyz").read_text()
    Path("slab.extxyz").write_text(text.replace("S 0 2.5 0.1", "S 0 -2.7 -0.9"))
    deck = Path("predict.in").read_text()
    Path("predict.in").write_text("RELAX\nmethod=bfgs steps=3\n" + deck)
    assert predict(["predict.in"]) == 0
    printed = capfd.readouterr().out
    assert "c = (        0.00000000       0.00000000       4.00000000 )" in printed
    first, relaxed = re.findall(r"^ S +(\S+) +(\S+) +(\S+)", printed, re.MULTILINE)[::2]
    assert first == ("0.000000", "2.500000", "-0.900000")
    assert -8.0 < float(relaxed[2]) < 0.0  # a step is 2.4 Å at most


@pytest.mark.parametrize("height", ["0.1", "-1.9", "30.0"])
def test_generate_makes_the_same_of_a_slab_and_of_its_xsf_file(capfd, height):
    """Also with an atom outside the cell."""
    text = Path("slab.extxyz").read_text()
    Path("slab.extxyz").write_text(text.replace("S 0 2.5 0.1", f"S 0 2.5 {height}"))
    prepare("slab.extxyz#0")
    ours = products()
    assert in_process(capfd, "convert", "slab.extxyz", "slab.xsf")[0] == 0
    Path("slab.xsf").rename("slab.extxyz#0")  # a file of that very name comes first
    assert products() == ours


@tiny_cutoff
def test_a_tiny_cutoff_gives_the_original_set_of_zeros():
    assert generate(["generate.in"]) == 0
    assert hashlib.sha256(Path("x.train").read_bytes()).hexdigest() == ZEROS


@tiny_cutoff
def test_a_tiny_cutoff_that_reaches_a_neighbor_is_named(capfd):
    text = Path("a.xsf").read_text()
    Path("a.xsf").write_text(text.replace("Ni 1.7600 1.7600 0.0000", "Ni 0.0040 0.0000 0.0000"))
    assert generate(["generate.in"]) == 1
    message = capfd.readouterr().err
    assert (
        "a.xsf: the structure is too large for the cutoff of 0.005 Angstrom: the search would need 3.49e+08 cells"
        in message
    )
    assert not Path("x.train").exists()


WORK = {
    "a tiny cell": ("0.001 0 0 0 0.001 0 0 0 0.001", "T T T", 4.0, "the cell is 0.001 Angstrom thick, too thin for"),
    "a tiny vector": ("9 0 0 0 9 0 0 0 1e-9", "T T T", 4.0, "the cell is 1e-09 Angstrom thick, too thin for"),
    "a needle": ("1 0 0 1e7 1 0 0 0 1", "T T F", 4.0, "the cell is 1e-07 Angstrom thick, too thin for"),
    "a tiny slab": ("0.001 0 0 0 0.001 0 0 0 0", "T T F", 4.0, "the cell is 0.001 Angstrom thick, too thin for"),
    "a huge cutoff": ("5 0 0 0 5 0 0 0 5", "T T T", 1e9, r"too thin for the cutoff of 1e\+09"),
    "a huge cutoff of a wire": ("5 0 0 0 5 0 0 0 5", "T F F", 1e9, r"too thin for the cutoff of 1e\+09"),
    "a cutoff beyond numbers": ("5 0 0 0 5 0 0 0 5", "T T T", 1e200, r"too thin for the cutoff of 1e\+200"),
    "a huge cell": ("1e20 0 0 0 1e20 0 0 0 1e20", "T T T", 4.0, "its atoms are too far apart for the cutoff of 4"),
    "beyond numbers": ("1e300 0 0 0 1e300 0 0 0 1e300", "T T F", 4.0, "cell vectors must be finite and below 1e"),
    "a tiny volume": ("1e-150 0 0 0 1e-150 0 0 0 1e-150", "T T T", 4.0, "a cell vector is shorter than 1e-30"),
    "a missing vector": ("5 0 0 0 5 0 0 0 0", "T T T", 4.0, "the cell is flat"),
    "a missing vector of a wire": ("5 0 0 0 5 0 0 0 0", "F F T", 4.0, "pbc is set along a missing cell vector"),
    "a line": ("5 0 0 5 0 0 0 0 5", "T F T", 4.0, "cell vectors lie in a plane or on a line"),
}


@pytest.mark.parametrize("name", WORK)
def test_more_work_than_a_machine_can_do_is_refused_at_once(capfd, name):
    """For any RMIN, and with the numbers."""
    cell, pbc, cutoff, message = WORK[name]
    text = f'1\nLattice="{cell}" Properties=species:S:1:pos:R:3:forces:R:3 energy=-4 pbc="{pbc}"\nMg 0 0 0 0 0 0\n'
    Path("a.extxyz").write_text(text)
    prepare("a.extxyz", cutoff, 1e-6)
    began = time.perf_counter()
    assert generate(["generate.in"]) == 1
    assert time.perf_counter() - began < 20  # compiling kernels included
    (line,) = capfd.readouterr().err.splitlines()
    assert re.search("a.extxyz#0: .*" + message, line)
    assert not Path("x.train").exists()


@pytest.mark.parametrize(("keyword", "vacuum", "warned"), [("SLAB", 4.0, True), ("SLAB", 9.0, False), ("", 4.0, False)])
def test_an_xsf_slab_that_is_repeated_is_named(capfd, keyword, vacuum, warned):
    """As in the original, it repeats along all vectors, whatever its keyword."""
    atoms = "Mg 0 0 0 0 0 0\nMg 2.4 0.1 0.2 0 0 0\nS 0 2.5 0.1 0 0 0\nS 0.1 0 2.6 0 0 0\n"
    cell = f"PRIMVEC\n5.0 0 0\n0 5.2 0\n0 0 {vacuum}\nPRIMCOORD\n4 1\n"
    Path("slab.xsf").write_text(f"# total energy = -20.0 eV\n{keyword}\n{cell}{atoms}")
    Path("predict.in").write_text("VERBOSITY low\n" + Path("predict.in").read_text())
    prepare("slab.xsf")
    expected = "Warning: slab.xsf: not periodic along all vectors, but repeated along all of them"
    for command, deck in ((generate, "generate.in"), (predict, "predict.in")):
        assert command([deck, *["slab.xsf"] * (command is predict)]) == 0
        assert (expected in capfd.readouterr().err) == warned


numbers = st.one_of(
    st.sampled_from([0.0, 1.0, 2.5, -4.0]),
    st.builds(lambda sign, power: sign * 10.0**power, st.sampled_from([-1, 1]), st.integers(-300, 300)),
    st.floats(-6.0, 6.0),
)
cells = st.one_of(
    st.just([[5.0, 0.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 5.0]]),
    st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=3, max_size=3),
    st.builds(
        lambda sides: [[x if i == j else 0.0 for j in range(3)] for i, x in enumerate(sides)], st.tuples(*[numbers] * 3)
    ),
)


@settings(deadline=20_000, max_examples=80)
@given(
    cell=cells,
    pbc=st.lists(st.sampled_from("TF"), min_size=3, max_size=3),
    positions=st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=1, max_size=4),
    cutoff=st.sampled_from([4.0, 4.0, 1e9, 1e-3, 1e200]),
    r_min=st.sampled_from([0.5, 1e-6]),
    extended=st.booleans(),
)
def test_wild_cells_and_positions_end_in_one_line_or_a_result(capfd, cell, pbc, positions, cutoff, r_min, extended):
    rows = [" ".join(map(repr, row)) for row in cell]
    atoms = "".join("Mg " + " ".join(map(repr, row)) + " 0 0 0\n" for row in positions)
    if extended:
        header = f'Lattice="{" ".join(rows)}" pbc="{" ".join(pbc)}" Properties=species:S:1:pos:R:3:forces:R:3 energy=-4'
        text = f"{len(positions)}\n{header}\n{atoms}"
    else:
        section = ["PRIMVEC", *rows, "PRIMCOORD", f"{len(positions)} 1"] if "T" in pbc else ["ATOMS"]
        text = "\n".join(["# total energy = -4.0 eV", *section, atoms])
    name = "wild.extxyz" if extended else "wild.xsf"
    Path(name).write_text(text)
    prepare(name, cutoff, r_min)
    Path("x.train").unlink(missing_ok=True)
    for command, arguments in ((generate, ["generate.in"]), (predict, ["predict.in", name])):
        status = command(arguments)
        lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith(("Error: ", "Traceback"))]
        assert (status, len(lines)) in ((0, 0), (1, 1))
        assert not lines or "wild." in lines[0]


@pytest.mark.parametrize("third", ["0.0 0.0 4.0", "0.0 0.0 0.0", "0.5 -1.0 50.0"])
def test_the_cell_of_a_slab_comes_back_from_xsf(capfd, third):
    text = Path("slab.extxyz").read_text().replace("0 0 4.0", third)
    Path("slab.extxyz").write_text(text)
    for source, target in (("slab.extxyz", "slab.xsf"), ("slab.xsf", "back.extxyz"), ("back.extxyz", "again.xsf")):
        assert in_process(capfd, "convert", source, target)[0] == 0
    back = read("back.extxyz")
    assert back.pbc.tolist() == [True, True, False]
    assert back.cell.array.tolist() == read("slab.extxyz").cell.array.tolist()
    assert Path("again.xsf").read_bytes() == Path("slab.xsf").read_bytes()
