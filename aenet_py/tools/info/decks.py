"""Input files of the programs, and set-ups of features."""

from __future__ import annotations

from typing import Any

from aenet_py.formats.source import Advance
from aenet_py.inputs import generate as generate_inputs
from aenet_py.inputs import predict as predict_inputs
from aenet_py.inputs import scan as scan_inputs
from aenet_py.inputs import setup as setups
from aenet_py.inputs import train as train_inputs
from aenet_py.inputs.keywords import Deck, first_word, nobody, read_deck
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
    return {
        "training_set": deck.training_set,
        "species": list(deck.symbols),
        "networks": {network.symbol: network.layers for network in deck.networks},
        "method": deck.method,
        "learning_rate": deck.learning_rate,
        "force_weight": deck.alpha,
        "epochs": deck.epochs,
        "test_percent": 100 * deck.test_fraction,
        "mode": deck.mode,
    }


def scan(path: str, _: Advance) -> dict[str, Any]:
    deck = scan_inputs.read(path)
    varied = {name: list(values) for name, values in deck.values.items()}
    return {"train": deck.train, "generate": deck.generate, "varied": varied, "seeds": len(deck.seeds) or 1}


def setup(path: str, _: Advance) -> dict[str, Any]:
    return {"setup": of_setup(setups.read(path, nobody))}
