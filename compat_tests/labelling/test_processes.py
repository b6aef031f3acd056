"""Calculations in other processes: those that never end, that take their process with them, and kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from aenet_py import AenetError, CalculatorSpec, label
from compat_tests.cli.cases import ROOT
from compat_tests.labelling.calculators import Dying, Slow, Waiting
from compat_tests.labelling.test_label import check, copper


def test_timeout(tmp_path):
    structures = [*copper(2), molecule("CO"), *copper(1, seed=5)]
    found = label(structures, Slow(str(tmp_path / "calls"), 60.0), folder=tmp_path / "labels", timeout=1.5)
    assert found.failures == [(2, "not done after 1.5 s")]
    good = [0, 1, 3]
    check(type("Some", (), {"atoms": [found.atoms[k] for k in good]}), [structures[k] for k in good])


def test_timeout_of_another_program(tmp_path):
    """It ends, too."""
    path = tmp_path / "pid"
    found = label([*copper(1), molecule("CO")], Waiting(str(path)), folder=tmp_path / "labels", timeout=1.0)
    assert found.failures == [(1, "not done after 1 s")]
    for _ in range(100):  # until the system has forgotten it
        if not is_running(int(path.read_text())):
            return
        time.sleep(0.05)
    pytest.fail("it goes on")


def is_running(pid: int) -> bool:
    """Whether a process runs, and is not only remembered (Z)."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_a_calculator_that_ends_its_process(tmp_path):
    structures = [molecule("CO"), *copper(3)]
    found = label(structures, Dying(), folder=tmp_path, n_processes=2)
    assert found.failures == [(0, "its process was killed by SIGABRT")]
    check(type("Some", (), {"atoms": found.atoms[1:]}), structures[1:])


def test_what_calculators_print_is_kept_with_failures(tmp_path, capfd):
    found = label(bulk("W"), "emt", folder=tmp_path)
    assert found.failures
    (output,) = tmp_path.glob("work/*/output.txt")
    assert "NotImplementedError: No EMT-potential for W" in output.read_text()
    assert capfd.readouterr() == ("", "")


def test_programs_that_do_not_converge(tmp_path):
    """Their status says that they failed, and their output why."""
    program = tmp_path / "pw.sh"
    program.write_text(
        "#!/bin/sh\necho PWSCF 6.7\necho convergence NOT achieved after 3 iterations: stopping\nexit 2\n"
    )
    program.chmod(0o755)
    options = {"command": str(program), "pseudo_dir": "pseudo", "pseudopotentials": {"Cu": "Cu.upf"}}
    found = label(copper(1), CalculatorSpec("espresso", options), folder=tmp_path / "labels")
    assert found.failures == [(0, "not converged")]
    assert len(list(tmp_path.glob("labels/work/*/espresso.pwi"))) == 1


def test_what_calculators_print_when_they_are_built(tmp_path, capfd):
    found = label(copper(1), "compat_tests.labelling.calculators:Talking", folder=tmp_path)
    assert found.failures == []
    assert capfd.readouterr() == ("", "")


def test_files_of_calculators(tmp_path):
    label(copper(1), "emt", folder=tmp_path)
    assert not (tmp_path / "work").exists()
    label(copper(1, seed=7), "emt", folder=tmp_path, keep=True)
    assert len(list(tmp_path.glob("work/*/output.txt"))) == 1


def test_processes_that_cannot_build_the_calculator(tmp_path):
    spec = CalculatorSpec("espresso", {"input_data": {}})
    with pytest.raises(AenetError, match=r"^calculator espresso:.* cannot be built: No configuration of 'espresso'"):
        label(copper(2), spec, folder=tmp_path, n_processes=2)


def test_processes_that_do_not_start(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(AenetError, match="a process that computes labels ended with status 1; repeat the call"):
        label(copper(1), "emt", folder=tmp_path)


SCRIPT = """
import sys
from aenet_py import label
from compat_tests.labelling.calculators import Slow
from compat_tests.labelling.test_label import copper
from compat_tests.labelling.test_processes import slow
label(slow(), Slow("calls", 0.3), folder="labels", n_processes=2)
"""


def slow() -> list[Atoms]:
    """Structures for each of which `Slow` takes its time."""
    made = copper(6)
    for atoms in made:
        atoms.symbols[0] = "Au"
    return made


@pytest.mark.slow
def test_kill_in_the_middle(tmp_path):
    """What was labelled is not computed again, a line that was cut is; nobody goes on computing."""
    journal, calls = tmp_path / "labels/labels.jsonl", tmp_path / "calls"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment) as process:
        while not journal.exists() or journal.read_bytes().count(b"\n") < 2:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    time.sleep(1.5)
    n_calls = len(calls.read_text())
    whole = journal.read_bytes()
    n_done = whole.count(b"\n")
    assert n_calls <= n_done + 2
    journal.write_bytes(whole + whole[:50])
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 0
    assert len(calls.read_text()) == n_calls + 6 - n_done
    assert journal.read_bytes().startswith(whole)
    stored = [json.loads(line) for line in journal.read_text().splitlines()]
    assert len({each["key"] for each in stored}) == len(stored) == 6
    check(label(slow(), Slow("calls", 0.3), folder=tmp_path / "labels"), slow())


def test_tblite_remembers_nothing(tmp_path):
    """Labels do not depend on the structures before, which tblite would start from."""
    tblite = pytest.importorskip("tblite.ase")
    structures = [molecule("H2O"), molecule("H2O"), molecule("CH3OH"), molecule("H2O")]
    for k, atoms in enumerate(structures):
        atoms.rattle(0.05, seed=k)
    spec = "tblite:method=GFN1-xTB"
    together = label(structures, spec, folder=tmp_path / "together")
    for k, (atoms, one) in enumerate(zip(together.atoms, structures, strict=True)):
        alone = label(one, tblite.TBLite(method="GFN1-xTB"), folder=tmp_path / str(k))
        assert alone.atoms[0].get_potential_energy() == atoms.get_potential_energy()
        assert np.array_equal(alone.atoms[0].get_forces(), atoms.get_forces())
    again = label(structures[::-1], spec, folder=tmp_path / "two", n_processes=2)
    for atoms, other in zip(together.atoms, again.atoms[::-1], strict=True):
        assert np.array_equal(atoms.get_forces(), other.get_forces())
