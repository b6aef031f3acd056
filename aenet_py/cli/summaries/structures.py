"""What `aenet-py convert` and `aenet-py select` say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from aenet_py.errors import InputError, counted
from aenet_py.selection.select import Subset
from aenet_py.selection.survey import Numbers, Survey
from aenet_py.tools.convert import Converted

MOST_SKIPPED = 10  # whose reasons are told
SKIP_HELP = "skip structures that are not good, and say how many and why"


QUANTILES = (0, 5, 25, 50, 75, 95, 100)  # per cent


@dataclass
class Skipped:
    """Counts what was skipped and keeps the first reasons."""

    n: int = 0
    first: list[InputError] = field(default_factory=list)

    def add(self, error: InputError) -> None:
        self.n += 1
        if self.n <= MOST_SKIPPED:
            self.first.append(error)


def converted(output: str, done: Converted) -> str:
    """What was written, and how many structures lack energy or forces."""
    lines = [f"{output}: {counted(done.structures, 'structure')}, {counted(done.atoms, 'atom')}"]
    if done.without_energy or done.without_forces:
        lines.append(f"  structures without energy: {done.without_energy:,}, without forces: {done.without_forces:,}")
    return "\n".join(lines) + "\n"


def skipped(found: Skipped) -> str:
    """How many structures were skipped, and why the first of them."""
    if not found.n:
        return ""
    lines = [f"{found.n:,} skipped", *(f"  {error}" for error in found.first)]
    if found.n > len(found.first):
        lines.append(f"  and {found.n - len(found.first):,} more")
    return "\n".join(lines) + "\n"


def selected(output: str, found: Survey, subset: Subset, drawn: str, bad: Skipped) -> str:
    """The report of a selection; drawn : how the frames were drawn."""
    n_fit = int(found.fits.sum())
    lines = [f"{len(subset.numbers):,} of {len(found.numbers):,} structures in {output}", ""]
    rows = [
        ("good structures", len(found.numbers)),
        ("other elements", -found.other_elements),
        ("anomalous systems", -found.anomalous),
        ("fit", n_fit),
        ("chosen", len(subset.numbers)),
    ]
    lines += [f"  {name:<22}{n:>12,}" for name, n in rows if n]
    if found.unknown:
        lines.append(f"  {found.unknown:,} of them are of systems that the list of anomalies does not have, and stay")
    lines += ["", f"  {drawn}", ""]
    sets = (("all", found.numbers), ("fit", found.numbers[found.fits]), ("chosen", subset.numbers))
    lines += _quantiles([(name, numbers) for name, numbers in sets if name != "fit" or n_fit < len(found.numbers)])
    lines += ["", "  structures with each element, chosen of all", *_elements(subset.elements, found.elements)]
    return "\n".join(lines) + "\n" + ("\n" + skipped(bad) if bad.n else "")


def drawn(n: int | None, n_strata: int, seed: int) -> str:
    """How frames were drawn, n of them, None for all that fit."""
    if n is None:
        return "all that fit, none drawn"
    k = min(n_strata, n)
    return f"drawn from {k} {'stratum' if k == 1 else 'strata'} of energy per atom with --seed {seed}"


def _quantiles(sets: Sequence[tuple[str, Numbers]]) -> list[str]:
    lines = [f"  {'quantiles':<32}" + "".join(f"{f'{percent} %':>11}" for percent in QUANTILES)]
    for title, name, digits in (
        ("energy per atom (eV)", "energy_per_atom", 4),
        ("largest force (eV/Å)", "largest_force", 4),
        ("atoms", "n_atoms", 0),
    ):
        for which, numbers in sets:
            values = np.percentile(getattr(numbers, name), QUANTILES).tolist()
            lines.append(f"  {title:<24}{which:<8}" + "".join(f"{value:>11.{digits}f}" for value in values))
            title = ""
    return lines


def _elements(subset: Mapping[str, int], everything: Mapping[str, int]) -> list[str]:
    order = sorted(everything, key=lambda symbol: (-subset.get(symbol, 0), -everything[symbol], symbol))
    items = [f"{symbol} {subset.get(symbol, 0):,}/{everything[symbol]:,}" for symbol in order]
    return [
        "  " + "".join(f"{item:<24}" for item in items[start : start + 4]).rstrip() for start in range(0, len(items), 4)
    ]
