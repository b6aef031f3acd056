"""Cases of users: programs under mpirun."""

from __future__ import annotations

import subprocess
import sys

import pytest

from compat_tests.cases.test_lammps import copied
from compat_tests.cli.cases import ROOT
from compat_tests.cli.test_generate_mpi import ENVIRONMENT, MPIRUN, mpirun, needs_mpi

pytestmark = [pytest.mark.mpi, needs_mpi]


def program(name: str) -> list[str]:
    return [sys.executable, str(ROOT / "bin" / name)]


def test_predict_in_several_processes(tmp_path):
    folder = copied("15-mpirun-predict", tmp_path)
    done = mpirun(folder, "-n", "3", *program("predict.x"), "predict.in")
    assert done.returncode == 0
    assert done.stdout.count("Structure number") == 2
    assert done.stderr.count("Warning: predict.x runs in one of the 3 processes") == 1


@pytest.mark.parametrize("way", ["subprocess", "system"])
def test_generate_inside_a_program_of_mpi(tmp_path, way):
    """As of driver.py, and with the connection to the launcher open as a shell has it."""
    folder = copied("17-generate-inside-an-mpi-program", tmp_path)
    (folder / "bin").mkdir()
    (folder / "bin/generate.x").write_text(f'#!/bin/sh\nexec {" ".join(program("generate.x"))} "$@"\n')
    (folder / "bin/generate.x").chmod(0o755)
    if way == "system":
        driver = (folder / "driver.py").read_text()
        call = 'subprocess.run(["generate.x", "generate.in"]).returncode'
        assert call in driver
        (folder / "driver.py").write_text(
            "import os\n" + driver.replace(call, 'os.waitstatus_to_exitcode(os.system("generate.x generate.in"))')
        )
    environment = {**ENVIRONMENT, "PATH": f"{folder / 'bin'}:{ENVIRONMENT['PATH']}"}
    command = [str(MPIRUN), "-n", "2", sys.executable, "driver.py"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert (folder / "x.train").stat().st_size > 1000


IN_PROCESS = """
from mpi4py import MPI
from aenet_py.pipelines.generate import generate

comm = MPI.COMM_WORLD
if comm.rank == 0:
    generate(["s0.xsf", "s1.xsf"], {"Mg": "Mg.stp", "S": "S.stp"}, {"Mg": -4.0, "S": -5.0}, "x.train")
comm.Barrier()
"""


def test_api_in_one_process_of_several(tmp_path):
    folder = copied("17-generate-inside-an-mpi-program", tmp_path)
    (folder / "program.py").write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{IN_PROCESS}")
    done = mpirun(folder, "-n", "2", sys.executable, "program.py")
    assert done.returncode == 0, done.stderr
    assert (folder / "x.train").exists()
