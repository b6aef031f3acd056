"""Structures straight into training: the same results as through the files of generate.x, bit for bit."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from aenet_py.cli import aenet, generate
from aenet_py.cli.aenet_pytorch import main
from aenet_py.formats import trainset
from aenet_py.formats.source import unwatched
from aenet_py.inputs import train as inputs
from aenet_py.training import memory_estimate
from aenet_py.training.data import batches, dataset, direct, sets
from compat_tests.cases.test_state import WATCHING, executed
from compat_tests.cli.cases import listing
from compat_tests.cli.test_recompute import DECK, NETWORKS, check_close, left, made, refusing_layouts, with_gradients
from compat_tests.cli.test_train import interrupt_after, same
from compat_tests.cli.test_train_ranks import compare, ended, start

CASES = [*NETWORKS, "per-species-setups", "three-species-long-angular", "edges"]
CLUSTER = "cluster-cuau-h2o"


def prepared(folder: Path, name: str, percent: str, monkeypatch) -> str:
    """A case's training set in the current folder and a deck for it, whose text is returned."""
    monkeypatch.setitem(NETWORKS, name, "")
    made(folder, name, percent, monkeypatch)
    lines = Path("set.in").read_text().split("\n")
    begin = next(n for n, line in enumerate(lines) if line.strip().lower() == "types")
    symbols = [line.split()[0] for line in lines[begin + 2 : begin + 2 + int(lines[begin + 1])]]
    deck = DECK + "".join(f"{symbol} {symbol}.nn 1 5:tanh\n" for symbol in reversed(symbols))
    Path("train.in").write_text(deck)
    return deck


def with_structures(deck: str, more: str = "FORCESPERCENT 50\nFORCESSEED 5\n") -> str:
    """The deck with the structures of set.in in place of the training set."""
    sections = re.sub(r"(?im)^ *(output|forces\w*|timing|debug)\b.*\n", "", Path("set.in").read_text())
    return f"{sections}\n{more}" + re.sub(r"(?m)^TRAININGSET .*\n", "", deck)


def through_files() -> tuple[dict[str, bytes], dict]:
    """Results of the training by the deck, and its state; both are removed, and so is the training set."""
    assert main([]) == 0
    wanted, state = left(), torch.load("model.restart")
    for name in ("set.train", "set.train.forces", "model.restart", *wanted):
        Path(name).unlink(missing_ok=True)
    return wanted, state


def check(wanted: dict[str, bytes], state: dict, name: str = "train.in") -> None:
    """A training by the deck has the same results; potentials name the structures in place of the training set."""
    assert main([]) == 0
    assert left() == {path: content.replace(b"set.train", name.encode()) for path, content in wanted.items()}
    found = torch.load("model.restart")
    for stored in (found, state):
        stored["split"]["settings"] = {
            name: value for name, value in stored["split"]["settings"].items() if not name.startswith("FORCES")
        }
    assert same(found, state)


@pytest.mark.parametrize("name", CASES)
def test_the_same_training_bit_for_bit(name, tmp_path, monkeypatch):
    deck = prepared(tmp_path, name, "50", monkeypatch)
    wanted, state = through_files()
    assert len(wanted) >= 6
    Path("train.in").write_text(with_structures(deck))
    before = {*listing(Path())}
    check(wanted, state)
    assert {*listing(Path())} - before == {"model.restart", *wanted}


@pytest.mark.parametrize("name", CASES)
def test_the_same_training_set(name, tmp_path, monkeypatch):
    """Every value of the file."""
    deck = prepared(tmp_path, name, "50", monkeypatch)
    Path("train.in").write_text(with_structures(deck))
    given = inputs.read("train.in")
    listed = direct.sources("train.in", given.structures, unwatched)
    included = direct.read(given, listed, 2, pytest.fail if name != "edges" else [].append, pytest.fail, unwatched)
    found, wanted = direct.features(included, 2, unwatched).training_set, trainset.read("set.train")
    assert found.header == wanted.header
    assert found.structures.entries == wanted.structures.entries
    assert (found.structures.starts == wanted.structures.starts).all()
    for field in dataclasses.fields(wanted.structures.atoms):
        one, other = (getattr(of.structures.atoms, field.name) for of in (found, wanted))
        assert (one.dtype, one.tolist()) == (other.dtype, other.tolist()), field.name
    assert (found.footer.n_atoms, found.footer.energies) == (wanted.footer.n_atoms, wanted.footer.energies)
    for ours, theirs in (
        *zip(found.footer.setups, wanted.footer.setups, strict=True),
        *zip(found.footer.statistics, wanted.footer.statistics, strict=True),
    ):
        for field in dataclasses.fields(theirs):
            one, other = getattr(ours, field.name), getattr(theirs, field.name)
            if isinstance(other, str):
                assert one.strip() == other.strip()
            else:
                assert np.array_equal(one, other), field.name


@pytest.mark.parametrize("memory_mode", ["cpu", "recompute"])
def test_nothing_is_imported_while_torch_is(memory_mode, tmp_path, monkeypatch):
    """Two threads that import the same modules may see incomplete ones."""
    deck = prepared(tmp_path, CLUSTER, "50", monkeypatch)
    Path("train.in").write_text(with_structures(deck, f"MEMORY_MODE {memory_mode}\n"))
    done = executed(WATCHING, Path.cwd())
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[3:] == [""]  # after the notes


@pytest.mark.parametrize("memory_mode", ["gpu", "disk", "recompute"])
@pytest.mark.parametrize("name", [CLUSTER, "behler2011"])
def test_other_places_for_gradients(memory_mode, name, tmp_path, monkeypatch):
    with_gradients(monkeypatch)
    deck = prepared(tmp_path, name, "50", monkeypatch)
    wanted, state = through_files()
    Path("train.in").write_text(with_structures(deck).replace("MEMORY_MODE cpu", f"MEMORY_MODE {memory_mode}"))
    check(wanted, state)


@pytest.mark.parametrize("line", ["", "MEMORY_MODE auto"])
def test_gradients_that_may_not_fit(line, tmp_path, monkeypatch, capsys):
    """They are kept if there is room, and otherwise forces are summed without them, which differs by rounding."""
    deck = prepared(tmp_path, CLUSTER, "50", monkeypatch)
    wanted, state = through_files()
    Path("train.in").write_text(with_structures(deck).replace("MEMORY_MODE cpu", line))
    check(wanted, state)
    assert "Gradients are kept in memory, up to 0.00 GB (MEMORY_MODE auto).\n" in capsys.readouterr().err
    for name in ("model.restart", *wanted):
        Path(name).unlink()
    rooms = iter([5e8, 4.001e8, 5e8])
    monkeypatch.setattr(memory_estimate, "memory", SimpleNamespace(available=rooms.__next__))
    monkeypatch.setattr(direct, "gradients", pytest.fail)
    assert main([]) == 0
    check_close(left(), {name: content.replace(b"set.train", b"train.in") for name, content in wanted.items()})
    message = "Gradients are not kept; up to 0.00 GB would not fit into memory (MEMORY_MODE auto).\n"
    assert message in capsys.readouterr().err


def test_energies_only(tmp_path, monkeypatch):
    deck = prepared(tmp_path, CLUSTER, "50", monkeypatch).replace("FORCES\nalpha=0.3\n", "")
    Path("train.in").write_text(deck)
    wanted, state = through_files()
    Path("train.in").write_text(with_structures(deck, "").replace("MEMORY_MODE cpu", ""))
    monkeypatch.setattr(direct, "gradients", pytest.fail)
    check(wanted, state)


def test_all_forces_by_default(tmp_path, monkeypatch):
    deck = prepared(tmp_path, CLUSTER, "100", monkeypatch)
    wanted, state = through_files()
    Path("train.in").write_text(with_structures(deck, ""))
    check(wanted, state)


def test_frames_of_a_file(tmp_path, monkeypatch):
    """TRAININGSET names it; the potentials do, too."""
    deck = prepared(tmp_path, CLUSTER, "50", monkeypatch)
    assert aenet.main(["convert", "xsf", "all.extxyz.gz"]) == 0
    Path("set.train").unlink()
    text = Path("set.in").read_text().partition("FILES")[0]
    Path("set.in").write_text(text + "FILES\n1\nall.extxyz.gz\n")
    assert generate.main(["set.in"]) == 0
    wanted, state = through_files()
    sections = with_structures(deck).replace("FILES\n1\nall.extxyz.gz\n", "TRAININGSET all.extxyz.gz\n")
    assert "FILES" not in sections
    Path("train.in").write_text(sections)
    check(wanted, state, "all.extxyz.gz")


def labelled() -> None:
    """Structures with several energies and forces, in all.extxyz."""
    assert aenet.main(["convert", "xsf", "one.extxyz"]) == 0
    text = Path("one.extxyz").read_text().replace("forces:R:3", "REF_forces:R:3:forces:R:3")
    text = text.replace("energy=", "energy=-1.0 REF_energy=")
    rows = [line + " 0.0 0.0 0.0" if len(line.split()) == 7 else line for line in text.splitlines()]
    Path("all.extxyz").write_text("\n".join(rows) + "\n")


def test_choice_of_labels_and_structures(tmp_path, monkeypatch):
    """ENERGYKEY, FORCESKEY and FORCESLIST as in generate.in."""
    deck = prepared(tmp_path, CLUSTER, "50", monkeypatch)
    labelled()
    Path("list.txt").write_text("2, 3 5\n13\n")
    text = re.sub(r"(?m)^FORCES.*\n", "", Path("set.in").read_text().partition("FILES")[0])
    keys = "ENERGYKEY REF_energy\nFORCESKEY REF_forces\n"
    Path("set.in").write_text(f"{text}{keys}FORCESLIST list.txt\nFILES\n2\nall.extxyz#13\nall.extxyz\n")
    Path("set.train").unlink()
    assert generate.main(["set.in"]) == 0
    wanted, state = through_files()
    Path("train.in").write_text(with_structures(deck, "FORCESLIST list.txt\n"))
    check(wanted, state)


def test_structures_that_are_left_out(tmp_path, monkeypatch, capsys):
    """Those with too many species count for the choice of forces; those above MAXENERGY and MAXFORCES do not train."""
    deck = prepared(tmp_path, CLUSTER, "50", monkeypatch)
    text = Path("xsf/s002.xsf").read_text()
    fifth = text.replace("Cu ", "Ag ", 1).replace("Cu ", "Ni ", 1)
    Path("xsf/more.xsf").write_text(fifth)
    Path("set.in").write_text(Path("set.in").read_text().replace("FILES\n14\n", "FILES\n15\nxsf/more.xsf\n"))
    Path("set.train").unlink()
    assert generate.main(["set.in"]) == 0
    assert main([]) == 0
    tables = Path("energies.train").read_text() + Path("energies.test").read_text()
    energies = sorted(float(line.split()[3]) for line in tables.splitlines())
    assert len(energies) == 14
    deck = f"MAXENERGY {energies[9]}\nMAXFORCES 1.0\n{deck}"
    Path("train.in").write_text(deck)
    Path("model.restart").unlink()
    wanted, state = through_files()
    Path("train.in").write_text(with_structures(deck))
    capsys.readouterr()
    check(wanted, state)
    warning = "Warning: train.in: 1 structure with more species than TYPES lists left out, as by generate.x\n"
    assert warning in capsys.readouterr().err


def test_gradients_of_another_form(tmp_path, monkeypatch):
    """Gradients that do not fit the layout are kept in full."""
    deck = prepared(tmp_path, "periodic-small-cell", "50", monkeypatch)
    Path("train.in").write_text(with_structures(deck))
    calls = refusing_layouts(monkeypatch)
    assert main([]) == 0
    assert {0, 1} <= set(calls)


def test_interrupted_and_resumed(tmp_path, monkeypatch):
    deck = prepared(tmp_path, CLUSTER, "50", monkeypatch)
    wanted, state = through_files()
    Path("train.in").write_text(with_structures(deck))
    with monkeypatch.context() as patch:
        interrupt_after(2, patch)
        assert main([]) == 0
    assert not Path("energies.train").exists()
    check(wanted, state)


def test_transfer(tmp_path, monkeypatch):
    deck = prepared(tmp_path, CLUSTER, "50", monkeypatch)
    assert main([]) == 0
    Path("source").mkdir()
    for path in (Path("model.restart"), *Path().glob("*.nn.ascii")):
        shutil.move(path, Path("source", path.name))
    deck = deck.replace("METHOD\n", "MODE transfer\nTRANSFER\nsource=source energy=align\nMETHOD\n")
    Path("train.in").write_text(deck)
    assert main([]) == 0

    def results() -> dict[str, bytes]:
        names = ("*.nn.transfered.ascii", "train.error", "energies.*", "forces.*")
        return {path.name: path.read_bytes() for name in names for path in Path().glob(name)}

    wanted = results()
    assert len(wanted) == 9
    Path("model.transfered.restart").unlink()
    Path("set.train").unlink()
    Path("train.in").write_text(with_structures(deck))
    assert main([]) == 0
    assert results() == {path: content.replace(b"set.train", b"train.in") for path, content in wanted.items()}


@pytest.mark.mpi
@pytest.mark.parametrize("memory_mode", ["auto", "recompute"])
def test_two_processes(memory_mode, tmp_path, monkeypatch):
    """Each has the features and the gradients, or pairs, of its own structures only."""
    deck = prepared(tmp_path, CLUSTER, "50", monkeypatch)
    folder = tmp_path / "two"
    shutil.copytree(Path(), folder, ignore=shutil.ignore_patterns("set.train*", "*.nn.ascii", "*.restart", "*.t*"))
    text = with_structures(deck).replace("MEMORY_MODE cpu", f"MEMORY_MODE {memory_mode}")
    for each in (Path(), folder):
        (each / "train.in").write_text(text)
    assert main([]) == 0
    what = "recompute.Recomputed.packed" if memory_mode == "auto" else "pairs._listed"
    counting = (
        "from aenet_py.training.data import pairs, recompute\n"
        f"one, numbers = {what}, []\n"
        f"{what} = lambda *given: (numbers.append(1), print(len(numbers)), one(*given))[-1]\n"
        "from aenet_py.training.data import dataset\n"
        "prepare = dataset.prepare\n"
        "def prepared(*given):\n"
        "    data = prepare(*given)\n"
        "    print(f'{sum(map(len, data.structures.features))}/{data.structures.first_atoms[-1]}')\n"
        "    return data\n"
        "dataset.prepare = prepared"
    )
    statuses, said, errors = ended(start(folder, patch=counting))
    assert statuses == [0, 0], errors
    *numbers, kept = said[1].split()
    assert 0 < max(map(int, numbers)) < 7
    n_kept, n_all = map(int, kept.split("/"))
    assert 0.3 < n_kept / n_all < 0.7
    compare(folder, Path())


def refused(message: str, capsys) -> None:
    before = listing(Path())
    capsys.readouterr()
    assert main([]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert message in error
    assert listing(Path()) == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("TYPES\n4\n", "TYPE\n4\n", "train.in:2: no TYPES found; expected 'TYPES', the number of species, and"),
        ("SETUPS\n", "SETUP\n", "train.in:9: found 'SETUP'; expected a keyword, did you mean SETUPS?"),
        (
            "SETUPS\nCu  Cu.stp\nAu  Au.stp\nO  O.stp\nH  H.stp\n",
            "",
            "train.in: no SETUPS found; expected 'SETUPS' and o",
        ),
        ("FILES\n14\n", "FILES\n15\n", "expected an XSF or extended XYZ file, or an ASE dat"),
        ("FILES\n14\n", "FILES\nxsf/s001.xsf\n", "found 'xsf/s001.xsf' after FILES; expected a number of lines"),
        ("xsf/s003.xsf", "xsf/s033.xsf", "found 'xsf/s033.xsf', which does not exist; expected an XSF or extended XYZ"),
        ("Cu.stp", "Cu2.stp", "train.in:10: found 'Cu2.stp', which does not exist; expected a fingerprint set-up file"),
        ("Cu  Cu.stp", "Cu  Au.stp", "Au.stp: this set-up is for 'Au'; expected one for 'Cu'"),
        ("Cu  Cu.stp", "Ag  Cu.stp", "train.in:10: SETUPS names 'Ag'; expected one of the species of TYPES"),
        ("Cu  -1308.9", "Cu", "train.in:4: found 'Cu' in TYPES; expected '<symbol> <atomic energy in eV>'"),
        ("Cu Cu.nn 1 5:tanh\n", "", "train.in: no network for Cu, a species in train.in; add it to NETWORKS"),
        ("TESTPERCENT 20", "TRAININGSET set.train\nTESTPERCENT 20", "found FILES and TRAININGSET set.train; expected"),
        (
            "TESTPERCENT 20",
            "SAVE_BATCHES\nTESTPERCENT 20",
            "found SAVE_BATCHES with structures; expected a TRAIN",
        ),
        (
            "TESTPERCENT 20",
            "MODE batches\nTESTPERCENT 20",
            "found MODE batches with structures; expected a TRAIN",
        ),
        ("TESTPERCENT 20", "FORCESLIST a.txt\nTESTPERCENT 20", "found 'a.txt', which does not exist; expected a list"),
    ],
)
def test_decks_that_make_no_sense(old, new, message, tmp_path, monkeypatch, capsys):
    deck = with_structures(prepared(tmp_path, CLUSTER, "50", monkeypatch))
    assert old in deck
    Path("train.in").write_text(deck.replace(old, new))
    refused(message, capsys)


def test_a_potential_with_the_name_of_a_structure(tmp_path, monkeypatch):
    """Its file is NAME.ascii, which replaces no structure."""
    deck = with_structures(prepared(tmp_path, CLUSTER, "50", monkeypatch))
    before = Path("xsf/s001.xsf").read_bytes()
    Path("train.in").write_text(deck.replace("Cu.nn 1", "xsf/s001.xsf 1"))
    assert main([]) == 0
    assert Path("xsf/s001.xsf").read_bytes() == before
    assert Path("xsf/s001.xsf.ascii").exists()


def test_structures_without_set_ups(tmp_path, monkeypatch, capsys):
    deck = prepared(tmp_path, CLUSTER, "50", monkeypatch)
    Path("train.in").write_text(deck.replace("TRAININGSET set.train", "TRAININGSET all.xyz"))
    refused("train.in:1: found structures, all.xyz, after TRAININGSET; expected TYPES and SETUPS with them", capsys)


def test_auto_with_a_training_set(tmp_path, monkeypatch, capsys):
    deck = prepared(tmp_path, CLUSTER, "50", monkeypatch)
    Path("train.in").write_text(deck.replace("MEMORY_MODE cpu", "MEMORY_MODE auto"))
    refused("train.in:7: found MEMORY_MODE auto with a training set; expected TYPES and SETUPS", capsys)


def test_results_that_would_replace_structures(tmp_path, monkeypatch, capsys):
    deck = with_structures(prepared(tmp_path, CLUSTER, "50", monkeypatch))
    shutil.copyfile("xsf/s003.xsf", "energies.test")
    Path("train.in").write_text(deck.replace("xsf/s003.xsf", "energies.test"))
    refused("train.in: the results of this training would replace its input energies.test; rename one", capsys)


def test_structures_that_are_invalid(tmp_path, monkeypatch, capsys):
    """As by generate.x: another species, and a frame without an energy."""
    deck = with_structures(prepared(tmp_path, CLUSTER, "50", monkeypatch))
    Path("train.in").write_text(deck)
    path = Path("xsf/s003.xsf")
    text = path.read_text()
    path.write_text(text.replace("Cu ", "Ag "))
    refused("xsf/s003.xsf:4: found species 'Ag'; expected the species of TYPES: Cu Au O H", capsys)
    path.write_text(text)
    assert aenet.main(["convert", "xsf", "all.extxyz"]) == 0
    frames = Path("all.extxyz").read_text()
    Path("all.extxyz").write_text(frames.replace("energy=", "charge=", 1))
    Path("train.in").write_text(deck.partition("FILES")[0] + "FILES\n1\nall.extxyz\n" + deck.partition("s013.xsf\n")[2])
    refused("all.extxyz#0: no energy found; expected a total energy in eV", capsys)


def test_memory_that_does_not_suffice(tmp_path, monkeypatch, capsys):
    """Before features, and before gradients."""
    deck = with_structures(prepared(tmp_path, CLUSTER, "50", monkeypatch))
    Path("train.in").write_text(deck)
    for rooms in ([1e3], [5e8, 4.001e8]):
        given = iter(rooms)
        monkeypatch.setattr(memory_estimate, "memory", SimpleNamespace(available=given.__next__))
        refused("train.in: this training needs up to 0.40 GB of memory", capsys)


@pytest.mark.parametrize("memory_mode", ["cpu", "recompute"])
def test_features_of_large_sets(memory_mode, tmp_path, monkeypatch):
    """In double precision while they are used only, with the same results."""
    deck = prepared(tmp_path, CLUSTER, "50", monkeypatch)
    Path("train.in").write_text(with_structures(deck).replace("MEMORY_MODE cpu", f"MEMORY_MODE {memory_mode}"))
    assert main([]) == 0
    wanted, state = left(), torch.load("model.restart")
    Path("model.restart").unlink()
    for module in (batches, direct):
        monkeypatch.setattr(module, "LARGE", 0)
    monkeypatch.setattr(batches.LateFeatures, "read", counted := Counted(batches.LateFeatures.read))
    check(wanted, state)
    assert counted.calls > 10


def test_features_of_large_files(tmp_path, monkeypatch):
    """The same, read from a training set, of which some structures are left out."""
    deck = prepared(tmp_path, "edges", "50", monkeypatch)
    per_atom = sorted(entry.energy / entry.n_atoms for entry in trainset.read("set.train").structures.entries)
    Path("train.in").write_text(f"MAXENERGY {per_atom[-1] - 1e-3}\n{deck}")
    assert main([]) == 0
    wanted, state = left(), torch.load("model.restart")
    Path("model.restart").unlink()
    for module in (batches, dataset, sets):
        monkeypatch.setattr(module, "LARGE", 0)
    assert main([]) == 0
    assert left() == wanted
    assert same(torch.load("model.restart"), state)


class Counted:
    """A method that counts its calls."""

    def __init__(self, method):
        self.method, self.calls = method, 0

    def __get__(self, of, _):
        def call():
            self.calls += 1
            return self.method(of)

        return call
