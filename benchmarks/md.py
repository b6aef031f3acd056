"""Time steps of molecular dynamics with ANNCalculator, and compare them with another checkout of this project.

    python benchmarks/md.py [--example ../shared/tio2] [--before CHECKOUT] [--repeat 3] [--threads 2]

TiO2: velocity Verlet of 1 fs from 300 K, supercells of the example's first structure (100 neighbours, 56 features).
CuAu: a face-centred cubic alloy, 44 features up to 8 and 5 Å, a network of 20 and 20 nodes with small weights.  Steps
include the neighbour searches that they need.  A process per measurement; those of a size alternate.  Figures are the
medians of microseconds per atom and step: CPU time with one thread, wall time with several, which requires as many idle
cores.  General and special are the kernel for any potential and that for this one; single is the latter in single
precision, and committee that for four.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from measure import ROOT, unpack

TIO2 = ((2, 2, 2), (4, 4, 4), (7, 4, 8), (10, 9, 9), (13, 13, 12))  # cells of 24 atoms
CUAU = (6, 8, 10)  # cells of 4 atoms along each axis
SECONDS = 2.0  # of each measurement
WAYS = ("before", "general", "special", "single", "committee", "threads")
N_MEMBERS = 4


def tio2(folder: Path, size: int) -> Atoms:
    from aenet_py.formats import xsf

    structure = xsf.read(str(folder / "dir_xsf" / "structure0001.xsf"))
    symbols = [structure.symbols[s] for s in structure.species]
    return Atoms(symbols, structure.positions, cell=structure.cell, pbc=True).repeat(TIO2[size])


def cuau(_folder: Path, size: int) -> Atoms:
    atoms = bulk("Cu", a=3.85, cubic=True).repeat(CUAU[size])
    atoms.numbers[np.random.default_rng(0).random(len(atoms)) < 0.5] = 79
    return atoms


SYSTEMS = {"TiO2": (tio2, ("Ti", "O"), len(TIO2)), "CuAu": (cuau, ("Cu", "Au"), len(CUAU))}


def write_potentials(folder: Path) -> None:
    """The potentials of CuAu: all forces are small, as only their cost counts."""
    from aenet_py.descriptors.setup import FeatureStatistics, chebyshev_setup
    from aenet_py.formats import potential
    from aenet_py.formats.potential import Network, PotentialFile, Training

    generator, species = np.random.default_rng(0), ("Cu", "Au")
    for symbol in species:
        setup = chebyshev_setup("", symbol, species, 0.5, "Chebyshev", 8.0, 14, 5.0, 6)
        nodes = [setup.n_features, 20, 20, 1]
        n_weights = sum((n + 1) * after for n, after in itertools.pairwise(nodes))
        ones = np.ones(setup.n_features)
        features = FeatureStatistics(1, -1e6 * ones, 1e6 * ones, 0 * ones, 1e6 * ones)
        training = Training("made", False, 1.0, 0.0, species, (0.0, 0.0), 1, 1, 0.0, 0.0, 0.0)
        network = Network.of(nodes, [1, 1, 0], 0.1 * generator.normal(size=n_weights))
        file = PotentialFile(network, setup, features, training)
        (folder / f"{symbol}.nn").write_bytes(potential.to_binary(file))


def calculator(folder: Path, system: str, way: str, threads: int) -> Any:
    from aenet_py.interfaces.ase import ANNCalculator

    endings = {"TiO2": ".pytorch.nn.ascii", "CuAu": ".nn"}
    paths = {symbol: str(folder / (symbol + endings[system])) for symbol in SYSTEMS[system][1]}
    if way == "before":
        return ANNCalculator(paths)
    from aenet_py.runtime import accelerate, specialise

    specialise.AFTER = float("inf") if way == "general" else 0.0
    if way == "general":
        accelerate.Kernel.is_kept = lambda _: False  # type: ignore[method-assign]
    if way == "committee":
        return ANNCalculator([paths] * N_MEMBERS, threads=1)
    if way == "single":
        return ANNCalculator(paths, threads=1, precision="single")
    return ANNCalculator(paths, threads=threads if way == "threads" else 1)


def measure(folder: Path, system: str, size: int, way: str, threads: int) -> dict[str, float]:
    """Of this process: seconds per step, page faults per step, and the number of atoms."""
    atoms = SYSTEMS[system][0](folder, size)
    atoms.calc = calculator(folder, system, way, threads)
    MaxwellBoltzmannDistribution(atoms, temperature_K=300, rng=np.random.default_rng(0))
    run = VelocityVerlet(atoms, 1.0 * units.fs).run
    run(2)
    for thread in threading.enumerate():
        if thread.name == "aenet_py compiler":
            thread.join()
    clock = time.perf_counter if way == "threads" else time.process_time
    began = clock()
    run(2)
    n = max(3, round(SECONDS / (clock() - began) * 2))
    began, faults = clock(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    run(n)
    seconds = (clock() - began) / n
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    return {"seconds": seconds, "faults": faults / n, "atoms": len(atoms)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--example", type=Path, default=ROOT.parent / "shared" / "tio2")
    parser.add_argument("--before", type=Path, help="another checkout")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        folder, system, size, way = options.one
        print(json.dumps(measure(Path(folder), system, int(size), way, options.threads)))
        return
    sys.path.insert(0, str(ROOT))
    ways = [way for way in WAYS if way != "before" or options.before]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack(options.example, folder, "*.nn.ascii")
        write_potentials(folder)

        def run(system: str, size: int, way: str) -> dict[str, float]:
            checkout = options.before if way == "before" else ROOT
            command = [sys.executable, "-W", "ignore", __file__, "--threads", str(options.threads)]
            command += ["--one", name, system, str(size), way]
            variables = {**os.environ, "PYTHONPATH": str(checkout)}
            return json.loads(subprocess.run(command, env=variables, check=True, capture_output=True).stdout)

        for system in SYSTEMS:
            for way in ways:
                run(system, 0, way)  # compiles, once
        print(f"| atoms | {' | '.join(ways)} | page faults per step |")
        print("| --- " * (len(ways) + 2) + "|")
        for system, (_, _, n_sizes) in SYSTEMS.items():
            for size in range(n_sizes):
                runs = [{way: run(system, size, way) for way in ways} for _ in range(options.repeat)]
                n_atoms = round(runs[0]["special"]["atoms"])
                medians = [statistics.median(each[way]["seconds"] for each in runs) for way in ways]
                faults = statistics.median(each["special"]["faults"] for each in runs)
                figures = " | ".join(f"{1e6 * seconds / n_atoms:.2f}" for seconds in medians)
                print(f"| {n_atoms} {system} | {figures} | {faults:.1f} |", flush=True)


if __name__ == "__main__":
    main()
