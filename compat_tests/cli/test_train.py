"""aenet_pytorch.py: the original's files and numbers on its own decks, and what a training must keep."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import shutil
import signal
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from aenet_py.cli import common, generate, trainbin2ascii
from aenet_py.cli.aenet_pytorch import main
from aenet_py.formats import potential, trainset
from aenet_py.training import results
from aenet_py.training import run as run_module
from aenet_py.training.data import batches
from compat_tests.cli.cases import FIXTURES, SHARED, golden_files, listing, name_of, run
from compat_tests.formats import samples

DECKS = [path for path in golden_files("*/train-*/train.in") if (path.parent / "expected" / "train.error").exists()]
NUMBER = re.compile(r"-?\d+\.\d+")
LAST_DIGIT = 2e-6  # of what is printed with six decimals
WEIGHT = 1e-7  # of those after training
# Where batches have no energies of their own, the original's loss is in single precision, and which way it rounds
# depends on the processor: the original itself misses its own file by 2e-7 on another one.
LOOSE_WEIGHT = {"train-forces-adagrad-mixed": 1e-6}
OUTPUTS = ("train.error", "energies", "forces")
CLUSTER = FIXTURES / "cluster-cuau-h2o"


def prepare(deck: Path, folder: Path) -> Path:
    """A folder with the deck and its training set; skips if only a checksum of the gradients is stored."""
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
    """The text with all digits and signs of numbers replaced by the same characters."""
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
    for path in expected.glob("*.nn*.ascii"):
        ours_lines, theirs = Path(path.name).read_text().splitlines(), path.read_text().splitlines()
        assert ours_lines[:8] + ours_lines[9:] == theirs[:8] + theirs[9:]
        weights = [potential.read(str(p)).network.weights for p in (Path(path.name), path)]
        assert abs(weights[0] - weights[1]).max() < LOOSE_WEIGHT.get(expected.parent.name, WEIGHT)


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


def test_the_originals_state_is_resumed_with_the_same_keys(forces):
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
    (("TESTPERCENT 20", "TESTPERCENT 120"), "train.in:2: found '120' after TESTPERCENT; expected a percentage"),
    (("method=adamw", "method=sgd"), "found method 'sgd'; expected one of adam"),
    (("lr=0.001", "lr=fast"), "found 'fast' for lr; expected a number"),
    (("alpha=0.1", "alpha=1.5"), "found alpha=1.5; expected 0 to 1"),
    (("MEMORY_MODE cpu", "MEMORY_MODE tape"), "train.in:12: found MEMORY_MODE tape; expected one of cpu, gpu, disk"),
    (("VERBOSE", "MODE test"), "found MODE test; expected one of train, batches, transfer"),
    (("VERBOSE", "LOAD_BATCHES"), "tmp_batches/batches: no such file; save the batches with SAVE_BATCHES first"),
    (("VERBOSE", "CHECKPOINT 0"), "found '0' after CHECKPOINT; expected a whole number, at least 1, of epochs"),
    (("VERBOSE", "PATIENCE x"), "found 'x' after PATIENCE; expected a whole number, at least 1, of epochs"),
    (("VERBOSE", "EMA 1"), "found '1' after EMA; expected the decay, from 0 to below 1"),
    (("VERBOSE", "SCHEDULE"), "found '' after SCHEDULE; expected plateau or cosine"),
    (("VERBOSE", "SCHEDULE linear"), "found 'linear' after SCHEDULE; expected plateau or cosine"),
    (("VERBOSE", "SCHEDULE cosine factor=2"), "found 'factor=2' after SCHEDULE cosine; expected min_lr=number"),
    (("VERBOSE", "SCHEDULE plateau factor=2"), "found factor=2; expected a number between 0 and 1"),
    (("VERBOSE", "SCHEDULE plateau patience=0.5"), "found '0.5' for patience; expected a whole number"),
    (("VERBOSE", "MAXENERGY -1"), "every structure is above MAXENERGY; there is nothing to train on"),
    (
        ("  H   H.pytorch.nn   2 10:tanh 10:tanh", ""),
        "no network for H, a species in cluster.train.ascii; add it to NETWORKS",
    ),
    (("  H   H.", "  N   H."), "no network for H, a species in cluster.train.ascii; add it to NETWORKS"),
    (
        ("  H   H.", "  N   N.nn 1 3:tanh\n  H   H."),
        "train.in:28: NETWORKS has N, but the species in cluster.train.ascii are Cu Au O H",
    ),
    (("  H   H.pytorch.nn   2 10:tanh 10:tanh", "PATIENCES 5"), "nodes:activation for each, did you mean PATIENCE?"),
    (("  H   H.pytorch.nn   2 10:tanh", "  H   H.pytorch.nn   2 10:relu"), "found activation 'relu'; expected one of"),
    (("  H   H.pytorch.nn   2 ", "  H   H.pytorch.nn   3 "), "found 2 layers; expected 3"),
    (("  H   H.pytorch.nn   2 ", "  H   H.pytorch.nn   -1 "), "expected: symbol, file, number of hidden layers, and"),
    (("  H   H.pytorch.nn", "  Cu   H.pytorch.nn"), "found a second network for Cu"),
    (
        ("  H   H.pytorch.nn", "  H   Cu.pytorch.nn"),
        "found Cu.pytorch.nn for a second network; expected a file for each",
    ),
    (("  H   H.pytorch.nn", "  H   none/H.pytorch.nn"), "none/H.pytorch.nn.ascii: cannot be written: No such file"),
    (("lr=0.001", "lr=0.001 amsgrad=True"), "found 'amsgrad' after METHOD; expected method= and lr="),
    (("VERBOSE", "SCHEDULE cosine min_lr=0.5"), "found min_lr=0.5; expected less than lr"),
    (("TRAININGSET cluster.train.ascii", "TRAININGSET none"), "none: no such file"),
    (("TRAININGSET cluster.train.ascii", ""), "no TRAININGSET found; expected a training set"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_decks(change, message, forces, capsys):
    edited(forces, change)
    before = listing(forces)
    assert main([]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("Up to")]
    assert len(errors) == 1
    assert message in errors[0]
    assert listing(forces) == before


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("what", ["energy", "forces", "features"])
def test_data_that_are_not_finite(what, value, forces, capsys):
    found = trainset.read("cluster.train")
    entries, atoms = list(found.structures.entries), found.structures.atoms
    if what == "energy":
        entries[2] = dataclasses.replace(entries[2], energy=value)
    else:
        getattr(atoms, what)[found.structures.starts[2] + 1, 1] = value
    broken = dataclasses.replace(found, structures=trainset.StructureBatch(tuple(entries), atoms))
    (forces / "cluster.train.ascii").write_bytes(samples.content_of(broken, trainset.TEXT))
    assert main([]) == 1
    verb = "is" if what == "energy" else "are"
    message = f"cluster.train.ascii: structure {entries[2].path!r}: its {what} {verb} not finite"
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
    assert "model.restart: not a state of these networks and this method" in capsys.readouterr().err
    assert {**before, "train.in": b""} == {**listing(forces), "train.in": b""}


@pytest.mark.usefixtures("forces")
def test_a_state_that_runs_code_is_refused(capsys):
    class Evil:
        def __reduce__(self):
            return (Path("owned").write_text, ("owned",))

    torch.save({"model": Evil()}, "model.restart")
    assert main([]) == 1
    assert "model.restart: not a state" in capsys.readouterr().err
    assert not Path("owned").exists()


def test_a_loss_that_is_not_finite(forces, capsys):
    """The last valid state is kept, and training resumes from it with another learning rate."""
    edited(forces, ("lr=0.001", "lr=1e300"))
    assert main([]) == 1
    assert "the loss is not finite in batch 2 of epoch 0" in capsys.readouterr().err
    assert np.isfinite(weights()).all()
    kept = torch.load("model.restart", weights_only=True)
    assert all(torch.isfinite(values).all() for values in kept["model"].values())
    edited(forces, ("lr=1e300", "lr=0.001"))
    assert main([]) == 0
    after = weights()
    for path in (forces / "model.restart", *forces.glob("*.nn.ascii")):
        path.unlink()
    assert main([]) == 0
    assert (after == weights()).all()


def test_a_loss_that_is_not_finite_at_once(forces, capsys):
    shutil.copyfile(CLUSTER / "train-forces-adamw/expected/model.restart", "model.restart")
    state = torch.load("model.restart", weights_only=True)
    state["model"]["functions.0.Linear_Sp1_F3.weight"][:] = 1e308
    torch.save(state, "model.restart")
    before = listing(forces)
    assert main([]) == 1
    assert "the loss is not finite in batch 1 of epoch 0" in capsys.readouterr().err
    assert listing(forces) == before


def test_batches_saved_and_loaded(forces, capsys):
    """MODE batches does not train; training from its files is the same, in memory or on disk, without the set."""
    assert main([]) == 0
    wanted, errors = weights(), Path("train.error").read_text()
    report = capsys.readouterr().out
    for path in (forces / "model.restart", *forces.glob("*.nn.ascii"), forces / "train.error"):
        path.unlink()
    edited(forces, ("VERBOSE", "VERBOSE\nMODE batches"))
    assert main([]) == 0
    assert not Path("train.error").exists()
    saving = capsys.readouterr().out
    assert "\n                       Saving batch information                       \n" in saving
    for path in forces.glob("cluster.train*"):
        path.unlink()
    edited(forces, ("MODE batches", "LOAD_BATCHES"))
    for mode in ("cpu", "disk"):
        (forces / "model.restart").unlink(missing_ok=True)
        edited(forces, ("MEMORY_MODE cpu", f"MEMORY_MODE {mode}"))
        assert main([]) == 0
        loading = capsys.readouterr().out
        assert "\n                       Loading batch information                      \n" in loading
        assert (numbers(without_times(loading))[-20:] == numbers(without_times(report))[-20:]).all()
        assert (weights() == wanted).all()
        assert Path("train.error").read_text() == errors
        edited(forces, (f"MEMORY_MODE {mode}", "MEMORY_MODE cpu"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("BATCHSIZE 6", "BATCHSIZE 4"), "BATCHSIZE is 4, but tmp_batches was saved with 6; use the same value"),
        (("FORCES\nalpha=0.1", ""), "FORCES is False, but tmp_batches was saved with True"),
        (("NPSEED 3", "NPSEED 4"), "NPSEED is 4, but tmp_batches was saved with 3"),
    ],
)
def test_batches_of_another_deck(change, message, forces, capsys):
    edited(forces, ("VERBOSE", "MODE batches"))
    assert main([]) == 0
    edited(forces, ("MODE batches", "LOAD_BATCHES"), change)
    before = listing(forces)
    assert main([]) == 1
    assert message in capsys.readouterr().err
    assert listing(forces) == before


@pytest.mark.parametrize("name", ["batches", "gradients"])
def test_batches_that_are_damaged(name, forces, capsys):
    edited(forces, ("VERBOSE", "MODE batches"))
    assert main([]) == 0
    path = forces / "tmp_batches" / name
    content = path.read_bytes()
    edited(forces, ("MODE batches", "LOAD_BATCHES"))
    middle = len(content) // 2
    for damaged in (content[:-1000], content[:middle] + b"abcdefgh" + content[middle + 8 :], b""):
        path.write_bytes(damaged)
        assert main([]) == 1
        (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error")]
        assert error.startswith(f"Error: tmp_batches/{name}: ")
        assert error.endswith("; save the batches again")


def test_gradients_as_tensors_train_the_same(forces, monkeypatch):
    """The code for CUDA devices, run on the processor."""
    assert main([]) == 0
    wanted, errors = weights(), numbers(Path("train.error").read_text())
    (forces / "model.restart").unlink()
    assemble = batches.assemble
    monkeypatch.setattr(
        batches, "assemble", lambda data, part, _, ranks, **more: assemble(data, part, True, ranks, **more)
    )
    edited(forces, ("MEMORY_MODE cpu", "MEMORY_MODE gpu"))
    assert main([]) == 0
    assert abs(weights() - wanted).max() < 1e-12
    assert abs(numbers(Path("train.error").read_text()) - errors).max() < LAST_DIGIT


def test_gradients_in_a_file_train_the_same(forces):
    assert main([]) == 0
    wanted = {name: content for name, content in listing(forces).items() if name not in ("train.in", "model.restart")}
    (forces / "model.restart").unlink()
    edited(forces, ("MEMORY_MODE cpu", "MEMORY_MODE disk"))
    assert main([]) == 0
    assert wanted == {name: content for name, content in listing(forces).items() if name in wanted}
    assert not list(forces.glob(".gradients*"))


MORE = [
    "", "CHECKPOINT 2", "PATIENCE 50", "SCHEDULE plateau factor=0.3 patience=1", "SCHEDULE cosine min_lr=1e-4",
    "EMA 0.9", "EMA 0.9\nPATIENCE 2\nSCHEDULE plateau patience=1\nCHECKPOINT 1",
]  # fmt: skip


def interrupt_after(n_batches: int, monkeypatch) -> None:
    """Send a signal during that batch."""
    step, count = run_module._step, [0]

    def counted(*arguments):
        count[0] += 1
        if count[0] == n_batches:
            os.kill(os.getpid(), signal.SIGTERM if n_batches % 2 else signal.SIGINT)
        return step(*arguments)

    monkeypatch.setattr(run_module, "_step", counted)


@pytest.mark.parametrize("more", MORE)
@pytest.mark.parametrize("after", [1, 5, 9])
def test_an_interrupted_training_resumes_without_a_trace(more, after, forces, capsys, monkeypatch):
    """Stopped after any batch, within an epoch or at its end: the same final files, bit for bit."""
    edited(forces, ("VERBOSE", f"VERBOSE\n{more}"), ("lr=0.001", "lr=0.01"))
    assert main([]) == 0
    wanted = listing(forces)
    for path in (*forces.glob("*.nn.ascii"), *map(forces.joinpath, ("model.restart", "train.error", "energies.train"))):
        path.unlink()
    interrupt_after(after, monkeypatch)
    capsys.readouterr()
    assert main([]) == 0
    said = capsys.readouterr()
    assert "model.restart and the potentials are saved" in said.err
    assert "training done" not in said.out
    assert Path("Cu.pytorch.nn.ascii").exists()
    assert not Path("energies.train").exists()
    assert main([]) == 0
    found = listing(forces)
    restarts = [found.pop("model.restart"), wanted.pop("model.restart")]
    assert found == wanted
    first, second = (torch.load(io.BytesIO(content), weights_only=True) for content in restarts)
    assert same(first, second)


def same(first, second) -> bool:
    """Whether stored values are the same, bit for bit."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[name], second[name]) for name in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second


def test_a_killed_training_resumes_from_its_checkpoint(forces, monkeypatch):
    edited(forces, ("VERBOSE", "CHECKPOINT 2"))
    assert main([]) == 0
    wanted = weights()
    (forces / "model.restart").unlink()
    step, count = run_module._step, [0]

    def failing(*arguments):
        count[0] += 1
        if count[0] == 12:
            raise RuntimeError("the machine went down")
        return step(*arguments)

    monkeypatch.setattr(run_module, "_step", failing)
    with pytest.raises(RuntimeError):
        main([])
    monkeypatch.setattr(run_module, "_step", step)
    assert main([]) == 0
    assert (weights() == wanted).all()
    assert len(Path("train.error").read_text().splitlines()) == 6


@pytest.mark.usefixtures("forces")
def test_a_finished_training_stores_what_the_original_does_and_its_split():
    """The original reads the first two entries and no others."""
    assert main([]) == 0
    assert list(torch.load("model.restart", weights_only=True)) == ["model", "optimizer", "split"]


@pytest.mark.parametrize("rate", ["1e300", "1e308"])
def test_a_last_step_that_diverges(rate, forces, capsys):
    edited(forces, ("lr=0.001", f"lr={rate}"), ("ITERATIONS 6", "ITERATIONS 1"), ("BATCHSIZE 6", "BATCHSIZE 300"))
    assert main([]) == 1
    assert "the loss is not finite" in capsys.readouterr().err
    assert np.isfinite(weights()).all()
    assert abs(weights()).max() < 10


def test_a_signal_after_the_last_epoch_loses_nothing(forces, monkeypatch):
    write, sent = results.forces, []

    def interrupted(*arguments):
        if not sent:
            sent.append(os.kill(os.getpid(), signal.SIGTERM))
        return write(*arguments)

    monkeypatch.setattr(results, "forces", interrupted)
    assert main([]) == 0
    assert {"model.restart", "train.error", "forces.train", "Cu.pytorch.nn.ascii"} <= set(listing(forces))


def test_signals_wait_until_all_is_saved(tmp_path, monkeypatch):
    """Also if another thread could receive them."""
    monkeypatch.chdir(tmp_path)
    done = threading.Event()
    threading.Thread(target=done.wait).start()
    with pytest.raises(KeyboardInterrupt), common.uninterrupted():  # noqa: PT012 - what it does is the test
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        Path("saved").write_text("all of it")
    done.set()
    assert Path("saved").exists()


@pytest.mark.parametrize("change", [("NPSEED 3", "NPSEED 4"), ("alpha=0.1", "alpha=0.6")])
def test_the_best_of_another_training_does_not_count(change, forces):
    """With other batches, or another weight of the forces, a new training starts from the last weights."""
    edited(forces, ("VERBOSE", "PATIENCE 50"))
    assert main([]) == 0
    edited(forces, change)
    kept = torch.load("model.restart", weights_only=True)
    assert main([]) == 0
    with_patience = weights()
    torch.save({name: kept[name] for name in ("model", "optimizer", "split")}, "model.restart")
    assert main([]) == 0
    assert (weights() == with_patience).all()


def test_symmetry_functions_of_few_features(tmp_path, monkeypatch):
    """One feature, many neighbours: the index of a neighbour takes more space than its gradients."""
    monkeypatch.chdir(tmp_path)
    Path("Ti.stp").write_text(
        "ATOM Ti\nENV 1\nTi\nRMIN 0.5\nSYMMFUNC type=Behler2011\n1\nG=2 type2=Ti eta=0.5 Rs=1 Rc=6\n"
    )
    for number, edge in enumerate((2.6, 2.7, 2.8)):
        cell = f"{edge} 0 0\n0 {edge} 0\n0 0 {edge}\n"
        energy = f"# total energy = {-2 + number} eV\n"
        Path(f"{number}.xsf").write_text(f"{energy}CRYSTAL\nPRIMVEC\n{cell}PRIMCOORD\n1 1\nTi 0 0 0 0 0 0\n")
    files = "FORCES\nFORCESPERCENT 100\nFILES\n3\n0.xsf\n1.xsf\n2.xsf\n"
    Path("generate.in").write_text(f"OUTPUT a.train\nTYPES\n1\nTi 0\nSETUPS\nTi Ti.stp\n{files}")
    assert generate.main(["generate.in"]) == 0
    network = "METHOD\nmethod=adam lr=0.01\nNETWORKS\nTi Ti.nn 1 3:tanh\n"
    for mode in ("cpu", "disk"):
        Path("train.in").write_text(
            f"TRAININGSET a.train\nTESTPERCENT 0\nITERATIONS 2\nFORCES\nalpha=0.1\nMEMORY_MODE {mode}\n{network}"
        )
        assert main([]) == 0


def test_early_stopping_keeps_the_best(forces, capsys):
    """A learning rate that is too high: the test error rises again, and the potentials are those of its minimum."""
    edited(forces, ("lr=0.001", "lr=0.1"), ("ITERATIONS 6", "ITERATIONS 60"), ("VERBOSE", "PATIENCE 3"))
    assert main([]) == 0
    errors = [float(line.split()[2]) for line in Path("train.error").read_text().splitlines()]
    best = int(np.argmin(errors))
    assert len(errors) == best + 4 < 60
    said = f"Stopped early in epoch {best + 3}, with the potentials of epoch {best}: PATIENCE 3."
    assert said in capsys.readouterr().err
    stopped = weights()
    (forces / "model.restart").unlink()
    edited(forces, ("PATIENCE 3", ""), ("ITERATIONS 60", f"ITERATIONS {best + 1}"))
    assert main([]) == 0
    assert (weights() == stopped).all()


def test_cosine_ends_at_the_least_rate(forces):
    edited(forces, ("VERBOSE", "SCHEDULE cosine min_lr=0.0005"))
    assert main([]) == 0
    rate = torch.load("model.restart", weights_only=True)["optimizer"]["param_groups"][0]["lr"]
    assert rate == pytest.approx(0.0005 + 0.0005 * (1 + np.cos(np.pi * 5 / 6)) / 2)


def test_the_average_is_that_of_all_steps(forces, monkeypatch):
    seen = []
    step = run_module.optimizers.step

    def watched(optimizer, values, gradient):
        step(optimizer, values, gradient)
        seen.append(values.clone())

    monkeypatch.setattr(run_module.optimizers, "step", watched)
    edited(forces, ("VERBOSE", "EMA 0.8"))
    assert main([]) == 0
    wanted = seen[0]
    for values in seen[1:]:
        wanted = 0.8 * wanted + 0.2 * values
    found = torch.load("model.restart", weights_only=True)["progress"]["averaged"]
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-14)
    assert weights().mean() == pytest.approx(wanted.mean().item(), rel=1e-12)


def test_averages_and_best_networks_end_with_their_keywords(forces):
    """Without EMA and PATIENCE, a resumed training uses the networks themselves."""
    edited(forces, ("VERBOSE", "EMA 0.99\nPATIENCE 2"))
    assert main([]) == 0
    edited(forces, ("EMA 0.99\nPATIENCE 2", ""))
    assert main([]) == 0
    with_both = weights()
    for path in (forces / "model.restart", *forces.glob("*.nn.ascii")):
        path.unlink()
    assert main([]) == 0
    assert main([]) == 0
    assert (weights() == with_both).all()


def test_a_folder_of_batches_that_cannot_be_created(forces, capsys):
    (forces / "tmp_batches").write_text("a file")
    edited(forces, ("VERBOSE", "SAVE_BATCHES"))
    assert main([]) == 1
    assert "tmp_batches: cannot create this folder: File exists" in capsys.readouterr().err


def test_a_training_that_does_not_fit_into_memory(forces, capsys, monkeypatch):
    monkeypatch.setattr("aenet_py.runtime.memory.available", lambda: 3e8)
    before = listing(forces)
    assert main([]) == 1
    assert "train.in: this training needs up to 0.40 GB of memory" in (error := capsys.readouterr().err)
    assert "but only 0.30 GB are available; use MEMORY_MODE disk" in error
    assert listing(forces) == before


def test_names_that_are_not_ascii(forces):
    for path in forces.glob("cluster.train*"):
        path.rename(path.with_name(path.name.replace("cluster", "Übung")))
    edited(forces, ("cluster.train.ascii", "Übung.train.ascii"), ("Cu.pytorch.nn", "Cu-größer.nn"))
    assert main([]) == 0
    assert Path("Cu-größer.nn.ascii").read_bytes().count("Übung.train.ascii".encode()) == 1


def test_missing_deck(tmp_path):
    done = run(tmp_path, program="aenet_pytorch.py")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: train.in: no such file; expected an input file of the trainer, train.in\n"


@pytest.mark.parametrize(
    ("change", "wrote", "with_forces"),
    [
        ((("VERBOSE", ""),), "4 potentials, model.restart, train.error, energies.*, forces.*", True),
        ((("FORCES\nalpha=0.1", ""), ("SAVE_ENERGIES", "")), "4 potentials, model.restart, train.error", False),
    ],
)
def test_the_last_lines_name_files_and_errors(change, wrote, with_forces, forces, capsys):
    """The errors of the potentials that were written, for the test set; components of forces."""
    edited(forces, ("PHSEED", "PATIENCE 50\nPHSEED"), *change)
    assert main([]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[-2] == f"Wrote {wrote}."
    assert max(map(len, lines[-2:])) <= 80
    best = min((line.split() for line in Path("train.error").read_text().splitlines()), key=lambda row: float(row[2]))
    error = r"RMSE of the test set: energies (\S+) meV/atom" + (r", forces (\S+) meV/Å\." if with_forces else r"\.")
    shown = [float(number) for number in re.fullmatch(error, lines[-1]).groups()]
    assert shown[0] == pytest.approx(1e3 * float(best[4 if with_forces else 2]), abs=0.01)
    assert not with_forces or shown[1] == pytest.approx(1e3 * float(best[6]) / np.sqrt(3), abs=0.1)


def test_the_last_line_without_a_test_set(forces, capsys):
    edited(forces, ("TESTPERCENT 20", "TESTPERCENT 0"))
    assert main([]) == 0
    assert capsys.readouterr().err.splitlines()[-1].startswith("Wrote 4 potentials")
    edited(forces, ("VERBOSE", "MODE batches"))
    assert main([]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "Wrote the batches to the folder tmp_batches."
