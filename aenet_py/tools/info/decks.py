"""Input files of the programs, and set-ups of features."""

from __future__ import annotations

import dataclasses
from typing import Any

from aenet_py.formats.source import Advance
from aenet_py.inputs import generate as generate_inputs
from aenet_py.inputs import predict as predict_inputs
from aenet_py.inputs import scan as scan_inputs
from aenet_py.inputs import setup as setups
from aenet_py.inputs import train as train_inputs
from aenet_py.inputs.keywords import Deck, first_word, nobody, read_deck
from aenet_py.inputs.model_transfer import ModelTransfer
from aenet_py.inputs.train import HIDDEN, TrainInput
from aenet_py.tools.info.binary import of_setup


def generate(path: str, _: Advance) -> dict[str, Any]:
    """Contents of the deck alone; the files that it names need not exist."""
    of = generate_inputs
    deck = read_deck(path, "a generate.x input file", of.SINGLE, of.COUNTED, of.PER_TYPE)
    output = deck.path_of("output", "a file name") or of.DEFAULT_OUTPUT
    return {**_files(deck), "output": output, "gradients": bool(deck.flag("forces")) or "forceslist" in deck.entries}


def predict(path: str, _: Advance) -> dict[str, Any]:
    of = predict_inputs
    deck = read_deck(path, "a predict.x input file", of.SINGLE, of.COUNTED, of.PER_TYPE, of.FOLLOWED)
    return {**_files(deck), "relaxation": "relax" in deck.entries}


def _files(deck: Deck) -> dict[str, Any]:
    lines = {name: deck.entries[name].body if name in deck.entries else () for name in ("types", "files")}
    return {"species": [first_word(line.text) for line in lines["types"]], "structure_files": len(lines["files"])}


def train(path: str, _: Advance) -> dict[str, Any]:
    deck = train_inputs.read(path)
    of = deck.structures
    return {
        **({"training_set": deck.training_set} if of is None else {"structure_files": len(of.files)}),
        "species": list(deck.symbols),
        "networks": {network.symbol: network.layers for network in deck.networks},
        "method": deck.method,
        "learning_rate": deck.learning_rate,
        "force_weight": deck.alpha,
        "epochs": deck.epochs,
        "test_percent": 100 * deck.test_fraction,
        "mode": deck.mode,
        **_transfer(deck),
    }


def _transfer(deck: TrainInput) -> dict[str, Any]:
    """The source of a transfer, and the energies of E_NORMALIZATION, where the deck has them."""
    described: dict[str, Any] = {}
    if isinstance(deck.transfer, ModelTransfer):
        described["source"] = deck.transfer.model
        described["potentials"] = dict(zip(deck.symbols, deck.transfer.potentials, strict=True))
        described["freeze_layers"] = [int(flag) for flag in deck.transfer.freeze]
    elif deck.transfer is not None:
        described["source"] = deck.transfer.source
        described["freeze_layers"] = "hidden" if deck.transfer.freeze == HIDDEN else deck.transfer.freeze
    if deck.energy_range is not None:
        low, high, mean = dataclasses.astuple(deck.energy_range)
        described["normalisation"] = {"e_min": low, "e_max": high, "e_avg": mean}
    return described


def scan(path: str, _: Advance) -> dict[str, Any]:
    deck = scan_inputs.read(path)
    varied = {name: list(values) for name, values in deck.values.items()}
    return {"train": deck.train, "generate": deck.generate, "varied": varied, "seeds": len(deck.seeds) or 1}


def setup(path: str, _: Advance) -> dict[str, Any]:
    return {"setup": of_setup(setups.read(path, nobody))}
