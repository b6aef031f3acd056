"""Many runs in one call: against single simulations, with known calculators, resumed, in other processes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.calculator import CalculationFailed
from ase.calculators.emt import EMT
from ase.io import read

from aenet_py import AenetError, simulate, stability
from aenet_py.analysis.distances import distribution
from aenet_py.cli.summaries import stability as summary
from aenet_py.errors import StoppedError
from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.runtime import locks
from aenet_py.simulation import start
from aenet_py.survival import dimers, figures, files
from compat_tests.cli.cases import listing, table
from compat_tests.interfaces.test_ase import CLUSTER, NETWORKS, OTHERS
from compat_tests.simulation.systems import Springs, springs

STRUCTURE = CLUSTER / "xsf" / "s001.xsf"
SHORT = {"temperatures": [300], "seeds": 3, "time": 0.05, "nve": 0, "every": 10}
FREE = {"min_distance": 0, "max_temperature": 1e9, "allow_fragments": True}


@pytest.fixture(autouse=True)
def _few_points(monkeypatch):
    """Of dimers, which have tests of their own."""
    monkeypatch.setattr(dimers, "N_POINTS", 12)


class Spring(Springs):
    """For dimers, too."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        if len(atoms) != len(self.lengths):
            raise CalculationFailed("other atoms")
        super().calculate(atoms, properties, system_changes)


def system(constant=2.0, broken=None):
    atoms = springs()
    return atoms, Spring(atoms, constant, broken)


def test_stable_springs():
    atoms, calculator = system()
    before = atoms.positions.copy()
    found = stability(calculator, atoms, temperatures=[200, 400], seeds=2, time=0.1, nve=0.05, every=20, taut=5)
    assert [(each.temperature, each.n_finished) for each in found.conditions] == [(200, 2), (400, 2)]
    assert found.least == 1
    for each in found.conditions:
        curve = each.survival
        assert (curve.probability[-1], curve.times[-1]) == (1, 0.1)
        assert np.isclose(curve.low[-1], 0.025**0.5)
        temperatures = [run.temperature for run in each.runs]
        assert len(set(temperatures)) == 2  # by seed
        assert abs(np.mean(temperatures) / each.temperature - 1) < 0.4
        assert abs(each.nve.drift) < 0.5
        assert each.seen.n_frames == 2 * 11
        assert each.distribution.n_frames == 2 * 10  # the first tenth is left out
        assert each.nve.seen.n_frames == 11  # of its 100 steps
        assert np.isnan(each.pressure).all()
    assert np.array_equal(atoms.positions, before)
    assert all(dimer.attractive is not None for dimer in found.dimers)


def test_repelling_springs_always_fail():
    """Negative constants: the further two atoms are apart, the harder they are pushed."""
    atoms, calculator = system(-5.0)
    (each,) = stability(calculator, atoms, temperatures=[300], seeds=5, time=0.1, nve=0.1, every=10).conditions
    assert each.n_finished == 0
    assert {run.reason for run in each.runs} <= {"temperature", "fragment", "close contact"}
    assert each.survival.probability[-1] == 0
    assert each.survival.median[0] == sorted(run.time for run in each.runs)[2]
    for run in each.runs:  # averages: from 0.01 ps on, and without the last frame
        last = round(2000 * run.time)
        counted = 0 if run.distribution is None else run.distribution.n_frames
        assert counted == len([step for step in range(0, last, 10) if step >= 20])
    assert any(run.distribution is not None for run in each.runs)
    assert each.nve.failed


def test_runs_are_those_of_simulate():
    """With the same seeds, to the last digit, also when features end a run."""
    options = {"time": 0.3, "every": 100, "max_share": 0.0, "max_excess": 0.3}
    (each,) = stability(NETWORKS, STRUCTURE, temperatures=[400], seeds=3, nve=0, **options).conditions
    expected = [simulate(STRUCTURE, NETWORKS, temperature=400, seed=seed, **options) for seed in range(3)]
    assert [(run.time, run.reason, run.message) for run in each.runs] == [
        (result.time, result.reason, result.message) for result in expected
    ]
    assert {run.reason for run in each.runs} == {"extrapolation"}
    shortest = [result.log["shortest_distance_A"].min() for result in expected]
    assert np.isclose(each.seen.shortest.min(), min(shortest), atol=1e-6)


def test_pressure_and_drift_are_those_of_the_files(tmp_path):
    atoms = bulk("Cu", cubic=True).repeat(2)
    atoms.set_cell(0.97 * atoms.cell, scale_atoms=True)
    found = stability(EMT(), atoms, temperatures=[300], seeds=2, time=0.05, nve=0.05, every=10, output=tmp_path / "out")
    (each,) = found.conditions
    means = []
    for seed in range(2):
        frames = read(tmp_path / f"out/runs/1-300K-seed{seed}.extxyz", ":")[1:]
        for frame in frames:
            frame.calc = EMT()
        stress = np.mean([frame.get_stress(include_ideal_gas=True)[:3].mean() for frame in frames])
        means.append(-stress / units.GPa)
    assert np.isclose(each.pressure[0], np.mean(means))
    assert np.isclose(each.pressure[1], abs(means[0] - means[1]) / 2)
    assert each.pressure[0] > 5  # compressed
    log = [row for row in table(tmp_path / "out/runs/1-300K-nve-100.csv") if int(row["step"]) >= 10]
    time, energy = (np.array([float(row[name]) for row in log]) for name in ("time_ps", "total_energy_eV"))
    slope = np.cov(time, energy)[0, 1] / time.var(ddof=1)  # eV/ps
    assert np.isclose(each.nve.drift, 1000 * slope / 32, rtol=1e-4)
    assert each.distribution.normalised


def test_distances_beside_a_reference(tmp_path):
    atoms, calculator = system()
    first = tmp_path / "first"
    (before,) = stability(calculator, atoms, **SHORT, output=first).conditions
    path = first / "runs/1-300K-seed1.extxyz"
    (each,) = stability(calculator, atoms, **SHORT, output=first, reference=path).conditions
    assert before.reference is None
    assert np.isnan(before.overlap).all()
    frames = read(path, ":")
    whole = distribution(frames)
    assert np.allclose(each.reference.distribution.values, whole.values)
    assert np.allclose(each.reference.distribution.shortest, whole.shortest)
    halves = [distribution(part).values for part in (frames[: len(frames) // 2], frames[len(frames) // 2 :])]
    p, q = (half / half.sum(axis=1)[:, None] for half in halves)
    assert np.allclose(each.reference.overlap, 1 - 0.5 * np.abs(p - q).sum(axis=1))
    assert np.all((each.overlap > 0.3) & (each.overlap < 1))
    reordered = [frame[[4, 3, 2, 1, 0]] for frame in frames]
    for frame in reordered:
        frame.write(tmp_path / "reordered.extxyz", format="extxyz", append=True)
    (other,) = stability(calculator, atoms, **SHORT, output=first, reference=[tmp_path / "reordered.extxyz"]).conditions
    assert np.allclose(other.overlap, each.overlap)
    frames[0][:4].write(tmp_path / "s1.extxyz")
    with pytest.raises(AenetError, match=r"s1.extxyz: the reference is of .* with pbc .*, the structure is "):
        stability(calculator, atoms, **SHORT, reference=tmp_path / "s1.extxyz")
    frames[0].write(tmp_path / "one.extxyz")
    with pytest.raises(AenetError, match=r"one.extxyz: a reference needs at least two frames"):
        stability(calculator, atoms, **SHORT, reference=tmp_path / "one.extxyz")
    with pytest.raises(AenetError, match="one reference, or one for each of the 2 structures, not 3"):
        stability(calculator, [atoms, atoms], **SHORT, reference=[path] * 3)


def test_interrupted_and_resumed(tmp_path):
    """Stopped in the middle of a run, twice; the tables are those of an uninterrupted study, byte for byte."""
    options = {**SHORT, **FREE, "nve": 0.02, "structures": STRUCTURE}
    whole = files_of(stability(NETWORKS, **options, output=tmp_path / "whole"), tmp_path / "a")
    given = ANNCalculator(NETWORKS)
    for most, ended in ((150, 1), (90, 2)):  # of 100 steps: the second call begins in the middle of a run
        left = most

        def stop():
            nonlocal left
            left -= 1
            return left < 0

        with pytest.raises(StoppedError, match=f"stopped after {ended} of 4 runs"):
            stability(given, **options, output=tmp_path / "parts", stop=stop)
    assert (tmp_path / "parts/runs/1-300K-seed1.json").exists()
    done = (tmp_path / "parts/runs/1-300K-seed0.extxyz").stat().st_mtime_ns
    parts = files_of(stability(given, **options, output=tmp_path / "parts"), tmp_path / "b")
    assert parts == whole
    assert (tmp_path / "parts/runs/1-300K-seed0.extxyz").stat().st_mtime_ns == done
    assert files_of(stability(given, **options), tmp_path / "c") == whole  # without a folder


def files_of(found, folder):
    folder.mkdir()
    return [open(path).read() for path in files.write(found, str(folder))]


def test_runs_that_were_killed_are_repeated(tmp_path):
    """Between the last step and the outcome, and before the first state."""
    atoms, calculator = system(-5.0)
    options = {**SHORT, "time": 0.3, "output": tmp_path}
    before = stability(calculator, atoms, **options)
    runs = tmp_path / "runs"
    (runs / "1-300K-seed0.json").unlink()
    for ending in ("json", "restart"):
        (runs / f"1-300K-seed1.{ending}").unlink()
    after = stability(calculator, atoms, **options)
    assert [run.time for run in after.conditions[0].runs] == [run.time for run in before.conditions[0].runs]
    endings = ("csv", "extxyz", "json", "restart")
    assert set(listing(runs)) == {f"1-300K-seed{seed}.{ending}" for seed in range(3) for ending in endings}


def test_a_run_that_another_process_writes_is_left_alone(tmp_path):
    atoms, calculator = system()
    with pytest.raises(StoppedError):
        stability(calculator, atoms, **SHORT, output=tmp_path, stop=iter([False] * 20 + [True] * 9).__next__)
    path = tmp_path / "runs/1-300K-seed0.restart"
    before = path.read_bytes()
    with locks.held(str(path), "test"), pytest.raises(AenetError, match=r"is writing .*1-300K-seed0.restart"):
        stability(calculator, atoms, **SHORT, output=tmp_path)
    assert path.read_bytes() == before


def test_processes_that_die(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(AenetError, match="a process that simulates ended with status 1; repeat the call to resume"):
        stability(NETWORKS, STRUCTURE, **SHORT, n_processes=2, output=tmp_path)


def test_more_seeds_and_temperatures_later(tmp_path):
    atoms, calculator = system()
    options = {**SHORT, "time": 0.01, "output": tmp_path}
    stability(calculator, atoms, **options)
    before = (tmp_path / "runs/1-300K-seed2.json").stat().st_mtime_ns
    more = stability(calculator, atoms, **{**options, "seeds": 4, "temperatures": [600, 300]})
    assert [(each.temperature, len(each.runs)) for each in more.conditions] == [(600, 4), (300, 4)]
    assert (tmp_path / "runs/1-300K-seed2.json").stat().st_mtime_ns == before


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The folder of a finished one."""
    folder = tmp_path_factory.mktemp("study")
    stability(NETWORKS, STRUCTURE, **{**SHORT, "seeds": 1}, output=folder)
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timestep": 1.0}, "timestep is 0.5 there, not 1.0"),
        ({"time": 0.1}, "time is 0.05 there, not 0.1"),
        ({"min_distance": 0.3}, "limits.min_distance is None there, not 0.3"),
        ({"structures": STRUCTURE.with_name("s000.xsf")}, "structures must be the same as in the runs there"),
        ({"potential": [NETWORKS, NETWORKS]}, "potentials must be the same as in the runs there"),
        ({"potential": EMT()}, "calculator is aenet_py.interfaces.ase.ANNCalculator there, not ase.calculators"),
    ],
)
def test_other_settings_are_refused(change, message, study):
    before = listing(study)
    options = {**SHORT, "seeds": 1, "output": study, "potential": NETWORKS, "structures": STRUCTURE, **change}
    with pytest.raises(AenetError, match=f"settings.json: {message}.*; choose another folder"):
        stability(**options)
    assert listing(study) == before


def test_other_fixed_atoms_are_refused(study):
    from ase.constraints import FixAtoms

    atoms = start.read(str(STRUCTURE))
    atoms.set_constraint(FixAtoms([0]))
    with pytest.raises(AenetError, match=r"settings.json: the structures fix other atoms.*move_mask.*; choose another"):
        stability(NETWORKS, atoms, **{**SHORT, "seeds": 1}, output=study)


def test_other_folders_are_refused(tmp_path):
    atoms, calculator = system()
    for content, line in (("[\n{", 2), ("3", 1)):
        (tmp_path / "settings.json").write_text(content)
        with pytest.raises(AenetError, match=f"settings.json:{line}: not the settings of a study"):
            stability(calculator, atoms, **SHORT, output=tmp_path)
    (tmp_path / "settings.json").unlink()
    stability(calculator, atoms, **SHORT, output=tmp_path)
    (tmp_path / "runs/1-300K-seed0.json").write_text("{}")
    with pytest.raises(AenetError, match=r"1-300K-seed0.json: not the outcome of a run; remove it to repeat the run"):
        stability(calculator, atoms, **SHORT, output=tmp_path)


def test_processes_change_nothing(tmp_path):
    """Also if one fails and the others are killed."""
    options = {**SHORT, **FREE, "structures": STRUCTURE}
    one = files_of(stability(NETWORKS, **options, output=tmp_path / "1"), tmp_path / "a")
    obstacle = tmp_path / "2/runs/1-300K-seed2.extxyz"
    obstacle.mkdir(parents=True)
    with pytest.raises(AenetError, match=r"1-300K-seed2.extxyz: cannot be replaced: Is a directory"):
        stability(NETWORKS, **options, output=tmp_path / "2", n_processes=2)
    assert any((tmp_path / f"2/runs/1-300K-seed{seed}.json").exists() for seed in (0, 1))
    obstacle.rmdir()
    found = stability(NETWORKS, **options, output=tmp_path / "2")
    assert files_of(found, tmp_path / "b") == one
    assert listing(tmp_path / "1/runs").keys() == listing(tmp_path / "2/runs").keys()
    assert (tmp_path / "1/settings.json").read_text() == (tmp_path / "2/settings.json").read_text()


def test_calculators_that_cannot_be_sent():
    atoms, calculator = system()
    calculator.hook = lambda: None
    with pytest.raises(AenetError, match=r"Spring cannot be sent to other processes .*; use n_processes=1"):
        stability(calculator, atoms, **SHORT, n_processes=2)


@pytest.mark.parametrize("times", [1, 2])
def test_all_runs_are_reported(times, tmp_path):
    """Whether they are performed or not, and however early they end."""
    atoms, calculator = system(-5.0)
    for _ in range(times):
        reported = []
        stability(calculator, atoms, **SHORT, output=tmp_path, advance=reported.append)
    assert np.isclose(sum(reported), 3)


def test_calculators_that_fail(tmp_path):
    """A calculation that does not converge ends a run at its last frame."""

    class Failing(Spring):
        def calculate(self, *arguments, **options):
            if self.n > 60:
                raise CalculationFailed("no convergence")
            super().calculate(*arguments, **options)

    atoms = springs()
    (each,) = stability(Failing(atoms, 2.0), atoms, **SHORT, output=tmp_path).conditions
    assert {(run.time, run.reason, run.message) for run in each.runs} == {
        (0.03, "calculation", "the calculator failed: no convergence")
    }
    assert each.survival.probability[-1] == 0


def test_runs_that_become_uncertain_are_no_failures():
    """They are censored where they stopped; the others reach the end, or fail."""
    options = {"temperature": 900, "time": 0.03, "every": 10, "max_share": 1.0, "allow_fragments": True}
    logs = [simulate(STRUCTURE, [NETWORKS, OTHERS], seed=seed, **options).log for seed in range(4)]
    largest = np.array([log["largest_force_std_eV_per_A"].max() for log in logs])
    limit = float(np.sort(largest)[1:3].mean())
    options = {
        "temperatures": [900], "seeds": 4, "time": 0.03, "nve": 0, "every": 10, "allow_fragments": True,
        "max_spread": limit,
    }  # fmt: skip
    found = stability([NETWORKS, OTHERS], STRUCTURE, **options)
    (each,) = found.conditions
    assert [run.reason for run in each.runs] == ["uncertainty" if each > limit else "time" for each in largest]
    assert (each.n_finished, each.n_uncertain, sum(run.failed for run in each.runs)) == (2, 2, 0)
    stops = sorted(run.time for run in each.runs if run.uncertain)
    assert np.array_equal(each.survival.times, np.unique([0, *stops, 0.03]))
    assert each.survival.at_risk[-1] == 2
    assert each.survival.failed.sum() == 0
    assert (each.probability, found.least) == (1, 1)
    assert np.isclose(each.survival.low[-1], 0.025**0.5)
    figures.figure(found)
    text = summary.report(found)
    assert "900  2 of 4      1.00 (0.16-1.00)    not reached (0 to > 0.03)" in text
    assert "\n  900 K: uncertainty 2\n" in text
    assert "  900 K: 2 stops at the limit of the uncertainty, which are no failures" in text


def test_survival_is_unknown_where_all_runs_become_uncertain(tmp_path):
    found = stability([NETWORKS, OTHERS], STRUCTURE, **SHORT, max_spread=0.0)
    (each,) = found.conditions
    assert {(run.reason, run.time) for run in each.runs} == {("uncertainty", 0)}
    assert (each.n_finished, each.n_uncertain) == (0, 3)
    assert np.isnan([each.probability, found.least]).all()
    figures.figure(found)
    text = summary.report(found)
    assert "300  0 of 3      unknown             not reached (0 to > 0)" in text
    assert "3 stops at the limit of the uncertainty; survival 1.00 (0.29-1.00) at 0 ps, unknown beyond" in text
    assert summary.below(found, 0.5) == [f"{each.name} at 300 K: survival is unknown, as all that is left is uncertain"]
    assert summary.below(found, 0.0) == []
    row = table(files.write(found, str(tmp_path))[0])[0]
    assert (row["runs"], row["finished"], row["uncertain"], row["survival"]) == ("3", "0", "3", "")


def test_energies_that_are_not_finite_from_the_start(tmp_path):
    atoms, calculator = system(broken=0)
    (each,) = stability(calculator, atoms, **SHORT, output=tmp_path).conditions
    assert [(run.time, run.reason) for run in each.runs] == [(0, "energy")] * 3
    assert each.survival.median[0] == 0
    assert each.distribution is None
    assert json.loads((tmp_path / "runs/1-300K-seed0.json").read_text())["distribution"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperatures": []}, "no temperatures given"),
        ({"temperatures": [300, 300.0]}, "temperatures must differ, not 300 300"),
        ({"temperatures": [-1]}, "temperature must be a finite number above 0, not -1"),
        ({"seeds": 0}, "seeds must be at least 1, not 0"),
        ({"n_processes": 0}, "n_processes must be at least 1, not 0"),
        ({"time": 0}, "the runs need a time above 0 ps"),
        ({"structures": []}, "no structures given"),
        ({"structures": "missing.xsf"}, "missing.xsf"),
        ({"legacy_angular": True}, "legacy_angular applies to potentials"),
    ],
)
def test_bad_arguments(change, message, tmp_path):
    atoms, calculator = system()
    options = {"potential": calculator, "structures": atoms, **SHORT, "output": tmp_path / "out", **change}
    with pytest.raises(AenetError, match=message):
        stability(**options)
    assert not (tmp_path / "out").exists()
