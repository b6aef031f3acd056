"""XSF files: atoms by symbol, number or label, as read by the original and as written by other programs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aenet_py.elements import NUMBER, SYMBOLS
from aenet_py.errors import InputError
from aenet_py.formats import xsf

HEAD = "# total energy = -9.8 eV\nCRYSTAL\nPRIMVEC\n6 0 0\n0 6 0\n0 0 6\nPRIMCOORD\n"


def read(tmp_path, *names: str, types: tuple[str, ...] = (), forces: str = " 0 0 0.1"):
    path = tmp_path / "a.xsf"
    atoms = "".join(f"{name} {i} 0 0{forces}\n" for i, name in enumerate(names))
    path.write_text(f"{HEAD}{len(names)} 1\n{atoms}")
    return xsf.read(str(path), types=types)


def names_of(structure) -> list[str]:
    return [structure.symbols[s] for s in structure.species.tolist()]


@pytest.mark.parametrize(
    ("written", "types", "expected"),
    [
        ("12 16 12", (), "Mg S Mg"),
        ("8 O O1 O_w O22", (), "O O O O O"),
        ("Ti1 Ti2 Ti_3 22", (), "Ti Ti Ti Ti"),
        ("C1 C2 H10 H_a 6", ("C", "H"), "C C H H C"),
        ("104 100 99", (), "Rf Fm Es"),
        ("O1 O2 O3 8", ("O1", "O2"), "O1 O2 O O"),  # species of a deck, as in the original
        ("22 8", ("22", "8"), "22 8"),
        ("22 Ti", ("22",), "22 Ti"),
        ("Carbon Titan", (), "Ca Ti"),
        ("CU cu 0 119 X", (), "CU cu 0 119 X"),
    ],
)
def test_names(tmp_path, written, types, expected):
    found = read(tmp_path, *written.split(), types=types)
    assert names_of(found) == expected.split()
    assert found.positions[:, 0].tolist() == list(range(len(expected.split())))
    assert (found.forces == [0, 0, 0.1]).all()


@given(st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=6), st.data())
def test_any_spelling_of_the_elements_is_the_same(tmp_path_factory, symbols, data):
    folder = tmp_path_factory.mktemp("names")
    written = [
        data.draw(st.sampled_from([symbol, str(NUMBER[symbol]), symbol + "1", symbol + "_b2"])) for symbol in symbols
    ]
    assert names_of(read(folder, *written)) == symbols
    assert names_of(read(folder, *written, types=tuple(set(symbols)))) == symbols


def test_an_atom_without_a_name(tmp_path):
    """The total number of words is right, but one line lacks a word and the next has one too many."""
    path = tmp_path / "a.xsf"
    path.write_text(f"{HEAD}2 1\n12 0 0 0 0 0\n16 0 0 2 0 0 0 1\n")
    with pytest.raises(InputError, match=":9: found '12 0 0 0 0 0'; expected '<symbol> x"):
        xsf.read(str(path))


def test_a_single_atom_needs_no_forces(tmp_path):
    assert read(tmp_path, "12", forces="").forces.tolist() == [[0, 0, 0]]
    assert xsf.read_frame(str(tmp_path / "a.xsf")).forces.tolist() == [[0, 0, 0]]
    with pytest.raises(InputError, match="no forces in"):
        read(tmp_path, "12", "16", forces="")


def test_a_byte_order_mark_is_skipped(tmp_path):
    expected = read(tmp_path, "Mg", "S")
    path = tmp_path / "a.xsf"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    found = xsf.read(str(path))
    assert found.energy == -9.8
    assert np.array_equal(found.positions, expected.positions)


@pytest.mark.parametrize("unit", ["Ha", "hartree", "Ry", "(kcal/mol)", "a.u."])
def test_an_energy_in_another_unit(tmp_path, unit):
    read(tmp_path, "Mg", "S")
    path = tmp_path / "a.xsf"
    text = path.read_text()
    path.write_text(text.replace("eV", unit))
    with pytest.raises(
        InputError, match=r"a\.xsf:1: found '# total energy = -9\.8 .*'; expected 'total energy = <number> eV'"
    ):
        xsf.read(str(path))
    path.write_text(text.replace("eV", f"eV, converted from {unit}"))
    assert xsf.read(str(path)).energy == -9.8


@pytest.mark.parametrize(
    "line",
    [
        "total energy (Ha) = -1",
        "total energy in Hartree = -1",
        "total energy per atom = -1 eV",
        "total energy = -1 eV/atom",
    ],
)
def test_an_energy_that_is_not_total_or_not_in_ev(tmp_path, line):
    read(tmp_path, "Mg", "S")
    path = tmp_path / "a.xsf"
    path.write_text(path.read_text().replace("total energy = -9.8 eV", line))
    for reader in (xsf.read, xsf.read_frame):
        with pytest.raises(
            InputError, match=r"a\.xsf:1: found '# total energy .*'; expected 'total energy = <number> eV'"
        ):
            reader(str(path))


@pytest.mark.parametrize("count", ["-1 1", "0 1"])
def test_an_invalid_number_of_atoms(tmp_path, count):
    read(tmp_path, "Mg", "S")
    path = tmp_path / "a.xsf"
    path.write_text(path.read_text().replace("2 1\n", f"{count}\n"))
    with pytest.raises(InputError, match=f":8: found '{count}' after PRIMCOORD; expected the number of atoms"):
        xsf.read_frame(str(path))


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a.xsf", True), ("A.XSF", True), ("d/input.xsf.000001", True), ("a.xsf.gz", False), ("axsf", False)],
)
def test_names_of_files(path, expected):
    assert xsf.is_xsf(path) == expected
