"""train.x with FORCES: errors are those of the potentials it writes, and all methods lower them."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from aenet_py.cli.train import main
from aenet_py.formats import gradients, rngstate, trainset
from aenet_py.formats.xsf import read
from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.potentials.potential import Potential
from compat_tests.cli.cases import listing
from compat_tests.cli.test_train import CLUSTER
from compat_tests.formats import samples

ROW = re.compile(r" +(\d+)((?: +(?:NaN|\d\.\d{6}E[+-]\d\d)){6}) <$")
METHODS = ["bfgs", "lm", "lm batchsize=5", "ekf lambda=0.99 lambda0=0.999 state=0.1", "ekf state=1\nSAMPLING random"]
SYMBOLS = ("Cu", "Au", "O", "H")
DECK = """TRAININGSET cluster.train
TESTPERCENT 20
ITERATIONS {epochs}
FORCES
alpha={alpha}
METHOD
{method}
NETWORKS
Cu Cu.nn 2 6:tanh 5:tanh
Au Au.nn 1 6:sigmoid
O  O.nn  2 6:tanh 5:linear
H  H.nn  2 6:tanh 5:tanh
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("cluster.train", "cluster.train.forces"):
        shutil.copyfile(CLUSTER / "expected" / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda: generator(7))
    Path("train.rngstate").write_bytes(rngstate.to_binary((1 << 60, 5 << 55, 7 << 50, 11 << 45)))
    return tmp_path


def run(method: str, epochs: int = 8, alpha: float = 0.3, extra: str = "") -> int:
    Path("train.in").write_text(DECK.format(method=method, epochs=epochs, alpha=alpha) + extra)
    return main(["train.in"])


def rows(report: str) -> np.ndarray:
    """Errors by epoch, (n_epochs + 1, 6)."""
    found = list(filter(None, map(ROW.fullmatch, report.splitlines())))
    assert [int(match[1]) for match in found] == list(range(len(found)))
    return np.array([[float(value) for value in match[2].split()] for match in found])


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("method", METHODS)
def test_errors_fall(method, capfd):
    assert run(method, 25) == 0
    errors = rows(capfd.readouterr().out)
    assert errors.shape == (26, 6)
    assert errors[-1, 4] < 0.8 * errors[0, 4]
    assert errors[-1, 1] < errors[0, 1]
    assert Path("Cu.nn-00025").exists()


@pytest.mark.parametrize("method", ["bfgs", "ekf"])
def test_errors_are_those_of_the_potentials(method, folder, capfd):
    """Energies and forces by `Potential`, over the structures of energies.train.0 and the selection with forces."""
    assert run(method, 4, extra="SAVE_ENERGIES\n") == 0
    errors = rows(capfd.readouterr().out)[-1]
    calculator = ANNCalculator(Potential.load({symbol: f"{symbol}.nn" for symbol in SYMBOLS}))
    training_set = trainset.read("cluster.train")
    selected = gradients.selected("cluster.train.forces")
    has_forces = dict(zip([e.path.strip() for e in training_set.structures.entries], selected, strict=True))
    for place, name in enumerate(("train", "test")):
        squares, of_forces = [], []
        for line in Path(f"energies.{name}.0").read_text().splitlines()[1:]:
            path = line.split()[-1]
            structure = read(str(CLUSTER / path))
            atoms = Atoms([structure.symbols[species] for species in structure.species], structure.positions)
            atoms.calc = calculator
            squares.append(((atoms.get_potential_energy() - structure.energy) / len(atoms)) ** 2)
            if has_forces[path]:
                of_forces.append(((atoms.get_forces() - structure.forces) ** 2).sum(axis=1))
        np.testing.assert_allclose(np.sqrt(np.mean(squares)), errors[1 + 2 * place], rtol=1e-5)
        np.testing.assert_allclose(np.sqrt(np.concatenate(of_forces).mean()), errors[4 + place], rtol=1e-5)
    assert os.listdir(folder)


def test_bfgs_resumes_from_its_state(folder, capfd):
    """Six epochs at once, or three and three."""
    assert run("bfgs", 0) == 0
    start = listing(folder)
    assert run("bfgs", 6) == 0
    whole = listing(folder)
    for name in listing(folder).keys() - start.keys():
        Path(name).unlink()
    for name, content in start.items():
        Path(name).write_bytes(content)
    assert run("bfgs", 3) == 0
    assert run("bfgs", 3) == 0
    capfd.readouterr()
    found = listing(folder)
    for symbol in SYMBOLS:
        assert found[f"{symbol}.nn"] == whole[f"{symbol}.nn"]
    assert found["train.restart"] == whole["train.restart"]


def test_networks_that_exist_keep_their_layers(folder, capfd):
    assert run("bfgs", 1) == 0
    text = (folder / "train.in").read_text().replace("6:sigmoid", "9:tanh").replace("ITERATIONS 1", "ITERATIONS 2")
    (folder / "train.in").write_text(text)
    capfd.readouterr()
    assert main(["train.in"]) == 0
    said = capfd.readouterr()
    assert "Au.nn exists; its layers are used, not those in train.in" in said.err
    assert np.isfinite(rows(said.out)).all()


def test_without_tests(folder, capfd):
    Path("train.in").write_text(DECK.format(method="lm", epochs=1, alpha=0.1).replace("PERCENT 20", "PERCENT 0"))
    assert main(["train.in"]) == 0
    errors = rows(capfd.readouterr().out)
    assert np.isnan(errors[:, [3, 5]]).all()
    assert np.isfinite(errors[:, [0, 1, 4]]).all()
    assert (folder / "Cu.nn").exists()


def test_one_line(folder, capfd):
    """Settings on the line of their keyword; a Fortran number."""
    assert run("bfgs", 1) == 0
    text = (folder / "train.in").read_text().replace("FORCES\nalpha=0.3\n", "forces alpha = 3d-1 ! weight\n")
    (folder / "train.in").write_text(text)
    capfd.readouterr()
    assert main(["train.in"]) == 0
    assert len(rows(capfd.readouterr().out)) == 2


BAD = [
    (("alpha=0.3", "alpha=1.3"), "train.in:5: found 'alpha=1.3' after FORCES; expected alpha=, a number from 0 to 1"),
    (("alpha=0.3\n", ""), "train.in:4: found 'nothing' after FORCES; expected alpha=, a number from 0 to 1"),
    (("alpha=0.3", "beta=0.3"), "train.in:5: found 'beta=0.3' after FORCES; expected alpha="),
    (("\nbfgs", "\nadam"), "train.in:4: found FORCES with METHOD adam; expected bfgs, lm or ekf"),
    (("6:sigmoid", "6:twist"), "train.in:10: found activation twist with FORCES; expected one of linear, tanh, sigm"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_decks(change, message, folder, capfd):
    text = DECK.format(method="bfgs", epochs=1, alpha=0.3)
    assert change[0] in text
    (folder / "train.in").write_text(text.replace(*change))
    before = listing(folder)
    assert main(["train.in"]) == 1
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert listing(folder) == before


@pytest.mark.parametrize("missing", ["cluster.train.forces", "cluster.train"])
def test_missing_gradients(missing, folder, capfd):
    if missing == "cluster.train":
        assert run("bfgs", 0) == 0
        capfd.readouterr()
    (folder / missing).unlink()
    assert run("bfgs", 1) == 1
    error = capfd.readouterr().err.splitlines()[-1]
    assert error.startswith(f"Error: {missing}: no such file")


@pytest.mark.usefixtures("folder")
def test_a_normalised_set_of_other_structures(capfd):
    assert run("bfgs", 0) == 0
    other = trainset.read("cluster.train.scaled")
    entries = other.structures.entries[1:] + other.structures.entries[:1]
    turned = dataclasses.replace(other, structures=dataclasses.replace(other.structures, entries=entries))
    Path("cluster.train.scaled").write_bytes(samples.content_of(turned, trainset.BINARY))
    capfd.readouterr()
    assert run("bfgs", 1) == 1
    error = capfd.readouterr().err.splitlines()[-1]
    assert "cluster.train.scaled: found 'xsf/s000.xsf'; expected the structures of cluster.train, in the same" in error


def test_without_structures_of_high_energy(folder, capfd):
    """MAXENERGY leaves out structures, the following ones keep their gradients."""
    energies = [entry.energy / entry.n_atoms for entry in trainset.read("cluster.train").structures.entries]
    limit = sorted(energies)[-3] - 1e-6
    (folder / "train.in").write_text(DECK.format(method="bfgs", epochs=2, alpha=0.3) + f"MAXENERGY {limit}\n")
    assert main(["train.in"]) == 0
    said = capfd.readouterr().out
    assert re.search(r"[23] high-energy structures will be removed", said)
    assert np.isfinite(rows(said)[:, [0, 1, 4]]).all()
