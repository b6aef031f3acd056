"""A study of transfer learning, step by step after the one on OC20 and CuAu with water (arXiv 2408.12939).

    python docs/study/paper.py --folder FOLDER [--results FOLDER] [--data FOLDER] [--processes N] [--quick]

Selects three subsets of a database of clusters, screens descriptors, optimizers and weights of forces, trains a
potential on each subset, and applies and fine-tunes it to CuAu with one water molecule, beside training from scratch.
Every potential then simulates the cluster with six molecules.  Reference data are from GFN1-xTB (reference.py).

All numbers go to CSV files in the folder of results, from which `aenet-py report --study` makes tables and figures.
Rows that are there are not computed again, so repeating the command resumes.  Sets of more structures than the first
trajectory has need those of `reference.py --only-sampled` in the folder of data; others are left out.
"""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import steps
from results import Results, Task, compute
from steps import SUBSETS, WAYS, Places, Screening, Size
from training import DATA, Basis

from aenet_py.runtime.workers import processors

FULL = Size({"30": 30, "100": 100, "0.6K": 574, "8K": 8000}, ("0.6K", "8K"))
QUICK = Size(
    {"30": 30, "0.7K": 680}, ("30",), subset=40, seeds=2, epochs=(2, 3, 3), least=30, large=(1, 64), ps=0.02, every=200,
    screening=Screening((Basis(),), ("adam",), (1e-3,), (0.0,), (0.1,), 20, 1),
    ways=("scratch", "random", "random, repulsion, replay"), large_ways=("random",),
)  # fmt: skip


def screened(size: Size) -> Iterable[Task]:
    """Trainings that compare descriptors, then optimizers, then weights of forces, one thing at a time."""
    plain: dict[str, Any] = {"method": "adamw", "lr": 0.003, "regularization": 0.0, "forces_weight": 0.3}
    wanted = size.screening
    cases: list[tuple[str, Basis, dict[str, Any]]] = [("descriptor", basis, plain) for basis in wanted.bases]
    for method, rate, decay in itertools.product(wanted.optimizers, wanted.rates, wanted.decays):
        cases.append(("optimizer", Basis(), plain | {"method": method, "lr": rate, "regularization": decay}))
    cases += [("alpha", Basis(), plain | {"forces_weight": alpha}) for alpha in wanted.alphas]
    for study, basis, settings in cases:
        for seed in range(1, 2 if study == "optimizer" else wanted.seeds + 1):
            key = {
                "study": study, "features": basis.n_features, "radial_cutoff_A": basis.radial_cutoff,
                "radial_order": basis.radial_order, "angular_cutoff_A": basis.angular_cutoff,
                "angular_order": basis.angular_order, "optimizer": settings["method"], "rate": settings["lr"],
                "decay": settings["regularization"], "alpha": settings["forces_weight"], "seed": seed,
            }  # fmt: skip
            yield Task("screening", key, steps.screening, (basis, settings))


def tuned(size: Size) -> Iterable[Task]:
    """Fine-tunings and trainings from scratch: all ways with a seed, then with the next; without repulsion first."""
    for name, n in size.sets.items():
        for seed, way in itertools.product(range(1, size.seeds + 1), size.ways if n <= size.least else size.large_ways):
            if name in size.simulated or not WAYS[way].repulsion:
                yield Task("finetuning", {"set": name, "way": way, "seed": seed}, steps.fine_tuning, (n, way))


def moved(tuning: Iterable[Task], size: Size) -> Iterable[Task]:
    """Simulations with the potentials of trainings."""
    for task in tuning:
        if steps.is_simulated(size, task.key):
            yield Task("simulations", task.key, steps.simulated, task.arguments)


def trained(size: Size) -> Iterable[tuple[Task, tuple[str, bool]]]:
    """Pre-trainings, with the subset and whether there is a repulsion."""
    for name, repulsion in itertools.product(SUBSETS, (False, True)):
        if any((WAYS[way].source, WAYS[way].repulsion) == (name, repulsion) for way in size.ways):
            key = {"subset": f"{name}, repulsion" if repulsion else name}
            yield Task("pretraining", key, steps.pretraining, (name, repulsion)), (name, repulsion)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="folder for trainings")
    parser.add_argument("--results", type=Path, help="folder for tables (default: FOLDER/results)")
    parser.add_argument("--data", type=Path, default=DATA, help="reference data (default: beside this script)")
    parser.add_argument("--processes", type=int, default=processors(), help="default: one for each processor")
    parser.add_argument("--sets", nargs="+", help="of fine-tuning (default: all)")
    parser.add_argument("--quick", action="store_true", help="run a very small study, as a test")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    if options.sets:
        size = replace(size, sets={name: size.sets[name] for name in options.sets})
    os.environ["OMP_NUM_THREADS"] = "1"  # of each process
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    places, results = Places(options.data.resolve(), folder, size), Results(options.results or folder / "results")
    n = options.processes
    known = len(steps.one_molecule(places))
    for name, n_structures in size.sets.items():
        if n_structures > known:
            there = f"needs {n_structures} structures with one molecule, and there are {known}"
            print(f"{name}: left out; {there} (reference.py --only-sampled makes more)")
    size = replace(size, sets={name: wanted for name, wanted in size.sets.items() if wanted <= known})
    steps.split(places)
    for name in SUBSETS:
        task = Task("subsets", {"subset": name}, steps.subset)
        results.add(task, task(places))
    steps.examples(places, results.folder / "structures.extxyz")
    truth = Task("simulations", {"set": "", "way": steps.REFERENCE, "seed": ""}, steps.reference)
    compute(results.missing([truth]), places, results, n)
    tuning, sources = results.missing(tuned(size)), dict(trained(size))
    moving = results.missing(moved(tuned(size), size))
    needed = {(WAYS[task.arguments[1]].source, WAYS[task.arguments[1]].repulsion) for task in [*tuning, *moving]}
    gone = [task for task, source in sources.items() if source in needed and not steps.is_trained(places, *source)]
    untold = results.missing(sources)
    compute([task for task in sources if task in gone or task in untold], places, results, n)
    compute(tuning, places, results, n)
    compute(moving, places, results, n)
    compute(results.missing(screened(size)), places, results, n)


if __name__ == "__main__":
    main()
