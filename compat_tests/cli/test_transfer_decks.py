"""Decks of the transfer's authors: the numbers of their program, resuming, and what does not fit."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

import pytest
import torch

from aenet_py.cli.aenet_pytorch import main
from aenet_py.inputs import train as inputs
from compat_tests.cli.cases import ROOT, SHARED, in_process, listing, name_of
from compat_tests.cli.test_train import LAST_DIGIT, OUTPUTS, compare, edited, interrupt_after, numbers, same

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


@pytest.mark.parametrize("more", ["", "EMA 0.9\nPATIENCE 2\nSCHEDULE plateau patience=1\nCHECKPOINT 1"])
@pytest.mark.parametrize("after", [1, 4])
def test_an_interrupted_run_resumes_without_a_trace(more, after, frozen, monkeypatch):
    edited(frozen, ("VERBOSE", f"VERBOSE\n{more}"))
    assert main([]) == 0
    wanted = listing(frozen)
    for name in (STATE, "train.error"):
        Path(name).unlink()
    interrupt_after(after, monkeypatch)
    assert main([]) == 0
    assert "training" in torch.load(STATE, weights_only=True)["progress"]
    assert main([]) == 0
    obtained = listing(frozen)
    Path("theirs").write_bytes(wanted.pop(STATE))
    del obtained[STATE]
    assert obtained == wanted
    assert same(torch.load(STATE, weights_only=True), torch.load("theirs", weights_only=True))


def test_adam_goes_on_as_adamw_where_the_source_is_adamw(frozen):
    """As torch's classes do, which take this setting from the state."""
    edited(frozen, ("REGULARIZATION 0.0005", "REGULARIZATION 0.05"))
    assert main([]) == 0
    wanted = Path("train.error").read_bytes()
    Path(STATE).unlink()
    edited(frozen, ("method=adamw", "method=adam"))
    assert main([]) == 0
    assert Path("train.error").read_bytes() == wanted


FREEZE, OXYGEN, NORMALISED = (
    "FREEZE_LAYERS 1 0",
    "  O   ../source/O.pytorch.nn.ascii   \n",
    "MODE transfer\nE_NORMALIZATION\n",
)
BAD = [
    (FREEZE, "FREZE_LAYERS 1 0", ":18: found 'FREZE_LAYERS'; expected a keyword, did you mean FREEZE_LAYERS?"),
    (FREEZE, f"{FREEZE} 0", ":18: found 3 flags after FREEZE_LAYERS; expected 2, one per hidden layer"),
    (FREEZE, "FREEZE_LAYERS 1", ":18: found 1 flag after FREEZE_LAYERS; expected 2, one per hidden layer"),
    (FREEZE, "FREEZE_LAYERS 1 no", ":18: found 'no' after FREEZE_LAYERS; expected 1, t or true to freeze a layer, or "),
    (FREEZE, "FREEZE_LAYERS ! none", ":18: found no value after FREEZE_LAYERS; expected a flag for each hidden layer"),
    (FREEZE, "", ": no FREEZE_LAYERS found; expected it, with a flag for each hidden layer"),
    ("TRANSFER_MODEL ../source/model.restart", "", ": no TRANSFER_MODEL found; expected it, with the model.restart of"),
    ("model.restart", "other.restart", "train.in:17: TRANSFER_MODEL ../source/other.restart: no such file; give the "),
    (OXYGEN, "", ":19: found no potential for O after TRANSFER_NETWORKS; expected one for each species"),
    (OXYGEN, f"{OXYGEN}{OXYGEN}", ":23: found a second potential for O; expected one"),
    (OXYGEN, OXYGEN.replace("O ", "X "), ":22: found X after TRANSFER_NETWORKS; expected the species of NETWORKS: Cu"),
    (OXYGEN, "O\n", ":22: found 'O'; expected: symbol, potential"),
    (OXYGEN, OXYGEN.replace("/O.", "/H."), "this potential is for 'H'; expected one for 'O'"),
    (OXYGEN, OXYGEN.replace("/O.", "/X."), "../source/X.pytorch.nn.ascii: no such file"),
    ("\nNETWORKS", "\nNETWORSK", ":24: found 'NETWORSK'; expected: symbol, potential, did you mean NETWORKS?"),
    ("TRANSFER_NETWORKS", "TRANSFER_NETWORK", ":19: found 'TRANSFER_NETWORK'; expected a keyword, did you mean TRANSF"),
    ("8:tanh 8:tanh", "9:tanh 8:tanh", "train.in:25: the network of Cu is 9:tanh 8:tanh, but that in ../source/Cu."),
    ("MODE transfer", "MODE transfer\nTRANSFER source=..", ":18: found TRANSFER (line 17) and TRANSFER_MODEL (line 18"),
    ("MODE transfer", "TRANSFER\nMODE transfer\n", ":19: found TRANSFER (line 16) and TRANSFER_MODEL (line 19); expec"),
    ("MODE transfer", "MODE train", ":17: found TRANSFER_MODEL in MODE train; expected MODE transfer"),
    ("MODE transfer\n", f"{NORMALISED}e_min=1 e_max=1 e_avg=0\n", ":18: found e_min=1 and e_max=1; expected e_min bel"),
    ("MODE transfer\n", f"{NORMALISED}e_min=1 e_max=2\n", ":18: found nothing for e_avg; expected a number, in eV per"),
    ("MODE transfer\n", f"{NORMALISED}e_min=nan e_max=2 e_avg=0\n", ":18: found 'nan' for e_min; expected a number"),
    ("MODE transfer\n", f"{NORMALISED}emin=0 e_max=2 e_avg=0\n", ":18: found 'emin' after E_NORMALIZATION; expected e"),
    ("MODE transfer\n", NORMALISED, ":17: found E_NORMALIZATION without settings; expected e_min= and e_max= and"),
    ("method=adamw", "method=adagrad", "../source/model.restart: not a state of these networks and this method (it wa"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), BAD)
def test_bad_decks_are_errors(old, new, message, frozen, capsys):
    edited(frozen, (old, new))
    assert main([]) == 1
    assert message in capsys.readouterr().err
    assert not Path(STATE).exists()


@pytest.mark.usefixtures("frozen")
def test_e_normalization_and_our_transfer_are_an_error(frozen, capsys):
    deck = [line for line in Path("train.in").read_text().splitlines() if "source" not in line and FREEZE not in line]
    Path("train.in").write_text("\n".join(deck))
    edited(frozen, ("TRANSFER_NETWORKS\n", "TRANSFER source=../source\nE_NORMALIZATION e_min=0 e_max=1 e_avg=0\n"))
    assert main([]) == 1
    assert "found TRANSFER (line 17) and E_NORMALIZATION (line 18); expected either" in capsys.readouterr().err


class _Code:
    """Creates a file when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("ran"),)


@pytest.mark.usefixtures("frozen")
def test_code_in_the_source_is_not_run(capsys):
    path = Path("../source/model.restart")
    torch.save({**torch.load(path, weights_only=True), "more": _Code()}, path)
    assert main([]) == 1
    said = capsys.readouterr().err
    assert f"{path}: not a state of these networks and this method (not a file of torch, or with Python objects" in said
    assert not Path("ran").exists()


@pytest.mark.usefixtures("frozen")
def test_states_of_the_two_ways_are_kept_apart(capsys):
    deck = Path("train.in").read_text()
    lines = [line for line in deck.splitlines() if "source" not in line and FREEZE not in line]
    ours = "\n".join(lines).replace("TRANSFER_NETWORKS", "TRANSFER source=../source").replace(".target.", ".pytorch.")
    for first, second in ((deck, ours), (ours, deck)):
        Path("train.in").write_text(first)
        assert main([]) == 0
        Path("train.in").write_text(second)
        assert main([]) == 1
        assert f"{STATE}: {'not ' * (first is deck)}the state of a transfer with TRANSFER" in capsys.readouterr().err
        Path(STATE).unlink()


@pytest.mark.usefixtures("frozen")
def test_potentials_of_another_training_cause_a_warning(capsys):
    other = FIXTURES / "target-true/expected/O.target.nn.transfered.ascii"
    shutil.copyfile(other, "../source/O.pytorch.nn.ascii")
    assert main([]) == 0
    (warning,) = re.findall("Warning: .*", capsys.readouterr().err)
    assert "its weights for O are not those of ../source/O.pytorch.nn.ascii" in warning


@pytest.mark.parametrize("deck", sorted(FIXTURES.glob("target-*/train.in")), ids=lambda path: path.parent.name)
def test_decks_are_written_as_they_are_read(deck, tmp_path):
    read = inputs.read(str(deck))
    (tmp_path / "train.in").write_text(inputs.to_text(read))
    assert inputs.read(str(tmp_path / "train.in")) == dataclasses.replace(read, path=str(tmp_path / "train.in"))


def test_steps_of_layers_that_are_trained_are_shown(capsys):
    status, report, _ = in_process(capsys, "info", FIXTURES / "target-freeze/expected" / STATE)
    assert (status, "130 steps" in report) == (0, True)


def test_decks_are_described(capsys):
    status, report, _ = in_process(capsys, "info", FIXTURES / "target-energies/train.in")
    assert status == 0
    for line in (
        "source          ../source/model.restart",
        "potentials      Cu ../source/Cu.pytorch.nn.ascii",
        "freeze layers   0 0",
        "normalisation   e_min -3.0",
    ):
        assert line in report
