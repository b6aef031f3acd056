"""The studies in docs run at a very small size and write what they should."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT

from aenet_py import read
from aenet_py.tools.init import choose
from compat_tests.cli.cases import ROOT, table

pytestmark = pytest.mark.slow

PNG = b"\x89PNG"


def rows_of(program: str, folder: Path, *more: str) -> tuple[list[dict[str, str]], str]:
    """The rows of the table that a study writes, and its standard output."""
    script = str(ROOT / "docs" / "study" / f"{program}.py")
    command = [sys.executable, script, "--folder", str(folder), "--quick", *more]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / f"{program}.png").read_bytes().startswith(PNG)
    return table(folder / f"{program}.csv"), done.stdout


def test_reference(tmp_path):
    """With EMT; twice: the second time, everything is there already."""
    script = str(ROOT / "docs" / "study" / "reference.py")
    command = [sys.executable, script, "--folder", str(tmp_path), "--calculator", "emt", "--processes", "2", "--quick"]
    names = ("database.extxyz.xz", "one-water.extxyz.xz", "six-waters.extxyz.xz", "atoms.extxyz")
    known = []
    for _ in range(2):
        subprocess.run(command, check=True)
        known.append([(tmp_path / name).read_bytes() for name in names])
    assert known[0] == known[1]
    assert len(list((tmp_path / "one-water").iterdir())) == 2
    clusters, one, six, free = (read(tmp_path / name) for name in names)
    assert (len(one), len(six), len(free)) == (5, 2, 10)
    assert 0 < len(clusters) <= 4
    for each in (*clusters, *one, *six):
        atoms = Atoms([each.symbols[k] for k in each.species], each.positions, calculator=EMT())
        assert np.array_equal(each.positions, np.round(each.positions, 4))
        assert each.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
        assert each.forces == pytest.approx(atoms.get_forces(), abs=6e-5)
    assert set(one[0].symbols) == set(six[0].symbols) == {"Cu", "Au", "O", "H"}
    assert not np.array_equal(one[2].positions, one[3].positions)


def test_paper(tmp_path):
    """Twice: the second time, everything is there already."""
    command = [sys.executable, str(ROOT / "docs" / "study" / "paper.py"), "--folder", str(tmp_path), "--quick"]
    said = [
        subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
        for _ in range(2)
    ]
    assert (len(said[0]), len(said[1])) == (12, 0)
    tables = {path.stem: table(path) for path in (tmp_path / "results").iterdir()}
    assert {len(tables[name]) for name in ("subsets", "screening")} == {3}
    assert [row["subset"] for row in tables["pretraining"]] == ["random", "random, repulsion"]
    cases = [(row["way"], row["seed"]) for row in tables["finetuning"]]
    assert sorted(cases) == [(way, seed) for way in ("random", "random, repulsion, replay", "scratch") for seed in "12"]
    assert all(0 < float(row["force_six_meV_per_A"]) < 5000 for row in tables["finetuning"])
    assert all(0 < float(row["stable_ps"]) <= 0.02 for row in tables["simulations"] if row["way"] != "GFN1-xTB")
    assert len(tables["simulations"]) == 7
    truth = next(row for row in tables["simulations"] if row["way"] == "GFN1-xTB")
    assert 0.9 < float(truth["O_H_A"]) < 1.05
    assert 1.8 < float(truth["Cu_O_A"]) < 2.6


def test_water(tmp_path):
    """Twice: the second time, everything is there already."""
    rows, said = rows_of("water", tmp_path)
    ways = ["scratch", "scratch, repulsion", "transfer", "transfer, frozen", "transfer, anchor", "transfer, replay"]
    assert [row["way"] for row in rows] == ["database", *ways]
    assert [row["repulsive dimers"] for row in rows[2:4]] == ["10 of 10"] * 2
    assert all(float(row["database, meV/Å"]) > 0 for row in [rows[0], *rows[3:]])
    assert rows_of("water", tmp_path) == (rows, said)


@pytest.mark.skipif(importlib.util.find_spec("tblite") is None, reason="needs tblite")
def test_loop(tmp_path, monkeypatch):
    """With few epochs; twice, the second time everything is there already."""
    monkeypatch.setattr(choose, "MOST", 20)
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "study"))
    import loop

    tables = []
    for _ in range(2):
        monkeypatch.setattr(sys, "argv", ["loop.py", "--folder", str(tmp_path), "--quick"])
        loop.main()
        tables.append((tmp_path / "loop.csv").read_text())
    assert tables[0] == tables[1]
    rows = table(tmp_path / "loop.csv")
    assert [(row["seed"], int(row["labels"])) for row in rows] == [("one molecule", 30), ("0", 13), ("0", 17)]
    assert all(float(row["force, meV/Å"]) > 0 for row in rows)


def test_uncertainty(tmp_path):
    rows, said = rows_of("uncertainty", tmp_path)
    assert [row["method"] for row in rows] == ["committee"] * 2 + ["features"] * 2 + ["last layer"] * 2
    assert all(float(row["rmse_eV_per_A"]) > 0 and -1 <= float(row["rank_correlation"]) <= 1 for row in rows)
    assert said.count("\n| six molecules |") == 3
