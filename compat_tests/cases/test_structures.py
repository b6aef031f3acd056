"""Structures that were misread or refused: case 13."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from aenet_py.cli.aenet import main
from aenet_py.cli.generate import main as generate
from aenet_py.formats import databases, extxyz, xsf
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
