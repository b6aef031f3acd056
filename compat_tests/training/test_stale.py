"""Calibrations beside potentials that are trained again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from aenet_py import ANNCalculator, Potential, calibrate, train
from aenet_py.cli import aenet
from aenet_py.errors import InputError
from aenet_py.formats import uncertainty
from aenet_py.inputs import trainx_deck
from aenet_py.potentials.uncertainty import digests
from aenet_py.training import stale
from compat_tests.active import examples
from compat_tests.cli import test_trainx
from compat_tests.interfaces.test_ase import CLUSTER, NETWORKS, OTHERS


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A folder with a potential and its calibration."""
    examples.write(tmp_path)
    folder = tmp_path / "given"
    train(folder / "train.in", folder=folder)
    calibrate(folder, folder / "labelled.extxyz", output=folder / uncertainty.NAME)
    return folder


def test_another_training_removes_the_calibration_of_the_last_one(trained: Path) -> None:
    assert ANNCalculator(trained).calibration is not None
    train(trained / "train.in", folder=trained)  # which continues for further epochs
    assert not (trained / uncertainty.NAME).exists()
    assert ANNCalculator(trained).calibration is None


def test_a_transfer_leaves_the_calibration_of_its_source(trained: Path) -> None:
    before = (trained / uncertainty.NAME).read_bytes()
    deck = (
        (trained / "train.in")
        .read_text()
        .replace("TESTPERCENT", "MODE transfer\nTRANSFER\nsource=. freeze=0\nTESTPERCENT")
    )
    (trained / "transfer.in").write_text(deck)
    train(trained / "transfer.in", folder=trained)
    assert (trained / "Cu.nn.transfered.ascii").exists()
    assert (trained / uncertainty.NAME).read_bytes() == before


def test_a_stopped_training_removes_it_when_it_saves_other_potentials(trained: Path) -> None:
    train(trained / "train.in", folder=trained, on_epoch=lambda epoch, errors: True)  # noqa: ARG005
    assert not (trained / uncertainty.NAME).exists()


@pytest.mark.parametrize("kept", ["the same", "of others", "no calibration", "not written"])
def test_other_files_stay(tmp_path: Path, kept: str) -> None:
    for symbol in ("Cu", "Au", "O", "H"):
        shutil.copy(NETWORKS / f"{symbol}.pytorch.nn", tmp_path / f"{symbol}.nn")
    file = tmp_path / uncertainty.NAME
    calibrate(OTHERS if kept == "of others" else tmp_path, CLUSTER / "xsf", output=file)
    if kept == "no calibration":
        file.write_text("{}")
    before = file.read_bytes()
    with stale.removed([str(tmp_path / "Cu.nn"), str(tmp_path / "new.nn")]):
        if kept == "not written":
            (tmp_path / "new.nn").write_bytes(b"nothing")
        else:
            shutil.copy((NETWORKS if kept == "the same" else OTHERS) / "Cu.pytorch.nn", tmp_path / "Cu.nn")
    assert file.read_bytes() == before


def test_train_x_removes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture
) -> None:
    folder = test_trainx.prepare(test_trainx.BEHLER, tmp_path / "run")
    test_trainx.train(folder, monkeypatch, capfdbinary)
    paths = {each.symbol: folder / each.path for each in trainx_deck.read(str(folder / "train.in")).networks}
    potential = Potential.load(paths)
    found = uncertainty.Uncertainty("committee", digests([potential] * 2), dict.fromkeys(paths, 1.0))
    uncertainty.write(str(folder / uncertainty.NAME), found)
    test_trainx.train(folder, monkeypatch, capfdbinary)
    assert not (folder / uncertainty.NAME).exists()


def test_what_a_refused_file_asks_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(OTHERS, tmp_path / "run")
    calibrate(NETWORKS, CLUSTER / "xsf", output=tmp_path / "run" / uncertainty.NAME)
    command = ["md", str(CLUSTER / "xsf" / "s001.xsf"), "--potential", str(tmp_path / "run"), "--steps", "2"]
    assert aenet.main([*command, "--output", str(tmp_path / "md")]) == 1
    sentence = "calibrated for other potentials; calibrate again (aenet-py calibrate), or delete this file"
    assert capsys.readouterr().err == f"Error: {tmp_path}/run/uncertainty.json: {sentence}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    with pytest.raises(InputError, match="delete this file"):
        ANNCalculator(tmp_path / "run").calibration  # noqa: B018
    (tmp_path / "run" / uncertainty.NAME).unlink()
    assert aenet.main([*command, "--max-excess", "1e9", "--output", str(tmp_path / "md")]) == 0
