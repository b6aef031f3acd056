"""aenet-py report: files, their columns, messages."""

from __future__ import annotations

import numpy as np
import pytest
from ase.io import write

from aenet_py.analysis import trajectory
from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.simulation.dynamics import Settings, run
from aenet_py.simulation.stability import Limits
from compat_tests.analysis.folders import training
from compat_tests.cli.cases import bad_files, in_process, table
from compat_tests.interfaces.test_ase import CLUSTER, cluster, crystal, networks
from compat_tests.studies.folders import study

GOLDEN = CLUSTER / "train-forces-adamw" / "expected"
ANYTHING = Limits(min_distance=0.0, max_temperature=1e9, max_excess=1e9, fragments=True)

pytestmark = pytest.mark.filterwarnings("ignore:.*outside the range of the training set")


@pytest.fixture
def report(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    return lambda *arguments: in_process(capsys, "report", *arguments)


def test_a_training(report, tmp_path):
    status, out, err = report(GOLDEN, "-o", "out")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[3] == "  test energy, meV/atom                2     5.472     3.874     7.739   0.95989"
    assert lines[-2:] == [
        "test set: energy RMSE 5.472 meV/atom, force RMSE 173.065 meV/Å",
        "written: out/errors.csv, out/parity.png, out/learning.png",
    ]
    assert max(map(len, lines[1:])) <= 80
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["errors.csv", "learning.png", "parity.png"]
    found = table(tmp_path / "out/errors.csv")
    assert list(found[0]) == ["quantity", "set", "n", "rmse", "mae", "max_error", "r2"]
    assert [(row["quantity"], row["set"], row["n"]) for row in found] == [
        ("energy_eV_per_atom", "train", "12"), ("energy_eV_per_atom", "test", "2"),
        ("force_eV_per_A", "train", "267"), ("force_eV_per_A", "test", "36"),
    ]  # fmt: skip
    assert np.isclose(float(found[1]["rmse"]), 0.005472, atol=1e-6)
    for name in ("learning", "parity"):
        assert (tmp_path / f"out/{name}.png").read_bytes().startswith(b"\x89PNG")
    assert report(GOLDEN, "-o", "out", "--format", "svg")[0] == 0
    assert (tmp_path / "out/parity.svg").read_bytes().startswith(b"<?xml")


def test_what_is_not_there_is_not_drawn(report, tmp_path):
    training(tmp_path / "run", 1, 0.01, forces=False)
    (tmp_path / "run/energies.train").unlink()
    assert report("run", "-o", "out")[0] == 0
    assert [(row["quantity"], row["set"]) for row in table(tmp_path / "out/errors.csv")] == [
        ("energy_eV_per_atom", "test")
    ]
    (tmp_path / "run/energies.test").unlink()
    assert report("run", "-o", "other")[0] == 0
    assert sorted(path.name for path in (tmp_path / "other").iterdir()) == ["errors.csv", "learning.png"]


@pytest.mark.parametrize("make", [cluster, crystal])
def test_a_trajectory(report, tmp_path, make):
    atoms = make()
    atoms.calc = ANNCalculator(networks())
    log = run(atoms, Settings(40, every=4), ANYTHING, "md").log
    status, out, err = report("--trajectory", "md.extxyz", "-o", "out", "--skip", 0.004, "--r-max", 6)
    assert (status, err) == (0, "")
    assert out.startswith("md.extxyz: 9 frames, 0.004 to 0.02 ps\n")
    files = ["distances.csv", "distances.png", "history.png", "peaks.csv"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == files
    found, history = trajectory.examine("md.extxyz", 0.0, 6.0, 0.1)
    assert np.allclose(history.temperatures, log["temperature_K"], rtol=1e-5)
    assert np.allclose(history.total, log["total_energy_eV"], atol=1e-5)
    assert np.array_equal(history.times, log["time_ps"])
    assert found.normalised == (make is crystal)
    columns = list(table(tmp_path / "out/distances.csv")[0])
    assert columns[:2] == (["r_A", "g_Cu_Cu"] if make is crystal else ["r_A", "neighbors_Cu_Cu_per_A"])
    assert len(table(tmp_path / "out/distances.csv")) == 120
    assert len(table(tmp_path / "out/peaks.csv")) == len(columns) - 1 == 10
    assert ("a cluster has no density" in out) == (make is cluster)
    assert out.endswith("written: out/distances.csv, out/peaks.csv, out/distances.png, out/history.png\n")


def test_a_trajectory_of_another_program(report, tmp_path):
    """Without times: distances but no history."""
    write("plain.extxyz", [cluster(), cluster()])
    status, out, _ = report("--trajectory", "plain.extxyz", "-o", "out")
    assert status == 0
    assert out.startswith("plain.extxyz: 2 frames\n  first peaks of")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["distances.csv", "distances.png", "peaks.csv"]


BAD = {
    "nothing": ([], "one of the arguments FOLDER --trajectory --study is required"),
    "both": (["run", "--trajectory", "x"], "not allowed with argument"),
    "folder": (["nowhere"], "nowhere: no such folder; give the folder of a training"),
    "file": (["--trajectory", "x.extxyz"], "x.extxyz: no such file"),
    "time": (
        ["--trajectory", "plain.extxyz", "--skip", "1"],
        "plain.extxyz: frame 1 has no time_ps, which skipping requires",
    ),
    "cut": (["--trajectory", "cut.extxyz"], "cut.extxyz: frame 1 cannot be read: "),
    "compressed": (
        ["--trajectory", "good.extxyz.xz"],
        "good.extxyz.xz: compressed trajectories are not supported",
    ),
    "skip": (["--trajectory", "good.extxyz", "--skip", "9"], "good.extxyz: this trajectory ends before 9 ps"),
    "width": (
        ["--trajectory", "good.extxyz", "--width", "0"],
        "bins must have a width above 0 and below r_max, not 0 and 8 Angstrom",
    ),
    "other": (["--trajectory", "other.extxyz"], "other.extxyz: frame 2 has other atoms than the first frame"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(report, tmp_path, name):
    atoms = cluster()
    write("plain.extxyz", atoms)
    atoms.info["time_ps"] = 0.0
    write("good.extxyz", atoms)
    (tmp_path / "cut.extxyz").write_text("".join((tmp_path / "good.extxyz").read_text().splitlines(True)[:5]))
    write("other.extxyz", [atoms, atoms[:3]])
    arguments, message = BAD[name]
    status, out, err = report(*arguments, "-o", "out")
    assert (status, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made(report, tmp_path):
    (tmp_path / "out").write_text("")
    status, _, err = report(GOLDEN, "-o", "out")
    assert (status, err) == (1, "Error: out: the folder for the results cannot be created: File exists\n")
    assert bad_files(tmp_path) == ["out"]


def test_a_study(report, tmp_path):
    study(tmp_path / "study", without=("parity", "screening", "curves", "direct", "finetuning", "distances"))
    status, out, err = report("--study", "study", "-o", "page.html", "--markdown", "page.md", "--figures", "drawn")
    assert (status, err) == (0, "")
    drawn = sorted(path.name for path in (tmp_path / "drawn").iterdir())
    assert "survival.png" in drawn
    assert out.startswith("written: page.html, page.md, drawn/")
    assert all(f"drawn/{name}" in out for name in drawn)
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")
    assert "](drawn/survival.png)" in (tmp_path / "page.md").read_text()


def test_bad_studies(report, tmp_path):
    study(tmp_path / "study")
    lines = (tmp_path / "study/simulations.csv").read_text().splitlines()
    lines[3] = lines[3].replace("2.0", "x").replace(",2,", ",x,")
    (tmp_path / "study/simulations.csv").write_text("\n".join(lines))
    status, out, err = report("--study", "study", "-o", "out", "--figures", "out")
    assert (status, out) == (1, "")
    assert err == "Error: study/simulations.csv:4: stable_ps: found 'x'; expected a number\n"
    assert report("--study", "none", "-o", "out")[2].startswith("Error: none: no such folder")
    message = "Error: --markdown and --figures are for --study only\n"
    assert report(GOLDEN, "-o", "out", "--markdown", "a.md")[2] == message
    assert bad_files(tmp_path) == []
