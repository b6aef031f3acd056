"""What `aenet-py stability` prints."""

from __future__ import annotations

import collections
import math
from collections.abc import Iterator, Sequence

import numpy as np

from aenet_py.errors import counted
from aenet_py.survival.dimers import CORE, Dimer
from aenet_py.survival.results import Condition, Stability


def report(found: Stability) -> str:
    """Survival, distances and pressure by structure and temperature, and the dimers."""
    lines: list[str] = []
    for some in found.by_structure:
        lines += [*_structure(some, found), ""]
    return "\n".join([*lines, *_dimers(found.dimers)]) + "\n"


def _structure(conditions: Sequence[Condition], found: Stability) -> Iterator[str]:
    first = conditions[0]
    formula = first.atoms.get_chemical_formula()
    content = counted(len(first.atoms), "atom") + ("" if first.name == formula else f", {formula}")
    length = f"{counted(len(first.runs), 'run')} of {found.time:g} ps, steps of {found.timestep:g} fs"
    yield f"{first.name}: {content}; {length}"
    yield f"{'K':>7}  {'to the end':<12}{'survival (95 %)':<20}median, ps (95 %)"
    for each in conditions:
        ended = f"{each.n_finished} of {len(each.runs)}"
        survival = "unknown" if math.isnan(each.probability) else _last(each)
        yield f"{each.temperature:7g}  {ended:<12}{survival:<20}{_median(each, found.time)}"
    for each in conditions:
        reasons = collections.Counter(outcome.reason for outcome in each.runs if not outcome.finished)
        why = ", ".join(f"{reason} {n}" for reason, n in reasons.most_common()) or "requested time reached"
        yield f"  {each.temperature:g} K: {why}{_drift(each)}{_pressure(each)}"
        if each.n_uncertain:
            yield _censored(each)
    yield from _distances(conditions)


def _censored(condition: Condition) -> str:
    """What runs mean that the limit of the uncertainty stopped."""
    stops = f"  {condition.temperature:g} K: {counted(condition.n_uncertain, 'stop')} at the limit of the uncertainty"
    if math.isnan(condition.probability):
        return f"{stops}; survival {_last(condition)} at {condition.survival.times[-1]:g} ps, unknown beyond"
    return f"{stops}, which are no failures; survival as if these runs went on like the others"


def _last(condition: Condition) -> str:
    """The last value of the survival curve, and its interval."""
    curve = condition.survival
    return f"{curve.probability[-1]:.2f} ({curve.low[-1]:.2f}-{curve.high[-1]:.2f})"


def _median(condition: Condition, time: float) -> str:
    time = condition.survival.times[-1] if math.isnan(condition.probability) else time
    at, low, high = condition.survival.median
    bounds = [f"{value:.3g}" if math.isfinite(value) else f"> {time:g}" for value in dict.fromkeys((low, high))]
    return f"{f'{at:.3g}' if math.isfinite(at) else 'not reached'} ({' to '.join(bounds)})"


def _drift(condition: Condition) -> str:
    nve = condition.nve
    if nve is None:
        return ""
    if not nve.finished or math.isnan(nve.drift):
        return f"; constant energy: {nve.reason} after {nve.time:g} ps"
    return f"; energy drift {nve.drift:.3g} meV/atom/ps"


def _pressure(condition: Condition) -> str:
    mean, error = condition.pressure
    if math.isnan(mean):
        return ""
    return f"; pressure {mean:.3g} GPa" if math.isnan(error) else f"; pressure {mean:.3g} +- {error:.2g} GPa"


def _distances(conditions: Sequence[Condition]) -> Iterator[str]:
    names = [f"{each.temperature:g} K" for each in conditions]
    reference = conditions[0].reference
    columns = [each.seen.shortest for each in conditions]
    head = f"  {'shortest, A':<13}" + "".join(f"{name:>9}" for name in names)
    overlaps: list[np.ndarray] = []
    if reference is not None:
        columns.append(reference.distribution.shortest)
        overlaps = [*(each.overlap for each in conditions), reference.overlap]
        head += f"{'reference':>11}   overlap:" + "".join(f"{name:>8}" for name in (*names, "halves"))
    yield head
    for k, pair in enumerate(conditions[0].seen.pairs):
        line = f"  {'-'.join(pair):<13}"
        for place, column in enumerate(columns):
            width = 11 if place == len(names) else 9
            line += f"{column[k]:{width}.3f}" if math.isfinite(column[k]) else f"{'':{width}}"
        if overlaps:
            line += " " * 11 + "".join(f"{x[k]:8.2f}" if x[k] == x[k] else f"{'':8}" for x in overlaps)
        yield line.rstrip()


def _dimers(dimers: Sequence[Dimer]) -> Iterator[str]:
    yield f"{'dimer':<10}{'contact, A':>10}  {f'below {CORE:g} of it':<24}{'barrier, eV':>11}  lowest beyond"
    for each in dimers:
        attractive, (at, energy) = each.attractive, each.minimum
        core = "repulsive" if attractive is None else f"attractive, {attractive[0]:.2f}-{attractive[1]:.2f} A"
        barrier = "" if each.barrier is None or math.isnan(each.barrier) else f"{each.barrier:.2f}"
        minimum = f"{energy:.3f} eV at {at:.2f} A" if math.isfinite(energy) else "not finite"
        yield f"  {'-'.join(each.pair):<8}{each.contact:10.2f}  {core:<24}{barrier:>11}  {minimum}"
    good = sum(each.attractive is None for each in dimers)
    yield f"{good} of {counted(len(dimers), 'pair')} repulsive below {CORE:g} of the contact"


def below(found: Stability, limit: float) -> list[str]:
    """A line for each structure and temperature with less survival than a limit, or with an unknown one."""
    lines = []
    for each in found.conditions:
        name = f"{each.name} at {each.temperature:g} K"
        if each.probability < limit:
            lines.append(f"{name}: survival {each.probability:.2f} is below the limit of {limit:g}")
        elif math.isnan(each.probability) and limit:
            lines.append(f"{name}: survival is unknown, as all that is left is uncertain")
    return lines
