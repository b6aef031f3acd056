"""REPULSION in the input files of generate.x and the trainer, and what its potentials predict."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

import aenet_py
from aenet_py.cli import aenet, generate, predict
from aenet_py.cli.aenet_pytorch import main
from aenet_py.descriptors.model import model
from aenet_py.errors import AenetError
from aenet_py.formats import xsf
from aenet_py.formats.trainset import TrainingSet
from aenet_py.inputs import repulsion as inputs
from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.potentials import repulsion
from aenet_py.potentials.potential import Potential
from compat_tests.active import examples
from compat_tests.cli.test_direct import CLUSTER, check, prepared, through_files, with_structures

pytestmark = pytest.mark.filterwarnings("ignore:.*outside the range of the training set")
WORDS = "zbl inner=1.2 outer=2.9 H-O=0.5:1.4"


@pytest.fixture
def deck(tmp_path, monkeypatch) -> str:
    """A deck of the trainer, in the folder of a case whose training set has the repulsion."""
    text = prepared(tmp_path, CLUSTER, "50", monkeypatch)
    given = Path("set.in").read_text()
    Path("plain.in").write_text(given.replace("OUTPUT set.train", "OUTPUT plain.train"))
    Path("set.in").write_text(f"{given}\nREPULSION {WORDS}\n")
    for path in Path().glob("set.train*"):
        path.unlink()
    assert generate.main(["set.in"]) == 0
    return text


@pytest.mark.usefixtures("deck")
def test_the_training_set_lacks_the_repulsion(capsys):
    """Features are the same; energies and forces are those of structures without it."""
    assert generate.main(["plain.in"]) == 0
    with_all, found = TrainingSet.read("plain.train"), TrainingSet.read("set.train")
    header = with_all.header
    together = model(header.types, header.atomic_energies, with_all.footer.setups)
    together = repulsion.with_repulsion(together, inputs.parse(WORDS.split()))
    paths = [entry.path for entry in with_all.structures.entries]
    given = [xsf.read(path) for path in paths]
    learnt = repulsion.left_out(together, given)
    for before, after, one, other in zip(
        with_all.structures.entries, found.structures.entries, given, learnt, strict=True
    ):
        assert one.energy - other.energy > 0.5
        assert after.energy == pytest.approx(before.energy - (one.energy - other.energy), abs=1e-9)
    forces = np.concatenate([structure.forces for structure in learnt])
    assert np.abs(found.structures.atoms.forces - forces).max() < 1e-9
    assert np.abs(found.structures.atoms.forces - with_all.structures.atoms.forces).max() > 0.1
    assert np.array_equal(found.structures.atoms.features, with_all.structures.atoms.features)
    assert Path("set.train.forces").read_bytes() != b""
    for setup in found.footer.setups:
        assert setup.description.startswith("REPULSION|zbl|inner=1.2|outer=2.9")
    assert inputs.of_setups(found.footer.setups).of("O", "H") == (0.5, 1.4)
    Path("set.train").unlink()
    capsys.readouterr()
    assert generate.main(["set.in"]) == 0
    assert "Repulsion: zbl inner=1.2 outer=2.9 H-O=0.5:1.4" in capsys.readouterr().err


@pytest.mark.usefixtures("deck")
def test_python_writes_the_same_bytes():
    files = Path("set.in").read_text().lower().split("files")[1].split()
    deck_lines = Path("set.in").read_text().splitlines()
    begin = next(n for n, line in enumerate(deck_lines) if line.strip().lower() == "files")
    paths = deck_lines[begin + 2 : begin + 2 + int(files[0])]
    header = TrainingSet.read("set.train").header
    energies = dict(zip(header.types, header.atomic_energies, strict=True))
    setups = {symbol: f"{symbol}.stp" for symbol in header.types}
    aenet_py.generate(paths, setups, energies, "python.train", repulsion=WORDS)
    assert Path("python.train").read_bytes() == Path("set.train").read_bytes()
    with pytest.raises(AenetError, match="repulsion: found 'lj' after REPULSION"):
        aenet_py.generate(paths, setups, energies, "other.train", repulsion="lj")
    with pytest.raises(AenetError, match="repulsion must be zbl auto"):
        aenet_py.generate(paths, setups, energies, "other.train", repulsion=1.4)


def test_structures_give_the_same_training_bit_for_bit(deck):
    wanted, state = through_files()
    Path("train.in").write_text(with_structures(deck))  # with the REPULSION of set.in
    check(wanted, state)


def test_potentials_predict_all_of_it(deck, capsys):
    """The trainer's errors are those of whole energies and forces, from predict.x and the calculator."""
    Path("train.in").write_text(deck.replace("ITERATIONS 3", "ITERATIONS 30"))
    assert main([]) == 0
    potential = Potential.load(".")
    assert potential.repulsion is not None
    errors = []
    rows = [line.split() for line in Path("energies.train").read_text().splitlines()[1:]]
    for row in rows:
        structure = xsf.read(row[-1])
        errors.append((potential.energy_forces(structure).energy - structure.energy) / structure.n_atoms)
    expected = [float(row[4]) - float(row[3]) for row in rows]
    assert np.abs(np.array(errors) - expected).max() < 2e-6
    symbols = [path.name.removesuffix(".nn.ascii") for path in Path().glob("*.nn.ascii")]
    lines = ["TYPES", str(len(symbols)), *symbols, "NETWORKS", *(f"{s} {s}.nn.ascii" for s in symbols), "FORCES"]
    Path("predict.in").write_text("\n".join([*lines, "FILES", "1", rows[0][-1]]))
    capsys.readouterr()
    assert predict.main(["predict.in"]) == 0
    report = capsys.readouterr().out
    structure = xsf.read(rows[0][-1])
    energy = float(re.search(r"Total energy +: +(\S+)", report)[1])
    assert energy == pytest.approx(potential.energy_forces(structure).energy, abs=1e-6)
    atoms = ANNCalculator(potential)
    assert atoms.members[0].repulsion == potential.repulsion
    without = dataclasses.replace(potential, repulsion=None).energy_forces(structure).energy
    assert abs(without - energy) > 0.5


@pytest.mark.usefixtures("deck")
def test_info_tells_of_it(capsys):
    assert main([]) == 0
    capsys.readouterr()
    assert aenet.main(["info", "."]) == 0
    report = capsys.readouterr().out
    assert "repulsion       zbl inner=1.2 outer=2.9 H-O=0.5:1.4" in report
    assert "  pair_style hybrid/overlay aenet zbl 1.2 2.9 zbl 0.5 1.4\n  pair_coeff 1 1 zbl 1 " in report
    assert aenet.main(["info", "O.nn.ascii", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    setup = (described[0] if isinstance(described, list) else described)["setup"]
    assert setup["repulsion"] == ["zbl", "inner=1.2", "outer=2.9", "H-O=0.5:1.4"]
    assert not setup["description"].startswith("REPULSION")


def test_auto_leaves_the_training_as_it_is(deck, capsys):
    """Radii end where structures begin: only descriptions differ."""
    Path("set.train").unlink()
    Path("set.in").write_text(Path("plain.in").read_text())
    Path("train.in").write_text(with_structures(deck))
    assert main([]) == 0
    before = Path("train.error").read_bytes()
    Path("model.restart").unlink()
    capsys.readouterr()
    Path("train.in").write_text("REPULSION zbl auto\n" + with_structures(deck))
    assert main([]) == 0
    assert Path("train.error").read_bytes() == before
    assert re.search(r"Repulsion: zbl Au-Au=\d\.\d+:\d\.\d+ Au-Cu=", capsys.readouterr().err)
    assert Potential.load(".").repulsion.of("H", "O") is not None


def test_a_transfer_requires_the_same_repulsion(deck, capsys):
    assert main([]) == 0
    text = deck.replace("TRAININGSET set.train", "TRAININGSET plain.train\nMODE transfer\nTRANSFER source=.")
    assert generate.main(["plain.in"]) == 0
    Path("train.in").write_text(text)
    capsys.readouterr()
    assert main([]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "plain.train: the training set has no REPULSION for" in error
    assert "has REPULSION zbl inner=1.2 outer=2.9" in error
    Path("train.in").write_text(text.replace("plain.train", "set.train"))
    assert main([]) == 0
    assert Potential.load({symbol: f"{symbol}.nn.transfered.ascii" for symbol in ("Cu", "H")}).repulsion is not None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("REPULSION", r":\d+: found 'nothing' after REPULSION; expected zbl auto, or zbl inner=0.9 outer=1.4"),
        ("REPULSION zbl 0.9 1.4", r":\d+: found '0.9' after REPULSION; expected zbl auto"),
        ("REPULSION zbl inner=2 outer=1", r":\d+: found 'inner=2 outer=1' after REPULSION, whose inner radius"),
        ("REPULSION zbl inner=2 outer=9", r"reaches to 9 Angstrom, farther than the cutoff"),
        ("REPULSION zbl Ag-O=1:2", r"REPULSION names Ag; expected the species of TYPES"),
    ],
)
@pytest.mark.usefixtures("deck")
def test_errors(line, message, capsys):
    Path("wrong.in").write_text(Path("plain.in").read_text() + f"\n{line}\n")
    capsys.readouterr()
    assert generate.main(["wrong.in"]) == 1
    assert re.search(message, capsys.readouterr().err)
    assert not Path("plain.train").exists()


def test_a_training_set_has_its_own(deck, capsys):
    Path("train.in").write_text(f"REPULSION {WORDS}\n" + deck)
    assert main([]) == 1
    assert "train.in:1: found REPULSION without structures" in capsys.readouterr().err


@pytest.mark.usefixtures("deck")
def test_a_set_up_that_has_another_one(capsys):
    text = Path("O.stp").read_text()
    Path("O.stp").write_text(text.replace("DESCR\n", "DESCR\nREPULSION|zbl|inner=1.0|outer=2.0\n", 1))
    Path("plain.in").write_text(Path("plain.in").read_text() + f"\nREPULSION {WORDS}\n")
    assert generate.main(["plain.in"]) == 1
    assert "the set-up of O has REPULSION zbl inner=1.0 outer=2.0, not zbl inner=1.2" in capsys.readouterr().err


def test_auto_is_that_of_the_source_in_a_fine_tuning(tmp_path):
    """Closer atoms in the new structures would give other radii."""
    examples.write(tmp_path)
    given = tmp_path / "given"
    networks = {symbol: [(3, "tanh")] for symbol in ("Cu", "Au")}
    common = {
        "setups": {symbol: given / f"{symbol}.stp" for symbol in networks}, "repulsion": "zbl auto", "iterations": 1,
        "atomic_energies": {"Cu": 0.0, "Au": 0.0}, "forces_weight": 0.3,
    }  # fmt: skip
    closer = examples.labelled(6, seed=2)
    for atoms in closer:
        atoms.set_positions(0.9 * atoms.positions)
        atoms.get_forces()
    source = aenet_py.train(given / "labelled.extxyz", networks, folder=tmp_path / "source", **common)
    alone = aenet_py.train(closer, networks, folder=tmp_path / "alone", **common)
    tuned = aenet_py.transfer(closer, tmp_path / "source", networks, folder=tmp_path / "tuned", **common)
    assert source.potential().repulsion == tuned.potential().repulsion != alone.potential().repulsion
    plain = {**common, "repulsion": None}
    aenet_py.train(given / "labelled.extxyz", networks, folder=tmp_path / "plain", **plain)
    with pytest.raises(AenetError, match="a transfer requires the same repulsion"):
        aenet_py.transfer(closer, tmp_path / "plain", networks, folder=tmp_path / "other", **common)
