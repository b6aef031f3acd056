"""The input file of the trainer, ``train.in``."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aenet_py.errors import InputError
from aenet_py.formats import listio
from aenet_py.formats.structures import has_many
from aenet_py.inputs import committee as committees
from aenet_py.inputs import held_out, loss, model_transfer, second_order, structures, trainx, weights
from aenet_py.inputs.committee import CommitteeInput
from aenet_py.inputs.held_out import HeldOut
from aenet_py.inputs.keywords import Line, TrainKeyword, content_lines, nobody
from aenet_py.inputs.loss import LossInput
from aenet_py.inputs.model_transfer import EnergyRange, ModelTransfer
from aenet_py.inputs.structures import NamedFile, StructureInput
from aenet_py.inputs.weights import WeightInput

METHODS = ("adam", "adadelta", "adagrad", "adamw", "adamax")
ACTIVATIONS = ("linear", "tanh", "sigmoid")
FLAGS = ("save_energies", "save_forces", "verbose", "save_batches", "load_batches", "new_split")
SETTINGS = {
    "method": ("method", "lr"), "forces": ("alpha",),
    "transfer": (
        "source", "freeze", "features", "energy", "new", "replay", "share", "labels", "anchor", "fisher", "rates",
        "schedule",
    ),
    "e_normalization": ("e_min", "e_max", "e_avg"),
}  # fmt: skip
BLOCKS = ("networks", "transfer_networks")  # followed by a line for each species
COMMENT_IN_LINE = ("!", "#")
MODES = ("train", "batches", "transfer")
ENERGIES = ("align", "source", "target")  # origin of the energy scale and shifts in a transfer
LABELS = ("own", "source")  # of the structures of replay
HIDDEN = -1  # layers to freeze: all but the last
MOST = 2**63 - 1  # of whole numbers
EVERY = 2**31 - 1  # structures per batch, if all are in one
MOST_NUMPY_SEED, MOST_TORCH_SEED = 2**32 - 1, 2**64 - 1
MEMORY_MODES = ("cpu", "gpu", "disk", "recompute", "auto")
SCHEDULES = {"plateau": ("factor", "patience", "min_lr"), "cosine": ("min_lr", "warmup")}
USUAL_AVERAGE = 0.999  # default decay of EMA
T = TypeVar("T")
Parse = Callable[[str], Any]


@dataclass(frozen=True)
class NetworkInput:
    """The network of a species: its file, nodes and activation function of each hidden layer, and its line if known."""

    symbol: str
    path: str
    nodes: tuple[int, ...]
    activations: tuple[str, ...]
    line: int | None = field(default=None, repr=False, compare=False)

    @property
    def layers(self) -> list[str]:
        """Each hidden layer as ``nodes:activation``."""
        return [f"{nodes}:{activation}" for nodes, activation in zip(self.nodes, self.activations, strict=True)]


@dataclass(frozen=True)
class Schedule:
    """Schedule of the learning rate.

    kind : plateau (reduced by factor after patience epochs without improvement) or cosine; least : the smallest rate;
    warmup : epochs of a cosine in which the rate rises.
    """

    kind: str
    factor: float = 0.5
    patience: int = 10
    least: float = 0.0
    warmup: int = 0


@dataclass(frozen=True)
class Transfer:
    """Settings of transfer learning.

    source : a folder or a model.restart; freeze : number of layers of each network that are not trained, or HIDDEN;
    energy : origin of the energy scale and shifts, one of ENERGIES; new : create networks of species that the source
    lacks; replay : file of structures of the source that are trained on, too, None if StructureInput has them or there
    are none; share : of these in the training; labels : whether their energies and forces are their own or those of the
    source's potentials; anchor : factor of the squared distance from the source's weights in the loss; fisher : file of
    structures whose Fisher information weights these squares, None likewise; rates : factors of the learning rate of
    each layer, from the first, the last for all further ones; thaw : epochs from which one more of the frozen layers is
    trained, the last one first.
    """

    source: str = "."
    freeze: int = 1
    energy: str = "align"
    new: bool = False
    replay: NamedFile | None = None
    share: float = 0.3
    labels: str = "own"
    anchor: float = 0.0
    fisher: NamedFile | None = None
    rates: tuple[float, ...] = ()
    thaw: tuple[int, ...] = ()


@dataclass(frozen=True)
class TrainInput:
    """The content of train.in.  None means that an option is off.

    Parameters
    ----------
    path : str
        The input file.
    training_set : str
        File of the training set; with structures, what messages and potentials call them.
    test_fraction : float
        Fraction of the structures in the test set.
    epochs, write_every : int
        Number of epochs, and epochs between tests and reports.
    batch_size : int
        Number of structures per batch, as requested.
    max_energy, max_forces : float or None
        Structures with a higher cohesive energy (eV/atom) are not used; those that reach this force component (eV/Å)
        are trained on energies only.
    alpha : float or None
        Weight of the force error, None without FORCES.
    numpy_seed, torch_seed : int
        Seeds of the split and the batches, and of the initial weights.
    memory_mode : str
        Where gradients are kept, one of MEMORY_MODES; auto with structures only.
    method, learning_rate, regularization : str, float, float
        Optimizer (one of METHODS or `second_order.METHODS`), learning rate and weight decay.
    save_energies, save_forces : bool
        Write tables of energies, and of forces.
    verbose : bool
        Print a longer report.
    mode : str
        One of MODES.
    save_batches, load_batches : bool
        Write the batches to the folder tmp_batches, or read them from there.
    checkpoint, patience : int or None
        Epochs between checkpoints, and epochs without a smaller test error after which the training stops.
    schedule : Schedule or None
        Schedule of the learning rate.
    average : float or None
        Decay of the exponential moving average of the weights (EMA).
    networks : tuple of NetworkInput
        The network of each species.
    transfer : Transfer, ModelTransfer or None
        Settings of MODE transfer.
    forces_percent, forces_seed : float, int or None
        Percentage of the structures whose gradients are used, with structures or MEMORY_MODE recompute, and the seed
        they are drawn with.
    new_split : bool
        Draw the test set again, even if model.restart contains one.
    energy_range : EnergyRange or None
        Normalise energies with these values (E_NORMALIZATION), not those of the training set.
    settings : mapping of str to float
        Settings of the methods without a learning rate (`second_order`).
    structures : StructureInput or None
        Structures whose features are computed, in place of a training set.
    held_out : HeldOut or None
        Which structures are tested and validated; None if TESTPERCENT alone decides.
    weights : WeightInput or None
        How much each structure counts; None if all count the same.
    loss : LossInput
        What the loss is made of, beside squares of energies and forces.
    committee : CommitteeInput or None
        Members that are trained instead of one potential.
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
    transfer: Transfer | ModelTransfer | None = None
    forces_percent: float = 100.0
    forces_seed: int | None = None
    new_split: bool = False
    energy_range: EnergyRange | None = None
    settings: Mapping[str, float] = field(default_factory=dict)
    structures: StructureInput | None = None
    held_out: HeldOut | None = None
    weights: WeightInput | None = None
    loss: LossInput = field(default_factory=LossInput)
    committee: CommitteeInput | None = None

    @property
    def validates(self) -> bool:
        """Whether there is a validation set, so that the test set is tested at the end only."""
        held, given = self.held_out, self.structures
        with_file = given is not None and bool(given.validation)
        return held is not None and (held.validation > 0 or held.validation_set is not None or with_file)

    @property
    def sets(self) -> list[NamedFile]:
        """The training set and, in files of the same kind, those only tested, only validated, and of replay."""
        first = NamedFile(self.training_set)
        others = (self.held_out.test_set, self.held_out.validation_set) if self.held_out is not None else ()
        replay = self.transfer.replay if isinstance(self.transfer, Transfer) else None
        return [first, *(each for each in (*others, replay) if each is not None)]

    @property
    def replays_set(self) -> bool:
        """Whether the last of `sets` is that of replay."""
        return self.structures is None and isinstance(self.transfer, Transfer) and self.transfer.replay is not None

    @property
    def weighs_anchor(self) -> bool:
        """Whether structures are given whose Fisher information weights the anchor."""
        named = isinstance(self.transfer, Transfer) and self.transfer.fisher is not None
        return named or (self.structures is not None and bool(self.structures.fisher))

    @property
    def reduces_rate(self) -> bool:
        """Whether the learning rate is reduced on a plateau."""
        return self.schedule is not None and self.schedule.kind == "plateau"

    @property
    def ending(self) -> str:
        """Ending of the potentials' files, appended to those of NETWORKS."""
        return ".ascii" if self.transfer is None else ".transfered.ascii"

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(network.symbol for network in self.networks)


def read(path: str, warn: Callable[[str], None] = nobody) -> TrainInput:
    """Read train.in; InputError with the line of whatever is missing or invalid.

    warn : called with a warning for each keyword of other programs, which is ignored.
    """
    return parse(path, content_lines(path, "an input file of the trainer, train.in"), warn)


def parse(
    path: str, lines: list[Line], warn: Callable[[str], None] = nobody, given: StructureInput | None = None
) -> TrainInput:
    """As `read`, from the lines of a deck; path : its name in errors; given : structures that are not in the deck."""
    sections, lines = structures.sections(path, lines)
    trainx.check(path, lines)
    entries = _entries(path, trainx.without_ignored(path, lines, warn))

    def value(keyword: str, default: T) -> T:
        if keyword not in entries:
            return default
        entry, (parse, what) = entries[keyword], VALUES[keyword]
        try:
            return parse(entry.words[0])
        except ValueError:
            name = entry.line.text.split()[0]
            raise InputError(path, f"found {entry.words[0]!r} after {name}; expected {what}", entry.number) from None

    def required(keyword: str) -> Any:
        if keyword not in entries:
            raise InputError(path, f"no {keyword.upper()} found; expected {VALUES[keyword][1]}")
        return value(keyword, None)

    def settings(keyword: str) -> tuple[int, dict[str, str]]:
        entry = entries[keyword]
        names = _settings_of_method(entry) if keyword == "method" else SETTINGS[keyword]
        expected = " and ".join(f"{name}=" for name in names)
        given: dict[str, str] = {}
        for word in entry.words:
            name, sign, text = word.partition("=")
            if not sign or name.lower() not in names:
                blanks = " without blanks" if name.lower() in names else ""
                message = f"found {name or word!r} after {keyword.upper()}; expected {expected}{blanks}"
                raise InputError(path, message, entry.number)
            given[name.lower()] = text
        if not given and keyword != "transfer":
            message = f"found {keyword.upper()} without settings; expected {expected} after it or on the next line"
            raise InputError(path, message, entry.line.number)
        return entry.number, given

    def number(line_number: int, given: dict[str, str], name: str) -> float:
        try:
            return non_negative(given[name])
        except (KeyError, ValueError):
            shown = repr(given[name]) if name in given else "nothing"
            raise InputError(path, f"found {shown} for {name}; expected a number, at least 0", line_number) from None

    def choice(keyword: str, options: tuple[str, ...]) -> str:
        given = value(keyword, options[0])
        if given not in options:
            wanted = f"expected one of {', '.join(options)}"
            raise InputError(path, f"found {keyword.upper()} {given}; {wanted}", entries[keyword].number)
        return given

    mode, memory_mode = choice("mode", MODES), choice("memory_mode", MEMORY_MODES)
    if "method" not in entries:
        raise InputError(path, "no METHOD found; expected it, with method=... lr=... after it or on the next line")
    method_place, method = settings("method")
    name = method.get("method", "").lower()
    if name not in METHODS and name not in second_order.METHODS:
        expected = ", ".join((*METHODS, *second_order.METHODS))
        raise InputError(path, f"found method {name!r}; expected one of {expected}", method_place)
    of_method, rate = {}, 0.0
    if name in METHODS:
        rate = number(method_place, method, "lr")
    else:
        of_method = second_order.settings(path, method_place, name, method)
        second_order.check(path, name, entries, value("regularization", 0.0) != 0)
    if name == "lbfgs" and "batchsize" in entries:
        line = entries["batchsize"].line.number
        warn(f"{path}:{line}: BATCHSIZE has no effect with method=lbfgs, which uses all structures in each step")
    alpha = number(*settings("forces"), "alpha") if "forces" in entries else None
    if alpha is not None and alpha > 1:
        raise InputError(path, f"found alpha={alpha:g}; expected 0 to 1", entries["forces"].number)
    schedule = _schedule(path, entries["schedule"]) if "schedule" in entries else None
    if schedule is not None and schedule.least > rate:
        raise InputError(path, f"found min_lr={schedule.least:g}; expected less than lr", entries["schedule"].number)
    if "transfer" in entries and mode != "transfer":
        message = f"found TRANSFER in MODE {mode}; expected MODE transfer"
        raise InputError(path, message, entries["transfer"].line.number)
    given_model, networks = model_transfer.check(path, entries, mode), _networks(path, entries)
    transfer: Transfer | ModelTransfer = Transfer()
    if given_model:
        transfer = model_transfer.read(path, entries, {network.symbol: len(network.nodes) for network in networks})
    elif "transfer" in entries:
        transfer = _transfer(path, *settings("transfer"))
    energy_range = None
    if "e_normalization" in entries:
        energy_range = model_transfer.energy_range(path, *settings("e_normalization"))
    training_set = None
    if "trainingset" in entries:
        training_set = NamedFile(entries["trainingset"].words[0], entries["trainingset"].number)
    given = given or structures.read(sections, training_set)
    if training_set is not None and given is None and _holds_structures(training_set.path):
        message = f"found structures, {training_set.path}, after TRAININGSET; expected TYPES and SETUPS with them"
        raise InputError(path, message, training_set.line)
    if memory_mode == "auto" and given is None:
        message = "found MEMORY_MODE auto with a training set; expected TYPES and SETUPS, or another mode"
        raise InputError(path, message, entries["memory_mode"].number)
    if given is not None and "memory_mode" not in entries:
        memory_mode = "auto"
    for keyword in ("forcespercent", "forcesseed"):
        if keyword in entries and memory_mode != "recompute" and given is None:
            message = f"found {keyword.upper()}; expected it with MEMORY_MODE recompute, or with TYPES and SETUPS, only"
            raise InputError(path, message, entries[keyword].number)
    saved = [keyword for keyword in entries if keyword in ("save_batches", "load_batches")]
    saved += ["mode"] if mode == "batches" else []
    if memory_mode == "recompute" and saved:
        message = "found MEMORY_MODE recompute; expected another one with SAVE_BATCHES, LOAD_BATCHES or MODE batches"
        raise InputError(path, message, entries["memory_mode"].number)
    if given is not None and saved:
        name = "MODE batches" if saved[0] == "mode" else saved[0].upper()
        message = f"found {name} with structures; expected a TRAININGSET of generate.x, as saved batches belong to one"
        raise InputError(path, message, entries[saved[0]].line.number)
    if isinstance(transfer, Transfer) and mode == "transfer":
        given = _with_others(path, transfer, given, name)
        if transfer.replay is not None and saved:
            message = f"found {saved[0].upper()} with replay={transfer.replay.path}; expected one of them"
            raise InputError(path, message, entries[saved[0]].line.number)
    replays = mode == "transfer" and isinstance(transfer, Transfer) and transfer.replay is not None
    held, given = held_out.read(path, entries, value("validationpercent", 0.0), given, replays)
    if held_out.chooses_test(held, given):
        if value("testpercent", 0.0):
            message = "found TESTPERCENT with SPLIT every= or TESTSET; expected one of them"
            raise InputError(path, message, entries["testpercent"].number)
        test_percent = 0.0
    else:
        test_percent = required("testpercent")
    return TrainInput(
        path=path,
        training_set=required("trainingset") if given is None else _name(path, given),
        test_fraction=test_percent / 100,
        epochs=required("iterations"),
        write_every=value("iterwrite", 1),
        batch_size=EVERY if name == "lbfgs" else value("batchsize", EVERY if name == "lm" else 256),
        max_energy=value("maxenergy", None) or None,
        max_forces=value("maxforces", None) or None,
        alpha=alpha,
        numpy_seed=value("npseed", 11),
        torch_seed=value("phseed", 22),
        memory_mode=memory_mode,
        method=name,
        learning_rate=rate,
        regularization=value("regularization", 0.0),
        save_energies="save_energies" in entries,
        save_forces="save_forces" in entries,
        verbose="verbose" in entries,
        mode=mode,
        save_batches="save_batches" in entries or mode == "batches",
        load_batches="load_batches" in entries,
        checkpoint=value("checkpoint", None),
        patience=value("patience", None),
        schedule=schedule,
        average=_average(path, entries["ema"]) if "ema" in entries else None,
        networks=networks,
        transfer=transfer if mode == "transfer" else None,
        forces_percent=value("forcespercent", 100.0),
        forces_seed=value("forcesseed", None),
        new_split="new_split" in entries,
        energy_range=energy_range,
        settings=of_method,
        structures=given,
        held_out=held,
        weights=weights.read(path, entries, given, name),
        loss=loss.read(path, entries, given, name, memory_mode, alpha),
        committee=_committee(path, entries, given, name, mode),
    )


def _holds_structures(path: str) -> bool:
    """Whether a file has the name of one of structures."""
    return has_many(path) or path.lower().endswith(".xsf")


def _name(path: str, given: StructureInput) -> str:
    """What messages and potentials call structures: their file or, if there are several, the deck."""
    first = given.given[0]
    return first.path if len(given.given) == 1 and isinstance(first, NamedFile) else path


def _settings_of_method(entry: TrainKeyword) -> tuple[str, ...]:
    """Names of the settings of the method that an entry gives."""
    names = [word.lower().removeprefix("method=") for word in entry.words if word.lower().startswith("method=")]
    own = second_order.METHODS.get(names[-1]) if names else None
    return SETTINGS["method"] if own is None else ("method", *own)


def to_text(deck: TrainInput) -> str:
    """The text of a train.in that is read as this deck."""
    chooses = deck.memory_mode == "recompute" or deck.structures is not None
    chooses_test = held_out.chooses_test(deck.held_out, deck.structures)
    values: list[tuple[str, object]] = [
        ("TRAININGSET", deck.training_set if deck.structures is None else None),
        ("TESTPERCENT", None if chooses_test else f"{deck.test_fraction * 100:.15g}"),
        ("ITERATIONS", deck.epochs), ("ITERWRITE", deck.write_every),
        ("BATCHSIZE", None if deck.batch_size == EVERY else deck.batch_size),
        ("MAXENERGY", deck.max_energy), ("MAXFORCES", deck.max_forces),
        ("NPSEED", deck.numpy_seed), ("PHSEED", deck.torch_seed),
        ("MEMORY_MODE", deck.memory_mode), ("FORCESPERCENT", deck.forces_percent if chooses else None),
        ("FORCESSEED", deck.forces_seed), ("MODE", deck.mode), ("REGULARIZATION", deck.regularization),
        ("CHECKPOINT", deck.checkpoint), ("PATIENCE", deck.patience), ("EMA", deck.average),
    ]  # fmt: skip
    lines = [f"{keyword} {value}" for keyword, value in values if value is not None]
    lines += [keyword.upper() for keyword in FLAGS if getattr(deck, keyword)]
    lines += held_out.lines(deck.held_out, deck.structures)
    if deck.weights is not None:
        lines.append(weights.line(deck.weights))
    lines += loss.lines(deck.loss)
    if deck.committee is not None:
        lines.append(committees.line(deck.committee))
    if deck.structures is not None:
        lines += structures.lines(deck.structures)
    if deck.schedule is not None:
        names = ("factor", "patience", "min_lr", "warmup")
        given = dict(zip(names, dataclasses.astuple(deck.schedule)[1:], strict=True))
        wanted_names = [name for name in SCHEDULES[deck.schedule.kind] if given[name] or name != "warmup"]
        settings = [f"{name}={given[name]}" for name in wanted_names]
        lines.append(" ".join(["SCHEDULE", deck.schedule.kind, *settings]))
    of_method = deck.settings if deck.method in second_order.METHODS else {"lr": deck.learning_rate}
    lines += ["METHOD", " ".join([f"method={deck.method}", *(f"{name}={value}" for name, value in of_method.items())])]
    if deck.alpha is not None:
        lines += ["FORCES", f"alpha={deck.alpha}"]
    if deck.energy_range is not None:
        energies = deck.energy_range
        lines += ["E_NORMALIZATION", f"e_min={energies.low} e_max={energies.high} e_avg={energies.mean}"]
    if isinstance(deck.transfer, ModelTransfer):
        lines += model_transfer.lines(deck.transfer, deck.symbols)
    elif deck.transfer is not None:
        wanted = deck.transfer
        freeze = "hidden" if wanted.freeze == HIDDEN else wanted.freeze
        new = " new=random" if wanted.new else ""
        lines += ["TRANSFER", f"source={wanted.source} freeze={freeze} energy={wanted.energy}{new}{_others(wanted)}"]
    lines.append("NETWORKS")
    for network in deck.networks:
        lines.append(f"{network.symbol} {network.path} {len(network.nodes)} {' '.join(network.layers)}")
    return "\n".join(lines) + "\n"


def _others(wanted: Transfer) -> str:
    """The settings of replay, anchor, fisher, rates and schedule in a deck."""
    more = f" anchor={wanted.anchor}" if wanted.anchor else ""
    more += f" fisher={wanted.fisher.path}" if wanted.fisher is not None else ""
    for name, values in (("rates", wanted.rates), ("schedule", wanted.thaw)):
        more += f" {name}={','.join(map(repr, values))}" if values else ""
    if wanted.replay is None:
        return more
    return f" replay={wanted.replay.path} share={wanted.share} labels={wanted.labels}{more}"


def _transfer(path: str, line_number: int, given: dict[str, str]) -> Transfer:
    def one_of(name: str, *options: str) -> str:
        word = given.get(name, options[0]).lower()
        if word not in options:
            raise InputError(path, f"found {name}={given[name]}; expected {' or '.join(options)}", line_number)
        return word

    freeze = given.get("freeze", "1").lower()
    try:
        layers = HIDDEN if freeze == "hidden" else natural(freeze)
    except ValueError:
        expected = "a number of layers, or hidden"
        raise InputError(path, f"found freeze={given['freeze']}; expected {expected}", line_number) from None
    one_of("features", "source")
    new = "new" in given and bool(one_of("new", "random"))
    replay, fisher = (NamedFile(given[name], line_number) if name in given else None for name in ("replay", "fisher"))

    def number(name: str, usual: float) -> float:
        try:
            return non_negative(given.get(name, str(usual)))
        except ValueError:
            raise InputError(path, f"found {name}={given[name]}; expected a number, at least 0", line_number) from None

    share = number("share", Transfer.share)
    if not 0.0 < share < 1.0:
        raise InputError(path, f"found share={given['share']}; expected a number between 0 and 1", line_number)
    return Transfer(
        given.get("source", Transfer.source), layers, one_of("energy", *ENERGIES), new, replay, share,
        one_of("labels", *LABELS), number("anchor", Transfer.anchor), fisher,
        *_by_layer(path, line_number, given, layers),
    )  # fmt: skip


def _by_layer(
    path: str, line_number: int, given: dict[str, str], frozen: int
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """The rates and the schedule of TRANSFER; frozen : layers, or HIDDEN."""

    def listed(name: str, parse: Callable[[str], T], what: str) -> tuple[T, ...]:
        try:
            return tuple(parse(word) for word in given[name].split(",")) if name in given else ()
        except ValueError:
            raise InputError(path, f"found {name}={given[name]}; expected {what}", line_number) from None

    rates = listed("rates", non_negative, "a factor for each layer, such as 0.1,0.3,1")
    epochs = listed("schedule", natural, "numbers of epochs, such as 20,40")
    if list(epochs) != sorted(set(epochs)) or (frozen != HIDDEN and len(epochs) > frozen):
        most = "" if frozen == HIDDEN else f", at most {frozen}, the number of frozen layers"
        message = f"found schedule={given['schedule']}; expected increasing numbers of epochs{most}"
        raise InputError(path, message, line_number)
    return rates, epochs


def _with_others(
    path: str, wanted: Transfer, given: StructureInput | None, method: str
) -> StructureInput | None:  # fmt: skip
    """The structures of a deck with those of replay and fisher; InputError where these settings cannot be used."""
    named = {"anchor": wanted.anchor, "rates": wanted.rates, "schedule": wanted.thaw}
    found = [name for name, value in named.items() if value]
    if found and method in second_order.METHODS:
        message = f"found {found[0]}= after TRANSFER with method={method}; expected one of {', '.join(METHODS)}"
        raise InputError(path, message)
    for name, file in (("replay", wanted.replay), ("fisher", wanted.fisher)):
        if file is None:
            continue
        if given is None and _holds_structures(file.path):
            message = f"found structures, {name}={file.path}, with a training set; expected another training set"
            raise InputError(path, message, file.line)
        if given is not None:
            changes: dict[str, Any] = {name: (file,)}
            given = dataclasses.replace(given, **changes)
    if given is None and wanted.replay is not None and wanted.labels == "source":
        message = "found labels=source with a training set, which does not hold what it takes; expected structures"
        raise InputError(path, message, wanted.replay.line)
    if not wanted.anchor and (wanted.fisher is not None or (given is not None and given.fisher)):
        line = None if wanted.fisher is None else wanted.fisher.line
        raise InputError(path, "found fisher without anchor=; expected both", line)
    return given


def _committee(
    path: str, entries: Mapping[str, TrainKeyword], given: StructureInput | None, method: str, mode: str
) -> CommitteeInput | None:
    """The committee of a deck; InputError where it cannot be trained."""
    if "committee" not in entries:
        return None
    entry = entries["committee"]
    found = committees.read(path, entry)
    saved = [keyword for keyword in ("save_batches", "load_batches") if keyword in entries]
    if mode == "batches" or saved:
        name = saved[0].upper() if saved else "MODE batches"
        raise InputError(path, f"found COMMITTEE with {name}; expected one of them", entry.number)
    if found.bootstrap and (given is None or method in ("lm", "ekf")):
        other = f"method={method}" if given is not None else "a training set"
        expected = "it with another method" if given is not None else "TYPES, SETUPS and structures"
        raise InputError(path, f"found COMMITTEE bootstrap with {other}; expected {expected}", entry.number)
    return found


def _schedule(path: str, entry: TrainKeyword) -> Schedule:
    kind, *words = [word.lower() for word in entry.words] or [""]
    if kind not in SCHEDULES:
        raise InputError(path, f"found {kind!r} after SCHEDULE; expected {' or '.join(SCHEDULES)}", entry.number)
    settings: dict[str, float] = {}
    for word in words:
        name, _, given = word.partition("=")
        expected = ", ".join(f"{name}=number" for name in SCHEDULES[kind])
        if name not in SCHEDULES[kind]:
            raise InputError(path, f"found {word!r} after SCHEDULE {kind}; expected {expected}", entry.number)
        try:
            settings[name] = positive(given) if name in ("patience", "warmup") else non_negative(given)
        except ValueError:
            expected = _POSITIVE if name in ("patience", "warmup") else "a number, at least 0"
            raise InputError(path, f"found {given!r} for {name}; expected {expected}", entry.number) from None
    if not 0 < settings.get("factor", 0.5) < 1:
        raise InputError(path, f"found factor={settings['factor']:g}; expected a number between 0 and 1", entry.number)
    return Schedule(
        kind, settings.get("factor", Schedule.factor), int(settings.get("patience", Schedule.patience)),
        settings.get("min_lr", Schedule.least), int(settings.get("warmup", Schedule.warmup)),
    )  # fmt: skip


def _average(path: str, entry: TrainKeyword) -> float:
    text = entry.words[0] if entry.words else str(USUAL_AVERAGE)
    try:
        decay = non_negative(text)
    except ValueError:
        decay = 1.0
    if decay >= 1:
        raise InputError(path, f"found {text!r} after EMA; expected the decay, from 0 to below 1", entry.number)
    return decay


def _hint(word: str) -> str:
    """A hint at the keyword most similar to a word, if there is one."""
    near = difflib.get_close_matches(word, KEYWORDS, n=1, cutoff=0.6)
    return f", did you mean {near[0].upper()}?" if near else ""


def _entries(path: str, lines: list[Line]) -> dict[str, TrainKeyword]:
    """The content of each keyword; as in the original the last one counts, or the first of those with settings."""
    entries: dict[str, TrainKeyword] = {}
    position = 0
    while position < len(lines):
        line, keyword = lines[position], _first(lines[position])
        position += 1
        if keyword not in KEYWORDS:
            message = f"found {line.text.split()[0]!r}; expected a keyword{_hint(keyword)}"
            raise InputError(path, message, line.number)
        entry = TrainKeyword(line, _words(line.text.split()[1:]), line.number)
        if keyword in VALUES and keyword not in OPTIONAL and not entry.words:
            expected = f"expected {VALUES[keyword][1]}, on the same line"
            raise InputError(path, f"found no value after {line.text.split()[0]}; {expected}", line.number)
        if keyword in SETTINGS and not any("=" in word for word in entry.words):
            following = lines[position : position + 1]
            if following and _first(following[0]) not in KEYWORDS:  # other words after the keyword are not settings
                entry = TrainKeyword(line, _words(following[0].text.split()), following[0].number)
                position += 1
        elif keyword in BLOCKS:
            start = position
            while position < len(lines) and _first(lines[position]) not in KEYWORDS:
                position += 1
            entry = TrainKeyword(line, (), line.number, tuple(lines[start:position]))
            for other in entry.body if keyword == "transfer_networks" else ():
                if len(_words(other.text.split())) != 2:
                    message = f"found {other.text!r}; expected: symbol, potential{_hint(_first(other))}"
                    raise InputError(path, message, other.number)
        if keyword not in SETTINGS or keyword not in entries:
            entries[keyword] = entry
    return entries


def _words(words: Sequence[str]) -> tuple[str, ...]:
    """Words before a comment."""
    return tuple(itertools.takewhile(lambda word: not word.startswith(COMMENT_IN_LINE), words))


def _first(line: Line) -> str:
    return line.text.split()[0].lower()


def _networks(path: str, entries: dict[str, TrainKeyword]) -> tuple[NetworkInput, ...]:
    if "networks" not in entries or not entries["networks"].body:
        raise InputError(path, "no NETWORKS found; expected it, followed by a line for each species")
    networks: list[NetworkInput] = []
    for line in entries["networks"].body:
        words = _words(line.text.split())
        expected = "expected: symbol, file, number of hidden layers, and nodes:activation for each"
        try:
            nodes, activations = hidden_layers(words[3:])
            n_layers = natural(words[2])
        except (ValueError, IndexError):
            message = f"found {line.text!r}; {expected}{_hint(_first(line))}"
            raise InputError(path, message, line.number) from None
        if not n_layers == len(nodes) > 0:
            number = n_layers or "at least 1"
            raise InputError(path, f"found {len(nodes)} layers; expected {number}", line.number)
        for activation in activations:
            if activation not in ACTIVATIONS:
                message = f"found activation {activation!r}; expected one of {', '.join(ACTIVATIONS)}"
                raise InputError(path, message, line.number)
        if any(network.path == words[1] for network in networks):
            raise InputError(path, f"found {words[1]} for a second network; expected a file for each", line.number)
        if any(network.symbol == words[0] for network in networks):
            raise InputError(path, f"found a second network for {words[0]}; expected one", line.number)
        networks.append(NetworkInput(words[0], words[1], nodes, activations, line.number))
    return tuple(networks)


def hidden_layers(words: Sequence[str]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Nodes and activation function of each hidden layer, from words ``nodes:activation``; otherwise ValueError."""
    layers = [word.split(":") for word in words]
    if any(len(layer) < 2 for layer in layers):
        raise ValueError(words)
    return tuple(positive(layer[0]) for layer in layers), tuple(layer[1].lower() for layer in layers)


def whole(text: str, least: int, most: int = MOST) -> int:
    """A whole number in a range; otherwise ValueError."""
    value = listio.integer(text)
    if not least <= value <= most:
        raise ValueError(text)
    return value


def natural(text: str) -> int:
    return whole(text, 0)


def positive(text: str) -> int:
    return whole(text, 1)


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


_NATURAL, _POSITIVE = "a whole number, at least 0", "a whole number, at least 1"
VALUES: dict[str, tuple[Parse, str]] = {
    "trainingset": (str, "a training set"),
    "testpercent": (_percentage, "a percentage, below 100"),
    "testset": (str, "a file of structures"),
    "validationset": (str, "a file of structures"),
    "validationpercent": (_percentage, "a percentage, below 100"),
    "split": (str, "every= or group="),
    "weights": (str, "energy=KEY and forces=KEY, or key=KEY and table=FILE, or temperature=, or bootstrap="),
    "stress": (str, "beta="),
    "huber": (str, "energy= and forces="),
    "iterations": (natural, _NATURAL),
    "iterwrite": (positive, _POSITIVE),
    "batchsize": (positive, _POSITIVE),
    "maxenergy": (listio.real, "an energy in eV per atom"),
    "maxforces": (non_negative, "a force in eV/Angstrom"),
    "npseed": (functools.partial(whole, least=0, most=MOST_NUMPY_SEED), f"a whole number from 0 to {MOST_NUMPY_SEED}"),
    "phseed": (functools.partial(whole, least=0, most=MOST_TORCH_SEED), f"a whole number from 0 to {MOST_TORCH_SEED}"),
    "memory_mode": (str.lower, " or ".join(MEMORY_MODES)),
    "forcespercent": (_share, "a percentage from 0 to 100"),
    "forcesseed": (functools.partial(whole, least=-MOST), "a whole number"),
    "regularization": (non_negative, "a number, at least 0"),
    "mode": (str.lower, " or ".join(MODES)),
    "checkpoint": (positive, f"{_POSITIVE}, of epochs"),
    "patience": (positive, f"{_POSITIVE}, of epochs"),
    "ema": (str, "the decay"),
    "schedule": (str, " or ".join(SCHEDULES)),
    "committee": (str, committees.EXPECTED),
    "transfer_model": (str, "the model.restart of the source"),
    "freeze_layers": (str, "a flag for each hidden layer"),
}  # how each value is parsed, and a description of those expected
OPTIONAL = ("ema", "schedule")  # keywords whose values are parsed separately
KEYWORDS = (*FLAGS, *VALUES, *SETTINGS, *BLOCKS, *structures.KEYWORDS)
