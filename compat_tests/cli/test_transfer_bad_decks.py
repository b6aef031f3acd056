"""Decks of the transfer's authors with any one mistake: one error with the file and the line, and nothing written."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aenet_py.cli.aenet_pytorch import main
from compat_tests.cli.cases import listing
from compat_tests.cli.test_transfer_decks import FIXTURES, prepare

DECK = (FIXTURES / "target-freeze" / "train.in").read_text().splitlines()
FLAGS = ("0", "1", "t", "f", "true", "false")
WORDS = st.text("abcxyzABCXYZ0123456789.:=-_/", min_size=1, max_size=8)
Mistake = tuple[list[str], bool]  # the lines of a deck, and whether its error must name a line


def place(start: str) -> int:
    """Index of the first line that starts like this."""
    return next(number for number, line in enumerate(DECK) if line.split()[:1] == [start])


FREEZE, MODEL, POTENTIALS, NETWORKS = map(place, ("FREEZE_LAYERS", "TRANSFER_MODEL", "TRANSFER_NETWORKS", "NETWORKS"))
OF_SPECIES = range(1, 5)  # lines after TRANSFER_NETWORKS and NETWORKS


def changed(number: int, *lines: str) -> list[str]:
    """The deck with these lines in place of one."""
    return [*DECK[:number], *lines, *DECK[number + 1 :]]


@st.composite
def without_a_keyword(draw: Callable) -> Mistake:
    number = draw(st.sampled_from([FREEZE, MODEL, POTENTIALS]))
    end = NETWORKS if number == POTENTIALS else number + 1
    return DECK[:number] + DECK[end:], False


@st.composite
def misspelt(draw: Callable) -> Mistake:
    number = draw(st.sampled_from([FREEZE, MODEL, POTENTIALS]))
    keyword, *rest = DECK[number].split()
    letter = draw(st.integers(0, len(keyword) - 1))
    return changed(number, " ".join([keyword[:letter] + keyword[letter + 1 :], *rest])), True


@st.composite
def without_a_value(draw: Callable) -> Mistake:
    number = draw(st.sampled_from([FREEZE, MODEL]))
    return changed(number, DECK[number].split()[0] + draw(st.sampled_from(["", " ! later", " # 1 0"]))), True


@st.composite
def wrong_flags(draw: Callable) -> Mistake:
    words = draw(st.lists(st.sampled_from(FLAGS), max_size=5))
    if len(words) == 2:
        words[draw(st.integers(0, 1))] = draw(WORDS.filter(lambda word: word.lower() not in FLAGS))
    return changed(FREEZE, f"FREEZE_LAYERS {' '.join(words)}"), True


@st.composite
def wrong_species(draw: Callable) -> Mistake:
    number = POTENTIALS + draw(st.sampled_from(OF_SPECIES))
    symbol, *rest = DECK[number].split()
    other = draw(WORDS.filter(lambda word: word != symbol) | st.sampled_from(["Cu", "Au", "O", "H", "cu"]))
    lines = [] if other == symbol else [" ".join([other, *rest])]
    return changed(number, *lines), True


@st.composite
def wrong_items(draw: Callable) -> Mistake:
    """A line of TRANSFER_NETWORKS with too few or too many words, or twice."""
    number = POTENTIALS + draw(st.sampled_from(OF_SPECIES))
    symbol, potential = DECK[number].split()
    bad = draw(st.sampled_from([[symbol], [f"{symbol} {potential} {potential}"], [DECK[number]] * 2]))
    return changed(number, *bad), True


@st.composite
def wrong_network(draw: Callable) -> Mistake:
    """Other layers than the source's."""
    number = NETWORKS + draw(st.sampled_from(OF_SPECIES))
    head = " ".join(DECK[number].split()[:2])
    layer = st.tuples(st.integers(-1, 9), st.sampled_from(["tanh", "sigmoid", "linear", "twist", "relu"]))
    layers = draw(st.lists(layer, max_size=3).filter(lambda layers: layers != [(8, "tanh")] * 2))
    n = len(layers) + draw(st.sampled_from([0, 0, 0, 1]))
    return changed(number, " ".join([head, str(n), *(f"{nodes}:{name}" for nodes, name in layers)])), True


@st.composite
def wrong_paths(draw: Callable) -> Mistake:
    """Of a file that does not exist, or is of another kind."""
    number = draw(st.sampled_from([MODEL, *(POTENTIALS + each for each in OF_SPECIES)]))
    first = DECK[number].split()[0]
    others = ["../source/none", "../source", "train.in", "target.train.ascii", "../source/model.restart"]
    path = draw(st.sampled_from(others if number != MODEL else [*others[:-1], "../source/Cu.pytorch.nn.ascii"]))
    return changed(number, f"{first} {path}"), number == MODEL and path.endswith("none")


@st.composite
def wrong_energies(draw: Callable) -> Mistake:
    low, high, mean = (draw(st.floats(allow_nan=True)) for _ in range(3))
    high = min(low, high)
    words = [f"e_min={low}", f"e_max={high}", f"e_avg={mean}"]
    more = draw(st.sampled_from([[], ["e_mean=0"], ["low"]]))
    return changed(MODEL, "E_NORMALIZATION", " ".join([*words, *more]), DECK[MODEL]), True


@st.composite
def both_ways(draw: Callable) -> Mistake:
    words = draw(st.lists(st.sampled_from(["source=../source", "freeze=1", "energy=source", "new=random"]), max_size=3))
    number = draw(st.integers(0, len(DECK)))
    return [*DECK[:number], " ".join(["TRANSFER", *words]), *DECK[number:]], True


@st.composite
def wrong_mode(draw: Callable) -> Mistake:
    return changed(place("MODE"), f"MODE {draw(WORDS | st.sampled_from(['train', 'batches']))}"), True


MISTAKES = [
    without_a_keyword, misspelt, without_a_value, wrong_flags, wrong_species, wrong_items, wrong_network, wrong_paths,
    wrong_energies, both_ways, wrong_mode,
]  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_one_mistake(mistake, tmp_path, monkeypatch, capsys):
    folder = prepare(FIXTURES / "target-freeze", tmp_path)
    monkeypatch.chdir(folder)

    @settings(max_examples=40)
    @given(mistake())
    def is_one_error(made: Mistake) -> None:
        lines, has_line = made
        Path("train.in").write_text("\n".join(lines) + "\n")
        before = listing(tmp_path)
        capsys.readouterr()
        assert main([]) == 1
        (error,) = (line for line in capsys.readouterr().err.splitlines() if not line.startswith("Up to "))  # memory
        where = re.match(r"Error: (?:train\.in|target\.train\.ascii|\.\./source[^:]*)(:\d+)?\b.*: .", error)
        assert where is not None, error
        if has_line:
            assert error.startswith("Error: train.in:"), error
            assert 1 <= int(where[1][1:]) <= len(lines), error
        assert listing(tmp_path) == before

    is_one_error()
