"""The report of generate.x on standard output, character for character the original's but for the date."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aenet_py.descriptors.setup import Setup
from aenet_py.formats.trainset import EnergyStatistics
from aenet_py.report.blocks import NOTICE, setup_info, training_set_info
from aenet_py.report.layout import banner, integer, scientific, timestamp


def opening() -> str:
    return banner("generate.x - training set generation", "=") + "\n" + NOTICE


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
    parts += [setup_info(setup, 0) for setup in setups]
    parts += [banner("Adding structures to the training set"), "\n"]
    parts.append(f"#{'N':>6}  {'nAtoms':>6}  {'nTypes':>6}  {'E/atom':>15}  structure file (xsf)\n")
    return "".join(parts)


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
    """What is known of the training set at the end."""
    known = (energies.mean, energies.low, energies.high) if n_included == n_structures else None
    return "\n" + training_set_info(output, types, n_structures, n_included, known, None)


def closing() -> str:
    return banner(timestamp(), " ") + banner("Training set generation done.", "=")
