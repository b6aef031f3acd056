"""XSF structure files with ænet's comment for the energy (xsf_init, xsf_count_atoms_and_types in xsflib).

    # total energy = -19960.66173260 eV          (or: cohesive energy = ...)
    CRYSTAL
    PRIMVEC
        x y z                                    three cell vectors, Å
    PRIMCOORD
    2 1
    Ti  x y z  fx fy fz                          Å and eV/Å, up to a blank line or the end of the file

Isolated structures have ``ATOMS`` instead of PRIMVEC and PRIMCOORD, without the number of atoms.  An atom is given by
its symbol, its atomic number, or a label such as Ti1.
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
    """Whether a file has the name of an XSF file: a.xsf, or followed by a number, input.xsf.000001."""
    return _NAME.search(path) is not None


def read(path: str, reference: bool = True, types: Sequence[str] = ()) -> Structure:
    """Read a structure as ænet does: periodic along all of its cell vectors.

    Parameters
    ----------
    path : str
    reference : bool
        Require energy and forces; otherwise they are not read.
    types : sequence of str
        Names that are species as they are, by their first two characters.  Of other names, atomic numbers and labels
        such as Ti1 are replaced by the symbol of the element.

    Returns
    -------
    Structure
        Periodic along all three cell vectors, or isolated.

    Raises
    ------
    InputError
        If the file is invalid; the message names the line.
    """
    return _parse(path, split_lines(read_text(path, WHAT)), reference, types)


def read_frame(path: str) -> Structure:
    """Read a structure with the periodicity and the cell that the file intends; energy and forces may be missing."""
    lines = split_lines(read_text(path, WHAT))
    structure = _parse(path, lines, None, ())
    cell = structure.cell
    pbc = structure.claimed or (True, True, True)
    intended: np.ndarray | None = None
    for number, line in enumerate(lines, 1):
        if line.startswith(_CELL):
            items = listio.items(line.removeprefix(_CELL))
            intended = np.array(_numbers(path, number, line, items, 9, "a cell of nine numbers")).reshape(3, 3)
        elif line.startswith(_PBC) and _pbc(line) is None:
            raise InputError(path, f"found {line!r}; expected three of T and F", number)
    if cell is None:
        pbc = (False, False, False)
    if intended is not None and not all(pbc):
        cell = intended
    return replace(structure, cell=cell, pbc=pbc, claimed=None)


def text(frame: Structure) -> bytes:
    """The XSF file of a structure; all digits of every number are kept.

    ænet treats a structure with PRIMVEC as periodic along all three vectors.  A structure that is periodic along some
    of them is therefore written in a cell with vacuum along the others (`periodicity.with_vacuum`).  Comments, which
    `read_frame` reads and other programs skip, hold its pbc and its own cell, and the cell of an isolated structure.
    InputError if the cell does not match the pbc.
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
    """The structure in the lines of a file.

    reference : energy and forces are required (true; without forces, a single atom has zero forces), not read (false),
    or optional (None); types : as in `read`.
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
            name = next((each for each in ("cohesive energy", "total energy") if each in line), None)
            if name is not None:
                if reference is not False:
                    energies[name] = _energy(path, number, line, name)
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
    """The periodicity in a comment that `text` writes."""
    words = line.removeprefix(_PBC).split() if line.startswith(_PBC) else []
    if len(words) != 3 or not {"T", "F"}.issuperset(words):
        return None
    return words[0] == "T", words[1] == "T", words[2] == "T"


def _energy(path: str, number: int, line: str, name: str) -> float:
    rest_of_name, _, text = line[line.index(name) + len(name) :].partition("=")
    items = listio.items(text)
    try:
        units.check_name(rest_of_name)
        energy = listio.real(items[0] or "")
        units.check_behind(items[0] or "", "".join(text.split()[1:2]))
    except (ValueError, IndexError):
        raise InputError(path, f"found {line.strip()!r}; expected '{name} = <number> eV'", number) from None
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
        shown = repr(lines[number].strip()) if number < len(lines) else "the end of the file"
        raise InputError(path, f"found {shown} after PRIMCOORD; expected the number of atoms", number + 1) from None
    return count


def _is_atom(line: str) -> bool:
    try:
        return len([listio.real(text or "") for text in listio.items(line)[1:4]]) == 3
    except ValueError:
        return False


def _numbers(path: str, number: int, line: str, items: list[str | None], n: int, what: str) -> list[float]:
    try:
        values = [listio.real(text or "") for text in items[:n]]
    except ValueError as error:
        raise InputError(path, f"found {str(error)!r} where a number belongs; expected {what}", number) from None
    if len(values) < n:
        raise InputError(path, f"found {line.strip()!r}; expected {what}", number)
    return values


def _atom_lines(
    path: str, lines: list[str], start: int, stop: int, reference: bool, types: Sequence[str]
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Symbols in order of appearance, species (n,), and positions with forces (n, 6), or (n, 3) without reference."""
    n_values = 6 if reference else 3
    last = lines[stop - 1].split()
    if reference and len(last) < 7:
        raise InputError(
            path, f"no forces in {lines[stop - 1].strip()!r}; expected '<symbol> x y z fx fy fz' for every atom", stop
        )
    block = " ".join(lines[start:stop])
    words, width = block.split(), 7 if reference else len(last)
    names, values = words[::width], np.empty((0, 0))
    # The usual case, quickly: equal numbers of words per line, separated by blanks, and plain decimal numbers.
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
            items = listio.items(lines[number])
            names.append((items[0] or "") if items else "")
            what = "'<symbol> x y z fx fy fz'" if reference else "'<symbol> x y z'"
            rows.append(_numbers(path, number + 1, lines[number], items[1:], n_values, what))
        values = np.array(rows)
    known = {name: species_of(name, types) for name in set(names)}
    symbols, species = species_of_atoms([known[name] for name in names])
    return symbols, species, values[:, :n_values]


def _are_names(words: Sequence[str], lines: Sequence[str], width: int) -> bool:
    """Whether words are names of atoms: letters, or also digits if every line is complete (they may be numbers)."""
    if all(map(str.isalpha, words)):
        return True
    return all(map(str.isalnum, words)) and all(len(line.split()) == width for line in lines)


def species_of(name: str, types: Sequence[str]) -> str:
    """Species of an atom's name: as in the original its first two characters, if these are a species."""
    literal = name[:SYMBOL_LENGTH]
    if literal in types or literal in NUMBER:
        return literal
    return of_label(name) or (name if name.isdecimal() else literal)
