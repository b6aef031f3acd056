"""The programs before their modules are imported: signals, and launchers of several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aenet_py.cli import entry
from compat_tests.cli.cases import ROOT, run
from compat_tests.runtime.test_launch import NAMES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # which pytest requires

PROGRAMS = sorted(path.name for path in (ROOT / "bin").iterdir())


def settings() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def installed() -> dict[str, str]:
    """The function of each program, as pip's scripts import it."""
    return settings()["project"]["scripts"]


def test_programs_begin_the_same_way():
    functions = installed()
    assert sorted(functions) == PROGRAMS
    for program, target in functions.items():
        module, function = target.split(":")
        assert module == entry.__name__
        assert callable(getattr(entry, function))
        assert f"entry.{function}()" in (ROOT / "bin" / program).read_text()


def environment(folder: Path, **more: str) -> dict[str, str]:
    """In which modules of this folder hide others; without any launcher."""
    kept = {name: value for name, value in os.environ.items() if name not in NAMES}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), **more}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("form", ["bin", "installed"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_signals_while_modules_are_imported(tmp_path, program, form, number):
    """They end the process quietly."""
    (tmp_path / "argparse.py").write_text(f"import os, time\nos.kill(os.getpid(), {int(number)})\ntime.sleep(60)\n")
    path = ROOT / "bin" / program
    if form == "installed":
        module, function = installed()[program].split(":")
        path = tmp_path / program
        path.write_text(f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n")
    command = [sys.executable, str(path), "input"]
    done = subprocess.run(command, env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == -number
    assert done.stdout == done.stderr == ""


def test_an_ignored_interrupt_stays_ignored(tmp_path):
    """As of programs that a shell started in the background."""
    (tmp_path / "argparse.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nos._exit(7)\n")
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, str(ROOT / "bin/predict.x"), "input"]
    assert subprocess.run(command, env=environment(tmp_path), check=False).returncode == 7


SECOND = {"PMI_RANK": "1", "PMI_SIZE": "3"}


@pytest.mark.parametrize("program", [program for program in PROGRAMS if program != "generate.x"])
@pytest.mark.parametrize(
    "launcher", [SECOND, {"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "3"}], ids=["mpirun", "srun"]
)
def test_other_processes_end_at_once(tmp_path, program, launcher):
    """Before anything is imported."""
    (tmp_path / "argparse.py").write_text("raise SystemExit('imported')")
    done = run(tmp_path, "input", program=program, env=environment(tmp_path, **launcher))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def errors(folder: Path, program: str, **variables: str) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    done = run(folder, "none", program=program, env={**environment, **variables})
    assert done.returncode == 1
    return done.stderr.splitlines()


def test_the_first_process_does_the_work(tmp_path):
    alone = errors(tmp_path, "predict.x")
    assert len(alone) == 1
    warning = "Warning: predict.x runs in one of the 3 processes only; the others end at once"
    assert errors(tmp_path, "predict.x", PMI_RANK="0", PMI_SIZE="3") == [warning, *alone]
    assert errors(tmp_path, "predict.x", PMI_RANK="0", PMI_SIZE="1") == alone
    assert errors(tmp_path, "predict.x", SLURM_PROCID="0", SLURM_NTASKS="8") == alone, "of a batch script"
    (warning, *rest) = errors(tmp_path, "generate.x", SLURM_PROCID="0", SLURM_STEP_NUM_TASKS="3")
    assert "the others end at once; use srun --mpi=pmix" in warning
    assert rest == errors(tmp_path, "generate.x")
    assert "use torchrun to start several" in errors(tmp_path, "aenet_pytorch.py", PMI_RANK="0", PMI_SIZE="3")[0]


def test_processes_of_torchrun_go_on(tmp_path):
    """Also where another launcher started them."""
    (tmp_path / "torch.py").write_text("raise SystemExit('joins the others')")
    torchrun = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    done = run(tmp_path, "none", program="aenet_pytorch.py", env=environment(tmp_path, **torchrun, **SECOND))
    assert done.stderr == "joins the others\n"


def test_wrong_options_are_said_by_the_first_process(tmp_path):
    for rank, n_lines in (("0", 1), ("1", 0)):
        done = run(tmp_path, "--mpi=3", "none", env=environment(tmp_path, PMI_RANK=rank, PMI_SIZE="2"))
        assert (done.returncode, len(done.stderr.splitlines())) == (1, n_lines)
