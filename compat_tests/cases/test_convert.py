"""Files of other people that convert and md met."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from compat_tests.cli.cases import ROOT, in_process, listing, run
from compat_tests.formats import calculations

CASES = ROOT / "fixtures" / "cases"
SIMULATE = ["--potential", "Mg=Mg.nn.ascii", "--potential", "S=S.nn.ascii", "--max-excess", "1e9", "--allow-fragments"]


@pytest.fixture
def case(tmp_path, monkeypatch):
    def copy(name: str):
        shutil.copytree(CASES / name, tmp_path, dirs_exist_ok=True)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return copy


@pytest.mark.parametrize("output", ["a.db", "a.json", "b.extxyz"])
def test_13_species_arrive_as_elements_or_not_at_all(case, capsys, output):
    folder = case("13-convert-xsf-with-atomic-numbers")
    before = listing(folder)
    status, _, error = in_process(capsys, "convert", "--incomplete", "a.xsf", output)
    if status == 0:
        assert in_process(capsys, "convert", "--incomplete", output, "c.extxyz")[0] == 0
        assert {line.split()[0] for line in (folder / "c.extxyz").read_text().splitlines()[2:]} <= {"Mg", "S"}
    else:
        assert error.count("\n") == 1
        assert "only XSF files can hold species" in error
        assert listing(folder) == before


class Test21:
    @pytest.fixture(autouse=True)
    def folder(self, case):
        return case("21-md-unreadable-structure")

    def test_the_reason_is_that_of_ase(self, folder, capsys):
        before = listing(folder)
        status, _, error = in_process(capsys, "md", "small.data", *SIMULATE, "--steps", 1)
        assert status == 1
        assert error == (
            "Error: small.data: found no atoms; ASE reads this file as runnerdata, "
            "choose another format with --format\n"
        )
        shutil.copy("small.data", "small.cif")
        assert in_process(capsys, "md", "small.cif", *SIMULATE, "--steps", 1)[2].startswith(
            "Error: small.cif: cannot be read as a structure: ASE reads it as cif and reports: "
        )
        os.unlink("small.cif")
        assert listing(folder) == before

    def test_the_format_can_be_named(self, capsys):
        status, out, _ = in_process(capsys, "md", "small.data", *SIMULATE, "--steps", 1, "--format", "lammps-data")
        assert out.startswith("small.data: 4 atoms, NVT")
        assert status in (0, 2)

    def test_only_a_file_with_a_number_lacks_a_structure_of_it(self, folder, capsys):
        (folder / "OUTCAR").write_text(calculations.outcar(calculations.made()))
        for name, expected in {
            "OUTCAR@3": "OUTCAR@3: there is no structure 3 in this file",
            "OUTCAR@last": "OUTCAR@last: no such file; give FILE or FILE@NUMBER",
            "OUTCAR3": "OUTCAR3: no such file; expected a structure",
        }.items():
            assert in_process(capsys, "md", name, *SIMULATE, "--steps", 1) == (1, "", f"Error: {expected}\n")
        for name in ("OUTCAR", "OUTCAR@0", "OUTCAR@-1"):
            options = ["--steps", 0, "--output", name]
            assert in_process(capsys, "md", name, *SIMULATE, *options)[1].startswith(f"{name}: 4 atoms")

    @pytest.mark.parametrize("options", [[], ["--restart"]])
    def test_a_second_simulation_is_refused(self, folder, capsys, options):
        (folder / "OUTCAR").write_text(calculations.outcar(calculations.made(1)))
        limits = ["--min-distance", "0", "--max-temperature", "1e9"]
        arguments = ["md", "OUTCAR", *SIMULATE, *limits, "--steps", "10000000"]
        with subprocess.Popen(
            [sys.executable, str(ROOT / "bin" / "aenet-py"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as first:
            try:
                while first.poll() is None and not (folder / "md.restart").exists():
                    time.sleep(0.01)
                state = json.loads((folder / "md.restart").read_text())
                status, _, error = in_process(capsys, *arguments, *options)
                assert status == 1
                assert error.startswith(f"Error: another aenet-py md (pid {first.pid}) is writing md.restart; ")
                assert error.count("\n") == 1
            finally:
                first.send_signal(signal.SIGKILL)
        assert state["step"] >= 0
        assert in_process(capsys, *arguments[:-1], "1", "--output", "other")[0] == 0


def test_a_pipe_as_an_output_is_refused(tmp_path):
    source = ROOT / "fixtures/golden/edges/expected/edges.train"
    done = run(tmp_path, str(source), "/dev/stdout", program="trainbin2ASCII.x")
    assert (done.returncode, done.stdout) == (1, "")
    expected = "/dev/stdout: cannot be written: it is a pipe; choose another name"
    assert done.stderr == f"Error: {expected}\n"
