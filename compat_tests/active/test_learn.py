"""The loop: what it leaves, how it goes on after an end of any kind, and what it refuses."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from aenet_py import ANNCalculator, read
from aenet_py.active import places, training
from aenet_py.active.learn import BUDGET, GENERATIONS, learn
from aenet_py.cli.aenet import main
from aenet_py.errors import AenetError, StoppedError
from compat_tests.active import examples

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a loop that was not interrupted."""
    folder = tmp_path_factory.mktemp("learn")
    found = learn(examples.write(folder))
    assert found.reason == GENERATIONS
    return folder / "loop"


def results(folder: Path) -> dict[str, bytes]:
    """All potentials, labels and numbers of a loop."""
    names = ("*.ascii", places.LABELLED, places.PICKED, places.RECORD, "learn.csv")
    return {str(path.relative_to(folder)): path.read_bytes() for name in names for path in sorted(folder.rglob(name))}


def start(path: Path) -> subprocess.Popen:
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "aenet_py.cli.aenet", "learn", str(path)]
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended_after_kills(path: Path, generator: random.Random, shortest: float, longest: float) -> None:
    """Run a loop to its end after it was killed six times, after random times in seconds."""
    for _ in range(6):
        process = start(path)
        time.sleep(generator.uniform(shortest, longest))
        process.kill()
        process.communicate()
    process = start(path)
    _, errors = process.communicate()
    assert process.returncode == 2, errors


def test_every_generation_learns_what_the_last_one_labelled(done: Path) -> None:
    sizes = []
    for generation in range(3):
        deck = (done / f"generation-{generation:02d}" / "training" / "1" / "train.in").read_text()
        sizes.append(deck.count("labelled.extxyz"))
    assert sizes == [1, 2, 3]
    rows = list(csv.DictReader((done / "learn.csv").open()))
    assert [int(row["structures"]) for row in rows] == [10, 13, 16]
    assert [int(row["labels"]) for row in rows] == [0, 3, 6]
    assert [int(row["picked"]) for row in rows] == [3, 3, 0]
    assert all(0 < float(row["force_rmse_eV_per_A"]) < 10 for row in rows[:2])
    assert rows[2]["force_rmse_eV_per_A"] == ""


def test_labels_are_those_of_the_calculator(done: Path) -> None:
    for generation in range(2):
        folder = done / f"generation-{generation:02d}"
        picked, labelled = read(folder / places.PICKED), read(folder / places.LABELLED)
        assert len(picked) == len(labelled) == 3
        for frame, structure in zip(picked, labelled, strict=True):
            assert frame.energy is None
            assert float(frame.info["spread"]) >= 1e-3
            atoms = examples.cluster("".join(structure.names()))
            atoms.positions[:] = frame.positions
            atoms.calc = examples.EMT()
            assert structure.energy == atoms.get_potential_energy()
            assert np.array_equal(structure.forces, atoms.get_forces())


def test_members_differ_and_make_a_committee(done: Path) -> None:
    potential = done / places.POTENTIAL
    assert potential.resolve() == (done / "generation-02" / "training").resolve()
    atoms = examples.labelled(1)[0]
    atoms.calc = ANNCalculator(potential)
    atoms.get_forces()
    assert (atoms.calc.results["forces_std"] > 0).all()


def test_a_generation_begins_with_the_potentials_of_the_last(done: Path) -> None:
    for member in "12":
        place = done / "generation-01" / "training" / member
        deck = training.train_inputs.read(str(place / "train.in"))
        assert deck.transfer is not None
        assert deck.transfer.source == f"../../../generation-00/training/{member}/model.restart"
        assert deck.learning_rate == pytest.approx(0.01 / 3)
        first = (done / "generation-00" / "training" / member / "Cu.nn.ascii").read_text()
        words = next(word for word in first.split() if word.startswith("REPULSION"))
        assert words in (place / "Cu.nn.transfered.ascii").read_text()


def test_the_page_needs_nothing_else(done: Path) -> None:
    page = (done / "index.html").read_text()
    assert page.count("<tr>") == 4
    assert "<svg" in page
    for word in ("src=", 'href="http', "@import"):
        assert word not in page
    assert 'calculator = "emt"' in page


def test_a_loop_that_has_ended_does_nothing(done: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in done.rglob("*.ascii")}
    labels = (done / places.LABELS / "labels.jsonl").read_bytes()
    found = learn(done.parent / "learn.toml")
    assert found.reason == GENERATIONS
    assert {path: path.stat().st_mtime_ns for path in done.rglob("*.ascii")} == before
    assert (done / places.LABELS / "labels.jsonl").read_bytes() == labels


@pytest.mark.slow
def test_a_budget_that_is_raised_goes_on(tmp_path: Path, done: Path) -> None:
    small = examples.LEARN.replace("share = 0.0", "share = 0.0\nlabels = 4")
    path = examples.write(tmp_path, small.replace("generations = 2", "generations = 9"))
    found = learn(path)
    assert found.reason == BUDGET
    assert [record.n_picked for record in found.records] == [3, 1, 0]
    path.write_text(examples.LEARN)
    found = learn(path)
    assert found.reason == GENERATIONS
    assert [record.n_labels for record in found.records] == [0, 3, 4]
    first = "generation-00/labelled.extxyz"
    assert (tmp_path / "loop" / first).read_bytes() == (done / first).read_bytes()


@pytest.mark.slow
def test_killed_at_any_moment_it_comes_to_the_same(tmp_path: Path, done: Path) -> None:
    ended_after_kills(examples.write(tmp_path), random.Random(5), 1.0, 5.0)
    assert results(tmp_path / "loop") == results(done)
    keys = [json.loads(line)["key"] for line in (tmp_path / "loop" / places.LABELS / "labels.jsonl").open()]
    assert len(keys) == len(set(keys)) == 6


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done(tmp_path: Path) -> None:
    path = examples.write(tmp_path)
    process = start(path)
    labels = tmp_path / "loop" / "generation-00" / places.RECORD
    for _ in range(6000):
        if labels.exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1].endswith("; repeat the command to resume.")
    assert labels.exists()


def test_stopped_before_anything(tmp_path: Path) -> None:
    with pytest.raises(StoppedError, match="stopped in the training of generation 0"):
        learn(examples.write(tmp_path), stop=lambda: True)


def test_without_a_deck_the_first_labels_make_one(tmp_path: Path) -> None:
    text = examples.LEARN.replace('deck = "given/train.in"\n', "").replace("[stop]", "[first]\ncopies = 6\n\n[stop]")
    path = examples.write(tmp_path, text)
    deck = tmp_path / "loop" / places.FIRST / "potential" / "train.in"
    with pytest.raises(StoppedError):
        learn(path, stop=deck.exists)
    labelled = read(tmp_path / "loop" / places.FIRST / places.LABELLED)
    assert len(labelled) == 14
    assert all(structure.energy is not None for structure in labelled)
    displaced = labelled[1].positions - labelled[0].positions
    assert 0.05 < displaced.std() < 0.2
    assert training.train_inputs.read(str(deck)).alpha == 0.3


def test_another_loop_in_its_folder_is_refused(done: Path) -> None:
    path = done.parent / "changed.toml"
    path.write_text(examples.LEARN.replace("time = 0.02", "time = 0.03"))
    with pytest.raises(AenetError, match=r"settings.json: explore is .* there, not .*; choose another folder"):
        learn(path)
    path.write_text(examples.LEARN.replace('"start.extxyz", ', ""))
    with pytest.raises(AenetError, match="the initial structures must be the same as before"):
        learn(path)


@pytest.mark.parametrize(
    ("line", "other", "message"),
    [
        ("FORCES\nalpha=0.3\n", "", "no FORCES found"),
        ("labelled.extxyz", "missing.extxyz", "missing.extxyz"),
        ("Cu Cu.stp", "Cu absent.stp", "absent.stp"),
    ],
)
def test_a_deck_that_cannot_be_used(tmp_path: Path, line: str, other: str, message: str) -> None:
    path = examples.write(tmp_path)
    deck = tmp_path / "given" / "train.in"
    deck.write_text(deck.read_text().replace(line, other))
    with pytest.raises(AenetError, match=message):
        learn(path)


@pytest.mark.slow
def test_a_calculator_that_always_fails(tmp_path: Path) -> None:
    path = examples.write(tmp_path, examples.LEARN.replace('"emt"', '"compat_tests.active.test_learn:Broken"'))
    with pytest.raises(AenetError, match=r"picked.extxyz: no structure could be labelled; of the first: .*broken"):
        learn(path)


class Broken(examples.EMT):
    """A calculator that fails."""

    def calculate(self, *arguments: object, **options: object) -> None:  # noqa: ARG002
        raise RuntimeError("broken")


def test_a_dry_run_says_what_would_be_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = examples.write(tmp_path, examples.LEARN.replace('deck = "given/train.in"\n', ""))
    assert main(["learn", str(path), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "First, 42 structures are labelled: those of `start` and copies displaced by 0.1 Angstrom." in said
    assert "2 simulations of 0.02 ps at 300 K, steps of 1 fs" in said
    assert "up to 3 new labels where forces spread by 0.001 to 3 eV/Angstrom" in said
    assert not (tmp_path / "loop").exists()
    path.write_text(examples.LEARN)
    assert main(["learn", str(path), "--dry-run"]) == 0
    assert f"First, a committee is trained as {tmp_path}/given/train.in says" in capsys.readouterr().out


def test_the_report_has_a_line_per_generation(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["learn", str(done.parent / "learn.toml")]) == 2
    lines = capsys.readouterr().out.splitlines()
    rows = [dict(zip(("generation", "structures"), line.split()[:2], strict=True)) for line in lines[1:4]]
    assert rows == [{"generation": str(k), "structures": str(10 + 3 * k)} for k in range(3)]
    assert "All 2 generations are done; raise generations under [stop] to go on." in lines
    assert f"Potentials: {done}/potential" in lines
    assert lines[-1].split()[-1] == f"{done}/index.html"
