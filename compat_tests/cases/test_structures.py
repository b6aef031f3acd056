"""Structures that were misread or refused: cases 09, 11, 13, 19, 20."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from aenet_py.cli.aenet import main
from aenet_py.cli.generate import main as generate
from aenet_py.formats import databases, extxyz, trainset, xsf
from compat_tests.cli.cases import ROOT

CASES = ROOT / "fixtures/cases"


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    """Copies the inputs of cases into the working folder, which is empty before."""
    monkeypatch.chdir(tmp_path)

    def copy(*numbers: str) -> None:
        for number in numbers:
            (case,) = CASES.glob(f"{number}-*")
            shutil.copytree(case, tmp_path, dirs_exist_ok=True)

    return copy


def test_energy_and_forces_of_one_source(inputs):
    inputs("09")
    assert main(["convert", "a.extxyz", "a.xsf"]) == 0
    assert xsf.read("a.xsf").energy == -9.8


@pytest.mark.parametrize("read", [lambda: main(["convert", "a.extxyz", "a.xsf"]), lambda: generate(["generate.in"])])
def test_units_with_a_hyphen(inputs, read, capsys):
    inputs("11", "19")
    deck = Path("generate.in").read_text().replace("set.xyz", "a.extxyz")
    Path("generate.in").write_text(deck)
    assert read() == 1
    expected = "Error: a.extxyz#0:2: found energy-unit=hartree; expected energies in eV, lengths in Å, forces in eV/Å"
    assert capsys.readouterr().err.startswith(expected)
    assert not Path("a.xsf").exists()


def test_atomic_numbers_in_xsf(inputs):
    from aenet_py.simulation import start

    inputs("13")
    for source, target in (("a.xsf", "a.db"), ("a.xsf", "b.extxyz"), ("b.extxyz", "c.extxyz"), ("a.xsf", "d.xsf")):
        assert main(["convert", source, target]) == 0
    (row,), ((_, frame),) = databases.read("a.db"), extxyz.read("b.extxyz")
    assert row.symbols == frame.symbols == xsf.read("d.xsf").symbols == ("Mg", "S")
    assert start.read("a.xsf").get_chemical_symbols() == ["Mg", "S"]


def test_atomic_numbers_in_generate_x(inputs):
    inputs("13", "19")
    deck = Path("generate.in").read_text()
    Path("numbers.in").write_text(deck.replace("set.xyz", "a.xsf").replace("x.train", "numbers.train"))
    Path("b.xsf").write_text(Path("a.xsf").read_text().replace("\n12 ", "\nMg ").replace("\n16 ", "\nS "))
    Path("symbols.in").write_text(deck.replace("set.xyz", "b.xsf").replace("x.train", "symbols.train"))
    assert generate(["numbers.in"]) == generate(["symbols.in"]) == 0
    assert Path("numbers.train").read_bytes() == Path("symbols.train").read_bytes().replace(b"b.xsf", b"a.xsf")


def test_a_lone_atom_without_forces(inputs):
    inputs("19")
    assert generate(["generate.in"]) == 0
    found = trainset.read("x.train")
    assert found.header.n_structures == 2
    assert np.array_equal(found.structures.atoms.forces[0], np.zeros(3))
    assert main(["convert", "set.xyz", "set.db"]) == 0
    assert [frame.energy for frame in databases.read("set.db")] == [-4.0, -9.8]


def test_byte_order_marks_and_line_ends_of_windows(inputs):
    inputs("19")
    assert generate(["generate.in"]) == 0
    expected = Path("x.train").read_bytes()
    Path("x.train").unlink()
    for path in (*Path().glob("*.stp"), Path("generate.in"), Path("set.xyz")):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert generate(["generate.in"]) == 0
    assert Path("x.train").read_bytes() == expected


def test_properties_in_small_letters(inputs):
    inputs("20")
    assert main(["convert", "a.extxyz", "a.db"]) == 0
    (found,) = databases.read("a.db")
    assert (found.symbols, found.energy) == (("Mg", "S"), -9.8)
    assert found.forces[1, 2] == 0.1
