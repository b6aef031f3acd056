"""aenet-py stability: report, files, exit status, messages, interruption."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from ase.io import read

from aenet_py import simulate
from aenet_py.analysis.figures import panels
from aenet_py.survival import dimers, figures
from compat_tests.cli.cases import ROOT, bad_files, in_process, listing, table
from compat_tests.interfaces.test_ase import CLUSTER, NETWORKS, as_atoms

STRUCTURE = CLUSTER / "xsf" / "s001.xsf"
SHORT = ["--temperature", 300, "--seeds", 2, "--time", 0.02, "--nve", 0, "--every", 10, "--processes", 1]


@pytest.fixture
def stability(tmp_path, monkeypatch, capsys, request):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dimers, "N_POINTS", 12)
    if request.node.name != "test_report_and_files":  # twenty panels take seconds
        monkeypatch.setattr(figures, "figure", lambda found: panels()[0])  # noqa: ARG005
    return lambda *arguments: in_process(capsys, "stability", *arguments)


def test_report_and_files(stability, tmp_path):
    simulate(STRUCTURE, NETWORKS, time=0.02, output="reference", max_excess=9)
    status, out, err = stability(NETWORKS, STRUCTURE, *SHORT, "--nve", 0.02, "--reference", "reference.extxyz")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"{STRUCTURE}: 15 atoms, H4Au4Cu5O2; 2 runs of 0.02 ps, steps of 0.5 fs"
    assert lines[2] == "    300  2 of 2      1.00 (0.16-1.00)    not reached (0 to > 0.02)"
    assert lines[3].startswith("  300 K: requested time reached; energy drift ")
    pair = next(line.split() for line in lines if line.startswith("  O-H "))
    assert len(pair) == 5  # name, two distances, two overlaps
    (repulsive,) = re.findall(r"^(\d+) of 10 pairs repulsive below 0.7 of the contact$", out, re.MULTILINE)
    assert sum("attractive, " in line for line in lines) == 10 - int(repulsive)
    text, written = out.split("written: ")
    assert (tmp_path / "stability/stability.txt").read_text() == text
    names = ["stability.txt", "summary.csv", "runs.csv", "survival.csv", "pairs.csv", "distances.csv", "dimers.csv",
             "dimer-curves.csv", "stability.png"]  # fmt: skip
    assert written.replace(",", "").split() == [f"stability/{name}" for name in names]
    assert set(listing(tmp_path / "stability")) - {"runs"} >= {*names, "settings.json"}
    assert bad_files(tmp_path) == []
    assert max(len(line) for line in lines[1:-3]) <= 80


def test_tables(stability, tmp_path):
    assert stability(NETWORKS, STRUCTURE, f"{STRUCTURE}", *SHORT, "--temperature", 300, 500, "--nve", 0.01)[0] == 0
    folder = tmp_path / "stability"
    runs = table(folder / "runs.csv")
    assert [(row["temperature_K"], row["ensemble"], row["seed"]) for row in runs[:6]] == [
        (kelvin, *each) for kelvin in ("300.0", "500.0") for each in (("nvt", "0"), ("nvt", "1"), ("nve", "0"))
    ]
    assert len(runs) == 12
    assert {(row["time_ps"], row["reason"]) for row in runs} == {("0.02", "time"), ("0.01", "time")}
    assert len(table(folder / "summary.csv")) == 4
    summary = table(folder / "summary.csv")[0]
    assert (summary["runs"], summary["finished"], summary["survival"], summary["median_ps"]) == ("2", "2", "1.0", "")
    frames = [read(folder / f"runs/1-300K-seed{seed}.extxyz", ":") for seed in (0, 1)]
    (row,) = [row for row in table(folder / "pairs.csv")[:10] if {row["a"], row["b"]} == {"O", "H"}]
    o_h = [
        atoms.get_all_distances()[np.ix_(atoms.symbols == "O", atoms.symbols == "H")].min()
        for some in frames
        for atoms in some
    ]
    assert np.isclose(float(row["shortest_A"]), min(o_h))
    assert (row["reference_shortest_A"], row["overlap"]) == ("", "")
    dimer = table(folder / "dimers.csv")[0]
    assert dimer["repulsive"] == "False"
    assert float(dimer["attractive_to_A"]) <= 0.7 * float(dimer["contact_A"])
    assert len(table(folder / "dimer-curves.csv")) == 10 * 12
    curve = table(folder / "survival.csv")[:2]
    assert [(row["time_ps"], row["at_risk"], row["failed"]) for row in curve] == [("0.0", "2", "0"), ("0.02", "2", "0")]


def test_too_few_survive(stability):
    arguments = [NETWORKS, STRUCTURE, *SHORT, "--time", 1, "--max-share", 0, "--max-excess", 0.1]
    status, out, _ = stability(*arguments, "--min-survival", 0.5)
    assert status == 2
    assert "  300 K: extrapolation 2" in out.splitlines()
    assert out.splitlines()[-1] == f"{STRUCTURE} at 300 K: survival 0.00 is below the limit of 0.5"
    assert stability(*arguments)[0] == stability(*arguments, "--min-survival", 0)[0] == 0


@pytest.mark.slow
def test_ctrl_c_and_going_on(stability, tmp_path):
    """Both processes are interrupted in the middle of a run; the tables are those of one that was not."""
    arguments = [NETWORKS, STRUCTURE, *SHORT, "--time", "0.15", "--allow-fragments"]
    arguments += ["--min-distance", "0", "--max-temperature", "1e9"]
    assert stability(*arguments, "-o", "whole")[0] == 0
    command = [sys.executable, str(ROOT / "bin" / "aenet-py"), "stability", *map(str, arguments), "-o", "parts"]
    command += ["--processes", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not all((tmp_path / f"parts/runs/1-300K-seed{seed}.restart").exists() for seed in (0, 1)):
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert re.fullmatch(r"Stopped after [01] of 2 runs; repeat the command for the rest.\n", err)
    assert bad_files(tmp_path) == []
    assert {path.name for path in (tmp_path / "parts").iterdir()} == {"runs", "settings.json"}
    assert stability(*arguments, "-o", "parts")[0] == 0
    for name in ("stability.txt", "summary.csv", "runs.csv", "survival.csv", "pairs.csv", "distances.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


BAD = {
    "no structure": (["missing.xsf"], "missing.xsf"),
    "share": ([STRUCTURE, "--min-survival", 1.5], "'1.5' is not a share from 0 to 1"),
    "seeds": ([STRUCTURE, "--seeds", 0], "seeds must be at least 1, not 0"),
    "processes": ([STRUCTURE, "--processes", 0], "n_processes must be at least 1, not 0"),
    "time": ([STRUCTURE, "--time", "nan"], "time must be at least 0 ps"),
    "reference": ([STRUCTURE, "--reference", "missing.extxyz"], "missing.extxyz: no such file"),
    "line": ([STRUCTURE, "--reference", "broken.extxyz"], "broken.extxyz#0:4: found 'x' where a number belongs"),
    "limit": ([STRUCTURE, "--min-distance", -1], "min_distance must be at least 0, not -1"),
    "folder": ([STRUCTURE, "-o", STRUCTURE], "s001.xsf: the folder for the results cannot be created"),
    "species": (["silicon.xsf"], "Si"),
}


@pytest.mark.parametrize("name", BAD)
def test_errors(name, stability, tmp_path):
    atoms = as_atoms(STRUCTURE)
    atoms.symbols[0] = "Si"
    atoms.write(tmp_path / "silicon.xsf")
    (tmp_path / "broken.extxyz").write_text("2\n\nO 0 0 0\nH 0 0 x\n")
    arguments, message = BAD[name]
    status, out, err = stability(NETWORKS, *arguments)
    assert (status, out) == (1, "")
    assert message in err
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert listing(tmp_path).keys() == {"silicon.xsf", "broken.extxyz"}


def test_another_folder(stability, tmp_path):
    assert stability(NETWORKS, STRUCTURE, *SHORT)[0] == 0
    status, _, err = stability(NETWORKS, STRUCTURE, *SHORT, "--timestep", 1)
    expected = "Error: stability/settings.json: timestep is 0.5 there, not 1.0; choose another folder\n"
    assert (status, err) == (1, expected)
    (tmp_path / "stability/settings.json").write_text("{\n\n]")
    status, _, err = stability(NETWORKS, STRUCTURE, *SHORT)
    expected = "Error: stability/settings.json:3: not the settings of a study; choose another folder\n"
    assert (status, err) == (1, expected)
