"""Transfers that do not forget: structures of the source in the training, and weights that are held back."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from aenet_py import generate, train, transfer
from aenet_py.cli.aenet_pytorch import main
from aenet_py.errors import AenetError, AenetWarning
from aenet_py.formats import xsf
from aenet_py.inputs import train as inputs
from aenet_py.potentials.potential import Potential
from aenet_py.training import fisher, loop
from aenet_py.training import run as run_module
from aenet_py.training import source as pretrained
from aenet_py.training import state as states
from aenet_py.training.data import batches
from aenet_py.training.state import Anchor
from compat_tests.cli.cases import FIXTURES, listing

CASE = FIXTURES / "cluster-cuau-h2o"
PATHS = sorted(map(str, (CASE / "xsf").glob("*.xsf")))
SOURCE, TARGET = PATHS[:9], PATHS[9:]
ENERGIES = {"Cu": -1308.9, "Au": -879.1, "O": -432.5, "H": -13.6}
OTHER = {"Cu": -1308.0, "Au": -880.0, "O": -432.0, "H": -13.6}
NETWORKS = {symbol: [(6, "tanh")] for symbol in ENERGIES}
COMMON = {
    "setups": {symbol: str(CASE / f"{symbol}.stp") for symbol in ENERGIES}, "forces_weight": 0.2, "batch_size": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    train(SOURCE, NETWORKS, atomic_energies=ENERGIES, iterations=60, lr=0.02, test_percent=0, folder=folder, **COMMON)
    return folder


def fine_tuned(source: Path, folder: Path, energies: dict[str, float] = ENERGIES, **settings):
    given = {"iterations": 1, "test_percent": 0, "freeze": 0, **COMMON, **settings}
    return transfer(TARGET, source, atomic_energies=energies, folder=folder, **given)


def errors(result, table: str) -> dict[str, float]:
    """Predicted minus reference energy of each structure, eV, by the name of its file."""
    rows = result.energies[table]
    pairs = zip(rows.paths, rows.predicted - rows.reference, strict=True)
    return {os.path.basename(path): float(error) for path, error in pairs}


@pytest.mark.parametrize("energies", [ENERGIES, OTHER])
@pytest.mark.parametrize("energy", ["align", "source"])
def test_energies_of_replay_are_those_of_the_source(energy, energies, source, tmp_path):
    """Before any step, their errors are those of the source's potentials, whatever shifts fit the other structures."""
    potential = Potential.load(source)
    expected = {}
    for path in SOURCE:
        structure = xsf.read(path)
        expected[os.path.basename(path)] = potential.energy_forces(structure).energy - structure.energy
    result = fine_tuned(
        source, tmp_path, energies, energy=energy, replay=SOURCE, share=0.9, lr=0, memory_mode="recompute"
    )
    found = errors(result, "train")
    assert set(found) == {os.path.basename(path) for path in PATHS}
    assert max(abs(value) for value in expected.values()) > 0.01
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-6)
    without = errors(fine_tuned(source, tmp_path / "without", energies, energy=energy, lr=0), "train")
    for name, value in without.items():
        assert found[name] == pytest.approx(value, abs=1e-9)


def test_labels_of_the_source(source, tmp_path):
    """The source's potentials know them without error."""
    result = fine_tuned(
        source, tmp_path, OTHER, replay=SOURCE, share=0.9, replay_labels="source", lr=0, save_forces=True
    )
    found = errors(result, "train")
    forces = result.forces["train"]
    for path in SOURCE:
        assert abs(found[os.path.basename(path)]) < 1e-6
    own = np.concatenate([
        np.abs(forces.predicted[start:stop] - forces.reference[start:stop]).max(axis=1)
        for path, start, stop in zip(forces.paths, forces.starts[:-1], forces.starts[1:], strict=True)
        if path in SOURCE
    ])  # fmt: skip
    assert len(own) > 50
    assert own.max() < 1e-5


def test_labels_of_a_transfer_as_the_source(source, tmp_path):
    """Its potentials, not those of the training in the same folder."""
    train(SOURCE, NETWORKS, atomic_energies=ENERGIES, iterations=2, test_percent=0, folder=tmp_path / "both", **COMMON)
    fine_tuned(source, tmp_path / "both", iterations=3, lr=0.01)
    state = tmp_path / "both" / "model.transfered.restart"
    given = {"networks": NETWORKS, "replay": SOURCE, "share": 0.9, "replay_labels": "source", "lr": 0}
    result = fine_tuned(state, tmp_path / "new", **given)
    found = errors(result, "train")
    assert max(abs(found[os.path.basename(path)]) for path in SOURCE) < 1e-6


@pytest.mark.parametrize(("share", "n"), [(0.2, 1), (0.5, 4), (0.6, 6), (0.95, 9)])
def test_the_share(share, n, source, tmp_path):
    """Of those that are trained on; structures of replay are never tested."""
    result = fine_tuned(source, tmp_path, replay=SOURCE, share=share, test_percent=20)
    tested, trained = (set(errors(result, table)) for table in ("test", "train"))
    names = {os.path.basename(path) for path in SOURCE}
    assert len(tested) == 1
    assert not tested & names
    assert len(trained & names) == n
    assert len(trained) == n + 4


def test_what_is_left_out_is_said_of_each_set(source, tmp_path):
    """Structures with a species that TYPES does not list."""
    paths = []
    for number, path in enumerate(PATHS):
        lines = Path(path).read_text().replace("ATOMS\nCu", "ATOMS\nZn")
        assert "Zn" in lines
        paths.append(tmp_path / f"{number}.xsf")
        paths[-1].write_text(lines)
    more = {"replay": [*SOURCE, *paths[:3]], "share": 0.95, "test_set": [TARGET[0], *paths[3:5]]}
    with pytest.warns(AenetWarning) as told:
        transfer(
            [*TARGET[1:], paths[5]], source, atomic_energies=ENERGIES, folder=tmp_path / "new", freeze=0, iterations=1,
            **more, **COMMON,
        )  # fmt: skip
    texts = [str(each.message).partition(": ")[2] for each in told]
    what = "with more species than TYPES lists left out, as by generate.x"
    assert [text for text in texts if what in text] == [
        f"1 structure {what}", f"2 structures of the test set {what}", f"3 structures of the replay set {what}",
    ]  # fmt: skip


def test_replay_remembers(source, tmp_path):
    """The errors of the source's structures grow less than without replay."""
    after = []
    for number, more in enumerate(({}, {"replay": SOURCE, "share": 0.6})):
        folder = tmp_path / str(number)
        result = fine_tuned(source, folder, iterations=40, lr=0.02, **more)
        potential = Potential.load(result.potentials)
        structures = [xsf.read(path) for path in SOURCE]
        forces = [potential.energy_forces(each).forces - each.forces for each in structures]
        after.append(np.sqrt(np.mean(np.concatenate(forces) ** 2)))
    assert after[1] < 0.8 * after[0]


def test_the_anchor_is_a_term_of_the_loss():
    generator = torch.Generator().manual_seed(0)
    values, held, strengths = (torch.rand(7, dtype=torch.float64, generator=generator) for _ in range(3))
    anchor = Anchor(held, strengths)

    def term(at: torch.Tensor) -> float:
        return float((strengths * (at - held) ** 2).sum())

    for place in range(7):
        step = torch.zeros(7, dtype=torch.float64)
        step[place] = 1e-5
        slope = (term(values + step) - term(values - step)) / 2e-5
        assert float(anchor.gradient(values)[place]) == pytest.approx(slope, abs=1e-9)


def test_an_anchor_holds_weights_back(source, tmp_path):
    """They go the less far, the stronger it is."""
    start = torch.load(source / "model.restart", weights_only=True)["model"]
    distances = []
    for number, strength in enumerate((0.0, 0.03, 3.0)):
        folder = tmp_path / str(number)
        fine_tuned(source, folder, anchor=strength, iterations=30, lr=0.01, method="adam")
        state = torch.load(folder / "model.transfered.restart", weights_only=True)["model"]
        distances.append(float(sum(((state[name] - start[name]) ** 2).sum() for name in state)) ** 0.5)
    assert distances[0] > 1.2 * distances[1] > 2 * distances[2] > 0


DECK = """TESTPERCENT 20
ITERATIONS 6
BATCHSIZE 3
SAVE_ENERGIES
METHOD method=adamw lr=0.01
FORCES alpha=0.2
MODE transfer
TRANSFER
source=../source freeze=1 rates=0.5,1 replay={of_source} share=0.5 labels=source anchor=0.01 fisher={of_source}
NETWORKS
{networks}
TYPES
4
{types}
SETUPS
{setups}
REPULSION zbl inner=0.5 outer=1.4
FILES
{n}
{files}
"""


@pytest.fixture
def deck(tmp_path, monkeypatch) -> Path:
    """A deck with replay and anchor in the current folder; its source has the repulsion as well."""
    train(
        SOURCE, NETWORKS, atomic_energies=ENERGIES, iterations=20, lr=0.02, test_percent=0, folder=tmp_path / "source",
        repulsion="zbl inner=0.5 outer=1.4", **COMMON,
    )  # fmt: skip
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.chdir(folder)
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import write

    frames = []
    for path in SOURCE:
        structure = xsf.read(path)
        frames.append(Atoms(structure.names(), structure.positions))
        frames[-1].calc = SinglePointCalculator(frames[-1], energy=structure.energy, forces=structure.forces)
    write("source.extxyz", frames)
    text = DECK.format(
        networks="\n".join(f"{symbol} {symbol}.nn 1 6:tanh" for symbol in ENERGIES),
        types="\n".join(f"{symbol} {energy}" for symbol, energy in ENERGIES.items()),
        setups="\n".join(f"{symbol} {CASE}/{symbol}.stp" for symbol in ENERGIES),
        of_source="source.extxyz", n=len(TARGET), files="\n".join(TARGET),
    )  # fmt: skip
    Path("train.in").write_text(text)
    return folder


def test_decks_resume_without_a_trace(deck, capsys, monkeypatch):
    assert main([]) == 0
    assert "Replay: 4 of 9 structures of the source" in capsys.readouterr().err
    wanted = listing(deck)
    for path in [*deck.glob("*.ascii"), *deck.glob("*.restart"), *deck.glob("*.train"), deck / "train.error"]:
        path.unlink()
    step, count = run_module._step, [0]

    def counted(*arguments):
        count[0] += 1
        if count[0] == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(*arguments)

    monkeypatch.setattr(run_module, "_step", counted)
    assert main([]) == 0
    assert main([]) == 0
    assert listing(deck) == wanted


def test_the_deck_can_be_written(deck):
    given = inputs.read("train.in")
    assert given.transfer.share == 0.5
    assert given.transfer.labels == "source"
    assert given.transfer.anchor == 0.01
    assert given.transfer.fisher.path == "source.extxyz"
    Path("written.in").write_text(inputs.to_text(given))
    assert inputs.read("written.in").transfer == given.transfer
    assert deck.exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("share=0.5", "share=1", r"train.in:\d+: found share=1; expected a number between 0 and 1"),
        ("share=0.5", "share=x", r"train.in:\d+: found share=x; expected a number"),
        ("anchor=0.01", "anchor=-1", r"train.in:\d+: found anchor=-1; expected a number, at least 0"),
        ("labels=source", "labels=none", r"train.in:\d+: found labels=none; expected own or source"),
        ("replay=source.extxyz", "replay=missing.xyz", r"train.in:\d+: found 'missing.xyz', which does not exist"),
        ("anchor=0.01", "rates=a", r"train.in:\d+: found rates=a; expected a factor for each layer"),
        ("anchor=0.01", "schedule=4,2", r"train.in:\d+: found schedule=4,2; expected increasing numbers of epochs"),
        ("anchor=0.01", "schedule=2,4", r"found schedule=2,4; .* at most 1, the number of frozen layers"),
        ("anchor=0.01 ", "", r"found fisher without anchor=; expected both"),
        ("fisher=source", "fisher=missing", r"train.in:\d+: found 'missing.extxyz', which does not exist"),
        ("method=adamw lr=0.01", "method=lm", r"found anchor= after TRANSFER with method=lm; expected one of adam"),
    ],
)
@pytest.mark.usefixtures("deck")
def test_errors(old, new, message, capsys):
    text = Path("train.in").read_text()
    assert old in text
    Path("train.in").write_text(text.replace(old, new))
    assert main([]) == 1
    assert re.search(message, capsys.readouterr().err)


def test_structures_of_replay_need_setups(source, tmp_path):
    with pytest.raises(AenetError, match=r"structures without setups; give setups and atomic_energies, too"):
        transfer("some.train", source, NETWORKS, replay=SOURCE, folder=tmp_path)


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> tuple[Path, Path]:
    """Training sets of the structures to fine-tune on, and of those of the source."""
    folder = tmp_path_factory.mktemp("sets")
    for name, paths in (("target", TARGET), ("source", SOURCE)):
        generate(paths, COMMON["setups"], ENERGIES, folder / f"{name}.train", forces=True)
    return folder / "target.train", folder / "source.train"


def weights_of(folder: Path) -> np.ndarray:
    return np.concatenate([values.numpy() for _, values in sorted(layers_of(folder).items())])


def test_training_sets_of_the_source(source, sets, tmp_path):
    """Replay and Fisher information of training sets: the same weights as with the structures, to the bit."""
    settings = {"iterations": 4, "lr": 0.01, "share": 0.6, "anchor": 0.1, "test_percent": 20, "memory_mode": "cpu"}
    fine_tuned(source, tmp_path / "structures", replay=SOURCE, fisher=SOURCE, **settings)
    common = {"freeze": 0, "forces_weight": 0.2, "batch_size": 4, **settings}
    found = {}
    for name, more in {"sets": {"replay": sets[1], "fisher": sets[1]}, "naive": {"fisher": sets[1]}}.items():
        found[name] = transfer(sets[0], source, folder=tmp_path / name, **more, **common)
    assert np.array_equal(weights_of(tmp_path / "sets"), weights_of(tmp_path / "structures"))
    assert not np.array_equal(weights_of(tmp_path / "sets"), weights_of(tmp_path / "naive"))
    assert len(found["sets"].energies["train"].paths) == 10  # 4 of 5, and 6 of 9
    assert not set(found["sets"].energies["test"].paths) & set(SOURCE)


DECK_OF_SETS = """TRAININGSET target.train
TESTPERCENT 20
ITERATIONS 2
METHOD method=adamw lr=0.01
FORCES alpha=0.2
MODE transfer
TRANSFER source=source freeze=0 replay=source.train anchor=0.1
NETWORKS
{networks}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("replay=source.train", "replay=a.extxyz", r"train.in:7: found structures, replay=a.extxyz, with a training"),
        ("anchor=0.1", "anchor=0.1 fisher=a.xsf", r"train.in:7: found structures, fisher=a.xsf, with a training set"),
        ("anchor=0.1", "labels=source", r"train.in:7: found labels=source with a training set"),
        ("ITERATIONS 2", "ITERATIONS 2\nSAVE_BATCHES", r"train.in:4: found SAVE_BATCHES with replay=source.train"),
        ("replay=source.train", "replay=other.train", r"other.train"),
    ],
)
def test_errors_of_training_sets(old, new, message, source, sets, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for path in sets[0].parent.iterdir():
        Path(path.name).symlink_to(path)
    Path("source").symlink_to(source)
    networks = "\n".join(f"{symbol} {symbol}.nn 1 6:tanh" for symbol in ENERGIES)
    Path("train.in").write_text(DECK_OF_SETS.format(networks=networks).replace(old, new))
    assert main([]) == 1
    assert re.search(message, capsys.readouterr().err)


def test_the_source_is_read_once(source, tmp_path, monkeypatch):
    """Also by a training that resumes, which needs it for the anchor only."""
    count, read = [0], pretrained.read

    def counted(*arguments):
        count[0] += 1
        return read(*arguments)

    monkeypatch.setattr(pretrained, "read", counted)
    for expected in (1, 2):
        fine_tuned(source, tmp_path, anchor=0.1)
        assert count[0] == expected
    fine_tuned(source, tmp_path / "without")
    fine_tuned(source, tmp_path / "without")
    assert count[0] == 3


def captured_information(monkeypatch, source: Path, folder: Path, **settings) -> tuple[tuple, torch.Tensor]:
    """The arguments and the result of `fisher.information` in a training."""
    found, information = [], fisher.information

    def captured(*arguments):
        found.append((arguments, information(*arguments)))
        return found[-1][1]

    monkeypatch.setattr(fisher, "information", captured)
    fine_tuned(source, folder, anchor=0.1, **settings)
    return found[0]


@torch.no_grad()
def test_the_information_is_that_of_finite_differences(source, tmp_path, monkeypatch):
    """Of the energies per atom and the forces that the source predicts, by its weights."""
    (networks, data, alpha), found = captured_information(monkeypatch, source, tmp_path, fisher=SOURCE[:3])
    scales = [torch.from_numpy(scale) for scale in data.feature_scales]
    (batch,) = batches.assemble(data, [([0, 1, 2], [])], False)

    def predicted(values: torch.Tensor) -> torch.Tensor:
        evaluation = loop.evaluate(networks.like(values), batch, scales)
        root = (alpha / batch.whole.n_atoms) ** 0.5
        energies = evaluation.energies / batch.n_atoms * ((1.0 - alpha) / 3) ** 0.5
        return torch.cat([energies, root * evaluation.forces.flatten()])

    assert float(found.max()) > 0
    for place in range(0, len(found), 7):
        step = torch.zeros_like(networks.values)
        step[place] = 1e-5
        derivatives = (predicted(networks.values + step) - predicted(networks.values - step)) / 2e-5
        assert float(found[place]) == pytest.approx(float((derivatives**2).sum()), rel=1e-5, abs=1e-9)


def test_the_information_does_not_depend_on_labels(source, tmp_path, monkeypatch):
    structures = [xsf.read(path) for path in SOURCE[:3]]
    others = [dataclasses.replace(each, energy=each.energy + 1.0, forces=each.forces + 0.5) for each in structures]
    found = [
        captured_information(monkeypatch, source, tmp_path / str(number), fisher=given)[1]
        for number, given in enumerate((structures, others))
    ]
    assert torch.equal(*found)


def test_weighted_anchors():
    """Their mean over what is held stays; weights without information are free."""
    strengths = torch.tensor([0.5, 0.5, 0.0, 0.5], dtype=torch.float64)
    anchor = Anchor(torch.zeros(4, dtype=torch.float64), strengths)
    found = anchor.weighted(torch.tensor([1.0, 5.0, 7.0, 0.0], dtype=torch.float64))
    assert found.strengths.tolist() == [0.25, 1.25, 0.0, 0.0]
    assert anchor.weighted(torch.zeros(4, dtype=torch.float64)) is anchor


def layers_of(folder: Path, name: str = "model.transfered.restart") -> dict[int, torch.Tensor]:
    """All weights and biases of each layer, from 1, of the state in a folder."""
    state = torch.load(folder / name, weights_only=True)["model"]
    found: dict[int, list[torch.Tensor]] = {}
    for each, value in state.items():
        found.setdefault(int(re.search(r"_F(\d)\.", each)[1]), []).append(value.flatten())
    return {number: torch.cat(values) for number, values in found.items()}


@pytest.mark.parametrize("method", ["adam", "adamw", "adamax", "adadelta", "adagrad"])
def test_rates_of_layers(method, source, tmp_path):
    """The first step of each layer is that with its own learning rate, and none at rate 0."""
    settings = {"iterations": 1, "batch_size": 16, "method": method}
    given = {
        "a": {"lr": 0.01, "rates": (0.25, 1)}, "b": {"lr": 0.0025}, "c": {"lr": 0.01},
        "d": {"lr": 0.01, "rates": (0, 1)},
    }  # fmt: skip
    found = {}
    for name, more in given.items():
        fine_tuned(source, tmp_path / name, **settings, **more)
        found[name] = layers_of(tmp_path / name)
    assert torch.equal(found["a"][1], found["b"][1])
    assert torch.equal(found["a"][2], found["c"][2])
    assert torch.equal(found["d"][1], layers_of(source, "model.restart")[1])
    assert not torch.equal(found["a"][1], found["c"][1])


def test_layers_thaw(source, tmp_path):
    """Until then a training with the layer frozen; after that the layer is trained."""
    start = layers_of(source, "model.restart")
    for n, thawed in ((3, False), (5, True)):
        fine_tuned(source, tmp_path / str(n), freeze=1, thaw=[3], iterations=n, lr=0.01)
        assert torch.equal(layers_of(tmp_path / str(n))[1], start[1]) == (not thawed)
    fine_tuned(source, tmp_path / "frozen", freeze=1, iterations=3, lr=0.01)
    assert torch.equal(layers_of(tmp_path / "frozen")[2], layers_of(tmp_path / "3")[2])


def test_warm_up():
    schedule = inputs.Schedule("cosine", least=0.001, warmup=3)
    rates = [states.cosine(schedule, 0.02, epoch, 11) for epoch in range(12)]
    assert rates[:4] == pytest.approx([0.005, 0.01, 0.015, 0.02])
    assert rates[7] == pytest.approx(0.0105)
    assert rates[11] == pytest.approx(0.001)
    assert rates[3:] == sorted(rates[3:], reverse=True)
