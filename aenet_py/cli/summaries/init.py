"""What `aenet-py init` prints."""

from __future__ import annotations

import os

from aenet_py.cli.summaries.closing import written
from aenet_py.errors import counted
from aenet_py.structure import told_of_unknown
from aenet_py.tools.init import Initialised

HEADS = ("chosen", "value", "why")


def report(done: Initialised) -> str:
    """What was found, what was chosen and why, and what was written."""
    figures = done.figures
    labels = "energies and forces" if figures.has_forces else "energies"
    lines = [
        f"{counted(figures.n_structures, 'structure')}, {counted(figures.n_atoms, 'atom')} of "
        f"{', '.join(figures.atoms)}, with {labels}"
    ]
    if done.n_left_out:
        lines.append(f"left out: {counted(done.n_left_out, 'structure')} that cannot be read or lack energy or forces")
    n_flagged = int(done.checked.flagged.sum())
    if n_flagged:
        lines.append(f"flagged: {counted(n_flagged, 'structure')}, which aenet-py check lists")
    told = told_of_unknown(zip(done.checked.names, done.checked.unknown_forces.tolist(), strict=True))
    if told is not None:
        lines.append(f"{told}; training and errors leave them out")
    rows = [HEADS, *done.choices.reasons]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines += ["", *(f"  {what:<{widths[0]}}  {value:<{widths[1]}}  {why}" for what, value, why in rows), ""]
    paths = [os.path.join(done.folder, name) for name in done.files]
    readme = os.path.join(done.folder, "README.md")
    return "\n".join(lines) + "\n" + written(paths) + f"next: the commands in {readme}\n"
