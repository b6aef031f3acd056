"""COMMITTEE in train.in: members side by side, and their folder."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from aenet_py import ANNCalculator, Potential, evaluate, read, train, transfer
from aenet_py.errors import AenetError
from aenet_py.formats import committee as files
from aenet_py.formats import extxyz, potential_files, trained, uncertainty
from aenet_py.inputs import train as inputs
from aenet_py.inputs.moved import moved
from aenet_py.potentials.members import members
from aenet_py.structure import as_structure
from aenet_py.training import committee, flow
from aenet_py.training.data import weights
from aenet_py.training.events import EpochErrors, Events
from aenet_py.training.ranks import Ranks
from aenet_py.training.train import working_in
from compat_tests.active import examples

ROOT = Path(__file__).resolve().parents[2]


def folder_with(place: Path, more: str = "", **changes: str) -> Path:
    """A folder for a training, of ten clusters; changes : other lines in place of some."""
    place.mkdir()
    examples.write(place)
    deck = place / "given" / "train.in"
    text = deck.read_text().replace("METHOD\n", f"{more}METHOD\n")
    for line, other in changes.items():
        text = text.replace(line, other)
    deck.write_text(text)
    return place / "given"


def start(folder: Path) -> subprocess.Popen:
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "aenet_py.cli.aenet_pytorch", "train.in"]
    return subprocess.Popen(
        command, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(folder: Path) -> tuple[str, str]:
    process = start(folder)
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    return out, errors


def potentials(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.nn*.ascii"))}


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = folder_with(tmp_path_factory.mktemp("single") / "a", "SAVE_FORCES\n")
    run(folder)
    return folder


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committee of three, in two processes."""
    folder = folder_with(tmp_path_factory.mktemp("three") / "a", "COMMITTEE 3 processes=2\n")
    out, _ = run(folder)
    (folder / "train.out").write_text(out)
    return folder


def test_the_first_member_is_the_training_without_committee(single: Path, three: Path) -> None:
    for symbol in ("Cu", "Au"):
        expected = (single / f"{symbol}.nn.ascii").read_bytes()
        assert (three / f"{symbol}.1.nn.ascii").read_bytes() == expected
        assert len({(three / f"{symbol}.{number}.nn.ascii").read_bytes() for number in (1, 2, 3)}) == 3
    assert (three / "1" / "train.error").read_bytes() == (single / "train.error").read_bytes()
    own, alone = (trained.read_forces(str(folder / "forces.test")) for folder in (three / "1", single))
    assert own.paths == tuple(f"../{path}" for path in alone.paths)
    assert np.array_equal(own.predicted, alone.predicted)


def test_all_members_are_tested_by_the_same_structures(three: Path) -> None:
    tables = [trained.read_energies(str(three / str(number) / "energies.test")) for number in (1, 2, 3)]
    assert tables[0].paths == tables[1].paths == tables[2].paths
    assert not np.array_equal(tables[0].predicted, tables[1].predicted)


def test_the_number_of_processes_does_not_matter(tmp_path: Path, three: Path) -> None:
    folder = folder_with(tmp_path / "a", "COMMITTEE 3 processes=1\n")
    run(folder)
    assert potentials(folder) == potentials(three)


def test_the_errors_are_those_of_the_means(three: Path) -> None:
    table = trained.read_energies(str(three / "1" / "energies.test"))
    known = {Path(structure.path).name: structure for structure in read(three / "labelled.extxyz")}
    tested = [known[Path(path).name] for path in table.paths]
    found = evaluate(three, tested)
    energies = [each.energy_error for each in found.structures]
    forces = np.concatenate([each.force_errors for each in found.structures])
    row = next(line for line in (three / "train.out").read_text().splitlines() if line.startswith("mean"))
    shown = [float(word) for word in row.split()[4:]]
    expected = [1e3 * np.sqrt(np.mean(np.square(values))) for values in (energies, forces)]
    assert shown == pytest.approx(expected, abs=0.011)


def test_the_folder_is_a_committee(three: Path) -> None:
    loaded = members(str(three))
    assert len(loaded) == 3
    for number, member in enumerate(loaded, 1):
        for symbol, file in zip(member.types, member.files, strict=True):
            own = Potential.load({symbol: three / f"{symbol}.{number}.nn.ascii"}).files[0]
            assert all(np.array_equal(a, b) for a, b in zip(file.network.weights, own.network.weights, strict=True))
    atoms = examples.labelled(1)[0]
    atoms.calc = ANNCalculator(three)
    atoms.get_forces()
    assert (atoms.calc.results["forces_std"] > 0).all()


@pytest.mark.parametrize("n_members", [2, 3, 4, 10])
def test_the_factor_of_gaussian_errors(n_members: int) -> None:
    generator = np.random.default_rng(n_members)
    spreads = np.exp(generator.normal(-3.0, 1.0, (40000, 1)))
    true = 2.5 * spreads * generator.normal(size=(40000, 3))
    found = committee.factor(spreads * generator.normal(size=(n_members, 40000, 3)) - true)
    # the mean has its own variance, 1/n; the standard deviation misses one of n parts
    assert found == pytest.approx(np.sqrt((2.5**2 + 1 / n_members) / (1 - 1 / n_members)), rel=0.04)


def test_spreads_of_almost_zero_do_not_matter() -> None:
    generator = np.random.default_rng(1)
    differences = generator.normal(size=(4, 1000)) + generator.normal(size=1000)
    expected = committee.factor(differences)
    differences[:, 0] = 1.0
    assert committee.factor(differences) == pytest.approx(expected, rel=0.01)
    assert committee.factor(differences[:, :9]) is None
    assert committee.factor(np.ones((4, 20))) is None


def test_the_factors_are_stored(three: Path) -> None:
    stored = uncertainty.read(str(three / uncertainty.NAME))
    forces = [trained.read_forces(str(three / str(number) / "forces.test")) for number in (1, 2, 3)]
    members_forces = np.array([table.predicted for table in forces])
    errors = members_forces.mean(axis=0) - forces[0].reference
    assert stored.n_atoms == len(errors)
    expected = np.linalg.norm(errors) / np.linalg.norm(members_forces.std(axis=0))
    assert stored.factors == pytest.approx({"Cu": expected, "Au": expected})
    assert (stored.n_structures, stored.energy_factor) == (2, None)
    assert json.loads((three / files.NAME).read_text()) == {"format": files.FORMAT, "members": 3}
    assert "error of the mean/spread" in (three / "train.out").read_text()


def test_the_spread_of_forces_is_scaled(three: Path) -> None:
    stored = uncertainty.read(str(three / uncertainty.NAME))
    found = []
    for given in (three, members(str(three))):
        atoms = examples.labelled(1, seed=4)[0]
        atoms.calc = ANNCalculator(given)
        atoms.get_forces()
        found.append(atoms.calc.results["forces_std"])
    assert np.allclose(found[0], stored.factors["Cu"] * found[1], rtol=1e-12)


@pytest.mark.parametrize("with_forces", [True, False])
def test_the_spread_of_energies_is_scaled(tmp_path: Path, with_forces: bool) -> None:
    """By the factor of the test set, which is the only one without forces."""
    changes = {"TESTPERCENT 20": "TESTPERCENT 50"} | ({} if with_forces else {"FORCES\nalpha=0.3\n": ""})
    folder = folder_with(tmp_path / "a", "COMMITTEE 2\n", **changes)
    frames = [extxyz.text(as_structure(atoms, reference=True)) for atoms in examples.labelled(24)]
    (folder / "labelled.extxyz").write_bytes(b"".join(frames))
    run(folder)
    tables = [trained.read_energies(str(folder / str(number) / "energies.test")) for number in (1, 2)]
    predicted = np.array([table.predicted / table.n_atoms for table in tables])
    errors = predicted.mean(axis=0) - tables[0].reference / tables[0].n_atoms
    stored = uncertainty.read(str(folder / uncertainty.NAME))
    assert stored.n_structures == len(errors) == 12
    expected = np.linalg.norm(errors) / np.linalg.norm(predicted.std(axis=0))
    assert stored.energy_factor == pytest.approx(expected, rel=1e-4)
    assert (stored.factors == {}) == (not with_forces)
    frame, found = examples.labelled(1, seed=4)[0], []
    for given in (folder, members(str(folder))):
        atoms = frame.copy()
        atoms.calc = ANNCalculator(given)
        atoms.get_forces()
        results = atoms.calc.results
        judged = evaluate(given, [frame]).structures[0]
        assert judged.energy_std == pytest.approx(results["energy_std"], rel=1e-9)
        found.append([results["energy_std"], results["forces_std"]])
    assert found[0][0] == pytest.approx(stored.energy_factor * found[1][0], rel=1e-12)
    assert np.array_equal(found[0][1], found[1][1]) == (not with_forces)


def test_files_with_factors_are_those_of_committees(tmp_path: Path) -> None:
    """As former versions wrote them."""
    assert files.read(str(tmp_path)) is None
    more = '"energy_factor": null, "force_factor": 2.5, "n_structures": 2, "n_atoms": 12'
    (tmp_path / files.NAME).write_text(f'{{"format": "{files.FORMAT}", "members": 3, {more}}}')
    assert files.read(str(tmp_path)) == 3


def test_ascii_and_binary_members(tmp_path: Path, three: Path) -> None:
    for path in three.glob("*.ascii"):
        shutil.copy(path, tmp_path)
        run_converter(tmp_path / path.name, tmp_path / path.name.removesuffix(".ascii"))
    files.write(str(tmp_path), 3)
    sets = potential_files.sets_of(str(tmp_path))
    assert [sorted(Path(path).name for path in each.values()) for each in sets if isinstance(each, dict)] == [
        [f"Au.{number}.nn", f"Cu.{number}.nn"] for number in (1, 2, 3)
    ]


def run_converter(source: Path, target: Path) -> None:
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, ROOT / "bin" / "nnASCII2bin.x", source, target], env=variables, check=True)


def test_a_second_call_continues_each_member(tmp_path: Path, single: Path, three: Path) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    shutil.copytree(single, alone)
    shutil.copytree(three, together)
    run(alone)
    run(together)
    assert (alone / "Cu.nn.ascii").read_bytes() != (single / "Cu.nn.ascii").read_bytes()
    assert (alone / "Cu.nn.ascii").read_bytes() == (together / "Cu.1.nn.ascii").read_bytes()


@pytest.mark.slow
def test_killed_at_any_moment_it_resumes(tmp_path: Path, three: Path) -> None:
    folder, generator = folder_with(tmp_path / "a", "COMMITTEE 3 processes=2\n"), random.Random(3)
    for _ in range(5):
        process = start(folder)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=generator.uniform(0.5, 3.0))
        process.kill()
        process.communicate()
        if (folder / files.NAME).exists():  # another call would be another training
            break
    else:
        run(folder)
    assert potentials(folder) == potentials(three)


def test_a_member_killed_with_its_tables_written_goes_on(tmp_path: Path, three: Path) -> None:
    """Stopped after five epochs, and killed before anything else was written."""

    class Stopping(Events):
        def epoch(self, epoch: int, errors: EpochErrors) -> bool:  # noqa: ARG002
            return epoch == 4

    folder = folder_with(tmp_path / "a", "COMMITTEE 3 processes=2\n")
    with working_in(folder):
        own = committee.member(inputs.read("train.in"), 2)
    with working_in(folder / "2"):
        flow.run(own, Ranks(), Stopping())
    assert (folder / "2" / "energies.train").exists()
    assert (folder / "2" / "Cu.nn.ascii").read_bytes() != (three / "Cu.2.nn.ascii").read_bytes()
    run(folder)
    assert potentials(folder) == potentials(three)
    assert (folder / files.NAME).exists()


@pytest.mark.slow
def test_ctrl_c_saves_all_members(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "a", "COMMITTEE 2\n", **{"ITERATIONS 12": "ITERATIONS 100000"})
    process = start(folder)
    states = [folder / number / "model.restart" for number in "12"]
    for _ in range(600):
        if all(state.exists() for state in states) or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Stopped by SIGINT; all members are saved, and the same command resumes." in errors
    assert not (folder / files.NAME).exists()
    for number in "12":
        assert len((folder / number / "train.error").read_text().splitlines()) > 1


def test_bootstrap_weighs_structures_by_how_often_they_are_drawn(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "a", "COMMITTEE 2 bootstrap\n")
    deck = inputs.read(str(folder / "train.in"))
    structures = read(folder / "labelled.extxyz") * 20
    counts = [weights.of(committee.member(deck, number), structures) for number in (1, 2)]
    for each in counts:
        assert each is not None
        assert np.array_equal(each[:, 0], each[:, 1])
        assert each[:, 0].sum() == len(structures)
        assert 0.3 < np.mean(each[:, 0] == 0) < 0.44  # exp(-1) on average
    assert not np.array_equal(*counts)
    run(folder)
    text = (folder / "2" / "train.in").read_text()
    assert "WEIGHTS bootstrap=2" in text
    assert inputs.read(str(folder / "2" / "train.in")).weights == committee.member(deck, 2).weights


def test_in_python(tmp_path: Path, three: Path) -> None:
    given = folder_with(tmp_path / "a")
    setups = {symbol: given / f"{symbol}.stp" for symbol in ("Cu", "Au")}
    result = train(
        read(given / "labelled.extxyz"), {symbol: [(4, "tanh")] for symbol in setups}, setups=setups, committee=3,
        atomic_energies={"Cu": 0.0, "Au": 0.0}, repulsion="zbl auto", iterations=12, batch_size=4, test_percent=20,
        lr=0.01, forces_weight=0.3, folder=tmp_path / "b",
    )  # fmt: skip
    for number, own in enumerate(result.potentials, 1):
        for symbol, path in own.items():
            found = Potential.load({symbol: path}).files[0].network.weights
            expected = Potential.load({symbol: three / f"{symbol}.{number}.nn.ascii"}).files[0].network.weights
            assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    assert len(result.potential()) == len(result.member_errors) == 3
    assert result.force_rmse is not None
    assert result.force_rmse < max(each.force for each in result.member_errors if each.force is not None)
    with pytest.raises(AenetError, match="on_epoch is for a single training"):
        train(
            given / "labelled.extxyz", {symbol: [(4, "tanh")] for symbol in setups}, setups=setups, committee=2,
            atomic_energies="fit", folder=tmp_path / "c", on_epoch=lambda *_: None,
        )  # fmt: skip


def test_each_member_is_fine_tuned_from_its_own_source(tmp_path: Path, three: Path) -> None:
    given = folder_with(tmp_path / "a")
    setups = {symbol: given / f"{symbol}.stp" for symbol in ("Cu", "Au")}
    source = Potential.load({symbol: three / f"{symbol}.1.nn.ascii" for symbol in setups})
    assert source.repulsion is not None
    result = transfer(
        read(given / "labelled.extxyz"), three, setups=setups, committee=4, iterations=0, freeze=0,
        atomic_energies={"Cu": 0.0, "Au": 0.0}, repulsion=" ".join(source.repulsion.words), folder=tmp_path / "b",
    )  # fmt: skip
    for number, own in zip((1, 2, 3, 1), result.potentials, strict=True):
        assert os.path.basename(own["Cu"]) in ("Cu.1.nn.transfered.ascii", "Cu.2.nn.transfered.ascii",
                                               "Cu.3.nn.transfered.ascii", "Cu.4.nn.transfered.ascii")  # fmt: skip
        found, expected = (
            Potential.load({"Cu": path}).files[0].network.weights
            for path in (own["Cu"], three / f"Cu.{number}.nn.ascii")
        )
        assert all(np.allclose(a, b, rtol=1e-12) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("COMMITTEE\n", "found no value after COMMITTEE; expected the number of members, at least 2"),
        ("COMMITTEE 1\n", "train.in:6: found '1' after COMMITTEE; expected the number of members, at least 2"),
        ("COMMITTEE 3 boot\n", "train.in:6: found 'boot' after COMMITTEE"),
        ("COMMITTEE 3 processes=0\n", "found 'processes=0' after COMMITTEE"),
        ("COMMITTEE 3 bootstrap bootstrap\n", "found 'bootstrap' after COMMITTEE"),
    ],
)
def test_the_line_of_what_is_wrong(tmp_path: Path, line: str, message: str) -> None:
    folder = folder_with(tmp_path / "a", line)
    with pytest.raises(AenetError) as error:
        inputs.read(str(folder / "train.in"))
    assert message in str(error.value)


def test_what_committees_cannot_do(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "a", "COMMITTEE 2 bootstrap\n", **{"adamw lr=0.01": "lm"})
    with pytest.raises(AenetError, match="found COMMITTEE bootstrap with method=lm; expected it with another method"):
        inputs.read(str(folder / "train.in"))
    folder = folder_with(tmp_path / "b", "COMMITTEE 2\n")
    deck = inputs.read(str(folder / "train.in"))
    with pytest.raises(AenetError, match="found COMMITTEE in 2 processes"):
        committee.check(deck, 2)


def test_a_damaged_folder(tmp_path: Path, three: Path) -> None:
    folder = tmp_path / "a"
    shutil.copytree(three, folder)
    (folder / "Au.2.nn.ascii").unlink()
    with pytest.raises(AenetError, match="members 1 and 2 of this committee differ in their species: Au"):
        members(str(folder))
    (folder / "Cu.2.nn.ascii").unlink()
    with pytest.raises(AenetError, match="no potentials of member 2; this committee has 3 members"):
        members(str(folder))
    (folder / files.NAME).write_text("{}")
    with pytest.raises(AenetError, match=r"committee.json: not the file of a committee; expected"):
        members(str(folder))
    with pytest.raises(AenetError, match="the folder of a committee, where one potential per species is needed"):
        Potential.load(str(three))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Cu.nn.ascii", "Cu.7.nn.ascii"), ("Cu.nn.transfered.ascii", "Cu.7.nn.transfered.ascii"),
        ("Cu.pytorch.nn", "Cu.pytorch.7.nn"), ("pots/Cu.10t-10t.nn.ascii", "pots/Cu.10t-10t.7.nn.ascii"),
        ("Cu.ascii", "Cu.7.ascii"), ("Cu", "Cu.7"),
    ],
)  # fmt: skip
def test_names_of_members(path: str, expected: str) -> None:
    assert files.name_of(path, 7) == expected
    assert files.member_of(expected) == 7
    assert files.member_of(path) is None


def test_a_deck_moved_and_back_is_the_same(tmp_path: Path) -> None:
    more = "COMMITTEE 2\nTESTSET test.extxyz\nVALIDATIONSET ../other.extxyz#3\nWEIGHTS key=name table=weights.txt\n"
    more += "MODE transfer\nTRANSFER source=../source freeze=0 replay=db/all.extxyz share=0.2\n"
    folder = folder_with(tmp_path / "a", more, **{"TESTPERCENT 20\n": ""})
    deck = inputs.read(str(folder / "train.in"))
    there = moved(deck, str(folder), str(tmp_path / "far" / "away"))
    assert there.structures is not None
    assert there.structures.validation[0].path == "../../a/other.extxyz#3"
    assert there.weights is not None
    assert there.weights.table is not None
    assert there.weights.table.path == "../../a/given/weights.txt"
    assert inputs.to_text(moved(there, str(tmp_path / "far" / "away"), str(folder))) == inputs.to_text(deck)
