"""A small study whose numbers are known."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import write

WAYS = ("scratch", "random", "any", "both", "random, replay")
SEEDS = (1, 2, 3, 4, 5)
SHIFTS = np.array([0.0, 1.0, -1.0, 2.0, -2.0])  # of the seeds
STABLE = {"scratch": (0.5, 1.0, 2.0, 3.0, 60.0)}  # ps; others run to the end
ASKED = 250.0  # ps
FORCES = {  # meV/Å, of the test set: means, and a disturbance of the seeds
    ("0.6K", "scratch"): (80.0, 0.0), ("0.6K", "random"): (80.5, 4.0), ("0.6K", "any"): (79.5, 4.0),
    ("0.6K", "both"): (81.0, 4.0), ("0.6K", "random, replay"): (80.0, 4.0),
    ("8K", "scratch"): (45.0, 0.0), ("8K", "random"): (40.0, 0.1), ("8K", "any"): (41.0, 0.1),
    ("8K", "both"): (39.0, 0.1), ("8K", "random, replay"): (40.0, 0.1),
}  # fmt: skip
NOISE = np.array([1.0, -1.0, 0.5, -0.7, 0.2])

Rows = list[list[object]]


def forces(name: str, way: str) -> np.ndarray:
    """(5,) force errors of the test set by seed."""
    mean, spread = FORCES[name, way]
    return mean + SHIFTS + spread * np.roll(NOISE, WAYS.index(way))


def tables() -> dict[str, tuple[str, Rows]]:
    """Head and rows of all tables."""
    errors = "energy_{0}meV_per_atom force_{0}meV_per_A"
    train, test, six = (errors.format(part) for part in ("train_", "test_", "six_"))
    made: dict[str, tuple[str, Rows]] = {
        "subsets": ("subset structures species with_Cu with_Au with_both more", [
            ["any", 2000, "H O Cu Au Pt", 1500, 900, 304, "x"], ["random", 2000, "H C O Cu Au Pt", 400, 380, 60, "x"],
            ["both", 304, "H O Cu Au", 304, 304, 304, "x"],
        ]),
        "screening": ("study features radial_cutoff_A radial_order angular_cutoff_A angular_order optimizer rate decay "
                      f"alpha seed {errors.format('')} seconds", [
            *(["descriptor", 4 + n, rc, n, 4, 3, "adamw", 1e-3, 0.01, 0.1, s, 3 + 1 / n + s / 10, 90 - n - rc, 10]
              for n in (4, 8, 16) for rc in (5, 8) for s in (1, 2)),
            *(["optimizer", 20, 5, 16, 4, 3, name, rate, decay, 0.1, 1, 3 + rate, 70 + 100 * rate, 10]
              for name in ("adam", "adamw") for rate in (1e-4, 1e-3, 1e-2) for decay in (0, 0.01)),
            *(["alpha", 20, 5, 16, 4, 3, "adamw", 1e-3, 0.01, a, 1, 2 + a, 70 - 20 * a, 10] for a in (0, 0.05, 0.1, 1)),
        ]),
        "pretraining": (f"subset structures {train} {test} seconds", [
            ["random", 2000, 20, 300, 25, 330, 99], ["any", 2000, 19, 280, 24, 320, 99],
            ["both", 304, 10, 200, 30, 400, 9],
        ]),
        "curves": (f"training epoch {test}", [
            [name, epoch, 30 / epoch, 300 / epoch]
            for name in ("pretraining random", "pretraining any", "0.6K scratch 1", "0.6K random, replay 2")
            for epoch in range(1, 6)
        ]),
        "direct": (f"subset target {errors.format('')}", [
            [subset, target, 20 + k, 700 + k] for k, subset in enumerate(("random", "any", "both"))
            for target in ("one molecule", "six molecules")
        ]),
        "finetuning": (f"set structures way seed {train} {test} {six} seconds", [
            [name, size, way, seed, 1, 50, 2 + 0.01 * seed, float(forces(name, way)[k]),
             150 if way == "scratch" else 40, (500 if way == "scratch" else 400) + 7 * seed * (1 + k % 2), 60]
            for name, size in (("8K", 7900), ("0.6K", 574)) for way in WAYS for k, seed in enumerate(SEEDS)
        ]),
        "simulations": ("set way seed time_ps stable_ps ended_by temperature_K temperature_std_K Au_O_A Cu_O_A O_H_A "
                        "ms_per_step", [
            *([name, way, seed, ASKED, time, "time" if time == ASKED else "distance", 300 + seed, 20,
               2.3 if time == ASKED else "", 2.1, 0.97, 2] for name in ("0.6K", "8K") for way in WAYS
              for seed, time in zip(SEEDS, STABLE.get(way, (ASKED,) * 5), strict=True)),
            ["", "GFN1-xTB", 1, 50, 50, "time", 300, 20, 2.31, 2.08, 0.97, 90],
        ]),
        "distances": ("set way seed pair r_A neighbors_per_A", [
            [name, way, seed, pair, r, r + seed]
            for name, way in (("0.6K", "scratch"), ("0.6K", "both"), ("", "GFN1-xTB"))
            for seed in (1, 2) for pair in ("Au-O", "O-H") for r in (0.5, 1.0, 1.5)
        ]),
        "temperatures": ("set way seed time_ps temperature_K", [
            [name, way, seed, t, 300 + t] for name, way in (("0.6K", "random"), ("", "GFN1-xTB"))
            for seed in (1, 2) for t in (0, 1, 2)
        ]),
        "parity": ("set way quantity part reference predicted", [
            ["0.6K", way, quantity, part, 0.1 * k, 0.1 * k + 0.01 * (-1) ** k + (5 if part == "six" else 0)]
            for way in ("scratch", "any") for quantity in ("energy", "force") for part in ("train", "test", "six")
            for k in range(6)
        ]),
    }  # fmt: skip
    return made


def study(folder: Path, without: tuple[str, ...] = (), structures: bool = False) -> Path:
    """Write all tables, and structures on request."""
    folder.mkdir(exist_ok=True)
    for name, (head, rows) in tables().items():
        if name not in without:
            put(folder, name, head, rows)
    if structures:
        frames = [Atoms("CuAu", [[0, 0, 0], [0, 0, 2.5]]), Atoms("OH2", [[0, 0, 0], [0, 0, 1], [0, 1, 0]])]
        frames[0].info.update(title="dimer </script>", caption="A dimer")
        write(folder / "structures.extxyz", frames)
    return folder


def put(folder: Path, name: str, head: str, rows: Rows) -> None:
    with open(folder / f"{name}.csv", "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(head.split())
        table.writerows(rows)


def changed(folder: Path, name: str, column: str, values: dict[str, object]) -> None:
    """Replace a column of a table; values : by way, a number or one for each of its rows."""
    head, rows = tables()[name]
    place, way = head.split().index(column), head.split().index("way")
    counts: dict[object, int] = {}
    for row in rows:
        key = (row[0], row[way])
        given = values.get(str(row[way]), row[place])
        row[place] = given[counts.get(key, 0)] if isinstance(given, (list, tuple)) else given
        counts[key] = counts.get(key, 0) + 1
    put(folder, name, head, rows)
