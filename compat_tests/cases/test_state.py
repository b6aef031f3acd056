"""A training beside the state of another one, on a full disk, beside another training, and from a damaged state."""

from __future__ import annotations

import errno
import importlib
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from aenet_py.cli.aenet_pytorch import main
from aenet_py.errors import AenetError
from aenet_py.formats import trainset
from aenet_py.runtime import output
from compat_tests.cli.cases import ROOT, listing
from compat_tests.cli.test_train import CLUSTER, edited, prepare, weights
from compat_tests.cli.test_train_ranks import compare, copied, ended, start


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the deck that trains on forces, for three epochs."""
    folder = prepare(CLUSTER / "train-forces-adamw/train.in", tmp_path / "run")
    edited(folder, ("ITERATIONS 40", "ITERATIONS 3"))
    monkeypatch.chdir(folder)
    return folder


def of_test_set() -> set[str]:
    """Paths of the structures in the test set."""
    return {line.split()[-1] for line in Path("energies.test").read_text().splitlines()}


def warnings(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("Warning")]


def notes(text: str) -> list[str]:
    usual = ("Warning", "Up to", "Wrote", "RMSE of the test set")
    return [line for line in text.splitlines() if not line.startswith(usual)]


SPLITS = [
    (("NPSEED 3", "NPSEED 4"), "NPSEED 3 (now 4); its test set is kept, since 1 of the 2 structures"),
    (("TESTPERCENT 20", "TESTPERCENT 50"), "TESTPERCENT 20 (now 50); its test set is kept, since "),
    (("BATCHSIZE 6", "BATCHSIZE 3"), "BATCHSIZE 6 (now 3)"),
    (("VERBOSE", "MAXFORCES 1"), "MAXFORCES off (now 1); its test set is kept, since "),
    (("FORCES\nalpha=0.1", ""), "alpha 0.1 (now off); its test set is kept, since "),
]


@pytest.mark.parametrize(("change", "message"), SPLITS)
def test_another_split_beside_a_state(change, message, folder, capsys):
    """The test set is kept, and a warning before the first epoch names what has changed."""
    assert main([]) == 0
    first = of_test_set()
    assert not warnings(capsys.readouterr().err)
    edited(folder, change)
    assert main([]) == 0
    assert of_test_set() == first
    (warning,) = warnings(capsys.readouterr().err)
    assert warning.startswith("Warning: train.in: model.restart was trained with " + message)
    assert main([]) == 0
    assert not warnings(capsys.readouterr().err)


def test_a_new_split_is_drawn_where_it_is_asked_for(folder, capsys):
    assert main([]) == 0
    first = of_test_set()
    edited(folder, ("NPSEED 3", "NPSEED 4\nNEW_SPLIT"))
    capsys.readouterr()
    assert main([]) == 0
    assert of_test_set() != first
    (warning,) = warnings(capsys.readouterr().err)
    assert re.search(r"NPSEED 3 \(now 4\); \d of the 2 structures tested now were trained on$", warning)
    second = of_test_set()
    (folder / "model.restart").unlink()
    assert main([]) == 0
    assert of_test_set() == second


@pytest.mark.mpi
def test_a_split_in_several_processes(folder, monkeypatch):
    assert main([]) == 0
    first = of_test_set()
    edited(folder, ("NPSEED 3", "NPSEED 4"), ("BATCHSIZE 6", "BATCHSIZE 4"))
    several = copied(folder, "several")
    assert main([]) == 0
    statuses, _, errors = ended(start(several))
    assert statuses == [0, 0], errors
    assert len(warnings(errors[0])) == 1
    compare(several, folder)
    monkeypatch.chdir(several)
    assert of_test_set() == first


def test_saved_batches_of_another_split(folder, capsys):
    edited(folder, ("VERBOSE", "VERBOSE\nNPSEED 4\nMODE batches"))
    assert main([]) == 0
    edited(folder, ("NPSEED 4\nMODE batches", ""))
    assert main([]) == 0
    first = of_test_set()
    edited(folder, ("VERBOSE", "VERBOSE\nNPSEED 4\nLOAD_BATCHES"))
    capsys.readouterr()
    assert main([]) == 0
    assert of_test_set() == first
    assert "its test set is kept" in warnings(capsys.readouterr().err)[0]


def test_another_training_set_beside_a_state(folder, capsys):
    """Structures missing in one run keep their use; if none is known, a new test set is drawn."""
    whole = Path("cluster.train.ascii").read_text()
    limit = np.median([entry.energy / entry.n_atoms for entry in trainset.read("cluster.train").structures.entries])
    assert main([]) == 0
    first = of_test_set()
    edited(folder, ("VERBOSE", f"MAXENERGY {limit}"))
    capsys.readouterr()
    assert main([]) == 0
    said = warnings(capsys.readouterr().err)
    assert re.match(
        r"Warning: cluster.train.ascii: \d structures removed since the training in model.restart; ", said[0]
    )
    assert of_test_set() <= first
    edited(folder, (f"MAXENERGY {limit}", ""))
    assert main([]) == 0
    assert of_test_set() == first
    assert "MAXENERGY" in warnings(capsys.readouterr().err)[0]
    Path("cluster.train.ascii").write_text(whole.replace("xsf/", "abc/"))
    edited(folder, ("FORCES\nalpha=0.1", ""))
    assert main([]) == 0
    assert "no structure is in the training set of model.restart; a new test set" in capsys.readouterr().err


def test_a_larger_training_set_beside_a_state(folder, capsys):
    """New structures are drawn, all others keep their use."""
    limit = np.median([entry.energy / entry.n_atoms for entry in trainset.read("cluster.train").structures.entries])
    edited(folder, ("VERBOSE", f"MAXENERGY {limit}"), ("TESTPERCENT 20", "TESTPERCENT 40"))
    assert main([]) == 0
    first, known = of_test_set(), {line.split()[-1] for line in Path("energies.train").read_text().splitlines()}
    edited(folder, (f"MAXENERGY {limit}", ""))
    capsys.readouterr()
    assert main([]) == 0
    assert of_test_set() > first
    assert not of_test_set() & known
    assert re.search(r"cluster.train.ascii: \d structures added since", warnings(capsys.readouterr().err)[0])


def test_the_same_command_twice(folder, capsys):
    assert main([]) == 0
    assert notes(capsys.readouterr().err) == []
    assert main([]) == 0
    said = capsys.readouterr().err
    assert not warnings(said)
    assert notes(said) == [
        "model.restart holds a finished training. It continues for up to 3 more epochs (ITERATIONS), counted from 0, "
        "and replaces train.error and the potentials."
    ]
    assert [line.split()[0] for line in Path("train.error").read_text().splitlines()] == ["0", "1", "2"]
    twice = weights()
    (folder / "model.restart").unlink()
    edited(folder, ("ITERATIONS 3", "ITERATIONS 6"))
    assert main([]) == 0
    assert (weights() == twice).all()


@pytest.mark.usefixtures("folder")
def test_a_state_that_does_not_say_what_it_was_trained_on(capsys):
    """Those of the original do not."""
    assert main([]) == 0
    stored = torch.load("model.restart", weights_only=True)
    torch.save({name: stored[name] for name in ("model", "optimizer")}, "model.restart")
    capsys.readouterr()
    assert main([]) == 0
    assert "model.restart does not say which structures it was trained on" in warnings(capsys.readouterr().err)[0]


def test_an_interrupted_training_that_another_deck_cannot_resume(folder, capsys, monkeypatch):
    stored = folder / "model.restart"
    edited(folder, ("VERBOSE", "CHECKPOINT 1"))
    replace = os.replace

    def failing(source, target):
        replace(source, target)
        if os.path.basename(target) == "train.error":
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", failing)
    assert main([]) == 130
    monkeypatch.setattr(os, "replace", replace)
    kept = stored.read_bytes()
    capsys.readouterr()
    assert main([]) == 0
    assert not warnings(capsys.readouterr().err)
    stored.write_bytes(kept)
    edited(folder, ("alpha=0.1", "alpha=0.2"))
    assert main([]) == 0
    said = warnings(capsys.readouterr().err)
    assert "alpha 0.1 (now 0.2)" in said[0]
    assert "the interrupted training of model.restart cannot be resumed in epoch 1" in said[1]
    assert "; a new one of 3 epochs starts from its weights" in said[1]


FILES = [
    "model.restart", "Cu.pytorch.nn.ascii", "H.pytorch.nn.ascii", "train.error", "energies.train", "energies.test",
    "forces.train", "forces.test",
]  # fmt: skip


def stage(name: str) -> str:
    """Name of the stage in which a file is written."""
    return "potentials" if name.endswith(".nn.ascii") else name if name in FILES[:4] else name.split(".")[0]


def fail_at(name: str, monkeypatch, first: int = 1, last: float = math.inf) -> None:
    """The disk is full when this file is written for the first to the last of these times."""
    write, count = output._write, [0]

    def full(fd, path, offset, parts):
        count[0] += path == name
        if path == name and first <= count[0] <= last:
            raise AenetError(f"{path}: cannot be written: {os.strerror(errno.ENOSPC)}")
        write(fd, path, offset, parts)

    monkeypatch.setattr(output, "_write", full)


@pytest.mark.parametrize("name", FILES)
def test_a_full_disk_at_the_end_of_a_training(name, folder, capsys):
    """All other files exist, the message names the missing ones, and the same command writes them without training."""
    assert main([]) == 0
    wanted = listing(folder)
    for path in map(folder.joinpath, FILES):
        path.unlink()
    for path in folder.glob("*.nn.ascii"):
        path.unlink()
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        fail_at(name, patch)
        assert main([]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"Error: {name}: cannot be written: No space left on device; not saved: ")
    assert f"{name} (" in error
    found = listing(folder)
    missing = {each for each in wanted if stage(each) == stage(name)}
    assert all(f"{each} ({len(wanted[each])} bytes)" in error for each in missing - {"model.restart"})
    later = {each for each in FILES if each.startswith(("energies", "forces"))} if name in FILES[:4] else set()
    assert set(wanted) - set(found) == missing | later
    assert all(found[each] == wanted[each] for each in found if each != "model.restart")
    if name != "model.restart":
        assert main([]) == 0
        said = capsys.readouterr()
        assert " 0 :" not in said.out  # no epoch is trained
        assert {**listing(folder), "model.restart": b""} == {**wanted, "model.restart": b""}
        assert "progress" not in torch.load("model.restart", weights_only=True)


def test_a_disk_that_is_full_for_a_while(folder, capsys, monkeypatch):
    """A checkpoint that cannot be written does not end the training."""
    edited(folder, ("VERBOSE", "CHECKPOINT 1"))
    fail_at("model.restart", monkeypatch, last=1)
    assert main([]) == 0
    assert "cannot be written: No space left on device" in (said := capsys.readouterr().err)
    assert "; training continues" in said
    assert Path("model.restart").exists()


@pytest.mark.usefixtures("folder")
def test_a_disk_that_is_full_after_the_last_table(capsys):
    """Only the final state is missing; the same command does not train."""
    with pytest.MonkeyPatch.context() as patch:
        fail_at("model.restart", patch, first=2)
        assert main([]) == 0
    assert "; the same command only writes the tables again" in capsys.readouterr().err
    assert Path("forces.test").exists()
    wanted = weights()
    assert main([]) == 0
    assert (weights() == wanted).all()


def test_a_full_disk_after_early_stopping(folder, capsys):
    edited(folder, ("VERBOSE", "PATIENCE 1"), ("lr=0.001", "lr=0.1"), ("ITERATIONS 3", "ITERATIONS 50"))
    assert main([]) == 0
    wanted = weights()
    for path in (folder / "model.restart", *folder.glob("*.nn.ascii")):
        path.unlink()
    with pytest.MonkeyPatch.context() as patch:
        fail_at("forces.test", patch)
        assert main([]) == 1
    capsys.readouterr()
    assert main([]) == 0
    assert (weights() == wanted).all()


MODES = ["MODE train", "MODE batches", "MODE transfer\nTRANSFER source=../source"]


@pytest.mark.parametrize("mode", MODES)
def test_two_trainings_in_one_folder(mode, folder, capsys):
    assert main([]) == 0
    source = copied(folder, "source")
    edited(folder, ("ITERATIONS 3", "ITERATIONS 1000000"), ("VERBOSE", "CHECKPOINT 1"))
    before = (folder / "model.restart").read_bytes()
    command = [sys.executable, str(ROOT / "bin/aenet_pytorch.py")]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 60
            while (folder / "model.restart").read_bytes() == before and time.monotonic() < until:
                time.sleep(0.01)
            text = (folder / "train.in").read_text().replace("CHECKPOINT 1", mode).replace("1000000", "1")
            (folder / "other.in").write_text(text)
            capsys.readouterr()
            assert main(["other.in"]) == 1
            assert f"another training (pid {process.pid}) is writing" in capsys.readouterr().err
            assert not (folder / "tmp_batches").exists()
        finally:
            process.send_signal(signal.SIGKILL)
    assert main(["other.in"]) == 0
    assert (source / "model.restart").exists()


def executed(program: str, folder: Path) -> subprocess.CompletedProcess:
    """A Python program, run in a folder."""
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


WATCHING = """
import contextlib, sys, threading
from aenet_py.cli import aenet_pytorch
from aenet_py.training import preparation

watched, seen, began, importing = [], [], [], preparation.importing

def watch(event, given):
    if event == "import" and watched and threading.current_thread() is threading.main_thread():
        seen.append(given[0])

@contextlib.contextmanager
def watching(module):
    with importing(module):
        began.append(module)
        watched.append("torch" in sys.modules)
        yield
        watched.clear()

sys.addaudithook(watch)
preparation.importing = watching
status = aenet_pytorch.main([])
assert began
print(*seen, file=sys.stderr)
sys.exit(status)
"""


@pytest.mark.parametrize("mode", ["cpu", "disk"])
def test_nothing_is_imported_while_torch_is(mode, folder):
    """Two threads that import the same modules may see incomplete ones."""
    edited(folder, ("MEMORY_MODE cpu", f"MEMORY_MODE {mode}"), ("ITERATIONS 3", "ITERATIONS 0"))
    done = executed(WATCHING, folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[3:] == [""]  # after the notes


INTERRUPTED = """
import importlib, os, signal, sys, threading, time
from aenet_py.cli import aenet_pytorch

load = importlib.import_module

def slow(name):
    if name == "torch":
        for _ in range({times}):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
    return load(name)

importlib.import_module = slow
sys.exit(aenet_pytorch.main([]))
"""


@pytest.mark.parametrize("times", [1, 3])
def test_a_signal_while_torch_is_imported(times, folder):
    before = listing(folder)
    done = executed(INTERRUPTED.format(times=times), folder)
    assert (done.returncode, done.stderr.splitlines()[1:]) == (
        130,
        ["Error: interrupted; files saved before are kept"],
    )
    assert listing(folder) == before


def test_torch_that_cannot_be_imported(folder, monkeypatch):
    """Errors of the thread are not lost."""

    load = importlib.import_module

    def failing(name: str) -> object:
        if name == "torch":
            raise ImportError(name)
        return load(name)

    monkeypatch.setattr(importlib, "import_module", failing)
    with pytest.raises(ImportError, match="torch"):
        main([])
    assert "model.restart" not in listing(folder)


@pytest.mark.usefixtures("folder")
def test_other_networks_beside_a_state(capsys):
    """A state has its weights in the order of NETWORKS; in another order, species would be mixed up."""
    assert main([]) == 0
    deck, state = Path("train.in").read_text(), Path("model.restart").read_bytes()
    lines = deck.splitlines()
    Path("train.in").write_text("\n".join([*lines[:-2], lines[-1], lines[-2]]) + "\n")
    capsys.readouterr()
    assert main([]) == 1
    error = capsys.readouterr().err
    assert "model.restart has networks for Cu Au O H, in this order, but NETWORKS of train.in lists Cu Au H O" in error
    assert Path("model.restart").read_bytes() == state
    Path("train.in").write_text(deck.replace("O.pytorch.nn   2 10:tanh", "O.pytorch.nn   2 10:sigmoid"))
    assert main([]) == 0
    (warning,) = warnings(capsys.readouterr().err)
    assert "activations tanh tanh, tanh tanh, tanh tanh, tanh tanh (now tanh tanh, tanh tanh, sigmoid tanh," in warning


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (("Cu.pytorch.nn ", "cluster.train "), "cluster.train.ascii"),
        (("cluster.train.ascii", "energies.train"), "energies.train"),
    ],
)
def test_results_do_not_replace_the_training_set(change, name, folder, capsys):
    edited(folder, change)
    if not Path(name).exists():
        Path("cluster.train").rename(name)
        Path("cluster.train.forces").rename(f"{name}.forces")
    before = Path(name).read_bytes()
    assert main([]) == 1
    assert f"the results of this training would replace its input {name}" in capsys.readouterr().err
    assert Path(name).read_bytes() == before
