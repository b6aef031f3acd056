"""Extended XYZ: the lines of a frame to atoms and back (libAtoms/extxyz).

    2
    Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:forces:R:3 energy=-1741.9 pbc="T T T"
    Cu 0.0 0.0 0.0 0.0 0.0 0.1
    O  2.0 0.1 0.0 0.0 0.0 -0.1

Lattice lists the three cell vectors.  Energies are in eV, lengths in Å, forces in eV/Å.  A column `move_mask` has T for
atoms, or coordinates, that may move, and F for those that constraints hold fixed.  Keys, and names and types of
columns, may have any case.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.elements import BY_NUMBER, NUMBER
from aenet_py.errors import InputError
from aenet_py.formats import frames, stress, units
from aenet_py.formats.frames import RawFrame, Skip
from aenet_py.formats.keyvalues import pairs, quoted
from aenet_py.formats.labels import ANY, CHOOSE, KNOWN, Labels, choices, source
from aenet_py.formats.source import Advance, unwatched
from aenet_py.structure import Structure, species_of_atoms

POSITIONS = ("pos", "positions")
SPECIES = ("species", "symbols", "z", "numbers", "atomic_numbers")
SYSTEMS = ("sid", "system_id", "system")
NEAR = 1.0e-4  # eV, eV/Å: energies and forces that differ by less count as equal
LONGEST_KEY = 100  # characters of a key that is used
LONGEST_VALUE, MOST_VALUES = 1000, 100  # characters of a value, and values of a frame, that are kept for the user
MOST_ENERGIES = 1000  # energies of a frame

_DEFAULT_COLUMNS = "species:S:1:pos:R:3"
_CELLS = ("cell", "cell_vectors", "unit_cell", "lattice_vectors", "box", "box_vectors")  # of others, for Lattice
_USED = frozenset(("lattice", "pbc", "properties", *SYSTEMS, *_CELLS))
_AROUND = re.compile(r"[\[\]{}(),;\"']")
_FORTRAN = re.compile(r"([\d.])[dD]([-+]?\d)")  # 1.5D-3
_PLAIN_KEY = re.compile(r"\w+")
_LOGICAL = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}


@dataclass(frozen=True)
class Columns:
    """Number of words in an atom's line, and the index of the first word of each value.

    forces : by the names of all columns that may be forces; tags, movable : None if there are none; movable : which
    coordinates may move, with the number of words.
    """

    width: int
    species: int
    positions: int
    forces: Mapping[str, int]
    tags: int | None
    movable: tuple[int, int] | None


@dataclass(frozen=True)
class Plan:
    """What to read of a frame: columns, pairs of energy and forces (of which the first is used), and their names."""

    columns: Columns
    given: tuple[Labels, ...]
    energies: tuple[str, ...]
    forces: tuple[str, ...]


def parse(raw: RawFrame, reference: bool | None = None, labels: Labels = ANY) -> Structure:
    """Read the atoms of a frame.

    Parameters
    ----------
    raw : RawFrame
    reference : bool or None
        Energy and forces are required (true), not read (false), or optional (None).
    labels : Labels
        Names of the energy and forces to read, if a frame has several.

    Returns
    -------
    Structure
        Its path is the name of the frame, ``file#index``.

    Raises
    ------
    InputError
        If the frame is invalid; the message names frame and line.
    """
    path, line = raw.name, raw.line + 1
    try:
        values, energies, info = _comment(_decoded(raw.lines[1]), labels.energy)
        properties, lone = values.get("properties", _DEFAULT_COLUMNS), len(raw.lines) == 3
        plan = _plan(properties, tuple(energies), reference, lone, labels.energy, labels.forces)
        energy_of = {name: _energy(energies[name]) for name in plan.energies}
        cell = _cell(values)
        pbc = _periodic(values, cell is not None)
    except ValueError as error:
        raise InputError(path, str(error), line) from None
    symbols, species, positions, forces_of, tags, fixed = _atoms(raw, path, plan.columns, plan.forces)
    if len(plan.given) > 1:
        _check_agreement(path, line, plan.given, energy_of, forces_of)
    energy, forces = plan.given[0].energy, plan.given[0].forces
    return Structure(
        path=path,
        symbols=symbols,
        species=species,
        positions=positions,
        cell=cell,
        pbc=pbc,
        energy=None if energy is None else energy_of[energy],
        forces=None if forces is None else forces_of[forces],
        tags=tags,
        system=next((values[key] for key in SYSTEMS if key in values), None),
        first_line=raw.line + 2,
        label=energy,
        stress=None if reference is False else stress.of_frame(info, energy, cell),
        info=info,
        fixed=fixed,
    )


def column(raw: RawFrame, name: str) -> np.ndarray | None:
    """A column of numbers that `parse` does not read, (n_atoms, width), or None if there is none.

    raw : a frame that `parse` accepts; name : in lower case.  InputError for values that are not finite numbers.
    """
    words = _comment(_decoded(raw.lines[1]), None)[0].get("properties", _DEFAULT_COLUMNS).strip().split(":")
    first = 0
    for column_name, number in zip(words[::3], map(int, words[2::3]), strict=True):
        if column_name.lower() == name:
            break
        first += number
    else:
        return None
    try:
        rows = (line.decode().split()[first : first + number] for line in raw.lines[2:])
        values = np.array([_reals(row, True) for row in rows])
    except ValueError:
        values = np.array([np.nan])
    if not np.isfinite(values).all():
        raise InputError(raw.name, f"found {name} that are not finite numbers", raw.line + 2)
    return values


def read(
    path: str, reference: bool = True, skip: Skip | None = None, labels: Labels = ANY, advance: Advance = unwatched
) -> Iterator[tuple[RawFrame, Structure]]:
    """Read the frames of a file, with their lines.

    reference, skip : as in `frames.good`; labels : as in `parse`; advance : as in `frames.read`.

    After a frame without a number of atoms the rest of the file cannot be read, and counts as a single skipped frame.
    """
    required = True if reference else None
    try:
        for raw in frames.read(path, advance):
            frame = frames.good(functools.partial(parse, raw, required, labels), reference, skip)
            if frame is not None:
                yield raw, frame
    except InputError as error:
        if skip is None:
            raise
        skip(error)


def _decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _comment(text: str, wanted: str | None) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Values of the keys that are used, by key in lower case, values that may be energies, and others, as written.

    wanted : another key of an energy.  ValueError for other units, and for a key with two values.
    """
    values: dict[str, str] = {}
    energies: dict[str, str] = {}
    info: dict[str, str] = {}
    last = ""
    for key, value in pairs(text):
        if value is None:
            if last == "pbc" and key.lower() in _LOGICAL:
                raise ValueError(f'found pbc={values["pbc"]} {key} without quotes; expected pbc="T T F" or the like')
            if last in energies:
                units.check_behind(energies[last], key)
            last = ""
            continue
        last = ""
        lower = _used(key) if len(key) <= LONGEST_KEY else None
        if lower is None and (wanted is None or key.lower() != wanted.lower()):
            if len(key) <= LONGEST_KEY and len(value) <= LONGEST_VALUE and len(info) < MOST_VALUES:
                info.setdefault(key, value)
            continue
        if units.is_key(key):
            units.check(key, value)
            continue
        group, name = (values, lower) if lower in _USED else (energies, key)
        if group.setdefault(name, value) != value:
            raise ValueError(f"found {key}={group[name][:80]} and {key}={value[:80]}; expected one value of a key")
        last = name
        if len(energies) > MOST_ENERGIES:
            raise ValueError(f"found more than {MOST_ENERGIES:,} keys that name energies; expected one or two")
    return values, energies, info


@functools.lru_cache(1024)
def _used(key: str) -> str | None:
    """A key in lower case, or None if it is not used."""
    lower = key.lower()
    return lower if lower in _USED or "energy" in lower or units.is_key(key) else None


@functools.lru_cache
def _plan(
    properties: str, energies: tuple[str, ...], reference: bool | None, lone: bool, energy: str | None,
    forces: str | None,
) -> Plan:  # fmt: skip
    """What to read of a frame; ValueError if that is ambiguous, or required values are missing.

    energies : keys that may be energies; reference : as in `parse`; lone : a single atom, which needs no forces;
    energy, forces : names of those wanted.
    """
    labels = Labels(energy, forces)
    columns = _columns(properties, forces)
    given = () if reference is False else choices(energies, tuple(columns.forces), labels)
    if reference:
        _check_complete(given, energies, tuple(columns.forces), labels, lone)
    given = given or (ANY,)
    return Plan(
        columns=columns,
        given=given,
        energies=tuple(dict.fromkeys(pair.energy for pair in given if pair.energy is not None)),
        forces=tuple(dict.fromkeys(pair.forces for pair in given if pair.forces is not None)),
    )


def _columns(properties: str, wanted: str | None) -> Columns:
    """Columns from triples `name:type:number`; wanted : the name of the forces.  ValueError if they are invalid."""
    words = properties.strip().split(":")
    if len(words) % 3:
        raise ValueError(f"found Properties={properties}; expected name:type:number for each")
    columns: dict[str, tuple[int, str, str]] = {}
    forces: dict[str, int] = {}
    n_words = 0
    for name, letter, number in zip(words[::3], words[1::3], words[2::3], strict=True):
        if letter.upper() not in ("S", "R", "I", "L") or not number.isdecimal() or int(number) < 1:
            raise ValueError(f"found {name}:{letter}:{number} in Properties; expected a type S, R, I or L and a number")
        lower, three = name.lower(), letter.upper() in "RI" and number == "3"
        if lower in columns and (lower in SPECIES + POSITIONS or lower in map(str.lower, forces)):
            raise ValueError(f"found {name} twice in Properties; expected each column once")
        columns.setdefault(lower, (n_words, letter.upper(), number))
        of = source(lower) if "force" in lower else None
        if (of in KNOWN) if wanted is None else (lower == wanted.lower()):
            if not three:
                raise ValueError(f"found {name}:{letter}:{number} in Properties; expected {name}:R:3")
            forces[name] = n_words
        elif of is not None and three:
            forces[name] = n_words
        n_words += int(number)

    def start(names: Sequence[str], letters: str, number: str) -> int | None:
        name = next((name for name in names if name in columns), None)
        if name is None:
            return None
        first, *given = columns[name]
        if given[0] not in letters or given[1] != number:
            raise ValueError(f"found {name}:{':'.join(given)} in Properties; expected {name}:{letters[0]}:{number}")
        return first

    species, positions = start(SPECIES, "SI", "1"), start(POSITIONS, "RI", "3")
    if species is None or positions is None:
        raise ValueError(f"found Properties={properties}; expected species:S:1 and pos:R:3 among them")
    movable = None
    if "move_mask" in columns:
        first, letter, number = columns["move_mask"]
        if letter not in "LI" or number not in ("1", "3"):
            raise ValueError(
                f"found move_mask:{letter}:{number} in Properties; expected move_mask:L:1 or move_mask:L:3"
            )
        movable = first, int(number)
    return Columns(n_words, species, positions, forces, start(("tags",), "I", "1"), movable)


def _check_complete(
    given: Sequence[Labels], energies: Sequence[str], forces: Sequence[str], labels: Labels, lone: bool
) -> None:
    """Raise ValueError if energy or forces (not of a single atom) are missing, although others have other names."""
    if all(pair.energy is None for pair in given):
        what, wanted, others = "energy", labels.energy, energies
    elif not lone and all(pair.forces is None for pair in given):
        what, wanted, others = "forces", labels.forces, forces
    else:
        return
    names = ", ".join([*energies, *forces])
    if wanted is not None:
        raise ValueError(f"found no {what} {wanted!r}; there is {names or 'none'}")
    if others:
        raise ValueError(f"found {names}: no energy and forces of one source; {CHOOSE}")


def _check_agreement(
    path: str, line: int, given: Sequence[Labels], energies: Mapping[str, float], forces: Mapping[str, np.ndarray]
) -> None:
    """Raise InputError unless all pairs of energy and forces have the same values."""
    first = given[0]
    for other in given[1:]:
        same = first.energy is None or other.energy is None or _near(energies[first.energy], energies[other.energy])
        if first.forces is not None and other.forces is not None:
            same = same and _near(forces[first.forces], forces[other.forces])
        if not same:
            message = f"found labels of several sources, which differ: {', '.join(map(str, given))}; {CHOOSE}"
            raise InputError(path, message, line)


def _near(one: float | np.ndarray, other: float | np.ndarray) -> bool:
    return bool(np.allclose(one, other, rtol=0, atol=NEAR))


def _atoms(
    raw: RawFrame, path: str, columns: Columns, forces: Sequence[str]
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, dict[str, np.ndarray], np.ndarray | None, np.ndarray | None]:
    """Symbols in order of appearance, species, positions, forces by name, tags, and which coordinates are fixed."""
    block = b" ".join(raw.lines[2:]).decode("latin-1")
    words, width, n_atoms = block.split(), columns.width, len(raw.lines) - 2
    names = words[columns.species :: width]
    if not NUMBER.keys() >= set(names):
        names = [BY_NUMBER.get(name, name) for name in names]
    if len(words) != n_atoms * width or not NUMBER.keys() >= set(names):
        raise _what_is_wrong(raw, path, columns, ())
    starts = [columns.positions, *map(columns.forces.__getitem__, forces)]
    try:
        numbers = [_reals(words[start + i :: width], "_" in block) for start in starts for i in range(3)]
        tags = None if columns.tags is None else np.array(list(map(int, words[columns.tags :: width])), np.int64)
        fixed = None if columns.movable is None else _fixed(words, width, *columns.movable)
    except (ValueError, OverflowError, KeyError):
        raise _what_is_wrong(raw, path, columns, starts) from None
    if not all(map(math.isfinite, map(sum, numbers))):
        raise _what_is_wrong(raw, path, columns, starts)
    values = np.array(numbers).T
    symbols, species = species_of_atoms(names)
    positions, *columns_of_forces = (np.ascontiguousarray(values[:, i : i + 3]) for i in range(0, 3 * len(starts), 3))
    return symbols, species, positions, dict(zip(forces, columns_of_forces, strict=True)), tags, fixed


def _fixed(words: Sequence[str], width: int, start: int, number: int) -> np.ndarray:
    """Which coordinates are fixed, (n_atoms, 3), from whether each atom, or each coordinate, may move."""
    may_move = [[_LOGICAL[word.lower()] for word in words[start + i :: width]] for i in range(number)]
    return np.repeat(~np.array(may_move).T, 3 // number, axis=1)


def _what_is_wrong(raw: RawFrame, path: str, columns: Columns, starts: Sequence[int]) -> InputError:
    """The error for the first invalid atom; starts : index of the first word of each value that is read."""
    for number, line in enumerate(raw.lines[2:], raw.line + 2):
        text = line.decode("latin-1").strip()
        words = text.split()
        if len(words) != columns.width:
            return InputError(path, f"found {text!r}; expected the {columns.width} words of an atom", number)
        symbol = words[columns.species]
        if BY_NUMBER.get(symbol, symbol) not in NUMBER:
            near = symbol.capitalize()
            hint = f"; did you mean {near!r}?" if near in NUMBER else ""
            return InputError(path, f"found {symbol!r}; expected the symbol of a chemical element{hint}", number)
        for word in (words[start + i] for start in starts for i in range(3)):
            if not _is_number(word):
                return InputError(path, f"found {word!r} where a number belongs; expected x y z in Å or eV/Å", number)
        if columns.tags is not None and not words[columns.tags].lstrip("+-").isdecimal():
            return InputError(path, f"found {words[columns.tags]!r}; expected a tag, an integer", number)
        start, n = columns.movable or (0, 0)
        for word in words[start : start + n]:
            if word.lower() not in _LOGICAL:
                return InputError(path, f"found {word!r} in move_mask; expected T or F", number)
    return InputError(path, "values overflow; expected positions in Å and forces in eV/Å")


def _reals(words: Sequence[str], careful: bool) -> list[float]:
    """Convert words to numbers, quickly unless careful or if an exponent is Fortran's."""
    if not careful:
        try:
            return list(map(float, words))
        except ValueError:
            pass
    return list(map(_real, words))


def _real(word: str) -> float:
    """A number, also with d for the exponent's e; ValueError also for "1_0", which Python accepts."""
    if "_" in word:
        raise ValueError(word)
    try:
        return float(word)
    except ValueError:
        return float(_FORTRAN.sub(r"\1e\2", word))


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(_real(word))
    except ValueError:
        return False


def _energy(text: str) -> float:
    if not _is_number(text):
        raise ValueError(f"found the energy {text!r}; expected a number in eV")
    return _real(text)


def _items(value: str) -> list[str]:
    """The words of a value, without brackets, commas and quotes."""
    return _AROUND.sub(" ", value).split()


def _cell(values: Mapping[str, str]) -> np.ndarray | None:
    if "lattice" not in values:
        return None
    try:
        numbers = list(map(_real, _items(values["lattice"])))
    except ValueError:
        numbers = []
    if len(numbers) != 9 or not all(map(math.isfinite, numbers)):
        raise ValueError(f"found Lattice={values['lattice'][:200]!r}; expected nine numbers in Å")
    return np.array(numbers).reshape(3, 3)


def _periodic(values: Mapping[str, str], has_cell: bool) -> tuple[bool, bool, bool]:
    """Periodicity: along all cell vectors, unless there is pbc."""
    pbc = _logicals(values["pbc"]) if "pbc" in values else (has_cell, has_cell, has_cell)
    if not has_cell:
        if any(pbc):
            raise ValueError(f"found pbc={values['pbc']!r}, but no Lattice; expected nine numbers in Å")
        other = next((key for key in _CELLS if len(_items(values.get(key, ""))) > 2), None)
        if other is not None and "pbc" not in values:
            raise ValueError(f'found {other}={values[other][:200]!r}, but no Lattice; expected Lattice or pbc="F F F"')
    return pbc


@functools.lru_cache
def _logicals(text: str) -> tuple[bool, bool, bool]:
    words = _items(text.lower())
    if len(words) not in (1, 3) or not all(word in _LOGICAL for word in words):
        raise ValueError(f"found pbc={text[:80]!r}; expected three of T and F")
    x, y, z = (_LOGICAL[word] for word in (words * 3)[:3])
    return x, y, z


def text(
    frame: Structure,
    values: Mapping[str, str | float] | None = None,
    columns_of: Mapping[str, np.ndarray] | None = None,
) -> bytes:
    """The lines of a frame; all digits of every number are kept.

    Parameters
    ----------
    frame : Structure
    values : mapping, optional
        Further values of the comment, by key.
    columns_of : mapping, optional
        Further columns of real numbers, (n_atoms,) or (n_atoms, width), by name.

    Returns
    -------
    bytes
        With the end of the last line.
    """
    properties = "species:S:1:pos:R:3"
    columns: list[Sequence] = [frame.names(), *_reprs(frame.positions)]
    if frame.tags is not None:
        properties += ":tags:I:1"
        columns.append(list(map(str, frame.tags.tolist())))
    if frame.fixed is not None:
        whole = bool((frame.fixed == frame.fixed[:, :1]).all())
        properties += f":move_mask:L:{1 if whole else 3}"
        columns += [["FT"[movable] for movable in each] for each in (~frame.fixed.T[: 1 if whole else 3]).tolist()]
    if frame.forces is not None:
        properties += ":forces:R:3"
        columns += _reprs(frame.forces)
    for name, column in (columns_of or {}).items():
        rows_of = column.reshape(frame.n_atoms, -1)
        properties += f":{name}:R:{rows_of.shape[1]}"
        columns += _reprs(rows_of)
    comment = []
    if frame.cell is not None:
        comment.append('Lattice="' + " ".join(map(repr, frame.cell.ravel().tolist())) + '"')
    comment.append(f"Properties={properties}")
    if frame.system is not None:
        comment.append(f"sid={quoted(frame.system)}")
    if frame.energy is not None:
        comment.append(f"energy={frame.energy!r}")
    own: dict[str, str | float] = {}
    if frame.stress is not None:
        own["stress"] = " ".join(map(repr, frame.stress.ravel().tolist()))
    given = {key: value for key, value in frame.info.items() if _may_be_written(key) and key.lower() not in own}
    for key, value in {**given, **own, **(values or {})}.items():
        comment.append(f"{key}={quoted(value) if isinstance(value, str) else repr(value)}")
    comment.append('pbc="' + " ".join("FT"[p] for p in frame.pbc) + '"')
    rows = [" ".join(row) for row in zip(*columns, strict=True)]
    return ("\n".join([str(frame.n_atoms), " ".join(comment), *rows]) + "\n").encode()


def _may_be_written(key: str) -> bool:
    """Whether a further value has a key of letters, digits and underscores that means nothing else here."""
    return _PLAIN_KEY.fullmatch(key) is not None and _used(key) is None


def _reprs(values: np.ndarray) -> list[list[str]]:
    return [list(map(repr, column)) for column in values.T.tolist()]
