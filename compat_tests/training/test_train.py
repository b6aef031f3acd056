"""aenet_py.training.train: the command's files and numbers from Python, as arrays, and nothing printed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from aenet_py.cli import aenet
from aenet_py.cli.aenet_pytorch import main
from aenet_py.errors import AenetError, AenetWarning
from aenet_py.formats import trained, xsf
from aenet_py.pipelines.generate import generate
from aenet_py.training.train import train, transfer
from compat_tests.cli.cases import ROOT, listing
from compat_tests.cli.test_train import CLUSTER, edited, interrupt_after, prepare, same

SYMBOLS = ("Cu", "Au", "O", "H")
NETWORKS = {symbol: [(10, "tanh"), (10, "tanh")] for symbol in SYMBOLS}
SETTINGS = {
    "iterations": 4, "test_percent": 20, "batch_size": 6, "method": "adamw", "lr": 0.001, "regularization": 0.001,
    "forces_weight": 0.1, "numpy_seed": 3, "torch_seed": 5, "save_energies": True, "save_forces": True,
}  # fmt: skip
TABLES = ("energies.train", "energies.test", "forces.train", "forces.test")


@pytest.fixture
def commanded(tmp_path, monkeypatch):
    """A folder in which the command has trained for four epochs, and another one with the training set only."""
    folder = prepare(CLUSTER / "train-forces-adamw/train.in", tmp_path / "commanded")
    edited(folder, ("ITERATIONS 40", "ITERATIONS 4"))
    here = tmp_path / "here"
    here.mkdir()
    for path in folder.glob("cluster.train*"):
        shutil.copyfile(path, here / path.name)
    monkeypatch.chdir(folder)
    assert main([]) == 0
    monkeypatch.chdir(here)
    return folder


def test_the_files_are_those_of_the_command(commanded, capfd):
    """From an input file, and from settings: byte for byte, and nothing printed."""
    capfd.readouterr()
    shutil.copyfile(commanded / "train.in", "train.in")
    result = train("train.in")
    wanted = listing(commanded)
    assert same(torch.load("model.restart"), torch.load(commanded / "model.restart"))
    assert {**listing(Path()), "model.restart": b""} == {**wanted, "model.restart": b""}
    assert result.reason == "all epochs"
    assert result.potentials == {symbol: f"{symbol}.pytorch.nn.ascii" for symbol in SYMBOLS}

    other = train("cluster.train.ascii", NETWORKS, folder="other", **SETTINGS)
    for symbol in SYMBOLS:
        text = (commanded / f"{symbol}.pytorch.nn.ascii").read_text()
        assert Path(other.potentials[symbol]).read_text() == text.replace("cluster.train", "../cluster.train")
    for name in ("train.error", *TABLES):
        assert Path("other", name).read_bytes() == wanted[name]
    assert capfd.readouterr() == ("", "")


def test_the_numbers_are_those_of_the_tables(commanded):
    result = train(commanded / "train.in")
    curve, written = result.learning_curve, trained.read_errors("train.error")
    assert curve.epochs.tolist() == written.epochs.tolist() == [0, 1, 2, 3]
    for ours, theirs in zip(vars(curve).values(), vars(written).values(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    for part in ("train", "test"):
        energies = result.energies[part]
        assert energies.text() == Path(f"energies.{part}").read_text()
        assert len(energies.paths) == len(energies.reference) == len(energies.predicted)
        forces = result.forces[part]
        assert forces.text() == Path(f"forces.{part}").read_text()
        assert forces.predicted.shape == forces.reference.shape == (forces.starts[-1], 3)
    energies, forces = result.energies["test"], result.forces["test"]
    per_atom = (energies.predicted - energies.reference) / energies.n_atoms
    assert result.energy_rmse == pytest.approx(np.sqrt(np.mean(per_atom**2)))
    assert result.force_rmse == pytest.approx(np.sqrt(np.mean((forces.predicted - forces.reference) ** 2)))


def test_energies_are_there_without_their_files(commanded):
    text = (commanded / "train.in").read_text().replace("SAVE_ENERGIES", "").replace("SAVE_FORCES", "")
    Path("train.in").write_text(text)
    result = train("train.in")
    assert not any(Path(name).exists() for name in TABLES)
    assert result.energies["train"].text() == (commanded / "energies.train").read_text()
    assert result.forces == {}


def test_the_potentials_can_be_loaded(commanded):
    result = train(commanded / "train.in")
    energies = result.energies["test"]
    prediction = result.potential().energy_forces(xsf.read(str(CLUSTER / energies.paths[0])))
    assert prediction.cohesive_energy == pytest.approx(energies.predicted[0], abs=1e-6)


def test_stopped_by_the_callback(commanded):
    """Everything is written, and the same call resumes, with the results of a single training."""
    seen = []

    def on_epoch(epoch, errors):
        seen.append((epoch, errors))
        return epoch == 1

    result = train(commanded / "train.in", on_epoch=on_epoch)
    assert result.reason == "caller"
    assert [epoch for epoch, _ in seen] == result.learning_curve.epochs.tolist() == [0, 1]
    errors = seen[1][1]
    assert [errors.energy_train, errors.energy_test] == result.learning_curve.energies[1].tolist()
    assert [errors.forces_train, errors.forces_test] == pytest.approx(result.learning_curve.forces[1].tolist())
    assert all(Path(name).exists() for name in TABLES)
    result = train(commanded / "train.in", on_epoch=lambda *given: seen.append(given))
    assert result.reason == "all epochs"
    assert [epoch for epoch, _ in seen] == [0, 1, 2, 3]
    for path in commanded.glob("*.nn.ascii"):
        assert Path(path.name).read_bytes() == path.read_bytes()
    assert Path("train.error").read_bytes() == (commanded / "train.error").read_bytes()


@pytest.mark.usefixtures("commanded")
def test_stopped_early():
    result = train("cluster.train", NETWORKS, **{**SETTINGS, "iterations": 60, "lr": 0.1, "patience": 3})
    assert result.reason == "patience"
    assert len(result.learning_curve.epochs) < 60


def test_stopped_by_ctrl_c(commanded):
    """The state is saved, and the interrupt goes to the caller."""
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(2, patch)
        with pytest.raises(KeyboardInterrupt):
            train(commanded / "train.in")
    assert Path("model.restart").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    result = train(commanded / "train.in")
    assert result.reason == "all epochs"
    assert Path("train.error").read_bytes() == (commanded / "train.error").read_bytes()


@pytest.mark.usefixtures("commanded")
def test_the_process_is_as_before():
    """The working directory, random numbers and settings of torch are those of the caller."""
    torch.set_num_threads(2)
    before = os.getcwd(), torch.get_num_threads(), torch.is_grad_enabled()
    np.random.seed(7)  # noqa: NPY002
    torch.manual_seed(7)
    wanted = np.random.rand(), torch.rand(1)  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    torch.manual_seed(7)
    train("cluster.train", NETWORKS, folder="other", iterations=1)
    assert (os.getcwd(), torch.get_num_threads(), torch.is_grad_enabled()) == before
    assert (np.random.rand(), torch.rand(1)) == wanted  # noqa: NPY002


def test_transfer_is_that_of_the_command(commanded):
    """The networks of the source by default."""
    text = (commanded / "train.in").read_text()
    Path("train.in").write_text(text.replace("VERBOSE", "MODE transfer\nTRANSFER source=../commanded freeze=hidden"))
    assert main([]) == 0
    wanted = listing(Path())
    result = transfer(
        "cluster.train.ascii", "../commanded", folder="../other", freeze="hidden",
        **SETTINGS,
    )  # fmt: skip
    assert result.state == "../other/model.transfered.restart"
    for name in ("train.error", *TABLES):
        assert Path("../other", name).read_bytes() == wanted[name]
    for symbol in SYMBOLS:
        name = f"{symbol}.pytorch.nn.transfered.ascii"
        text = wanted[name].replace(b"cluster.train", b"../here/cluster.train")
        assert Path(result.potentials[symbol]).read_bytes() == text
        assert result.potentials[symbol] == f"../other/{name}"


BAD = [
    ({"test_percent": 120}, "train(): found '120' after TESTPERCENT; expected a percentage, below 100"),
    ({"batchsize": 3}, "train() has no option 'batchsize'; did you mean batch_size?"),
    ({"method": "sgd"}, "train(): found method 'sgd'; expected one of adam"),
    ({"forces_weight": 2}, "train(): found alpha=2; expected 0 to 1"),
    ({"iterations": 2.5}, "train(): found '2.5' after ITERATIONS; expected a whole number, at least 0"),
]


@pytest.mark.parametrize(("settings", "message"), BAD)
def test_bad_settings(settings, message, tmp_path):
    with pytest.raises(AenetError) as error:
        train(CLUSTER / "expected/cluster.train", NETWORKS, folder=tmp_path / "new", **settings)
    assert str(error.value).startswith(message)
    assert not (tmp_path / "new").exists()


def test_other_errors(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    training_set = str(CLUSTER / "expected/cluster.train")
    for networks, message in (
        ({**NETWORKS, "H": [10]}, r"the network of H is \[10\]; expected nodes and activation"),
        ({**NETWORKS, "H": [(10, "relu")]}, "found activation 'relu'; expected one of"),
        ({"H": [(10, "tanh")]}, "no network for Cu"),
    ):
        with pytest.raises(AenetError, match=message):
            train(training_set, networks)
    with pytest.raises(AenetError, match="no such file"):
        train("none", NETWORKS)
    with pytest.raises(AenetError, match="iterations given without networks"):
        train("train.in", iterations=3)
    with pytest.raises(AenetError, match="no potentials"):
        transfer(training_set, tmp_path)
    deck = (CLUSTER / "train-forces-adamw/train.in").read_text()
    Path("train.in").write_text(deck.replace("VERBOSE", "MODE batches"))
    with pytest.raises(AenetError, match="MODE batches does not train"):
        train("train.in")


@pytest.mark.usefixtures("commanded")
def test_warnings_are_those_of_python():
    with pytest.warns(AenetWarning, match="TESTPERCENT 0.1 tests 0 of 14 structures"):
        train("cluster.train", NETWORKS, folder="other", iterations=1, test_percent=0.1)


def test_torch_is_not_imported_before_it_is_needed():
    program = "import sys; from aenet_py.training import train; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


@pytest.mark.usefixtures("commanded")
def test_a_callback_that_fails_leaves_the_checkpoint():
    def on_epoch(epoch, errors):  # noqa: ARG001
        if epoch == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train("cluster.train", NETWORKS, on_epoch=on_epoch, checkpoint=1, **SETTINGS)
    assert torch.load("model.restart")["progress"]["training"]["epoch"] == 2
    assert not list(Path().glob(".train.error.lock"))


SETUPS = {symbol: CLUSTER / f"{symbol}.stp" for symbol in SYMBOLS}
ENERGIES = {"Cu": -1308.9, "Au": -879.1, "O": -432.503149303, "H": -13.587222780835477}
OF_STRUCTURES = {"setups": SETUPS, "atomic_energies": ENERGIES}


def results(folder: Path) -> dict[str, bytes]:
    names = ("*.nn.ascii", "train.error", "energies.*", "forces.*")
    return {path.name: path.read_bytes() for name in names for path in folder.glob(name)}


def test_structures_in_place_of_a_training_set(tmp_path, monkeypatch):
    """Files, structures in memory and those of ASE: the results through files, but for the names."""
    monkeypatch.chdir(tmp_path)
    paths = sorted(CLUSTER.glob("xsf/*.xsf"))
    generate(paths, SETUPS, ENERGIES, "set.train", forces=True)
    train("set.train", NETWORKS, folder="files", **SETTINGS)
    wanted = results(tmp_path / "files")
    assert len(wanted) == 9
    result = train(paths, NETWORKS, folder="paths", **OF_STRUCTURES, **SETTINGS)
    renamed = {name: content.replace(b"../set.train", b"structures") for name, content in wanted.items()}
    assert results(tmp_path / "paths") == renamed
    assert {path.name for path in Path("paths").iterdir()} == {*wanted, "model.restart"}
    assert result.reason == "all epochs"

    structures = [xsf.read(str(path)) for path in paths]
    train(structures, NETWORKS, folder="memory", **OF_STRUCTURES, **SETTINGS)
    assert results(tmp_path / "memory") == renamed

    atoms = []
    for structure in structures:
        one = Atoms(structure.names(), structure.positions)
        one.calc = SinglePointCalculator(one, energy=structure.energy, forces=structure.forces)
        atoms.append(one)
    train(atoms, NETWORKS, folder="ase", **OF_STRUCTURES, **SETTINGS)
    found = results(tmp_path / "ase")
    assert found["train.error"] == wanted["train.error"]
    for number, path in enumerate(paths):
        renamed = {
            name: content.replace(str(path).encode(), f"structures#{number}".encode())
            for name, content in renamed.items()
        }
    assert found == renamed


def test_one_file_of_structures(tmp_path, monkeypatch):
    """Its path is rewritten for the folder, as that of a training set."""
    monkeypatch.chdir(tmp_path)
    assert aenet.main(["convert", str(CLUSTER / "xsf"), "all.extxyz"]) == 0
    generate("all.extxyz", SETUPS, ENERGIES, "set.train")
    train("set.train", NETWORKS, folder="files", iterations=2)
    train("all.extxyz", NETWORKS, folder="paths", iterations=2, **OF_STRUCTURES)
    ours, theirs = results(tmp_path / "paths"), results(tmp_path / "files")
    assert ours["train.error"] == theirs["train.error"]
    for symbol in SYMBOLS:
        name = f"{symbol}.nn.ascii"
        assert ours[name] == theirs[name].replace(b"../set.train", b"../all.extxyz")


def test_transfer_to_structures(commanded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = sorted(CLUSTER.glob("xsf/*.xsf"))
    generate(paths, SETUPS, ENERGIES, "set.train", forces=True)
    names = [f"{symbol}.pytorch.nn.transfered.ascii" for symbol in SYMBOLS]
    transfer("set.train", commanded, folder="files", iterations=2, forces_weight=0.1)
    result = transfer(paths, commanded, folder="paths", iterations=2, forces_weight=0.1, **OF_STRUCTURES)
    assert sorted(Path(path).name for path in result.potentials.values()) == sorted(names)
    for name in names:
        wanted = Path("files", name).read_bytes()
        assert Path("paths", name).read_bytes() == wanted.replace(b"../set.train", b"structures")


@pytest.mark.parametrize(
    ("structures", "arguments", "message"),
    [
        ([], OF_STRUCTURES, "structures is empty; give at least one"),
        (5, OF_STRUCTURES, "structures must be paths or structures, not int"),
        ([5], OF_STRUCTURES, "a structure must be ase.Atoms or a Structure, not int"),
        ([Atoms("Cu")], OF_STRUCTURES, "structures#0: no energy found; expected a total energy in eV"),
        (["a.xsf"], {}, r"train\(\): structures without setups; give setups and atomic_energies, too"),
        (["a.xsf"], {"atomic_energies": ENERGIES}, "are for structures; give setups, too"),
        (["a.xsf"], {"setups": SETUPS}, "atomic_energies must be a mapping from species to energies"),
        (["a.xsf"], {"setups": SETUPS, "atomic_energies": {"Cu": 1.0}}, "atomic_energies lacks Au and O and H"),
        (["a.xsf"], {"setups": {}, "atomic_energies": {}}, "setups is empty"),
        (["a.xsf"], OF_STRUCTURES, r"train\(\): found 'a.xsf', which does not exist; expected an XSF or extended XYZ"),
        ("a.xyz", {}, r"found structures, \S+, after TRAININGSET; expected TYPES and SETUPS|a.xyz"),
    ],
)
def test_structures_that_are_refused(structures, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AenetError, match=message):
        train(structures, NETWORKS, **arguments)
    assert not [*Path().iterdir()]


def test_set_ups_without_networks():
    with pytest.raises(AenetError, match=r"train\(\): setups without networks"):
        train(["a.xsf"], **OF_STRUCTURES)
    with pytest.raises(AenetError, match=r"train\(\): structures without networks and setups; give both"):
        train(["a.xsf"])
