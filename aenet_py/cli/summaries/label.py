"""What `aenet-py label` prints."""

from __future__ import annotations

import textwrap

from aenet_py.cli.summaries.closing import WIDTH, written
from aenet_py.errors import counted
from aenet_py.labelling.compute import Failure, Label
from aenet_py.labelling.files import largest_force
from aenet_py.labelling.label import Labelled
from aenet_py.labelling.queue import Queued

MOST_NAMES, MOST_REASONS = 3, 10


def report(found: Labelled, n_left_out: int, fmax: float, paths: list[str], kept: str | None) -> str:
    """How many structures have labels, what they are like, and why others have none.

    n_left_out : for forces above fmax, eV/Å; paths : of the files; kept : folder with files of
    failed calculations.
    """
    n, n_failed = len(found.labels), len(found.failures)
    lines = [f"{counted(n, 'structure')}: {n - n_failed:,} labelled, {n_failed:,} without a label"]
    labels = [(given.structure, each) for given, each in zip(found.structures, found.labels, strict=True)]
    good = [(structure, each) for structure, each in labels if isinstance(each, Label)]
    if good:
        energies = [each.energy / structure.n_atoms for structure, each in good]
        strongest, label = max(good, key=lambda pair: largest_force(pair[1]))
        lines.append(f"  energy         {min(energies):.4f} to {max(energies):.4f} eV/atom")
        lines.append(f"  largest force  {largest_force(label):.3f} eV/A, in {strongest.path}")
    if n_left_out:
        lines.append(f"  left out       {counted(n_left_out, 'structure')} with a force above {fmax:g} eV/A")
    reasons: dict[str, list[str]] = {}
    for structure, each in labels:
        if isinstance(each, Failure):
            reasons.setdefault(each.reason, []).append(each.place or structure.path)
    for reason, names in list(reasons.items())[:MOST_REASONS]:
        more = ", ..." if len(names) > MOST_NAMES else ""
        head = f"  {len(names):>6,}  "
        text = f"{reason} ({', '.join(names[:MOST_NAMES])}{more})"
        lines += textwrap.wrap(
            text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_long_words=False,
            break_on_hyphens=False,
        )  # fmt: skip
    if kept is not None:
        lines.append(f"  files of failures are in {kept}")
    if len(reasons) > MOST_REASONS:
        lines.append(f"  and {counted(len(reasons) - MOST_REASONS, 'other reason')}")
    return "\n".join(lines) + "\n" + (written(paths) if paths else "")


def queued(found: Queued, queue: str, n: int) -> str:
    """What was added to a queue; n : structures given."""
    lines = [f"{queue}: {counted(len(found.folders), 'calculation')} added for {counted(n, 'structure')}"]
    if found.n_before:
        lines.append(f"  {found.n_before:,} already there")
    if found.n_labelled:
        lines.append(f"  {found.n_labelled:,} already labelled")
    if found.folders:
        content = "structure.extxyz and input files" if found.has_inputs else "structure.extxyz"
        first, last = found.folders[0], found.folders[-1]
        lines.append(f"  {first if first == last else f'{first} to {last}'}: {content}")
        lines.append("repeat the command with --collect in place of --queue when results are there")
    return "\n".join(lines) + "\n"
