"""Kernel that reads XSF files as they usually are; `formats.xsf` reads all others, and finds their errors.

Usual is a file of these lines, with the numbers of blanks, blank lines and leading or trailing blanks that one likes:

    # total energy = -19960.66173260 eV
    CRYSTAL                                      or ATOMS, and the atoms at once
    PRIMVEC
    x y z                                        three lines
    PRIMCOORD
    2 1
    Ti  x y z  fx fy fz                          names of one or two letters

Numbers are those that one product or quotient of two exact reals rounds correctly (Clinger 1990).
"""

import numpy as np

from aenet_py.pipelines.constants import MOST_NAMES, MOST_POWER, MOST_WIDTH
from aenet_py.runtime.accelerate import jit
from aenet_py.runtime.signatures import f8, i8, out, u1

BLANK, END, POINT, PLUS, MINUS, ZERO, NINE = 32, 10, 46, 43, 45, 48, 57
EXACT = 2**53  # integers up to it are reals
MOST_ATOMS = 100_000_000
FAILED = -1

ENERGY = tuple(b"# total energy =")
EV = tuple(b"eV")
CRYSTAL, PRIMVEC, PRIMCOORD, ATOMS = (tuple(word) for word in (b"CRYSTAL", b"PRIMVEC", b"PRIMCOORD", b"ATOMS"))


@jit
def is_letter(c):
    return 65 <= c <= 90 or 97 <= c <= 122


@jit
def is_digit(c):
    return ZERO <= c <= NINE


@jit
def blanks(data, i):
    while data[i] == BLANK:
        i += 1
    return i


@jit
def follows(data, i, word):
    """Whether a word stands at i.  It has no end of line, with which all data end."""
    for c in word:
        if data[i] != c:
            return False
        i += 1
    return True


@jit
def next_line(data, start, i):
    """Where the line after the one from start on begins, if nothing but blanks are left from i on, or FAILED."""
    i = blanks(data, i)
    return i + 1 if data[i] == END and i - start <= MOST_WIDTH else FAILED


@jit
def number(data, i, tens):
    """The number at i, after blanks, and the place behind it, or FAILED."""
    i = blanks(data, i)
    negative = data[i] == MINUS
    if negative or data[i] == PLUS:
        i += 1
    mantissa, n_digits, power = 0, 0, 0
    while is_digit(data[i]):
        mantissa = 10 * mantissa + (data[i] - ZERO)
        if mantissa > EXACT:
            return 0.0, FAILED
        n_digits += 1
        i += 1
    if data[i] == POINT:
        i += 1
        while is_digit(data[i]):
            mantissa = 10 * mantissa + (data[i] - ZERO)
            if mantissa > EXACT:
                return 0.0, FAILED
            n_digits += 1
            power -= 1
            i += 1
    if n_digits == 0:
        return 0.0, FAILED
    if data[i] == 69 or data[i] == 101:
        i += 1
        below = data[i] == MINUS
        if below or data[i] == PLUS:
            i += 1
        if not is_digit(data[i]):
            return 0.0, FAILED
        exponent = 0
        while is_digit(data[i]) and exponent < MOST_WIDTH:
            exponent = 10 * exponent + (data[i] - ZERO)
            i += 1
        power += -exponent if below else exponent
    if not -MOST_POWER <= power <= MOST_POWER or not (data[i] == BLANK or data[i] == END):
        return 0.0, FAILED
    value = mantissa / tens[-power] if power < 0 else mantissa * tens[power]
    return -value if negative else value, i


@jit
def count(data, i):
    """The number of atoms at i, after blanks, and the beginning of the next line, or FAILED."""
    start, n = i, 0
    i = blanks(data, i)
    while is_digit(data[i]) and n < MOST_ATOMS:
        n = 10 * n + (data[i] - ZERO)
        i += 1
    if n == 0 or data[i] != BLANK:
        return 0, FAILED
    i = blanks(data, i)
    while is_digit(data[i]):
        i += 1
    return n, next_line(data, start, i)


@jit
def blank_lines(data, i, stop):
    """Where the next line begins that is not blank, or stop."""
    while i < stop:
        following = next_line(data, i, i)
        if following == FAILED:
            return i
        i = following
    return i


@jit
def header(data, i, stop, tens, cell):
    """Read up to the atoms: the energy, the number of atoms (0 without PRIMCOORD) and where they begin, or FAILED."""
    if not follows(data, i, ENERGY):
        return 0.0, 0, FAILED
    energy, end = number(data, i + len(ENERGY), tens)
    if end == FAILED:
        return 0.0, 0, FAILED
    end = blanks(data, end)
    if not follows(data, end, EV):
        return 0.0, 0, FAILED
    i = next_line(data, i, end + len(EV))
    if i == FAILED:
        return 0.0, 0, FAILED
    i = blank_lines(data, i, stop)
    if i < stop and follows(data, blanks(data, i), ATOMS):
        return energy, 0, next_line(data, i, blanks(data, i) + len(ATOMS))
    for word in (CRYSTAL, PRIMVEC):
        i = blank_lines(data, i, stop)
        if i >= stop or not follows(data, blanks(data, i), word):
            return 0.0, 0, FAILED
        i = next_line(data, i, blanks(data, i) + len(word))
        if i == FAILED:
            return 0.0, 0, FAILED
    for row in range(3):
        if i >= stop:
            return 0.0, 0, FAILED
        end = i
        for axis in range(3):
            cell[row, axis], end = number(data, end, tens)
            if end == FAILED:
                return 0.0, 0, FAILED
        i = next_line(data, i, end)
        if i == FAILED:
            return 0.0, 0, FAILED
    i = blank_lines(data, i, stop)
    if i >= stop or not follows(data, blanks(data, i), PRIMCOORD):
        return 0.0, 0, FAILED
    i = next_line(data, i, blanks(data, i) + len(PRIMCOORD))
    if i == FAILED or i >= stop:
        return 0.0, 0, FAILED
    n, i = count(data, i)
    return energy, n, i


@jit
def atoms(data, i, stop, tens, names, species, positions, forces):
    """Read the atoms from i on and what follows: their number, or FAILED."""
    n = n_names = 0
    while i < stop and next_line(data, i, i) == FAILED:
        end = blanks(data, i)
        if not is_letter(data[end]) or n >= len(species):
            return FAILED
        name = np.int64(data[end])
        end += 1
        if is_letter(data[end]):
            name += 256 * data[end]
            end += 1
        if data[end] != BLANK:
            return FAILED
        kind = 0
        while kind < n_names and names[kind] != name:
            kind += 1
        if kind == n_names:
            if n_names == MOST_NAMES:
                return FAILED
            names[kind] = name
            n_names += 1
        species[n] = kind
        for axis in range(3):
            positions[n, axis], end = number(data, end, tens)
            if end == FAILED:
                return FAILED
        for axis in range(3):
            forces[n, axis], end = number(data, end, tens)
            if end == FAILED:
                return FAILED
        i = next_line(data, i, end)
        if i == FAILED:
            return FAILED
        n += 1
    return n if n > 0 and blank_lines(data, i, stop) == stop else FAILED


def read(
    data: u1[:], starts: i8[:], tens: f8[:], counts: out(i8[:]), lines: out(i8[:]), energies: out(f8[:]),
    cells: out(f8[:, 3, 3]), names: out(i8[:, MOST_NAMES]), species: out(i8[:]), positions: out(f8[:, 3]),
    forces: out(f8[:, 3]),
):  # fmt: skip
    """Read files, one after the other in data, of which each ends with an end of line.

    starts (n_files + 1): where each begins; tens: powers of ten, from 0 to MOST_POWER.  Of each file, counts: number of
    atoms, or 0 if the file is not a usual one; lines: number of the first atom's line, from 1, or minus that in a file
    without a cell; energies: eV; cells: rows in Å; names: of species, in order of their first atom, a letter in each
    byte, then 0.  Of each atom, in the order of the files: species, positions and forces.  Returns 0.
    """
    first = 0
    for file in range(len(counts)):
        i, stop = starts[file], starts[file + 1]
        names[file, :] = 0
        counts[file] = 0
        if i == stop:
            continue
        energies[file], announced, begin = header(data, i, stop, tens, cells[file])
        if begin == FAILED:
            continue
        n = atoms(data, begin, stop, tens, names[file], species[first:], positions[first:], forces[first:])
        if n == FAILED or (announced > 0 and n != announced):
            continue
        line = 1
        for j in range(i, begin):
            line += data[j] == END
        lines[file] = line if announced > 0 else -line
        counts[file] = n
        first += n
    return 0
