"""MEMORY_MODE recompute: the same training, without a file of gradients."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from aenet_py.cli import aenet, generate
from aenet_py.cli.aenet_pytorch import main
from aenet_py.training.data import packing, pairs, recompute
from compat_tests.cli.cases import FIXTURES, copy_case, listing

NETWORKS = {
    "cluster-cuau-h2o": "Cu Cu.nn 1 5:tanh\nH H.nn 1 4:tanh\nAu Au.nn 2 3:tanh 3:tanh\nO O.nn 1 5:sigmoid\n",
    "behler2011": "Ti Ti.nn 1 5:tanh\nO O.nn 1 5:tanh\n",
    "periodic-small-cell": "O O.nn 1 5:tanh\nTi Ti.nn 1 5:tanh\n",
}
DECK = """TRAININGSET set.train
TESTPERCENT 20
ITERATIONS 3
BATCHSIZE 4
SAVE_ENERGIES
SAVE_FORCES
MEMORY_MODE cpu
FORCES
alpha=0.3
METHOD
method=adamw lr=0.01
NETWORKS
"""


def made(folder: Path, name: str, percent: str, monkeypatch) -> None:
    """A case's training set with gradients of some structures, and a deck of the trainer, in the current folder."""
    monkeypatch.chdir(copy_case(FIXTURES / name, folder / "case"))
    deck = re.sub(r"(?im)^ *(forces|forcespercent|forceslist)\b.*\n", "", Path("generate.in").read_text())
    deck = re.sub(r"(?im)^ *output .*", "OUTPUT set.train", deck)
    chosen = f"FORCES\nFORCESPERCENT {percent}\nFORCESSEED 5\n"
    Path("set.in").write_text(re.sub(r"(?im)^ *files", f"{chosen}\nFILES", deck))
    assert generate.main(["set.in"]) == 0
    Path("train.in").write_text(DECK + NETWORKS[name])


def left() -> dict[str, bytes]:
    """Files written by a training, except its state."""
    names = ("*.nn.ascii", "train.error", "energies.*", "forces.*")
    return {path.name: path.read_bytes() for name in names for path in Path().glob(name)}


def recomputing(percent: str, more: str = "") -> None:
    settings = f"MEMORY_MODE recompute\nFORCESPERCENT {percent}\nFORCESSEED 5\n{more}"
    Path("train.in").write_text(Path("train.in").read_text().replace("MEMORY_MODE cpu", settings))


def with_gradients(monkeypatch) -> None:
    """Compute gradients, as is done for symmetry functions."""
    monkeypatch.setattr(pairs, "applies", lambda *_: False)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("percent", ["100", "50"])
def test_the_same_training_bit_for_bit(name, percent, tmp_path, monkeypatch):
    with_gradients(monkeypatch)
    made(tmp_path, name, percent, monkeypatch)
    assert main([]) == 0
    wanted = left()
    assert len(wanted) >= 6
    for path in (Path("model.restart"), Path("set.train.forces"), *map(Path, wanted)):
        path.unlink()
    recomputing(percent)
    assert main([]) == 0
    assert left() == wanted


def check_close(found: dict[str, bytes], wanted: dict[str, bytes]) -> None:
    """Whether all numbers agree as far as gradients in single precision allow after some steps."""
    assert found.keys() == wanted.keys()
    for name, content in wanted.items():
        one, other = ([as_number(word) for word in of.split()] for of in (found[name], content))
        assert [x for x in one if isinstance(x, bytes)] == [x for x in other if isinstance(x, bytes)]
        both = ([x for x in of if isinstance(x, float)] for of in (one, other))
        np.testing.assert_allclose(*both, rtol=1e-5, atol=1e-6, err_msg=name)


def as_number(word: bytes) -> float | bytes:
    try:
        return float(word)
    except ValueError:
        return word


@pytest.mark.parametrize("name", ["cluster-cuau-h2o", "periodic-small-cell"])
@pytest.mark.parametrize("percent", ["100", "50"])
def test_without_gradients(name, percent, tmp_path, monkeypatch):
    """Chebyshev features need none: forces are summed over pairs, in another order."""
    made(tmp_path, name, percent, monkeypatch)
    assert main([]) == 0
    wanted = left()
    for path in (Path("model.restart"), Path("set.train.forces"), *map(Path, wanted)):
        path.unlink()
    recomputing(percent)
    monkeypatch.setattr(recompute, "gradients_of", pytest.fail)
    assert main([]) == 0
    check_close(left(), wanted)


@pytest.mark.parametrize("method", ["lm", "ekf"])
def test_methods_that_need_gradients(method, tmp_path, monkeypatch):
    made(tmp_path, "periodic-small-cell", "100", monkeypatch)
    deck = Path("train.in").read_text().replace("method=adamw lr=0.01", f"method={method}")
    Path("train.in").write_text(deck)
    assert main([]) == 0
    wanted = left()
    Path("model.restart").unlink()
    recomputing("100")
    assert main([]) == 0
    assert left() == wanted


def test_a_structure_that_is_too_large_for_pairs(tmp_path, monkeypatch):
    made(tmp_path, "periodic-small-cell", "100", monkeypatch)
    assert main([]) == 0
    wanted = left()
    Path("model.restart").unlink()
    recomputing("100")
    monkeypatch.setattr(pairs, "MOST_MEMBERS", 20)
    assert main([]) == 0
    assert left() == wanted


def test_pairs_for_which_there_is_no_room(tmp_path, monkeypatch, capsys):
    made(tmp_path, "cluster-cuau-h2o", "100", monkeypatch)
    recomputing("100")
    monkeypatch.setattr(pairs, "CHECKED", 2)
    rooms = iter([4.2e8, 1e3, 1e3])  # before the structures are read, and after
    monkeypatch.setattr("aenet_py.runtime.memory.available", lambda: next(rooms))
    refused("use fewer structures with forces, or a machine with more memory", capsys)


def check_frames(files: str) -> None:
    """The same training with gradients from their file as recomputed, on a set of other files than the case's."""
    Path("set.train").unlink()
    deck = Path("set.in").read_text().partition("FILES")[0]
    Path("set.in").write_text(deck + files)
    assert generate.main(["set.in"]) == 0
    assert main([]) == 0
    wanted = left()
    Path("model.restart").unlink()
    Path("set.train.forces").unlink()
    recomputing("100")
    assert main([]) == 0
    assert left() == wanted


def test_frames_of_a_file(tmp_path, monkeypatch):
    with_gradients(monkeypatch)
    made(tmp_path, "cluster-cuau-h2o", "100", monkeypatch)
    assert aenet.main(["convert", "xsf", "all.extxyz.gz"]) == 0
    shutil.rmtree("xsf")
    check_frames("FILES\n2\nall.extxyz.gz#13\nall.extxyz.gz\n")


def test_frames_with_several_labels(tmp_path, monkeypatch):
    """generate.x was told which to take; the training set has those forces."""
    with_gradients(monkeypatch)
    made(tmp_path, "cluster-cuau-h2o", "100", monkeypatch)
    assert aenet.main(["convert", "xsf", "one.extxyz"]) == 0
    text = Path("one.extxyz").read_text().replace("forces:R:3", "REF_forces:R:3:forces:R:3")
    text = text.replace("energy=", "energy=-1.0 REF_energy=")
    rows = [line + " 0.0 0.0 0.0" if len(line.split()) == 7 else line for line in text.splitlines()]
    Path("all.extxyz").write_text("\n".join(rows) + "\n")
    check_frames("ENERGYKEY REF_energy\nFORCESKEY REF_forces\nFILES\n1\nall.extxyz\n")


def test_structures_above_the_limits(tmp_path, monkeypatch):
    """Indices count all structures; those left out have no gradients."""
    with_gradients(monkeypatch)
    made(tmp_path, "cluster-cuau-h2o", "50", monkeypatch)
    energies = sorted(float(line.split()[3]) for line in _trained().splitlines())
    limits = f"MAXENERGY {energies[9]}\nMAXFORCES 1.0\n"
    Path("train.in").write_text(limits + Path("train.in").read_text())
    for path in (Path("model.restart"), *map(Path, left())):
        path.unlink()
    assert main([]) == 0
    wanted = left()
    Path("model.restart").unlink()
    recomputing("50")
    assert main([]) == 0
    assert left() == wanted


def _trained() -> str:
    assert main([]) == 0
    return Path("energies.train").read_text() + Path("energies.test").read_text()


def refusing_layouts(monkeypatch) -> list[int]:
    """Let gradients be of another form than their layout; takes, of each call, whether the layout is closed."""
    pack, calls = recompute.pack_values, []

    def refusing(layouts, *arguments):
        calls.append(int(layouts.sizes[0, 4]))
        if layouts.sizes[0, 4]:
            raise packing.OtherFormError
        return pack(layouts, *arguments)

    monkeypatch.setattr(recompute, "pack_values", refusing)
    return calls


def test_gradients_of_another_form(tmp_path, monkeypatch):
    """Gradients that do not fit the layout are kept in full."""
    with_gradients(monkeypatch)
    made(tmp_path, "periodic-small-cell", "100", monkeypatch)
    calls = refusing_layouts(monkeypatch)
    recomputing("100")
    assert main([]) == 0
    assert {0, 1} <= set(calls)


def refused(message: str, capsys) -> None:
    before = listing(Path())
    assert main([]) == 1
    assert message in capsys.readouterr().err
    assert listing(Path()) == before


def test_structures_that_are_gone_or_others(tmp_path, monkeypatch, capsys):
    made(tmp_path, "cluster-cuau-h2o", "100", monkeypatch)
    recomputing("100")
    path = Path("xsf/s003.xsf")
    text = path.read_text()
    path.write_text(text.replace("Cu ", "Au ", 1))
    refused("xsf/s003.xsf: these atoms are not those in set.train; use the structures it was made from", capsys)
    first = next(line for line in text.splitlines() if line.startswith("Cu"))
    words = first.split()
    path.write_text(text.replace(words[1], f"{float(words[1]) + 0.001:.8f}"))
    refused("xsf/s003.xsf: these atoms are not those in set.train", capsys)
    path.unlink()
    refused("xsf/s003.xsf: no such file", capsys)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("MEMORY_MODE cpu", "FORCESPERCENT 10", "found FORCESPERCENT; expected it with MEMORY_MODE recompute, or with"),
        ("MEMORY_MODE cpu", "FORCESSEED 1", "found FORCESSEED; expected it with MEMORY_MODE recompute, or with"),
        (
            "MEMORY_MODE cpu",
            "MEMORY_MODE recompute\nSAVE_BATCHES",
            "train.in:7: found MEMORY_MODE recompute; expected an",
        ),
        (
            "MEMORY_MODE cpu",
            "MEMORY_MODE recompute\nMODE batches",
            "train.in:7: found MEMORY_MODE recompute; expected an",
        ),
        ("MEMORY_MODE cpu", "MEMORY_MODE recompute\nFORCESPERCENT 101", "found '101' after FORCESPERCENT; expected a"),
    ],
)
def test_decks_that_make_no_sense(old, new, message, tmp_path, monkeypatch, capsys):
    made(tmp_path, "cluster-cuau-h2o", "100", monkeypatch)
    Path("train.in").write_text(Path("train.in").read_text().replace(old, new))
    refused(message, capsys)


def test_batches_for_which_there_is_no_room(tmp_path, monkeypatch, capsys):
    made(tmp_path, "behler2011", "100", monkeypatch)
    recomputing("100")
    rooms = iter([4.2e8, 1e3, 1e3])  # before the structures are read, and after
    monkeypatch.setattr("aenet_py.runtime.memory.available", lambda: next(rooms))
    refused("use a smaller BATCHSIZE, or a machine with more memory", capsys)
