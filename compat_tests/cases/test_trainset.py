"""Training sets and decks of the trainer that failed for users."""

from __future__ import annotations

import contextlib
import io
import itertools
import shutil
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aenet_py.cli import aenet, trainbin2ascii
from aenet_py.cli.aenet_pytorch import main
from compat_tests.cli.cases import FIXTURES, ROOT, in_process, listing
from compat_tests.formats import samples

CASES = ROOT / "fixtures" / "cases"
CLUSTER = FIXTURES / "cluster-cuau-h2o"
ENERGIES = "METHOD method=adam lr=0.01\nNETWORKS\nMg Mg.nn 1 3:tanh\nS S.nn 1 3:tanh\n"


@pytest.fixture
def case(request, tmp_path, monkeypatch):
    """A copy of a case's folder, the current one."""
    shutil.copytree(next(CASES.glob(f"{request.param}-*")), tmp_path / "case", copy_function=shutil.copyfile)
    monkeypatch.chdir(tmp_path / "case")
    return tmp_path / "case"


def refused(capsys, *messages: str, deck: str = "train.in") -> None:
    """The trainer says no in one line, and writes nothing."""
    before = listing(Path())
    capsys.readouterr()
    assert main([deck]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("Up to")]
    assert len(errors) == 1
    for message in messages:
        assert message in errors[0]
    assert listing(Path()) == before


NORMALISED = "its energies and features are already normalised (train.x does this) and not in eV; "


@pytest.mark.parametrize("case", ["06"], indirect=True)
@pytest.mark.parametrize("name", ["x.train.scaled", "x.train.scaled.ascii"])
@pytest.mark.parametrize("mode", ["train", "batches", "transfer"])
@pytest.mark.usefixtures("case")
def test_a_normalised_set_is_not_trained_on(name, mode, capsys):
    for memory in ("cpu", "recompute") if mode != "batches" else ("cpu",):
        forces = "FORCES alpha=0.1\n" if memory == "recompute" else ""
        Path("deck").write_text(
            f"TRAININGSET {name}\nTESTPERCENT 10\nITERATIONS 2\nMODE {mode}\nMEMORY_MODE {memory}\n{forces}{ENERGIES}"
        )
        refused(capsys, f"{name}: {NORMALISED}train on x.train instead", deck="deck")


@pytest.mark.parametrize("case", ["06"], indirect=True)
@pytest.mark.usefixtures("case")
def test_a_normalised_set_of_another_name(capsys):
    Path("x.train.scaled").rename("y.train")
    deck = Path("train.in").read_text().replace("x.train.scaled.ascii", "y.train")
    Path("train.in").write_text(deck)
    refused(capsys, "y.train: ", NORMALISED, "train on the training set that generate.x wrote instead")


@pytest.mark.parametrize("case", ["06"], indirect=True)
@pytest.mark.usefixtures("case")
def test_a_normalised_set_is_not_scanned(capsys):
    Path("scan.in").write_text("TRAIN train.in\nLR 0.01 0.02\n")
    status, _, error = in_process(capsys, "scan", "scan.in")
    assert status == 1
    assert NORMALISED in error


@pytest.mark.parametrize("case", ["06"], indirect=True)
@pytest.mark.usefixtures("case")
def test_conversion_keeps_a_normalised_set():
    assert trainbin2ascii.main(["x.train.scaled", "text"]) == 0
    assert Path("text").read_bytes() == Path("x.train.scaled.ascii").read_bytes()


@pytest.mark.parametrize("case", ["08"], indirect=True)
@pytest.mark.parametrize("names", [("x.train", "x.train.scaled"), ("x.train.scaled", "x.train.scaled")])
@pytest.mark.usefixtures("case")
def test_a_normalised_set_is_not_merged(names, capsys):
    status, _, error = in_process(capsys, "merge", *names, "-o", "y.train")
    assert (status, error) == (1, f"Error: x.train.scaled: {NORMALISED}merge x.train instead\n")
    assert not Path("y.train").exists()


@pytest.mark.parametrize("case", ["06"], indirect=True)
@pytest.mark.usefixtures("case")
def test_info_of_a_normalised_set_is_in_ev(capsys):
    """Of the same structures, raw and normalised."""
    shown = [in_process(capsys, "info", name)[1] for name in ("x.train", "x.train.scaled", "x.train.scaled.ascii")]
    energies = [next(line for line in text.splitlines() if "energy per atom" in line) for text in shown]
    assert energies[0] == energies[1] == energies[2]
    assert "normalised      yes" in shown[1]


@pytest.mark.parametrize("case", ["23"], indirect=True)
@pytest.mark.usefixtures("case")
def test_forces_on_one_line(capsys):
    refused(capsys, "x.train.forces: no such file; FORCES requires these gradients")
    Path("train.in").write_text(Path("train.in").read_text().replace("FORCES alpha=0.1\n", ""))
    assert main([]) == 0


@pytest.mark.parametrize("case", ["25"], indirect=True)
@pytest.mark.usefixtures("case")
def test_a_deck_of_train_x(capsys):
    advice = "method=adamw lr=0.001 for bfgs, REGULARIZATION 0.0001 for l2=0.0001, tanh for twist"
    message = "train.in:7: this deck is for train.x, which runs it as it is; for aenet_pytorch.py"
    refused(capsys, f"{message}, write {advice}")
    deck = Path("train.in").read_text().replace("bfgs", "method=adamw lr=0.001").replace("twist", "tanh")
    deck = deck.replace("REGULARIZATION\nl2=0.0001", "REGULARIZATION 0.0001").replace("500", "1")
    Path("train.in").write_text(deck)
    assert main([]) == 0
    assert "train.in:5: TIMING is a keyword of other programs of aenet; it has no effect" in capsys.readouterr().err


TABLE = "     -----    ------------   -----------"


@pytest.mark.parametrize("case", ["06"], indirect=True)
@pytest.mark.usefixtures("case")
@pytest.mark.parametrize(
    ("percent", "message"),
    [
        ("0.1", "TESTPERCENT 0.1 tests 0 of 8 structures; the test errors in train.error are meaningless zeros; did"),
        ("5", "TESTPERCENT 5 tests 0 of 8 structures; the test errors in train.error are meaningless zeros"),
        ("0", ""),
        ("25", ""),
    ],
)
@pytest.mark.parametrize("on_terminal", [True, False])
def test_nothing_is_tested(percent, message, on_terminal, capsys, monkeypatch):
    """A warning; and on a terminal heads of the columns, and no zeros for what was not measured."""
    Path("deck").write_text(f"TRAININGSET x.train\nTESTPERCENT {percent}\nITERATIONS 1\n{ENERGIES}")
    monkeypatch.setattr("sys.stdout.isatty", lambda: on_terminal)
    assert main(["deck"]) == 0
    said = capsys.readouterr()
    assert ("Warning" in said.err) == bool(message)
    assert message in said.err
    (line,) = [line for line in said.out.splitlines() if line.startswith("         0 :")]
    assert line.split().count("-") == (0 if not on_terminal else 2 if percent == "25" else 4)
    assert line.split().count("0.000000") == (0 if on_terminal else 2 if percent == "25" else 4)
    assert (TABLE in said.out) == on_terminal
    assert len(line) == 100


VALUES = [1e308, -1e308, 1e15, 0.0, -1.0, 5e-324, float("nan"), float("inf")]
GOOD = (CLUSTER / "expected/cluster.train").read_bytes()
BOUNDS = [0, *samples.boundaries(GOOD)]
SINGLE_VALUES = [
    place
    for begin, end in itertools.pairwise(BOUNDS)
    if (end - begin) % 8 == 0
    for place in range(begin + 4, end - 4, 8)
]
HEADER = [place for place in SINGLE_VALUES if place < BOUNDS[7]]


def errors_of(command, *arguments: str) -> tuple[int, list[str]]:
    """Status of a command and the lines of its warnings and errors."""
    error = io.StringIO()
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())), contextlib.redirect_stderr(error):
        status = command([*arguments])
    usual = ("Up to", "Wrote", "RMSE of the test set")
    return status, [line for line in error.getvalue().splitlines() if not line.startswith(usual)]


@settings(max_examples=40)
@given(st.sampled_from(HEADER) | st.sampled_from(SINGLE_VALUES), st.sampled_from(VALUES))
def test_damaged_sets(tmp_path_factory, place, value):
    """Any number of a set replaced: it is trained on, or refused in one line."""
    networks = "".join(f"{symbol} {symbol}.nn 1 2:tanh\n" for symbol in ("Cu", "Au", "O", "H"))
    deck = f"TRAININGSET bad.train\nTESTPERCENT 20\nITERATIONS 1\nMETHOD method=adam lr=0.01\nNETWORKS\n{networks}"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("damaged"))
        Path("bad.train").write_bytes(GOOD[:place] + struct.pack("<d", value) + GOOD[place + 8 :])
        Path("train.in").write_text(deck)
        for command, *arguments in (
            (main,), (aenet.main, "info", "bad.train"), (aenet.main, "merge", "bad.train", "bad.train", "-o", "both"),
        ):  # fmt: skip
            status, said = errors_of(command, *arguments)
            assert len(said) == status, said


@pytest.mark.parametrize("value", [1e308, float("nan")])
def test_atomic_energies_that_are_none(value, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    place = BOUNDS[3] + 4
    Path("bad.train").write_bytes(GOOD[:place] + struct.pack("<d", value) + GOOD[place + 8 :])
    message = f"bad.train: found {value:g} eV as the atomic energy of Cu; the header is damaged"
    Path("train.in").write_text(f"TRAININGSET bad.train\nTESTPERCENT 20\nITERATIONS 1\n{ENERGIES}")
    refused(capsys, message)
    assert message in in_process(capsys, "merge", "bad.train", "bad.train", "-o", "both.train")[2]
