"""aenet-py label: report, files, exit status, messages, interruption."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write

import aenet_py
from compat_tests.cli.cases import ROOT, bad_files, in_process, listing, table
from compat_tests.labelling.test_label import copper
from compat_tests.labelling.test_processes import slow
from compat_tests.labelling.test_queue import compute


@pytest.fixture
def label(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: in_process(capsys, "label", *arguments)


def given(name="in.extxyz", wrong=True):
    """Write structures with names, labels of another source, and one that EMT does not know."""
    structures = [*copper(2), *([bulk("W")] if wrong else []), *copper(1, seed=5)]
    for k, atoms in enumerate(structures):
        atoms.info.update(config_type=f"kind{k}", REF_energy=1.0, REF_stress="1 2 3 4 5 6")
        ones = np.ones((len(atoms), 3))
        atoms.calc = SinglePointCalculator(atoms, energy=2.0, forces=ones, stress=np.ones(6))
        atoms.arrays["REF_forces"] = ones
    write(name, structures, format="extxyz")
    return structures


def test_report_and_files(label, tmp_path):
    structures = given()
    status, out, err = label("in.extxyz", "--calculator", "emt", "--processes", 2)
    assert (status, err) == (2, "")
    lines = out.splitlines()
    assert lines[0] == "4 structures: 3 labelled, 1 without a label"
    assert lines[1].startswith("  energy         0.0")
    assert lines[1].endswith(" eV/atom")
    largest = max(range(3), key=lambda k: np.linalg.norm(forces_of([*structures[:2], structures[3]][k]), axis=1).max())
    assert lines[2].endswith(f" eV/A, in in.extxyz#{[0, 1, 3][largest]}")
    assert lines[3] == "       1  NotImplementedError: No EMT-potential for W (in.extxyz#2)"
    assert lines[4] == "  files of failures are in labelled.labels/work"
    assert lines[5] == "written: labelled.extxyz, labelled.labels/failures.csv"
    (row,) = table(tmp_path / "labelled.labels/failures.csv")
    assert (row["index"], row["structure"]) == ("2", "in.extxyz#2")
    assert (tmp_path / row["folder"] / "output.txt").exists()
    assert bad_files(tmp_path) == []
    frames = aenet_py.read("labelled.extxyz")
    for frame, k in zip(frames, (0, 1, 3), strict=True):
        assert np.array_equal(frame.forces, forces_of(structures[k]))
        assert frame.info["config_type"] == f"kind{k}"
        assert "REF_stress" not in frame.info
    assert "REF" not in (tmp_path / "labelled.extxyz").read_text()
    assert np.allclose(
        read("labelled.extxyz", 2).get_stress(), with_emt(structures[3]).get_stress(), rtol=0, atol=1e-15
    )


def with_emt(atoms):
    """A structure as it is in a file of ASE."""
    atoms = atoms.copy()
    atoms.calc = EMT()
    atoms.positions = np.round(atoms.positions, 8)
    return atoms


def forces_of(atoms):
    return with_emt(atoms).get_forces()


def test_the_same_command_again(label, tmp_path):
    """It computes nothing, or failures if asked to, and replaces its own output only."""
    given()
    label("in.extxyz", "--calculator", "emt")
    before = listing(tmp_path)
    assert label("in.extxyz", "--calculator", "emt")[0] == 2
    assert listing(tmp_path) == before
    assert label("in.extxyz", "--calculator", "emt", "--retry")[0] == 2
    after = listing(tmp_path)
    stored = "labelled.labels/labels.jsonl"
    assert after.pop(stored).startswith(before.pop(stored))
    assert after == before
    given(wrong=False)
    status, out, _ = label("in.extxyz", "--calculator", "emt")
    assert (status, out.splitlines()[0]) == (0, "3 structures: 3 labelled, 0 without a label")
    assert not (tmp_path / "labelled.labels/failures.csv").exists()
    with open("labelled.extxyz", "a") as file:
        file.write("\n")
    before = listing(tmp_path)
    message = "Error: labelled.extxyz: file exists; choose another name\n"
    assert label("in.extxyz", "--calculator", "emt") == (1, "", message)
    assert listing(tmp_path) == before


def test_one_and_two_processes_write_the_same(label, tmp_path):
    given()
    for n in (1, 2):
        label("in.extxyz", "--calculator", "emt", "--processes", n, "-o", f"{n}.extxyz.xz")
    assert (tmp_path / "1.extxyz.xz").read_bytes() == (tmp_path / "2.extxyz.xz").read_bytes()
    assert (tmp_path / "2.labels").is_dir()


def test_large_forces_are_left_out(label):
    structures = given(wrong=False)
    largest = [np.linalg.norm(forces_of(atoms), axis=1).max() for atoms in structures]
    limit = sorted(largest)[1] + 1e-3
    status, out, _ = label("in.extxyz", "--calculator", "emt", "--fmax", limit)
    assert status == 0
    assert f"  left out       1 structure with a force above {limit:g} eV/A" in out.splitlines()
    assert len(read("labelled.extxyz", ":")) == 2


def test_queue(label, tmp_path):
    given(wrong=False)
    command = ("in.extxyz", "--calculator", "external:xc=PBE")
    status, out, err = label(*command, "--queue", "jobs")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "jobs: 3 calculations added for 3 structures",
        "  jobs/00001 to jobs/00003: structure.extxyz",
        "repeat the command with --collect in place of --queue when results are there",
    ]
    assert not (tmp_path / "labelled.extxyz").exists()
    compute(tmp_path / "jobs/00002")
    status, out, _ = label(*command, "--collect", "jobs")
    assert status == 2
    lines = out.splitlines()
    assert lines[0] == "3 structures: 1 labelled, 2 without a label"
    assert lines[3] == "       2  no results (jobs/00001, jobs/00003)"
    status, out, _ = label(*command, "--queue", "jobs")
    assert out.splitlines()[:3] == [
        "jobs: 0 calculations added for 3 structures",
        "  2 already there",
        "  1 already labelled",
    ]
    for number in (1, 3):
        compute(tmp_path / f"jobs/0000{number}")
    assert label(*command, "--collect", "jobs")[0] == 0
    assert [atoms.info["config_type"] for atoms in read("labelled.extxyz", ":")] == ["kind0", "kind1", "kind2"]


def test_magnetic_moments_of_files(label):
    atoms = bulk("Cu")
    atoms.set_initial_magnetic_moments([1.5])
    write("in.extxyz", [atoms])
    write("in.traj", [atoms])
    for name in ("in.extxyz", "in.traj"):
        assert label(name, "--calculator", "emt", "-o", f"{name}.extxyz", "--folder", "labels")[0] == 0
        assert read(f"{name}.extxyz").get_initial_magnetic_moments().tolist() == [1.5]
    with open("labels/labels.jsonl") as file:
        assert len(file.readlines()) == 1


def test_frames_and_folders(label, tmp_path):
    given("in.extxyz", wrong=False)
    (tmp_path / "more").mkdir()
    given("more/in.xyz", wrong=False)
    assert label("in.extxyz#2", "more", "--calculator", "emt")[0] == 0
    assert [atoms.info["config_type"] for atoms in read("labelled.extxyz", ":")] == [f"kind{k}" for k in (2, 0, 1, 2)]
    status, _, err = label("in.extxyz#3", "--calculator", "emt", "-o", "other.extxyz")
    assert (status, err) == (1, "Error: in.extxyz#3: there is no such frame in this file\n")


@pytest.mark.slow
def test_interrupted(tmp_path):
    """Running calculations are completed; the result is that of a call that was not interrupted."""
    write(tmp_path / "in.extxyz", slow())
    command = [sys.executable, str(ROOT / "bin/aenet-py"), "label", "in.extxyz", "--processes", "2", "--calculator"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    slowly = "compat_tests.labelling.calculators:Slow:path=calls,seconds=0.3"
    journal = tmp_path / "labelled.labels/labels.jsonl"
    options = {"cwd": tmp_path, "env": environment, "text": True, "stderr": subprocess.PIPE}
    with subprocess.Popen([*command, slowly], **options) as process:
        while not journal.exists() or not journal.read_bytes():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    n_done = journal.read_bytes().count(b"\n")
    assert process.returncode == 130
    assert err.splitlines() == [
        "Stopping after the running calculations; another Ctrl-C ends them at once.",
        f"Stopped after {n_done} of 6 structures; repeat the command for the rest.",
    ]
    assert 2 <= n_done <= 4
    assert len((tmp_path / "calls").read_text()) == n_done
    assert not (tmp_path / "labelled.extxyz").exists()
    subprocess.run([*command, slowly], **options, check=True)
    assert len((tmp_path / "calls").read_text()) == 6
    subprocess.run([*command, "emt", "-o", "other.extxyz"], **options, check=True)
    assert (tmp_path / "labelled.extxyz").read_bytes() == (tmp_path / "other.extxyz").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--calculator", "emtt"), "unknown calculator 'emtt'; did you mean emt?"),
        (("--calculator", "emt", "--result", "x"), "--result belongs to --collect"),
        (("--calculator", "emt", "-o", "x.xsf"), "x.xsf: expected a name of extended XYZ, such as labelled.extxyz or "),
        (("--calculator", "emt", "--processes", "0"), "n_processes must be at least 1, not 0"),
        (("--calculator", "emt", "--timeout", "0"), "argument --timeout: '0' is not a number of seconds above 0"),
        (("--calculator", "emt", "--collect", "jobs"), "jobs: no such folder; expected a queue"),
        (
            ("--calculator", "emt", "--queue", "a", "--collect", "b"),
            "argument --collect: not allowed with argument --q",
        ),
        (("--calculator", "emt", "-o", "taken.xyz"), "taken.xyz: file exists; choose another name"),
        (("none.extxyz", "--calculator", "emt"), "none.extxyz: no such file; expected an extended XYZ file"),
        ((), "the following arguments are required: --calculator"),
    ],
)
def test_errors(arguments, message, label, tmp_path):
    given()
    (tmp_path / "taken.xyz").write_text("mine\n")
    before = listing(tmp_path)
    status, out, err = label("in.extxyz", *arguments)
    assert (status, out) == (1, "")
    assert err.startswith(f"Error: {message}")
    assert err.count("\n") == 1
    assert listing(tmp_path) == before


def test_a_journal_with_a_broken_line(label, tmp_path):
    given()
    label("in.extxyz", "--calculator", "emt")
    path = tmp_path / "labelled.labels/labels.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], lines[1][:40] + "\n", *lines[2:]]))
    before = listing(tmp_path)
    message = "labelled.labels/labels.jsonl:2: not a label; remove this line to compute it again"
    assert label("in.extxyz", "--calculator", "emt") == (1, "", f"Error: {message}\n")
    assert listing(tmp_path) == before
