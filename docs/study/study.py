"""From a database to a stable simulation, in miniature: select, pre-train, fine-tune, simulate, judge.

    python docs/study/study.py --folder FOLDER [--quick]

Three subsets of a database of slabs (random, any Cu or Au, both Cu and Au), a potential from each, fine-tuned on a CuAu
cluster with one water molecule and compared with training on that alone, with several seeds; then that cluster and the
one with six molecules are simulated with every potential.  EMT stands in for DFT (structures.py).  Leaves study.csv,
study.png, the tables and figures of the commands it runs, and a table on standard output.
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
SKIP = 0.5  # ps of a simulation that count for no average


@dataclass(frozen=True)
class Size:
    """How much is done; epochs : of the pre-training and of the fine-tuning; ps : of each simulation."""

    database: int = 4000
    subset: int = 2000
    clusters: int = 574
    reference: int = 250
    seeds: int = 5
    epochs: tuple[int, int] = (120, 120)
    ps: float = 5.0


QUICK = Size(database=160, subset=30, clusters=20, reference=40, seeds=2, epochs=(5, 5), ps=0.05)


def aenet(*arguments: object, allowed: Sequence[int] = (0,)) -> str:
    """Run aenet-py; what it prints."""
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
    """Train on the cluster with one molecule, and simulate it and the one with six."""
    place = folder / f"{way}-{seed}"
    mode, rate = "MODE train", 0.003
    if way != "scratch":
        mode, rate = f"MODE transfer\nTRANSFER\nsource=../{way} freeze=0 new=random", 0.001
    train(place, [one], TARGET, mode, seed, epochs=size.epochs[1], batch=16, rate=rate)
    known = {(row["quantity"], row["set"]): float(row["rmse"]) for row in judged(place)}
    found: dict[str, object] = {"way": way, "seed": seed}
    found |= {"1: energy RMSE, eV/atom": known["energy_eV_per_atom", "test"]}
    found |= {"1: force RMSE, eV/Å": known["force_eV_per_A", "test"]}
    stable, reason = simulate(place, "one", one, 400.0, seed, size.ps)
    found |= {"1: stable, ps": stable, "1: ended by": reason}
    found |= simulated(place / "one.extxyz", place / "one.csv", min(SKIP, 0.5 * stable))
    energy, force = errors(place, six)
    found |= {"6: energy RMSE, eV/atom": energy, "6: force RMSE, eV/Å": force}
    stable, reason = simulate(place, "six", six, 300.0, seed, size.ps)
    return found | {"6: stable, ps": stable, "6: ended by": reason}


def judged(place: Path) -> list[dict[str, str]]:
    aenet("report", place, "-o", place / "report")
    return rows_of(place / "report" / "errors.csv")


def simulate(place: Path, name: str, start: str, kelvin: float, seed: int, ps: float) -> tuple[float, str]:
    """Simulate the first structure of a file; how long it was stable, ps, and what ended it."""
    given = itertools.chain(*(("--potential", f"{symbol}={path}") for symbol, path in potentials(place).items()))
    said = aenet(
        "md", f"{start}@0", *given, "--time", ps, "--temperature", kelvin, "--timestep", 0.5, "--seed", seed,
        "--every", 20,
        "--max-share", 1,  # ranges of features depend on the way; what counts here is what the atoms do
        "--output", place / name, allowed=(0, 2),
    )  # fmt: skip
    stable, reason = re.search(r"stable for +(\S+) ps", said), re.search(r"stopped +(.+?):", said)
    assert stable is not None
    return float(stable[1]), "time" if reason is None else reason[1]


def simulated(trajectory: Path, log: Path | None, skip: float) -> dict[str, object]:
    """Mean temperature and places of the first peaks of distances."""
    folder = trajectory.with_name(f"{trajectory.stem}-judged")
    aenet("report", "--trajectory", trajectory, "-o", folder, "--skip", skip)
    peaks = {frozenset((row["a"], row["b"])): row["first_peak_A"] for row in rows_of(folder / "peaks.csv")}
    found: dict[str, object] = {f"1: {pair}, Å": peaks.get(frozenset(pair.split("-"))) or "" for pair in PAIRS}
    if log is not None:
        kelvin = [float(row["temperature_K"]) for row in rows_of(log) if float(row["time_ps"]) >= skip]
        found["1: temperature, K"] = float(np.mean(kelvin))
    return found


COLUMNS = (
    "way", "seed", "1: energy RMSE, eV/atom", "1: force RMSE, eV/Å", "1: stable, ps", "1: ended by",
    "1: temperature, K", *(f"1: {pair}, Å" for pair in PAIRS), "6: energy RMSE, eV/atom", "6: force RMSE, eV/Å",
    "6: stable, ps", "6: ended by",
)  # with one molecule and with six  # fmt: skip


def values(rows: Sequence[dict], way: str, column: str) -> np.ndarray:
    """One a seed; NaN where there is none."""
    return np.array([float(row[column]) if row[column] != "" else np.nan for row in rows if row["way"] == way])


def table(rows: Sequence[dict]) -> str:
    """Means and standard deviations over the seeds, and p of paired t-tests against training from scratch."""
    columns = [column for column in COLUMNS if column not in ("way", "seed") and "ended" not in column]
    lines = ["| way | " + " | ".join(columns) + " |", "| --- " * (1 + len(columns)) + "|"]
    for way in (*WAYS, REFERENCE):
        cells = []
        for column in columns:
            found = values(rows, way, column)
            there = found[~np.isnan(found)]
            cell = f"{there.mean():.4g}" if len(there) else ""
            if len(there) > 1:
                cell += f" ± {there.std(ddof=1):.2g}"
                first = values(rows, "scratch", column)
                pairs = ~np.isnan(found) & ~np.isnan(first)
                if way != "scratch" and pairs.sum() > 1 and np.ptp((found - first)[pairs]) > 0:
                    cell += f" (p {ttest_rel(first[pairs], found[pairs]).pvalue:.2g})"
            cells.append(cell)
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(rows: Sequence[dict], folder: Path, seeds: int, path: Path) -> None:
    """Errors, how long simulations were stable, and distances of oxygen."""
    figure, axes = figures.panels(2, 3)
    for axis, column, factor, label in (
        (axes[0, 0], "1: force RMSE, eV/Å", 1000.0, "force RMSE, one molecule (meV/Å)"),
        (axes[0, 1], "6: force RMSE, eV/Å", 1000.0, "force RMSE, six molecules (meV/Å)"),
        (axes[0, 2], "6: energy RMSE, eV/atom", 1000.0, "energy RMSE, six (meV/atom)"),
        (axes[1, 2], "6: stable, ps", 1.0, "six molecules: stable for (ps)"),
    ):
        for place, way in enumerate(WAYS):
            found = factor * values(rows, way, column)
            axis.plot(np.full(len(found), place), found, "o", color=figures.COLORS[place], markersize=4, alpha=0.6)
            axis.plot(place, found.mean(), "_", color=figures.COLORS[place], markersize=22, markeredgewidth=2)
        axis.set(ylabel=label, xlim=(-0.5, len(WAYS) - 0.5))
        figures.from_zero(axis)
        axis.set_xticks(range(len(WAYS)), WAYS)
    for axis, pair in zip(axes[1], PAIRS, strict=False):
        for place, way in enumerate((*WAYS, REFERENCE)):
            runs = ["clusters"] if way == REFERENCE else [f"{way}-{seed}/one" for seed in range(1, seeds + 1)]
            found = [rows_of(folder / f"{run}-judged" / "distances.csv") for run in runs]
            a, b = pair.split("-")
            r = [float(row["r_A"]) for row in found[0]]
            mean = np.mean([[float(row[f"neighbors_{a}_{b}_per_A"]) for row in each] for each in found], axis=0)
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
