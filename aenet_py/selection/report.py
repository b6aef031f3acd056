"""The report of a selection: counts, quantiles and elements, for all, matching and selected frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from aenet_py.formats.skipped import Skipped, skipped
from aenet_py.selection.subset import Subset
from aenet_py.selection.survey import Numbers, Survey

QUANTILES = (0, 5, 25, 50, 75, 95, 100)  # per cent
PER_LINE = 3  # elements
COLUMN = 10  # characters of a quantile


def text(output: str, survey: Survey, subset: Subset, drawn: str, bad: Skipped) -> str:
    """The report; output : file of the selected frames; drawn : how they were drawn; bad : frames that were skipped."""
    n_matching = int(survey.matches.sum())
    lines = [f"{len(subset.numbers):,} of {len(survey.numbers):,} structures in {output}", ""]
    rows = [
        ("valid structures", len(survey.numbers)),
        ("other elements", -survey.other_elements),
        ("anomalous systems", -survey.anomalous),
        ("matching", n_matching),
        ("selected", len(subset.numbers)),
    ]
    lines += [f"  {name:<22}{n:>12,}" for name, n in rows if n]
    if survey.unknown:
        lines.append(f"  {survey.unknown:,} of them are missing in the list of anomalies and were kept")
    lines += ["", f"  {drawn}", ""]
    sets = [("all", survey.numbers), ("matching", survey.numbers[survey.matches]), ("selected", subset.numbers)]
    lines += _quantiles([each for each in sets if each[0] != "matching" or n_matching < len(survey.numbers)])
    lines += ["", "  structures with each element, selected/all", *_elements(subset.elements, survey.elements)]
    return "\n".join(lines) + "\n" + ("\n" + skipped(bad) if bad.n else "")


def drawn(n: int | None, n_strata: int, seed: int) -> str:
    """How n frames were drawn; None for all that match."""
    if n is None:
        return "all matching structures, none drawn"
    k = min(n_strata, n)
    return f"drawn from {k} {'stratum' if k == 1 else 'strata'} of energy per atom with seed {seed}"


def _quantiles(sets: Sequence[tuple[str, Numbers]]) -> list[str]:
    lines = [f"  {'quantiles':<8}" + "".join(f"{f'{percent} %':>{COLUMN}}" for percent in QUANTILES)[1:]]
    for title, name, most_digits in (
        ("energy per atom (eV)", "energy_per_atom", 4),
        ("largest force (eV/Å)", "largest_force", 4),
        ("atoms", "n_atoms", 0),
    ):
        lines.append(f"  {title}")
        for which, numbers in sets:
            values = np.percentile(getattr(numbers, name), QUANTILES).tolist()
            digits = _digits(values, most_digits)
            lines.append(f"  {which:<8}" + "".join(f"{value:>{COLUMN}.{digits}f}" for value in values))
    return lines


def _digits(values: Sequence[float], most: int) -> int:
    """Decimals, at most that many, with which all values leave a blank in their columns."""
    for digits in range(most, 0, -1):
        if max(len(f"{value:.{digits}f}") for value in values) < COLUMN:
            return digits
    return 0


def _elements(subset: Mapping[str, int], everything: Mapping[str, int]) -> list[str]:
    order = sorted(everything, key=lambda symbol: (-subset.get(symbol, 0), -everything[symbol], symbol))
    items = [f"{symbol} {subset.get(symbol, 0):,}/{everything[symbol]:,}" for symbol in order]
    rows = [items[start : start + PER_LINE] for start in range(0, len(items), PER_LINE)]
    return ["  " + "".join(f"{item:<24}" for item in row).rstrip() for row in rows]
