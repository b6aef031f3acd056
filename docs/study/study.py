"""From a database to a stable simulation, in miniature: select, pre-train, fine-tune, simulate, analyse.

    python docs/study/study.py --folder FOLDER [--quick]

Selects three subsets of a database of slabs (random, with Cu or Au, with Cu and Au) and trains a potential on each.
The potentials are fine-tuned on a CuAu cluster with one water molecule, with several seeds, and compared with training
on the cluster alone.  Every potential is then used to simulate this cluster, and one with six molecules.  EMT replaces
DFT (structures.py).  Writes study.csv, study.png and the tables and figures of the commands, and prints a table.
"""

from __future__ import annotations

import csv
import itertools
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structures
from scipy.stats import ttest_rel
from training import TARGET, asked, database, errors, potentials, prepared, train

from aenet_py.analysis import figures
from aenet_py.formats import tables

SUBSETS = {"random": [], "any": ["--any", "Cu,Au"], "both": ["--all", "Cu,Au"]}
WAYS = ("scratch", *SUBSETS)
PAIRS = ("Cu-O", "Au-O")
REFERENCE = "EMT"
SKIP = 0.5  # ps at the start of a simulation that are left out of averages


@dataclass(frozen=True)
class Size:
    """Size of the study; epochs : of pre-training and fine-tuning; ps : length of each simulation."""

    database: int = 4000
    subset: int = 2000
    clusters: int = 574
    reference: int = 250
    seeds: int = 5
    epochs: tuple[int, int] = (120, 120)
    ps: float = 5.0


QUICK = Size(database=160, subset=30, clusters=20, reference=40, seeds=2, epochs=(5, 5), ps=0.05)


def aenet(*arguments: object, allowed: Sequence[int] = (0,)) -> str:
    """Run aenet-py and return its standard output."""
    command = [sys.executable, "-m", "aenet_py.cli.aenet", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in allowed:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def pretrained(folder: Path, name: str, slabs: Sequence[str], size: Size) -> None:
    """Select a subset and train on it."""
    if (folder / name).exists():
        return
    subset = folder / f"{name}.extxyz"
    if not subset.exists():
        aenet("select", *slabs, "-o", subset, *SUBSETS[name], "--n", size.subset, "--seed", 1)
    present = {symbol for row in rows_of(subset.with_suffix(".csv")) for symbol in row["elements"].split()}
    symbols = [symbol for symbol in structures.SPECIES if symbol in present]
    train(folder / name, [str(subset)], symbols, "MODE train", 1, epochs=size.epochs[0], batch=64, rate=0.003)


def fine_tuned(folder: Path, way: str, seed: int, one: str, six: str, size: Size) -> dict[str, object]:
    """Train on the cluster with one molecule; simulate this cluster and the one with six molecules."""
    place = folder / f"{way}-{seed}"
    mode, rate = "MODE train", 0.003
    if way != "scratch":
        mode, rate = f"MODE transfer\nTRANSFER\nsource=../{way} freeze=0 new=random", 0.001
    train(place, [one], TARGET, mode, seed, epochs=size.epochs[1], batch=16, rate=rate)
    known = {(each["quantity"], each["set"]): float(each["rmse"]) for each in errors_of(place)}
    row: dict[str, object] = {"way": way, "seed": seed}
    row |= {"1: energy RMSE, eV/atom": known["energy_eV_per_atom", "test"]}
    row |= {"1: force RMSE, eV/Å": known["force_eV_per_A", "test"]}
    stable, reason = simulate(place, "one", one, 400.0, seed, size.ps)
    row |= {"1: stable, ps": stable, "1: ended by": reason}
    row |= simulated(place / "one.extxyz", place / "one.csv", min(SKIP, 0.5 * stable))
    energy, force = errors(place, six)
    row |= {"6: energy RMSE, eV/atom": energy, "6: force RMSE, eV/Å": force}
    stable, reason = simulate(place, "six", six, 300.0, seed, size.ps)
    return row | {"6: stable, ps": stable, "6: ended by": reason}


def errors_of(place: Path) -> list[dict[str, str]]:
    """The table of errors of a training."""
    aenet("report", place, "-o", place / "report")
    return rows_of(place / "report" / "errors.csv")


def simulate(place: Path, name: str, start: str, kelvin: float, seed: int, ps: float) -> tuple[float, str]:
    """Simulate the first structure of a file; how long it was stable, ps, and what ended it."""
    given = itertools.chain(*(("--potential", f"{symbol}={path}") for symbol, path in potentials(place).items()))
    report = aenet(
        "md", f"{start}@0", *given, "--time", ps, "--temperature", kelvin, "--timestep", 0.5, "--seed", seed,
        "--every", 20,
        "--max-share", 1,  # feature ranges depend on the training set; only the motion of the atoms counts here
        "--output", place / name, allowed=(0, 2),
    )  # fmt: skip
    stable, reason = re.search(r"stable for +(\S+) ps", report), re.search(r"stopped +(.+?):", report)
    assert stable is not None
    return float(stable[1]), "time" if reason is None else reason[1]


def simulated(trajectory: Path, log: Path | None, skip: float) -> dict[str, object]:
    """Mean temperature and first peaks of the distances."""
    folder = trajectory.with_name(f"{trajectory.stem}-report")
    aenet("report", "--trajectory", trajectory, "-o", folder, "--skip", skip)
    peaks = {frozenset((peak["a"], peak["b"])): peak["first_peak_A"] for peak in rows_of(folder / "peaks.csv")}
    row: dict[str, object] = {f"1: {pair}, Å": peaks.get(frozenset(pair.split("-"))) or "" for pair in PAIRS}
    if log is not None:
        kelvin = [float(step["temperature_K"]) for step in rows_of(log) if float(step["time_ps"]) >= skip]
        row["1: temperature, K"] = float(np.mean(kelvin))
    return row


COLUMNS = (
    "way", "seed", "1: energy RMSE, eV/atom", "1: force RMSE, eV/Å", "1: stable, ps", "1: ended by",
    "1: temperature, K", *(f"1: {pair}, Å" for pair in PAIRS), "6: energy RMSE, eV/atom", "6: force RMSE, eV/Å",
    "6: stable, ps", "6: ended by",
)  # with one molecule and with six  # fmt: skip


def values(rows: Sequence[dict], way: str, column: str) -> np.ndarray:
    """One value per seed; NaN if there is none."""
    return np.array([float(row[column]) if row[column] != "" else np.nan for row in rows if row["way"] == way])


def table(rows: Sequence[dict]) -> str:
    """Means and standard deviations over the seeds, and p-values of paired t-tests against training from scratch."""
    columns = [column for column in COLUMNS if column not in ("way", "seed") and "ended" not in column]
    lines = ["| way | " + " | ".join(columns) + " |", "| --- " * (1 + len(columns)) + "|"]
    for way in (*WAYS, REFERENCE):
        cells = []
        for column in columns:
            all_seeds = values(rows, way, column)
            known = all_seeds[~np.isnan(all_seeds)]
            cell = f"{known.mean():.4g}" if len(known) else ""
            if len(known) > 1:
                cell += f" ± {known.std(ddof=1):.2g}"
                scratch = values(rows, "scratch", column)
                pairs = ~np.isnan(all_seeds) & ~np.isnan(scratch)
                if way != "scratch" and pairs.sum() > 1 and np.ptp((all_seeds - scratch)[pairs]) > 0:
                    cell += f" (p {ttest_rel(scratch[pairs], all_seeds[pairs]).pvalue:.2g})"
            cells.append(cell)
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(rows: Sequence[dict], folder: Path, seeds: int, path: Path) -> None:
    """Errors, stability of simulations, and distances of oxygen."""
    figure, axes = figures.panels(2, 3)
    for axis, column, factor, label in (
        (axes[0, 0], "1: force RMSE, eV/Å", 1000.0, "force RMSE, one molecule (meV/Å)"),
        (axes[0, 1], "6: force RMSE, eV/Å", 1000.0, "force RMSE, six molecules (meV/Å)"),
        (axes[0, 2], "6: energy RMSE, eV/atom", 1000.0, "energy RMSE, six (meV/atom)"),
        (axes[1, 2], "6: stable, ps", 1.0, "six molecules: stable for (ps)"),
    ):
        for place, way in enumerate(WAYS):
            shown = factor * values(rows, way, column)
            axis.plot(np.full(len(shown), place), shown, "o", color=figures.COLORS[place], markersize=4, alpha=0.6)
            axis.plot(place, shown.mean(), "_", color=figures.COLORS[place], markersize=22, markeredgewidth=2)
        axis.set(ylabel=label, xlim=(-0.5, len(WAYS) - 0.5))
        figures.from_zero(axis)
        axis.set_xticks(range(len(WAYS)), WAYS)
    for axis, pair in zip(axes[1], PAIRS, strict=False):
        for place, way in enumerate((*WAYS, REFERENCE)):
            runs = ["clusters"] if way == REFERENCE else [f"{way}-{seed}/one" for seed in range(1, seeds + 1)]
            distances = [rows_of(folder / f"{run}-report" / "distances.csv") for run in runs]
            a, b = pair.split("-")
            r = [float(row["r_A"]) for row in distances[0]]
            mean = np.mean([[float(row[f"neighbors_{a}_{b}_per_A"]) for row in each] for each in distances], axis=0)
            color, width = ("#000000", 1.6) if way == REFERENCE else (figures.COLORS[place], 1.0)
            axis.plot(r, mean, color=color, linewidth=width, label=way)
        axis.set(xlim=(1, 6), ylim=(0, None), xlabel=f"{pair} distance, one molecule (Å)")
        axis.set_ylabel(f"{b} around {a} (1/Å)")
    axes[1, 0].legend(fontsize=8)
    figures.save(figure, str(path))


def main() -> None:
    folder, quick = asked(__doc__)
    size = QUICK if quick else Size()
    with ProcessPoolExecutor() as pool:
        parts = database(pool, folder, size.database)
        clusters = pool.submit(prepared, folder, "clusters", structures.trajectory, size.clusters, 1, 400.0, 5)
        reference = pool.submit(prepared, folder, "reference", structures.trajectory, size.reference, 6, 300.0, 6)
        slabs = [part.result() for part in parts]
        subsets = [pool.submit(pretrained, folder, name, slabs, size) for name in SUBSETS]
        one, six = clusters.result(), reference.result()
        known = {"way": REFERENCE, **dict.fromkeys(COLUMNS[1:], ""), **simulated(Path(one), None, 0.0)}
        for subset in subsets:
            subset.result()
        cases = list(itertools.product(WAYS, range(1, size.seeds + 1)))
        for way, seed in cases:
            shutil.rmtree(folder / f"{way}-{seed}", ignore_errors=True)
        rows = [job.result() for job in [pool.submit(fine_tuned, folder, *case, one, six, size) for case in cases]]
    rows.append(known)
    groups = [f"{way}={','.join(str(folder / f'{way}-{seed}') for seed in range(1, size.seeds + 1))}" for way in WAYS]
    aenet("compare", *itertools.chain(*(("--group", group) for group in groups)), "-o", folder / "comparison")
    tables.write(str(folder / "study.csv"), COLUMNS, rows)
    draw(rows, folder, size.seeds, folder / "study.png")
    print(table(rows))


if __name__ == "__main__":
    main()
