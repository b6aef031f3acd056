"""REPULSION: a short-range repulsion that is left out of what networks learn, and added to what they predict.

The description of each set-up begins with it, and so do those of training sets and potentials: all programs hand these
on, and its words are joined without blanks because nnASCII2bin.x keeps the first word only.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aenet_py.descriptors.setup import Setup
from aenet_py.elements import NUMBER, of_label
from aenet_py.errors import AenetError, InputError
from aenet_py.formats import listio
from aenet_py.formats.trainset import DESCRIPTION_LENGTH
from aenet_py.inputs.keywords import Deck, words

ZBL, AUTO = "zbl", "auto"
EXPECTED = "zbl auto, or zbl inner=0.9 outer=1.4 (Å), or ranges of pairs, such as Cu-O=0.8:1.3"
_MARK, _BETWEEN, _END = "REPULSION|", "|", "$$"
Range = tuple[float, float]


@dataclass(frozen=True)
class Repulsion:
    """Ranges of the repulsion between atoms.

    Parameters
    ----------
    general : tuple of two float, optional
        Inner and outer radius of all pairs without their own, Å: between them the repulsion falls to zero.  None if it
        acts between the atoms of `pairs` only.
    pairs : mapping of two str to two float
        The radii of some pairs of species, which are in alphabetical order.
    """

    general: Range | None = None
    pairs: Mapping[tuple[str, str], Range] = field(default_factory=dict)

    def of(self, one: str, other: str) -> Range | None:
        """Inner and outer radius for a pair of species, Å, or None without repulsion."""
        return self.pairs.get(_pair(one, other), self.general)

    @property
    def words(self) -> list[str]:
        """What follows REPULSION."""
        found = [ZBL]
        if self.general is not None:
            found += [f"inner={self.general[0]!r}", f"outer={self.general[1]!r}"]
        return found + [f"{a}-{b}={inner!r}:{outer!r}" for (a, b), (inner, outer) in sorted(self.pairs.items())]


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one <= other else (other, one)


def atomic_number(species: str) -> int | None:
    """Of an element, or of a label such as Ti1; None for other species."""
    return NUMBER.get(species) or NUMBER.get(of_label(species) or "")


def parse(given: Sequence[str]) -> Repulsion | str:
    """The repulsion that words after REPULSION define, or AUTO; ValueError with what is wrong."""
    if not given or given[0].lower() != ZBL:
        raise ValueError(f"found {given[0] if given else 'nothing'!r} after REPULSION")
    if [word.lower() for word in given[1:]] == [AUTO]:
        return AUTO
    radii: dict[str, float] = {}
    pairs: dict[tuple[str, str], Range] = {}
    for word in given[1:]:
        name, _, value = word.partition("=")
        if name.lower() in ("inner", "outer"):
            radii[name.lower()] = _number(word, value)
            continue
        species, radius = name.split("-"), value.split(":")
        if len(species) != 2 or len(radius) != 2 or not all(species):
            raise ValueError(f"found {word!r} after REPULSION")
        unknown = [each for each in species if atomic_number(each) is None]
        if unknown:
            raise ValueError(f"found {word!r} after REPULSION, but {unknown[0]} is not an element")
        pairs[_pair(*species)] = _range(word, _number(word, radius[0]), _number(word, radius[1]))
    if len(radii) == 1 or not (radii or pairs):
        raise ValueError(f"found REPULSION {' '.join(given)}")
    if not radii:
        return Repulsion(None, pairs)
    inner, outer = radii["inner"], radii["outer"]
    return Repulsion(_range(f"inner={inner:g} outer={outer:g}", inner, outer), pairs)


def _number(word: str, text: str) -> float:
    try:
        return listio.real(text)
    except ValueError:
        raise ValueError(f"found {word!r} after REPULSION") from None


def _range(word: str, inner: float, outer: float) -> Range:
    if not 0.0 < inner < outer < math.inf:
        raise ValueError(f"found {word!r} after REPULSION, whose inner radius is not between 0 and the outer one")
    return inner, outer


def of_deck(deck: Deck) -> Repulsion | str | None:
    """The repulsion that a deck wants, None without REPULSION."""
    entry = deck.entries.get("repulsion")
    if entry is None:
        return None
    try:
        return parse(words(entry.rest))
    except ValueError as error:
        raise InputError(deck.path, f"{error}; expected {EXPECTED}", entry.line.number) from None


def line(wanted: Repulsion | str) -> str:
    """The line of a deck."""
    return " ".join(["REPULSION", *([ZBL, AUTO] if isinstance(wanted, str) else wanted.words)])


def described(setup: Setup, wanted: Repulsion) -> str:
    """The description of a set-up with the repulsion, of the pairs that its species is part of.

    AenetError if the description has another repulsion already, or is too short for this one.
    """
    symbol, before = setup.atom_type.strip(), of_description(setup.description)
    own = Repulsion(wanted.general, {pair: radii for pair, radii in wanted.pairs.items() if symbol in pair})
    if before is not None:
        if before != own:
            message = f"the set-up of {symbol} has REPULSION {' '.join(before.words)}"
            raise AenetError(f"{message}, not {' '.join(own.words)}; remove the line from DESCR, or the keyword")
        return setup.description
    mark = f"{_MARK}{_BETWEEN.join(own.words)}{_END}"
    if len(mark) > DESCRIPTION_LENGTH:
        message = f"the repulsion of {symbol} takes {len(mark)} characters of a description"
        raise AenetError(f"{message}, which has {DESCRIPTION_LENGTH}; give fewer pairs their own range")
    return (mark + setup.description)[:DESCRIPTION_LENGTH]


def given(setup: Setup, wanted: Repulsion | None) -> Setup:
    """A set-up with this repulsion in place of its own; None for none."""
    description = setup.description
    if of_description(description) is not None:
        description = description.lstrip().partition(_END)[2]
    without = dataclasses.replace(setup, description=description)
    return without if wanted is None else dataclasses.replace(without, description=described(without, wanted))


def of_description(description: str) -> Repulsion | None:
    """The repulsion that a description begins with; AenetError if it is invalid."""
    first = description.lstrip().split(_END)[0].split(" ")[0]
    if not first.startswith(_MARK):
        return None
    try:
        found = parse(first[len(_MARK) :].split(_BETWEEN))
    except ValueError as error:
        raise AenetError(f"a description begins with an invalid repulsion: {error}; expected {EXPECTED}") from None
    if isinstance(found, str):
        raise AenetError("a description begins with REPULSION zbl auto; expected numbers")
    return found


def of_setups(setups: Sequence[Setup]) -> Repulsion | None:
    """The repulsion that all set-ups share, None without one; AenetError if they contradict each other."""
    symbols = [setup.atom_type.strip() for setup in setups]
    each = [of_description(setup.description) for setup in setups]
    known = [found for found in each if found is not None]
    if not known:
        return None
    pairs = {pair: radii for found in known for pair, radii in found.pairs.items()}
    whole = Repulsion(known[0].general, pairs)
    for symbol, found in zip(symbols, each, strict=True):
        for other in symbols:
            own = None if found is None else found.of(symbol, other)
            if own != whole.of(symbol, other):
                one, expected = (_words(symbol, other, radii) for radii in (own, whole.of(symbol, other)))
                message = f"the set-up of {symbol} has {one}, but that of another species {expected}"
                raise AenetError(f"{message}; they do not belong together")
    return whole


def _words(symbol: str, other: str, radii: Range | None) -> str:
    if radii is None:
        return f"no repulsion between {symbol} and {other}"
    return f"the repulsion {symbol}-{other}={radii[0]:g}:{radii[1]:g}"


def check_species(wanted: Repulsion | str | None, types: Sequence[str]) -> None:
    """AenetError if a species has no atomic number, or a pair names another species."""
    if wanted is None:
        return
    for symbol in types:
        if atomic_number(symbol) is None:
            raise AenetError(f"REPULSION needs elements; {symbol} is none")
    if isinstance(wanted, Repulsion):
        for symbol in itertools.chain.from_iterable(wanted.pairs):
            if symbol not in types:
                raise AenetError(f"REPULSION names {symbol}; expected the species of TYPES: {' '.join(types)}")
