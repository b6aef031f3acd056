"""What `aenet-py check` prints."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np

from aenet_py.errors import counted
from aenet_py.structure import told_of_unknown
from aenet_py.tools.check.checked import Checked, span
from aenet_py.tools.check.findings import KINDS, Finding

WIDTH = 100
MOST_SHOWN = 5  # findings of a kind whose structures are named
LABEL = 16


def report(checked: Checked, everything: bool) -> str:
    """What is in the data, and what was found.

    everything : list all findings, not only the first ones of each kind.
    """
    lines = _contents(checked)
    n_flagged = int(checked.flagged.sum())
    lines.append("")
    if not checked.findings:
        lines.append("nothing was flagged")
    for kind, title in KINDS.items():
        found = [each for each in checked.findings if each.kind == kind]
        if found:
            lines += _found(title, found, checked.names, len(found) if everything else MOST_SHOWN)
    if checked.findings:
        unread = sum(not each.structures for each in checked.findings)
        more = f", and {counted(unread, 'structure')} that could not be read" if unread else ""
        lines += ["", f"flagged: {n_flagged:,} of {counted(len(checked.names), 'structure')}{more}"]
    return "\n".join(lines) + "\n"


def _contents(checked: Checked) -> list[str]:
    names, n_atoms = checked.names, checked.n_atoms
    lines = [f"{counted(len(names), 'structure')}, {counted(int(n_atoms.sum()), 'atom')}"]
    for symbol, (n, atoms) in checked.species.items():
        lines.append(_line(f"species {symbol}", f"in {counted(n, 'structure')}, {counted(atoms, 'atom')}"))
    lines.append(_line("size", _span(n_atoms, "atoms per structure", "{:.0f}")))
    for words, n in checked.periodicity.items():
        lines.append(_line("periodic", f"along {words}: {counted(n, 'structure')}"))
    if len(checked.volumes):
        lines.append(_line("volume", _span(checked.volumes, "Angstrom^3 per atom, where periodic", "{:.4g}")))
    for pair, each in checked.distances.items():
        lines.append(_line(f"{pair[0]}-{pair[1]}", f"shortest distance {each.length:.3f} Angstrom, {each.structure}"))
    known = checked.energies[np.isfinite(checked.energies)]
    lines.append(_line("energy", _span(known, "eV per atom", "{:.4f}") if len(known) else "none"))
    if checked.fit is not None:
        apart = checked.fit.by_composition[np.isfinite(checked.fit.by_composition)]
        lines.append(_line("by composition", _span(apart, "eV per atom relative to a linear fit", "{:.4f}")))
    forces = checked.largest_force[np.isfinite(checked.largest_force)]
    lines.append(_line("largest force", _span(forces, "eV/Angstrom", "{:.3f}") if len(forces) else "none"))
    told = told_of_unknown(zip(names, checked.unknown_forces.tolist(), strict=True))
    if told is not None:
        lines.append(_line("not known", told))
    return lines


def _line(label: str, text: str) -> str:
    return f"  {label:<{LABEL}}{text}"


def _span(values: np.ndarray, what: str, style: str) -> str:
    """Smallest, median and largest value in words."""
    ends = span(values)
    assert ends is not None
    low, middle, high = (style.format(ends[name]) for name in ("min", "median", "max"))
    return f"{low} to {high} {what}, median {middle}" if low != high else f"{low} {what}"


def _found(title: str, found: Sequence[Finding], names: Sequence[str], most: int) -> list[str]:
    n = sum(max(1, len(each.structures)) for each in found)
    lines = [f"{title}: {n:,}"]
    for each in found[:most]:
        if len(each.structures) > 1:
            first = f"{names[each.structures[0]]} and {len(each.structures) - 1:,} more: "
        else:
            first = f"{names[each.structures[0]]}: " if each.structures else ""
        lines.append(
            textwrap.fill(
                first + each.message, WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False,
                break_on_hyphens=False,
            )
        )  # fmt: skip
    if len(found) > most:
        lines.append(f"  and {len(found) - most:,} more; --all lists them")
    return lines
