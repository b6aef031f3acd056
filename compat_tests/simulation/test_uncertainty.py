"""Simulations that stop where the forces become uncertain, and report how uncertain they are."""

from __future__ import annotations

import numpy as np
import pytest
from ase.io import read

from aenet_py import simulate, stability
from aenet_py.cli import aenet
from aenet_py.errors import AenetError
from aenet_py.evaluation.calibrate import calibrate
from aenet_py.formats import uncertainty as uncertainty_format
from aenet_py.interfaces.ase import ANNCalculator
from compat_tests.interfaces.test_ase import CLUSTER, NETWORKS, OTHERS, cluster

STRUCTURE = CLUSTER / "xsf" / "s001.xsf"
WAYS = ("single", "committee")
LOOSE = {"max_excess": 1e9, "every": 4, "allow_fragments": True}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Calibrations of a single potential and of a committee."""
    folder = tmp_path_factory.mktemp("calibrated")
    calibrate(NETWORKS, CLUSTER / "xsf", output=folder / "single.json")
    calibrate([NETWORKS, OTHERS], CLUSTER / "xsf", output=folder / "committee.json")
    return {way: folder / f"{way}.json" for way in WAYS}


def given(files, way):
    return {"potential": NETWORKS if way == "single" else [NETWORKS, OTHERS], "uncertainty": files[way]}


@pytest.mark.parametrize("way", WAYS)
def test_frames_and_log_have_what_the_calculator_says(tmp_path, files, way):
    found = simulate(STRUCTURE, **given(files, way), steps=8, output=tmp_path / "md", **LOOSE)
    frames = read(tmp_path / "md.extxyz", ":")
    column = "largest_uncertainty_eV_per_A" if way == "single" else "largest_force_std_eV_per_A"
    assert len(frames) == len(found.log[column]) == 3
    for frame, largest in zip(frames, found.log[column], strict=True):
        assert frame.arrays["uncertainty"].max() == pytest.approx(largest, abs=1e-7)
    options = given(files, way)
    atoms = found.atoms.copy()
    atoms.calc = ANNCalculator(options["potential"], uncertainty=options["uncertainty"])
    atoms.get_forces()
    assert np.allclose(atoms.calc.results["uncertainty"], frames[-1].arrays["uncertainty"], atol=1e-7)
    if way == "committee":
        assert np.allclose(atoms.calc.results["forces_std"], frames[-1].arrays["forces_std"], atol=1e-7)
        lengths = np.linalg.norm(frames[-1].arrays["forces_std"], axis=1)
        assert np.allclose(lengths, frames[-1].arrays["uncertainty"], atol=1e-7)
    else:
        assert "forces_std" not in frames[-1].arrays


@pytest.mark.parametrize("way", WAYS)
def test_a_simulation_stops_at_the_limit(tmp_path, files, way):
    free = simulate(STRUCTURE, **given(files, way), steps=60, temperature=900, **{**LOOSE, "every": 10})
    column = "largest_uncertainty_eV_per_A" if way == "single" else "largest_force_std_eV_per_A"
    values = free.log[column]
    assert free.stable
    limit = float(np.sort(values)[-1] + values[0]) / 2  # between the first value and the largest
    first = int(np.argmax(values > limit))
    options = {**LOOSE, "every": 1000, "max_spread": limit}
    found = simulate(STRUCTURE, **given(files, way), steps=60, temperature=900, output=tmp_path / "md", **options)
    assert (found.reason, found.stable, found.step) == ("uncertainty", True, 10 * first)
    assert f"is {values[first]:.3f} eV/Angstrom, above {limit:g}" in found.message
    assert read(tmp_path / "md.extxyz", -1).info["step"] == 10 * first
    loose = simulate(STRUCTURE, **given(files, way), steps=60, temperature=900, **{**options, "max_spread": 1e3})
    assert (loose.reason, loose.step) == ("time", 60)
    assert np.array_equal(loose.atoms.positions, free.atoms.positions)  # the limit changes no bit


@pytest.mark.parametrize("way", WAYS)
def test_resuming_equals_no_interruption_bit_for_bit(tmp_path, monkeypatch, files, way):
    monkeypatch.chdir(tmp_path)
    options = {**given(files, way), **LOOSE, "max_spread": 1e3}
    simulate(STRUCTURE, steps=20, output="whole", **options)
    simulate(STRUCTURE, steps=10, output="part", **options)
    simulate(STRUCTURE, steps=20, output="part", restart=True, **options)
    for ending in ("csv", "extxyz", "restart"):
        assert (tmp_path / f"whole.{ending}").read_bytes() == (tmp_path / f"part.{ending}").read_bytes()
    changed = {**options, "uncertainty": None, "max_spread": None}
    with pytest.raises(AenetError, match="uncertainty must be the same as at the start"):
        simulate(STRUCTURE, steps=30, output="part", restart=True, **changed)


@pytest.mark.parametrize("every", [4, 1000])
@pytest.mark.parametrize("way", WAYS)
def test_a_stopped_simulation_resumes_with_another_limit(tmp_path, monkeypatch, files, way, every):
    """As if nothing had stopped it, and not beyond the same limit; the frame of the stop may be one of no other run."""
    monkeypatch.chdir(tmp_path)
    options = {**given(files, way), **LOOSE, "every": every, "temperature": 900, "steps": 100}
    simulate(STRUCTURE, output="whole", **{**options, "max_spread": 1e3})
    values = simulate(STRUCTURE, **{**options, "every": 10}).log
    column = "largest_uncertainty_eV_per_A" if way == "single" else "largest_force_std_eV_per_A"
    limit = float(np.sort(values[column])[-1] + values[column][0]) / 2
    found = simulate(STRUCTURE, output="part", **{**options, "max_spread": limit})
    assert found.reason == "uncertainty"
    assert 0 < found.step < 100
    assert read("part.extxyz", -1).info["step"] == found.step
    endings = ("csv", "extxyz", "restart")
    before = {ending: (tmp_path / f"part.{ending}").read_bytes() for ending in endings}
    again = simulate(STRUCTURE, output="part", restart=True, **{**options, "max_spread": limit})
    assert (again.reason, again.step) == ("uncertainty", found.step)
    assert {ending: (tmp_path / f"part.{ending}").read_bytes() for ending in endings} == before
    simulate(STRUCTURE, output="part", restart=True, **options)
    for ending in endings:
        assert (tmp_path / f"whole.{ending}").read_bytes() == (tmp_path / f"part.{ending}").read_bytes()


def test_without_the_limit_an_unphysical_frame_is_one(tmp_path, files):
    """The check is repeated where a simulation stopped."""
    options = {**given(files, "single"), **LOOSE, "steps": 20, "output": tmp_path / "md"}
    assert simulate(STRUCTURE, **options, max_spread=0.0).reason == "uncertainty"
    options["max_excess"] = 0.0
    assert simulate(STRUCTURE, **options, restart=True).reason == "extrapolation"
    with pytest.raises(AenetError, match=r"cannot be resumed: .* outside the range of the training set"):
        simulate(STRUCTURE, **options, restart=True)


def test_a_limit_needs_an_uncertainty(tmp_path):
    with pytest.raises(AenetError, match="max_spread requires a committee, or a potential that aenet-py calibrate has"):
        simulate(STRUCTURE, NETWORKS, steps=4, max_spread=1.0, output=tmp_path / "md")
    with pytest.raises(AenetError, match="max_spread must be at least 0"):
        simulate(STRUCTURE, NETWORKS, steps=4, max_spread=-1.0)
    assert not list(tmp_path.iterdir())


def test_the_calibration_of_other_potentials_is_refused(tmp_path, files):
    with pytest.raises(AenetError, match=r"single\.json: calibrated for other potentials"):
        simulate(STRUCTURE, OTHERS, uncertainty=files["single"], steps=4, max_spread=1.0, output=tmp_path / "md")
    assert not list(tmp_path.iterdir())


def test_the_command_stops(tmp_path, files, capsys):
    atoms = cluster()
    atoms.calc = ANNCalculator(NETWORKS, uncertainty=files["single"])
    atoms.get_forces()
    least = atoms.calc.results["uncertainty"].max() / 2
    command = ["md", str(STRUCTURE), "--potential", str(NETWORKS), "--uncertainty", str(files["single"])]
    command += ["--steps", "20", "--max-spread", f"{least}", "--output", str(tmp_path / "md")]
    assert aenet.main(command) == 3
    said = capsys.readouterr()
    assert "uncertainty: the uncertainty of the force on atom" in " ".join(said.out.split())
    assert said.err == "Repeat the command with --restart and a larger --max-spread, or none, to resume.\n"
    assert aenet.main([*command[:-4], "--output", str(tmp_path / "md"), "--restart", "--max-excess", "1e9"]) == 0
    assert read(tmp_path / "md.extxyz", -1).info["step"] == 20


def test_stability_takes_the_limit_and_the_file_beside_the_potentials(tmp_path, files):
    import shutil

    shutil.copytree(NETWORKS, tmp_path / "run")
    shutil.copy(files["single"], tmp_path / "run" / uncertainty_format.NAME)
    for limit, reason in ((1e-6, "uncertainty"), (1e3, "time")):
        found = stability(
            tmp_path / "run", STRUCTURE, temperatures=[300], seeds=1, time=0.005, nve=0, max_spread=limit
        )  # fmt: skip
        assert [run.reason for run in found.conditions[0].runs] == [reason]
