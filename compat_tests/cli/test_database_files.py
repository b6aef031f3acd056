"""Databases of ASE under FILES: the same as extended XYZ, by all programs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.db import connect

import aenet_py
from aenet_py.cli import generate, predict
from aenet_py.cli.aenet_pytorch import main
from aenet_py.formats import databases, extxyz, trainset
from compat_tests.cli.test_direct import CLUSTER, prepared, with_structures
from compat_tests.cli.test_recompute import left

FILES = re.compile(r"(?is)^ *files.*", re.MULTILINE)


@pytest.fixture
def deck(tmp_path, monkeypatch) -> str:
    """The cluster's structures as a database and as extended XYZ, and the deck of a trainer."""
    text = prepared(tmp_path, CLUSTER, "50", monkeypatch)
    frames = [aenet_py.read(path, index=0) for path in sorted(map(str, Path("xsf").glob("*.xsf")))]
    with databases.writing("all.db", "all.db") as add:
        for frame in frames:
            add(frame)
    Path("all.xyz").write_bytes(b"".join(map(extxyz.text, frames)))
    return text


def listing(file: str) -> None:
    Path("set.in").write_text(FILES.sub(f"FILES\n1\n{file}\n", Path("set.in").read_text()))


def generated(file: str) -> trainset.TrainingSet:
    listing(file)
    Path("set.train").unlink(missing_ok=True)
    Path("set.train.forces").unlink(missing_ok=True)
    assert generate.main(["set.in"]) == 0
    return trainset.read("set.train")


@pytest.mark.usefixtures("deck")
def test_generate():
    found, wanted = generated("all.db"), generated("all.xyz")
    assert [entry.path.strip() for entry in found.structures.entries] == [f"all.db#{n}" for n in range(1, 15)]
    assert [entry.energy for entry in found.structures.entries] == [e.energy for e in wanted.structures.entries]
    for name in ("features", "forces", "positions"):
        one, other = (getattr(of.structures.atoms, name) for of in (found, wanted))
        assert np.array_equal(one, other), name


def trained(text: str) -> dict[str, bytes]:
    for path in (Path("model.restart"), *map(Path, left())):
        path.unlink(missing_ok=True)
    Path("train.in").write_text(text)
    assert main([]) == 0
    names = re.compile(rb"all\.(db|xyz)#(\d+)")
    return {
        name: names.sub(lambda found: b"#%d" % (int(found[2]) - (found[1] == b"db")), content).replace(
            b"all.db", b"all.xyz"
        )
        for name, content in left().items()
    }


def test_training_straight_from_a_database(deck):
    results = []
    for file in ("all.db", "all.xyz"):
        listing(file)
        results.append(trained(with_structures(deck)))
    assert results[0] == results[1]


def test_recomputed_forces_of_a_training_set(deck):
    """The rows are found again by the names in the training set."""
    results = []
    for file in ("all.db", "all.xyz"):
        generated(file)
        Path("set.train.forces").unlink()
        mode = "MEMORY_MODE recompute\nFORCESPERCENT 50\nFORCESSEED 5"
        results.append(trained(deck.replace("MEMORY_MODE cpu", mode)))
    assert results[0] == results[1]


@pytest.mark.usefixtures("deck")
def test_single_rows_and_gaps():
    """Rows are known by their ids, in any order, also where others were removed."""
    with connect("all.db") as database:
        del database[3]
    listing("all.db#4\nall.db#2\nall.xyz#0")
    Path("set.in").write_text(Path("set.in").read_text().replace("FILES\n1\n", "FILES\n3\n"))
    Path("set.train").unlink()
    Path("set.train.forces").unlink()
    assert generate.main(["set.in"]) == 0
    named = [entry.path.strip() for entry in trainset.read("set.train").structures.entries]
    assert named == ["all.db#4", "all.db#2", "all.xyz#0"]
    assert aenet_py.read("all.db#4", index=0).energy == pytest.approx(aenet_py.read("all.xyz#3", index=0).energy)


def test_predict(deck, capsys):
    trained(deck)
    reports = []
    networks = "".join(f"{line.split()[0]} {line.split()[1]}.ascii\n" for line in network_lines(deck))
    for file in ("all.db", "all.xyz"):
        Path("predict.in").write_text(f"TYPES\n4\nCu\nAu\nO\nH\nNETWORKS\n{networks}FORCES\nFILES\n1\n{file}\n")
        capsys.readouterr()
        assert predict.main(["predict.in"]) == 0
        lines = re.sub(r"all\.\w+#\d+", "", capsys.readouterr().out).splitlines()
        reports.append([line for line in lines if not re.search(r"\d\d:\d\d:\d\d|s\.$", line)])
    assert len(reports[0]) > 300
    assert reports[0] == reports[1]


def network_lines(deck: str) -> list[str]:
    return deck.partition("NETWORKS\n")[2].splitlines()


def refused(message: str, capsys) -> None:
    Path("set.train").unlink(missing_ok=True)
    Path("set.train.forces").unlink(missing_ok=True)
    assert generate.main(["set.in"]) == 1
    assert message in capsys.readouterr().err
    assert not Path("set.train").exists()


@pytest.mark.usefixtures("deck")
def test_messages(capsys, monkeypatch):
    listing("all.db#15")
    refused("all.db#15: there is no such frame; expected the id of one of 14 rows", capsys)
    listing("none.db")
    refused("none.db", capsys)
    Path("bad.db").write_text("nothing")
    listing("bad.db")
    refused("bad.db: not a valid ASE database: ", capsys)
    frame = aenet_py.read("all.xyz", index=0)
    with databases.writing("without.db", "without.db") as add:
        add(type(frame)("x", frame.symbols, frame.species, frame.positions, frame.cell, frame.pbc))
    listing("without.db")
    refused("without.db#1: no energy found; expected a total energy in eV", capsys)
    listing("all.db")
    Path("set.in").write_text("ENERGYKEY REF_energy\n" + Path("set.in").read_text())
    refused("all.db: ENERGYKEY and FORCESKEY choose from extended XYZ; a database has one energy only", capsys)
    monkeypatch.setattr(databases.importlib.util, "find_spec", lambda _: None)
    Path("set.in").write_text(Path("set.in").read_text().partition("\n")[2])
    refused("all.db: databases of ASE require ase; install it with pip install 'aenet_py[ase]'", capsys)


@pytest.mark.usefixtures("deck")
def test_an_empty_database(capsys):
    connect("empty.db", append=False).write(Atoms("Cu"))
    with connect("empty.db") as database:
        del database[1]
    listing("empty.db")
    refused("empty.db: no structures found; expected some in a database of ASE", capsys)
