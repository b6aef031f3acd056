"""The report of predict.x on standard output, character for character the original's but for the date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.formats.potential import PotentialFile
from aenet_py.report.blocks import NOTICE, network_info, setup_info, training_set_info
from aenet_py.report.layout import banner, integer, real, timestamp


@dataclass(frozen=True)
class ForceSummary:
    """Forces on the atoms of a structure (calc_rms_force), eV/Å.

    mean, mean_absolute : (3,), of the components; largest : (3,), the force with the largest norm, on the atom of this
    0-based index; rms : root mean square of the norms.
    """

    mean: np.ndarray
    mean_absolute: np.ndarray
    largest: np.ndarray
    atom: int
    rms: float


def opening() -> str:
    return banner("Atomic Energy Network Interpolation", "=") + banner(timestamp(), " ") + "\n" + NOTICE


def potential(path: str, file: PotentialFile) -> str:
    """pot_print_info"""
    training = file.training
    normalization = (training.scale, training.shift) if training.normalized else None
    n, energies = training.n_structures, (training.mean, training.low, training.high)
    return (
        f" Atomic species : {file.setup.atom_type.strip()}\n File name      : {path}\n\n"
        + training_set_info(training.path.strip(" "), training.types, n, n, energies, normalization)
        + network_info(file.network)
        + setup_info(file.setup, file.statistics.count)
    )


def evaluation() -> str:
    return banner("Energy evaluation") + "\n"


def structure(number: int, path: str, n_atoms: int, n_types: int, lattice: np.ndarray) -> str:
    """print_fileinfo; lattice (3, 3) : rows are the cell vectors, or the sides of the box around the atoms, Å."""
    rows = zip("abc", lattice.tolist(), strict=True)
    vectors = [f"   {n} = ( " + "".join(f"  {real(x, 15, 8)}" for x in row) + " )\n" for n, row in rows]
    return (
        f" Structure number  : {number}\n File name         : {path}\n Number of atoms   : {n_atoms}\n"
        f" Number of species : {n_types}\n\n Lattice vectors (Angstrom):\n\n" + "".join(vectors) + "\n"
    )


def coordinates(
    symbols: Sequence[str], positions: np.ndarray, forces: np.ndarray | None, energies: np.ndarray | None,
    optimized: bool = False,
) -> str:  # fmt: skip
    """print_coordinates; positions, forces (n, 3), energies (n,) : of the atoms."""
    kind = "optimized" if optimized else "input"
    title = f" Cartesian atomic coordinates ({kind})" + (
        " and corresponding atomic forces" if forces is not None else ""
    )
    heads = [("     x      ", "    (Ang)   "), ("     y      ", "    (Ang)   "), ("     z      ", "    (Ang)   ")]
    columns, width = [positions], 44
    if forces is not None:
        heads += [("     Fx     ", "  (eV/Ang)  "), ("    Fy      ", "  (eV/Ang)  "), ("    Fz      ", "  (eV/Ang)  ")]
        columns.append(forces)
        width += 42
    if energies is not None:
        heads.append(("   E_atom   ", "    (eV)    "))
        columns.append(energies[:, None])
        width += 14
    values = np.hstack(columns)
    lines = [title + ":", "", *("   " + "".join(f"  {head[i]}" for head in heads) for i in (0, 1)), " " + "-" * width]
    form = " %-2s" + "  %12.6f" * values.shape[1]
    if np.abs(values).max() < 1.0e4:
        lines += [form % (symbol, *row) for symbol, row in zip(symbols, values.tolist(), strict=True)]
    else:
        for symbol, row in zip(symbols, values.tolist(), strict=True):
            lines.append(f" {symbol:<2}" + "".join(f"  {real(v, 12, 6)}" for v in row))
    return "\n".join([*lines, "", ""])


def energy(cohesive: float, total: float, forces: ForceSummary | None) -> str:
    """print_energy; energies in eV."""
    lines = [f" Cohesive energy            :  {real(cohesive, 20, 8)} eV"]
    lines.append(f" Total energy               :  {real(total, 20, 8)} eV")
    if forces is not None:
        three = (
            ("Mean force (must be zero)  :", forces.mean),
            ("Mean absolute force        :", forces.mean_absolute),
            ("Maximum force              :", forces.largest),
        )
        lines += [f" {name}" + "".join(f"  {real(v, 12, 6)}" for v in values.tolist()) for name, values in three]
        lines.append(f" RMS force                  :  {real(forces.rms, 12, 6)}")
        lines.append(f" The maximum force is acting on atom {forces.atom + 1}.")
        lines.append(" All forces are given in eV/Angstrom.")
    return "\n".join([*lines, "", ""])


def relaxation() -> str:
    return (
        " Geometry optimization:\n\n           energy change       rms force    \n"
        "                (eV)           (eV/Ang)     \n " + "-" * 60 + "\n"
    )


def step(number: int, change: float, force: float, force_change: float | None) -> str:
    """One step of a relaxation: energy since the start (eV), RMS force (eV/Å) and its change."""
    values = [change, force] if force_change is None else [change, force, force_change]
    return f" {integer(number, 5)}" + "".join(f"  {real(v, 16, 8)}" for v in values) + "\n"


def converged(steps: int) -> str:
    return f"    converged after {steps} iterations.\n"


def between() -> str:
    return " " + "+" * 70 + "\n\n"


def closing() -> str:
    return banner(timestamp(), " ") + banner("Atomic Energy Network done.", "=")
