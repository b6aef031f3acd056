"""Options of `train` and `transfer` as the input file that they stand for, with the same checks."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import committee, potential, potential_files, trainset
from aenet_py.formats.labels import Labels
from aenet_py.formats.text import foreign
from aenet_py.inputs import second_order
from aenet_py.inputs import train as inputs
from aenet_py.inputs.keywords import Line
from aenet_py.inputs.structures import NamedFile, StructureInput
from aenet_py.inputs.train import TrainInput, Transfer
from aenet_py.pipelines import arguments, repulsions
from aenet_py.structure import Structure

HiddenLayers = Mapping[str, Sequence[tuple[int, str]]]  # nodes and activation function of each hidden layer

# The keyword for each option, and the value it has by default, if the keyword is required.
KEYWORDS = {
    "test_percent": ("TESTPERCENT", 10), "iterations": ("ITERATIONS", 100), "batch_size": ("BATCHSIZE", None),
    "write_every": ("ITERWRITE", None), "max_energy": ("MAXENERGY", None), "max_forces": ("MAXFORCES", None),
    "numpy_seed": ("NPSEED", None), "torch_seed": ("PHSEED", None), "memory_mode": ("MEMORY_MODE", None),
    "regularization": ("REGULARIZATION", None), "checkpoint": ("CHECKPOINT", None), "patience": ("PATIENCE", None),
    "schedule": ("SCHEDULE", None), "ema": ("EMA", None), "forces_percent": ("FORCESPERCENT", None),
    "forces_seed": ("FORCESSEED", None), "save_energies": ("SAVE_ENERGIES", None), "save_forces": ("SAVE_FORCES", None),
    "new_split": ("NEW_SPLIT", None), "split": ("SPLIT", None), "validation_percent": ("VALIDATIONPERCENT", None),
    "weights": ("WEIGHTS", None), "stress": ("STRESS", None), "huber": ("HUBER", None),
    "committee": ("COMMITTEE", None),
}  # fmt: skip
SETTINGS = ("method", "lr", "forces_weight")  # which are settings of METHOD and FORCES
METHOD, RATE = "adamw", 0.001  # by default
STRUCTURES = "structures"  # what messages and potentials call several of them
PLACEHOLDER = "training-set"  # for a path that may have blanks, which an input file cannot express


@dataclass(frozen=True)
class TransferOptions:
    """Options of a transfer, as given: a folder or model.restart, layers to freeze, energies, whether new networks.

    more : share, labels and anchor, by name; sets : training sets of the source (replay, fisher), by name.
    """

    source: str
    freeze: int | str
    energy: str
    new: bool
    more: Mapping[str, Any]
    sets: Mapping[str, str] = field(default_factory=dict)


def deck_of(
    caller: str, training_set: str, networks: HiddenLayers, options: Mapping[str, Any],
    transfer: TransferOptions | None = None, names: Mapping[str, str] | None = None,
    structures: StructureInput | None = None,
) -> TrainInput:  # fmt: skip
    """The input of a training with these options.

    Parameters
    ----------
    caller : str
        The function that errors name.
    training_set : str
        Path of the training set.
    networks : mapping
        Nodes and activation function of each hidden layer, per species.
    options : mapping
        Values by name (`KEYWORDS`, `SETTINGS`).
    transfer : TransferOptions, optional
        For MODE transfer.
    names : mapping, optional
        File name of each species' potential, without the ending .ascii; by default SYMBOL.nn.
    structures : StructureInput, optional
        In place of a training set, which is then only a name.

    Returns
    -------
    TrainInput
        As read from an input file with these options.

    Raises
    ------
    AenetError
        For whatever is an error in an input file.
    """
    has_test = structures is not None and bool(structures.test)
    chooses_test = has_test or str(options.get("split")).strip().lower().startswith("every")
    lines = [f"TRAININGSET {PLACEHOLDER}", *_lines(caller, options, chooses_test)]
    if transfer is not None:
        new = " new=random" if transfer.new else ""
        named = dict.fromkeys(transfer.sets, PLACEHOLDER)
        more = "".join(f" {name}={value}" for name, value in {**transfer.more, **named}.items())
        lines += ["MODE transfer", f"TRANSFER source=. freeze={transfer.freeze} energy={transfer.energy}{new}{more}"]
    lines += ["NETWORKS", *_network_lines(caller, networks)]
    numbered = [Line(number, line) for number, line in enumerate(lines, 1)]
    try:
        deck = inputs.parse(caller, numbered, given=structures)
    except InputError as error:
        message = str(error).removeprefix(caller).removeprefix(f":{error.line}")
        raise AenetError(f"{caller}{message}") from None
    if transfer is not None and isinstance(deck.transfer, Transfer):
        files: dict[str, Any] = {name: NamedFile(foreign(path)) for name, path in transfer.sets.items()}
        changed = dataclasses.replace(deck.transfer, source=foreign(transfer.source), **files)
        deck = dataclasses.replace(deck, transfer=changed)
    if names is not None:
        renamed = (dataclasses.replace(network, path=foreign(names[network.symbol])) for network in deck.networks)
        deck = dataclasses.replace(deck, networks=tuple(renamed))
    return dataclasses.replace(deck, training_set=foreign(training_set))


def structures_of(
    structures: Any, setups: Any, atomic_energies: Any, labels: Labels, folder: str | os.PathLike[str],
    test_set: Any = None, validation_set: Any = None, repulsion: str | None = None, replay: Any = None,
    fisher: Any = None,
) -> tuple[StructureInput, str]:  # fmt: skip
    """Structures as an input file would name them, and what messages and potentials call them.

    Parameters
    ----------
    structures : path, structure, or iterable of these
        As given to `train`.
    setups : mapping of str to path
        Set-up file (``.stp``) of each species.
    atomic_energies : mapping of str to float or str, or str
        Energy of the free atom of each species, eV, or how to find it.
    labels : Labels
        Which energies and forces of extended XYZ to read.
    folder : path
        Where to train; paths are rewritten for it.
    test_set : path, structure, or iterable of these, optional
        Structures that are only tested.
    validation_set : path, structure, or iterable of these, optional
        Structures that are only validated.
    repulsion : str, optional
        What follows REPULSION.
    replay : path, structure, or iterable of these, optional
        Structures of the source of a transfer.
    fisher : path, structure, or iterable of these, optional
        Structures whose Fisher information weights its anchor.

    Returns
    -------
    StructureInput, str
        Paths are not checked.

    Raises
    ------
    AenetError
        If an argument is invalid.
    """
    energies = arguments.atomic_energies(setups, atomic_energies)
    files = tuple(NamedFile(seen_from(folder, arguments.path(each, "setups"))) for each in setups.values())
    given, test, validation, replayed, of_fisher = (
        tuple(
            each if isinstance(each, Structure) else NamedFile(foreign(seen_from(folder, each)))
            for each in ([] if some is None else arguments.structures(some))
        )
        for some in (structures, test_set, validation_set, replay, fisher)
    )
    wanted = repulsions.given(repulsion, "repulsion")
    found = StructureInput(
        tuple(setups), energies, files, given, labels, repulsion=wanted, test=test, validation=validation,
        replay=replayed, fisher=of_fisher,
    )  # fmt: skip
    return found, seen_from(folder, os.fspath(structures)) if isinstance(structures, str | os.PathLike) else STRUCTURES


def training_set(caller: str, given: Any) -> str:
    """The path of a training set; AenetError for structures, which require set-ups."""
    if not isinstance(given, str | os.PathLike):
        raise AenetError(f"{caller}: structures without setups; give setups and atomic_energies, too")
    return os.fspath(given)


def seen_from(folder: str | os.PathLike[str], path: str | os.PathLike[str]) -> str:
    """A path given in the current folder, as it is called in another one."""
    given = os.fspath(path)
    is_here = os.path.realpath(folder) == os.path.realpath(".")
    return given if is_here or os.path.isabs(given) else os.path.relpath(given, folder)


def of_source(training_set: str, source: str) -> tuple[HiddenLayers, dict[str, str]]:
    """The networks of another training for the species of a training set, and the names of their files."""
    with trainset.open_source(training_set) as file:
        symbols = trainset.read_header(file).types
    return networks_of(symbols, source)


def networks_of(symbols: Sequence[str], source: str) -> tuple[HiddenLayers, dict[str, str]]:
    """The networks of another training for these species, and the names of their files."""
    folder = source if os.path.isdir(source) else os.path.dirname(source) or "."
    files = potential_files.files_of(os.path.join(folder, "1") if committee.read(folder) else folder)
    networks: dict[str, Sequence[tuple[int, str]]] = {}
    for symbol in symbols:
        if symbol not in files:
            raise AenetError(f"{source}: no potential for {symbol}; give `networks`, and new=True for a new network")
        network = potential.read(files[symbol]).network
        names = [potential.ACTIVATIONS[number] for number in network.activations[:-1]]
        networks[symbol] = list(zip(network.nodes[1:-1].tolist(), names, strict=True))
    return networks, {symbol: os.path.basename(files[symbol]).removesuffix(".ascii") for symbol in symbols}


def _lines(caller: str, options: Mapping[str, Any], chooses_test: bool) -> list[str]:
    """The keywords; chooses_test : whether the test set is known without a percentage."""
    for name in options:
        if name not in KEYWORDS and name not in SETTINGS:
            near = difflib.get_close_matches(name, [*KEYWORDS, *SETTINGS], n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise AenetError(f"{caller} has no option {name!r}{hint}")
    lines = []
    for name, (keyword, usual) in KEYWORDS.items():
        value = options.get(name)
        if value is None and not (name == "test_percent" and chooses_test):
            value = usual
        if value is None or value is False:
            continue
        lines.append(keyword if value is True else f"{keyword} {value}")
    method, rate = options.get("method") or METHOD, options.get("lr")
    if rate is None and method.split()[0].lower() not in second_order.METHODS:
        rate = RATE
    lines.append(f"METHOD method={method}" + ("" if rate is None else f" lr={rate}"))
    if options.get("forces_weight") is not None:
        lines.append(f"FORCES alpha={options['forces_weight']}")
    return lines


def _network_lines(caller: str, networks: HiddenLayers) -> list[str]:
    lines = []
    for symbol, layers in networks.items():
        try:
            words = [f"{nodes}:{activation}" for nodes, activation in layers]
        except (TypeError, ValueError):
            expected = "nodes and activation function of each hidden layer, such as [(15, 'tanh'), (15, 'tanh')]"
            raise AenetError(f"{caller}: the network of {symbol} is {layers!r}; expected {expected}") from None
        lines.append(f"{symbol} {symbol}.nn {len(words)} {' '.join(words)}")
    return lines
