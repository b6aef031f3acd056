"""The studies in docs run, at a very small size, and leave what they should."""

from __future__ import annotations

import csv
import subprocess
import sys

import pytest

from compat_tests.cli.cases import ROOT

PNG = b"\x89PNG"


@pytest.mark.parametrize("program", ["transfer"])
def test_a_study_runs(program, tmp_path):
    command = [sys.executable, str(ROOT / "docs" / "study" / f"{program}.py"), "--folder", str(tmp_path), "--quick"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with open(tmp_path / f"{program}.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert {row["way"] for row in rows} == {"scratch", "freeze=1", "freeze=0"}
    assert all(0 < float(row["force RMSE, eV/Å"]) < 5 for row in rows)
    assert (tmp_path / f"{program}.png").read_bytes().startswith(PNG)
    assert done.stdout.count("\n| 10 |") == 2
