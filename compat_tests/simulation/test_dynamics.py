"""Molecular dynamics: conservation, the canonical distribution, resuming bit for bit, and every reason to stop."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms, FixCartesian
from ase.io import read
from scipy import stats

from aenet_py.errors import AenetError
from aenet_py.formats.read import read as read_structures
from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.neighbors import patches
from aenet_py.simulation.dynamics import COLUMNS, Settings, degrees_of_freedom, run
from aenet_py.simulation.stability import Limits
from compat_tests.cli.cases import listing
from compat_tests.interfaces.test_ase import OTHERS, cluster, crystal, networks
from compat_tests.simulation.systems import Springs, springs

ANYTHING = Limits(min_distance=0.0, max_temperature=1e9, max_excess=1e9, fragments=True)

pytestmark = pytest.mark.filterwarnings("ignore:.*outside the range of the training set")


def potential(atoms: Atoms, skin: float = 0.6) -> Atoms:
    atoms.calc = ANNCalculator(networks(), skin=skin)
    return atoms


@pytest.mark.parametrize("make", [lambda: potential(cluster()), lambda: potential(crystal()), springs])
def test_nve_conserves_the_energy_to_second_order_in_the_timestep(make):
    errors = []
    for timestep in (0.5, 0.25):
        settings = Settings(round(40 / timestep), 100.0, "nve", timestep, every=round(1 / timestep))
        energies = run(make(), settings, ANYTHING).log["conserved_energy_eV"]
        errors.append(np.std(energies))
    assert errors[0] < 1e-3
    assert 3.0 < errors[0] / errors[1] < 5.0


def test_nvt_conserves_what_it_exchanges():
    log = run(springs(), Settings(1000, 300.0, taut=20.0), ANYTHING).log
    assert np.ptp(log["total_energy_eV"]) > 0.05
    assert np.ptp(log["conserved_energy_eV"]) < 0.003


def kinetic_energies(atoms: Atoms, settings: Settings) -> np.ndarray:
    return run(atoms, settings, ANYTHING).log["kinetic_energy_eV"][10:]


def p_value(energies: np.ndarray, freedom: int, temperature: float) -> float:
    """p-value of the canonical distribution of the kinetic energy (Kolmogorov-Smirnov)."""
    return stats.kstest(energies, stats.gamma(freedom / 2, scale=units.kB * temperature).cdf).pvalue


@pytest.mark.parametrize("periodic", [False, True])
def test_free_atoms_have_the_canonical_distribution(periodic):
    atoms = springs(constant=0.0)
    freedom = 12 if periodic else 9
    if periodic:
        atoms.set_cell([6, 6, 6])
        atoms.pbc = True
    # Ten time constants between samples: correlated by exp(-10) only.
    found = kinetic_energies(atoms, Settings(1500, 500.0, timestep=1.0, taut=0.1, every=1, seed=3))
    assert p_value(found, freedom, 500.0) > 0.01
    assert p_value(found, 15, 500.0) < 1e-6
    assert p_value(found, freedom, 600.0) < 1e-6


@pytest.mark.slow
def test_a_molecule_has_the_canonical_distribution():
    settings = Settings(12000, 400.0, timestep=1.0, taut=10.0, every=40, seed=5)
    found = kinetic_energies(springs(), settings)
    assert p_value(found, 9, 400.0) > 0.01
    assert p_value(found, 15, 400.0) < 1e-3


def test_first_velocities_have_neither_momentum_nor_rotation():
    for atoms in (springs(), Atoms("CO", [[0, 0, 0], [0, 0, 1.2]]), Atoms("H2", [[0, 0, 0], [0.5, 0.5, 0]])):
        atoms.calc = Springs(atoms, 1.0)
        run(atoms, Settings(20, 300.0), ANYTHING)
        assert np.allclose(atoms.get_momenta().sum(axis=0), 0.0, atol=1e-12)
        assert np.allclose(atoms.get_angular_momentum(), 0.0, atol=1e-9)


def test_degrees_of_freedom():
    assert [degrees_of_freedom(Atoms(f"Cu{n}")) for n in (1, 2, 3)] == [0, 1, 3]
    assert degrees_of_freedom(Atoms("Cu2", pbc=True, cell=[5, 5, 5])) == 3
    assert degrees_of_freedom(Atoms("Cu4", constraint=FixAtoms([0]))) == 9


def test_fixed_atoms_stay():
    atoms = bulk("Cu", cubic=True)
    atoms.calc = EMT()
    atoms.set_constraint(FixAtoms([1]))
    before = atoms.positions.copy()
    run(atoms, Settings(10, 300.0))
    moved = np.abs(atoms.positions - before).max(axis=1)
    assert moved[1] == 0.0
    assert moved[[0, 2, 3]].min() > 0.0


def test_other_fixed_atoms_are_not_resumed(tmp_path):
    """As of a version that took no notice of move_mask."""
    atoms, path = potential(cluster()), str(tmp_path / "md")
    run(atoms, Settings(4, every=4), ANYTHING, path)
    before = listing(tmp_path)
    held = potential(cluster())
    held.set_constraint(FixAtoms([1]))
    with pytest.raises(AenetError, match=r"md\.restart: the structure fixes other atoms.*move_mask.*; start anew"):
        run(held, Settings(8, every=4), ANYTHING, path, True)
    assert listing(tmp_path) == before


def test_frames_have_the_forces_on_fixed_atoms(tmp_path):
    atoms = potential(cluster())
    atoms.set_constraint([FixAtoms([1]), FixCartesian([0], (True, False, False))])
    run(atoms, Settings(2, 300.0, every=1), ANYTHING, str(tmp_path / "md"))
    for frame in read_structures(tmp_path / "md.extxyz"):
        other = cluster()
        other.positions = frame.positions
        assert np.abs(frame.forces[1]).min() > 0.0
        assert np.allclose(frame.forces, potential(other).get_forces(), rtol=0, atol=1e-6)
        assert frame.fixed.tolist()[:3] == [[True, False, False], [True] * 3, [False] * 3]
        assert frame.unknown_forces is None


def stop_after(n: int):
    """A function that requests a stop at the n-th call."""
    asked = iter(range(n))
    return lambda: next(asked, None) is None


def long_crystal() -> Atoms:
    """Long enough for several bins in the neighbour search, between which atoms move."""
    return crystal().repeat((4, 1, 1))


@pytest.mark.parametrize("ensemble", ["nvt", "nve"])
@pytest.mark.parametrize("make", [cluster, long_crystal])
def test_resuming_equals_no_interruption_bit_for_bit(tmp_path, monkeypatch, make, ensemble):
    monkeypatch.chdir(tmp_path)
    # Hot atoms: several neighbour searches, none at the interruption, which would change the order of sums.
    settings = Settings(90, 1500.0, ensemble, 1.0, taut=20.0, every=7)
    whole, parts = potential(make(), 0.4), potential(make(), 0.4)
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    assert run(whole, settings, ANYTHING, "whole/md").reason == "time"
    found = run(parts, settings, ANYTHING, "parts/md", stop=stop_after(33))
    assert (found.reason, found.step, found.stable) == ("interrupted", 33, True)
    # What was written after the last state before a crash is cut off.
    for ending in ("extxyz", "csv"):
        with open(f"parts/md.{ending}", "a") as file:
            file.write("3\nhalf a fra")
    for n in (20, None):
        used, parts = parts.calc, potential(make(), 0.4)
        if n:  # a calculator with a neighbour list
            parts.calc = used
        found = run(parts, settings, ANYTHING, "parts/md", True, stop_after(n) if n else lambda: False)
    assert found.reason == "time"
    assert np.array_equal(whole.positions, parts.positions)
    assert np.array_equal(whole.get_momenta(), parts.get_momenta())
    assert listing(tmp_path / "whole") == listing(tmp_path / "parts")


def test_resuming_with_other_threads_equals_no_interruption_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(patches, "PER_THREAD", 1)
    monkeypatch.chdir(tmp_path)
    settings = Settings(40, 1500.0, "nvt", 1.0, taut=20.0, every=7)

    def start(threads: int) -> Atoms:
        atoms = crystal().repeat((3, 3, 2))  # several patches
        atoms.calc = ANNCalculator(networks(), skin=0.4, threads=threads)
        return atoms

    whole, parts = start(1), start(2)
    run(whole, settings, ANYTHING, "whole")
    assert run(parts, settings, ANYTHING, "parts", stop=stop_after(13)).reason == "interrupted"
    parts = start(3)
    assert run(parts, settings, ANYTHING, "parts", True).reason == "time"
    assert np.array_equal(whole.positions, parts.positions)
    assert (tmp_path / "whole.csv").read_bytes() == (tmp_path / "parts.csv").read_bytes()


def test_a_simulation_can_be_made_longer(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(potential(cluster()), Settings(20, every=4), ANYTHING, "whole")
    run(potential(cluster()), Settings(10, every=4), ANYTHING, "part")
    assert run(potential(cluster()), Settings(20, every=4), ANYTHING, "part", True).step == 20
    for ending in ("csv", "extxyz", "restart"):
        assert (tmp_path / f"whole.{ending}").read_bytes() == (tmp_path / f"part.{ending}").read_bytes()


def test_files_agree_with_the_log(tmp_path):
    atoms = cluster()
    atoms.calc = ANNCalculator([networks(), networks(OTHERS)])
    found = run(atoms, Settings(20, every=5), ANYTHING, str(tmp_path / "md"))
    lines = (tmp_path / "md.csv").read_text().splitlines()
    assert lines[0].split(",") == [*COLUMNS, "energy_std_eV", "largest_force_std_eV_per_A"] == list(found.log)
    table = np.array([[float(item) for item in line.split(",")] for line in lines[1:]])
    assert np.array_equal(table, np.transpose(list(found.log.values())))
    frames = read(tmp_path / "md.extxyz", ":")
    assert [frame.info["step"] for frame in frames] == found.log["step"].tolist() == [0, 5, 10, 15, 20]
    assert np.array_equal([frame.get_potential_energy() for frame in frames], found.log["potential_energy_eV"])
    assert np.allclose([frame.get_kinetic_energy() for frame in frames], found.log["kinetic_energy_eV"], atol=1e-6)
    largest = [np.linalg.norm(frame.get_forces(), axis=1).max() for frame in frames]
    assert np.allclose(largest, found.log["largest_force_eV_per_A"], atol=1e-7)
    last = potential(frames[-1].copy())
    members = []
    for paths in (networks(), networks(OTHERS)):
        last.calc = ANNCalculator(paths)
        members.append(last.get_potential_energy())
    assert np.isclose(np.std(members), found.log["energy_std_eV"][-1], atol=1e-5)
    assert np.array_equal(frames[-1].positions.round(7), atoms.positions.round(8).round(7))


REASONS = {
    "temperature": ({"max_temperature": 10.0}, "the temperature is 2.. K, above 10 K"),
    "close contact": (
        {"min_distance": 5.0},
        r"atoms \d+ \(\w+\) and \d+ \(\w+\) are 1.660 Angstrom apart, less than 5",
    ),
    "extrapolation": ({"max_excess": 0.0, "max_share": 0.2}, r"\d of 15 atoms have features outside the range of the"),
}


@pytest.mark.parametrize("reason", REASONS)
def test_limits(reason, tmp_path):
    limits, message = REASONS[reason]
    path = str(tmp_path / "md")
    found = run(potential(cluster()), Settings(100, every=1000), Limits(**limits), path)
    assert (found.reason, found.stable) == (reason, False)
    assert re.search(message, found.message)
    assert found.time == found.step * 0.0005 == found.log["time_ps"][-1]
    assert found.step in (0, 10)
    assert read(path + ".extxyz", "-1").info["step"] == found.step  # the structure that was wrong
    with pytest.raises(AenetError, match="cannot be resumed"):
        run(potential(cluster()), Settings(100, every=1000), Limits(**limits), path, True)


def test_min_distance_is_against_the_radii_by_default():
    atoms = Atoms("HHCuCu", [[0, 0, 0], [0.32, 0, 0], [0, 3, 0], [1.31, 3, 0]])
    atoms.calc = Springs(atoms, 1.0)
    found = run(atoms, Settings(10))
    assert found.reason == "close contact"
    assert "atoms 3 (Cu) and 4 (Cu) are 1.310 Angstrom apart, less than 1.320" in found.message


def test_an_energy_that_is_not_finite():
    found = run(springs(broken=18), Settings(100), ANYTHING)
    assert (found.reason, found.step) == ("energy", 18)


def test_atoms_that_leave():
    atoms = Atoms("Cu3", [[0, 0, 0], [2.5, 0, 0], [0, 5.9, 0]])
    atoms.set_momenta([[0, 0, 0], [0, 0, 0], [0, 20.0, 0]])
    atoms.calc = Springs(atoms, 0.0)
    settings = Settings(1000, ensemble="nve", keep_velocities=True)
    found = run(atoms, settings, Limits(max_temperature=1e9))
    assert found.reason == "fragment"
    assert "one atom has left, farther from the others than the cutoff of 6 Angstrom" in found.message
    distance = atoms.get_distance(0, 2)
    assert 6.0 < distance < 6.2
    apart = Atoms("Cu4", [[0, 0, 0], [2.5, 0, 0], [0, 20, 0], [2.5, 20, 0]])  # separate from the start
    apart.calc = Springs(apart, 0.0)
    assert run(apart, Settings(20)).reason == "time"


def test_coinciding_atoms():
    atoms = cluster()
    atoms.positions[3] = atoms.positions[2]
    found = run(potential(atoms), Settings(100))
    assert (found.reason, found.step) == ("close contact", 0)
    assert "coincides" in found.message


def test_velocities_can_be_kept():
    atoms = springs()
    atoms.set_momenta(np.arange(15.0).reshape(5, 3) / 10)
    run(atoms, Settings(0, ensemble="nve", keep_velocities=True), ANYTHING)
    assert atoms.get_kinetic_energy() > 0.0
    atoms = springs()
    with pytest.raises(AenetError, match="atoms at rest"):
        run(atoms, Settings(0, keep_velocities=True), ANYTHING)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timestep": 1.0}, "timestep must be 0.5, as at the start of this simulation, not 1.0"),
        ({"seed": 4}, "seed must be 0, as at the start of this simulation, not 4"),
        ({"every": 5}, "every must be 4, as at the start of this simulation, not 5"),
    ],
)
def test_another_simulation_is_not_resumed(tmp_path, change, message):
    path = str(tmp_path / "md")
    run(potential(cluster()), Settings(4, every=4), ANYTHING, path)
    before = listing(tmp_path)
    with pytest.raises(AenetError, match=message):
        run(potential(cluster()), Settings(**{"steps": 8, "every": 4, **change}), ANYTHING, path, True)
    with pytest.raises(AenetError, match="structure must be the same as at the start"):
        run(potential(cluster(2)), Settings(8, every=4), ANYTHING, path, True)
    other = cluster()
    other.calc = ANNCalculator(networks(OTHERS))
    with pytest.raises(AenetError, match="potentials must be the same as at the start"):
        run(other, Settings(8, every=4), ANYTHING, path, True)
    with pytest.raises(AenetError, match="file exists; choose another name"):
        run(potential(cluster()), Settings(4, every=4), ANYTHING, path)
    assert listing(tmp_path) == before


def test_invalid_states(tmp_path):
    path = str(tmp_path / "md")
    with pytest.raises(AenetError, match=r"md\.restart: no such file; resuming requires the state"):
        run(potential(cluster()), Settings(4), ANYTHING, path, True)
    for content in ("", "[]", "{}", "nonsense", json.dumps({"mark": {}, "lengths": [0, 0]})):
        (tmp_path / "md.restart").write_text(content)
        with pytest.raises(AenetError, match="not the state of a simulation"):
            run(potential(cluster()), Settings(4), ANYTHING, path, True)
    (tmp_path / "md.restart").unlink()
    run(potential(cluster()), Settings(4), ANYTHING, path)
    (tmp_path / "md.csv").write_text("short")
    with pytest.raises(AenetError, match=r"md\.csv: this file has 5 bytes, less than the"):
        run(potential(cluster()), Settings(8), ANYTHING, path, True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ensemble": "npt"}, "choose nvt or nve"),
        ({"steps": -1}, "steps must be at least 0, not -1"),
        ({"every": 0}, "every must be at least 1, not 0"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"timestep": 0.0}, "timestep must be a finite number above 0, not 0"),
        ({"temperature": 0.0}, "temperature must be a finite number above 0, not 0"),
        ({"taut": -1.0}, "taut must be a finite number above 0, not -1"),
        ({"temperature": float("nan")}, "temperature must be a finite number above 0, not nan"),
    ],
)
def test_invalid_settings(settings, message):
    with pytest.raises(AenetError, match=message):
        Settings(**{"steps": 1, **settings})


def test_invalid_limits():
    for name in ("min_distance", "max_temperature", "max_excess", "max_share"):
        with pytest.raises(AenetError, match=f"{name} must be at least 0, not -1"):
            Limits(**{name: -1.0})


def test_nothing_to_simulate():
    with pytest.raises(AenetError, match="have no calculator"):
        run(cluster(), Settings(1))
    atom = Atoms("Cu")
    atom.calc = EMT()
    with pytest.raises(AenetError, match="no degrees of freedom"):
        run(atom, Settings(1))
