"""The input file of predict.x, ``predict.in`` (read_InpPredict in input)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from aenet_py.errors import InputError
from aenet_py.formats import listio
from aenet_py.inputs.generate import FILES_EXPECTED
from aenet_py.inputs.keywords import Deck, nobody, parameter, read_deck
from aenet_py.structure import SYMBOL_LENGTH

SINGLE = {"forces", "timing", "print_atomic_energies", "debug", "verbosity", "legacy_angular"}
COUNTED = {"types", "files"}
PER_TYPE = {"networks"}
FOLLOWED = {"relax"}
T = TypeVar("T")


@dataclass(frozen=True)
class Relaxation:
    """Settings of a relaxation with L-BFGS-B.

    steps : at most; force : it ends when no force component exceeds this value, eV/Å; energy : or when the relative
    change of the energy is below this value times the machine precision.
    """

    steps: int = 99
    force: float = 0.01
    energy: float = 0.001


@dataclass(frozen=True)
class PredictInput:
    """The content of predict.in.

    Parameters
    ----------
    path : str
        The input file.
    types : tuple of str
        Species.
    networks : tuple of str
        The potential file of each species.
    structures : tuple of str
        Files of structures as written in the deck (latin-1, one character per byte).
    forces, atomic_energies : bool
        Whether to print them.
    relaxation : Relaxation or None
        Settings of the relaxation, None without RELAX.
    legacy_angular : bool or None
        Whether the potentials were trained by ænet before 2.0.4; None if the deck does not say.
    timing, debug : bool
        Whether to write predict.time, predict.debug.
    quiet : bool
        Print coordinates and energies only (VERBOSITY low).
    """

    path: str
    types: tuple[str, ...]
    networks: tuple[str, ...]
    structures: tuple[str, ...]
    forces: bool
    atomic_energies: bool
    relaxation: Relaxation | None
    legacy_angular: bool | None
    timing: bool
    debug: bool
    quiet: bool


def read(path: str, structures: Sequence[str], warn: Callable[[str], None]) -> PredictInput:
    """Read predict.in; InputError with the line of whatever is missing or invalid.

    structures : files on the command line, which replace those of FILES.
    """
    deck = read_deck(path, "a predict.x input file", SINGLE, COUNTED, PER_TYPE, FOLLOWED)
    types = _types(deck)
    quiet = deck.is_quiet(warn)
    relaxation = _relaxation(deck, nobody if quiet else warn) if "relax" in deck.entries else None
    if not structures:
        entry = deck.require("files", FILES_EXPECTED)
        structures = [line.text for line in entry.body]
    result = PredictInput(
        path=path,
        types=types,
        networks=_networks(deck, types),
        structures=tuple(structures),
        forces=bool(deck.flag("forces")) or relaxation is not None,
        atomic_energies=bool(deck.flag("print_atomic_energies")),
        relaxation=relaxation,
        legacy_angular=deck.flag("legacy_angular"),
        timing=bool(deck.flag("timing")),
        debug=bool(deck.flag("debug")),
        quiet=quiet,
    )
    if not quiet:
        deck.warn_of_unknown(warn)
    return result


def _types(deck: Deck) -> tuple[str, ...]:
    entry = deck.require("types", "'TYPES', the number of species, and one symbol per line")
    symbols: list[str] = []
    for line in entry.body:
        symbols.append(line.text[:SYMBOL_LENGTH].strip())
        if symbols.index(symbols[-1]) < len(symbols) - 1:
            raise InputError(deck.path, f"TYPES names {symbols[-1]!r} twice", line.number)
    return tuple(symbols)


def _networks(deck: Deck, types: tuple[str, ...]) -> tuple[str, ...]:
    deck.require("networks", "'NETWORKS' and one line '<symbol> <potential file>' for each species")
    return deck.files_of_species("networks", types, "potential file", "a potential file")


def _relaxation(deck: Deck, warn: Callable[[str], None]) -> Relaxation:
    entry = deck.entries["relax"]
    if "=" in entry.rest:
        warn(f"{deck.path}:{entry.line.number}: ignoring {entry.rest!r} after RELAX; write it on the next line")
    if not entry.body:
        return Relaxation()
    line = entry.body[0]

    def value(name: str, parse: Callable[[str], T], default: T) -> T:
        given = parameter(deck.path, line.number, line.text, name, parse)
        return default if given is None else given

    method = value("method", str, "bfgs").lower()
    if method != "bfgs":
        raise InputError(deck.path, f"found method={method} under RELAX; expected method=bfgs", line.number)
    if value("dmax", str, ""):
        warn(f"{deck.path}:{line.number}: dmax has no effect, as in the original, where it is always 0.1")
    default = Relaxation()
    relaxation = Relaxation(
        steps=value("steps", listio.integer, default.steps),
        force=value("F_conv", listio.real, default.force),
        energy=value("E_conv", listio.real, default.energy),
    )
    if min(relaxation.steps, relaxation.force, relaxation.energy) < 0:
        raise InputError(
            deck.path, "found a negative number under RELAX; expected steps, F_conv, E_conv >= 0", line.number
        )
    return relaxation
