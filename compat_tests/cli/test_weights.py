"""WEIGHTS: structures that count for nothing, or twice; tables of weights, and messages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aenet_py.cli.aenet_pytorch import main
from compat_tests.cli.test_held_out import DECK, FRAMES, SETUPS, STRUCTURES, train, write

HALF = list(range(7))
BOTH = {"weights": "energy=e forces=f", "test_percent": 0, "batch_size": 100, "iterations": 8}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def networks(result) -> np.ndarray:
    return np.concatenate([file.network.weights for file in result.potential().files])


def trained(name: str, numbers: list[int], energies: list[str], forces: list[str], **options) -> np.ndarray:
    """The weights of the networks; all sets hold each structure equally often, so they are normalised alike."""
    write(f"{name}.xyz", numbers, e=energies, f=forces)
    return networks(train(f"{name}.xyz", folder=name, **{**BOTH, **options}))


@pytest.mark.parametrize("options", [{}, {"method": "lbfgs", "lr": None, "batch_size": None}, {"ema": 0.9}])
def test_a_weight_of_zero_leaves_a_structure_out(options):
    once = trained("once", HALF, ["1"] * 7, ["1"] * 7, **options)
    twice = trained("twice", HALF + HALF, ["1"] * 7 + ["0"] * 7, ["1"] * 7 + ["0"] * 7, **options)
    none = {**BOTH, **options, "weights": None}
    plain = networks(train("once.xyz", folder="plain", **none))
    assert np.abs(once - plain).max() < 1e-12
    assert np.abs(twice - plain).max() < 1e-7


def test_a_weight_of_two_counts_twice():
    one = trained("one", HALF + HALF, ["1"] * 7 + ["1"] + ["0"] * 6, ["1"] * 7 + ["1"] + ["0"] * 6)
    two = trained("two", HALF + HALF, ["2"] + ["1"] * 6 + ["0"] * 7, ["2"] + ["1"] * 6 + ["0"] * 7)
    assert np.abs(one - two).max() < 1e-9
    assert np.abs(one - trained("plain", HALF + HALF, ["1"] * 14, ["1"] * 14)).max() > 1e-4


def test_energies_and_forces_have_weights_of_their_own():
    forces = trained("forces", HALF, ["1"] * 7, ["1"] * 3 + ["0"] * 4)
    energies = trained("energies", HALF, ["1"] * 3 + ["0"] * 4, ["1"] * 7)
    assert np.abs(forces - energies).max() > 1e-4


def test_a_table_says_the_same_as_keys():
    kinds = ["bulk", "slab", "bulk", "slab", "hot water", "bulk", "slab"]
    by_kind = {"bulk": ("1", "0.5"), "slab": ("3", "1"), "hot water": ("0", "2")}
    columns = [[by_kind[kind][place] for kind in kinds] for place in (0, 1)]
    write("all.xyz", HALF, kind=kinds, e=columns[0], f=columns[1])
    Path("weights.txt").write_text("# of each kind\nbulk 1 0.5\nslab 3 1\nhot water 0 2\n")
    keys = networks(train("all.xyz", folder="keys", **BOTH))
    table = f"key=kind table={Path('weights.txt').resolve()}"
    assert np.array_equal(networks(train("all.xyz", folder="table", **{**BOTH, "weights": table})), keys)


def test_high_energies_count_less_at_low_temperature():
    """As the Boltzmann factor above the lowest energy of the same composition says, of all structures the same here."""
    energies = [FRAMES[number].energy / FRAMES[number].n_atoms for number in HALF]
    groups = [tuple(sorted(FRAMES[number].names())) for number in HALF]
    lowest = {group: min(e for e, g in zip(energies, groups, strict=True) if g == group) for group in groups}
    weights = [
        repr(float(np.exp(-(energy - lowest[group]) / (8.617333262e-5 * 300))))
        for energy, group in zip(energies, groups, strict=True)
    ]
    keys = trained("keys", HALF, weights, weights)
    found = networks(train("keys.xyz", folder="found", **{**BOTH, "weights": "temperature=300"}))
    assert np.abs(found - keys).max() < 1e-9
    assert np.abs(found - networks(train("keys.xyz", folder="none", **{**BOTH, "weights": None}))).max() > 1e-4


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("WEIGHTS 2", "found '2' after WEIGHTS; expected energy=KEY and forces=KEY, or key=KEY and table=FILE, or"),
        ("WEIGHTS key=kind", "found 'key=kind' after WEIGHTS; expected energy=KEY and forces=KEY, or key=KEY and"),
        ("WEIGHTS temperature=0", "found '0' for temperature; expected a number above 0"),
        ("WEIGHTS energy=none", "found WEIGHTS with none, which no structure has"),
        ("WEIGHTS energy=kind", "all.xyz#0: found kind=a; expected a weight, at least 0"),
        ("WEIGHTS energy=minus", "all.xyz#0: found minus=-1; expected a weight, at least 0"),
        ("WEIGHTS energy=zero", "all energies of a batch have a weight of zero; use a larger BATCHSIZE"),
        ("WEIGHTS key=kind table=missing.txt", "missing.txt: no such file; expected a table of weights"),
        ("WEIGHTS key=kind table=bad.txt", "bad.txt:2: found 'b -1 0'; expected a value of the key, and the weights"),
        ("WEIGHTS key=kind table=short.txt", "short.txt: found 'b' for kind of all.xyz#1; expected one of a"),
        ("WEIGHTS key=kind table=double.txt", "double.txt:2: found a second line for 'a'; expected one"),
    ],
)
def test_messages(line, message, capsys):
    kinds = list("ab" * 7)
    write("all.xyz", range(14), kind=kinds, minus=["-1"] * 14, zero=["0"] * 14)
    Path("bad.txt").write_text("a 1 1\nb -1 0\n")
    Path("short.txt").write_text("a 1 1\n")
    Path("double.txt").write_text("a 1 1\na 1 2\n")
    setups = "".join(f"{symbol} {path}\n" for symbol, path in SETUPS.items())
    rest = DECK.partition("\n")[2].replace("TESTPERCENT 20\n", f"TESTPERCENT 20\n{line}\n")
    Path("train.in").write_text(f"{STRUCTURES}{setups}FILES\n1\nall.xyz\n{rest}")
    before = sorted(Path().iterdir())
    assert main([]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert message in error
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("method=adamw lr=0.01", "method=lm", "found WEIGHTS with method=lm; expected it with another method"),
        ("", "", "found WEIGHTS with a training set; expected TYPES, SETUPS and structures"),
    ],
)
def test_where_weights_make_no_sense(old, new, message, capsys):
    write("all.xyz", range(14), e=["1"] * 14)
    deck = DECK.format(case=SETUPS["Cu"].parent).replace(old, new).replace("ITERATIONS", "WEIGHTS energy=e\nITERATIONS")
    if old:
        setups = "".join(f"{symbol} {path}\n" for symbol, path in SETUPS.items())
        deck = f"{STRUCTURES}{setups}FILES\n1\nall.xyz\n" + deck.partition("\n")[2]
    Path("train.in").write_text(deck)
    assert main([]) == 1
    assert message in capsys.readouterr().err
