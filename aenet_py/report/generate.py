"""The report of generate.x on standard output, character for character the original's but for the date."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aenet_py.descriptors.setup import Setup
from aenet_py.formats.trainset import EnergyStatistics
from aenet_py.report.layout import banner, fixed, integer, scientific, timestamp

_NOTICE = """ Copyright (C) 2015-2018 Nongnuch Artrith and Alexander Urban

 This program is distributed in the hope that it will be useful, but
 WITHOUT ANY WARRANTY; without even the implied warranty of
 MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
 Mozilla Public License, v. 2.0, for more details.

"""


def opening() -> str:
    return banner("generate.x - training set generation", "=") + "\n" + _NOTICE


def timing_notice() -> str:
    return " Timing info will be written to: generate.time\n\n"


def start(types: Sequence[str], n_structures: int, setups: Sequence[Setup]) -> str:
    """From the start to the head of the table of structures."""
    parts = [banner("Generation of training set started"), "\n"]
    parts.append(f" Number of atom types  : {len(types)}\n")
    line = " types                 : "
    for number, symbol in enumerate(types, 1):
        if number % 7 == 0:
            parts.append(line + "\n")
            line = ""
        line += symbol.ljust(2).rjust(5) + " "
    parts += [line + "\n", f" Number of structures  : {n_structures}\n\n"]
    parts += [banner("Structural fingerprint basis set-up"), "\n"]
    parts += [_setup(setup) for setup in setups]
    parts += [banner("Adding structures to the training set"), "\n"]
    parts.append(f"#{'N':>6}  {'nAtoms':>6}  {'nTypes':>6}  {'E/atom':>15}  structure file (xsf)\n")
    return "".join(parts)


def _setup(setup: Setup) -> str:
    """stp_print_info, stp_print_descr, and what follows for each kind of basis."""
    parts = [f" Structural fingerprint (SF) set-up for {setup.atom_type}\n\n"]
    parts += [*_description(setup.description), "\n"]
    parts += [" environment types: ", *(symbol.ljust(2) + " " for symbol in setup.env_types), "\n"]
    parts.append(f" minimal distance : {fixed(setup.r_min)} Angstrom\n")
    parts.append(f" maximal cut-off  : {fixed(setup.r_max)} Angstrom\n")
    parts.append(f" size of basis    : {setup.n_features}\n")
    parts.append(" evaluations      : 0\n\n")
    parts.append(_chebyshev(setup) if setup.basis.lower() == "chebyshev" else _behler(setup))
    return "".join(parts)


def _chebyshev(setup: Setup) -> str:
    """print_info_chebyshev"""
    radial_cutoff, radial_order, angular_cutoff, angular_order = setup.parameters[0]
    return (
        " Basis function type Chebyshev\n [N. Artrith and A. Urban (2016)]\n\n"
        f" Radial Rc     : {fixed(radial_cutoff)}\n Angular Rc    : {fixed(angular_cutoff)}\n"
        f" Radial order  : {int(radial_order)}\n Angular order : {int(angular_order)}\n\n"
    )


def _behler(setup: Setup) -> str:
    """print_info_Behler2011"""
    lines = [" Basis function type Behler2011", "", " [see also: J. Behler, J. Chem. Phys. 134 (2011) 074106]", "", ""]
    lines += ["      G  parameters", ""]
    names = {1: ("Rc",), 2: ("Rc", "Rs", "eta"), 3: ("Rc", "kappa"), 4: ("Rc", "lambda", "zeta", "eta")}
    rows = zip(setup.functions.tolist(), setup.parameters.tolist(), setup.environment.tolist(), strict=True)
    for number, (kind, values, species) in enumerate(rows, 1):
        around = [setup.env_types[s - 1].ljust(2) for s in species if s]
        types = "".join(f"  type{place}={symbol}" for place, symbol in enumerate(around, 2))
        given = "".join(f"  {name} = {_short(v)}" for name, v in zip(names[min(kind, 4)], values, strict=False))
        lines.append(f" {number:3d}  {kind:1d}{types}{given}")
    return "\n".join([*lines, "", ""])


def _short(value: float) -> str:
    """F7.3: stars where the number does not fit."""
    text = f"{value:7.3f}"
    return text if len(text) == 7 else "*" * 7


def _description(description: str) -> list[str]:
    """The description's lines; what follows the last separator only if the file's limit cut it."""
    lines = description.rstrip(" ").split("$$")
    last = lines.pop()
    return [f" {line}\n" for line in lines] + ([f" {last.rstrip(' ')}\n"] if last.strip(" ") else [])


def skipped(path: str) -> str:
    return f" Skipping {path}: too many atomic species\n"


def structure(
    number: int, n_types: int, energy_per_atom: float, path: str, symbols: Sequence[str], counts: np.ndarray
) -> str:
    """One structure and, line by line, its atoms with their species and number of neighbours."""
    n_atoms = integer(len(symbols), 6)
    energy = scientific(energy_per_atom, 15, 8)
    head = f" {integer(number, 6)}  {n_atoms}  {integer(n_types, 6)}  {energy}  {path}\n"
    if len(symbols) > 999_999 or counts.max() > 999_999:
        rows = zip(range(1, len(symbols) + 1), symbols, counts.tolist(), strict=True)
        return head + "".join(f" {integer(i, 6)}  {s:>2}  {integer(n, 6)}\n" for i, s, n in rows)
    values = [value for row in zip(range(1, len(symbols) + 1), symbols, counts.tolist(), strict=True) for value in row]
    return head + " %6d  %2s  %6d\n" * len(symbols) % tuple(values)


def debug_lines(features: np.ndarray, sizes: np.ndarray) -> str:
    """Features of each atom on a line of generate.debug; features (n_atoms, widest), sizes (n_atoms,)."""
    rows = zip(features.tolist(), sizes.tolist(), strict=True)
    return "".join("".join(f" {scientific(v, 15, 8)} " for v in row[:size]) + "\n" for row, size in rows)


def summary(output: str, types: Sequence[str], n_structures: int, n_included: int, energies: EnergyStatistics) -> str:
    """ts_print_info."""
    parts = ["\n", banner("Training set info."), "\n"]
    parts.append(f" Training set file                   : {output}\n")
    parts.append(f" Number of structures in the data set: {n_structures}\n")
    if n_included != n_structures:
        parts.append(f"   Structures included so far        : {n_included}\n")
    parts.append(f"\n Atomic species in training set      : {len(types)}\n")
    parts.append("   Species :" + "".join(f" {t}" for t in types) + "\n\n")
    if n_included == n_structures:
        parts.append(f" Average energy (eV/atom) : {fixed(energies.mean, 6)}\n")
        parts.append(f" Minimum energy (eV/atom) : {fixed(energies.low, 6)}\n")
        parts.append(f" Maximum energy (eV/atom) : {fixed(energies.high, 6)}\n\n")
    parts.append(" The input and output values have not yet been normalized.\n\n")
    return "".join(parts)


def closing() -> str:
    return banner(timestamp(), " ") + banner("Training set generation done.", "=")
