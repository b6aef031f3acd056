"""Parts that several of the original's reports share."""

from __future__ import annotations

from collections.abc import Sequence

from aenet_py.descriptors.setup import Setup
from aenet_py.formats.potential import Network
from aenet_py.report.layout import banner, fixed, integer, real

NOTICE = """ Copyright (C) 2015-2018 Nongnuch Artrith and Alexander Urban

 This program is distributed in the hope that it will be useful, but
 WITHOUT ANY WARRANTY; without even the implied warranty of
 MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
 Mozilla Public License, v. 2.0, for more details.

"""


_FUNCTIONS = (
    "linear function (linear)",
    "hyperbolic tangent (tanh)",
    "logistic function (sigmoid)",
    "scaled hyperbolic tangent (mtanh)",
    "scaled hyperbolic tangent + linear twisting (twist)",
)


def network_info(network: Network) -> str:
    """ff_print_info"""
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


def setup_info(setup: Setup, evaluations: int) -> str:
    """stp_print_info, stp_print_descr, and what follows for each kind of basis."""
    parts = [f" Structural fingerprint (SF) set-up for {setup.atom_type}\n\n"]
    parts += [*_description(setup.description), "\n"]
    parts += [" environment types: ", *(symbol.ljust(2) + " " for symbol in setup.env_types), "\n"]
    parts.append(f" minimal distance : {fixed(setup.r_min)} Angstrom\n")
    parts.append(f" maximal cut-off  : {fixed(setup.r_max)} Angstrom\n")
    parts.append(f" size of basis    : {setup.n_features}\n")
    parts.append(f" evaluations      : {evaluations}\n\n")
    parts.append(_chebyshev(setup) if setup.is_chebyshev else _behler(setup))
    return "".join(parts)


def _chebyshev(setup: Setup) -> str:
    """print_info_chebyshev"""
    return (
        " Basis function type Chebyshev\n [N. Artrith and A. Urban (2016)]\n\n"
        f" Radial Rc     : {fixed(setup.radial_cutoff)}\n Angular Rc    : {fixed(setup.angular_cutoff)}\n"
        f" Radial order  : {setup.radial_order}\n Angular order : {setup.angular_order}\n\n"
    )


def _behler(setup: Setup) -> str:
    """print_info_Behler2011"""
    lines = [" Basis function type Behler2011", "", " [see also: J. Behler, J. Chem. Phys. 134 (2011) 074106]", "", ""]
    lines += ["      G  parameters", ""]
    names = {1: ("Rc",), 2: ("Rc", "Rs", "eta"), 3: ("Rc", "kappa"), 4: ("Rc", "lambda", "zeta", "eta")}
    rows = zip(setup.functions.tolist(), setup.parameters.tolist(), setup.environment.tolist(), strict=True)
    for number, (kind, values, species) in enumerate(rows, 1):
        around = [setup.env_types[s].ljust(2) for s in species if s >= 0]
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


def training_set_info(
    path: str, types: Sequence[str], n_structures: int, n_included: int,
    energies: tuple[float, float, float] | None, normalization: tuple[float, float] | None,
) -> str:  # fmt: skip
    """ts_print_info; energies : mean, low, high; normalization : scale and shift."""
    parts = [banner("Training set info."), "\n"]
    parts.append(f" Training set file                   : {path}\n")
    parts.append(f" Number of structures in the data set: {n_structures}\n")
    if n_included != n_structures:
        parts.append(f"   Structures included so far        : {n_included}\n")
    parts.append(f"\n Atomic species in training set      : {len(types)}\n")
    parts.append("   Species :" + "".join(f" {t}" for t in types) + "\n\n")
    if energies is not None:
        for name, value in zip(("Average", "Minimum", "Maximum"), energies, strict=True):
            parts.append(f" {name} energy (eV/atom) : {fixed(value, 6)}\n")
        parts.append("\n")
    if normalization is None:
        parts.append(" The input and output values have not yet been normalized.\n\n")
    else:
        scale, shift = normalization
        parts.append(" The input and output values have been normalized to [-1.0, 1.0].\n")
        parts.append(" Structures outside of this interval will not be used for training.\n")
        parts.append(f"   Energy scaling factor: {fixed(scale, 6)}\n   Atomic energy shift  : {fixed(shift, 6)}\n\n")
    return "".join(parts)
