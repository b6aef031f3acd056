"""train.x under mpirun: rank 0 trains, with the report and the files of a run without mpirun."""

from __future__ import annotations

import sys

import pytest

from aenet_py.inputs import trainx_deck
from compat_tests.cli.cases import ROOT, listing, run
from compat_tests.cli.test_generate_mpi import errors, mpirun, needs_mpi
from compat_tests.cli.test_trainx import BEHLER, prepare, without_dates

pytestmark = [pytest.mark.mpi, needs_mpi]
PROGRAM = [sys.executable, str(ROOT / "bin" / "train.x")]


@pytest.mark.parametrize("method", [method for method in trainx_deck.METHODS if method != "adam"])  # it draws at random
def test_several_processes_train_as_one(method, tmp_path):
    folders = [prepare(BEHLER, tmp_path / name, ITERATIONS="3") for name in ("single", "several")]
    for folder in folders:
        (folder / "train.in").write_text((folder / "train.in").read_text().replace("bfgs", method))
    single = run(folders[0], "train.in", program="train.x")
    several = mpirun(folders[1], "-n", "3", *PROGRAM, "train.in")
    assert (single.returncode, single.stderr) == (0, "")
    assert several.returncode == 0, several.stderr
    assert several.stderr.count("Warning: train.x runs in one of the 3 processes only") == 1
    assert without_dates(several.stdout) == without_dates(single.stdout)
    wanted, found = map(listing, folders)
    assert found.keys() == wanted.keys()
    assert {name for name in wanted if found[name] != wanted[name]} <= {"train.time"}


def test_an_error_is_said_once(tmp_path):
    folder = prepare(BEHLER, tmp_path / "run", TESTPERCENT="100")
    before = listing(folder)
    done = mpirun(folder, "-n", "3", *PROGRAM, "train.in")
    assert done.returncode != 0
    assert errors(done) == ["Error: train.in:2: found TESTPERCENT 100; expected a percentage, below 100"]
    assert listing(folder) == before
