"""TESTSET, VALIDATIONSET, VALIDATIONPERCENT and SPLIT: who is tested, what is watched, and messages."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import aenet_py
from aenet_py.cli.aenet_pytorch import main
from aenet_py.formats import extxyz, trained, trainset
from aenet_py.potentials.potential import Potential
from compat_tests.cli.cases import FIXTURES
from compat_tests.cli.test_train_ranks import compare, ended, start

CASE = FIXTURES / "cluster-cuau-h2o"
SPECIES = {"Cu": -1308.9, "Au": -895.1, "O": -432.2, "H": -13.6}
NETWORKS = {symbol: [(4, "tanh")] for symbol in SPECIES}
SETUPS = {symbol: CASE / f"{symbol}.stp" for symbol in SPECIES}
SETTINGS = {"forces_weight": 0.2, "lr": 0.01, "batch_size": 4, "torch_seed": 3, "save_energies": True}
FRAMES = [aenet_py.read(CASE / "xsf" / f"s{number:03d}.xsf", index=0) for number in range(14)]


def write(path: str, chosen, **info: str) -> list[str]:
    """Write structures as extended XYZ, each with values; returns the names of the frames."""
    chosen = list(chosen)
    text = b"".join(
        extxyz.text(FRAMES[number], {key: values[place] for key, values in info.items()})
        for place, number in enumerate(chosen)
    )
    Path(path).write_bytes(text)
    return [f"{path}#{place}" for place in range(len(chosen))]


def train(structures, **settings):
    return aenet_py.train(
        structures, NETWORKS, setups=SETUPS, atomic_energies=SPECIES, **{"iterations": 3, **SETTINGS, **settings}
    )


def of(part: str) -> list[str]:
    return sorted(trained.read_energies(f"energies.{part}").paths)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_so_many_th_structure_is_tested():
    names = write("all.xyz", range(14))
    train("all.xyz", split="every=5")
    assert of("test") == [names[4], names[9]]
    assert len(of("train")) == 12


def test_the_same_of_a_training_set():
    training_set = CASE / "expected" / "cluster.train"
    aenet_py.train(training_set, NETWORKS, iterations=2, split="every=5", save_energies=True)
    paths = [entry.path.strip() for entry in trainset.read(str(training_set)).structures.entries]
    assert of("test") == sorted([paths[4], paths[9]])


def test_groups_stay_together():
    groups = ["a", "b", "c", "d", "e", "a", "b", "c", "d", "e", "a", "b", "c", "d"]
    names = write("all.xyz", range(14), trajectory=groups)
    group_of = dict(zip(names, groups, strict=True))
    seen = set()
    for seed in range(4):
        train("all.xyz", split="group=trajectory", test_percent=20, numpy_seed=seed, folder=f"run{seed}")
        tested = {group_of[Path(path).name] for path in trained.read_energies(f"run{seed}/energies.test").paths}
        kept = {group_of[Path(path).name] for path in trained.read_energies(f"run{seed}/energies.train").paths}
        assert len(tested) == 1
        assert not tested & kept
        seen |= tested
    assert len(seen) > 1


def test_a_test_set_and_a_validation_set():
    """Early stopping judges the validation set; the test set's errors are those of the potentials, at the end."""
    write("train.xyz", range(8))
    valid, test = write("valid.xyz", range(8, 11)), write("test.xyz", range(11, 14))
    watched: list[float] = []
    result = train(
        "train.xyz", validation_set="valid.xyz", test_set="test.xyz", iterations=30, patience=3, lr=0.05,
        save_forces=True, on_epoch=lambda _, errors: watched.append(errors.energy_test),
    )  # fmt: skip
    assert (of("validation"), of("test")) == (valid, test)
    assert set(result.energies) == set(result.forces) == {"train", "validation", "test"}
    errors = aenet_py.evaluate(result.potentials, "test.xyz").errors()
    assert np.isclose(errors["energy_eV_per_atom", "test", "all"].rmse, result.energy_rmse, rtol=1e-5)
    assert np.isclose(errors["force_eV_per_A", "test", "all"].rmse, result.force_rmse, rtol=1e-5)
    judged = aenet_py.evaluate(result.potentials, "valid.xyz").errors()["energy_eV_per_atom", "test", "all"].rmse
    assert np.isclose(watched, judged, rtol=1e-5).any()
    assert not np.isclose(watched, result.energy_rmse, rtol=1e-5).any()


def test_structures_in_memory_may_be_tested():
    result = train(FRAMES[:9], test_set=FRAMES[9:11], validation_set=FRAMES[11])
    assert [len(result.energies[part].paths) for part in ("train", "test", "validation")] == [9, 2, 1]


def test_a_test_set_changes_nothing_but_who_is_tested():
    """The features' averages are those of all structures, as with a test set that is drawn."""
    names = write("all.xyz", range(14))
    every = train("all.xyz", split="every=7", folder="a")
    write("rest.xyz", [n for n in range(14) if n not in (6, 13)])
    write("test.xyz", [6, 13])
    other = train("rest.xyz", test_set="test.xyz", folder="b")
    assert {Path(path).name for path in every.energies["test"].paths} == {names[6], names[13]}
    assert np.array_equal(*(np.sort(result.energies["test"].reference) for result in (every, other)))


@pytest.mark.parametrize("options", [{"test_percent": 20}, {"split": "every=4"}, {"split": "group=kind"}])
def test_a_share_is_validated(options):
    write("all.xyz", range(14), kind=list("aabbccddeeffgg"))
    train("all.xyz", validation_percent=20, **options)
    parts = [of(part) for part in ("train", "validation", "test")]
    assert all(parts)
    assert sum(map(len, parts)) == len(set().union(*parts)) == 14
    assert abs(len(parts[1]) - 0.2 * 14) <= 1


def test_a_resumed_training_is_the_same():
    write("all.xyz", range(14))
    options = {"split": "every=4", "validation_percent": 20, "iterations": 6, "patience": 4}
    whole = train("all.xyz", folder="whole", **options)
    train("all.xyz", folder="parts", on_epoch=lambda epoch, _: epoch == 2, **options)
    parts = train("all.xyz", folder="parts", **options)
    assert parts.energy_rmse == whole.energy_rmse
    for symbol in SPECIES:
        one, other = (Potential.load(result.potentials).files for result in (whole, parts))
        place = list(SPECIES).index(symbol)
        assert np.array_equal(one[place].network.weights, other[place].network.weights)


DECK = """\
TRAININGSET {case}/expected/cluster.train
TESTPERCENT 20
ITERATIONS 2
METHOD
method=adamw lr=0.01
NETWORKS
Cu Cu.nn 1 4:tanh
Au Au.nn 1 4:tanh
O O.nn 1 4:tanh
H H.nn 1 4:tanh
"""
HELD = "SPLIT group=kind\nVALIDATIONPERCENT 20\nSAVE_ENERGIES\nSAVE_FORCES\nFORCES\nalpha=0.2\n"
STRUCTURES = "TYPES\n4\n" + "".join(f"{s} {e}\n" for s, e in SPECIES.items()) + "SETUPS\n"


@pytest.mark.parametrize(
    ("lines", "direct", "message"),
    [
        ("SPLIT", False, ":3: found no value after SPLIT; expected every= or group="),
        ("SPLIT every=1", False, ":3: found 'every=1' after SPLIT; expected every=, 2 or more, or group=KEY"),
        ("SPLIT random", False, ":3: found 'random' after SPLIT"),
        ("SPLIT every=3", False, ":2: found TESTPERCENT with SPLIT every= or TESTSET; expected one of them"),
        ("SPLIT group=kind", False, ":3: found SPLIT group=kind with a training set; expected TYPES, SETUPS and"),
        ("VALIDATIONPERCENT 100", False, ":3: found '100' after VALIDATIONPERCENT; expected a percentage, below 100"),
        ("VALIDATIONPERCENT 10\nSAVE_BATCHES", False, ":3: found VALIDATIONPERCENT with SAVE_BATCHES; expected one"),
        ("VALIDATIONPERCENT 10\nMODE batches", False, ":3: found VALIDATIONPERCENT with MODE batches; expected one of"),
        ("VALIDATIONSET a.xyz\nVALIDATIONPERCENT 10", True, "found VALIDATIONPERCENT with VALIDATIONSET; expected one"),
        ("VALIDATIONSET missing.xyz", True, "found 'missing.xyz', which does not exist; expected an XSF or extended"),
        ("SPLIT group=kind", True, "found SPLIT group=kind, but all.xyz#0 has no kind; expected it in every frame"),
        ("SPLIT group=same", True, "found SPLIT group=same, but same is 'x' everywhere; expected several groups"),
        ("VALIDATIONPERCENT 97", True, "no structure is left to train on; hold out fewer"),
    ],
)
def test_messages(lines, direct, message, capsys):
    write("all.xyz", range(14), same=["x"] * 14)
    deck = DECK.format(case=CASE).replace("TESTPERCENT 20\n", f"TESTPERCENT 20\n{lines}\n")
    if direct:
        setups = "".join(f"{symbol} {path}\n" for symbol, path in SETUPS.items())
        _, _, rest = deck.partition("\n")
        deck = f"{STRUCTURES}{setups}FILES\n1\nall.xyz\n{rest}"
    Path("train.in").write_text(deck)
    before = sorted(Path().iterdir())
    assert main([]) == 1
    error = capsys.readouterr().err.splitlines()
    assert message in error[-1]
    assert error[-1].startswith("Error: train.in")
    assert sorted(Path().iterdir()) == before


@pytest.mark.mpi
def test_two_processes(tmp_path):
    """The same results, each process with its part of all three sets."""
    write("all.xyz", range(14), kind=list("aabbccddeeffgg"))
    setups = "".join(f"{symbol} {path}\n" for symbol, path in SETUPS.items())
    rest = DECK.partition("\n")[2].replace("TESTPERCENT 20\n", "TESTPERCENT 30\n" + HELD)
    Path("train.in").write_text(f"{STRUCTURES}{setups}FILES\n1\nall.xyz\n{rest}")
    shutil.copytree(tmp_path, tmp_path.parent / "two")
    assert main([]) == 0
    two = tmp_path.parent / "two"
    statuses, _, errors = ended(start(two))
    assert statuses == [0, 0], errors
    compare(two, tmp_path)
    for part in ("train", "validation", "test"):
        assert of(part)
    assert (two / "forces.validation").read_text() == Path("forces.validation").read_text()
