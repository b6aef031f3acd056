"""What `aenet-py evaluate` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from aenet_py.analysis.parity import LABELS
from aenet_py.analysis.runs import ENERGY, FORCE, Quality
from aenet_py.errors import counted
from aenet_py.evaluation.evaluate import Evaluation, n_structures
from aenet_py.evaluation.evaluated import PARTS, TEST, Evaluated
from aenet_py.evaluation.groups import ALL
from aenet_py.structure import told_of_unknown

HEADINGS = {"species": "by species", "config_type": "by config type", "size": "by number of atoms"}
N_WORST = 10
Errors = Mapping[tuple[str, str, str], Quality]


def report(found: Evaluation, errors: Mapping[str, Errors]) -> str:
    """Errors of all structures and by group, and the worst structures; errors : by grouping."""
    lines = [_head(found), f"{'':31}{'n':>9}{'RMSE':>10}{'MAE':>10}{'largest':>10}{'R2':>10}"]
    lines += _rows(errors[ALL])
    for by, heading in HEADINGS.items():
        some = {key: quality for key, quality in errors[by].items() if key[1] == TEST}
        if len({group for _, _, group in some}) > 1:
            lines += [heading, *_rows(some, with_group=True)]
    lines += _worst([each for each in found.structures if each.part == TEST], errors[ALL])
    outside = sum(int(np.count_nonzero(each.outside)) for each in found.structures if each.part == TEST)
    if outside:
        lines.append(f"{counted(outside, 'atom')} of the test set with features outside the range of the training set")
    told = told_of_unknown((each.structure.path, each.structure.n_unknown_forces) for each in found.structures)
    if told is not None:
        lines.append(f"{told}; they are left out")
    return "\n".join(lines) + "\n"


def _head(found: Evaluation) -> str:
    parts = [
        f"{counted(n_structures(found, part), 'structure')} ({part})"
        for part in PARTS
        if n_structures(found, part) or part == TEST
    ]
    of = f"; mean of {found.n_members} potentials" if found.n_members > 1 else ""
    return ", ".join(parts) + of


def _rows(errors: Errors, with_group: bool = False) -> list[str]:
    lines = []
    for (quantity, part, group), q in errors.items():
        name, _, unit = LABELS[quantity]
        label = f"{group} {name}, {unit}" if with_group else f"{part} {name}, {unit}"
        values = "".join(f"{1000 * value:10.3f}" for value in (q.rmse, q.mae, q.max_error))
        r2 = f"{q.r2:10.5f}" if q.r2 == q.r2 else f"{'':10}"
        lines.append(f"  {label:29}{q.n:9d}{values}{r2}".rstrip())
    return lines


def badness(each: Evaluated, overall: Errors) -> float:
    """The larger of the errors of energy and forces, each in units of its RMSE over all structures."""
    found = [0.0]
    for quantity, error in ((ENERGY, each.energy_error), (FORCE, each.force_rmse)):
        quality = overall.get((quantity, each.part, ALL))
        if error is not None and quality is not None and quality.rmse > 0:
            found.append(abs(error) / quality.rmse)
    return max(found)


def _worst(structures: Sequence[Evaluated], overall: Errors) -> list[str]:
    if len(structures) < 2:
        return []
    ranked = sorted(structures, key=lambda each: -badness(each, overall))[:N_WORST]
    lines = ["worst structures", f"{'energy, meV/atom':>18}{'force RMSE, meV/Å':>20}{'atoms':>8}"]
    for each in ranked:
        energy = "" if each.energy_error is None else f"{1000 * each.energy_error:.3f}"
        forces = "" if each.force_rmse is None else f"{1000 * each.force_rmse:.3f}"
        lines.append(f"{energy:>18}{forces:>20}{each.structure.n_atoms:8d}  {each.structure.path}")
    return lines


def exceeded(errors: Errors, limits: Mapping[str, float | None]) -> list[str]:
    """A line for each RMSE of the test set above its limit; limits : by quantity, in units of its errors."""
    lines = []
    for quantity, limit in limits.items():
        if limit is None:
            continue
        name, _, unit = LABELS[quantity]
        rmse = 1000 * errors[quantity, TEST, ALL].rmse
        if not rmse <= limit:
            lines.append(f"{name} RMSE {rmse:.3f} {unit} exceeds the limit of {limit:g} {unit}")
    return lines
