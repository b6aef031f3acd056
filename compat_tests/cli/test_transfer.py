"""MODE transfer: what is taken over, what stays frozen, how energies are aligned, and what does not fit."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from aenet_py.cli import generate, predict
from aenet_py.cli.aenet_pytorch import main
from aenet_py.formats import potential
from compat_tests.cli.cases import listing
from compat_tests.cli.test_train import CLUSTER, edited, interrupt_after, prepare, same

SYMBOLS = ("Cu", "Au", "O", "H")
TRANSFERRED = "model.transfered.restart"
METHODS = ("adam", "adamw", "adamax", "adagrad", "adadelta")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with a training of six epochs, whose potentials are not those of the last one."""
    folder = prepare(CLUSTER / "train-forces-adamw/train.in", tmp_path_factory.mktemp("trained") / "run")
    edited(folder, ("ITERATIONS 40", "ITERATIONS 6"), ("lr=0.001", "lr=0.05"), ("VERBOSE", "VERBOSE\nPATIENCE 50"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main([]) == 0
    state = torch.load(folder / "model.restart", weights_only=True)
    assert not torch.equal(state["progress"]["best"], torch.cat([v.flatten() for v in state["model"].values()]))
    return folder


def transfer(folder: Path, source: str, settings: str = "", *changes: tuple[str, str]) -> None:
    """Give a folder with the training set the deck of a transfer."""
    shutil.copyfile(CLUSTER / "train-forces-adamw/train.in", folder / "train.in")
    more = f"VERBOSE\nMODE transfer\nTRANSFER\nsource={source} {settings}"
    edited(folder, ("VERBOSE", more), ("ITERATIONS 40", "ITERATIONS 3"), *changes)


@pytest.fixture
def target(trained, tmp_path, monkeypatch) -> Path:
    """The current folder, with the same training set and a deck that starts from the trained potentials."""
    folder = tmp_path / "target"
    folder.mkdir()
    for path in trained.glob("cluster.train*"):
        shutil.copyfile(path, folder / path.name)
    shutil.copytree(trained, tmp_path / "trained")
    monkeypatch.chdir(folder)
    transfer(folder, "../trained")
    return folder


def generated(folder: Path, name: str, symbols: tuple[str, ...], energies: dict[str, float] | None = None) -> None:
    """A training set of the clusters with these species only, the atoms of the others left out."""
    usual = {"Cu": -1308.9, "Au": -879.1, "O": -432.503149303, "H": -13.587222780835477}
    (folder / "xsf").mkdir(exist_ok=True)
    paths = []
    for path in sorted((CLUSTER / "xsf").glob("*.xsf")):
        rows = path.read_text().splitlines(keepends=True)
        kept = [row for row in rows if row.split()[:1] == [] or row.split()[0] not in set(usual) - set(symbols)]
        (folder / "xsf" / path.name).write_text("".join(kept))
        paths.append(f"xsf/{path.name}")
    for symbol in symbols:
        shutil.copyfile(CLUSTER / f"{symbol}.stp", folder / f"{symbol}.stp")
    types = "".join(f"{s} {(energies or usual)[s]}\n" for s in symbols)
    setups = "".join(f"{s} {s}.stp\n" for s in symbols)
    chosen = "FORCES\nFORCESPERCENT 50\nFORCESSEED 3\n"
    files = "\n".join([str(len(paths)), *paths])
    deck = f"OUTPUT {name}\nTYPES\n{len(symbols)}\n{types}\nSETUPS\n{setups}\n{chosen}FILES\n{files}\n"
    (folder / "generate.in").write_text(deck)
    assert generate.main(["generate.in"]) == 0


def networks_of(pattern: str) -> dict[str, potential.Network]:
    return {path.name.split(".")[0]: potential.read(str(path)).network for path in Path().glob(pattern)}


def shifts_of(report: str) -> dict[str, list[str]]:
    """The rows of the report's table, by species: layers, frozen layers, shift, difference to the source, and so on."""
    (table,) = re.findall(r"species   layers .*\n((?:.+\n)+)", report)
    return {row.split()[0]: row.split()[1:] for row in table.splitlines()}


def errors_of(report: str) -> dict[str, list[float]]:
    """Training and test error before the first epoch, by name."""
    rows = re.findall(r"    (weighted sum|energies|forces).* +(\d+\.\d+) +(\d+\.\d+)\n", report)
    return {name: [float(first), float(second)] for name, first, second in rows}


def test_nothing_but_a_transfer_reproduces_the_source(target, trained):
    """No frozen layers, learning rate 0, the same data: the same potentials and errors, to the last character."""
    transfer(target, "../trained", "freeze=0 energy=source", ("lr=0.001", "lr=0"))
    assert main([]) == 0
    for symbol in SYMBOLS:
        name = f"{symbol}.pytorch.nn"
        assert Path(f"{name}.transfered.ascii").read_bytes() == (trained / f"{name}.ascii").read_bytes()
    for name in ("energies.train", "energies.test", "forces.train", "forces.test"):
        assert Path(name).read_bytes() == (trained / name).read_bytes()
    errors = [line.split()[2:] for line in Path("train.error").read_text().splitlines()]
    table = [line.split() for line in (trained / "train.error").read_text().splitlines()]
    best = min(table, key=lambda line: float(line[2]))
    assert all(found[i] == best[2:][i] for found in errors for i in (0, 2, 4))  # of the test set
    assert not list(target.glob("*.nn.ascii"))


@pytest.mark.usefixtures("target")
def test_a_source_without_its_state():
    """Only the weights of the potentials, which are the same to within rounding."""
    assert main([]) == 0
    wanted = {symbol: network.weights for symbol, network in networks_of("*.transfered.ascii").items()}
    Path(TRANSFERRED).unlink()
    Path("../trained/model.restart").unlink()
    assert main([]) == 0
    for symbol, network in networks_of("*.transfered.ascii").items():
        assert abs(network.weights - wanted[symbol]).max() < 1e-13


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("freeze", "n_frozen"), [("1", 1), ("2", 2), ("hidden", 2), ("0", 0)])
def test_frozen_layers_do_not_change_by_a_bit(method, freeze, n_frozen, target):
    transfer(target, "../trained", f"freeze={freeze}", ("method=adamw", f"method={method}"), ("TION 0.001", "TION 0.1"))
    assert main([]) == 0
    source = torch.load("../trained/model.restart", weights_only=True)
    parts = torch.split(source["progress"]["best"], [value.numel() for value in source["model"].values()])
    for part, (name, value) in zip(parts, torch.load(TRANSFERRED, weights_only=True)["model"].items(), strict=True):
        layer = int(re.search(r"_F(\d)\.", name)[1])
        assert torch.equal(part, value.flatten()) == (layer <= n_frozen), name


@pytest.mark.usefixtures("target")
def test_frozen_layers_keep_their_state_of_the_optimizer_at_zero():
    assert main([]) == 0
    state = torch.load(TRANSFERRED, weights_only=True)
    names = list(state["model"])
    for number, arrays in state["optimizer"]["state"].items():
        frozen = "_F1." in names[number]
        assert (abs(arrays["exp_avg"]).max().item() == 0) == frozen


@pytest.mark.parametrize("more", ["", "EMA 0.9\nPATIENCE 2\nSCHEDULE plateau patience=1\nCHECKPOINT 1"])
@pytest.mark.parametrize("after", [1, 4])
def test_an_interrupted_transfer_resumes_without_a_trace(more, after, target, capsys, monkeypatch):
    edited(target, ("VERBOSE", f"VERBOSE\n{more}"))
    assert main([]) == 0
    wanted = listing(target)
    for name in wanted:
        if name.startswith(("model", "energies", "forces", "train.error")) or name.endswith("transfered.ascii"):
            Path(name).unlink()
    interrupt_after(after, monkeypatch)
    capsys.readouterr()
    assert main([]) == 0
    assert f"{TRANSFERRED} and the potentials are saved" in capsys.readouterr().err
    shutil.rmtree("../trained")  # all that is needed has been kept
    assert main([]) == 0
    found, restarts = listing(target), []
    Path("theirs").write_bytes(wanted.pop(TRANSFERRED))
    del found[TRANSFERRED]
    restarts = [torch.load(path, weights_only=True) for path in (TRANSFERRED, "theirs")]
    assert found == wanted
    assert same(*restarts)


def test_a_second_run_continues(target):
    edited(target, ("ITERATIONS 3", "ITERATIONS 6"))
    assert main([]) == 0
    wanted = networks_of("*.transfered.ascii")
    Path(TRANSFERRED).unlink()
    edited(target, ("ITERATIONS 6", "ITERATIONS 3"))
    assert main([]) == 0
    assert main([]) == 0
    found = networks_of("*.transfered.ascii")
    assert all((found[symbol].weights == wanted[symbol].weights).all() for symbol in SYMBOLS)


def test_layers_thawed_in_a_second_run(target):
    assert main([]) == 0
    before = torch.load(TRANSFERRED, weights_only=True)["model"]
    edited(target, ("source=../trained", "source=../trained freeze=0"))
    assert main([]) == 0
    after = torch.load(TRANSFERRED, weights_only=True)["model"]
    assert not any(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("energies", [None, {"Cu": -1300.5, "Au": -880.0, "O": -432.5, "H": -13.6}])
@pytest.mark.parametrize("energy", ["align", "source"])
def test_errors_before_the_first_epoch_are_those_of_predict(energy, energies, target, capsys):
    """With the source's potentials and the shifts stated, for other atomic energies as well."""
    for path in target.glob("cluster.train*"):
        path.unlink()
    generated(target, "cluster.train", SYMBOLS, energies)
    transfer(target, "../trained", f"energy={energy}", ("cluster.train.ascii", "cluster.train"))
    capsys.readouterr()
    assert main([]) == 0
    said = capsys.readouterr()
    assert ("are not those that the source was trained with" in said.err) == (energies is not None)
    report = said.out
    added = {symbol: float(row[3]) for symbol, row in shifts_of(report).items()}
    if energy == "source" and energies is None:
        assert all(value == 0 for value in added.values())

    paths = {
        part: [line.split()[-1] for line in Path(f"energies.{part}").read_text().splitlines()]
        for part in ("train", "test")
    }
    everything = [*paths["train"], *paths["test"]]
    networks = "".join(f"{symbol} ../trained/{symbol}.pytorch.nn.ascii\n" for symbol in SYMBOLS)
    types = "".join(f"{symbol}\n" for symbol in SYMBOLS)
    Path("predict.in").write_text(f"TYPES\n4\n{types}\nNETWORKS\n{networks}\nFORCES\n")
    assert predict.main(["predict.in", *everything]) == 0
    output = capsys.readouterr().out
    predicted = [float(value) for value in re.findall(r"Total energy +: +(\S+) eV", output)]
    blocks = re.findall(r"^ ((?:Cu|Au|O|H) +-?\d.*)$", output, flags=re.MULTILINE)
    forces = np.array([row.split()[4:7] for row in blocks], dtype=float)
    errors, squares, start = {"train": [], "test": []}, {"train": [], "test": []}, 0
    with_forces = {part: re.findall(r"#.* (\S+)$", Path(f"forces.{part}").read_text(), re.M) for part in errors}
    for number, path in enumerate(everything):
        rows = [
            line.split() for line in Path(path).read_text().splitlines() if len(line.split()) == 7 and line[0] != "#"
        ]
        part = "train" if number < len(paths["train"]) else "test"
        reference = float(re.search(r"energy = (\S+)", Path(path).read_text())[1])
        shifted = predicted[number] + sum(added[row[0]] for row in rows)
        errors[part].append((shifted - reference) / len(rows))
        here = forces[start : start + len(rows)]
        start += len(rows)
        if path in with_forces[part]:
            wanted = np.array([row[4:] for row in rows], dtype=float)
            squares[part] += ((here - wanted) ** 2).sum(axis=1).tolist()
    found = errors_of(report)
    for place, part in enumerate(("train", "test")):
        assert np.sqrt(np.mean(np.square(errors[part]))) == pytest.approx(found["energies"][place], abs=1e-7)
        assert np.sqrt(np.mean(squares[part])) == pytest.approx(found["forces"][place], abs=2e-6)
    if energy == "align":
        assert abs(np.mean(errors["train"])) < 1e-8  # unbiased


@pytest.mark.usefixtures("target")
def test_the_potentials_give_the_energies_that_were_saved(capsys):
    assert main([]) == 0
    lines = [line.split() for line in Path("energies.train").read_text().splitlines()]
    networks = "".join(f"{symbol} {symbol}.pytorch.nn.transfered.ascii\n" for symbol in SYMBOLS)
    Path("predict.in").write_text("TYPES\n4\nCu\nAu\nO\nH\n\nNETWORKS\n" + networks)
    capsys.readouterr()
    assert predict.main(["predict.in", *(str(CLUSTER / line[-1]) for line in lines)]) == 0
    cohesive = re.findall(r"Cohesive energy +: +(\S+) eV", capsys.readouterr().out)
    assert np.array(cohesive, float) == pytest.approx([float(line[2]) for line in lines], abs=1e-6)


def test_fewer_species_in_another_order(target, trained):
    generated(target, "less.train", ("H", "Cu", "O"))
    change = ("cluster.train.ascii", "less.train")
    transfer(target, "../trained", "freeze=0", change, ("lr=0.001", "lr=0"))
    deck = Path("train.in").read_text().split("NETWORKS")[0]
    networks = "".join(f"{symbol} {symbol}.pytorch.nn 2 10:tanh 10:tanh\n" for symbol in ("H", "O", "Cu"))
    Path("train.in").write_text(f"{deck}NETWORKS\n{networks}")
    assert main([]) == 0
    for symbol in ("H", "O", "Cu"):
        theirs = potential.read(str(trained / f"{symbol}.pytorch.nn.ascii"))
        ours = potential.read(f"{symbol}.pytorch.nn.transfered.ascii")
        assert (ours.network.weights == theirs.network.weights).all()
        assert ours.training.types == ("H", "O", "Cu")
        assert ours.training.scale == theirs.training.scale
        assert (ours.statistics.mean == theirs.statistics.mean).all()
        assert (ours.statistics.low <= theirs.statistics.low).all()
        assert (ours.statistics.high >= theirs.statistics.high).all()


@pytest.mark.parametrize("energy", ["align", "source", "target"])
def test_a_new_species(energy, target, capsys):
    Path("../trained/Au.pytorch.nn.ascii").unlink()
    before = listing(target)
    assert main([]) == 1
    assert "Au.pytorch.nn.ascii: no such file (Au); each species needs a potential" in capsys.readouterr().err
    assert listing(target) == before
    transfer(target, "../trained", f"freeze=hidden new=random energy={energy}")
    assert main([]) == 0
    rows = shifts_of(capsys.readouterr().out)
    assert rows["Au"][1] == "0"
    assert rows["Cu"][1] == "2"
    assert rows["Au"][-2:] == ["new,", "random"]
    assert (rows["Cu"][3] == "0.00000000") == (energy == "source")
    source = torch.load("../trained/model.restart", weights_only=True)["progress"]["best"]
    ours = torch.load(TRANSFERRED, weights_only=True)["model"]
    parts = dict(zip(ours, torch.split(source, [value.numel() for value in ours.values()]), strict=True))
    for name, value in ours.items():
        frozen = "_Sp2_" not in name and "_F3." not in name
        assert torch.equal(value.flatten(), parts[name]) == frozen


def test_energies_of_the_target(target):
    """Scale and shift are those of a training from scratch."""
    transfer(target, "../trained", "energy=target")
    assert main([]) == 0
    found = potential.read("Cu.pytorch.nn.transfered.ascii").training
    assert (found.scale, found.shift) == (2 / (found.high - found.low), 0.5 * (found.high + found.low))


def test_a_transfer_of_a_transfer(target, monkeypatch, trained):
    assert main([]) == 0
    second = target.parent / "second"
    second.mkdir()
    for path in trained.glob("cluster.train*"):
        shutil.copyfile(path, second / path.name)
    transfer(second, f"../target/{TRANSFERRED}", "freeze=0 energy=source", ("lr=0.001", "lr=0"))
    first = listing(target)
    monkeypatch.chdir(second)
    assert main([]) == 0
    for name in ("Cu.pytorch.nn.transfered.ascii", "H.pytorch.nn.transfered.ascii", "energies.test", "forces.test"):
        assert Path(name).read_bytes() == first[name]


def test_batches_saved_before(target):
    assert main([]) == 0
    wanted = {name: content for name, content in listing(target).items() if name.endswith(("ascii", ".error"))}
    Path(TRANSFERRED).unlink()
    edited(target, ("MODE transfer\nTRANSFER\nsource=../trained", "MODE batches\n! source=../trained"))
    assert main([]) == 0
    transfer(target, "../trained", "", ("VERBOSE", "VERBOSE\nLOAD_BATCHES"))
    assert main([]) == 0
    assert {name: content for name, content in listing(target).items() if name in wanted} == wanted


BAD = [
    ("source=../none", "source=../none: no such folder or file; give the folder of another training"),
    ("source=../trained/Cu.pytorch.nn.ascii", "Cu.pytorch.nn.ascii: not a state of these networks"),
    ("source=..", "../Cu.pytorch.nn.ascii: no such file (Cu); each species needs a potential, or new=random"),
    ("source=.. new=random", "source=..: has no potential for any species"),
    ("freeze=3", "freeze=3 leaves nothing to train in the 3 layers of Cu; use a smaller number, or hidden"),
    ("freeze=all", "train.in:18: found freeze=all; expected a number of layers, or hidden"),
    ("energy=mine", "train.in:18: found energy=mine; expected align or source or target"),
    ("features=target", "train.in:18: found features=target; expected source"),
    ("new=zero", "train.in:18: found new=zero; expected random"),
    ("from=..", "train.in:18: found 'from' after TRANSFER; expected source= and freeze="),
]


@pytest.mark.parametrize(("settings", "message"), BAD)
def test_settings_that_are_wrong(settings, message, target, capsys):
    source = "" if settings.startswith("source") else "source=../trained "
    edited(target, ("source=../trained", source + settings))
    refused(message, target, capsys)


def refused(message: str, folder: Path, capsys) -> None:
    """One line, status 1, nothing written."""
    before = listing(folder.parent)
    capsys.readouterr()
    assert main([]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if not line.startswith(("Up to", "Warning"))]
    assert len(errors) == 1
    assert message in errors[0]
    assert listing(folder.parent) == before


def test_settings_on_one_line(target):
    edited(target, ("TRANSFER\nsource", "TRANSFER source"))
    assert main([]) == 0


def test_transfer_without_its_mode(target, capsys):
    edited(target, ("MODE transfer", "MODE train"))
    refused("train.in:17: found TRANSFER in MODE train; expected MODE transfer", target, capsys)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("Cu.pytorch.nn   2 10:tanh 10:tanh", "Cu.pytorch.nn   1 10:tanh"), "the network of Cu is 10:tanh, but that"),
        (("H.pytorch.nn   2 10:tanh", "H.pytorch.nn   2 10:sigmoid"), "the network of H is 10:sigmoid 10:tanh, but"),
    ],
)  # fmt: skip
def test_other_networks(change, message, target, capsys):
    edited(target, change)
    refused(message, target, capsys)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("radial_N = 15", "radial_N = 14"), "the .stp of O has 'radial_Rc = 8 radial_N = 14 "),
        (("radial_Rc = 8.0", "radial_Rc = 7.99"), "the .stp of O has 'radial_Rc = 7.99 "),
        (("Cu\nAu\nO\nH", "Cu\nAu\nH\nO"), "the .stp of O has 'ENV 4: Cu Au H O', but ../trained"),
        (("ENV 4\nCu\nAu\nO\nH", "ENV 5\nAg\nCu\nAu\nO\nH"), "the .stp of O has 'ENV 5: Ag Cu Au O H', but ../trained"),
    ],
)  # fmt: skip
def test_other_features(change, message, target, capsys):
    for path in target.glob("cluster.train*"):
        path.unlink()
    generated(target, "first.train", SYMBOLS)
    text = (target / "O.stp").read_text()
    assert change[0] in text
    (target / "O.stp").write_text(text.replace(*change))
    deck = (target / "generate.in").read_text().replace("first.train", "cluster.train")
    (target / "generate.in").write_text(deck)
    assert generate.main(["generate.in"]) == 0
    edited(target, ("cluster.train.ascii", "cluster.train"))
    capsys.readouterr()
    refused(f"cluster.train: {message}", target, capsys)


def test_files_that_do_not_belong_together(target, capsys):
    source = target.parent / "trained"
    text = (source / "Cu.pytorch.nn.ascii").read_text()
    scale = repr(potential.read(str(source / "Cu.pytorch.nn.ascii")).training.scale)
    (source / "Cu.pytorch.nn.ascii").write_text(text.replace(f"\n{scale}\n", "\n3.5\n"))
    refused("Au.pytorch.nn.ascii: its energy scale is ", target, capsys)
    (source / "Cu.pytorch.nn.ascii").write_bytes((source / "Au.pytorch.nn.ascii").read_bytes())
    refused("Cu.pytorch.nn.ascii: this potential is for 'Au'; expected one for 'Cu'", target, capsys)
    (source / "Cu.pytorch.nn.ascii").write_text(text[:5000])
    refused("Cu.pytorch.nn.ascii:", target, capsys)
    (source / "Cu.pytorch.nn.ascii").write_text(text)
    shutil.copyfile(CLUSTER / "train-forces-adamw/expected/model.restart", source / "model.restart")
    refused(
        "model.restart: does not have the weights of ../trained/Cu.pytorch.nn.ascii; both must be of", target, capsys
    )


@pytest.mark.parametrize("change", ["energy=source", "new=random"])
def test_a_transfer_is_not_resumed_with_other_settings(change, target, capsys):
    assert main([]) == 0
    edited(target, ("source=../trained", f"source=../trained {change}"))
    refused(f"but {TRANSFERRED} was started with", target, capsys)


def test_the_state_of_no_transfer(target, capsys):
    shutil.copyfile("../trained/model.restart", TRANSFERRED)
    refused(f"{TRANSFERRED}: not the state of a transfer with TRANSFER; move it away", target, capsys)


def test_a_source_from_before_the_angular_features_changed(target, capsys):
    path = target.parent / "trained" / "O.pytorch.nn.ascii"
    source = potential.read(str(path))
    averages = source.statistics.mean.copy()
    averages[17] = -1.5 * averages[16]  # of T_1 against T_0, as only the old domain has it
    old = dataclasses.replace(source, statistics=dataclasses.replace(source.statistics, mean=averages))
    path.write_bytes(potential.to_trainer_text(old))
    refused("the angular features of ../trained/O.pytorch.nn.ascii are those of ænet before 2.0.4", target, capsys)
