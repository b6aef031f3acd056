"""Keywords of the transfer's authors in train.in: TRANSFER_MODEL, TRANSFER_NETWORKS, FREEZE_LAYERS, E_NORMALIZATION."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aenet_py.errors import InputError, counted
from aenet_py.inputs.keywords import TrainKeyword

KEYWORDS = ("transfer_model", "transfer_networks", "freeze_layers")
ENERGY_RANGE = "e_normalization"
_FLAGS = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}


@dataclass(frozen=True)
class ModelTransfer:
    """A transfer as its authors write it.

    Parameters
    ----------
    model : str
        The source's model.restart: weights and state of the optimizer.
    potentials : tuple of str
        The source's potential of each network, as text: statistics of the features.
    freeze : tuple of bool
        Whether each hidden layer is frozen.
    line : int or None
        The line of TRANSFER_MODEL in the deck.
    """

    model: str
    potentials: tuple[str, ...]
    freeze: tuple[bool, ...]
    line: int | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class EnergyRange:
    """Energies per atom that the normalisation uses, in place of those of the training set, eV."""

    low: float
    high: float
    mean: float


def check(path: str, entries: Mapping[str, TrainKeyword], mode: str) -> bool:
    """Whether the deck has keywords of a `ModelTransfer`; InputError if it has others, or another mode, with them."""
    given = [keyword for keyword in KEYWORDS if keyword in entries]
    if given and mode != "transfer":
        first = entries[given[0]].line
        raise InputError(path, f"found {given[0].upper()} in MODE {mode}; expected MODE transfer", first.number)
    if mode == "transfer" and ENERGY_RANGE in entries:
        given.append(ENERGY_RANGE)
    if given and "transfer" in entries:
        ours, theirs = entries["transfer"].line.number, entries[given[0]].line.number
        message = (
            f"found TRANSFER (line {ours}) and {given[0].upper()} (line {theirs}); expected either TRANSFER alone, or "
            f"{', '.join(KEYWORDS).upper()} and, optionally, E_NORMALIZATION"
        )
        raise InputError(path, message, max(ours, theirs))
    return bool(given)


def read(path: str, entries: Mapping[str, TrainKeyword], n_hidden: Mapping[str, int]) -> ModelTransfer:
    """The transfer; InputError for missing or wrong values.  n_hidden : hidden layers of each species' network."""
    expected = {
        "transfer_model": "the model.restart of the source",
        "transfer_networks": "a line with symbol and potential for each species",
        "freeze_layers": "a flag for each hidden layer, 1 to freeze it, otherwise 0",
    }
    for keyword in KEYWORDS:
        if keyword not in entries:
            raise InputError(path, f"no {keyword.upper()} found; expected it, with {expected[keyword]}")
    potentials = _potentials(path, entries["transfer_networks"], tuple(n_hidden))
    freeze = _freeze(path, entries["freeze_layers"], max(n_hidden.values()))
    model = entries["transfer_model"]
    return ModelTransfer(model.words[0], potentials, freeze, model.line.number)


def energy_range(path: str, line_number: int, given: Mapping[str, str]) -> EnergyRange:
    """The settings of E_NORMALIZATION; InputError unless all are numbers and e_min is less than e_max."""
    values = []
    for name in ("e_min", "e_max", "e_avg"):
        try:
            value = float(given[name])
        except (KeyError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            shown = repr(given[name]) if name in given else "nothing"
            raise InputError(path, f"found {shown} for {name}; expected a number, in eV per atom", line_number)
        values.append(value)
    if not 0 < values[1] - values[0] < math.inf:
        message = f"found e_min={values[0]:g} and e_max={values[1]:g}; expected e_min below e_max"
        raise InputError(path, message, line_number)
    return EnergyRange(*values)


def lines(wanted: ModelTransfer, symbols: Sequence[str]) -> list[str]:
    """Lines of a deck with this transfer."""
    return [
        f"TRANSFER_MODEL {wanted.model}",
        f"FREEZE_LAYERS {' '.join(str(int(flag)) for flag in wanted.freeze)}",
        "TRANSFER_NETWORKS",
        *(f"{symbol} {potential}" for symbol, potential in zip(symbols, wanted.potentials, strict=True)),
    ]


def _freeze(path: str, entry: TrainKeyword, n_hidden: int) -> tuple[bool, ...]:
    for word in entry.words:
        if word.lower() not in _FLAGS:
            message = f"found {word!r} after FREEZE_LAYERS; expected 1, t or true to freeze a layer, or 0, f or false"
            raise InputError(path, message, entry.number)
    if len(entry.words) != n_hidden:
        flags = counted(len(entry.words), "flag")
        message = f"found {flags} after FREEZE_LAYERS; expected {n_hidden}, one per hidden layer"
        raise InputError(path, message, entry.number)
    return tuple(_FLAGS[word.lower()] for word in entry.words)


def _potentials(path: str, entry: TrainKeyword, symbols: Sequence[str]) -> tuple[str, ...]:
    given: dict[str, str] = {}
    for line in entry.body:
        symbol, potential, *_ = line.text.split()
        if symbol in given:
            raise InputError(path, f"found a second potential for {symbol}; expected one", line.number)
        if symbol not in symbols:
            message = f"found {symbol} after TRANSFER_NETWORKS; expected the species of NETWORKS: {' '.join(symbols)}"
            raise InputError(path, message, line.number)
        given[symbol] = potential
    for symbol in symbols:
        if symbol not in given:
            message = f"found no potential for {symbol} after TRANSFER_NETWORKS; expected one for each species"
            raise InputError(path, message, entry.line.number)
    return tuple(given[symbol] for symbol in symbols)
