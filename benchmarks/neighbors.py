"""Time neighbour searches for simulations, and compare them with vesin (pip install vesin).

    python benchmarks/neighbors.py [--example ../shared/tio2] [--repeat 5]

Supercells of TiO2.  Ours lists all pairs closer than the cutoff plus a skin, which hold for some twenty steps of
dynamics; vesin, without a skin, would list those within the cutoff in every step.  Medians of CPU time in one process,
one thread.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
import numpy as np
from md import TIO2, tio2
from measure import ROOT, unpack
from vesin import NeighborList

from aenet_py.neighbors import patches

CUTOFF, SKIN = 6.5, 0.6  # Å


def searches(folder: Path, size: int) -> tuple[int, dict[str, Callable[[], Any]]]:
    """Number of atoms, and searches by name."""
    atoms = tio2(folder, size)
    kinds = np.unique(atoms.numbers, return_inverse=True)[1].astype(np.int64)
    lists = [NeighborList(cutoff=reach, full_list=True) for reach in (CUTOFF, CUTOFF + SKIN)]
    vesin = [
        lambda each=each: each.compute(
            points=atoms.positions, box=atoms.cell.array, periodic=True, quantities="ijSD", copy=False
        )
        for each in lists
    ]
    ours = lambda: patches.patches(atoms, kinds, CUTOFF, SKIN)  # noqa: E731
    return len(atoms), {"vesin": vesin[0], "vesin, with the skin": vesin[1], "ours, with the skin": ours}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--example", type=Path, default=ROOT.parent / "shared" / "tio2")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        unpack(options.example, Path(name))
        print("| atoms | vesin | vesin, with the skin | ours, with the skin |\n| --- | --- | --- | --- |")
        for size in range(len(TIO2) - 1):
            n_atoms, ways = searches(Path(name), size)
            times: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(options.repeat + 1):
                for way, search in ways.items():
                    began = time.process_time()
                    search()
                    times[way].append(time.process_time() - began)
            medians = [1e6 * statistics.median(each[1:]) / n_atoms for each in times.values()]
            print(f"| {n_atoms} | {' | '.join(f'{value:.1f}' for value in medians)} |", flush=True)


if __name__ == "__main__":
    main()
