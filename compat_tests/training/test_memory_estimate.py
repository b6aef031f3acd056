"""The memory that a training announces, of networks above all; what the machine cannot hold is refused at once."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from aenet_py.cli.aenet_pytorch import main
from aenet_py.errors import InputError
from aenet_py.inputs import train as inputs
from aenet_py.training import memory_estimate
from compat_tests.cli.cases import FIXTURES, listing

CLUSTER = FIXTURES / "cluster-cuau-h2o"
SPECIES = ("Cu", "Au", "O", "H")


@pytest.fixture
def deck(tmp_path, monkeypatch):
    """Write a deck with these hidden layers and more lines for the clusters; returns its name."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(CLUSTER / "expected/cluster.train", "cluster.train")

    def deck(layers: str, more: str = "") -> str:
        networks = [f"{symbol} {symbol}.nn {len(layers.split())} {layers}" for symbol in SPECIES]
        head = "TRAININGSET cluster.train\nTESTPERCENT 20\nITERATIONS 1\nMETHOD method=adam lr=0.01"
        Path("train.in").write_text("\n".join([head, more, "NETWORKS", *networks]) + "\n")
        return "train.in"

    return deck


def gigabytes(path: str) -> memory_estimate.MemoryEstimate:
    found = memory_estimate.estimate(inputs.read(path))
    return dataclasses.replace(
        found, weights=found.weights / memory_estimate.GIGABYTE, layers=found.layers / memory_estimate.GIGABYTE
    )


def test_networks_count(deck):
    """2 x 4 million weights of 8 bytes each, the optimizer's and what saving takes; more for averages."""
    small, wide = gigabytes(deck("5:tanh")), gigabytes(deck("2000:tanh 2000:tanh"))
    assert small.weights < 0.001
    n_weights = 4 * (45 * 2000 + 2001 * 2000 + 2001)
    assert 100 < wide.weights * memory_estimate.GIGABYTE / n_weights < 200
    assert gigabytes(deck("2000:tanh 2000:tanh", "EMA 0.9\nPATIENCE 3")).weights > wide.weights
    assert wide.features == small.features


def test_layers_count_for_the_atoms_of_a_batch(deck):
    whole, parts = gigabytes(deck("2000:tanh 2000:tanh")), gigabytes(deck("2000:tanh 2000:tanh", "BATCHSIZE 2"))
    assert whole.layers == pytest.approx(201 * (4001 + 8000) * 8 / memory_estimate.GIGABYTE)
    assert parts.layers == pytest.approx(whole.layers * 3 / 14)


REFUSED = [
    ("20000:tanh 20000:tanh", "this training needs up to 2", "use smaller networks"),
    ("1000000000:tanh", "the network of Cu has 4.6e+10 weights; a potential holds 2147483647 at most", ""),
    (f"{2**63 - 1}:tanh {2**63 - 1}:tanh", "the network of Cu has 8.51e+37 weights", ""),
]


@pytest.mark.parametrize(("layers", "message", "advice"), REFUSED)
def test_networks_that_are_too_large(layers, message, advice, deck, capsys, monkeypatch):
    monkeypatch.setattr("aenet_py.runtime.memory.available", lambda: 64e9)
    path = deck(layers)
    before = listing(Path())
    assert main([path]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"train.in: {message}" in error
    assert advice in error
    assert listing(Path()) == before


def test_networks_with_load_batches(deck, capsys, monkeypatch):
    assert main([deck("5:tanh", "SAVE_BATCHES")]) == 0
    capsys.readouterr()
    monkeypatch.setattr("aenet_py.runtime.memory.available", lambda: 64e9)
    assert main([deck("20000:tanh 20000:tanh", "LOAD_BATCHES")]) == 1
    assert "networks 230.94" in (error := capsys.readouterr().err)
    assert "use smaller networks" in error
    assert main([deck("5:tanh", "LOAD_BATCHES")]) == 0


def test_batches_alone_need_no_networks(deck):
    assert main([deck("20000:tanh 20000:tanh", "MODE batches")]) == 0


def test_a_network_that_no_potential_holds(deck):
    with pytest.raises(InputError, match="a potential holds"):
        memory_estimate.of_networks(inputs.read(deck("50000:tanh 50000:tanh")), [44] * 4, [1] * 4, 1)
