"""What `aenet-py learn` prints."""

from __future__ import annotations

from aenet_py.active.judging import QUANTILE, Record
from aenet_py.active.learn import BUDGET, CERTAIN, Learned
from aenet_py.errors import counted
from aenet_py.inputs.learn import LearnInput


def plan(wanted: LearnInput) -> str:
    """What a loop would do."""
    explore, pick, stop = wanted.explore, wanted.pick, wanted.stop
    n_start = len(wanted.start)
    n_runs = n_start * len(explore.temperatures) * explore.seeds
    kelvin = ", ".join(f"{each:g}" for each in explore.temperatures)
    what = "potential" if wanted.is_single else "committee"
    if wanted.deck is None:
        n_first = n_start * (1 + wanted.first.copies)
        first = (
            f"{counted(n_first, 'structure')} is labelled" if n_first == 1 else f"{n_first:,} structures are labelled"
        )
        begin = f"First, {first}: those of `start` and copies displaced by {wanted.first.rattle:g} Angstrom."
    else:
        begin = f"First, a {what} is trained as {wanted.deck} says, on the structures that it names."
    lines = [
        f"Energies and forces: {wanted.calculator}",
        f"Folder: {wanted.folder}",
        begin,
        f"Then up to {counted(stop.generations, 'generation')} of",
        f"  {counted(n_runs, 'simulation')} of {explore.time:g} ps at {kelvin} K, steps of {explore.timestep:g} fs,",
        f"  up to {counted(pick.structures, 'new label')} where {_measure(wanted)} {pick.min_spread:g} to "
        f"{pick.max_spread:g} eV/Angstrom,",
        f"  and a training on all labels, from the last {what} on.",
        f"It ends with {counted(stop.labels, 'label')}, or once all simulations reach their end and at most "
        f"{stop.share:.0%} of their frames are uncertain.",
    ]
    return "\n".join(lines) + "\n"


def _measure(wanted: LearnInput) -> str:
    if not wanted.is_calibrated:
        return "forces spread by"
    by = "features" if wanted.is_single else "the spread"
    return f"the largest force error expected by {by} is"


def report(wanted: LearnInput, found: Learned) -> str:
    """A line per generation, and how it ended."""
    what = "expected" if wanted.is_calibrated else "spread"
    head = f"{'':>4}{'structures':>12}{'to the end':>12}{'ps':>8}{what:>9}{f'{QUANTILE:.0%}':>8}{'uncertain':>11}"
    ratio = f"{'exp/true':>10}" if wanted.is_calibrated else ""
    lines = [
        f"{head}{'picked':>8}{'meV/atom':>10}{'meV/A':>8}{'rank':>6}{ratio}",
        *map(_line, found.records),
        "",
        _ending(wanted, found),
        f"Potentials: {found.potential}",
    ]
    return "\n".join(lines) + "\n"


def _line(each: Record) -> str:
    ended = f"{each.n_ended} of {each.n_runs}"
    text = f"{each.generation:>4}{each.n_trained:>12,}{ended:>12}{each.time:>8.3g}"
    text += f"{_known(each.spread, '.3f'):>9}{_known(each.high_spread, '.3f'):>8}{_known(each.share, '.1%'):>11}"
    text += f"{each.n_picked:>8}{_known(1e3 * each.energy_rmse, '.1f'):>10}{_known(1e3 * each.force_rmse, '.0f'):>8}"
    return f"{text}{_known(each.correlation, '.2f'):>6}{_known(each.ratio, '.2f'):>10}".rstrip()


def _known(value: float, style: str) -> str:
    return format(value, style) if value == value else ""


def _ending(wanted: LearnInput, found: Learned) -> str:
    last, limit = found.records[-1], wanted.pick.min_spread
    if found.reason == CERTAIN:
        share = f"{1 - last.share:.1%} of their frames"
        return f"All simulations reach their end, and {share} are certain within {limit:g} eV/A."
    if found.reason == BUDGET:
        return f"All {wanted.stop.labels} labels are spent; raise labels under [stop] to go on."
    return f"All {wanted.stop.generations} generations are done; raise generations under [stop] to go on."
