"""Which process of a launcher this one is: environments, and processes in between."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aenet_py.runtime import launch
from aenet_py.runtime.launch import Launch
from compat_tests.cli.cases import ROOT

NAMES = {name for rank, sizes, _ in launch.VARIABLES for name in (rank, *sizes)} | {"PMI_FD", *launch.TORCHRUN}


@pytest.fixture(autouse=True)
def _no_launcher(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({}, None),
        ({"PMI_SIZE": "3"}, None),
        ({"PMI_RANK": "2", "PMI_SIZE": "3"}, Launch(2, 3, mpi=True, direct=True)),
        ({"PMI_RANK": "x", "PMI_SIZE": "3"}, None),
        ({"PMI_RANK": "0", "PMI_SIZE": "3", "PMI_FD": "987654"}, None),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, Launch(1, 2, mpi=True, direct=True)),
        ({"MV2_COMM_WORLD_RANK": "1", "MV2_COMM_WORLD_SIZE": "2"}, Launch(1, 2, mpi=True, direct=True)),
        ({"PMIX_RANK": "1"}, Launch(1, None, mpi=True, direct=True)),
        ({"PMIX_RANK": "1", "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "1"}, Launch(1, 4, mpi=True, direct=True)),
        ({"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4"}, Launch(3, 4, mpi=False, direct=True)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, Launch(0, None, mpi=False, direct=True)),
    ],
)
def test_environments(monkeypatch, environment, place):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert launch.place() == place
    assert launch.launched() == (place is not None and place.mpi)
    launch.forget()
    assert not launch.launched()


TELL = "from aenet_py.runtime import launch; print(launch.place())"


def found(command: list[str], **environment: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="needs /proc")
def test_processes_in_between():
    """Of scripts, which start what they like; not of a shell that only gives way to the program."""
    python = [sys.executable, "-c", TELL]
    given = {"PMI_RANK": "1", "PMI_SIZE": "2"}
    assert found(python, **given) == "Launch(rank=1, size=2, mpi=True, direct=True)"
    assert found(["sh", "-c", 'exec "$@"', "sh", *python], **given) == "Launch(rank=1, size=2, mpi=True, direct=True)"
    assert found(["timeout", "60", *python], **given) == "Launch(rank=1, size=2, mpi=True, direct=True)"
    script = '"$@"; true'
    assert found(["sh", "-c", script, "sh", *python], **given) == "Launch(rank=1, size=2, mpi=True, direct=False)"
    # As in a batch script: Slurm's variables are those of the script.
    given = {"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}
    assert found(["sh", "-c", script, "sh", *python], **given) == "Launch(rank=0, size=None, mpi=False, direct=False)"


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(sorted(NAMES)), st.one_of(st.integers(-9, 10**20).map(str), st.text("0x-1 ", max_size=5))
    )
)
def test_any_environment_has_an_answer(monkeypatch, environment):
    with monkeypatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        place = launch.place()
        assert place is None or place.rank >= 0
        assert launch.launched() in (False, True)
        assert launch.by_torchrun() in (False, True)
