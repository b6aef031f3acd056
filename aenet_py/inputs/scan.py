"""The deck of aenet-py scan: which settings to try, on which structures and with which trainer's deck."""

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
SCANNED = (*PARAMETERS, *TRAINING)  # in the order of the combinations, the last one changing fastest
DEFAULT_FOLDER = "scan"
MODES = ("grid", "each")
SORTS = ("energy", "force")
Value = float | int | str
Seed = tuple[int, int]


@dataclass(frozen=True)
class ScanInput:
    """The deck.

    generate, train : decks of the two programs, generate None where the training set is there; values : of each scanned
    keyword those to try, in the order of SCANNED; lines : where these are; seeds : NPSEED and PHSEED, empty for those
    of train; mode : one of MODES; jobs : runs at once; sort : which error the best combination has the smallest of.
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
    found = _entries(path, content_lines(path, "an input file of aenet-py scan"))

    def one(keyword: str, parse: Callable[[str], Value], what: str, default: Value) -> Value:
        if keyword not in found:
            return default
        values = _values(path, *found[keyword], parse, what)
        if len(values) > 1:
            message = f"found {len(values)} values behind {keyword.upper()}; expected {what}"
            raise InputError(path, message, found[keyword][0].number)
        return values[0]

    train = str(one("train", native, "the trainer's input file", ""))
    if not train:
        raise InputError(path, "no TRAIN found; expected it, and the trainer's input file behind it")
    given = {name: found[name.lower()] for name in SCANNED if name.lower() in found}
    if not given and "seeds" not in found:
        raise InputError(path, f"found nothing to scan; expected one of {', '.join(SCANNED).upper()} or SEEDS")
    return ScanInput(
        path=path,
        generate=str(one("generate", native, "an input file of generate.x", "")) or None,
        train=train,
        values={name: _values(path, *entry, *VALUES[name]) for name, entry in given.items()},
        lines={name: line.number for name, (line, _) in given.items()},
        seeds=_seeds(path, found),
        mode=str(one("mode", _one_of(MODES), "grid or each", MODES[0])),
        folder=str(one("folder", native, "a folder", DEFAULT_FOLDER)),
        jobs=int(one("jobs", positive, "a number of runs at once, at least 1", 1)),
        sort=str(one("sort", _one_of(SORTS), "energy or force", SORTS[0])),
    )


def _entries(path: str, lines: list[Line]) -> dict[str, tuple[Line, list[str]]]:
    """Each keyword's line and the words behind it."""
    found: dict[str, tuple[Line, list[str]]] = {}
    for line in lines:
        name, *given = words(line.text)
        keyword = name.lower()
        if keyword not in KEYWORDS:
            near = difflib.get_close_matches(keyword, KEYWORDS, n=1, cutoff=0.6)
            hint = f", did you mean {near[0].upper()}?" if near else ""
            raise InputError(path, f"found {name!r}; expected a keyword{hint}", line.number)
        if keyword in found:
            message = f"found {keyword.upper()} again; expected it once, in line {found[keyword][0].number}"
            raise InputError(path, message, line.number)
        comment = next((n for n, word in enumerate(given) if word.startswith(COMMENT)), len(given))
        found[keyword] = line, given[:comment]
    return found


def _values(path: str, line: Line, given: list[str], parse: Callable[[str], Value], what: str) -> tuple[Value, ...]:
    keyword = words(line.text)[0].upper()

    def refuse(shown: str) -> NoReturn:
        raise InputError(path, f"found {shown} behind {keyword}; expected {what}", line.number) from None

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


def _seeds(path: str, found: Mapping[str, tuple[Line, list[str]]]) -> tuple[Seed, ...]:
    if "seeds" not in found:
        return ()
    what = "whole numbers, at least 0, or NPSEED:PHSEED"
    texts = _values(path, *found["seeds"], _seed, what)
    pairs = [str(text).split(":") for text in texts]
    return tuple((int(numpy_seed), int(torch_seed)) for numpy_seed, torch_seed in pairs)


def _seed(text: str) -> str:
    """NPSEED:PHSEED; one number stands for both."""
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


# Of each scanned keyword how a value is read, and what is expected.
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
