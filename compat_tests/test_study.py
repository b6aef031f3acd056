"""The studies in docs run at a very small size and write what they should."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from aenet_py.tools.init import choose
from compat_tests.cli.cases import ROOT, SHARED, table

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


def test_transfer(tmp_path):
    rows, said = rows_of("transfer", tmp_path)
    assert len(rows) == 6
    assert {row["way"] for row in rows} == {"scratch", "freeze=1", "freeze=0"}
    assert all(0 < float(row["force RMSE, eV/Å"]) < 5 for row in rows)
    assert said.count("\n| 10 |") == 2


def test_from_a_database_to_a_simulation(tmp_path):
    rows, said = rows_of("study", tmp_path)
    ways = [row["way"] for row in rows]
    assert ways == ["scratch"] * 2 + ["random"] * 2 + ["any"] * 2 + ["both"] * 2 + ["EMT"]
    assert all(0 < float(row["6: force RMSE, eV/Å"]) < 5 and float(row["1: temperature, K"]) > 0 for row in rows[:-1])
    # Which metal the molecule is close to, in so short a simulation, depends on the processor's rounding.
    distances = [float(text) for pair in ("Cu-O", "Au-O") if (text := rows[-1][f"1: {pair}, Å"])]
    assert distances
    assert all(1.5 < distance < 2.5 for distance in distances)
    assert all(f"\n| {way} |" in said for way in ("random", "any", "both", "EMT"))
    for name in (
        "any.extxyz",
        "any-elements.png",
        "comparison/tests.csv",
        "both-1/six.csv",
        "both-1/one-report/peaks.csv",
    ):
        assert (tmp_path / name).exists()
    for row in table(tmp_path / "both.csv"):
        assert {"Cu", "Au"} <= set(row["elements"].split())


@pytest.mark.skipif(not (SHARED / "xtb").exists(), reason="needs the structures of GFN1-xTB")
def test_water(tmp_path):
    """Twice: the second time, everything is there already."""
    rows, said = rows_of("water", tmp_path, "--data", str(SHARED / "xtb"))
    ways = ["scratch", "scratch, repulsion", "transfer", "transfer, frozen", "transfer, anchor", "transfer, replay"]
    assert [row["way"] for row in rows] == ["database", *ways]
    assert [row["repulsive dimers"] for row in rows[2:4]] == ["10 of 10"] * 2
    assert all(float(row["database, meV/Å"]) > 0 for row in [rows[0], *rows[3:]])
    assert rows_of("water", tmp_path, "--data", str(SHARED / "xtb")) == (rows, said)


@pytest.mark.skipif(not (SHARED / "xtb").exists(), reason="needs the structures of GFN1-xTB")
@pytest.mark.skipif(importlib.util.find_spec("tblite") is None, reason="needs tblite")
def test_loop(tmp_path, monkeypatch):
    """With few epochs; twice, the second time everything is there already."""
    monkeypatch.setattr(choose, "MOST", 20)
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "study"))
    import loop

    tables = []
    for _ in range(2):
        monkeypatch.setattr(
            sys, "argv", ["loop.py", "--data", str(SHARED / "xtb"), "--folder", str(tmp_path), "--quick"]
        )
        loop.main()
        tables.append((tmp_path / "loop.csv").read_text())
    assert tables[0] == tables[1]
    rows = table(tmp_path / "loop.csv")
    assert [(row["seed"], int(row["labels"])) for row in rows] == [("one molecule", 30), ("0", 13), ("0", 17)]
    assert all(float(row["force, meV/Å"]) > 0 for row in rows)


@pytest.mark.skipif(not (SHARED / "xtb").exists(), reason="needs the structures of GFN1-xTB")
def test_uncertainty(tmp_path):
    rows, said = rows_of("uncertainty", tmp_path, "--data", str(SHARED / "xtb"))
    assert [row["method"] for row in rows] == ["committee"] * 2 + ["features"] * 2 + ["last layer"] * 2
    assert all(float(row["rmse_eV_per_A"]) > 0 and -1 <= float(row["rank_correlation"]) <= 1 for row in rows)
    assert said.count("\n| six molecules |") == 3
