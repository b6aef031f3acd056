"""The input file of aenet-py learn: TOML, with a table for each step of a generation."""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aenet_py.errors import AenetError, InputError
from aenet_py.formats.uncertainty import COMMITTEE, FEATURES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WHAT = "an input file of aenet-py learn"
UNCERTAINTIES = (FEATURES, COMMITTEE)
Section = TypeVar("Section")


@dataclass(frozen=True)
class First:
    """The first structures to label, if the deck names none: the initial ones, and copies with displaced atoms.

    Parameters
    ----------
    copies
        Displaced copies of each initial structure.
    rattle
        Standard deviation of each displacement, Å.
    """

    copies: int = 20
    rattle: float = 0.1


@dataclass(frozen=True)
class Explore:
    """Simulations with the current committee.

    Parameters
    ----------
    temperatures
        K.
    seeds
        Simulations of each initial structure at each temperature.
    time
        Length of a simulation, ps.
    timestep
        fs.
    every
        Steps between frames.
    """

    temperatures: tuple[float, ...] = (300.0,)
    seeds: int = 2
    time: float = 5.0
    timestep: float = 0.5
    every: int = 20


@dataclass(frozen=True)
class Pick:
    """Which frames of the simulations are labelled.

    Parameters
    ----------
    structures
        Frames in a generation, at most.
    min_spread
        Frames in which no force is less certain than this are not picked, eV/Å.  What is compared with it, see
        ``uncertainty`` of `LearnInput`.
    max_spread
        Frames with a force less certain than this are picked only where there are no others, eV/Å.
    """

    structures: int = 20
    min_spread: float = 0.2
    max_spread: float = 3.0


@dataclass(frozen=True)
class Stop:
    """When the loop ends.

    Parameters
    ----------
    generations
        After so many.
    labels
        Once so many structures were labelled.
    share
        Once all simulations reach their end and at most this share of their frames is less certain than ``min_spread``.
    """

    generations: int = 10
    labels: int = 200
    share: float = 0.02


@dataclass(frozen=True)
class Labelling:
    """How structures are labelled: several at a time, and for how long each, s."""

    processes: int = 1
    timeout: float | None = None


@dataclass(frozen=True)
class LearnInput:
    """The content of the input file.

    Parameters
    ----------
    path
        The input file.
    calculator
        Which energies and forces to learn, as after ``aenet-py label --calculator``.
    start
        The structures from which simulations start.
    deck
        A train.in with set-ups, networks, settings, and structures that are labelled already; None: as by
        ``aenet-py init`` for the first labels.
    transfer
        A train.in with MODE transfer for all generations but the first; None: `deck`, with ``TRANSFER freeze=0``.
    folder
        For everything that is written; in the input file, paths are relative to its folder.
    members
        Of the committee; None for those of the deck's COMMITTEE, or 4.
    uncertainty
        ``"features"``: the expected error of forces by the features of a single potential; ``"committee"``: the same by
        the spread of a committee; None: this spread itself.
    seed
        Of displacements and simulations.
    first, explore, pick, label, stop
        The tables of the same names.
    """

    path: str
    calculator: str
    start: tuple[str, ...]
    deck: str | None = None
    transfer: str | None = None
    folder: str = "learn"
    members: int | None = None
    uncertainty: str | None = None
    seed: int = 0
    first: First = field(default_factory=First)
    explore: Explore = field(default_factory=Explore)
    pick: Pick = field(default_factory=Pick)
    label: Labelling = field(default_factory=Labelling)
    stop: Stop = field(default_factory=Stop)

    @property
    def is_calibrated(self) -> bool:
        """Whether expected errors are compared with the limits, not the spread of a committee itself."""
        return self.uncertainty is not None

    @property
    def is_single(self) -> bool:
        """Whether a single potential is trained in place of a committee."""
        return self.uncertainty == FEATURES


_TABLES: Mapping[str, type] = {
    "first": First, "explore": Explore, "pick": Pick, "label": Labelling, "stop": Stop,
}  # fmt: skip
_REQUIRED = {
    "calculator": 'what computes energies and forces, such as calculator = "tblite:method=GFN1-xTB"',
    "start": 'structures from which simulations start, such as start = "cluster.extxyz"',
}  # fmt: skip
_PATHS = ("start", "deck", "transfer", "folder")
_LEAST = {  # whole numbers, and the least that they may be
    "members": 2, "seed": 0, "copies": 0, "seeds": 1, "every": 1, "structures": 1, "generations": 1, "labels": 1,
    "processes": 1,
}  # fmt: skip
_REAL = {  # numbers: unit, and whether 0 is allowed
    "rattle": ("a length in Angstrom", True), "time": ("a time in ps", False), "timestep": ("a time in fs", False),
    "min_spread": ("a force in eV/Angstrom", False), "max_spread": ("a force in eV/Angstrom", False),
    "share": ("a share from 0 to 1", True), "timeout": ("a time in s", False),
}  # fmt: skip


def read(path: str) -> LearnInput:
    """Read an input file; InputError with the line where something is wrong."""
    text, content = _content(path)
    known = {each.name for each in dataclasses.fields(LearnInput)} - {"path"}
    values = _checked(path, text, None, content, known)
    for name, what in _REQUIRED.items():
        if name not in values:
            raise InputError(path, f"found no {name}; expected {what}")
    for name, kind in _TABLES.items():
        given = content.get(name, {})
        if not isinstance(given, dict):
            raise InputError(path, f"found {name} = {given!r}; expected a table [{name}]", _line(text, None, name))
        fields = {each.name for each in dataclasses.fields(kind)}
        values[name] = kind(**_checked(path, text, name, given, fields))
    wanted = LearnInput(path, **_from(os.path.dirname(path), values))
    if wanted.pick.max_spread <= wanted.pick.min_spread:
        message = f"found max_spread = {wanted.pick.max_spread:g}; expected more than min_spread"
        raise InputError(path, f"{message}, {wanted.pick.min_spread:g}", _line(text, "pick", "max_spread"))
    if wanted.members is not None and wanted.is_single:
        message = f'found members = {wanted.members}; expected none with uncertainty = "{FEATURES}" of one potential'
        raise InputError(path, message, _line(text, None, "members"))
    if wanted.transfer is not None and wanted.deck is None:
        raise InputError(path, "found transfer without deck; expected both", _line(text, None, "transfer"))
    return wanted


def _content(path: str) -> tuple[list[str], dict[str, Any]]:
    """The lines of a file, and what they say."""
    try:
        with open(path, "rb") as file:
            text = file.read().decode()
        return text.splitlines(), tomllib.loads(text)
    except FileNotFoundError:
        raise AenetError(f"{path}: no such file; expected {WHAT}") from None
    except OSError as error:
        raise AenetError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(path, f"not text in UTF-8; expected {WHAT}") from None
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column \d+\)", str(error))
        reason = str(error).partition(" (at ")[0]
        raise InputError(path, f"not TOML: {reason[0].lower()}{reason[1:]}", int(found[1]) if found else None) from None


def _line(text: list[str], table: str | None, name: str) -> int | None:
    """The line of a key in a table, None for that before all tables."""
    current = None
    for number, line in enumerate(text, 1):
        heading = re.match(r"\s*\[\s*([^\]]+?)\s*\]", line)
        if heading:
            current = heading[1]
            if table is None and current == name:
                return number
        elif current == table and re.match(rf'\s*"?{re.escape(name)}"?\s*=', line):
            return number
    return None


def _checked(
    path: str, text: list[str], table: str | None, given: Mapping[str, Any], known: set[str]
) -> dict[str, Any]:
    """The values of a table that are no tables, in the types of the dataclass."""
    values = {}
    for name, value in given.items():
        line = _line(text, table, name)
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            expected = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(sorted(known))}"
            place = "" if table is None else f" in [{table}]"
            raise InputError(path, f"found {name}{place}; {expected}", line)
        if table is None and name in _TABLES:
            continue
        try:
            values[name] = _value(name, value)
        except ValueError as error:
            raise InputError(path, f"found {name} = {value!r}; expected {error}", line) from None
    return values


def _from(folder: str, values: dict[str, Any]) -> dict[str, Any]:
    """Values with paths that are relative to a folder; a calculator is one if it names a file."""
    changed = {"folder": LearnInput.folder, **values}
    for name in _PATHS:
        if name in changed:
            changed[name] = _joined(folder, changed[name])
    if values["calculator"].endswith(".toml"):
        changed["calculator"] = _joined(folder, values["calculator"])
    return changed


def _joined(folder: str, given: Any) -> Any:
    if isinstance(given, tuple):
        return tuple(_joined(folder, each) for each in given)
    return os.path.normpath(os.path.join(folder, given))


def _value(name: str, value: Any) -> Any:
    """A value in the type of its field; ValueError with what is expected."""
    if name in _LEAST:
        if isinstance(value, bool) or not isinstance(value, int) or value < _LEAST[name]:
            raise ValueError(f"a whole number, at least {_LEAST[name]}")
        return value
    if name in _REAL:
        what, zero = _REAL[name]
        if not _is_number(value) or value < 0 or (value == 0 and not zero) or (name == "share" and value > 1):
            raise ValueError(f"{what}, {'at least' if zero else 'above'} 0" if name != "share" else what)
        return float(value)
    if name == "temperatures":
        some = value if isinstance(value, list) else [value]
        if not some or not all(_is_number(each) and each > 0 for each in some) or len(set(some)) < len(some):
            raise ValueError("different temperatures in K, such as [300, 500]")
        return tuple(map(float, some))
    if name == "uncertainty" and value not in UNCERTAINTIES:
        raise ValueError(" or ".join(f'"{each}"' for each in UNCERTAINTIES))
    some = value if isinstance(value, list) and name == "start" else [value]
    if not some or not all(isinstance(each, str) and each for each in some):
        raise ValueError("names of files" if name == "start" else "a text in quotation marks")
    return tuple(some) if name == "start" else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
