"""aenet-py info on tables and state of a training, structures and input files."""

from __future__ import annotations

import json
import lzma
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from aenet_py.cli.aenet_pytorch import main
from aenet_py.formats import ekf_state, records
from compat_tests.cli.cases import FIXTURES, in_process

CLUSTER = FIXTURES / "cluster-cuau-h2o"
TRAINED = CLUSTER / "train-forces-adamw/expected"
TRAINX = FIXTURES.parent / "golden-trainx" / "behler2011-bfgs"
SHOWN = {
    TRAINED / "energies.test": ["energies of a training, 178 bytes", "structures      2\n", "RMSE 0.005472", "eV/atom"],
    TRAINED / "forces.test": ["forces of a training", "largest force   0.434189 eV/Å", "RMSE 0.173065"],
    TRAINED / "train.error": [
        "errors of a training", "last epoch      39\n",
        "energy RMSE     training 0.015056, test 0.005472 eV/atom\n", "force RMSE      training 0.375103, test",
    ],
    TRAINED / "model.restart": [
        "state of a training", "network         44 - 10 - 10 - 1\n", "weights         2,284\n",
        "optimizer       adamw, lr 0.001, weight decay 0.001, 80 steps\n", "training        finished",
    ],
    CLUSTER / "generate.in": [
        "input file of generate.x", "species         Cu Au O H\n", "structure files 14\n",
    ],
    TRAINED.parent / "train.in": ["input file of aenet_pytorch.py", "networks        Cu 10:tanh 10:tanh\n", "adamw"],
    CLUSTER / "Cu.stp": ["set-up of features", "features of     Cu, surrounded by Cu Au O H\n", "44 features"],
    CLUSTER / "xsf/s000.xsf": [
        "structure in XSF", "structures      1, 0 of them periodic\n", "atoms           Cu 4, Au 4, O 2, H 4\n",
        "energy per atom -690.985430 eV, total\n", "with forces     1\n",
    ],
    TRAINX / "expected/train.restart": [
        "state of the optimizer of train.x", "method          bfgs\n", "weights         258\n",
        "progress        12 evaluations, 9 iterations; in a line search\n",
        "last iteration  loss 0.0186142, gradient at most 0.0318003\n", "corrections     9 of at most 20\n",
    ],
    TRAINX / "start/train.rngstate": [
        "state of the random numbers of train.x", "next numbers    0.12288342128404461 0.19989097055010496 0.226586",
    ],
}  # fmt: skip


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.name)
def test_what_files_are(path, capsys):
    """By their contents, whatever they are called, but for compressed ones."""
    status, out, error = in_process(capsys, "info", path)
    assert (status, error) == (0, "")
    for text in SHOWN[path]:
        assert text in out
    found = json.loads(in_process(capsys, "info", "--json", path)[1])
    assert out.startswith(f"{path}: {found['kind']}, {path.stat().st_size:,} bytes\n")


def test_other_names(tmp_path, capsys):
    for path in SHOWN:
        shutil.copyfile(path, tmp_path / "file")
        status, out, _ = in_process(capsys, "info", tmp_path / "file")
        assert status == 0
        assert all(text in out for text in SHOWN[path])


KALMAN = ekf_state.to_binary(ekf_state.EkfState(0.75, np.array([np.diag([0.5, 2.0]), np.diag([1.0, 0.0])])), 3)


def test_state_of_a_kalman_filter(tmp_path, capsys):
    (tmp_path / "file").write_bytes(KALMAN)
    status, out, error = in_process(capsys, "info", tmp_path / "file")
    assert (status, error) == (0, "")
    assert "method          ekf\n  weights         3\n" in out
    assert "covariance      2 groups of up to 2 weights, variances 0.5 to 2\n  forgetting      factor 0.75\n" in out


@pytest.mark.parametrize("name", ["bfgs", "ekf", "rngstate"])
def test_damaged_states_of_train_x(name, tmp_path, capsys):
    path = tmp_path / "file"
    files = {"bfgs": TRAINX / "expected/train.restart", "rngstate": TRAINX / "start/train.rngstate"}
    content = KALMAN if name == "ekf" else files[name].read_bytes()
    for n in [*range(1, min(len(content), 200), 3), len(content) - 1]:
        path.write_bytes(content[:n])
        status, out, error = in_process(capsys, "info", path)
        assert (status, out, error.count("\n")) == (1, "", 1)
        assert error.startswith(f"Error: {path}:")


def test_states_of_train_x_that_cannot_be_read(tmp_path, capsys):
    path = tmp_path / "file"
    path.write_bytes(KALMAN.replace(b"ekf", b"lm "))
    assert in_process(capsys, "info", path)[::2] == (
        1, f"Error: {path}: found the state of method 'lm'; expected bfgs or ekf\n"
    )  # fmt: skip
    path.write_bytes(KALMAN.replace(records.integers([3, 2, 2]), records.integers([3, 2, 9])))
    assert "found 3 weights in 9 groups of 2; expected as many groups as" in in_process(capsys, "info", path)[2]


FRAMES = """2
Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:forces:R:3 energy=-12.5
Mg 0 0 0 0 0 0.1
S 0 0 2 0 0 -0.1
3
Properties=species:S:1:pos:R:3 energy=-9 pbc="F F F"
S 0 0 0
S 0 0 2
S 0 2 0
"""


@pytest.mark.parametrize("name", ["a.extxyz", "a.xyz", "a.extxyz.xz", "frames"])
def test_frames(name, tmp_path, capsys):
    content = FRAMES.encode()
    (tmp_path / name).write_bytes(lzma.compress(content) if name.endswith("xz") else content)
    status, out, error = in_process(capsys, "info", tmp_path / name)
    assert (status, error) == (0, "")
    assert "structures      2, 1 of them periodic\n" in out
    assert "atoms           Mg 1, S 4\n" in out
    assert "per structure   2 to 3 atoms\n" in out
    assert "energy per atom -6.250000 to -3.000000 eV, total\n" in out
    assert "with forces     1\n" in out


def test_a_database(tmp_path, capsys, monkeypatch):
    pytest.importorskip("ase")
    first = FRAMES.splitlines()[:4]
    (tmp_path / "a.extxyz").write_text("\n".join([*first, *first]) + "\n")
    assert in_process(capsys, "convert", tmp_path / "a.extxyz", tmp_path / "a.db")[0] == 0
    status, out, _ = in_process(capsys, "info", tmp_path / "a.db")
    assert status == 0
    assert "structures in a database of ASE" in out
    assert "structures      2, 2 of them periodic\n" in out
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert "require ase; install it with pip" in in_process(capsys, "info", tmp_path / "a.db")[2]


def test_a_structure_with_a_cohesive_energy(tmp_path, capsys):
    (tmp_path / "a.xsf").write_text("# cohesive energy = -4.0 eV\nATOMS\nO 0 0 0 0 0 0\nO 0 0 1.2 0 0 0\n")
    assert "energy per atom -2.000000 eV, cohesive\n" in in_process(capsys, "info", tmp_path / "a.xsf")[1]


def test_decks_whose_files_are_missing(tmp_path, capsys):
    (tmp_path / "a").write_text("TYPES\n2\nMg\nS\nNETWORKS\nMg Mg.nn\nS S.nn\nRELAX\nFILES\n2\na.xsf\nb.xsf\n")
    _, out, error = in_process(capsys, "info", tmp_path / "a")
    assert error == ""
    for line in ("input file of predict.x", "species         Mg S\n", "structure files 2\n", "relaxation      yes\n"):
        assert line in out
    (tmp_path / "a").write_text("TRAIN train.in\nLR 0.1 0.01\nSEEDS 1 2 3\n")
    _, out, _ = in_process(capsys, "info", tmp_path / "a")
    for line in ("input file of aenet-py scan", "varied          lr 0.1 0.01\n", "seeds           3\n"):
        assert line in out
    sections = "TYPES\n1\nX -1.0\nSETUPS\nX X.stp\nFILES\n2\na.xsf\nb.xyz\n"
    settings = "TESTPERCENT 10\nITERATIONS 3\nMETHOD method=adam lr=0.1\nNETWORKS\nX X.nn 1 5:tanh\n"
    (tmp_path / "a").write_text(sections + settings)
    _, out, _ = in_process(capsys, "info", tmp_path / "a")
    for line in ("input file of aenet_pytorch.py", "structure files 2\n", "networks        X 5:tanh\n"):
        assert line in out
    (tmp_path / "a").write_text("TRAININGSET a\nMETHOD\nbfgs\n")
    assert "this deck is for train.x" in in_process(capsys, "info", tmp_path / "a")[2]


@pytest.fixture
def trained(tmp_path, monkeypatch, capsys):
    """A folder with a short training on energies, the current one; write(lines) trains again with more lines."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(CLUSTER / "expected/cluster.train", "cluster.train")

    def write(*lines: str) -> None:
        networks = [f"{symbol} {symbol}.nn 1 3:tanh" for symbol in ("Cu", "Au", "O", "H")]
        head = ["TRAININGSET cluster.train", "TESTPERCENT 20", "METHOD method=adagrad lr=0.01"]
        Path("train.in").write_text("\n".join([*head, *lines, "NETWORKS", *networks]) + "\n")
        assert main([]) == 0
        capsys.readouterr()

    return write


def test_saved_batches_and_averages(trained, capsys):
    trained("ITERATIONS 2", "SAVE_BATCHES", "EMA 0.9", "PATIENCE 5")
    _, out, _ = in_process(capsys, "info", "tmp_batches/batches")
    assert "batches         saved for LOAD_BATCHES\n" in out
    assert "TRAININGSET     cluster.train\n" in out
    _, out, _ = in_process(capsys, "info", "model.restart")
    assert "network         44 - 3 - 1\n" in out
    assert "optimizer       adagrad, lr 0.01, weight decay 0, 2 steps\n" in out
    assert "last run        14 training and test structures; TESTPERCENT 20.0," in out
    assert "other weights   average (EMA), best (PATIENCE)\n" in out


def test_an_unfinished_training(trained, capsys):
    trained("ITERATIONS 1")
    state = torch.load("model.restart", weights_only=True)
    progress = {
        "epoch": 7,
        "batch": 2,
        "table": [(6, [0.5, 0.0, 0.25, 0.0, 0.75, 0.0])],
        "sums": {},
        "learning_rate": 1,
    }
    torch.save({**state, "progress": {"training": progress}}, "model.restart")
    _, out, error = in_process(capsys, "info", "model.restart")
    assert error == ""
    assert "training        unfinished, after 7 epochs and 2 batches\n" in out
    assert "last epoch      6\n" in out
    assert "energy RMSE     training 0.250000 eV/atom\n" in out


def test_nothing_of_a_state_is_executed(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Evil:
        def __reduce__(self):
            return (Path("owned").write_text, ("owned",))

    for values in ({"model": Evil()}, Evil(), {"model": {}, "optimizer": Evil()}):
        torch.save(values, "model.restart")
        status, _, error = in_process(capsys, "info", "model.restart")
        assert (status, error.count("\n")) == (1, 1)
        assert not Path("owned").exists()


@pytest.mark.parametrize("values", [3, [], {}, {"model": 1, "optimizer": 2}, {"model": {"a": 1}, "optimizer": {}}])
def test_other_files_of_torch(values, tmp_path, capsys):
    torch.save(values, tmp_path / "file")
    status, _, error = in_process(capsys, "info", tmp_path / "file")
    assert (status, error.count("\n")) == (1, 1)
    assert "neither the state nor the batches of a training" in error


def test_damaged_states(tmp_path, capsys):
    """A byte changed anywhere: told, or of no consequence; never a traceback."""
    content = (TRAINED / "model.restart").read_bytes()
    rng = np.random.default_rng(0)
    begin = content.index(b"data.pkl")
    for place in rng.integers(begin, begin + 4000, 60).tolist():
        (tmp_path / "file").write_bytes(content[:place] + bytes([rng.integers(256)]) + content[place + 1 :])
        status, _, error = in_process(capsys, "info", tmp_path / "file")
        assert error.count("\n") == status
    (tmp_path / "file").write_bytes(content[:-100])
    assert "or damaged" in in_process(capsys, "info", tmp_path / "file")[2]
