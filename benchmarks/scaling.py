"""Cost of generate.x and aenet_pytorch.py per atom, against the number and the size of the structures.

    python benchmarks/scaling.py [--structures 500 1000 2000 4000] [--layers-of 2 4 8 16] [--repeat 2]

Alloy slabs of 75 atoms with adsorbates, with four species, as in OC20; 44 Chebyshev features, cutoffs of 8 and 6.5 Å;
networks with two layers of 20 nodes; a tenth of the structures with forces; batches of 256.  Energies and forces are
those of springs, because only their number matters here.  One thread, best of several runs.
"""

from __future__ import annotations

import argparse
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import fcc111
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from measure import best, launcher, measure
from train import train

SPECIES = ("Cu", "Pt", "O", "H")
SETUP = """DESCR
END DESCR
ATOM {symbol}
ENV 4
Cu
Pt
O
H
RMIN 0.5
BASIS type=Chebyshev
radial_Rc = 8.0  radial_N = 16  angular_Rc = 6.5  angular_N = 4
"""
GENERATE = """OUTPUT bench.train
TYPES
4
Cu -3.5
Pt -5.8
O -1.6
H -1.1
SETUPS
{setups}
{forces}
FILES
1
{file}
"""
TRAIN = """TRAININGSET set.train
TESTPERCENT 10
ITERATIONS {epochs}
ITERWRITE 1
BATCHSIZE 256
NPSEED 1
PHSEED 1
FORCES
alpha=0.1
{memory}
METHOD
method=adamw lr=0.0001
NETWORKS
{networks}
"""
FORCES = "FORCES\nFORCESPERCENT 10\nFORCESSEED 1"
EPOCHS = 3
GENERATED, TRAINED = ("µs an atom", "MB", "MB written"), ("an epoch, µs an atom", "outside, s", "MB")


def slab(n: int, rng: np.random.Generator) -> Atoms:
    """Slab of 4 n² metal atoms in four layers, with adsorbates per 16 metal atoms; 75 atoms for n = 4."""
    atoms = fcc111("Cu", (n, n, 4), a=3.8, vacuum=9.0, periodic=True)
    metal = len(atoms)
    atoms.info.clear()
    atoms.symbols[rng.random(metal) < 0.5] = "Pt"
    n_more = max(1, 11 * n * n // 16)
    places = rng.choice(np.flatnonzero(atoms.positions[:, 2] > atoms.positions[:, 2].max() - 1), n_more, replace=True)
    heights = 1.6 + 1.3 * np.array([np.count_nonzero(places[:i] == place) for i, place in enumerate(places)])
    atoms.extend(Atoms(list(rng.choice(["O", "H"], n_more)), atoms.positions[places] + heights[:, None] * [0, 0, 1]))
    moved = 0.08 * rng.normal(size=(len(atoms), 3))
    atoms.positions += moved
    energy = -3.5 * len(atoms) + 2.0 * float((moved**2).sum())
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=-4.0 * moved)
    return atoms


def prepare(folder: Path, n_structures: int, n: int) -> int:
    """Write structures and decks; returns the number of atoms."""
    rng = np.random.default_rng(n_structures)
    frames = [slab(n, rng) for _ in range(n_structures)]
    write(folder / "all.extxyz", frames, format="extxyz")
    for symbol in SPECIES:
        (folder / f"{symbol}.stp").write_text(SETUP.format(symbol=symbol))
    setups = "\n".join(f"{symbol} {symbol}.stp" for symbol in SPECIES)
    for name, forces in (("energies.in", ""), ("forces.in", FORCES)):
        (folder / name).write_text(GENERATE.format(setups=setups, forces=forces, file="all.extxyz"))
    networks = "\n".join(f"{symbol} {symbol}.nn 2 20:tanh 20:tanh" for symbol in SPECIES)
    for name, memory in (("memory", ""), ("recompute", "MEMORY_MODE recompute\nFORCESPERCENT 10\nFORCESSEED 1")):
        deck = TRAIN.format(epochs=EPOCHS, memory=memory, networks=networks)
        (folder / f"{name}.in").write_text("".join(line for line in deck.splitlines(keepends=True) if line.strip()))
    return sum(map(len, frames))


def generated(folder: Path, deck: str, repeat: int) -> tuple[float, float, float]:
    """Seconds, megabytes of memory, megabytes written."""
    command = [*launcher("generate.x"), "--threads", "1", deck]
    found = best([measure(command, folder) for _ in range(repeat)])
    return found.seconds, found.megabytes, sum(path.stat().st_size for path in folder.glob("bench.train*")) / 1e6


def row(n_structures: int, n: int, repeat: int, *, training: bool) -> list[str]:
    """Microseconds per atom and megabytes for generate.x and, if requested, for training."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ProcessPoolExecutor(1) as other:  # the memory of a process counts as that of the programs it starts
            n_atoms = other.submit(prepare, folder, n_structures, n).result()
        cells = [str(n_structures), str(n_atoms // n_structures)]
        for deck in ("energies.in", "forces.in"):
            seconds, memory, written = generated(folder, deck, repeat)
            cells += [f"{1e6 * seconds / n_atoms:.1f}", f"{memory:.0f}", f"{written:.0f}"]
        if training:
            for path in folder.glob("bench.train*"):  # `measure` removes files of this name
                path.rename(folder / path.name.replace("bench", "set"))
            for deck in ("memory.in", "recompute.in"):
                command = ["taskset", "-c", "0", *launcher("aenet_pytorch.py"), deck]
                runs = [train(command, folder, EPOCHS) for _ in range(repeat)]
                epoch, outside, memory = map(min, zip(*runs, strict=True))
                cells += [f"{1e6 * epoch / n_atoms:.2f}", f"{outside:.1f}", f"{memory:.0f}"]
        return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--structures", type=int, nargs="+", default=[500, 1000, 2000, 4000])
    parser.add_argument("--layers-of", type=int, nargs="+", default=[2, 4, 8, 16])
    parser.add_argument("--repeat", type=int, default=2)
    options = parser.parse_args()
    generate = [f"{what}: {figure}" for what in ("energies", "a tenth with forces") for figure in GENERATED]
    trainings = [f"{what}: {figure}" for what in ("in memory", "recomputed") for figure in TRAINED]
    print("| structures | atoms | " + " | ".join(generate + trainings) + " |")
    print("| --- " * (2 + len(generate + trainings)) + "|")
    for n_structures in options.structures:
        print("| " + " | ".join(row(n_structures, 4, options.repeat, training=True)) + " |", flush=True)
    print("\n| structures | atoms | " + " | ".join(generate) + " |")
    print("| --- " * (2 + len(generate)) + "|")
    for n in options.layers_of:
        print("| " + " | ".join(row(max(2, 16000 // n**2), n, options.repeat, training=False)) + " |", flush=True)


if __name__ == "__main__":
    main()
