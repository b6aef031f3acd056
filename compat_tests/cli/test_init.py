"""aenet-py init: folders that run as written, from structures of all kinds."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest

import aenet_py
from aenet_py import AenetError, Structure
from aenet_py.cli import aenet_pytorch, generate, predict
from aenet_py.formats import extxyz, potential, structures, trained, xsf
from aenet_py.inputs import generate as generate_inputs
from aenet_py.inputs import predict as predict_inputs
from aenet_py.inputs import repulsion
from aenet_py.inputs import setup as setup_inputs
from aenet_py.inputs import train as train_inputs
from aenet_py.inputs.keywords import nobody
from compat_tests.cli.cases import ROOT, bad_files, in_process, listing
from compat_tests.structures import make_frames

OPEN, PERIODIC, SLAB = (False, False, False), (True, True, True), (True, True, False)
LABELS = ["--energy", "dft_energy", "--forces", "dft_forces"]
KINDS = (
    "molecules", "periodic", "slab", "without forces", "xsf", "database", "another format", "labels",
    "incomplete labels",
)  # fmt: skip


def frames(n: int = 12, pbc: tuple[bool, bool, bool] = OPEN) -> list[Structure]:
    """Structures with one kind of periodicity."""
    cell = None if pbc == OPEN else 5.5 * np.eye(3)
    return [replace(each, pbc=pbc, cell=cell, tags=None) for each in make_frames(n)]


def write(kind: str, folder: Path) -> str:
    """A set of some kind, at its usual place in the folder."""
    pbc = {"periodic": PERIODIC, "slab": SLAB}.get(kind, OPEN)
    given, path = frames(pbc=pbc), folder / f"{kind} set.extxyz"
    if kind == "xsf":
        path = folder / "xsf"
        path.mkdir()
        for number, each in enumerate(given):
            (path / f"{number}.xsf").write_bytes(xsf.text(each))
        return str(path)
    if kind == "without forces":
        given = [replace(each, forces=None) for each in given]
    if "incomplete" in kind:
        given[3] = replace(given[3], energy=None)
        given[5] = replace(given[5], forces=None)
    text = b"".join(map(extxyz.text, given))
    if "labels" in kind:
        text = text.replace(b"forces:R", b"dft_forces:R").replace(b" energy=", b" mace_energy=1.0 dft_energy=")
    path.write_bytes(text)
    if kind == "database":
        assert aenet_py.cli.aenet.main(["convert", str(path), str(folder / "set.db")]) == 0
        return str(folder / "set.db")
    if kind == "another format":
        ase.io.write(folder / "set.traj", ase.io.read(path, ":"))
        return str(folder / "set.traj")
    return str(path)


def shortened(path: Path) -> None:
    """Leave two epochs of a training."""
    path.write_text(re.sub(r"(?m)^ITERATIONS .*$", "ITERATIONS 2", path.read_text("latin-1")), "latin-1")


@pytest.mark.parametrize("kind", KINDS)
def test_folders_run(kind, tmp_path, monkeypatch, capsys):
    """All input files are read by the programs' own readers, and all programs run."""
    data, folder = write(kind, tmp_path), tmp_path / "new"
    capsys.readouterr()
    keys = LABELS if "labels" in kind else []
    status, output, error = in_process(capsys, "init", data, "-o", folder, *keys)
    assert (status, error) == (0, "")
    n = 10 if "incomplete" in kind else 12
    assert output.startswith(f"{n} structures, ")
    assert ("left out: 2 structures" in output) == ("incomplete" in kind)
    copied = "incomplete" in kind or kind in ("without forces", "another format")
    expected = {"Cu.stp", "O.stp", "README.md", "generate.in", "predict.in", "train.in"}
    assert {*listing(folder)} == expected | ({"structures.extxyz"} if copied else set())

    monkeypatch.chdir(folder)
    deck = train_inputs.read("train.in")
    assert deck.alpha == (None if kind == "without forces" else 0.3)
    generating = generate_inputs.read("generate.in", nobody)
    assert generating.forces == (kind != "without forces")
    assert generating.types == deck.symbols == ("Cu", "O")
    given = structures.sources(generating.structures)
    assert structures.n_structures(given) == n
    assert generating.structures == tuple(each.path for each in deck.structures.files)
    assert not any(map(os.path.isabs, generating.structures))

    shortened(Path("train.in"))
    assert aenet_pytorch.main([]) == 0
    assert len(trained.read_energies("energies.test").paths) == n // 10
    command = next(line for line in Path("README.md").read_text().splitlines() if line.startswith("aenet-py evaluate"))
    capsys.readouterr()
    first = in_process(capsys, *shlex.split(command)[1:])[1].splitlines()[0]
    assert (f"{n - n // 10} structures (train), {n // 10} structure" in first) == (kind != "without forces")
    assert generate.main(["generate.in"]) == 0
    assert len(aenet_py.TrainingSet.read("set.train").structures.entries) == n
    through_files(Path("train.in").read_text("latin-1"))
    assert predict_inputs.read("predict.in", (), nobody).types == ("Cu", "O")
    assert predict.main(["predict.in"]) == 0
    assert capsys.readouterr().out.count("Number of atoms") == 10


def through_files(deck: str) -> None:
    """The training on the set of generate.x that README.md describes is read, and gives the same first errors."""
    errors = Path("train.error").read_text()
    sections = r"(?ms)^TYPES\n.*"  # to the end of the file
    Path("files.in").write_text("TRAININGSET set.train\n" + re.sub(sections, "", deck))
    Path("model.restart").unlink()
    assert aenet_pytorch.main(["files.in"]) == 0
    assert Path("train.error").read_text() == errors


def test_structures_in_memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = aenet_py.init(frames(), "run")
    assert done.figures.n_structures == 12
    assert "structures.extxyz" in done.files
    kept = aenet_py.read("run/structures.extxyz")
    assert [each.energy for each in kept] == [each.energy for each in frames()]


def test_fixed_atoms(tmp_path, monkeypatch, capsys):
    """Without any known force, energies are trained on; the report says how many forces are not known."""
    monkeypatch.chdir(tmp_path)
    given = frames(pbc=SLAB)
    held = [replace(each, forces=0 * each.forces, fixed=np.ones_like(each.forces, bool)) for each in given]
    assert aenet_py.init(held, "none").choices.alpha is None
    Path("some.xyz").write_bytes(b"".join(map(extxyz.text, [*held[:2], *given[2:]])))
    assert aenet_py.cli.aenet.main(["init", "some.xyz", "-o", "some"]) == 0
    n = 3 * (held[0].n_atoms + held[1].n_atoms)
    told = f"not known: {n} components in 2 structures, such as some.xyz#0; training and errors leave them out\n"
    assert told in capsys.readouterr().out
    assert "alpha=" in Path("some/train.in").read_text()


def test_folders_above_are_created(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("set.extxyz").write_bytes(b"".join(map(extxyz.text, frames())))
    done = aenet_py.init("set.extxyz", "a/b/run")
    assert sorted(os.listdir("a/b")) == ["run"]
    deck = train_inputs.read("a/b/run/train.in")
    assert [each.path for each in deck.structures.files] == ["../../../set.extxyz"]
    assert {*listing(Path("a/b/run"))} == set(done.files)
    with pytest.raises(AenetError, match=r"set.extxyz/run: the folder cannot be created: File exists"):
        aenet_py.init("set.extxyz", "set.extxyz/run")


@pytest.mark.parametrize("copied", [False, True])
def test_groups_are_kept_together(copied, tmp_path, monkeypatch):
    given = [replace(each, info={"run_id": f"r{n // 4}"}, path=f"a#{n}") for n, each in enumerate(frames(120))]
    data = tmp_path / "runs.xyz"
    data.write_bytes(b"".join(map(extxyz.text, given)))
    aenet_py.init(given if copied else data, tmp_path / "new")
    monkeypatch.chdir(tmp_path / "new")
    deck = train_inputs.read("train.in")
    assert (deck.held_out.group, deck.held_out.validation) == ("run_id", 0.1)
    assert deck.patience is not None
    shortened(Path("train.in"))
    assert aenet_pytorch.main([]) == 0
    places = {
        part: {int(path.rpartition("#")[2]) // 4 for path in trained.read_energies(f"energies.{part}").paths}
        for part in ("train", "validation", "test")
    }
    assert {part: len(groups) for part, groups in places.items()} == {"train": 24, "validation": 3, "test": 3}
    assert len(set().union(*places.values())) == 30


def test_structures_that_an_input_file_lists(tmp_path, monkeypatch):
    """Commands name the files, whose paths in the input file are relative to another folder."""
    write("xsf", tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("generate.in").write_text(
        "TYPES\n1\nCu 0.0\nSETUPS\nCu Cu.stp\nFILES\n4\nxsf/0.xsf\nxsf/3.xsf\nxsf/5.xsf\nxsf/6.xsf\n"
    )
    aenet_py.init("generate.in", "new")
    text = Path("new/README.md").read_text()
    assert "\naenet-py check ../xsf/0.xsf ../xsf/3.xsf ../xsf/5.xsf ../xsf/6.xsf\n" in text
    assert "\naenet-py evaluate . ../xsf/0.xsf ../xsf/3.xsf ../xsf/5.xsf ../xsf/6.xsf\n" in text
    assert generate_inputs_of("new") == tuple(f"../xsf/{n}.xsf" for n in (0, 3, 5, 6))


def generate_inputs_of(folder: str) -> tuple[str, ...]:
    """FILES of generate.in in a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return generate_inputs.read("generate.in", nobody).structures


def test_names_that_begin_like_a_comment(tmp_path):
    (tmp_path / "#1 set.xyz").write_bytes(b"".join(map(extxyz.text, frames())))
    aenet_py.init(tmp_path / "#1 set.xyz", tmp_path)
    assert generate_inputs_of(str(tmp_path)) == ("./#1 set.xyz",)


@pytest.mark.parametrize("name", ["train.in", "README.md", "Cu.stp", "structures.extxyz", "model.restart"])
def test_nothing_is_overwritten(name, tmp_path, capsys):
    data, folder = write("incomplete labels", tmp_path), tmp_path / "new"
    folder.mkdir()
    (folder / name).write_text("mine")
    status, output, error = in_process(capsys, "init", data, "-o", folder, *LABELS)
    assert (status, output) == (1, "")
    assert error == f"Error: {folder / name}: file exists; choose another name\n"
    assert listing(folder) == {name: b"mine"}
    assert not bad_files(tmp_path)


def test_files_are_added_to_a_folder(tmp_path):
    data, folder = write("molecules", tmp_path), tmp_path / "new"
    folder.mkdir()
    (folder / "notes").write_text("mine")
    done = aenet_py.init(data, folder)
    assert {*listing(folder)} == {"notes", *done.files}


def test_labels_under_other_names_are_named(tmp_path):
    data = tmp_path / "a.extxyz"
    frame = "2\nProperties=species:S:1:pos:R:3:forces:R:3 total_energy={}\nO 0 0 0 0 0 0\nH 1 0 0 0 0 0\n"
    data.write_text("".join(frame.format(-n) for n in range(12)))
    with pytest.raises(AenetError, match=r"a\.extxyz#0:2: found total_energy, forces: .* choose with --energy and"):
        aenet_py.init(data, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def cohesive(given: list[Structure], every: int) -> list[Structure]:
    """The structures, each so many-th of them with a cohesive energy in place of the total energy."""
    return [replace(s, energy=None, cohesive_energy=s.energy) if n % every == 0 else s for n, s in enumerate(given)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            [replace(each, energy=None) for each in frames(5)],
            "no structure has an energy; there is nothing to train on",
        ),
        (frames(1), "1 structure cannot be trained on: the compositions alone explain all energies"),
        (cohesive(frames(6), 2), "made#0: has a cohesive energy, and others have total energies"),
        (frames(6), "taken: this is not a folder; choose another name"),
    ],
)
def test_what_cannot_be_done(given, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("taken").write_text("")
    before = listing(tmp_path)
    with pytest.raises(AenetError, match=re.escape(message)):
        aenet_py.init(given, "taken" if "taken" in message else "new")
    assert listing(tmp_path) == before


def test_cohesive_energies_are_learnt_as_they_are(tmp_path, monkeypatch):
    given = cohesive(frames(), 1)
    aenet_py.init(given, tmp_path / "new")
    monkeypatch.chdir(tmp_path / "new")
    deck = train_inputs.read("train.in")
    assert deck.structures.atomic_energies == (0.0, 0.0)
    kept = aenet_py.read("structures.extxyz")
    assert [each.energy for each in kept] == [each.cohesive_energy for each in given]


@pytest.mark.slow
def test_commands_of_the_readme(tmp_path):
    """They run as written, one after the other."""
    aenet_py.init(write("periodic", tmp_path), tmp_path / "new")
    shortened(tmp_path / "new" / "train.in")
    _, block, *_ = re.split(r"```(?:sh\n)?", (tmp_path / "new" / "README.md").read_text())
    commands = block.strip().split("\n")
    assert [shlex.split(each)[0] for each in commands] == ["aenet-py", "aenet_pytorch.py", "aenet-py", "predict.x"]
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("aenet-py", "aenet_pytorch.py", "predict.x"):
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT / "bin" / name}" "$@"\n')
        (folder / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    for command, accepted in zip(commands, ({0, 2}, {0}, {0}, {0}), strict=True):
        done = subprocess.run(
            command, shell=True, cwd=tmp_path / "new", env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode in accepted, done.stderr
    assert (tmp_path / "new" / "predict.out").stat().st_size > 1000


@pytest.fixture(scope="module")
def trained_folder(tmp_path_factory):
    """A training on structures of Cu and O, of one epoch."""
    folder = tmp_path_factory.mktemp("source")
    done = aenet_py.init(write("periodic", folder), folder / "run")
    assert "Cu.stp" in done.files
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "run")
        shortened(Path("train.in"))
        assert aenet_pytorch.main([]) == 0
    return folder / "run"


def test_fine_tuning(trained_folder, tmp_path, monkeypatch, capsys):
    """Of a part of the species, with the features and the networks of the source, and once more from the result."""
    only = [replace(each, path=f"new#{n}") for n, each in enumerate(frames(40)) if "O" not in each.symbols]
    more = [Structure(f"pair#{n}", ("Cu",), np.zeros(2, int), [[0, 0, 0], [0, 0, 2 + n / 20]], energy=n / 20 - 7,
                      forces=[[0, 0, 0.1], [0, 0, -0.1]]) for n in range(12)]  # fmt: skip
    data = tmp_path / "copper.extxyz"
    data.write_bytes(b"".join(map(extxyz.text, [*only, *more])))
    for source, folder in ((trained_folder, tmp_path / "tuned"), (tmp_path / "tuned", tmp_path / "again")):
        assert in_process(capsys, "init", data, "-o", folder, "--transfer", source)[0] == 0
        monkeypatch.chdir(folder)
        deck = train_inputs.read("train.in")
        assert (deck.mode, deck.transfer.freeze, deck.transfer.new) == ("transfer", 0, False)
        assert deck.symbols == ("Cu",)
        assert deck.structures.atomic_energies == train_energies(trained_folder)[:1]
        expected = potential.read(str(trained_folder / "Cu.nn.ascii")).setup
        assert setup_inputs.same(setup_inputs.read("Cu.stp", nobody), expected)
        assert repulsion.of_description(expected.description).of("Cu", "Cu") is not None
        assert "REPULSION" not in Path("train.in").read_text()
        shortened(Path("train.in"))
        assert aenet_pytorch.main([]) == 0
        assert Path("Cu.nn.transfered.ascii").exists()


def train_energies(folder: Path) -> tuple[float, ...]:
    return potential.read(str(folder / "Cu.nn.ascii")).training.atomic_energies


def test_fine_tuning_with_a_species_without_a_potential(trained_folder, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("Cu.nn.ascii", "model.restart"):
        (source / name).write_bytes((trained_folder / name).read_bytes())
    aenet_py.init(frames(), tmp_path / "new", transfer=source)
    deck = train_inputs.read(str(tmp_path / "new" / "train.in"))
    assert deck.transfer.new
    assert deck.structures.atomic_energies[1] == "fit"
    assert deck.networks[0].nodes == deck.networks[1].nodes
    setups = [setup_inputs.read(str(tmp_path / "new" / f"{symbol}.stp"), nobody) for symbol in ("Cu", "O")]
    assert repulsion.of_setups(setups).of("Cu", "O") is not None
    assert repulsion.of_setups(setups).of("O", "O") is None


@pytest.mark.parametrize("symbols", ["Cu Ti", "Ti"])
def test_sources_that_do_not_fit(symbols, trained_folder, tmp_path):
    given = [replace(each, path=f"a#{n}") for n, each in enumerate(make_frames(12, elements=symbols))]
    with pytest.raises(AenetError, match=r"was trained with Cu O, but the structures also have Ti|but the structures"):
        aenet_py.init(given, tmp_path / "new", transfer=trained_folder)
    assert not (tmp_path / "new").exists()
