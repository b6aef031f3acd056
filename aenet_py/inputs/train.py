"""train.in: what to train on, how, and which networks."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from aenet_py.errors import InputError
from aenet_py.formats import listio
from aenet_py.inputs.keywords import Line, content_lines

METHODS = ("adam", "adadelta", "adagrad", "adamw", "adamax")
ACTIVATIONS = ("linear", "tanh", "sigmoid")
FLAGS = ("save_energies", "save_forces", "verbose", "save_batches", "load_batches")
VALUES = (
    "trainingset", "testpercent", "iterations", "iterwrite", "batchsize", "maxenergy", "maxforces", "npseed", "phseed",
    "memory_mode", "forcespercent", "forcesseed", "regularization", "mode", "checkpoint", "patience", "ema", "schedule",
)  # fmt: skip
NEXT_LINE = ("method", "forces", "transfer")
KEYWORDS = (*FLAGS, *VALUES, *NEXT_LINE, "networks")
SETTINGS = {
    "method": ("method", "lr"), "forces": ("alpha",), "transfer": ("source", "freeze", "features", "energy", "new"),
}  # fmt: skip
MODES = ("train", "batches", "transfer")
ENERGIES = ("align", "source", "target")  # of a transfer
HIDDEN = -1  # layers to freeze: all but the last
MEMORY_MODES = ("cpu", "gpu", "disk", "recompute")
SCHEDULES = {"plateau": ("factor", "patience", "min_lr"), "cosine": ("min_lr",)}
USUAL_AVERAGE = 0.999  # decay of EMA
T = TypeVar("T")


@dataclass(frozen=True)
class NetworkInput:
    """One species' network: where it goes, nodes and activation function of each hidden layer."""

    symbol: str
    path: str
    nodes: tuple[int, ...]
    activations: tuple[str, ...]

    @property
    def layers(self) -> list[str]:
        """nodes:activation of each hidden layer."""
        return [f"{nodes}:{activation}" for nodes, activation in zip(self.nodes, self.activations, strict=True)]


@dataclass(frozen=True)
class Schedule:
    """How the learning rate changes: kind plateau (by factor, after patience epochs) or cosine; least : its end."""

    kind: str
    factor: float = 0.5
    patience: int = 10
    least: float = 0.0


@dataclass(frozen=True)
class Transfer:
    """Where a training begins.

    source : a folder or a model.restart; freeze : how many layers of each network stay as they are, or HIDDEN; energy :
    where its scale and shifts are from, one of ENERGIES; new : whether species that the source lacks get new networks.
    """

    source: str = "."
    freeze: int = 1
    energy: str = "align"
    new: bool = False


@dataclass(frozen=True)
class TrainInput:
    """The deck.

    test_fraction : of the structures; batch_size : as asked for; max_energy (eV/atom, cohesive), max_forces (eV/Å) :
    structures above are left out, or their forces; alpha : weight of the force error; None without FORCES; checkpoint,
    patience : epochs; average : decay of the exponential moving average of the networks; transfer : for MODE transfer;
    forces_percent, forces_seed : of the structures whose gradients MEMORY_MODE recompute takes.  None is off.
    """

    path: str
    training_set: str
    test_fraction: float
    epochs: int
    write_every: int
    batch_size: int
    max_energy: float | None
    max_forces: float | None
    alpha: float | None
    numpy_seed: int
    torch_seed: int
    memory_mode: str
    method: str
    learning_rate: float
    regularization: float
    save_energies: bool
    save_forces: bool
    verbose: bool
    mode: str
    save_batches: bool
    load_batches: bool
    checkpoint: int | None
    patience: int | None
    schedule: Schedule | None
    average: float | None
    networks: tuple[NetworkInput, ...]
    transfer: Transfer | None = None
    forces_percent: float = 100.0
    forces_seed: int | None = None

    @property
    def reduces_rate(self) -> bool:
        """Whether the learning rate is reduced on a plateau."""
        return self.schedule is not None and self.schedule.kind == "plateau"

    @property
    def ending(self) -> str:
        """What the potentials' names end with, behind those of NETWORKS."""
        return ".ascii" if self.transfer is None else ".transfered.ascii"

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(network.symbol for network in self.networks)


def read(path: str) -> TrainInput:
    """Read a deck; InputError with the line where something is wrong."""
    found = _entries(path, content_lines(path, "an input file of the trainer, train.in"))

    def value(keyword: str, parse: Callable[[str], T], what: str, default: T | None) -> T | None:
        if keyword not in found:
            return default
        line = found[keyword][0]
        words = line.text.split()
        try:
            return parse(words[1])
        except (ValueError, IndexError):
            given = f"{words[1]!r}" if len(words) > 1 else "no value"
            raise InputError(path, f"found {given} behind {words[0]}; expected {what}", line.number) from None

    def required(keyword: str, parse: Callable[[str], T], what: str) -> T:
        if keyword not in found:
            raise InputError(path, f"no {keyword.upper()} found; expected {what}")
        given = value(keyword, parse, what, None)
        assert given is not None
        return given

    def settings(keyword: str) -> tuple[Line, dict[str, str]]:
        line, following = found[keyword]
        pairs = [word.split("=", 1) for word in following[0].text.split()] if following else []
        if not pairs or any(len(pair) != 2 for pair in pairs):
            place = (following[0] if following else line).number
            raise InputError(path, f"expected a line of name=value behind {keyword.upper()}", place)
        for name, _ in pairs:
            if name.lower() not in SETTINGS[keyword]:
                expected = " and ".join(f"{known}=" for known in SETTINGS[keyword])
                message = f"found {name!r} behind {keyword.upper()}; expected {expected}"
                raise InputError(path, message, following[0].number)
        return following[0], {name.lower(): given for name, given in pairs}

    def number(line: Line, given: dict[str, str], name: str) -> float:
        try:
            return non_negative(given[name])
        except (KeyError, ValueError):
            shown = repr(given[name]) if name in given else "nothing"
            raise InputError(path, f"found {shown} for {name}; expected a number, at least 0", line.number) from None

    def choice(keyword: str, options: tuple[str, ...]) -> str:
        given = value(keyword, str.lower, " or ".join(options), options[0]) or options[0]
        if given not in options:
            wanted = f"expected one of {', '.join(options)}"
            raise InputError(path, f"found {keyword.upper()} {given}; {wanted}", found[keyword][0].number)
        return given

    mode, memory_mode = choice("mode", MODES), choice("memory_mode", MEMORY_MODES)
    if "method" not in found:
        raise InputError(path, "no METHOD found; expected it, and method=... lr=... on the next line")
    method_line, method = settings("method")
    name = method.get("method", "").lower()
    if name not in METHODS:
        raise InputError(path, f"found method {name!r}; expected one of {', '.join(METHODS)}", method_line.number)
    alpha = number(*settings("forces"), "alpha") if "forces" in found else None
    if alpha is not None and alpha > 1:
        raise InputError(path, f"found alpha={alpha:g}; expected 0 to 1", found["forces"][1][0].number)
    schedule = _schedule(path, found["schedule"][0]) if "schedule" in found else None
    if schedule is not None and schedule.least > number(method_line, method, "lr"):
        raise InputError(path, f"found min_lr={schedule.least:g}; expected less than lr", found["schedule"][0].number)
    if "transfer" in found and mode != "transfer":
        raise InputError(path, f"found TRANSFER in MODE {mode}; expected MODE transfer", found["transfer"][0].number)
    transfer = _transfer(path, *settings("transfer")) if "transfer" in found else Transfer()
    percent = value("forcespercent", _share, "a percentage from 0 to 100", None)
    for keyword in ("forcespercent", "forcesseed"):
        if keyword in found and memory_mode != "recompute":
            message = f"found {keyword.upper()}; expected it with MEMORY_MODE recompute only"
            raise InputError(path, message, found[keyword][0].number)
    if memory_mode == "recompute" and (mode == "batches" or {"save_batches", "load_batches"} & found.keys()):
        message = "found MEMORY_MODE recompute; expected another one with SAVE_BATCHES, LOAD_BATCHES or MODE batches"
        raise InputError(path, message, found["memory_mode"][0].number)
    at_least_one = "a whole number, at least 1"
    return TrainInput(
        path=path,
        training_set=required("trainingset", str, "a training set"),
        test_fraction=required("testpercent", _percentage, "a percentage, below 100") / 100,
        epochs=required("iterations", natural, "a whole number, at least 0"),
        write_every=value("iterwrite", positive, at_least_one, 1) or 1,
        batch_size=value("batchsize", positive, at_least_one, 256) or 256,
        max_energy=value("maxenergy", listio.real, "an energy in eV per atom", None) or None,
        max_forces=value("maxforces", non_negative, "a force in eV/Angstrom", None) or None,
        alpha=alpha,
        numpy_seed=value("npseed", natural, "a whole number, at least 0", 11) or 0,
        torch_seed=value("phseed", natural, "a whole number, at least 0", 22) or 0,
        memory_mode=memory_mode,
        method=name,
        learning_rate=number(method_line, method, "lr"),
        regularization=value("regularization", non_negative, "a number, at least 0", 0.0) or 0.0,
        save_energies="save_energies" in found,
        save_forces="save_forces" in found,
        verbose="verbose" in found,
        mode=mode,
        save_batches="save_batches" in found or mode == "batches",
        load_batches="load_batches" in found,
        checkpoint=value("checkpoint", positive, f"{at_least_one}, of epochs", None),
        patience=value("patience", positive, f"{at_least_one}, of epochs", None),
        schedule=schedule,
        average=_average(path, found["ema"][0]) if "ema" in found else None,
        networks=_networks(path, found),
        transfer=transfer if mode == "transfer" else None,
        forces_percent=100.0 if percent is None else percent,
        forces_seed=value("forcesseed", listio.integer, "a whole number", None),
    )


def to_text(deck: TrainInput) -> str:
    """A train.in that is read as this deck."""
    recompute = deck.memory_mode == "recompute"
    values: list[tuple[str, object]] = [
        ("TRAININGSET", deck.training_set), ("TESTPERCENT", f"{deck.test_fraction * 100:.15g}"),
        ("ITERATIONS", deck.epochs), ("ITERWRITE", deck.write_every), ("BATCHSIZE", deck.batch_size),
        ("MAXENERGY", deck.max_energy), ("MAXFORCES", deck.max_forces),
        ("NPSEED", deck.numpy_seed), ("PHSEED", deck.torch_seed),
        ("MEMORY_MODE", deck.memory_mode), ("FORCESPERCENT", deck.forces_percent if recompute else None),
        ("FORCESSEED", deck.forces_seed), ("MODE", deck.mode), ("REGULARIZATION", deck.regularization),
        ("CHECKPOINT", deck.checkpoint), ("PATIENCE", deck.patience), ("EMA", deck.average),
    ]  # fmt: skip
    lines = [f"{keyword} {value}" for keyword, value in values if value is not None]
    lines += [keyword.upper() for keyword in FLAGS if getattr(deck, keyword)]
    if deck.schedule is not None:
        given = dict(zip(("factor", "patience", "min_lr"), dataclasses.astuple(deck.schedule)[1:], strict=True))
        settings = [f"{name}={given[name]}" for name in SCHEDULES[deck.schedule.kind]]
        lines.append(" ".join(["SCHEDULE", deck.schedule.kind, *settings]))
    lines += ["METHOD", f"method={deck.method} lr={deck.learning_rate}"]
    if deck.alpha is not None:
        lines += ["FORCES", f"alpha={deck.alpha}"]
    if deck.transfer is not None:
        wanted = deck.transfer
        freeze = "hidden" if wanted.freeze == HIDDEN else wanted.freeze
        new = " new=random" if wanted.new else ""
        lines += ["TRANSFER", f"source={wanted.source} freeze={freeze} energy={wanted.energy}{new}"]
    lines.append("NETWORKS")
    for network in deck.networks:
        lines.append(f"{network.symbol} {network.path} {len(network.nodes)} {' '.join(network.layers)}")
    return "\n".join(lines) + "\n"


def _transfer(path: str, line: Line, given: dict[str, str]) -> Transfer:
    def one_of(name: str, *options: str) -> str:
        word = given.get(name, options[0]).lower()
        if word not in options:
            raise InputError(path, f"found {name}={given[name]}; expected {' or '.join(options)}", line.number)
        return word

    freeze = given.get("freeze", "1").lower()
    try:
        layers = HIDDEN if freeze == "hidden" else natural(freeze)
    except ValueError:
        expected = "a number of layers, or hidden"
        raise InputError(path, f"found freeze={given['freeze']}; expected {expected}", line.number) from None
    one_of("features", "source")
    new = "new" in given and bool(one_of("new", "random"))
    return Transfer(given.get("source", Transfer.source), layers, one_of("energy", *ENERGIES), new)


def _schedule(path: str, line: Line) -> Schedule:
    kind, *words = line.text.lower().split()[1:] or [""]
    if kind not in SCHEDULES:
        raise InputError(path, f"found {kind!r} behind SCHEDULE; expected {' or '.join(SCHEDULES)}", line.number)
    settings: dict[str, float] = {}
    for word in words:
        name, _, given = word.partition("=")
        expected = ", ".join(f"{name}=number" for name in SCHEDULES[kind])
        if name not in SCHEDULES[kind]:
            raise InputError(path, f"found {word!r} behind SCHEDULE {kind}; expected {expected}", line.number)
        try:
            settings[name] = positive(given) if name == "patience" else non_negative(given)
        except ValueError:
            raise InputError(path, f"found {given!r} for {name}; expected a number, at least 0", line.number) from None
    if not 0 < settings.get("factor", 0.5) < 1:
        raise InputError(path, f"found factor={settings['factor']:g}; expected a number between 0 and 1", line.number)
    return Schedule(
        kind, settings.get("factor", Schedule.factor), int(settings.get("patience", Schedule.patience)),
        settings.get("min_lr", Schedule.least),
    )  # fmt: skip


def _average(path: str, line: Line) -> float:
    words = line.text.split()[1:] or [str(USUAL_AVERAGE)]
    try:
        decay = non_negative(words[0])
    except ValueError:
        decay = 1.0
    if decay >= 1:
        raise InputError(path, f"found {words[0]!r} behind EMA; expected the decay, from 0 to below 1", line.number)
    return decay


def _hint(word: str) -> str:
    """The keyword that is most like a word, if any is."""
    near = difflib.get_close_matches(word, KEYWORDS, n=1, cutoff=0.6)
    return f", did you mean {near[0].upper()}?" if near else ""


def _entries(path: str, lines: list[Line]) -> dict[str, tuple[Line, list[Line]]]:
    """Each keyword's line and those that belong to it; as in the original the last counts, of NEXT_LINE the first."""
    found: dict[str, tuple[Line, list[Line]]] = {}
    position = 0
    while position < len(lines):
        line = lines[position]
        keyword = line.text.split()[0].lower()
        position += 1
        if keyword not in KEYWORDS:
            message = f"found {line.text.split()[0]!r}; expected a keyword{_hint(keyword)}"
            raise InputError(path, message, line.number)
        body: list[Line] = []
        if keyword == "transfer" and len(line.text.split()) > 1:  # its settings may also stand behind it
            found.setdefault(keyword, (line, [Line(line.number, line.text.split(maxsplit=1)[1])]))
        elif keyword in NEXT_LINE:
            body = lines[position : position + 1]
        elif keyword == "networks":
            while position + len(body) < len(lines) and _first(lines[position + len(body)]) not in KEYWORDS:
                body.append(lines[position + len(body)])
        position += len(body)
        if keyword not in NEXT_LINE or keyword not in found:
            found[keyword] = (line, body)
    return found


def _first(line: Line) -> str:
    return line.text.split()[0].lower()


def _networks(path: str, found: dict[str, tuple[Line, list[Line]]]) -> tuple[NetworkInput, ...]:
    if "networks" not in found or not found["networks"][1]:
        raise InputError(path, "no NETWORKS found; expected it, and a line for each species behind it")
    networks: list[NetworkInput] = []
    for line in found["networks"][1]:
        words = line.text.split()
        expected = "expected: symbol, file, number of hidden layers, and nodes:activation for each"
        try:
            nodes, activations = hidden_layers(words[3:])
            fits = int(words[2]) == len(nodes) > 0
        except (ValueError, IndexError):
            message = f"found {line.text!r}; {expected}{_hint(_first(line))}"
            raise InputError(path, message, line.number) from None
        if not fits:
            expected = words[2] if nodes else "at least 1"
            raise InputError(path, f"found {len(nodes)} layers; expected {expected}", line.number)
        for activation in activations:
            if activation not in ACTIVATIONS:
                message = f"found activation {activation!r}; expected one of {', '.join(ACTIVATIONS)}"
                raise InputError(path, message, line.number)
        if any(network.path == words[1] for network in networks):
            raise InputError(path, f"found {words[1]} for a second network; expected a file for each", line.number)
        if any(network.symbol == words[0] for network in networks):
            raise InputError(path, f"found a second network for {words[0]}; expected one", line.number)
        networks.append(NetworkInput(words[0], words[1], nodes, activations))
    return tuple(networks)


def hidden_layers(words: Sequence[str]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Nodes and activation function of each hidden layer, from words nodes:activation; ValueError if one is none."""
    layers = [word.split(":") for word in words]
    if any(len(layer) < 2 for layer in layers):
        raise ValueError(words)
    return tuple(positive(layer[0]) for layer in layers), tuple(layer[1].lower() for layer in layers)


def natural(text: str) -> int:
    value = listio.integer(text)
    if value < 0:
        raise ValueError(text)
    return value


def positive(text: str) -> int:
    value = listio.integer(text)
    if value < 1:
        raise ValueError(text)
    return value


def non_negative(text: str) -> float:
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError(text)
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 100:
        raise ValueError(text)
    return value


def _percentage(text: str) -> float:
    value = float(text)
    if not 0 <= value < 100:
        raise ValueError(text)
    return value
