"""METHOD ekf of train.x: settings, order of the structures, state and divergence."""

from __future__ import annotations

import itertools
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from aenet_py.formats import ekf_state, potential, rngstate
from aenet_py.formats.optimizer_state import method_of
from aenet_py.inputs import trainx_deck
from aenet_py.training.trainx import sampling
from compat_tests.cli.cases import ROOT, SHARED
from compat_tests.cli.test_trainx import prepare, rows, train

SINGLE = ROOT / "fixtures" / "golden-trainx" / "single-species-ekf"
N_WEIGHTS = 76
GOLDEN = sorted((SHARED / "golden-trainx").glob("*-ekf"))


def with_method(folder: Path, method: str) -> Path:
    text = (folder / "train.in").read_text()
    (folder / "train.in").write_text(re.sub(r"(?m)^ekf.*$", method, text))
    return folder


@pytest.mark.parametrize("case", GOLDEN, ids=lambda path: path.name)
def test_the_state_is_that_of_the_original(case, tmp_path, monkeypatch, capfdbinary):
    train(prepare(case, tmp_path), monkeypatch, capfdbinary)
    ours, theirs = ((folder / "train.restart").read_bytes() for folder in (tmp_path, case / "expected"))
    assert len(ours) == len(theirs)
    deck = trainx_deck.read(str(case / "train.in"))
    files = [potential.read(str(case / "start" / network.path)) for network in deck.networks]
    n = sum(len(file.network.weights) for file in files)
    shape = (-(-n // 100), 100, 100)
    mine, other = (ekf_state.read(str(f / "train.restart"), n, shape) for f in (tmp_path, case / "expected"))
    assert mine.forgetting == pytest.approx(other.forgetting, rel=1e-14)
    np.testing.assert_allclose(mine.covariance, other.covariance, rtol=0, atol=1e-6)
    assert ekf_state.to_binary(other, n) == theirs


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, monkeypatch, capfdbinary):
    _, whole, _ = train(prepare(SINGLE, tmp_path / "whole"), monkeypatch, capfdbinary)
    folder = prepare(SINGLE, tmp_path / "parts", ITERATIONS="7")
    _, first, _ = train(folder, monkeypatch, capfdbinary)
    (folder / "train.in").write_text((folder / "train.in").read_text().replace("ITERATIONS 7", "ITERATIONS 5"))
    _, second, err = train(folder, monkeypatch, capfdbinary)
    assert err == ""
    assert list(rows(first).values()) + list(rows(second).values())[1:] == list(rows(whole).values())
    start = " Attempting restart of optimization algorithm from file: train.restart\n"
    assert start + " Restarting Extended Kalman Filter.\n\n" in second
    networks = (folder / "Si.nn-00005", tmp_path / "whole" / "Si.nn-00012")
    ours, theirs = (potential.read(str(path)).network.weights for path in networks)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("group", "outcome"),
    [(50, "Incompatible restart file.  Not restarting."), (None, "Optimization method has changed.  Not restarting.")],
)
def test_a_state_of_another_run_is_not_used(group, outcome, tmp_path, monkeypatch, capfdbinary):
    folder = prepare(SINGLE, tmp_path, ITERATIONS="1")
    if group is None:
        other = ROOT / "fixtures" / "golden-trainx" / "single-species-bfgs" / "expected" / "train.restart"
        shutil.copyfile(other, folder / "train.restart")
    else:
        state = ekf_state.EkfState(0.9, np.zeros((2, group, group)))
        (folder / "train.restart").write_bytes(ekf_state.to_binary(state, N_WEIGHTS))
    status, out, _ = train(folder, monkeypatch, capfdbinary)
    assert status == 0
    assert f" {outcome}\n" in out
    expected = (SINGLE / "expected" / "train.out").read_text()
    np.testing.assert_allclose(rows(out)[1], rows(expected)[1], rtol=1e-4)
    assert method_of("train.restart") == "ekf"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_damaged_state_is_an_error(value, tmp_path, monkeypatch, capfdbinary):
    folder = prepare(SINGLE, tmp_path, ITERATIONS="1")
    state = ekf_state.EkfState(0.9, np.full((1, 100, 100), value))
    (folder / "train.restart").write_bytes(ekf_state.to_binary(state, N_WEIGHTS))
    status, _, err = train(folder, monkeypatch, capfdbinary)
    message = "the state of the Kalman filter is damaged; remove the file to begin with a new one"
    assert (status, err) == (1, f"Error: train.restart: {message}\n")


def test_settings(tmp_path, monkeypatch, capfdbinary):
    """Errors of the original with these settings."""
    folder = with_method(prepare(SINGLE, tmp_path, ITERATIONS="4"), "ekf wgroup=7 pnoise = 0.01 state=2.5d0  ! groups")
    status, out, err = train(folder, monkeypatch, capfdbinary)
    assert (status, err) == (0, "")
    assert "   Measuring noise       :    2.5000000000000000     \n" in out
    assert "   Process noise         :    1.0000000000000000E-002\n" in out
    expected = {  # of the original
        0: (0.7113753, 0.822637, 0.4866458, 0.4866458),
        1: (0.1401685, 0.1972542, 0.2866271, 0.2866271),
        2: (0.05187565, 0.06549105, 0.1379818, 0.1379818),
        3: (0.03313483, 0.04165872, 0.1717598, 0.1717598),
        4: (0.02520492, 0.03164067, 0.1799422, 0.1799422),
    }
    for epoch, values in expected.items():
        np.testing.assert_allclose(rows(out)[epoch], values, rtol=1e-4)
    assert ekf_state.read("train.restart", N_WEIGHTS, (11, 7, 7)) is not None


@pytest.mark.parametrize(
    ("text", "factors"),
    [
        ("ekf", (0.999, 0.97)),
        ("ekf lambda=0.9", (0.9, 0.97)),
        ("EKF Lambda0 = 0.9", (0.9, 0.9)),
        ("ekf lambda0=0.9 lambda=0.8", (0.9, 0.9)),
        ("ekf lambda=0.8 lambda0=0.9", (0.8, 0.9)),
    ],
)
def test_lambda_is_also_found_in_lambda0(text, factors, tmp_path):
    shutil.copyfile(SINGLE / "train.in", tmp_path / "train.in")
    settings = trainx_deck.read(str(with_method(tmp_path, text) / "train.in")).settings
    assert (settings["lambda"], settings["lambda0"]) == factors


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ekf lamda=0.9", "found 'lamda=0.9' after ekf; expected lambda=, lambda0=, state=, pnoise=, "
         "adaptive=, wgroup=; did you mean lambda?"),
        ("ekf batchsize=9", "found 'batchsize=9' after ekf; expected lambda=, lambda0=, state=, pnoise=, "
         "adaptive=, wgroup="),
        ("ekf lambda", "found 'lambda' after ekf; expected lambda=, lambda0=, state=, pnoise=, adaptive=, wgroup=; did "
         "you mean lambda?"),
        ("ekf lambda=", "found 'nothing' for lambda; expected a number above 0, at most 1"),
        ("ekf lambda=1.1", "found '1.1' for lambda; expected a number above 0, at most 1"),
        ("ekf lambda0=0", "found '0' for lambda; expected a number above 0, at most 1"),
        ("ekf lambda=0.9 lambda0=-1", "found '-1' for lambda0; expected a number from 0 to 1"),
        ("ekf state=0", "found '0' for state; expected a number above 0"),
        ("ekf pnoise=-0.1", "found '-0.1' for pnoise; expected a number, at least 0"),
        ("ekf adaptive=nan", "found 'nan' for adaptive; expected a number"),
        ("ekf wgroup=2.5", "found '2.5' for wgroup; expected a whole number, at least 1"),
    ],
)  # fmt: skip
def test_bad_settings(text, message, tmp_path, monkeypatch, capfdbinary):
    folder = with_method(prepare(SINGLE, tmp_path), text)
    status, _, err = train(folder, monkeypatch, capfdbinary)
    assert (status, err) == (1, f"Error: train.in:8: {message}\n")


AS_IN_AENET_PYTHON = "ekf lambda0=0.999 P=100.0 mnoise=0.0 pnoise=1e-05 wgmax=500 lambda=0.99"


@pytest.mark.parametrize("verbosity", ["", "\nVERBOSITY low"])
def test_settings_without_effect(verbosity, tmp_path, monkeypatch, capfdbinary):
    results = []
    for number, method in enumerate((AS_IN_AENET_PYTHON, "ekf lambda0=0.999 pnoise=1e-05")):
        folder = with_method(prepare(SINGLE, tmp_path / str(number), TIMING=verbosity), method)
        status, out, err = train(folder, monkeypatch, capfdbinary)
        assert status == 0
        results.append((rows(out), potential.read(str(folder / "Si.nn")).network.weights.tolist()))
        names = [] if number or verbosity else ["P", "mnoise", "wgmax"]
        what = "of ekf has no effect, as in the original"
        assert err == "".join(f"Warning: train.in:8: {name} {what}\n" for name in names)
    assert results[0] == results[1]


def test_diverging_steps_are_left_out(tmp_path, monkeypatch, capfdbinary):
    folder = with_method(prepare(SINGLE, tmp_path, ITERATIONS="400"), "ekf lambda=0.01 lambda0=1")
    status, out, err = train(folder, monkeypatch, capfdbinary)
    assert status == 0
    warning = r"Warning: the Kalman filter diverged: \d+ steps? left out, its covariance begins anew; increase lambda"
    assert all(re.match(warning, line) for line in err.splitlines())
    assert err
    assert len(rows(out)) == 401
    for path in [folder / "Si.nn", *folder.glob("Si.nn-*")]:
        assert np.isfinite(potential.read(str(path)).network.weights).all()


@pytest.mark.parametrize("kind", ["random", "weighted", "energy"])
def test_sampling(kind, tmp_path, monkeypatch, capfdbinary):
    folder = prepare(SINGLE, tmp_path, ITERATIONS="3", TIMING=f"\nSAMPLING {kind}")
    status, out, err = train(folder, monkeypatch, capfdbinary)
    assert (status, err) == (0, "")
    assert f" Sampling type               : {kind}\n" in out
    errors = rows(out)
    assert errors[3][1] < errors[0][1]


def test_schedules():
    """Those of the original, from its formulas."""
    state = rngstate.read(str(SINGLE / "start" / "train.rngstate"))
    energies, errors = np.array([3.0, -1.0, 2.0, 0.5]), np.array([0.1, -0.9, 0.3, -0.2])
    draws = list(itertools.islice(rngstate.uniform(state), 4))
    first = {kind: list(sampling.order(kind, energies, errors, rngstate.uniform(state), 4)) for kind in
             trainx_deck.SAMPLINGS}  # fmt: skip
    assert first["sequential"] == [0, 1, 2, 3]
    assert first["random"] == [max(int(np.ceil(r * 4)), 1) - 1 for r in draws]
    by_energy, by_error = [1, 3, 2, 0], [0, 3, 2, 1]
    assert first["energy"] == [by_energy[max(int(np.ceil(r**4 * 4)), 1) - 1] for r in draws]
    assert first["weighted"] == [by_error[4 - max(int(np.ceil(r**4 * 4)), 1)] for r in draws]
    assert list(sampling.order("random", energies, errors, iter([0.0, 0.25, 0.26, 0.99]), 4)) == [0, 0, 1, 3]
