"""The reports of ``aenet-py report`` and ``aenet-py compare``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aenet_py.errors import counted

if TYPE_CHECKING:
    from aenet_py.analysis.distances import Distribution
    from aenet_py.analysis.paired import Test
    from aenet_py.analysis.runs import Quality
    from aenet_py.analysis.trajectory import History

NAMES = {"energy_eV_per_atom": "energy, meV/atom", "force_eV_per_A": "force component, meV/Å"}


def trained(runs: Mapping[str, Mapping[tuple[str, str], Quality]]) -> str:
    """Errors of trainings, by folder and then by quantity and set."""
    lines = []
    for folder, found in runs.items():
        lines.append(folder)
        lines.append(f"  {'':30}{'n':>8}{'RMSE':>12}{'MAE':>12}{'largest':>12}{'R2':>10}")
        for (quantity, part), q in found.items():
            errors = "".join(f"{1000 * value:12.3f}" for value in (q.rmse, q.mae, q.max_error))
            lines.append(f"  {part + ' ' + NAMES[quantity]:30}{q.n:8d}{errors}{q.r2:10.5f}")
    return "\n".join(lines) + "\n"


def tests(found: Sequence[Test]) -> str:
    """Paired t-tests in a line each."""
    lines = []
    for test in found:
        what = "absolute errors of" if test.over == "structures" else "RMSE of"
        means = f"{1000 * test.mean_a:.3f} and {1000 * test.mean_b:.3f}"
        line = f"{test.part} {NAMES[test.quantity]}: {test.a} and {test.b}: {what} {counted(test.n, test.over[:-1])}"
        if test.n:
            line += f", {means} on average"
        line += f": t = {test.t:.3f}, p = {test.p:.3g}" if test.t == test.t else ": no test"
        lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def trajectory(path: str, found: Distribution, history: History | None) -> str:
    """Averages of a trajectory and first peaks."""
    lines = [f"{path}: {counted(found.n_frames, 'frame')}"]
    if history is not None:
        lines[0] += f", {history.times[0]:g} to {history.times[-1]:g} ps"
        for name, values, unit in (
            ("temperature", history.temperatures, "K"), ("potential energy", history.potential, "eV"),
            ("total energy", history.total, "eV"),
        ):  # fmt: skip
            lines.append(f"  {name:20}{values.mean():.3f} {unit}, standard deviation {values.std():.3f}")
    what = "g(r)" if found.normalised else "neighbours per Å; there is no density to normalise them by"
    lines.append(f"  first peaks of {what}")
    for pair, (place, height) in zip(found.pairs, found.peaks, strict=True):
        peak = f"{place:.3f} Å, height {height:.3f}" if place == place else "none"
        lines.append(f"    {'-'.join(pair):18}{peak}")
    return "\n".join(lines) + "\n"
