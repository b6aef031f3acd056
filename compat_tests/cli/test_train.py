"""aenet_pytorch.py: the original's files and numbers on its own decks, and what a training must keep."""

from __future__ import annotations

import dataclasses
import re
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from aenet_py.cli import generate, trainbin2ascii
from aenet_py.cli.aenet_pytorch import main
from aenet_py.formats import potential, trainset
from compat_tests.cli.cases import FIXTURES, SHARED, golden_files, listing, name_of, run
from compat_tests.formats import samples

DECKS = [path for path in golden_files("*/train-*/train.in") if (path.parent / "expected" / "train.error").exists()]
NUMBER = re.compile(r"-?\d+\.\d+")
LAST_DIGIT = 2e-6  # of what is printed with six decimals
WEIGHT = 1e-9  # of those after training; on the machine that made the golden files they agree to 1e-13
OUTPUTS = ("train.error", "energies", "forces")
CLUSTER = FIXTURES / "cluster-cuau-h2o"


def prepare(deck: Path, folder: Path) -> Path:
    """A folder with the deck and its training set; skips where gradients are kept as a checksum only."""
    folder.mkdir(exist_ok=True)
    shutil.copyfile(deck, folder / "train.in")
    expected = deck.parents[1] / "expected"
    for path in expected.glob("*.train*"):
        if path.suffix != ".sha256":
            shutil.copyfile(path, folder / path.name)
    if "alpha" in deck.read_text() and not list(folder.glob("*.forces")):
        pytest.skip("the gradients are not at hand")
    return folder


def numbers(text: str) -> np.ndarray:
    return np.array([float(number) for number in NUMBER.findall(text)])


def without_times(report: str) -> str:
    """The report without its dates and the lines of resources."""
    kept = [line for line in report.splitlines() if not line.startswith(("Time needed", "Maximum "))]
    return re.sub(r" +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\. +", "DATE", "\n".join(kept))


def layout(text: str) -> str:
    """The text with every digit and the sign of every number alike."""
    return re.sub(r"[- ](?=\d)", " ", re.sub(r"\d", "0", text)).replace("-0", " 0")


@pytest.mark.parametrize("deck", DECKS, ids=name_of)
def test_decks_of_the_original(deck, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(prepare(deck, tmp_path / "run"))
    assert main([]) == 0
    compare(deck.parent / "expected", capsys.readouterr().out, OUTPUTS)


def compare(expected: Path, report: str, files: tuple[str, ...]) -> None:
    """The files and the report against the original's: layout to the character, numbers to the last digit."""
    for name in (path.name for path in expected.iterdir()):
        if name.startswith(files):
            ours, wanted = Path(name).read_text(), (expected / name).read_text()
            assert layout(ours) == layout(wanted), name
            assert abs(numbers(ours) - numbers(wanted)).max(initial=0) < LAST_DIGIT, name
    report, wanted = without_times(report), without_times((expected / "train.out").read_text())
    assert layout(report) == layout(wanted)
    assert abs(numbers(report) - numbers(wanted)).max() < LAST_DIGIT
    for path in expected.glob("*.nn.ascii"):
        ours_lines, theirs = Path(path.name).read_text().splitlines(), path.read_text().splitlines()
        assert ours_lines[:8] + ours_lines[9:] == theirs[:8] + theirs[9:]
        weights = [potential.read(str(p)).network.weights for p in (Path(path.name), path)]
        assert abs(weights[0] - weights[1]).max() < WEIGHT


@pytest.mark.skipif(not (SHARED / "tio2").exists(), reason="the TiO2 example is not at hand")
def test_tio2(tmp_path, monkeypatch, capsys):
    example = SHARED / "tio2"
    with tarfile.open(example / "dir_xsf.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    for path in [*example.glob("*.stp"), example / "selected.txt", example / "expected/train-5-epochs/train.in"]:
        shutil.copyfile(path, tmp_path / path.name)
    (tmp_path / "generate.in").write_text((example / "generate.in").read_text() + "\nFORCESLIST selected.txt\n")
    monkeypatch.chdir(tmp_path)
    assert generate.main(["generate.in"]) == 0
    assert trainbin2ascii.main(["TiO.train", "TiO.train.ascii"]) == 0
    capsys.readouterr()
    assert main([]) == 0
    compare(example / "expected/train-5-epochs", capsys.readouterr().out, OUTPUTS)


def edited(folder: Path, *changes: tuple[str, str]) -> None:
    deck = (folder / "train.in").read_text()
    for old, new in changes:
        assert old in deck
        deck = deck.replace(old, new)
    (folder / "train.in").write_text(deck)


@pytest.fixture
def forces(tmp_path, monkeypatch):
    """A folder with the deck that trains on forces, for six epochs."""
    folder = prepare(CLUSTER / "train-forces-adamw/train.in", tmp_path / "run")
    edited(folder, ("ITERATIONS 40", "ITERATIONS 6"))
    monkeypatch.chdir(folder)
    return folder


def weights() -> np.ndarray:
    return np.concatenate([potential.read(str(path)).network.weights for path in sorted(Path().glob("*.nn.ascii"))])


def test_binary_and_text_training_sets_give_the_same(forces):
    assert main(["train.in"]) == 0
    text = weights()
    (forces / "model.restart").unlink()
    edited(forces, ("cluster.train.ascii", "cluster.train"))
    assert main(["train.in"]) == 0
    assert (weights() == text).all()


def test_a_resumed_training_equals_an_uninterrupted_one(forces):
    assert main([]) == 0
    whole = weights()
    (forces / "model.restart").unlink()
    edited(forces, ("ITERATIONS 6", "ITERATIONS 2"))
    for _ in range(3):
        assert main([]) == 0
    assert (weights() == whole).all()


def test_the_originals_state_goes_on_with_the_same_keys(forces):
    shutil.copyfile(CLUSTER / "train-forces-adamw/expected/model.restart", "model.restart")
    theirs = torch.load("model.restart", weights_only=True)
    edited(forces, ("ITERATIONS 6", "ITERATIONS 1"))
    assert main([]) == 0
    ours = torch.load("model.restart", weights_only=True)
    assert list(ours["model"]) == list(theirs["model"])
    assert ours["optimizer"]["param_groups"][0].keys() == theirs["optimizer"]["param_groups"][0].keys()
    assert numbers(Path("train.error").read_text())[0] < 0.08  # where the 40 epochs of the original ended


def test_no_iterations_and_no_tests(forces, capsys):
    edited(forces, ("ITERATIONS 6", "ITERATIONS 0"), ("TESTPERCENT 20", "TESTPERCENT 0"))
    assert main([]) == 0
    assert Path("train.error").read_text() == ""
    assert Path("energies.test").read_text() == ""
    assert len(Path("energies.train").read_text().splitlines()) == 14
    assert "Training will be started from scratch." in capsys.readouterr().out


BAD = [
    (("ITERATIONS 6", "ITERATION 6"), "train.in:3: found 'ITERATION'; expected a keyword, did you mean ITERATIONS?"),
    (("TESTPERCENT 20", "TESTPERCENT 120"), "train.in:2: found '120' behind TESTPERCENT; expected a percentage"),
    (("method=adamw", "method=sgd"), "found method 'sgd'; expected one of adam"),
    (("lr=0.001", "lr=fast"), "found 'fast' for lr; expected a number"),
    (("alpha=0.1", "alpha=1.5"), "found alpha=1.5; expected 0 to 1"),
    (("MEMORY_MODE cpu", "MEMORY_MODE disk"), "found MEMORY_MODE disk; expected cpu or gpu"),
    (("VERBOSE", "MODE transfer"), "found MODE transfer; expected train"),
    (("VERBOSE", "SAVE_BATCHES"), "SAVE_BATCHES is not supported yet"),
    (("VERBOSE", "MAXENERGY -1"), "every structure is above MAXENERGY; there is nothing to train on"),
    (("  H   H.pytorch.nn   2 10:tanh 10:tanh", ""), "no network for H; expected one"),
    (("  H   H.", "  N   H."), "no network for H; expected one"),
    (("  H   H.pytorch.nn   2 10:tanh", "  H   H.pytorch.nn   2 10:relu"), "found activation 'relu'; expected one of"),
    (("  H   H.pytorch.nn   2 ", "  H   H.pytorch.nn   3 "), "found 2 layers; expected 3"),
    (("  H   H.pytorch.nn", "  Cu   H.pytorch.nn"), "found a second network for Cu"),
    (("TRAININGSET cluster.train.ascii", "TRAININGSET none"), "none: no such file"),
    (("TRAININGSET cluster.train.ascii", ""), "no TRAININGSET found; expected a training set"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_decks(change, message, forces, capsys):
    edited(forces, change)
    before = listing(forces)
    assert main([]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert listing(forces) == before


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("what", ["energy", "forces", "features"])
def test_data_that_are_no_numbers(what, value, forces, capsys):
    found = trainset.read("cluster.train")
    entries, atoms = list(found.structures.entries), found.structures.atoms
    if what == "energy":
        entries[2] = dataclasses.replace(entries[2], energy=value)
    else:
        getattr(atoms, what)[found.structures.starts[2] + 1, 1] = value
    broken = dataclasses.replace(found, structures=trainset.Batch(tuple(entries), atoms))
    (forces / "cluster.train.ascii").write_bytes(samples.content_of(broken, trainset.TEXT))
    assert main([]) == 1
    message = f"cluster.train.ascii: found {what} of {entries[2].path!r} that are no numbers"
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("forces")
def test_gradients_of_another_training_set(capsys):
    shutil.copyfile(FIXTURES / "selection-25/expected/sel.train.forces", "cluster.train.forces")
    assert main([]) == 1
    assert "cluster.train.forces: found " in (error := capsys.readouterr().err)
    assert " as structure 1; expected 'xsf/s000.xsf', as in cluster.train.ascii" in error
    assert not Path("model.restart").exists()


@pytest.mark.parametrize("change", [("2 10:tanh 10:tanh", "1 10:tanh"), ("method=adamw", "method=adagrad")])
def test_a_state_of_other_networks_or_methods(change, forces, capsys):
    assert main([]) == 0
    before = listing(forces)
    edited(forces, change)
    assert main([]) == 1
    assert "model.restart: found no state of these networks and this method" in capsys.readouterr().err
    assert {**before, "train.in": b""} == {**listing(forces), "train.in": b""}


@pytest.mark.usefixtures("forces")
def test_a_state_that_runs_code_is_refused(capsys):
    class Evil:
        def __reduce__(self):
            return (Path("owned").write_text, ("owned",))

    torch.save({"model": Evil()}, "model.restart")
    assert main([]) == 1
    assert "model.restart: found no state" in capsys.readouterr().err
    assert not Path("owned").exists()


def test_a_loss_that_is_no_number(forces, capsys):
    edited(forces, ("lr=0.001", "lr=1e300"))
    before = listing(forces)
    assert main([]) == 1
    assert "the loss is no longer a number" in capsys.readouterr().err
    assert listing(forces) == before


def test_missing_deck(tmp_path):
    done = run(tmp_path, program="aenet_pytorch.py")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: train.in: no such file; expected an input file of the trainer, train.in\n"
