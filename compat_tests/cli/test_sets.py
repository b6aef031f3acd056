"""TESTSET and VALIDATIONSET that name training sets, beside one to train on."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from aenet_py.cli import generate
from aenet_py.cli.aenet_pytorch import main
from aenet_py.formats import trained, trainset
from aenet_py.potentials.potential import Potential
from compat_tests.cli.test_held_out import CASE, SPECIES
from compat_tests.cli.test_recompute import check_close, left
from compat_tests.cli.test_train import interrupt_after
from compat_tests.cli.test_train_ranks import compare, ended, start

PARTS = {"a": range(9), "b": range(9, 12), "c": range(12, 14)}
DECK = """\
TRAININGSET a.train
ITERATIONS 4
BATCHSIZE 4
SAVE_ENERGIES
SAVE_FORCES
FORCES
alpha=0.2
METHOD
method=adamw lr=0.01
NETWORKS
Au Au.nn 1 4:tanh
Cu Cu.nn 1 4:tanh
O O.nn 1 4:tanh
H H.nn 1 4:tanh
"""
TESTED = "TESTSET b.train\n"
ALL = "TESTSET b.train\nVALIDATIONSET c.train\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Three sets of generate.x with the structures of a golden case."""
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    shutil.copytree(CASE / "xsf", "xsf")
    for symbol in SPECIES:
        shutil.copy(CASE / f"{symbol}.stp", ".")
    for name, numbers in PARTS.items():
        made(name, numbers)


def made(name: str, numbers: range, energies: dict[str, float] = SPECIES) -> None:
    types = "".join(f"{symbol} {energy}\n" for symbol, energy in energies.items())
    setups = "".join(f"{symbol} {symbol}.stp\n" for symbol in energies)
    files = "".join(f"xsf/s{number:03d}.xsf\n" for number in numbers)
    head = f"OUTPUT {name}.train\nTYPES\n{len(energies)}\n{types}SETUPS\n{setups}FORCES\nFORCESPERCENT 100\n"
    Path("set.in").write_text(f"{head}FILES\n{len(numbers)}\n{files}")
    assert generate.main(["set.in"]) == 0


def run(lines: str, deck: str = DECK) -> dict[str, bytes]:
    Path("train.in").write_text(lines + deck)
    assert main([]) == 0
    return left()


def of(part: str) -> list[str]:
    return [Path(path).stem for path in trained.read_energies(f"energies.{part}").paths]


def test_a_test_set_does_not_change_the_training():
    """But for the order of the structures, which is drawn among all; as one batch, they round differently only."""
    deck = DECK.replace("BATCHSIZE 4", "BATCHSIZE 100")
    wanted = run("TESTSET c.train\n", deck)
    Path("model.restart").unlink()
    found = run(TESTED, deck)
    assert sorted(of("test")) == ["s009", "s010", "s011"]
    assert sorted(of("train")) == [f"s{number:03d}" for number in PARTS["a"]]
    check_close(*({name: of[name] for name in wanted if name.endswith(".ascii")} for of in (found, wanted)))


@pytest.mark.parametrize("mode", ["disk", "recompute"])
def test_memory_modes(mode):
    wanted = run(ALL)
    Path("model.restart").unlink()
    if mode == "recompute":
        for name in PARTS:
            Path(f"{name}.train.forces").unlink()
    found = run(f"{ALL}MEMORY_MODE {mode}\n")
    if mode == "disk":
        assert found == wanted
    else:
        check_close(found, wanted)


@pytest.mark.parametrize("lines", ["TESTSET d.train\n", "TESTSET b.train\nVALIDATIONSET d.train\n"])
def test_structures_that_are_trained_on_as_well(lines, capsys):
    made("d", range(8, 10))
    capsys.readouterr()
    run(lines)
    message = "1 structure to test or validate, such as xsf/s008.xsf, is trained on, too; their errors say little"
    assert message in capsys.readouterr().err
    run(TESTED)
    assert "trained on, too" not in capsys.readouterr().err


def test_errors_are_those_of_the_potentials(capsys):
    run(ALL)
    assert sorted(of("validation")) == ["s012", "s013"]
    table = trained.read_energies("energies.test")
    potential = Potential.load({symbol: f"{symbol}.nn.ascii" for symbol in SPECIES})
    from aenet_py import read

    for path, predicted in zip(table.paths, table.predicted.tolist(), strict=True):
        structure = read(path, index=0)
        found = potential.energy_forces(structure).energy - sum(SPECIES[name] for name in structure.names())
        assert predicted == pytest.approx(found / structure.n_atoms, rel=1e-5, abs=1e-5)
    differences = table.reference - table.predicted
    assert f"energies {1e3 * math.sqrt(np.mean(differences**2)):.2f} meV/atom" in capsys.readouterr().err


def test_an_interrupted_training_resumes(monkeypatch):
    wanted = run(ALL)
    Path("model.restart").unlink()
    with monkeypatch.context() as patched:
        interrupt_after(5, patched)
        assert main([]) == 0
    assert main([]) == 0
    assert left() == wanted


def test_text_and_energies_only():
    from aenet_py.cli import trainbin2ascii

    wanted = run(ALL, DECK.replace("FORCES\nalpha=0.2\n", ""))
    Path("model.restart").unlink()
    assert trainbin2ascii.main(["b.train", "b.train.ascii"]) == 0
    found = run(ALL.replace("b.train", "b.train.ascii"), DECK.replace("FORCES\nalpha=0.2\n", ""))
    check_close(found, wanted)


@pytest.mark.mpi
def test_two_processes(tmp_path):
    Path("train.in").write_text(ALL + DECK)
    shutil.copytree(Path(), tmp_path / "two")
    assert main([]) == 0
    statuses, _, errors = ended(start(tmp_path / "two"))
    assert statuses == [0, 0], errors
    compare(tmp_path / "two", Path())


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("TESTSET none.train\n", "none.train: no such file"),
        ("TESTSET xsf/s001.xsf\n", "xsf/s001.xsf:1: header: number of species: found '#'; expected an integer"),
        ("TESTSET d.train\n", "d.train: found atomic energies -1308.9, -895.1, -432.2, -1.0; expected -1308.9, -895."),
        ("TESTSET e.train\n", "e.train: found species Cu, Au; expected Cu, Au, O, H, as in a.train"),
        ("TESTSET f.train\n", "f.train: found another set-up of Cu; expected that of a.train"),
        ("TESTSET g.train\n", "g.train.forces: no such file; FORCES requires these gradients"),
        (TESTED + "TESTPERCENT 10\n", "found TESTPERCENT with SPLIT every= or TESTSET; expected one of them"),
        (TESTED + "SPLIT every=3\n", "found SPLIT with TESTSET; expected one of them"),
        (ALL + "VALIDATIONPERCENT 10\n", "found VALIDATIONPERCENT with VALIDATIONSET; expected one of them"),
        (TESTED + "SAVE_BATCHES\n", "found TESTSET with SAVE_BATCHES; expected one of them"),
    ],
)
def test_messages(lines, message, capsys):
    made("d", PARTS["b"], {**SPECIES, "H": -1.0})
    for name in ("f", "g"):
        shutil.copy("b.train", f"{name}.train")
    if "e.train" in lines:
        whole = trainset.TrainingSet.read("b.train")
        header = trainset.Header(whole.header.types[:2], whole.header.atomic_energies[:2], 0)
        footer = trainset.Footer(0, whole.footer.energies, whole.footer.setups[:2], whole.footer.statistics[:2])
        Path("e.train").write_bytes(trainset.header(header) + trainset.footer(footer))
        Path("e.train.forces").write_bytes(Path("b.train.forces").read_bytes())
    if "f.train" in lines:
        Path("Cu.stp").write_text(Path("Cu.stp").read_text().replace("8.0", "7.0"))
        Path("f.train").unlink()
        made("f", PARTS["b"])
    Path("train.in").write_text(lines + DECK)
    before = sorted(Path().iterdir())
    assert main([]) == 1
    assert message in capsys.readouterr().err
    assert sorted(Path().iterdir()) == before
