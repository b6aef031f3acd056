"""Set-up files of features, ``*.stp``.

Source: read_Setup_parameters, read_basis_chebyshev, read_symmfunc_Behler2011 in sfsetup.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from aenet_py.descriptors.setup import Setup, behler_setup, chebyshev_setup
from aenet_py.errors import InputError
from aenet_py.formats import listio
from aenet_py.formats.text import BLANKS, read_text, split_lines
from aenet_py.formats.trainset import DESCRIPTION_LENGTH, Footer, Header
from aenet_py.inputs.keywords import COMMENT, first_word, parameter, value_of
from aenet_py.runtime import memory
from aenet_py.structure import SYMBOL_LENGTH

DEFAULT_R_MIN = 1.0
BEHLER = "Behler2011"
PARAMETERS = ("radial_Rc", "radial_N", "angular_Rc", "angular_N")  # of the Chebyshev basis
# For each type of symmetry function: names of its species, and its parameters in the order of `Setup.parameters`.
FUNCTIONS = {
    1: (("type2",), ("Rc",)),
    2: (("type2",), ("Rc", "Rs", "eta")),
    3: (("type2",), ("Rc", "kappa")),
    4: (("type2", "type3"), ("Rc", "lambda", "zeta", "eta")),
    5: (("type2", "type3"), ("Rc", "lambda", "zeta", "eta")),
}
KEYWORDS = ("descr", "atom", "env", "rmin", "basis", "symmfunc", "functions")
LARGEST = 2**31 - 1  # integers in files have 32 bits
FEATURE_BYTES = 4096  # least memory per feature: kernels' scratch, set-up, statistics
T = TypeVar("T")
Warnings = list[tuple[str, int]]  # warnings, with their lines


@dataclass(frozen=True)
class _Function:
    """A symmetry function: type, parameters, names of the neighbours' species, and its line in the file."""

    kind: int
    values: tuple[float, ...]
    species: tuple[str, ...]
    line: int

    def resolved(self, path: str, env_types: tuple[str, ...]) -> tuple[int, tuple[float, ...], tuple[int, ...]]:
        """Type, parameters, and species as indices into env_types."""
        for symbol in self.species:
            if symbol not in env_types:
                message = f"found species {symbol!r}; expected one of ENV: {' '.join(env_types)}"
                raise InputError(path, message, self.line)
        return self.kind, self.values, tuple(env_types.index(symbol) for symbol in self.species)


def read(path: str, warn: Callable[[str], None]) -> Setup:
    """Read a set-up file.

    Parameters
    ----------
    path : str
    warn : callable
        Called with each warning.

    Returns
    -------
    Setup
        Descriptor of one species.

    Raises
    ------
    InputError
        If the file is invalid; the message names the line.
    """
    lines = split_lines(read_text(path, "a fingerprint set-up file"))
    warnings: Warnings = []
    description, atom_type, r_min = "", "", 0.0
    env_types: tuple[str, ...] = ()
    basis: tuple[str, int, dict[str, float]] | None = None
    functions: list[_Function] | None = None
    number = 0
    while number < len(lines):
        line = lines[number].strip(BLANKS)
        number += 1
        if not line or line.startswith(COMMENT):
            continue
        keyword = first_word(line).lower()
        if keyword == "descr":
            description, number = _description(path, lines, number)
        elif keyword == "atom":
            atom_type = value_of(path, number, line[4:], str, "'ATOM <symbol>'")[:SYMBOL_LENGTH]
        elif keyword == "env":
            n = value_of(path, number, line[3:], listio.integer, "'ENV <number of species>'")
            if n < 1:
                raise InputError(path, f"found {line!r}; expected 'ENV <number of species>', at least 1", number)
            env_types, number = _environment(path, lines, number, n)
        elif keyword == "rmin":
            r_min = value_of(path, number, line[4:], listio.real, "'RMIN <distance in Angstrom>'")
            if r_min < 0.0:
                raise InputError(path, f"found {line!r}; expected a distance, not below 0", number)
        elif keyword in ("symmfunc", "functions"):
            if basis is not None or functions is not None:
                raise InputError(path, "a second basis; expected one", number)
            functions, number = _functions(path, lines, number, line, warnings)
        elif keyword == "basis":
            if basis is not None or functions is not None:
                raise InputError(path, "a second BASIS; expected one", number)
            basis = _basis(path, lines, number, line, warnings)
            number += 1
        else:
            near = difflib.get_close_matches(keyword, ["descr", "atom", "env", "rmin", "basis", "symmfunc"], n=1)
            hint = f"; did you mean {near[0].upper()}?" if near else ""
            message = f"unknown keyword {first_word(line)!r}; expected DESCR, ATOM, ENV, RMIN, BASIS or SYMMFUNC{hint}"
            raise InputError(path, message, number)
    if not atom_type:
        raise InputError(path, "no ATOM found; expected 'ATOM <symbol>'")
    if not env_types:
        raise InputError(path, "no ENV found; expected 'ENV <number of species>' and one symbol per line")
    if basis is None and functions is None:
        raise InputError(path, "no BASIS found; expected 'BASIS type=Chebyshev' and a line with its parameters")
    if r_min == 0.0:
        warn(f"{path}: RMIN is not set; {DEFAULT_R_MIN} Angstrom is used, as in the original")
        r_min = DEFAULT_R_MIN
    for warning in dict.fromkeys(text for text, _ in warnings):
        lines_of = [at for text, at in warnings if text == warning]
        more = f" (and in {len(lines_of) - 1} more lines)" if len(lines_of) > 1 else ""
        warn(f"{path}:{lines_of[0]}: {warning}{more}")
    if functions is not None:
        chosen = [function.resolved(path, env_types) for function in functions]
        return behler_setup(description, atom_type, env_types, r_min, BEHLER, chosen)
    assert basis is not None
    name, at, values = basis
    radial_order, angular_order = int(values["radial_N"]), int(values["angular_N"])
    _check_size(path, at, (radial_order + angular_order + 2) * (2 if len(env_types) > 1 else 1))
    return chebyshev_setup(
        description, atom_type, env_types, r_min, name,
        values["radial_Rc"], radial_order, values["angular_Rc"], angular_order,
    )  # fmt: skip


def _check_size(path: str, number: int, n_features: int) -> None:
    """Raise InputError if so many features per atom cannot be stored or do not fit into memory."""
    message = f"radial_N and angular_N make {n_features:,} features"
    if n_features > LARGEST:
        raise InputError(path, f"{message}; expected at most {LARGEST:,}", number)
    required, left = n_features * FEATURE_BYTES, memory.available()
    if required > left:
        message = f"{message}, which need {required / 1e9:.1f} GB of memory; {left / 1e9:.1f} GB are left"
        raise InputError(path, message, number)


def _description(path: str, lines: list[str], start: int) -> tuple[str, int]:
    """The text up to END DESCR, joined and cut as in the original, and the number of lines read so far."""
    description = ""
    for number in range(start, len(lines)):
        if "end descr" in lines[number].lower():
            return description, number + 1
        if len(description.rstrip(" ")) < DESCRIPTION_LENGTH:
            joined = description.rstrip(" ") + lines[number].rstrip(" ") + "$$"
            description = joined[:DESCRIPTION_LENGTH]
    raise InputError(path, "DESCR without an end; expected a line 'END DESCR'", start)


def _environment(path: str, lines: list[str], number: int, n: int) -> tuple[tuple[str, ...], int]:
    """The species around, and the number of lines read so far."""
    symbols: list[str] = []
    start = number
    while len(symbols) < n and number < len(lines):
        line = lines[number].strip(BLANKS)
        number += 1
        if not line or line.startswith(COMMENT):
            continue
        if first_word(line).lower() in KEYWORDS:
            message = (
                f"ENV announces {n} species, but {line!r} in line {number} is where number {len(symbols) + 1} belongs"
            )
            raise InputError(path, f"{message}; list one species per line", start)
        symbols.append(value_of(path, number, line, str, "a species symbol")[:SYMBOL_LENGTH])
    if len(symbols) < n:
        raise InputError(path, f"ENV announces {n} species, but {len(symbols)} follow", start)
    if len(set(symbols)) < n:
        raise InputError(path, f"ENV names a species twice: {' '.join(symbols)}", start)
    return tuple(symbols), number


def _basis(
    path: str, lines: list[str], number: int, line: str, warnings: Warnings
) -> tuple[str, int, dict[str, float]]:
    """Name of the basis, the line of its parameters, and the parameters."""
    name = parameter(path, number, line, "type", str)
    if name is None:
        raise InputError(path, f"found {line!r}; expected 'BASIS type=Chebyshev'", number)
    if name.lower() != "chebyshev":
        raise InputError(path, f"unknown basis type {name!r}; expected Chebyshev", number)
    if number >= len(lines):
        raise InputError(path, "BASIS without parameters; expected radial_Rc, radial_N, angular_Rc, angular_N", number)
    values: dict[str, float] = {}
    missing: list[str] = []
    for key in PARAMETERS:
        parse: Callable[[str], float] = listio.real if key.endswith("Rc") else listio.integer
        value = _parameter(path, number + 1, lines[number], key, parse, warnings)
        if value is None:
            missing.append(key)
        elif value < 0:
            raise InputError(path, f"found {key} = {value}; expected a value not below 0", number + 1)
        values[key] = value or 0
    if max(values["radial_Rc"], values["angular_Rc"]) == 0.0:
        raise InputError(path, "both cutoffs are 0; expected radial_Rc or angular_Rc above 0", number + 1)
    if missing:
        warnings.append((f"found no {' and no '.join(missing)}; 0 is used, as in the original", number + 1))
    return name, number + 1, values


def _functions(path: str, lines: list[str], number: int, line: str, warnings: Warnings) -> tuple[list[_Function], int]:
    """The symmetry functions after a line SYMMFUNC, and the number of lines read so far."""
    name = parameter(path, number, line, "type", str)
    if name != BEHLER:
        raise InputError(path, f"found {line!r}; expected 'SYMMFUNC type={BEHLER}'", number)
    if number >= len(lines):
        raise InputError(path, "SYMMFUNC without functions; expected their number and a line for each", number)
    n = value_of(path, number + 1, lines[number], listio.integer, "the number of symmetry functions")
    if n < 1:
        raise InputError(path, f"found {n} symmetry functions; expected at least 1", number + 1)
    if number + 1 + n > len(lines):
        raise InputError(path, f"SYMMFUNC announces {n} functions, but {len(lines) - number - 1} lines follow", number)
    functions = [_function(path, at + 1, lines[at], warnings) for at in range(number + 1, number + 1 + n)]
    if all(function.values[0] == 0 for function in functions):
        raise InputError(path, "no Rc found; expected a cutoff above 0 for at least one symmetry function", number + 2)
    return functions, number + 1 + n


def _function(path: str, number: int, line: str, warnings: Warnings) -> _Function:
    """A symmetry function; as in the original, missing parameters are 0, and a missing species is the previous one."""
    kind = _parameter(path, number, line, "G", listio.integer, warnings)
    if kind not in FUNCTIONS:
        raise InputError(path, f"found {line.strip()!r}; expected a symmetry function, G=1 to G=5", number)
    species: list[str] = []
    values: list[float] = []
    for name in FUNCTIONS[kind][0]:
        symbol = _parameter(path, number, line, name, str, warnings)
        if symbol is None:
            if not species:
                raise InputError(path, f"no {name} in {line.strip()!r}; expected one for G={kind}", number)
            warnings.append((f"found no {name}; that of type2 is used, as in the original", number))
            symbol = species[-1]
        species.append(symbol[:SYMBOL_LENGTH])
    for name in FUNCTIONS[kind][1]:
        value = _parameter(path, number, line, name, listio.real, warnings)
        if value is None:
            warnings.append((f"found no {name}; 0 is used, as in the original", number))
        elif name == "Rc" and value <= 0:
            raise InputError(path, f"found Rc = {value:g}; expected a cutoff above 0", number)
        values.append(value or 0.0)
    return _Function(kind, tuple(values), tuple(species), number)


def _parameter(path: str, number: int, line: str, key: str, parse: Callable[[str], T], warnings: Warnings) -> T | None:
    """As `parameter`; warnings : takes one if the key is part of another word, whose value it takes."""
    around = re.match(rf".*?(\w*?{key}\w*)[^=]*", line)
    own = re.search(rf"\b{key}\b[^=]*", line)
    if around is not None and around[1] != key and (own is None or own.end() != around.end()):
        message = f"{key} takes the value of {around[1]!r}, as in the original, which finds {key!r} there"
        warnings.append((f"{message}; write {key} before it", number))
    return parameter(path, number, line, key, parse)


def written(setup: Setup) -> list[str]:
    """Lines that define the features: ENV and its species, the basis, its parameters or functions."""
    lines = [f"ENV {len(setup.env_types)}: {' '.join(setup.env_types)}", f"type={setup.basis.strip()}".lower()]
    if setup.is_chebyshev:
        given = chebyshev_parameters(setup).items()
        return [*lines, " ".join(f"{name} = {value:.12g}" for name, value in given)]
    rows = zip(setup.functions.tolist(), setup.parameters.tolist(), setup.environment.tolist(), strict=True)
    for kind, values, around in rows:
        species, names = FUNCTIONS[kind]
        named = [f"{name}={setup.env_types[s]}" for name, s in zip(species, around, strict=False)]
        numbers = [f"{name}={value:.12g}" for name, value in zip(names, values, strict=False)]
        lines.append(" ".join([f"G={kind}", *named, *numbers]))
    return lines


def same(one: Setup, other: Setup) -> bool:
    """Whether two set-ups are identical to the last bit."""
    arrays = ("functions", "parameters", "environment")
    alike = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays)
    return alike and all(value == getattr(other, name) for name, value in vars(one).items() if name not in arrays)


def difference(mine: tuple[Header, Footer], theirs: tuple[Header, Footer]) -> tuple[str, str, str] | None:
    """What keeps two training sets with set-ups, of which header and footer are given, from being used together.

    That is ``species``, ``atomic energies`` or ``set-up``, and what either set has; of set-ups, the species.
    """
    for what, name in (("species", "types"), ("atomic energies", "atomic_energies")):
        one, other = getattr(mine[0], name), getattr(theirs[0], name)
        if one != other:
            return what, ", ".join(map(str, one)), ", ".join(map(str, other))
    for setup, wanted in zip(mine[1].setups, theirs[1].setups, strict=True):
        if not same(setup, wanted):
            return "set-up", setup.atom_type, wanted.atom_type
    return None


def to_text(setup: Setup) -> str:
    """The text of a set-up file that is read as this set-up, of a Chebyshev basis."""
    lines = ["DESCR", *setup.description.removesuffix("$$").split("$$"), "END DESCR"] if setup.description else []
    lines += [f"ATOM {setup.atom_type}", f"ENV {len(setup.env_types)}", *setup.env_types, f"RMIN {setup.r_min!r}"]
    values = chebyshev_parameters(setup)
    return (
        "\n".join([*lines, f"BASIS type={setup.basis.strip()}", " ".join(f"{k} = {values[k]}" for k in values)]) + "\n"
    )


def chebyshev_parameters(setup: Setup) -> dict[str, float]:
    """Values of `PARAMETERS` of a Chebyshev basis: cutoffs in Å, and orders as integers."""
    values = setup.radial_cutoff, setup.radial_order, setup.angular_cutoff, setup.angular_order
    return dict(zip(PARAMETERS, values, strict=True))


def with_parameters(setup: Setup, values: Mapping[str, float]) -> Setup:
    """A set-up of a Chebyshev basis with other values of some `PARAMETERS`."""
    radial_cutoff, radial_order, angular_cutoff, angular_order = (chebyshev_parameters(setup) | dict(values)).values()
    return chebyshev_setup(
        setup.description, setup.atom_type, setup.env_types, setup.r_min, setup.basis,
        radial_cutoff, int(radial_order), angular_cutoff, int(angular_order),
    )  # fmt: skip
