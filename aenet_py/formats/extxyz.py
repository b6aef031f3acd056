"""Extended XYZ: a frame's lines to atoms and back (libAtoms/extxyz).

    2
    Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:forces:R:3 energy=-1741.9 pbc="T T T"
    Cu 0.0 0.0 0.0 0.0 0.0 0.1
    O  2.0 0.1 0.0 0.0 0.0 -0.1

Lattice has the three cell vectors one after the other.  Energies in eV, lengths in Å, forces in eV/Å.  Which atoms may
move (`move_mask`) changes no force.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.elements import NUMBER
from aenet_py.errors import InputError
from aenet_py.formats import frames
from aenet_py.formats.frames import RawFrame, Skip
from aenet_py.structure import Frame, species_of_atoms

# The first of these that a frame has counts, in any case.
ENERGIES = ("energy", "free_energy", "ref_energy", "dft_energy")
FORCES = ("forces", "force", "ref_forces", "dft_forces", "ref_force", "dft_force")
POSITIONS = ("pos", "positions")
SPECIES = ("species", "symbols")
SYSTEMS = ("sid", "system_id", "system")
UNITS = {
    "energy_unit": {"ev"},
    "energy_units": {"ev"},
    "length_unit": {"ang", "angstrom", "a", "å"},
    "length_units": {"ang", "angstrom", "a", "å"},
    "force_unit": {"ev/ang", "ev/angstrom", "ev/a", "ev/å"},
    "force_units": {"ev/ang", "ev/angstrom", "ev/a", "ev/å"},
    "unit": {"ev", "metal", "ev/ang", "ev/angstrom", "ev/a", "ev/å"},
    "units": {"ev", "metal", "ev/ang", "ev/angstrom", "ev/a", "ev/å"},
}

_DEFAULT_COLUMNS = "species:S:1:pos:R:3"
_PAIR = re.compile(
    r"""(?<![^\s"'])([^\s="']+)\s*=\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\[[^\]]*\]|\{[^}]*\}|[^\s"']+)"""
)
_LOGICAL = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}


@dataclass(frozen=True)
class Columns:
    """Words of an atom's line, and where among them its values begin; None for what is not there."""

    width: int
    species: int
    positions: int
    forces: int | None
    tags: int | None


def parse(raw: RawFrame) -> Frame:
    """The atoms of a frame; InputError names frame and line of what is wrong with it.

    Energy and forces may be missing (`Frame.check_reference` asks for them).
    """
    path, line = raw.name, raw.line + 1
    values = _values(raw.lines[1].decode("latin-1"))
    _check_units(path, line, values)
    try:
        columns = _columns(values.get("properties", _DEFAULT_COLUMNS))
    except ValueError as error:
        raise InputError(path, str(error), line) from None
    symbols, species, positions, forces, tags = _atoms(raw, path, columns)
    cell = _cell(path, line, values)
    return Frame(
        path=path,
        symbols=symbols,
        species=species,
        positions=positions,
        cell=cell,
        pbc=_periodic(path, line, values, cell is not None),
        energy=_energy(path, line, values),
        forces=forces,
        tags=tags,
        system=_first(values, SYSTEMS),
        first_line=raw.line + 2,
    )


def read(path: str, reference: bool = True, skip: Skip | None = None) -> Iterator[tuple[RawFrame, Frame]]:
    """The frames of a file, with their lines; reference, skip : as in `frames.good`.

    Behind a frame that tells no number of atoms the rest of the file cannot be read, and counts as one that is skipped.
    """
    try:
        for raw in frames.read(path):
            frame = frames.good(functools.partial(parse, raw), reference, skip)
            if frame is not None:
                yield raw, frame
    except InputError as error:
        if skip is None:
            raise
        skip(error)


def _values(comment: str) -> dict[str, str]:
    """Values by key, in lower case; the first of a key counts.  Quotes and brackets are taken off."""
    found: dict[str, str] = {}
    for key, value in _PAIR.findall(comment):
        found.setdefault(key.lower(), value[1:-1] if value[0] in "\"'[{" else value)
    return found


def _first(values: Mapping[str, str], keys: Sequence[str]) -> str | None:
    return next((values[key] for key in keys if key in values), None)


def _check_units(path: str, line: int, values: Mapping[str, str]) -> None:
    for key in values.keys() & UNITS.keys():
        if values[key].strip().lower() not in UNITS[key]:
            message = f"found {key}={values[key]}; expected energies in eV, lengths in Å, forces in eV/Å"
            raise InputError(path, message, line)


@functools.lru_cache
def _columns(properties: str) -> Columns:
    """Columns from `name:kind:number` triples; ValueError says what is wrong."""
    words = properties.split(":")
    if len(words) % 3:
        raise ValueError(f"found Properties={properties}; expected name:kind:number for each")
    found: dict[str, tuple[int, str, str]] = {}
    place = 0
    for name, kind, number in zip(words[::3], words[1::3], words[2::3], strict=True):
        if kind not in ("S", "R", "I", "L") or not number.isdecimal() or int(number) < 1:
            raise ValueError(f"found {name}:{kind}:{number} in Properties; expected a kind S, R, I or L and a number")
        found.setdefault(name.lower(), (place, kind, number))
        place += int(number)

    def start(names: Sequence[str], kinds: str, number: str) -> int | None:
        name = next((name for name in names if name in found), None)
        if name is None:
            return None
        if found[name][1] not in kinds or found[name][2] != number:
            raise ValueError(
                f"found {name}:{':'.join(found[name][1:])} in Properties; expected {name}:{kinds[0]}:{number}"
            )
        return found[name][0]

    species, positions = start(SPECIES, "S", "1"), start(POSITIONS, "RI", "3")
    if species is None or positions is None:
        raise ValueError(f"found Properties={properties}; expected species:S:1 and pos:R:3 among them")
    return Columns(place, species, positions, start(FORCES, "RI", "3"), start(("tags",), "I", "1"))


def _atoms(
    raw: RawFrame, path: str, columns: Columns
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Symbols in order of appearance, species, positions, forces, tags."""
    block = b" ".join(raw.lines[2:]).decode("latin-1")
    words, width, n_atoms = block.split(), columns.width, len(raw.lines) - 2
    names = words[columns.species :: width]
    if len(words) != n_atoms * width or not NUMBER.keys() >= set(names) or "_" in block:
        raise _what_is_wrong(raw, path, columns)
    starts = [start for start in (columns.positions, columns.forces) if start is not None]
    try:
        numbers = [list(map(float, words[start + i :: width])) for start in starts for i in range(3)]
        tags = None if columns.tags is None else np.array(list(map(int, words[columns.tags :: width])), np.int64)
    except (ValueError, OverflowError):
        raise _what_is_wrong(raw, path, columns) from None
    if not all(map(math.isfinite, map(sum, numbers))):
        raise _what_is_wrong(raw, path, columns)
    values = np.array(numbers).T
    symbols, species = species_of_atoms(names)
    forces = None if columns.forces is None else np.ascontiguousarray(values[:, 3:])
    return symbols, species, np.ascontiguousarray(values[:, :3]), forces, tags


def _what_is_wrong(raw: RawFrame, path: str, columns: Columns) -> InputError:
    """The error for the first atom that is not as it should be."""
    starts = [start for start in (columns.positions, columns.forces) if start is not None]
    for number, line in enumerate(raw.lines[2:], raw.line + 2):
        text = line.decode("latin-1").strip()
        words = text.split()
        if len(words) != columns.width:
            return InputError(path, f"found {text!r}; expected the {columns.width} words of an atom", number)
        symbol = words[columns.species]
        if symbol not in NUMBER:
            return InputError(path, f"found {symbol!r}; expected the symbol of a chemical element", number)
        for word in (words[start + i] for start in starts for i in range(3)):
            if not _is_number(word):
                return InputError(path, f"found {word!r} where a number belongs; expected x y z in Å or eV/Å", number)
        if columns.tags is not None and not words[columns.tags].lstrip("+-").isdecimal():
            return InputError(path, f"found {words[columns.tags]!r}; expected a tag, an integer", number)
    return InputError(path, "the numbers are too large to be added up; expected positions in Å and forces in eV/Å")


def _is_number(word: str) -> bool:
    try:
        return "_" not in word and math.isfinite(float(word))
    except ValueError:
        return False


def _energy(path: str, line: int, values: Mapping[str, str]) -> float | None:
    text = _first(values, ENERGIES)
    if text is None:
        return None
    if not _is_number(text):
        raise InputError(path, f"found the energy {text!r}; expected a number in eV", line)
    return float(text)


def _cell(path: str, line: int, values: Mapping[str, str]) -> np.ndarray | None:
    if "lattice" not in values:
        return None
    words = values["lattice"].replace(",", " ").split()
    if len(words) != 9 or not all(map(_is_number, words)):
        raise InputError(path, f"found Lattice={values['lattice']!r}; expected nine numbers in Å", line)
    return np.array(list(map(float, words))).reshape(3, 3)


def _periodic(path: str, line: int, values: Mapping[str, str], has_cell: bool) -> tuple[bool, bool, bool]:
    """Periodic along all cell vectors unless pbc says otherwise."""
    if "pbc" not in values:
        return has_cell, has_cell, has_cell
    words = values["pbc"].replace(",", " ").lower().split()
    if len(words) not in (1, 3) or not all(word in _LOGICAL for word in words):
        raise InputError(path, f"found pbc={values['pbc']!r}; expected three of T and F", line)
    x, y, z = (_LOGICAL[word] for word in (words * 3)[:3])
    if (x or y or z) and not has_cell:
        raise InputError(path, f"found pbc={values['pbc']!r}, but no Lattice; expected nine numbers in Å", line)
    return x, y, z


def text(frame: Frame) -> bytes:
    """A frame's lines; every number keeps all its digits."""
    kinds = "species:S:1:pos:R:3"
    columns: list[Sequence] = [frame.names(), *_reprs(frame.positions)]
    if frame.tags is not None:
        kinds += ":tags:I:1"
        columns.append(list(map(str, frame.tags.tolist())))
    if frame.forces is not None:
        kinds += ":forces:R:3"
        columns += _reprs(frame.forces)
    comment = []
    if frame.cell is not None:
        comment.append('Lattice="' + " ".join(map(repr, frame.cell.ravel().tolist())) + '"')
    comment.append(f"Properties={kinds}")
    if frame.system is not None:
        comment.append(f'sid="{frame.system}"')
    if frame.energy is not None:
        comment.append(f"energy={frame.energy!r}")
    comment.append('pbc="' + " ".join("FT"[p] for p in frame.pbc) + '"')
    rows = [" ".join(row) for row in zip(*columns, strict=True)]
    return ("\n".join([str(frame.n_atoms), " ".join(comment), *rows]) + "\n").encode()


def _reprs(values: np.ndarray) -> list[list[str]]:
    return [list(map(repr, column)) for column in values.T.tolist()]
