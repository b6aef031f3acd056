"""The input file of train.x, ænet's own trainer, ``train.in`` (read_InpTrain)."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aenet_py.errors import InputError
from aenet_py.formats import listio
from aenet_py.formats.potential import ACTIVATIONS
from aenet_py.inputs import ranges
from aenet_py.inputs.keywords import Deck, KeywordLine, Line, content_lines, first_word, nobody, words
from aenet_py.inputs.train import NetworkInput, hidden_layers, natural

METHODS = {  # with their names in the report
    "bfgs": "Limited Memory BFGS",
    "lm": "Levenberg-Marquardt",
    "ekf": "Extended Kalman Filter",
    "online_sd": "Gradient Descent (online)",
    "adam": "Adaptive Moment Estimation (Adam)",
}
SETTINGS: dict[str, dict[str, float]] = {  # of a method, with their defaults
    "lm": {"batchsize": 1000.0, "learnrate": 0.1, "iter": 1.0, "conv": 1e-3, "adjust": 10.0},
    "ekf": {"lambda": 0.999, "lambda0": 0.97, "state": 10.0, "pnoise": 0.0, "adaptive": 0.6, "wgroup": 100.0},
    "online_sd": {"alpha": 0.01, "gamma": 0.9},
    "adam": {"mu": 0.001, "b1": 0.9, "b2": 0.999, "eps": 1e-8, "samplesize": 500.0, "batchsize": 1.0},
}
WITHOUT_EFFECT = {"ekf": ("p", "mnoise", "wgmax")}  # settings that aenet-python writes and train.x does not know
SAMPLINGS = ("sequential", "random", "weighted", "energy")
FLAGS = ("timing", "debug", "save_energies")
VALUES = ("trainingset", "testpercent", "iterations", "maxenergy", "sampling", "verbosity")
KEYWORDS = frozenset((*FLAGS, *VALUES, "method", "networks", "forces"))
WITH_FORCES = ("bfgs", "lm", "ekf")  # methods that can train on forces
FORCES_ACTIVATIONS = ("linear", "tanh", "sigmoid")  # of their networks
_NETWORK = "expected: symbol, file, number of hidden layers, and nodes:activation for each"


@dataclass(frozen=True)
class TrainxInput:
    """The content of a deck of train.x.

    Parameters
    ----------
    path : str
        The input file.
    training_set : str
        File of the training set.
    test_percent : float
        Percentage of the structures in the test set.
    epochs : int
        Number of epochs.
    max_energy : float or None
        Structures with a higher cohesive energy (eV/atom) are not used.
    sampling : str
        Order of the structures, one of SAMPLINGS.
    method : str
        One of METHODS.
    settings : mapping of str to float
        The method's settings.
    save_energies, timing : bool
        Write tables of energies, and the log of times.
    networks : tuple of NetworkInput
        The network of each species.
    alpha : float or None
        Weight of the force error, None without FORCES.
    """

    path: str
    training_set: str
    test_percent: float
    epochs: int
    max_energy: float | None
    sampling: str
    method: str
    settings: Mapping[str, float]
    save_energies: bool
    timing: bool
    networks: tuple[NetworkInput, ...]
    alpha: float | None = None


def read(path: str, warn: Callable[[str], None] = nobody) -> TrainxInput:
    """Read a deck of train.x; InputError with the line of whatever is missing or invalid.

    warn : called with a warning for each line without a keyword, and for settings without effect.
    """
    deck = _split(path, content_lines(path, "an input file of train.x, train.in"))
    heed = nobody if deck.is_quiet(warn) else warn
    method, settings = _method(deck, heed)
    deck.require("trainingset", "'TRAININGSET <training set>'")
    sampling = (deck.argument("sampling", str, "the order of the structures") or _default_sampling(method)).lower()
    if sampling not in SAMPLINGS:
        line = deck.entries["sampling"].line.number
        raise InputError(path, f"found SAMPLING {sampling}; expected one of {', '.join(SAMPLINGS)}", line)
    training_set = deck.path_of("trainingset", "a training set")
    assert training_set is not None
    test_percent = deck.argument("testpercent", _percentage, "a percentage, below 100")
    epochs = deck.argument("iterations", natural, "a whole number, at least 0")
    networks = _networks(deck)
    result = TrainxInput(
        path=path,
        training_set=training_set,
        test_percent=10.0 if test_percent is None else test_percent,
        epochs=10 if epochs is None else epochs,
        max_energy=deck.argument("maxenergy", listio.real, "an energy in eV per atom"),
        sampling=sampling,
        method=method,
        settings=settings,
        save_energies=bool(deck.flag("save_energies")),
        timing=bool(deck.flag("timing")),
        networks=networks,
        alpha=_alpha(deck, method, networks),
    )
    deck.flag("debug")
    deck.warn_of_unknown(heed)
    return result


def one_of(names: Iterable[str]) -> str:
    """Names to choose from, in a sentence.

    Parameters
    ----------
    names : iterable of str
        The names, at least two.

    Returns
    -------
    str

    Examples
    --------
    >>> one_of(["bfgs", "lm", "ekf"])
    'bfgs, lm or ekf'
    """
    *first, last = names
    return f"{', '.join(first)} or {last}"


def _split(path: str, lines: list[Line]) -> Deck:
    """Keywords with their lines: one after METHOD and FORCES, all up to the next keyword after NETWORKS."""
    entries: dict[str, KeywordLine] = {}
    unknown: list[Line] = []
    position = 0
    while position < len(lines):
        line = lines[position]
        keyword = first_word(line.text).lower()
        position += 1
        if keyword not in KEYWORDS:
            unknown.append(line)
            continue
        start = position
        if keyword == "networks" or (keyword in ("method", "forces") and len(words(line.text)) == 1):
            most = len(lines) if keyword == "networks" else 1
            while position < min(start + most, len(lines)) and first_word(lines[position].text).lower() not in KEYWORDS:
                position += 1
        entries.setdefault(keyword, KeywordLine(line, tuple(lines[start:position])))
    return Deck(path, entries, KEYWORDS, tuple(unknown))


def _method(deck: Deck, warn: Callable[[str], None]) -> tuple[str, Mapping[str, float]]:
    """The method, on the line of METHOD or the next one, and its settings."""
    entry = deck.entries.get("method")
    if entry is None:
        return "bfgs", {}
    line, text = (entry.body[0], entry.body[0].text) if entry.body else (entry.line, entry.rest)
    name = first_word(text).lower()
    if name in METHODS:
        return name, _settings(deck, line, text, name, warn)
    if name.startswith(("method=", "lr=")):
        message = "this deck is for aenet_pytorch.py; run that instead, or write METHOD bfgs"
        raise InputError(deck.path, message, line.number)
    if name == "online_gd":
        raise InputError(deck.path, "found METHOD online_gd; write online_sd", line.number)
    message = f"found {name or 'nothing'!r} after METHOD; expected {one_of(METHODS)}"
    raise InputError(deck.path, message, line.number)


def _alpha(deck: Deck, method: str, networks: Sequence[NetworkInput]) -> float | None:
    """The weight of the force error, on the line of FORCES or the next one; None without FORCES."""
    entry = deck.entries.get("forces")
    if entry is None:
        return None
    line, text = (entry.body[0], entry.body[0].text) if entry.body else (entry.line, entry.rest)
    name, _, number = re.sub(r"\s*=\s*", "=", text.partition("!")[0]).strip().partition("=")
    try:
        alpha = ranges.FRACTION[0](number)
    except ValueError:
        alpha = math.nan
    if name.lower() != "alpha" or math.isnan(alpha):
        message = f"found {text.strip() or 'nothing'!r} after FORCES; expected alpha=, {ranges.FRACTION[1]}"
        raise InputError(deck.path, message, line.number)
    if method not in WITH_FORCES:
        message = f"found FORCES with METHOD {method}; expected {one_of(WITH_FORCES)}"
        raise InputError(deck.path, message, entry.line.number)
    for network in networks:
        for activation in network.activations:
            if activation not in FORCES_ACTIVATIONS:
                message = f"found activation {activation} with FORCES; expected one of {', '.join(FORCES_ACTIVATIONS)}"
                raise InputError(deck.path, message, network.line)
    return alpha


def _default_sampling(method: str) -> str:
    return "random" if method == "adam" else "sequential"


def _settings(deck: Deck, line: Line, text: str, method: str, warn: Callable[[str], None]) -> Mapping[str, float]:
    """The settings after a method, 'name=number', of which the first of each name counts."""
    given: dict[str, str] = {}
    defaults = SETTINGS.get(method, {})
    pairs = re.sub(r"\s*=\s*", "=", text.partition("!")[0]).replace(",", " ").split()[1:] if defaults else []
    for word in pairs:
        name, sign, number = word.partition("=")
        if sign and name.lower() in WITHOUT_EFFECT.get(method, ()):
            warn(f"{deck.path}:{line.number}: {name} of {method} has no effect, as in the original")
            continue
        if not sign or name.lower() not in defaults:
            near = difflib.get_close_matches(name.lower(), defaults, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            expected = ", ".join(f"{setting}=" for setting in defaults)
            raise InputError(deck.path, f"found {word!r} after {method}; expected {expected}{hint}", line.number)
        given.setdefault(name.lower(), number)
    for name in given:
        if name.startswith("lambda"):  # the original finds lambda in lambda0, too
            given["lambda"] = given[name]
            break
    return ranges.settings(deck.path, line.number, given, defaults, _RANGES)


def _networks(deck: Deck) -> tuple[NetworkInput, ...]:
    networks: list[NetworkInput] = []
    entry = deck.require("networks", "'NETWORKS', followed by a line for each species")
    if not entry.body:
        raise InputError(deck.path, "found no line after NETWORKS; expected one for each species", entry.line.number)
    for line in entry.body:
        network = _network(deck, line)
        for other in networks:
            if other.symbol == network.symbol:
                raise InputError(deck.path, f"found a second network for {network.symbol}; expected one", line.number)
            if other.path == network.path:
                message = f"found {network.path} for a second network; expected a file for each"
                raise InputError(deck.path, message, line.number)
        networks.append(network)
    return tuple(networks)


def _network(deck: Deck, line: Line) -> NetworkInput:
    given = words(line.text.partition("!")[0])
    near = deck.nearest(line)
    hint = f", did you mean {near.upper()}?" if near else ""
    try:
        n_layers = natural(given[2])
        nodes, names = hidden_layers(given[3 : 3 + n_layers])
    except (ValueError, IndexError):
        raise InputError(deck.path, f"found {line.text!r}; {_NETWORK}{hint}", line.number) from None
    if len(nodes) != n_layers:
        raise InputError(deck.path, f"found {len(nodes)} layers; expected {n_layers}", line.number)
    activations = tuple(_activation(deck, line, name) for name in names)
    return NetworkInput(given[0], given[1], nodes, activations, line.number)


def _activation(deck: Deck, line: Line, name: str) -> str:
    """The name of an activation function, of which the original also takes one letter (ff_change_activation)."""
    short = {"l": "linear", "t": "tanh", "s": "sigmoid", "m": "mtanh", "w": "twist"}
    name = short.get(name, name)
    if name not in ACTIVATIONS:
        message = f"found activation {name!r}; expected one of {', '.join(ACTIVATIONS)}"
        raise InputError(deck.path, message, line.number)
    return name


def _percentage(text: str) -> float:
    value = listio.real(text)
    if not 0 <= value < 100:
        raise ValueError(text)
    return value


_RANGES: dict[str, ranges.Range] = {
    "batchsize": ranges.WHOLE,
    "iter": ranges.WHOLE,
    "learnrate": ranges.POSITIVE,
    "conv": ranges.NUMBER,
    "adjust": ranges.FROM_ONE,
    "lambda": ranges.FORGETTING,
    "lambda0": ranges.FRACTION,
    "state": ranges.POSITIVE,
    "pnoise": ranges.NON_NEGATIVE,
    "adaptive": ranges.NUMBER,
    "wgroup": ranges.WHOLE,
    "alpha": ranges.NON_NEGATIVE,
    "gamma": ranges.NON_NEGATIVE,
    "mu": ranges.NON_NEGATIVE,
    "b1": ranges.SHARE,
    "b2": ranges.SHARE,
    "eps": ranges.NON_NEGATIVE,
    "samplesize": ranges.WHOLE,
}
