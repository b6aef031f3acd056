"""The printed reports of ``aenet-py report`` and ``aenet-py compare``."""

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
    for folder, errors in runs.items():
        lines.append(folder)
        lines.append(f"  {'':28}{'n':>10}{'RMSE':>10}{'MAE':>10}{'largest':>10}{'R2':>10}")
        for (quantity, part), q in errors.items():
            values = "".join(f"{1000 * value:10.3f}" for value in (q.rmse, q.mae, q.max_error))
            lines.append(f"  {part + ' ' + NAMES[quantity]:28}{q.n:10d}{values}{q.r2:10.5f}")
    return "\n".join(lines) + "\n"


def test_errors(errors: Mapping[tuple[str, str], Quality]) -> str:
    """Root mean square errors of the test set; nothing without any."""
    parts = [
        f"{name} RMSE {1000 * errors[quantity, 'test'].rmse:.3f} {unit}"
        for quantity, name, unit in (("energy_eV_per_atom", "energy", "meV/atom"), ("force_eV_per_A", "force", "meV/Å"))
        if (quantity, "test") in errors
    ]
    return f"test set: {', '.join(parts)}\n" if parts else ""


def tests(given: Sequence[Test]) -> str:
    """Paired t-tests, in three lines each."""
    lines = []
    for test in given:
        lines.append(f"{test.part} {NAMES[test.quantity]}: {test.a} and {test.b}")
        kind = "absolute errors" if test.over == "structures" else "RMSE"
        means = f", mean {kind} {1000 * test.mean_a:.3f} and {1000 * test.mean_b:.3f}" if test.n else ""
        lines.append(f"  {counted(test.n, test.over[:-1])}{means}")
        lines.append(f"  t = {test.t:.3f}, p = {test.p:.3g}" if test.t == test.t else "  no test")
    return "".join(f"{line}\n" for line in lines)


def trajectory(path: str, distances: Distribution, history: History | None) -> str:
    """First peaks and averages of a trajectory."""
    lines = [f"{path}: {counted(distances.n_frames, 'frame')}"]
    if history is not None:
        lines[0] += f", {history.times[0]:g} to {history.times[-1]:g} ps"
    what = "g(r)" if distances.normalised else "neighbours per Å (a cluster has no density)"
    lines.append(f"  first peaks of {what}")
    for pair, (position, height) in zip(distances.pairs, distances.peaks, strict=True):
        peak = f"{position:.3f} Å, height {height:.3f}" if position == position else "none"
        lines.append(f"    {'-'.join(pair):18}{peak}")
    if history is not None:
        for name, values, unit in (
            ("potential energy", history.potential, "eV"), ("total energy", history.total, "eV"),
            ("temperature", history.temperatures, "K"),
        ):  # fmt: skip
            lines.append(f"  {name:20}{values.mean():.3f} {unit}, standard deviation {values.std():.3f}")
    return "\n".join(lines) + "\n"
