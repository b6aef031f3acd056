"""The benefit of pre-training: potentials for clusters with water from scratch and by transfer, on the same structures.

    python docs/study/transfer.py --folder FOLDER [--quick]

Makes a database of slabs with adsorbates and a set of CuAu clusters with a water molecule (see structures.py), trains
on the database, then on 50 to 400 of the clusters, from random weights and from the pre-trained ones, with several
seeds.  Writes transfer.csv and transfer.png, and prints a table with paired t-tests.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structures
from scipy.stats import ttest_rel
from training import TARGET, asked, database, errors, prepared, train

from aenet_py.analysis import figures
from aenet_py.formats import tables

FRAMES = 20  # per trajectory of a cluster
TRANSFER = "MODE transfer\nTRANSFER\nsource=../pretrained freeze="
WAYS = {"scratch": "MODE train", "freeze=1": f"{TRANSFER}1", "freeze=0": f"{TRANSFER}0"}


@dataclass(frozen=True)
class Size:
    """Size of the study; epochs : of pre-training, and of each training on clusters."""

    database: int = 3000
    clusters: int = 600
    tested: int = 200
    subsets: tuple[int, ...] = (50, 100, 200, 400)
    seeds: int = 5
    epochs: tuple[int, int] = (150, 200)


QUICK = Size(database=40, clusters=20, tested=10, subsets=(10,), seeds=2, epochs=(5, 5))


def run(folder: Path, n: int, seed: int, way: str, clusters: str, tested: str, n_clusters: int, epochs: int) -> dict:
    """Train on n of the clusters, chosen by the seed only, and test."""
    chosen = np.sort(np.random.default_rng([n, seed]).choice(n_clusters, size=n, replace=False))
    place = folder / f"{way}-{n}-{seed}"
    train(place, [f"{clusters}#{i}" for i in chosen], TARGET, WAYS[way], seed, epochs=epochs, batch=16, rate=0.003)
    energy, force = errors(place, tested)
    return {"structures": n, "seed": seed, "way": way, "energy RMSE, eV/atom": energy, "force RMSE, eV/Å": force}


ERRORS = ("energy RMSE, eV/atom", "force RMSE, eV/Å")


def draw(rows: Sequence[dict], path: str) -> None:
    """Errors against the number of structures, mean and standard deviation over the seeds."""
    figure, axes = figures.panels(1, 2)
    for axis, error in zip(axes[0], ERRORS, strict=True):
        for way in WAYS:
            sizes = sorted({row["structures"] for row in rows})
            values = [[row[error] for row in rows if row["structures"] == n and row["way"] == way] for n in sizes]
            middle, spread = np.mean(values, axis=1), np.std(values, axis=1, ddof=1)
            axis.errorbar(sizes, 1000 * middle, 1000 * spread, marker="o", capsize=3, label=way)
        axis.set(xscale="log", xlabel="structures to train on", ylabel=error.replace(", ", " (m") + ")")
        axis.set_xticks(sizes, map(str, sizes))
        axis.minorticks_off()
        figures.from_zero(axis)
    axes[0, 0].legend()
    figures.save(figure, path)


def table(rows: Sequence[dict]) -> str:
    """Means and standard deviations over the seeds, and p-values of paired t-tests against training from scratch."""
    scratch, *others = WAYS
    lines = ["| structures | RMSE | scratch | " + " | ".join(f"{way} | p" for way in others) + " |"]
    lines.append("| --- " * (3 + 2 * len(others)) + "|")
    for n, error in itertools.product(sorted({row["structures"] for row in rows}), ERRORS):
        errors_of = {
            way: np.array([row[error] for row in rows if row["structures"] == n and row["way"] == way]) for way in WAYS
        }
        shown = {way: f"{1000 * v.mean():.1f} ± {1000 * v.std(ddof=1):.1f}" for way, v in errors_of.items()}
        cells = [f"{shown[way]} | {ttest_rel(errors_of[scratch], errors_of[way]).pvalue:.2g}" for way in others]
        name = error.replace(" RMSE, e", ", me")
        lines.append(f"| {n} | {name} | {shown[scratch]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    folder, quick = asked(__doc__)
    size = QUICK if quick else Size()
    with ProcessPoolExecutor() as pool:
        parts = database(pool, folder, size.database)
        # Test structures come from other trajectories, with other compositions and arrangements.
        clusters = [
            pool.submit(prepared, folder, name, structures.clusters, n, max(1, n // FRAMES), seed)
            for name, n, seed in (("clusters", size.clusters, 3), ("tested", size.tested, 4))
        ]
        if not (folder / "pretrained").exists():
            settings = {"epochs": size.epochs[0], "batch": 64, "rate": 0.003}
            slabs = [part.result() for part in parts]
            train(folder / "pretrained", slabs, structures.SPECIES, "MODE train", 1, **settings)
        cases = list(itertools.product(size.subsets, range(1, size.seeds + 1), WAYS))
        for n, seed, way in cases:
            shutil.rmtree(folder / f"{way}-{n}-{seed}", ignore_errors=True)
        files = [part.result() for part in clusters]
        jobs = [pool.submit(run, folder, *case, *files, size.clusters, size.epochs[1]) for case in cases]
        rows = [job.result() for job in jobs]
    tables.write(str(folder / "transfer.csv"), list(rows[0]), rows)
    draw(rows, str(folder / "transfer.png"))
    print(table(rows))


if __name__ == "__main__":
    main()
