"""Decks of the transfer's authors: the numbers of their program, resuming, and what does not fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from aenet_py.cli.aenet_pytorch import main
from compat_tests.cli.cases import ROOT, SHARED, name_of
from compat_tests.cli.test_train import LAST_DIGIT, OUTPUTS, compare, edited, numbers

FIXTURES = ROOT / "fixtures" / "golden-transfer"
FOLDERS = [FIXTURES, *(folder for folder in [SHARED / "golden-transfer"] if folder.exists())]
DECKS = sorted(path for folder in FOLDERS for path in folder.glob("target-*/train.in"))
STATE = "model.transfered.restart"


def prepare(case: Path, folder: Path) -> Path:
    """A folder with the deck and the training set of a case, beside the source."""
    shutil.copytree(case.parent / "source", folder / "source", copy_function=shutil.copyfile)
    (folder / "source").chmod(0o755)
    run = folder / "run"
    run.mkdir()
    for path in [case / "train.in", *(case.parent / "target").glob("target.train.*")]:
        shutil.copyfile(path, run / path.name)
    return run


@pytest.fixture
def frozen(tmp_path, monkeypatch) -> Path:
    """The current folder, with a deck that freezes the first layer."""
    folder = prepare(FIXTURES / "target-freeze", tmp_path)
    monkeypatch.chdir(folder)
    edited(folder, ("ITERATIONS 20", "ITERATIONS 3"))
    return folder


@pytest.mark.parametrize("deck", DECKS, ids=name_of)
def test_decks_of_the_authors(deck, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(prepare(deck.parent, tmp_path))
    assert main([]) == 0
    compare(deck.parent / "expected", capsys.readouterr().out, OUTPUTS)
    for path in (deck.parent / "expected").glob("*.restart"):
        same_state(torch.load(path.name, weights_only=True), torch.load(path, weights_only=True))


def same_state(ours: dict, theirs: dict) -> None:
    """Weights and optimizer of two states are the same to within rounding, numbers of steps and settings exactly."""
    for name, values in theirs["model"].items():
        assert torch.allclose(ours["model"][name], values, rtol=0, atol=1e-6), name
    assert ours["optimizer"]["param_groups"] == theirs["optimizer"]["param_groups"]
    for number, arrays in theirs["optimizer"]["state"].items():
        mine = ours["optimizer"]["state"][number]
        assert mine["step"] == arrays["step"]
        assert all(torch.allclose(mine[name], values, rtol=1e-6, atol=1e-6) for name, values in arrays.items())


@pytest.mark.parametrize("case", sorted(FIXTURES.glob("resumed-*")), ids=lambda path: path.name)
def test_their_state_is_resumed(case, tmp_path, monkeypatch, capsys):
    """With the same layers frozen, or others, whose numbers of steps differ."""
    folder = prepare(case, tmp_path)
    shutil.copyfile(FIXTURES / "target-freeze" / "expected" / STATE, folder / STATE)
    monkeypatch.chdir(folder)
    assert main([]) == 0
    compare(case / "expected", capsys.readouterr().out, OUTPUTS)


def test_a_second_run_resumes_from_our_state(tmp_path, monkeypatch, capsys):
    case = FIXTURES / "target-freeze"
    monkeypatch.chdir(prepare(case, tmp_path))
    assert main([]) == 0
    capsys.readouterr()
    assert main([]) == 0
    compare(FIXTURES / "resumed-again" / "expected", capsys.readouterr().out, OUTPUTS)


def test_rate_and_decay_are_those_of_the_deck(frozen):
    """In the first run and in later ones."""
    for rate in (0.001, 0.5):
        edited(frozen, ("lr=0.001", f"lr={rate}"))
        assert main([]) == 0
        (group,) = torch.load(STATE, weights_only=True)["optimizer"]["param_groups"]
        assert (group["lr"], group["weight_decay"]) == (rate, 0.0005)


@pytest.mark.usefixtures("frozen")
def test_frozen_layers_keep_weights_and_optimizer_of_the_source():
    assert main([]) == 0
    source, target = (torch.load(path, weights_only=True) for path in ("../source/model.restart", STATE))
    for number, (name, values) in enumerate(source["model"].items()):
        is_frozen = "_F1." in name
        assert torch.equal(values, target["model"][name]) == is_frozen
        steps = [state["optimizer"]["state"][number]["step"].item() for state in (source, target)]
        assert steps[1] - steps[0] == (0 if is_frozen else 6)


def test_energies_in_other_units_of_the_network_only(frozen, capsys):
    """E_NORMALIZATION with the set's own values changes nothing."""
    edited(frozen, ("MODE transfer", "E_NORMALIZATION\ne_min=-0.293835 e_max=-0.033511 e_avg=-0.121864\nMODE transfer"))
    assert main([]) == 0
    ours = numbers(Path("train.error").read_text())
    wanted = numbers("\n".join((FIXTURES / "target-freeze/expected/train.error").read_text().splitlines()[:3]))
    assert abs(ours - wanted).max() < 1e2 * LAST_DIGIT
    assert "Minimum energy (eV/atom) :    -0.293835" in capsys.readouterr().out


@pytest.mark.parametrize("save", ["", "E_NORMALIZATION\ne_min=-5 e_max=5 e_avg=0\n"])
def test_saved_batches_have_the_normalisation_of_the_deck(save, tmp_path, monkeypatch):
    case = FIXTURES / "target-scratch-normalised"
    folder = prepare(case, tmp_path)
    monkeypatch.chdir(folder)
    own = "E_NORMALIZATION\ne_min=-2.5 e_max=0.5 e_avg=-1.0\n"
    edited(folder, (own, f"{save}MODE batches\n"))
    assert main([]) == 0
    edited(folder, (f"{save}MODE batches\n", f"{own}LOAD_BATCHES\n"))
    assert main([]) == 0
    wanted = numbers((case / "expected/train.error").read_text())
    assert abs(numbers(Path("train.error").read_text()) - wanted).max() < LAST_DIGIT
