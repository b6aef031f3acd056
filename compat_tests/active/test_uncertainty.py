"""Loops by expected force errors: of the features of a single potential, and of a committee."""

from __future__ import annotations

import csv
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from aenet_py import ANNCalculator, Potential, calibrate, read
from aenet_py.active import places, training
from aenet_py.active.learn import GENERATIONS, learn
from aenet_py.cli.aenet import main
from aenet_py.errors import AenetError, StoppedError
from aenet_py.evaluation import trained_on
from aenet_py.formats import committee as committee_files
from aenet_py.formats import uncertainty as uncertainty_format
from aenet_py.inputs import learn as inputs
from aenet_py.simulation.start import atoms_of
from compat_tests.active import examples
from compat_tests.active.test_learn import ended_after_kills, results, start

FEATURES = 'uncertainty = "features"\n' + examples.LEARN.replace("members = 2\n", "")
COMMITTEE = 'uncertainty = "committee"\n' + examples.LEARN
KINDS = {"features": FEATURES, "committee": COMMITTEE}

pytestmark = pytest.mark.filterwarnings("ignore:.*outside the range of the training set")


@pytest.fixture(scope="module")
def loops(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of a loop of each kind that was not interrupted."""
    folders = {}
    for kind, text in KINDS.items():
        folder = tmp_path_factory.mktemp(kind)
        assert learn(examples.write(folder, text)).reason == GENERATIONS
        folders[kind] = folder / "loop"
    return folders


def everything(folder: Path) -> dict[str, bytes]:
    """All results, with the calibrations."""
    paths = sorted(folder.rglob(uncertainty_format.NAME))
    return {**results(folder), **{str(path.relative_to(folder)): path.read_bytes() for path in paths}}


def known(folder: Path, generation: int) -> list:
    """The structures of a generation."""
    paths = [folder.parent / "given" / "labelled.extxyz"]
    paths += [places.generation(str(folder), number) + f"/{places.LABELLED}" for number in range(generation)]
    return [structure for path in paths for structure in read(path)]


def test_a_single_potential_is_trained_from_the_last_one(loops: dict[str, Path]) -> None:
    sources = [
        None,
        "../../generation-00/training/model.restart",
        "../../generation-01/training/model.transfered.restart",
    ]
    for generation, source in enumerate(sources):
        place = loops["features"] / f"generation-{generation:02d}" / places.TRAINING
        deck = training.train_inputs.read(str(place / "train.in"))
        assert deck.committee is None
        assert (deck.transfer and deck.transfer.source) == source
        assert committee_files.read(str(place)) is None
        assert len(Potential.load(place).files) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_test_set_of_each_training_calibrates(loops: dict[str, Path], kind: str) -> None:
    rows = list(csv.DictReader((loops[kind] / "learn.csv").open()))
    for generation in range(3):
        place = loops[kind] / f"generation-{generation:02d}" / places.TRAINING
        structures, names = known(loops[kind], generation), trained_on.names(str(place))
        parts = [
            [each for each in structures if (trained_on.name(each.path) in names) == part] for part in (True, False)
        ]
        assert len(parts[1]) == len(structures) // 5 > 0
        expected = calibrate(place, *parts).uncertainty
        found = uncertainty_format.read(str(place / uncertainty_format.NAME))
        assert found.method == kind
        assert found.n_atoms == int(rows[generation]["calibrated_atoms"]) == 6 * len(parts[1])
        assert found.factors == pytest.approx(expected.factors, rel=1e-4)  # of a committee, by tables with few digits


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_picked_by_what_the_calculator_expects(loops: dict[str, Path], kind: str) -> None:
    rows = list(csv.DictReader((loops[kind] / "learn.csv").open()))
    for generation in range(2):
        place = loops[kind] / f"generation-{generation:02d}"
        calculator, largest, expected, true = ANNCalculator(place / places.TRAINING), [], [], []
        for frame, labelled in zip(read(place / places.PICKED), read(place / places.LABELLED), strict=True):
            atoms = atoms_of(frame)
            atoms.calc = calculator
            errors = atoms.get_forces() - labelled.forces
            expected.append(calculator.results["uncertainty"])
            true.append(np.linalg.norm(errors, axis=1))
            assert float(frame.info["uncertainty"]) == pytest.approx(expected[-1].max(), rel=1e-3)
            assert "spread" not in frame.info
            largest.append(expected[-1].max())
        assert min(largest) >= 1e-3
        ratio = np.sqrt(np.mean(np.square(expected)) / np.mean(np.square(true)))
        assert float(rows[generation]["expected_over_true"]) == pytest.approx(ratio, rel=1e-6)
    assert float(rows[0]["uncertainty_eV_per_A"]) > 0
    assert rows[2]["expected_over_true"] == ""


def test_limits_are_those_of_expected_errors(tmp_path: Path) -> None:
    """No frame is certain to a tenth of the smallest expected error, and all are within ten times the largest."""
    found = learn(examples.write(tmp_path, FEATURES.replace("generations = 2", "generations = 1")))
    first = found.records[0]
    path = tmp_path / "loop" / "generation-00" / places.EXPLORATION
    largest = []
    for run in sorted((path / "runs").glob("*.extxyz")):
        for frame in read(run):
            atoms = atoms_of(frame)
            atoms.calc = ANNCalculator(tmp_path / "loop" / "generation-00" / places.TRAINING)
            atoms.get_forces()
            largest.append(atoms.calc.results["uncertainty"].max())
    assert len(largest) == first.n_frames
    assert first.spread == pytest.approx(np.median(largest), rel=1e-6)
    limit = float(np.median(largest)) * 1.001
    text = FEATURES.replace("min_spread = 1e-3", f"min_spread = {limit:.9g}\nmax_spread = {10 * limit:.9g}")
    (tmp_path / "other").mkdir()
    other = learn(examples.write(tmp_path / "other", text.replace("generations = 2", "generations = 1"))).records[0]
    assert other.share == pytest.approx(np.mean(np.array(largest) > limit))
    assert 0 < other.share < 1


def test_the_last_potential_has_its_calibration(loops: dict[str, Path]) -> None:
    for folder in loops.values():
        assert ANNCalculator(folder / places.POTENTIAL).calibration is not None


def test_a_loop_that_has_ended_does_nothing(loops: dict[str, Path]) -> None:
    for kind, folder in loops.items():
        before = {path: path.stat().st_mtime_ns for path in [*folder.rglob("*.ascii"), *folder.rglob("*.json")]}
        assert learn(folder.parent / "learn.toml").reason == GENERATIONS
        assert {path: path.stat().st_mtime_ns for path in before} == before, kind


def test_a_training_that_ended_before_its_calibration_is_not_continued(loops: dict[str, Path]) -> None:
    folder = loops["features"]
    before, last = everything(folder), folder / "generation-02"
    (last / places.TRAINING / uncertainty_format.NAME).unlink()
    (last / places.RECORD).unlink()
    states = {path: path.stat().st_mtime_ns for path in (last / places.TRAINING).glob("*.restart")}
    learn(folder.parent / "learn.toml")
    assert everything(folder) == before
    assert {path: path.stat().st_mtime_ns for path in states} == states


def test_stopped_again_and_again_it_comes_to_the_same(tmp_path: Path, loops: dict[str, Path]) -> None:
    path, n_stops = examples.write(tmp_path, FEATURES), 0
    while True:
        asked = iter(range(12 * (1 + n_stops // 4)))  # more and more, as a process may take long to start
        try:
            learn(path, stop=lambda asked=asked: next(asked, None) is None)
            break
        except StoppedError:
            n_stops += 1
    assert n_stops > 3
    assert everything(tmp_path / "loop") == everything(loops["features"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_any_moment_it_comes_to_the_same(tmp_path: Path, loops: dict[str, Path], kind: str) -> None:
    ended_after_kills(examples.write(tmp_path, KINDS[kind]), random.Random(6), 2.0, 7.0)
    assert everything(tmp_path / "loop") == everything(loops[kind])


@pytest.mark.slow
def test_ctrl_c_in_the_training(tmp_path: Path) -> None:
    path = examples.write(tmp_path, FEATURES)
    deck = tmp_path / "given" / "train.in"
    deck.write_text(deck.read_text().replace("ITERATIONS 12", "ITERATIONS 100000"))
    process = start(path)
    place = tmp_path / "loop" / "generation-00" / places.TRAINING
    for _ in range(6000):
        if (place / "model.restart").exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 143, errors
    assert errors.splitlines()[-1] == "Stopped in the training of generation 0; repeat the command to resume."
    assert not (place / uncertainty_format.NAME).exists()


def test_another_kind_in_the_folder_is_refused(loops: dict[str, Path]) -> None:
    path = loops["features"].parent / "changed.toml"
    path.write_text(examples.LEARN)
    with pytest.raises(AenetError, match=r"settings.json: members is None there, not 2; choose another folder"):
        learn(path)
    path.write_text(examples.LEARN.replace("members = 2\n", ""))
    with pytest.raises(AenetError, match=r"settings.json: uncertainty is features there, not None; choose another"):
        learn(path)


@pytest.mark.parametrize(
    ("text", "line", "other", "message"),
    [
        (
            FEATURES,
            "TYPES\n",
            "COMMITTEE 3\nTYPES\n",
            r"given/train.in:13: found COMMITTEE; expected a single potential",
        ),
        (
            FEATURES,
            "TESTPERCENT 20",
            "TESTPERCENT 0",
            r"generation-00/training: the test set has fewer than 10 atoms wi",
        ),
        (
            COMMITTEE,
            "TESTPERCENT 20",
            "TESTPERCENT 10",
            "too few to calibrate the uncertainty; hold out more structures",
        ),
    ],
)
def test_a_deck_that_cannot_be_used(tmp_path: Path, text: str, line: str, other: str, message: str) -> None:
    path, deck = examples.write(tmp_path, text), tmp_path / "given" / "train.in"
    deck.write_text(deck.read_text().replace(line, other, 1))
    with pytest.raises(AenetError, match=message):
        learn(path)


def test_structures_that_the_training_leaves_out_do_not_calibrate(tmp_path: Path) -> None:
    path, deck = examples.write(tmp_path, FEATURES), tmp_path / "given" / "train.in"
    frames = read(tmp_path / "given" / "labelled.extxyz")
    energies = sorted(each.energy / each.n_atoms for each in frames)
    changed = deck.read_text().replace("TESTPERCENT 20", "TESTPERCENT 40")
    deck.write_text(f"MAXENERGY {(energies[-2] + energies[-3]) / 2}\n{changed}")
    with pytest.raises(StoppedError):
        learn(path, stop=(tmp_path / "loop" / "generation-00" / places.EXPLORATION / "settings.json").exists)
    place = tmp_path / "loop" / "generation-00" / places.TRAINING
    trained, tested = (trained_on.names(str(place), tables) for tables in (trained_on.TABLES, trained_on.TESTED))
    assert (len(trained), len(tested)) == (5, 3)
    assert uncertainty_format.read(str(place / uncertainty_format.NAME)).n_atoms == 18


def test_structures_of_a_test_set_calibrate(tmp_path: Path) -> None:
    path, deck = examples.write(tmp_path, FEATURES), tmp_path / "given" / "train.in"
    content = (tmp_path / "given" / "labelled.extxyz").read_bytes().split(b"\n6\n")
    (tmp_path / "given" / "test.extxyz").write_bytes(b"\n6\n".join([content[0], *content[1:3]]) + b"\n")
    deck.write_text(deck.read_text().replace("TESTPERCENT 20", "TESTPERCENT 0\nTESTSET test.extxyz"))
    with pytest.raises(StoppedError):
        learn(path, stop=(tmp_path / "loop" / "generation-00" / places.EXPLORATION / "settings.json").exists)
    found = uncertainty_format.read(str(tmp_path / "loop/generation-00/training" / uncertainty_format.NAME))
    assert found.n_atoms == 18


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_command_says(loops: dict[str, Path], kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = loops[kind].parent / "learn.toml"
    assert main(["learn", str(path)]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[4:6] == ["ps", "expected"]
    assert lines[0].endswith("  exp/true")
    rows = list(csv.DictReader((loops[kind] / "learn.csv").open()))
    assert float(lines[1].split()[-1]) == pytest.approx(float(rows[0]["expected_over_true"]), abs=0.006)
    assert main(["learn", str(path), "--dry-run"]) == 0
    said = capsys.readouterr().out
    by, what = ("features", "potential") if kind == "features" else ("the spread", "committee")
    assert f"where the largest force error expected by {by} is 0.001 to 3 eV/Angstrom" in said
    assert f"First, a {what} is trained as" in said
    assert f"from the last {what} on" in said
    page = " ".join((loops[kind] / "index.html").read_text().split())
    assert f"In each generation, a {what} is trained" in page
    assert "expected force error (eV/Å)" in page
    assert "<th>expected / true</th></tr></thead>" in page.replace("\u2060", "")  # which keeps units in a line
    assert f'uncertainty = "{kind}"' in page


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('uncertainty = "spread"', 'learn.toml:3: found uncertainty = \'spread\'; expected "features" or "committee"'),
        ('members = 4\nuncertainty = "features"', "learn.toml:3: found members = 4; expected none with uncertainty ="),
    ],
)
def test_the_line_of_what_is_wrong(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "learn.toml"
    path.write_text(f'calculator = "emt"\nstart = "a.xyz"\n{line}\n')
    with pytest.raises(AenetError) as error:
        inputs.read(str(path))
    assert message in str(error.value)
