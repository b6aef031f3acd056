"""The input file of aenet-py scan: the values to scan, and the input files of generate.x and of the trainer."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from aenet_py.errors import InputError
from aenet_py.formats import listio
from aenet_py.formats.text import native
from aenet_py.inputs.keywords import COMMENT, Line, content_lines, words
from aenet_py.inputs.setup import PARAMETERS
from aenet_py.inputs.train import ACTIVATIONS, METHODS, hidden_layers, natural, non_negative, positive

TRAINING = ("method", "lr", "regularization", "alpha", "nodes")
SCANNED = (*PARAMETERS, *TRAINING)  # in the order of the combinations, of which the last changes fastest
DEFAULT_FOLDER = "scan"
MODES = ("grid", "each")
SORTS = ("energy", "force")
Value = float | int | str
Seed = tuple[int, int]


@dataclass(frozen=True)
class ScanInput:
    """The content of the input file.

    Parameters
    ----------
    path : str
        The input file.
    generate : str or None
        Input file of generate.x, None if the training set exists already.
    train : str
        Input file of the trainer.
    values : mapping
        Values of each scanned keyword, in the order of SCANNED.
    lines : mapping
        Line of each scanned keyword.
    seeds : tuple of (int, int)
        NPSEED and PHSEED of the runs, empty for those of `train`.
    mode : str
        One of MODES.
    folder : str
        Where the runs are made.
    jobs : int
        Number of simultaneous runs.
    sort : str
        The error by which combinations are ranked, one of SORTS.
    """

    path: str
    generate: str | None
    train: str
    values: Mapping[str, tuple[Value, ...]]
    lines: Mapping[str, int]
    seeds: tuple[Seed, ...]
    mode: str
    folder: str
    jobs: int
    sort: str


def read(path: str) -> ScanInput:
    """Read a deck; InputError with the line where something is wrong."""
    entries = _entries(path, content_lines(path, "an input file of aenet-py scan"))

    def one(keyword: str, parse: Callable[[str], Value], what: str, default: Value) -> Value:
        if keyword not in entries:
            return default
        values = _values(path, *entries[keyword], parse, what)
        if len(values) > 1:
            message = f"found {len(values)} values after {keyword.upper()}; expected {what}"
            raise InputError(path, message, entries[keyword][0].number)
        return values[0]

    train = str(one("train", native, "the trainer's input file", ""))
    if not train:
        raise InputError(path, "no TRAIN found; expected it, followed by the trainer's input file")
    given = {name: entries[name.lower()] for name in SCANNED if name.lower() in entries}
    if not given and "seeds" not in entries:
        raise InputError(path, f"no values to scan found; expected one of {', '.join(SCANNED).upper()} or SEEDS")
    return ScanInput(
        path=path,
        generate=str(one("generate", native, "an input file of generate.x", "")) or None,
        train=train,
        values={name: _values(path, *entry, *VALUES[name]) for name, entry in given.items()},
        lines={name: line.number for name, (line, _) in given.items()},
        seeds=_seeds(path, entries),
        mode=str(one("mode", _one_of(MODES), "grid or each", MODES[0])),
        folder=str(one("folder", native, "a folder", DEFAULT_FOLDER)),
        jobs=int(one("jobs", positive, "a number of runs at once, at least 1", 1)),
        sort=str(one("sort", _one_of(SORTS), "energy or force", SORTS[0])),
    )


def _entries(path: str, lines: list[Line]) -> dict[str, tuple[Line, list[str]]]:
    """The line of each keyword and the words after it."""
    entries: dict[str, tuple[Line, list[str]]] = {}
    for line in lines:
        name, *given = words(line.text)
        keyword = name.lower()
        if keyword not in KEYWORDS:
            near = difflib.get_close_matches(keyword, KEYWORDS, n=1, cutoff=0.6)
            hint = f", did you mean {near[0].upper()}?" if near else ""
            raise InputError(path, f"found {name!r}; expected a keyword{hint}", line.number)
        if keyword in entries:
            message = f"found {keyword.upper()} again; expected it once, in line {entries[keyword][0].number}"
            raise InputError(path, message, line.number)
        comment = next((n for n, word in enumerate(given) if word.startswith(COMMENT)), len(given))
        entries[keyword] = line, given[:comment]
    return entries


def _values(path: str, line: Line, given: list[str], parse: Callable[[str], Value], what: str) -> tuple[Value, ...]:
    keyword = words(line.text)[0].upper()

    def refuse(shown: str) -> NoReturn:
        raise InputError(path, f"found {shown} after {keyword}; expected {what}", line.number) from None

    if not given:
        refuse("no value")
    values: list[Value] = []
    for text in given:
        try:
            value = parse(text)
        except ValueError:
            refuse(repr(text))
        if value in values:
            refuse(f"{text!r} twice")
        values.append(value)
    return tuple(values)


def _seeds(path: str, entries: Mapping[str, tuple[Line, list[str]]]) -> tuple[Seed, ...]:
    if "seeds" not in entries:
        return ()
    what = "whole numbers, at least 0, or NPSEED:PHSEED"
    texts = _values(path, *entries["seeds"], _seed, what)
    pairs = [str(text).split(":") for text in texts]
    return tuple((int(numpy_seed), int(torch_seed)) for numpy_seed, torch_seed in pairs)


def _seed(text: str) -> str:
    """NPSEED:PHSEED, from these or from one number for both."""
    numbers = [natural(part) for part in text.split(":")]
    if len(numbers) > 2:
        raise ValueError(text)
    return f"{numbers[0]}:{numbers[-1]}"


def _one_of(options: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in options:
            raise ValueError(text)
        return text.lower()

    return parse


def _nodes(text: str) -> str:
    nodes, activations = hidden_layers(text.split(","))
    if not set(activations) <= set(ACTIVATIONS):
        raise ValueError(text)
    return ",".join(f"{n}:{activation}" for n, activation in zip(nodes, activations, strict=True))


def _cutoff(text: str) -> float:
    return non_negative(str(listio.real(text)))


def _weight(text: str) -> float:
    value = non_negative(text)
    if value > 1:
        raise ValueError(text)
    return value


# How the values of each scanned keyword are parsed, and a description of those expected.
VALUES: Mapping[str, tuple[Callable[[str], Value], str]] = {
    "radial_Rc": (_cutoff, "cutoffs in Angstrom, at least 0"),
    "radial_N": (natural, "orders, at least 0"),
    "angular_Rc": (_cutoff, "cutoffs in Angstrom, at least 0"),
    "angular_N": (natural, "orders, at least 0"),
    "method": (_one_of(METHODS), f"some of {', '.join(METHODS)}"),
    "lr": (non_negative, "learning rates, at least 0"),
    "regularization": (non_negative, "weight decays, at least 0"),
    "alpha": (_weight, "weights of the force error, from 0 to 1"),
    "nodes": (_nodes, f"networks such as 10:tanh,10:tanh, of {', '.join(ACTIVATIONS)}"),
}
KEYWORDS = ("generate", "train", *(name.lower() for name in SCANNED), "seeds", "mode", "folder", "jobs", "sort")
