"""Compare predict.x and ANNCalculator with the original's predict.x, one thread each.

    python benchmarks/predict.py --original FOLDER [--example ../shared/tio2] [--repeat 5]

--original is the folder with ænet's predict.x.  Figures are the best of several runs that alternate between the
original and aenet_py, in CPU seconds.  MD steps are timed in this process; the original's time for the same structure
is that of its program for two copies minus that for one.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
from ase import Atoms, units
from ase.md.langevin import Langevin
from measure import ROOT, best, launcher, measure, unpack

sys.path.insert(0, str(ROOT))
from aenet_py.cli import nnascii2bin
from aenet_py.formats import xsf
from aenet_py.interfaces.ase import ANNCalculator

SIZES = ((2, 2, 2), (4, 4, 4), (7, 4, 8), (10, 9, 9))  # cells of the example's first structure, of 24 atoms
STEPS = 100
DECK = """TYPES
2
Ti
O
NETWORKS
Ti Ti.pytorch.nn
O O.pytorch.nn
FORCES
VERBOSITY low
FILES
{n}
"""


def first_structure(folder: Path) -> Atoms:
    structure = xsf.read(str(folder / "dir_xsf" / "structure0001.xsf"))
    symbols = [structure.symbols[s] for s in structure.species]
    return Atoms(symbols, structure.positions, cell=structure.cell, pbc=True)


def write_xsf(atoms: Atoms, path: Path) -> None:
    rows = ["# total energy = 0.0 eV", "CRYSTAL", "PRIMVEC"]
    rows += [" ".join(f"{x:.10f}" for x in vector) for vector in atoms.cell.array.tolist()]
    rows += ["PRIMCOORD", f"{len(atoms)} 1"]
    for symbol, position in zip(atoms.get_chemical_symbols(), atoms.positions.tolist(), strict=True):
        rows.append(f"{symbol} " + " ".join(f"{x:.10f}" for x in position) + " 0.0 0.0 0.0")
    path.write_text("\n".join(rows) + "\n")


def dynamics(atoms: Atoms, folder: Path) -> tuple[float, float]:
    """Seconds per MD step, including neighbour searches, and per evaluation with an existing neighbour list."""
    potentials = {symbol: str(folder / f"{symbol}.pytorch.nn") for symbol in ("Ti", "O")}
    atoms.calc = ANNCalculator(potentials, threads=1)
    run = Langevin(atoms, 1.0 * units.fs, temperature_K=300, friction=0.01 / units.fs)
    run.run(5)
    steps = max(5, STEPS * 1536 // len(atoms) // 2)
    began = time.process_time()
    run.run(steps)
    step = (time.process_time() - began) / steps
    began = time.process_time()
    for _ in range(3):
        atoms.calc.calculate(atoms)
    return step, (time.process_time() - began) / 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--original", type=Path, required=True, help="folder with the original's predict.x")
    parser.add_argument("--example", type=Path, default=ROOT.parent / "shared" / "tio2")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    theirs, ours = [str(options.original.resolve() / "predict.x")], [*launcher("predict.x"), "--threads", "1"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack(options.example, folder, "*.nn.ascii", "predict.in")
        for symbol in ("Ti", "O"):
            nnascii2bin.main([str(folder / f"{symbol}.pytorch.nn.ascii"), str(folder / f"{symbol}.pytorch.nn")])
        measure([*ours, "predict.in"], folder)  # compiles, once
        runs = [
            (measure([*theirs, "predict.in"], folder), measure([*ours, "predict.in"], folder))
            for _ in range(options.repeat)
        ]
        original, mine = best([a for a, _ in runs]), best([b for _, b in runs])
        print(
            f"200 structures with forces, CPU s: {original.cpu:.3f} {mine.cpu:.3f} ratio {original.cpu / mine.cpu:.2f}"
        )
        print(f"the same, memory in MB: {original.megabytes:.0f} {mine.megabytes:.0f}")
        atoms = first_structure(folder)
        for size in SIZES:
            large = atoms.repeat(size)
            step, evaluation = dynamics(large, folder)
            per_atom = f"{1e6 * evaluation / len(large):.1f} us per atom, {1e6 * step / len(large):.1f} with MD"
            line = f"{len(large)} atoms: {step:.4f} s per step, {evaluation:.4f} s per evaluation ({per_atom})"
            if len(large) < 2000:
                write_xsf(atoms.repeat(size), folder / "large.xsf")
                seconds = []
                for n in (1, 2):
                    (folder / "large.in").write_text(DECK.format(n=n) + "large.xsf\n" * n)
                    seconds.append(best([measure([*theirs, "large.in"], folder) for _ in range(3)]).cpu)
                fortran = seconds[1] - seconds[0]
                line += f"; original {fortran:.4f} s, ratio {fortran / step:.1f}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
