"""aenet_pytorch.py with METHOD lbfgs, lm and ekf."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch

from aenet_py.cli.aenet_pytorch import main
from aenet_py.inputs import train as inputs
from aenet_py.training import train
from compat_tests.cli import test_train
from compat_tests.cli.cases import listing
from compat_tests.cli.test_train import edited, interrupt_after, same

METHODS = ["lbfgs", "lm", "lm damping=1 adjust=3", "ekf", "ekf lambda=0.999 state=1 pnoise=1e-6 wgroup=20"]
USUAL = "method=adamw lr=0.001"


@pytest.fixture
def forces(tmp_path, monkeypatch):
    """The cluster with forces, without weight decay."""
    folder = test_train.forces.__wrapped__(tmp_path, monkeypatch)
    edited(folder, ("method=adamw   lr=0.001", USUAL), ("REGULARIZATION 0.001", ""))
    return folder


def method(name: str) -> tuple[str, str]:
    return USUAL, f"method={name}"


def errors() -> np.ndarray:
    """Columns of train.error, (n_epochs, 6)."""
    return np.loadtxt("train.error")[:, 1:]


@pytest.mark.parametrize("name", METHODS)
def test_the_loss_falls(name, forces):
    edited(forces, method(name), ("ITERATIONS 6", "ITERATIONS 20"), ("VERBOSE", "SAVE_FORCES"))
    assert main([]) == 0
    found = errors()
    assert found[-1, 0] < 0.7 * found[0, 0]
    assert np.isfinite(found).all()


def test_least_squares_need_far_fewer_epochs(forces):
    """After 15 epochs, lm and ekf are below AdamW."""
    losses = {}
    edited(forces, ("ITERATIONS 6", "ITERATIONS 15"), ("BATCHSIZE 6\n", ""))
    for name in ("adamw lr=0.01", "lm", "ekf"):
        edited(forces, method(name))
        assert main([]) == 0
        losses[name] = errors()[-1, 0]
        Path("model.restart").unlink()
        edited(forces, (f"method={name}", USUAL))
    assert max(losses["lm"], losses["ekf"]) < losses["adamw lr=0.01"]


@pytest.mark.parametrize("name", ["lbfgs", "lm"])
def test_energies_only(name, forces):
    edited(forces, method(name), ("ITERATIONS 6", "ITERATIONS 30"), ("FORCES\nalpha=0.1\n", ""))
    assert main([]) == 0
    found = np.loadtxt("train.error")
    assert found[-1, 1] < 0.5 * found[0, 1]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("more", "after"), [("", 1), ("", 4), ("EMA 0.9\nPATIENCE 5\nCHECKPOINT 1", 3)])
def test_an_interrupted_training_resumes_without_a_trace(name, more, after, forces, monkeypatch):
    """Stopped after any batch: the same final files, bit for bit."""
    edited(forces, method(name), ("VERBOSE", f"VERBOSE\n{more}"))
    assert main([]) == 0
    wanted = listing(forces)
    for path in (*forces.glob("*.nn.ascii"), *map(forces.joinpath, ("model.restart", "train.error", "energies.train"))):
        path.unlink()
    interrupt_after(after, monkeypatch)
    assert main([]) == 0
    assert not Path("energies.train").exists()
    assert main([]) == 0
    found = listing(forces)
    restarts = [found.pop("model.restart"), wanted.pop("model.restart")]
    assert found == wanted
    assert same(*(torch.load(io.BytesIO(content), weights_only=True) for content in restarts))


@pytest.mark.parametrize("mode", ["gpu", "disk"])
def test_gradients_from_anywhere_give_the_same(mode, forces):
    edited(forces, method("lm"))
    assert main([]) == 0
    wanted = errors()
    Path("model.restart").unlink()
    edited(forces, ("MEMORY_MODE cpu", f"MEMORY_MODE {mode}"))
    assert main([]) == 0
    assert np.array_equal(errors(), wanted)


@pytest.mark.parametrize("name", ["lbfgs", "lm", "ekf"])
def test_frozen_layers_stay(name, forces):
    """In a transfer, only the last layers change."""
    assert main([]) == 0
    before = torch.load("model.restart", weights_only=True)["model"]
    edited(forces, method(name), ("VERBOSE", "MODE transfer\nTRANSFER freeze=hidden"))
    assert main([]) == 0
    after = torch.load("model.transfered.restart", weights_only=True)["model"]
    changed = {name for name, values in after.items() if not torch.equal(values, before[name])}
    assert changed == {name for name in after if "_F3." in name}


def test_states_of_other_methods(forces, capsys):
    for first, second in (("lm", "ekf"), ("ekf", "ekf wgroup=30"), ("lbfgs", "adamw lr=0.001"), ("adamw lr=0.1", "lm")):
        Path("model.restart").unlink(missing_ok=True)
        (forces / "train.in").write_text((forces / "train.in").read_text().replace(USUAL, f"method={first}"))
        assert main([]) == 0
        before = listing(forces)
        edited(forces, (f"method={first}", f"method={second}"))
        capsys.readouterr()
        assert main([]) == 1
        assert "model.restart: not a state of these networks and this method" in capsys.readouterr().err
        assert {**before, "train.in": b""} == {**listing(forces), "train.in": b""}
        edited(forces, (f"method={second}", USUAL))


DAMAGED = [
    ("lbfgs", ("lbfgsb", "integers"), "the state of L-BFGS-B is damaged"),
    ("lbfgs", ("lbfgsb", "indices"), "the state of L-BFGS-B is damaged"),
    ("lbfgs", ("lbfgsb", "work"), "the state of L-BFGS-B is damaged"),
    ("ekf", ("covariance",), "its covariance has the shape"),
]


@pytest.mark.parametrize(("name", "place", "message"), DAMAGED)
def test_damaged_states(name, place, message, forces, capsys):
    edited(forces, method(name))
    assert main([]) == 0
    stored = torch.load("model.restart", weights_only=True)
    inside = stored["optimizer"]
    for key in place[:-1]:
        inside = inside[key]
    values = inside[place[-1]]
    inside[place[-1]] = values[:-1] if place[-1] in ("work", "covariance") else torch.full_like(values, 10**6)
    torch.save(stored, "model.restart")
    before = listing(forces)
    capsys.readouterr()
    assert main([]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("Error: model.restart")
    assert message in error
    assert listing(forces) == before


BAD = [
    ("lbfgs lr=1", "found 'lr' after METHOD; expected method= without blanks"),
    ("lm learnrate=1", "found 'learnrate' after METHOD; expected method= and damping= and adjust="),
    ("lm damping=0", "found '0' for damping; expected a number above 0"),
    ("lm adjust=1", "found '1' for adjust; expected a number above 1"),
    ("ekf lambda=1.5", "found '1.5' for lambda; expected a number above 0, at most 1"),
    ("ekf wgroup=2.5", "found '2.5' for wgroup; expected a whole number, at least 1"),
    ("ekf state=nan", "found 'nan' for state; expected a number above 0"),
    ("lm\nSCHEDULE cosine", "found SCHEDULE with method=lm; expected it with a method with a learning rate"),
    ("ekf\nREGULARIZATION 0.1", "found REGULARIZATION with method=ekf; expected it with a method with a learning rate"),
]


@pytest.mark.parametrize(("given", "message"), BAD)
def test_bad_decks(given, message, forces, capsys):
    edited(forces, method(given))
    before = listing(forces)
    assert main([]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message.removesuffix(" without blanks") in error
    assert listing(forces) == before


def test_a_batch_size_without_effect(forces, capsys):
    edited(forces, method("lbfgs"))
    assert main([]) == 0
    said = capsys.readouterr()
    assert "BATCHSIZE has no effect with method=lbfgs, which uses all structures in each step" in said.err
    assert "BATCHSIZE:   all" in said.out
    assert "Number of batches   : 1\n" in said.out


@pytest.mark.parametrize("name", METHODS)
def test_the_deck_as_text_is_the_same_deck(name, forces):
    edited(forces, method(name))
    deck = inputs.read("train.in")
    Path("again.in").write_text(inputs.to_text(deck))
    again = inputs.read("again.in")
    assert (again.method, again.settings, again.batch_size) == (deck.method, deck.settings, deck.batch_size)


@pytest.mark.usefixtures("forces")
def test_from_python(tmp_path):
    networks = {symbol: [(5, "tanh")] for symbol in ("Cu", "Au", "O", "H")}
    for given in ("LBFGS", "lm damping=0.5", "ekf"):
        folder = tmp_path / given.split()[0]
        result = train.train("cluster.train", networks, method=given, iterations=4, folder=folder)
        assert result.learning_curve.total[-1, 0] < result.learning_curve.total[0, 0]


def test_a_filter_that_diverges(forces, capsys):
    """It forgets 99 % in each step, until its covariance overflows: such steps are left out."""
    edited(forces, method("ekf lambda=0.01 lambda0=1"), ("ITERATIONS 6", "ITERATIONS 60"))
    assert main([]) == 0
    assert "Warning: the Kalman filter diverged: " in capsys.readouterr().err
    assert np.isfinite(errors()).all()
