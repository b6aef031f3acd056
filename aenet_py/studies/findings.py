"""What a published study reports, and what the numbers here say about it, by stated rules.

The study is El Aisnada et al., arXiv:2408.12939: pre-training on subsets of OC20, fine-tuning on CuAu with one water
molecule, simulations with six.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import CensoredData, logrank

from aenet_py.analysis.pages import Section, Table
from aenet_py.studies import comparison, wording
from aenet_py.studies.comparison import LEVEL, QUANTITIES
from aenet_py.studies.looks import SCRATCH, SUBSETS
from aenet_py.studies.read import REFERENCE, SIX, TEST, Rows, Study
from aenet_py.studies.simulations import FINISHED, asked, curve, median

CONFIRMED, REFUTED, NOT_TESTED = "confirmed", "refuted", "not tested"
SMALL, LARGE = "0.6K", "8K"  # sets with about 600 and 8000 structures
NEAREST = "both"  # the subset with the elements of the target
ALIKE = 0.25  # largest relative difference of errors that are called alike
WITH, WITHOUT = 250.0, 50.0  # ps, that simulations are stable with and without transfer learning
UNKNOWN = "not tested if shorter runs end before it is known"
INTRODUCTION = (
    "The first column is what the study reports (El Aisnada et al., arXiv:2408.12939). Its reference is density "
    f"functional theory, and the one here {REFERENCE}. Verdicts follow the rules in the last column; p values are not "
    "corrected for their number."
)


@dataclass(frozen=True)
class Finding:
    """A statement of the study, the numbers here, and a verdict by a rule."""

    statement: str
    found: str
    rule: str
    verdict: str


def section(study: Study) -> Section | None:
    """The table of findings; None if nothing was fine-tuned or simulated."""
    found = findings(study)
    if all(each.verdict == NOT_TESTED for each in found):
        return None
    cells = [(each.statement, each.found, each.verdict, each.rule) for each in found]
    table = Table(["what the study reports", "what is found here", "verdict", "rule"], cells, sentences=True)
    return Section("What the study reports, and what is found here", [INTRODUCTION, table])


def findings(study: Study) -> list[Finding]:
    """All statements, in the order of the study."""
    return [
        *_alike(study), *(_stable(study, way) for way in SUBSETS), _unstable(study), *_nearest(study),
        *(_forces(study, name, differ) for name, differ in ((LARGE, True), (SMALL, False))),
    ]  # fmt: skip


def _alike(study: Study) -> Iterator[Finding]:
    rule = f"confirmed if no mean differs from that from scratch by more than {100 * ALIKE:.0f} %"
    for name, column in ((name, column) for name in (SMALL, LARGE) for column in TEST):
        rows = study["finetuning"].where(set=name)
        base, others = _mean(rows, column, SCRATCH), {way: _mean(rows, column, way) for way in _ways(rows, column)}
        kind, unit = QUANTITIES[column]
        statement = f"{name}, {kind.partition(',')[0]}: test errors with and without transfer learning are alike"
        if not others or base != base:
            yield Finding(statement, "", rule, NOT_TESTED)
            continue
        tests = [(way, comparison.compared(rows, column, SCRATCH, way).p) for way in others]
        each = ", ".join(f"{wording.shown(others[way])} ({way}, {wording.p_value(p)})" for way, p in tests)
        alike = all(abs(value - base) <= ALIKE * base for value in others.values())
        yield Finding(statement, f"{wording.shown(base)} {unit} from scratch; {each}", rule, _verdict(alike))


def _stable(study: Study, way: str) -> Finding:
    statement = f"With transfer learning and about 600 structures, six molecules are stable up to {WITH:g} ps ({way})"
    rule = f"confirmed if the median stable time is at least {WITH:g} ps; {UNKNOWN}"
    rows = study["simulations"].where(set=SMALL)
    some = rows.where(way=way)
    return Finding(statement, _described(rows, way), rule, _reached(some, WITH))


def _unstable(study: Study) -> Finding:
    statement = f"Without transfer learning, they are stable for less than {WITHOUT:g} ps"
    rule = f"confirmed if the median stable time is below {WITHOUT:g} ps; {UNKNOWN}"
    rows = study["simulations"].where(set=SMALL)
    reached = _reached(rows.where(way=SCRATCH), WITHOUT)
    verdict = {CONFIRMED: REFUTED, REFUTED: CONFIRMED, NOT_TESTED: NOT_TESTED}[reached]
    return Finding(statement, _described(rows, SCRATCH), rule, verdict)


def _reached(rows: Rows, time: float) -> str:
    """Whether the median stable time is at least a time, ps."""
    if not len(rows):
        return NOT_TESTED
    found = curve(rows).median[0]
    if np.isinf(found):  # more than half of the simulations were stable for all of their time
        return CONFIRMED if rows["time_ps"].min() >= time else NOT_TESTED
    return _verdict(found >= time)


def _described(rows: Rows, way: str) -> str:
    some, scratch = rows.where(way=way), rows.where(way=SCRATCH)
    if not len(some):
        return ""
    ended = int((some["ended_by"] == FINISHED).sum())
    text = f"{ended} of {len(some)} ran to the end of {asked(some)} ps; median stable time: {_picoseconds(some)}"
    if way != SCRATCH and len(scratch):
        p = float(logrank(*map(_censored, (some, scratch))).pvalue)
        text += f"; log-rank test against scratch: {wording.p_value(p)}"
    return text


def _picoseconds(rows: Rows) -> str:
    text = median(curve(rows))
    return text if np.isinf(curve(rows).median[0]) else f"{text} ps"


def _censored(rows: Rows) -> CensoredData:
    failed = rows["ended_by"] != FINISHED
    return CensoredData(uncensored=rows["stable_ps"][failed], right=rows["stable_ps"][~failed])


def _nearest(study: Study) -> Iterator[Finding]:
    rule = f"confirmed if the mean of {NEAREST} is the lowest of the subsets"
    for name, column in ((name, column) for name in (SMALL, LARGE) for column in (TEST[1], SIX[1])):
        rows = study["finetuning"].where(set=name)
        kind, unit = QUANTITIES[column]
        means = {way: _mean(rows, column, way) for way in _ways(rows, column)}
        statement = f"{name}, {kind}: the subset nearest to the target ({NEAREST}) is the best"
        if len(means) < 2 or NEAREST not in means:
            yield Finding(statement, "", rule, NOT_TESTED)
            continue
        others = sorted((way for way in means if way != NEAREST), key=means.__getitem__)
        p = comparison.compared(rows, column, others[0], NEAREST).p
        each = ", ".join(f"{wording.shown(value)} ({way})" for way, value in means.items())
        text = f"{each} {unit}; {NEAREST} against {others[0]}: {wording.p_value(p)}"
        yield Finding(statement, text, rule, _verdict(means[NEAREST] < means[others[0]]))


def _forces(study: Study, name: str, differ: bool) -> Finding:
    rows, column = study["finetuning"].where(set=name), TEST[1]
    statement = (
        f"{name}: test errors of forces {'differ' if differ else 'do not differ'} significantly from those from scratch"
    )
    sign = "<" if differ else "≥"
    rule = f"confirmed if p {sign} {LEVEL:g} for most of the subsets"
    values = {way: comparison.compared(rows, column, SCRATCH, way).p for way in _ways(rows, column)}
    values = {way: p for way, p in values.items() if p == p}
    if not values:
        return Finding(statement, "", rule, NOT_TESTED)
    text = f"{name}, forces: {', '.join(f'{wording.p_value(p)} ({way})' for way, p in values.items())}"
    fitting = sum((p < LEVEL) == differ for p in values.values())
    return Finding(statement, text, rule, _verdict(2 * fitting > len(values)))


def _ways(rows: Rows, column: str) -> Sequence[str]:
    """The subsets for which a quantity is known."""
    return [way for way in SUBSETS if np.isfinite(rows.where(way=way)[column]).any()]


def _mean(rows: Rows, column: str, way: str) -> float:
    return wording.average(rows.where(way=way)[column])


def _verdict(holds: bool) -> str:
    return CONFIRMED if holds else REFUTED
