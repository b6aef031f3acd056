"""aenet_pytorch.py in two processes: the results of one, and how it ends when something is wrong with either."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from aenet_py.cli.aenet_pytorch import main
from aenet_py.formats import potential
from aenet_py.training.data import splits
from compat_tests.cli.cases import FIXTURES, ROOT, listing
from compat_tests.cli.test_train import CLUSTER, edited, interrupt_after, prepare

WITHIN = 1e-9  # of the largest weight
PROGRAM = """
import os, sys
from aenet_py.cli.aenet_pytorch import main
if os.environ["RANK"] == "1":
    exec(os.environ["PATCH"])
statuses = []
for folder, port in zip(sys.argv[1:], os.environ["PORTS"].split()):
    os.chdir(folder)
    os.environ["MASTER_PORT"] = port
    statuses.append(main([]))
sys.exit(statuses[0] if len({*statuses}) == 1 else 100)
"""


def free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def start(*folders: Path, n: int = 2, others: list[Path] | None = None, patch: str = "") -> list[subprocess.Popen]:
    """Processes that train in each of these folders in turn.

    others : where all but the first do; patch : what the second one executes before.
    """
    ports = " ".join(map(str, free_ports(len(folders))))  # one each: the last one's may still be open at the next
    processes = []
    for rank in range(n):
        given = {
            "RANK": rank,
            "WORLD_SIZE": n,
            "MASTER_ADDR": "127.0.0.1",
            "PORTS": ports,
            "MASTER_PORT": "",
            "PATCH": patch,
        }
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **{name: str(value) for name, value in given.items()}}
        chosen = others if others is not None and rank else folders
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *map(str, chosen)],
                env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
    return processes


def ended(processes: list[subprocess.Popen]) -> tuple[list[int], list[str], list[str]]:
    """Their statuses, standard outputs and standard errors."""
    try:
        said = [process.communicate(timeout=60) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [process.returncode for process in processes], [out for out, _ in said], [error for _, error in said]


def errors_in(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(("Error", "Traceback"))]


def trained(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "model.restart", weights_only=True)["model"]


def compare(folder: Path, wanted: Path) -> None:
    """The same tables, digit by digit, and the same weights."""
    for name in ("train.error", "energies.train", "energies.test", "forces.train", "forces.test"):
        assert (folder / name).exists() == (wanted / name).exists()
        if (wanted / name).exists():
            assert (folder / name).read_text() == (wanted / name).read_text(), name
    ours, theirs = trained(folder), trained(wanted)
    for name, weights in theirs.items():
        assert abs(ours[name] - weights).max() <= WITHIN * abs(weights).max(), name
    for path in wanted.glob("*.nn.ascii"):
        weights = [potential.read(str(where / path.name)).network.weights for where in (folder, wanted)]
        assert abs(weights[0] - weights[1]).max() <= WITHIN * abs(weights[1]).max()


def copied(folder: Path, name: str, *changes: tuple[str, str]) -> Path:
    """The same deck and training set in another folder."""
    target = folder.parent / name
    shutil.copytree(folder, target)
    edited(target, *changes)
    return target


@pytest.fixture
def forces(tmp_path):
    """Seven of fourteen structures have forces."""
    folder = prepare(CLUSTER / "train-forces-adamw/train.in", tmp_path / "run")
    edited(folder, ("ITERATIONS 40", "ITERATIONS 6"))
    return folder


def decks(forces: Path) -> dict[str, Path]:
    """Energies and forces in most batches, in all, or in none; and additional keywords."""
    more = "EMA 0.9\nPATIENCE 3\nSCHEDULE plateau patience=1\nCHECKPOINT 2\nMAXFORCES 5\nMEMORY_MODE disk"
    found = {
        "mixed": copied(forces, "mixed", ("BATCHSIZE 6", "BATCHSIZE 4")),
        "energies": copied(forces, "energies", ("FORCES\nalpha=0.1", ""), ("adamw ", "adam "), ("SAVE_FORCES", "")),
        "more": copied(forces, "more", ("VERBOSE", more), ("MEMORY_MODE cpu", ""), ("lr=0.001", "lr=0.05")),
        "batches": copied(forces, "batches", ("VERBOSE", "SAVE_BATCHES")),
    }
    found["lbfgs"] = copied(forces, "lbfgs", *second_order("lbfgs"))
    found["recompute"] = copied(forces, "recompute", ("MEMORY_MODE cpu", "MEMORY_MODE recompute\nFORCESPERCENT 60"))
    shutil.copytree(CLUSTER / "xsf", found["recompute"] / "xsf")
    (found["recompute"] / "cluster.train.forces").unlink()
    long = FIXTURES / "three-species-long-angular/train-forces-adamax-cutoffs/train.in"
    found["all"] = prepare(long, forces.parent / "all")
    return found


@pytest.mark.slow
@pytest.mark.mpi
def test_two_processes_train_as_one(forces, monkeypatch):
    folders = decks(forces)
    singles = {name: copied(folder, f"{name}-single") for name, folder in folders.items()}
    statuses, said, errors = ended(start(*folders.values()))
    assert statuses == [0, 0], errors
    assert said[1] == errors[1] == ""
    for name, single in singles.items():
        monkeypatch.chdir(single)
        assert main([]) == 0
        compare(folders[name], single)
    stored = [(where["batches"] / "tmp_batches/gradients").read_bytes() for where in (folders, singles)]
    assert stored[0] == stored[1]


def second_order(method: str) -> list[tuple[str, str]]:
    return [("method=adamw   lr=0.001", f"method={method}"), ("REGULARIZATION 0.001", "")]


@pytest.mark.slow
@pytest.mark.mpi
def test_other_equations_of_the_same_step(forces, monkeypatch):
    """With several processes, lm solves in the weights, here otherwise in the errors: the same but for rounding."""
    edited(forces, *second_order("lm"))
    single = copied(forces, "single")
    statuses, _, errors = ended(start(forces))
    assert statuses == [0, 0], errors
    monkeypatch.chdir(single)
    assert main([]) == 0
    tables = [np.loadtxt(folder / "train.error") for folder in (forces, single)]
    np.testing.assert_allclose(*tables, rtol=0, atol=1e-5)
    ours, theirs = trained(forces), trained(single)
    for name, weights in theirs.items():
        assert abs(ours[name] - weights).max() <= 1e-5 * abs(weights).max(), name


@pytest.mark.slow
@pytest.mark.mpi
def test_a_method_for_one_process(forces):
    edited(forces, *second_order("ekf"))
    statuses, said, errors = ended(start(forces))
    assert statuses == [1, 1]
    assert errors_in(errors[0]) == [
        "Error: train.in: found method=ekf in 2 processes; it learns one structure after another"
    ]
    assert said[1] == errors[1] == ""
    assert not (forces / "model.restart").exists()


@pytest.mark.slow
@pytest.mark.mpi
def test_three_processes_and_a_transfer(forces, monkeypatch):
    """Saved batches; a test batch of two structures for three processes."""
    monkeypatch.chdir(forces)
    edited(forces, ("VERBOSE", "SAVE_BATCHES"))
    assert main([]) == 0
    loading = copied(forces, "loading", ("SAVE_BATCHES", "LOAD_BATCHES"))
    transfer = ("VERBOSE", "MODE transfer\nTRANSFER source=../run freeze=1 energy=align")
    moved = copied(forces, "moved", ("SAVE_BATCHES", "VERBOSE"), transfer)
    for folder in (loading, moved):
        for path in [folder / "model.restart", folder / "train.error", *folder.glob("*.nn.ascii")]:
            path.unlink()
    single = copied(moved, "moved-single")
    statuses, _, errors = ended(start(loading, moved, n=3))
    assert statuses == [0, 0, 0], errors
    compare(loading, forces)
    monkeypatch.chdir(single)
    assert main([]) == 0
    assert (moved / "train.error").read_text() == (single / "train.error").read_text()
    ours, theirs = (
        torch.load(where / "model.transfered.restart", weights_only=True)["model"] for where in (moved, single)
    )
    assert all(abs(ours[name] - theirs[name]).max() <= WITHIN * abs(theirs[name]).max() for name in theirs)


@pytest.mark.slow
@pytest.mark.mpi
def test_torchrun_resumes_the_training_of_one_process(forces, monkeypatch):
    """Stopped in the middle of an epoch."""
    single = copied(forces, "single")
    monkeypatch.chdir(single)
    assert main([]) == 0
    monkeypatch.chdir(forces)
    interrupt_after(3, monkeypatch)
    assert main([]) == 0
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, str(ROOT / "bin/aenet_pytorch.py"), "train.in"],
        cwd=forces,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Neural Network training done.") == 1
    compare(forces, single)


def wait_for(path: Path) -> None:
    until = time.monotonic() + 30
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.005)


@pytest.mark.mpi
@pytest.mark.parametrize("lost", [1, 0])
def test_a_process_that_is_killed(lost, forces, monkeypatch):
    """The other one ends, too; resumed from what is saved, training ends like an uninterrupted one."""
    edited(forces, ("ITERATIONS 6", "ITERATIONS 4000"), ("VERBOSE", "CHECKPOINT 10"))
    processes = start(forces)
    wait_for(forces / "model.restart")
    processes[lost].kill()
    statuses, _, errors = ended(processes)
    assert statuses[lost] == -signal.SIGKILL
    assert statuses[1 - lost] == 1
    if lost == 1:
        (line,) = errors_in(errors[0])
        assert "another process of this training has ended or does not answer; model.restart and the potentials" in line
    else:
        assert errors[1] == ""
    stored = torch.load(forces / "model.restart", weights_only=True)["progress"]["training"]
    assert stored["epoch"] >= 10
    assert lost == 1 or stored["epoch"] % 10 == 0
    more = stored["epoch"] + 3
    edited(forces, ("ITERATIONS 4000", f"ITERATIONS {more}"))
    single = copied(forces, "single")
    for path in (*single.glob("*.nn.ascii"), *map(single.joinpath, ("model.restart", "train.error"))):
        path.unlink(missing_ok=True)
    for folder in (single, forces):
        monkeypatch.chdir(folder)
        assert main([]) == 0
    assert np.isfinite([value for weights in trained(single).values() for value in weights.flatten().tolist()]).all()
    compare(forces, single)


@pytest.mark.mpi
def test_a_signal_to_one_process_stops_all(forces, monkeypatch):
    edited(forces, ("ITERATIONS 6", "ITERATIONS 4000"), ("VERBOSE", "CHECKPOINT 10"))
    processes = start(forces)
    wait_for(forces / "model.restart")
    processes[1].send_signal(signal.SIGTERM)
    statuses, _, errors = ended(processes)
    assert statuses == [0, 0]
    assert "Stopped by a signal in epoch" in errors[0]
    assert errors[1] == ""
    stored = torch.load(forces / "model.restart", weights_only=True)["progress"]["training"]
    edited(forces, ("ITERATIONS 4000", f"ITERATIONS {stored['epoch'] + 1}"))
    monkeypatch.chdir(forces)
    assert main([]) == 0


SIGNALLED = """
import signal
from aenet_py.training import loop
from aenet_py.training.data import dataset

def interrupted(*given, work={module}.{name}):
    for _ in range({times}):
        signal.raise_signal(signal.SIGTERM)
    return work(*given)

{module}.{name} = interrupted
"""


@pytest.mark.mpi
@pytest.mark.parametrize(("module", "name", "times"), [("dataset", "read", 1), ("loop", "evaluate", 2)])
def test_a_process_that_leaves(module, name, times, forces):
    """Stopped by a signal during preparation, or by two in a batch: the other one does not wait for it."""
    processes = start(forces, patch=SIGNALLED.format(module=module, name=name, times=times))
    statuses, _, errors = ended(processes)
    assert statuses == [1, 1]
    (line,) = errors_in(errors[0])
    assert "another process of this training has ended or does not answer" in line
    assert errors[1] == ""


@pytest.mark.mpi
def test_a_process_that_is_lost_after_the_last_epoch(forces, monkeypatch):
    single = copied(forces, "single")
    patch = "import os, signal; from aenet_py.training import results\n"
    patch += "results.energies = lambda *_: os.kill(os.getpid(), signal.SIGKILL)"
    statuses, _, errors = ended(start(forces, patch=patch))
    assert statuses == [1, -signal.SIGKILL]
    assert "model.restart and the potentials are saved, and the same command resumes from there" in errors[0]
    for folder in (single, forces):
        monkeypatch.chdir(folder)
        assert main([]) == 0
    compare(forces, single)


BAD = {
    "decks": ((), (("BATCHSIZE 6", "BATCHSIZE 5"),), "the processes have different decks train.in; they must"),
    "batches": (
        small := (("BATCHSIZE 6", "BATCHSIZE 1"), ("FORCES\nalpha=0.1", "")), small,
        "train.in: a batch has 1 structure, fewer than the 2 processes; use a larger BATCHSIZE or fewer processes",
    ),
    "keyword": (word := (("METHOD", "METHODS"),), word, "train.in:17: found 'METHODS'; expected a keyword"),
    "file": ((), (), "cluster.train.ascii: no such file (process 1 of 0 to 1)"),
    "cut": ((), (), "cluster.train.forces: "),
    "state": ((), (), "the processes have different data, or states to resume from"),
    "features": ((), (), "the processes have different data, or states to resume from"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.mpi
def test_bad_input_of_either_process(forces, monkeypatch):
    """One message each, status 1 in both, nothing written."""
    state = copied(forces, "trained", ("ITERATIONS 6", "ITERATIONS 1"))
    monkeypatch.chdir(state)
    assert main([]) == 0
    folders = [copied(forces, name, *first) for name, (first, *_) in BAD.items()]
    others = [copied(forces, f"other-{name}", *second) for name, (_, second, _) in BAD.items()]
    other = dict(zip(BAD, others, strict=True))
    (other["file"] / "cluster.train.ascii").unlink()
    whole = (forces / "cluster.train.forces").read_bytes()
    (other["cut"] / "cluster.train.forces").write_bytes(whole[: len(whole) // 2])
    shutil.copyfile(state / "model.restart", other["state"] / "model.restart")
    text = (other["features"] / "cluster.train.ascii").read_text()
    last = re.findall(r"-?\d\.\d{10,}(?:E-\d\d)?", text)[-1]
    (other["features"] / "cluster.train.ascii").write_text(text.replace(last, f"{1.01 * float(last):.12f}"))
    before = listing(forces.parent)
    statuses, _, errors = ended(start(*folders, others=others))
    assert statuses == [1, 1]
    lines = errors_in(errors[0])
    assert len(lines) == len(BAD)
    assert all(message in line for line, (*_, message) in zip(lines, BAD.values(), strict=True)), lines
    assert errors[1] == ""
    assert listing(forces.parent) == before


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_shares_are_a_partition_and_balanced(size):
    rng = np.random.default_rng(size)
    n_atoms = rng.integers(1, 60, 41)
    shares = [splits.share(17, n_atoms, rank, size) for rank in range(size)]
    assert sorted(np.concatenate(shares).tolist()) == list(range(41))
    for rows in (np.concatenate([share[share < 17] for share in shares]), np.arange(41)):
        loads = [n_atoms[np.intersect1d(share, rows)].sum() for share in shares]
        assert max(loads) - min(loads) <= n_atoms.max()
