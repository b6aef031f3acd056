"""XSF structure files with ænet's energy comment (xsf_init, xsf_count_atoms_and_types in xsflib).

    # total energy = -19960.66173260 eV          (or: cohesive energy = ...)
    CRYSTAL
    PRIMVEC
        x y z                                    three cell vectors, Å
    PRIMCOORD
    2 1
    Ti  x y z  fx fy fz                          Å and eV/Å, up to a blank line or the end of the file

Isolated structures have ``ATOMS`` instead of PRIMVEC and PRIMCOORD, and no number of atoms.  In place of its symbol an
atom may have its atomic number, or a label such as Ti1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from aenet_py.elements import NUMBER, of_label
from aenet_py.errors import AenetError, InputError
from aenet_py.formats import listio, units
from aenet_py.formats.text import BLANKS, read_text, split_lines
from aenet_py.neighbors.periodicity import with_vacuum
from aenet_py.structure import SYMBOL_LENGTH, Structure, species_of_atoms

WHAT = "an XSF structure file"
_NAME = re.compile(r"\.xsf(\.\d+)?$", re.IGNORECASE)
_CELL, _PBC = "# cell = ", "# pbc = "
_PERIODIC = {
    "CRYSTAL": (True, True, True),
    "SLAB": (True, True, False),
    "POLYMER": (True, False, False),
    "MOLECULE": (False, False, False),
}


def is_xsf(path: str) -> bool:
    """Whether a file's name says that it is one: a.xsf, or with a number behind, input.xsf.000001."""
    return _NAME.search(path) is not None


def read(path: str, reference: bool = True, types: Sequence[str] = ()) -> Structure:
    """Read a structure as ænet does, periodic along all of its cell vectors; without reference, no energy and forces.

    types : names that stand for species as they are, by their first two characters; any other name that is an atomic
    number or a label such as Ti1 becomes the symbol of its element.  InputError names the line of anything else.
    """
    return _parse(path, split_lines(read_text(path, WHAT)), reference, types)


def read_frame(path: str) -> Structure:
    """Read a structure as the file means it, with all that `text` writes; energy and forces may be missing."""
    lines = split_lines(read_text(path, WHAT))
    structure = _parse(path, lines, None, ())
    cell = structure.cell
    pbc = structure.claimed or (True, True, True)
    given: np.ndarray | None = None
    for number, line in enumerate(lines, 1):
        if line.startswith(_CELL):
            found = listio.items(line.removeprefix(_CELL))
            given = np.array(_numbers(path, number, line, found, 9, "a cell of nine numbers")).reshape(3, 3)
        elif line.startswith(_PBC) and _pbc(line) is None:
            raise InputError(path, f"found {line!r}; expected three of T and F", number)
    if cell is None:
        pbc = (False, False, False)
    if given is not None and not all(pbc):
        cell = given
    return replace(structure, cell=cell, pbc=pbc, claimed=None)


def text(frame: Structure) -> bytes:
    """A structure's XSF file; every number keeps all its digits.

    ænet repeats whatever has PRIMVEC along all three vectors, so a structure that is periodic along some is written in
    a cell with vacuum along the others (`periodicity.with_vacuum`).  Comments, which `read_frame` reads and others
    skip, tell its pbc and its own cell, and the cell of a structure that is not periodic.  InputError for a cell that
    does not fit its pbc.
    """
    parts = [] if frame.energy is None else [f"# total energy = {frame.energy!r} eV"]
    if frame.cell is None:
        parts.append("ATOMS")
    elif not any(frame.pbc):
        parts += [_CELL + " ".join(_rows(frame.cell)), "ATOMS"]
    else:
        cell, section = frame.cell, next((name for name, pbc in _PERIODIC.items() if pbc == frame.pbc), "CRYSTAL")
        if not all(frame.pbc):
            try:
                cell = with_vacuum(frame.cell, frame.pbc, frame.positions)
            except AenetError as error:
                raise InputError(frame.path, str(error)) from None
            parts.append(_PBC + " ".join("FT"[p] for p in frame.pbc))
            if not np.array_equal(cell, frame.cell):
                parts.append(_CELL + " ".join(_rows(frame.cell)))
        parts += [section, "PRIMVEC", *_rows(cell), "PRIMCOORD", f"{frame.n_atoms} 1"]
    values = frame.positions if frame.forces is None else np.hstack([frame.positions, frame.forces])
    for name, row in zip(frame.names(), values.tolist(), strict=True):
        parts.append(f"{name:<2} " + " ".join(map(repr, row)))
    return ("\n".join(parts) + "\n").encode()


def _rows(cell: np.ndarray) -> list[str]:
    return [" ".join(map(repr, row)) for row in cell.tolist()]


def _parse(path: str, lines: list[str], reference: bool | None, types: Sequence[str]) -> Structure:
    """The structure that lines of a file describe.

    reference : energy and forces are required (true; forces not of a lone atom, where they are zero), not read
    (false), or read where they are (None); types : as in `read`.
    """
    energies: dict[str, float] = {}
    cell: np.ndarray | None = None
    claimed: tuple[bool, bool, bool] | None = None
    atoms: tuple[int, int] | None = None
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if not line.strip(BLANKS):
            continue
        if "energy" in line:
            kind = next((k for k in ("cohesive energy", "total energy") if k in line), None)
            if kind is not None:
                if reference is not False:
                    energies[kind] = _energy(path, number, line, kind)
                continue
        stripped = line.lstrip(" ")
        if stripped.startswith("#"):
            claimed = _pbc(line) or claimed
            continue
        claimed = claimed or _PERIODIC.get(line.strip(BLANKS))
        if "PRIMVEC" in line:
            cell = _cell(path, lines, number)
            number += 3
        elif "PRIMCOORD" in line or "ATOMS" in line:
            if atoms is not None:
                raise InputError(path, "a second set of coordinates; expected one structure in a file", number)
            start = number
            announced = None
            if "PRIMCOORD" in line:
                announced = _count(path, lines, number)
                start += 1
            stop = start
            while stop < len(lines) and lines[stop].strip(BLANKS):
                stop += 1
            if announced is not None and announced < stop - start and not _is_atom(lines[start + announced]):
                stop = start + announced
            if announced is not None and announced != stop - start:
                raise InputError(path, f"{announced} atoms announced, but {stop - start} lines follow", start)
            atoms = (start, stop)
            number = stop
    if atoms is None or atoms[0] == atoms[1]:
        raise InputError(path, "no atoms found; expected a section PRIMCOORD or ATOMS with atom lines")
    if reference and not energies:
        raise InputError(path, "no energy found; expected a line '# total energy = <value> eV'")
    optional = reference is None or (reference and atoms[1] - atoms[0] == 1)
    with_forces = len(lines[atoms[1] - 1].split()) >= 7 if optional else bool(reference)
    symbols, species, values = _atom_lines(path, lines, *atoms, with_forces, types)
    return Structure(
        path=path,
        symbols=symbols,
        species=species,
        positions=np.ascontiguousarray(values[:, :3]),
        cell=cell,
        pbc=(False, False, False) if cell is None else (True, True, True),
        energy=energies.get("total energy"),
        forces=np.ascontiguousarray(values[:, 3:]) if with_forces else None,
        first_line=atoms[0] + 1,
        cohesive_energy=energies.get("cohesive energy"),
        claimed=claimed,
    )


def _pbc(line: str) -> tuple[bool, bool, bool] | None:
    """What a comment of `text` says."""
    words = line.removeprefix(_PBC).split() if line.startswith(_PBC) else []
    if len(words) != 3 or not {"T", "F"}.issuperset(words):
        return None
    return words[0] == "T", words[1] == "T", words[2] == "T"


def _energy(path: str, number: int, line: str, kind: str) -> float:
    after = line[line.index(kind) + len(kind) :]
    name, _, text = after.partition("=")
    found = listio.items(text)
    try:
        units.check_name(name)
        energy = listio.real(found[0] or "")
        units.check_behind(found[0] or "", "".join(text.split()[1:2]))
    except (ValueError, IndexError):
        raise InputError(path, f"found {line.strip()!r}; expected '{kind} = <number> eV'", number) from None
    return energy


def _cell(path: str, lines: list[str], start: int) -> np.ndarray:
    rows = []
    for number in range(start, start + 3):
        if number >= len(lines):
            raise InputError(path, f"PRIMVEC has {number - start} lines; expected three cell vectors", number)
        rows.append(_numbers(path, number + 1, lines[number], listio.items(lines[number]), 3, "a cell vector 'x y z'"))
    return np.array(rows)


def _count(path: str, lines: list[str], number: int) -> int:
    try:
        count = listio.integer(listio.items(lines[number])[0] or "")
        if count < 1:
            raise ValueError(count)
    except (ValueError, IndexError):
        found = repr(lines[number].strip()) if number < len(lines) else "the end of the file"
        raise InputError(path, f"found {found} after PRIMCOORD; expected the number of atoms", number + 1) from None
    return count


def _is_atom(line: str) -> bool:
    try:
        return len([listio.real(text or "") for text in listio.items(line)[1:4]]) == 3
    except ValueError:
        return False


def _numbers(path: str, number: int, line: str, found: list[str | None], n: int, what: str) -> list[float]:
    try:
        values = [listio.real(text or "") for text in found[:n]]
    except ValueError as error:
        raise InputError(path, f"found {str(error)!r} where a number belongs; expected {what}", number) from None
    if len(values) < n:
        raise InputError(path, f"found {line.strip()!r}; expected {what}", number)
    return values


def _atom_lines(
    path: str, lines: list[str], start: int, stop: int, reference: bool, types: Sequence[str]
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Symbols in order of appearance, species (n,), positions and, with reference, forces (n, 3 or 6)."""
    n_values = 6 if reference else 3
    last = lines[stop - 1].split()
    if reference and len(last) < 7:
        raise InputError(
            path, f"no forces in {lines[stop - 1].strip()!r}; expected '<symbol> x y z fx fy fz' for every atom", stop
        )
    block = " ".join(lines[start:stop])
    words, width = block.split(), 7 if reference else len(last)
    names, values = words[::width], np.empty((0, 0))
    # The usual case, quickly: as many words a line, blanks between, plain decimal numbers.
    plain = width > n_values and len(words) == width * (stop - start) and _are_names(names, lines[start:stop], width)
    plain = plain and "_" not in block and listio.is_plain(block)
    if plain:
        del words[::width]
        try:
            flat = list(map(float, words))
            plain = math.isfinite(sum(flat))
            values = np.array(flat).reshape(-1, width - 1)
        except ValueError:
            plain = False
    if not plain:
        names, rows = [], []
        for number in range(start, stop):
            found = listio.items(lines[number])
            names.append((found[0] or "") if found else "")
            what = "'<symbol> x y z fx fy fz'" if reference else "'<symbol> x y z'"
            rows.append(_numbers(path, number + 1, lines[number], found[1:], n_values, what))
        values = np.array(rows)
    species_of = {name: _species(name, types) for name in set(names)}
    symbols, species = species_of_atoms([species_of[name] for name in names])
    return symbols, species, values[:, :n_values]


def _are_names(words: Sequence[str], lines: Sequence[str], width: int) -> bool:
    """Whether words are the names of atoms: letters; digits, which may be other numbers, if each line is complete."""
    if all(map(str.isalpha, words)):
        return True
    return all(map(str.isalnum, words)) and all(len(line.split()) == width for line in lines)


def _species(name: str, types: Sequence[str]) -> str:
    """What an atom's name stands for: its first two characters where these are a species, as in the original."""
    literal = name[:SYMBOL_LENGTH]
    if literal in types or literal in NUMBER:
        return literal
    return of_label(name) or (name if name.isdecimal() else literal)
