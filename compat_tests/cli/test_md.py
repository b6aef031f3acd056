"""aenet-py md: statuses, messages, files, interruption."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from ase.io import read, write

from compat_tests.cli.cases import ROOT, bad_files, in_process, listing
from compat_tests.interfaces.test_ase import CLUSTER, NETWORKS, OTHERS, as_atoms, networks

STRUCTURE = CLUSTER / "xsf" / "s001.xsf"
POTENTIALS = [word for symbol, path in networks().items() for word in ("--potential", f"{symbol}={path}")]
ANYTHING = ["--min-distance", "0", "--max-excess", "1e9", "--max-temperature", "1e9", "--allow-fragments"]


@pytest.fixture
def md(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*arguments, structure=STRUCTURE, potentials=POTENTIALS) -> tuple[int, str, str]:
        return in_process(capsys, "md", structure, *potentials, *arguments)

    return call


def test_it_comes_to_its_end(md, tmp_path):
    status, out, err = md("--time", 0.01, "--every", 4, "--temperature", 200, *ANYTHING)
    assert (status, err) == (0, "")
    assert out.splitlines()[:2] == [
        f"{STRUCTURE}: 15 atoms, NVT at 200 K, steps of 0.5 fs",
        "  finished       requested time reached",
    ]
    assert out.splitlines()[3] == "  stable for     0.01 ps, 20 steps"
    assert out.endswith("  written        md.extxyz, md.csv, md.restart\n")
    assert sorted(listing(tmp_path)) == ["md.csv", "md.extxyz", "md.restart"]
    assert [frame.info["step"] for frame in read("md.extxyz", ":")] == [0, 4, 8, 12, 16, 20]
    assert np.allclose(read("md.extxyz", 0).positions, as_atoms(STRUCTURE).positions, atol=1e-8)


def test_a_potential_that_makes_no_sense(md):
    status, out, err = md("--time", 1)
    assert (status, err) == (2, "")
    assert "  stopped        close contact: atoms " in out


def test_a_folder_of_potentials(md, tmp_path):
    expected = tmp_path / "expected"
    status, _, err = md("--steps", 2, *ANYTHING, "--output", expected)
    assert (status, err) == (0, "")
    status, _, err = md("--steps", 2, *ANYTHING, potentials=["--potential", NETWORKS])
    assert (status, err) == (0, "")
    assert (tmp_path / "md.extxyz").read_bytes() == (tmp_path / "expected.extxyz").read_bytes()
    status, _, err = md("--steps", 2, *ANYTHING, "--potential", OTHERS, "--output", "committee")
    assert (status, err) == (0, "")
    assert "energy_std_eV" in (tmp_path / "committee.csv").read_text()


def test_any_structure_and_a_committee(md, tmp_path):
    atoms = as_atoms(STRUCTURE)
    write("any.extxyz", [atoms, as_atoms(CLUSTER / "xsf" / "s005.xsf")])
    others = [word for symbol, path in networks(OTHERS).items() for word in ("--potential", f"{symbol}={path}")]
    options = ["--steps", 10, "--ensemble", "nve", *ANYTHING]
    status, _, err = md(*options, structure="any.extxyz@0", potentials=POTENTIALS + others)
    assert (status, err) == (0, "")
    header, first = (tmp_path / "md.csv").read_text().splitlines()[:2]
    assert dict(zip(header.split(","), first.split(","), strict=True))["energy_std_eV"].startswith("0.")
    assert len(read("md.extxyz")) == 15
    assert md("--steps", 1, *ANYTHING, "--output", "first", structure="any.extxyz#0")[0] == 0
    assert len(read("first.extxyz")) == 15
    assert md("--steps", 1, *ANYTHING, "--output", "last", structure="any.extxyz")[0] == 0
    assert len(read("last.extxyz")) == 13


def test_ctrl_c_and_going_on(md, tmp_path):
    arguments = ["--steps", "1500", "--every", "100", *ANYTHING]
    assert md(*arguments, "--output", "whole")[0] == 0
    command = [sys.executable, str(ROOT / "bin" / "aenet-py"), "md", str(STRUCTURE), *POTENTIALS, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "md.restart").exists():
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: stopped on request" in out
    assert err == "Repeat the command with --restart to resume.\n"
    assert bad_files(tmp_path) == []
    assert (tmp_path / "md.restart").read_bytes() != (tmp_path / "whole.restart").read_bytes()
    assert md(*arguments, "--restart")[0] == 0
    for ending in ("csv", "extxyz", "restart"):
        assert (tmp_path / f"whole.{ending}").read_bytes() == (tmp_path / f"md.{ending}").read_bytes()


def test_a_full_disk(md, tmp_path):
    command = [sys.executable, str(ROOT / "bin" / "aenet-py"), "md", str(STRUCTURE), *POTENTIALS, "--steps", "400"]
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (30000, 30000))  # noqa: E731
    found = subprocess.run([*command, *ANYTHING], capture_output=True, text=True, check=False, preexec_fn=limit)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == "Error: md.extxyz: cannot be written: File too large\n"
    assert bad_files(tmp_path) == []
    assert md("--steps", 400, *ANYTHING, "--restart")[0] == 0
    assert md("--steps", 400, *ANYTHING, "--output", "whole")[0] == 0
    for ending in ("csv", "extxyz", "restart"):
        assert (tmp_path / f"whole.{ending}").read_bytes() == (tmp_path / f"md.{ending}").read_bytes()


def test_the_precision_stays_the_same(md, tmp_path):
    single = ["--steps", 20, *ANYTHING, "--precision", "single", "--output"]
    assert md(*single, "whole")[0] == 0
    assert md("--steps", 20, *ANYTHING, "--output", "double")[0] == 0
    assert md(*["--steps", 10, *single[2:], "part"])[0] == 0
    status, _, err = md("--steps", 20, *ANYTHING, "--output", "part", "--restart")
    assert status == 1
    assert "part.restart: precision must be single, as at the start of this simulation, not double" in err
    assert md(*single, "part", "--restart")[0] == 0
    frames = {name: (tmp_path / f"{name}.extxyz").read_bytes() for name in ("whole", "part", "double")}
    assert frames["whole"] == frames["part"] != frames["double"]


def test_states_of_earlier_versions_are_in_double_precision(md, tmp_path):
    assert md("--steps", 4, *ANYTHING)[0] == 0
    path = tmp_path / "md.restart"
    state = json.loads(path.read_text())
    assert state["mark"].pop("precision") == "double"
    path.write_text(json.dumps(state))
    status, _, err = md("--steps", 8, *ANYTHING, "--precision", "single", "--restart")
    assert status == 1
    assert "precision must be double" in err
    assert md("--steps", 8, *ANYTHING, "--restart")[0] == 0


BAD = {
    "no length": ([], "one of the arguments --time --steps is required"),
    "negative": (["--time", "-1"], "time must be at least 0 ps and timestep above 0 fs, not -1 and 0.5"),
    "no number": (["--time", "nan"], "timestep above 0 fs, not nan and 0.5"),
    "too short": (["--time", "0.01", "--timestep", "50"], "a time of 0.01 ps is less than half a timestep of 50 fs"),
    "step": (["--time", "1", "--timestep", "0"], "timestep above 0 fs, not 1 and 0"),
    "taut": (["--steps", "1", "--taut", "0"], "taut must be a finite number above 0, not 0"),
    "fewer": (["--steps", "1", "--potential", "Cu=Cu.nn"], "fewer potentials for Au and O and H than for others"),
    "form": (["--steps", "1", "--potential", "Cu.nn"], "--potential Cu.nn: give a folder, or EL=FILE"),
    "folder": (["--steps", "1", "--output", "nowhere/md"], "nowhere/md.restart: cannot be written: No such file"),
    "state": (["--steps", "1", "--restart"], "md.restart: no such file; resuming requires the state"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_options(md, tmp_path, name):
    arguments, message = BAD[name]
    status, out, err = md(*arguments)
    assert (status, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1
    assert listing(tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.extxyz", None, "no.extxyz: no such file; expected a structure"),
        ("no.xsf", None, "no.xsf: no such file; expected an XSF structure file"),
        ("bad.cif", "nonsense", "bad.cif: cannot be read as a structure: "),
        ("what", "nonsense", "what: cannot be read as a structure: "),
        ("empty.xyz", "0\n\n", "empty.xyz#0:1: found '0'; expected the number of atoms"),
        ("one.xyz@7", None, "one.xyz@7: there is no structure 7 in this file"),
        ("odd.xsf", "ATOMS\nXy 0 0 0\nXy 0 0 1\n", "odd.xsf: species Xy is not a chemical element"),
        ("iron.xyz", "2\n\nFe 0 0 0\nFe 0 0 2\n", "no potential for Fe; the potentials are for Cu Au O H"),
        (
            "flat.xyz",
            '2\nLattice="1 0 0 2 0 0 0 0 1"\nCu 0 0 0\nCu 0 0 2\n',
            "vectors lie in a plane or on a line",
        ),
    ],
)
def test_bad_structures(md, tmp_path, name, content, message):
    (tmp_path / "one.xyz").write_text("1\n\nCu 0 0 0\n")
    if content is not None:
        (tmp_path / name).write_text(content)
    before = listing(tmp_path)
    status, out, err = md("--steps", 10, structure=name)
    assert (status, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1
    assert listing(tmp_path) == before


def test_nothing_is_overwritten(md, tmp_path):
    assert md("--steps", 2, *ANYTHING)[0] == 0
    before = listing(tmp_path)
    status, _, err = md("--steps", 2, *ANYTHING)
    assert (status, err.startswith("Error: md.extxyz: file exists; choose another name")) == (1, True)
    assert listing(tmp_path) == before
