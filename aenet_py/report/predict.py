"""The report of predict.x on standard output, character for character the original's but for the date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.formats.potential import PotentialFile
from aenet_py.report.blocks import NOTICE, setup_info, training_set_info
from aenet_py.report.layout import banner, integer, real, timestamp

_FUNCTIONS = (
    "linear function (linear)",
    "hyperbolic tangent (tanh)",
    "logistic function (sigmoid)",
    "scaled hyperbolic tangent (mtanh)",
    "scaled hyperbolic tangent + linear twisting (twist)",
)


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
        + _network(file)
        + setup_info(file.setup, file.statistics.count)
    )


def _network(file: PotentialFile) -> str:
    """ff_print_info"""
    network = file.network
    nodes = network.nodes.tolist()
    lines = [f" Number of layers : {integer(len(nodes), 3)}", ""]
    lines += [" Number of nodes (without bias) ", " and activation type per layer :", ""]
    lines.append(f"     {integer(1, 3)} : {integer(nodes[0], 5)}")
    for layer, (n, function) in enumerate(zip(nodes[1:], network.activations.tolist(), strict=True), 2):
        lines.append(f"     {integer(layer, 3)} : {integer(n, 5)}  {_FUNCTIONS[function]}")
    words = _words(len(nodes), len(network.weights), network.n_values, network.most_nodes)
    lines += ["", f" Required memory (words) : {integer(words, 10)} ({real(words * 8 / 1024, 10, 2)} KB)", ""]
    lines += [f" Total number of weights (incl. bias) : {integer(len(network.weights), 8)}", "", ""]
    return "\n".join(lines)


def _words(n_layers: int, n_weights: int, n_values: int, most_nodes: int) -> int:
    """Words of memory that the original announces, in 32 bits as there (ff_memsize)."""
    most = most_nodes + 1
    words = 4 * n_layers - 1 + 4 * (n_weights + n_values) + 2 * most + 4 * most**2 + 2 * most**3
    return (words + 2**31) % 2**32 - 2**31


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
