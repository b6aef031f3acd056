"""The input file of generate.x, ``generate.in`` (read_InpGenerate in input)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aenet_py.errors import InputError
from aenet_py.formats import listio
from aenet_py.formats.labels import Labels
from aenet_py.formats.structures import path_of
from aenet_py.inputs import repulsion as repulsions
from aenet_py.inputs.keywords import Deck, Line, content_lines, first_word, read_deck
from aenet_py.inputs.repulsion import Repulsion
from aenet_py.structure import SYMBOL_LENGTH

DEFAULT_OUTPUT = "refdata.train"
DEFAULT_FORCES_PERCENT = 1.0
SINGLE = {
    "output", "forces", "forcespercent", "forceslist", "forcesseed", "energykey", "forceskey", "timing", "debug",
    "verbosity", "repulsion",
}  # fmt: skip
COUNTED = {"types", "files"}
PER_TYPE = {"setups"}
SETUPS_EXPECTED = "'SETUPS' and one line '<symbol> <.stp file>' for each species"
FILES_EXPECTED = "'FILES', the number of lines, and one XSF or extended XYZ file, or ASE database, per line"
FIT, ISOLATED = "fit", "isolated"  # in place of an atomic energy: by least squares, or of single atoms in the data
AtomicEnergy = float | str  # eV, or one of these words
KEY = "a key of the comment lines, or a column, of extended XYZ"


@dataclass(frozen=True)
class GenerateInput:
    """The content of generate.in.

    Parameters
    ----------
    path : str
        The input file.
    output : str
        File of the training set.
    types : tuple of str
        Species in the order of the file.
    atomic_energies : tuple of float or str
        Energy of the free atom of each species, eV, or ``fit`` or ``isolated``.
    setups : tuple of str
        The .stp file of each species.
    structures : tuple of str
        Files of structures as written in the deck (latin-1, one character per byte).
    labels : Labels
        Which energies and forces of extended XYZ to read.
    forces : bool
        Whether to write gradients.
    forces_percent, forces_seed : float, int or None
        Percentage of the structures whose gradients are written, and the seed they are drawn with.
    forces_list : str or None
        File that lists the structures whose gradients are written instead.
    timing, debug : bool
        Whether to write generate.time, generate.debug.
    quiet : bool
        No progress bar and no warnings (VERBOSITY low).
    repulsion : Repulsion, str or None
        Repulsion that is left out, or ``auto``.
    """

    path: str
    output: str
    types: tuple[str, ...]
    atomic_energies: tuple[AtomicEnergy, ...]
    setups: tuple[str, ...]
    structures: tuple[str, ...]
    labels: Labels
    forces: bool
    forces_percent: float
    forces_list: str | None
    forces_seed: int | None
    timing: bool
    debug: bool
    quiet: bool
    repulsion: Repulsion | str | None = None


def read(path: str, warn: Callable[[str], None]) -> GenerateInput:
    """Read generate.in; InputError with the line of whatever is missing or invalid."""
    deck = read_deck(path, "a generate.x input file", SINGLE, COUNTED, PER_TYPE)
    types, energies = species_of(deck)
    quiet = deck.is_quiet(warn)
    forces = deck.flag("forces")
    percent = deck.argument("forcespercent", _percentage, "a percentage from 0 to 100")
    forces_list = deck.path_of("forceslist", "a file with structure numbers")
    seed = deck.argument("forcesseed", listio.integer, "an integer")
    if forces_list is not None and not os.path.exists(forces_list):
        raise deck.missing(deck.entries["forceslist"].line, forces_list, "a list of structure numbers")
    if forces is None:
        forces = forces_list is not None
    result = GenerateInput(
        path=path,
        output=deck.path_of("output", "a file name") or DEFAULT_OUTPUT,
        types=types,
        atomic_energies=energies,
        setups=_setups(deck, types),
        structures=_files(deck),
        labels=labels_of(deck),
        forces=forces,
        forces_percent=DEFAULT_FORCES_PERCENT if percent is None else percent,
        forces_list=forces_list,
        forces_seed=seed,
        timing=bool(deck.flag("timing")),
        debug=bool(deck.flag("debug")),
        quiet=quiet,
        repulsion=repulsions.of_deck(deck),
    )
    if not result.quiet:
        deck.warn_of_unknown(warn)
        if forces and percent is None and forces_list is None:
            what = f"FORCES without FORCESPERCENT writes forces of {DEFAULT_FORCES_PERCENT:g} % of the structures"
            number = deck.entries["forces"].line.number
            warn(f"{path}:{number}: {what}, as the original does; its manual promises 100 %")
    return result


def to_text(deck: GenerateInput) -> str:
    """The text of a generate.in that is read as this deck."""
    lines = [f'OUTPUT "{deck.output}"', "TYPES", str(len(deck.types))]
    lines += lines_of_types(deck.types, deck.atomic_energies)
    lines.append("SETUPS")
    lines += [f'{symbol} "{path}"' for symbol, path in zip(deck.types, deck.setups, strict=True)]
    for keyword in ("forces", "timing", "debug"):
        lines.append(f"{keyword.upper()} {'.true.' if getattr(deck, keyword) else '.false.'}")
    lines.append(f"FORCESPERCENT {deck.forces_percent!r}")
    if deck.forces_list is not None:
        lines.append(f'FORCESLIST "{deck.forces_list}"')
    if deck.forces_seed is not None:
        lines.append(f"FORCESSEED {deck.forces_seed}")
    if deck.labels.energy is not None:
        lines.append(f'ENERGYKEY "{deck.labels.energy}"')
    if deck.labels.forces is not None:
        lines.append(f'FORCESKEY "{deck.labels.forces}"')
    if deck.repulsion is not None:
        lines.append(repulsions.line(deck.repulsion))
    if deck.quiet:
        lines.append("VERBOSITY low")
    return "\n".join([*lines, "FILES", str(len(deck.structures)), *deck.structures]) + "\n"


def lines_of_types(types: Sequence[str], atomic_energies: Sequence[AtomicEnergy]) -> list[str]:
    """The lines of TYPES after their number."""
    pairs = zip(types, atomic_energies, strict=True)
    return [f"{symbol} {energy if isinstance(energy, str) else repr(energy)}" for symbol, energy in pairs]


def labels_of(deck: Deck) -> Labels:
    """ENERGYKEY and FORCESKEY."""
    return Labels(deck.argument("energykey", _key, KEY), deck.argument("forceskey", _key, KEY))


def _key(text: str) -> str:
    if not text:
        raise ValueError
    return text


def _percentage(text: str) -> float:
    value = listio.real(text)
    if not 0.0 <= value <= 100.0:
        raise ValueError
    return value


def species_of(deck: Deck) -> tuple[tuple[str, ...], tuple[AtomicEnergy, ...]]:
    """The species of TYPES, and the energy of the free atom of each, eV, or how to find it."""
    entry = deck.require("types", "'TYPES', the number of species, and '<symbol> <atomic energy>' lines")
    symbols: list[str] = []
    energies: list[AtomicEnergy] = []
    for line in entry.body:
        items = listio.items(line.text)
        try:
            symbols.append((items[0] or "")[:SYMBOL_LENGTH])
            given = items[1] or ""
            energies.append(given.lower() if given.lower() in (FIT, ISOLATED) else listio.real(given))
        except (ValueError, IndexError):
            message = f"found {line.text!r} in TYPES; expected '<symbol> <atomic energy in eV>', fit or isolated"
            raise InputError(deck.path, message, line.number) from None
        if symbols.index(symbols[-1]) < len(symbols) - 1:
            raise InputError(deck.path, f"TYPES names {symbols[-1]!r} twice", line.number)
    return tuple(symbols), tuple(energies)


def _setups(deck: Deck, types: tuple[str, ...]) -> tuple[str, ...]:
    deck.require("setups", SETUPS_EXPECTED)
    return deck.files_of_species("setups", types, ".stp file", "a fingerprint set-up file")


def _files(deck: Deck) -> tuple[str, ...]:
    entry = deck.require("files", FILES_EXPECTED)
    for n, line in enumerate(entry.body):
        path = path_of(line.text)
        if os.path.exists(path):
            continue
        if first_word(line.text).lower() in SINGLE | COUNTED | PER_TYPE:
            message = f"FILES announces {len(entry.body)} structures, but after {n} of them comes {line.text!r}"
            raise InputError(deck.path, message, line.number)
        raise deck.missing(line, path, "an XSF structure file")
    return tuple(line.text for line in entry.body)


def read_forces_list(path: str, n_structures: int) -> tuple[int, ...]:
    """0-based indices of the structures whose numbers, counted from 1, a text file lists in any order.

    Blanks, commas or ends of lines separate the numbers.
    """
    selected: set[int] = set()
    if os.path.exists(path) and os.path.getsize(path) == 0:
        return ()
    for line in content_lines(path, "a list of structure numbers"):
        selected |= {_structure_index(path, line, text, n_structures) for text in listio.items(line.text)}
    return tuple(sorted(selected))


def _structure_index(path: str, line: Line, text: str | None, n_structures: int) -> int:
    try:
        number = listio.integer(text or "")
        if not 1 <= number <= n_structures:
            raise ValueError
    except ValueError:
        message = f"found {text!r}; expected structure numbers from 1 to {n_structures}"
        raise InputError(path, message, line.number) from None
    return number - 1


def choose_forces(n_structures: int, percent: float, seed: int) -> tuple[int, ...]:
    """0-based indices of the structures drawn for forces (pyo_select_force_structures).

    Their number is that of the original, nint(n * (percent / 100)); which are drawn depends on the seed only.
    """
    import random  # takes longer than reading the deck

    exact = n_structures * (percent / 100)
    n_chosen = int(exact) + (exact - int(exact) >= 0.5)
    chosen = [i < n_chosen for i in range(n_structures)]
    generator = random.Random(seed)
    for i in range(n_structures - 1, 0, -1):
        j = int(generator.random() * (i + 1))
        chosen[i], chosen[j] = chosen[j], chosen[i]
    return tuple(i for i, is_chosen in enumerate(chosen) if is_chosen)
