"""Compare LAMMPS with potentials attached with ANNCalculator in ASE: steps per second, one core each.

    python benchmarks/in_lammps.py [--example ../shared/tio2] [--repeat 3] [--seconds 3] [--processes 2] [--mliap]

NVE dynamics at 300 K with steps of 1 fs, of supercells of the example's first structure, including neighbour searches.
Figures are the best of several alternating runs, in CPU seconds.

--processes also runs LAMMPS in this many processes with mpiexec, in wall time, which requires as many idle cores.
Strong scaling: steps per second in these over those in one, over their number.  Weak scaling: steps per second in these
over those in one process with as many atoms per process.  --mliap uses LAMMPS with ML-IAP instead of the fix.  If
LAMMPS has ænet's own pair_style aenet, it is measured as well and must give the same forces.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
import numpy as np
from ase import Atoms, units
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from measure import ROOT, unpack
from predict import first_structure

sys.path.insert(0, str(ROOT))
from aenet_py.cli import nnascii2bin
from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.interfaces.lammps import attach
from aenet_py.interfaces.mliap import Unified

SIZES = ((2, 2, 2), (4, 2, 2), (4, 4, 4), (8, 4, 4), (7, 4, 8), (7, 8, 8))  # cells of 24 atoms, the first structure's
SPECIES = ("Ti", "O")
MASSES = (47.867, 15.999)


def in_ase(atoms: Atoms, potentials: dict[str, str]) -> Any:
    atoms = atoms.copy()
    atoms.calc = ANNCalculator(potentials, threads=1)
    MaxwellBoltzmannDistribution(atoms, temperature_K=300)
    return VelocityVerlet(atoms, 1.0 * units.fs).run


def in_lammps(atoms: Atoms, potentials: dict[str, str], way: str) -> Any:
    """LAMMPS with the potentials; way : attach, mliap or aenet."""
    from lammps import lammps

    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    (xx, _, _), (xy, yy, _), (xz, yz, zz) = atoms.cell.array.tolist()
    lmp.commands_list(["units metal", "atom_modify map array", "box tilt large"])
    lmp.commands_list([f"region box prism 0 {xx} 0 {yy} 0 {zz} {xy} {xz} {yz}", "create_box 2 box"])
    types = [SPECIES.index(symbol) + 1 for symbol in atoms.get_chemical_symbols()]
    lmp.create_atoms(len(atoms), list(range(1, len(atoms) + 1)), types, atoms.positions.ravel().tolist())
    lmp.commands_list([f"mass {number} {mass}" for number, mass in enumerate(MASSES, start=1)])
    if way == "aenet":
        folder, names = Path(potentials["Ti"]).parent, [Path(path).name for path in potentials.values()]
        os.chdir(folder)  # the style takes species from file names
        lmp.commands_list([f"pair_style aenet {' '.join(names)}", "pair_coeff * *"])
    elif way == "mliap":
        from lammps.mliap import activate_mliappy

        activate_mliappy(lmp)
        with tempfile.TemporaryDirectory() as name:
            Unified(potentials).pickle(f"{name}/aenet.pkl")
            lmp.commands_list([f"pair_style mliap unified {name}/aenet.pkl", f"pair_coeff * * {' '.join(SPECIES)}"])
    else:
        attach(lmp, potentials, SPECIES)
    lmp.commands_list(["velocity all create 300 1", "fix move all nve", "timestep 0.001", "thermo 10"])
    lmp.command("run 0 post no")
    return lmp


def stepping(lmp: Any) -> Any:
    return lambda steps: lmp.command(f"run {steps} pre no post no")


def rate(run: Any, seconds: float) -> float:
    """Steps per second of CPU time, measured for about this many seconds."""
    began = time.process_time()
    run(5)
    steps = max(5, int(5 * seconds / (time.process_time() - began)))
    began = time.process_time()
    run(steps)
    return steps / (time.process_time() - began)


def structure(size: tuple[int, int, int], folder: Path) -> Atoms:
    atoms = first_structure(folder).repeat(size)
    cell, _ = atoms.cell.standard_form()
    atoms.set_cell(cell, scale_atoms=True)
    atoms.wrap()
    return atoms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--example", type=Path, default=ROOT.parent / "shared" / "tio2")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--mliap", action="store_true", help="use a LAMMPS that was built with ML-IAP and Python")
    parser.add_argument("--one-of-many", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one_of_many:
        worker(options.one_of_many, options.seconds, options.mliap)
        return
    print(
        "| atoms | ASE | LAMMPS | ratio | µs an atom | several processes | strong | weak | pair_style aenet | ratio |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    alone: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack(options.example, folder, "*.nn.ascii")
        for symbol, path in potentials(folder).items():
            nnascii2bin.main([str(folder / f"{symbol}.pytorch.nn.ascii"), path])
        for size in SIZES:
            atoms = structure(size, folder)
            n, lmp = len(atoms), in_lammps(atoms, potentials(folder), "mliap" if options.mliap else "attach")
            peer = in_lammps(atoms, potentials(folder), "aenet") if lmp.has_style("pair", "aenet") else None
            runs = [in_ase(atoms, potentials(folder)), stepping(lmp)]
            if peer is not None:
                forces = [np.array(each.gather_atoms("f", 1, 3)) for each in (lmp, peer)]
                assert abs(forces[0] - forces[1]).max() < 1e-10
                runs.append(stepping(peer))
            found = [[rate(run, options.seconds) for run in runs] for _ in range(options.repeat)]
            in_ase_best, alone[n], *others = (max(column) for column in zip(*found, strict=True))
            if peer is not None:
                peer.close()  # only one can exist at a time
            cells = [str(n), f"{in_ase_best:.1f}", f"{alone[n]:.1f}", f"{alone[n] / in_ase_best:.2f}"]
            cells.append(f"{1e6 / alone[n] / n:.1f}")
            if options.processes > 1:
                (folder / "size.json").write_text(json.dumps(size))
                many, fewer = max(several(folder, options) for _ in range(options.repeat)), n // options.processes
                cells += [f"{many:.1f}", f"{many / alone[n] / options.processes:.2f}"]
                cells.append(f"{many / alone[fewer]:.2f}" if fewer in alone else "")
            cells += [""] * (8 - len(cells))
            cells += [text for other in others for text in (f"{other:.2f}", f"{alone[n] / other:.1f}")]
            print("| " + " | ".join(cells) + " |", flush=True)


def several(folder: Path, options: argparse.Namespace) -> float:
    """Steps per second of wall time in several processes."""
    command = ["mpiexec", "-n", str(options.processes), sys.executable, __file__, "--one-of-many", str(folder)]
    command += ["--seconds", str(options.seconds), *["--mliap"] * options.mliap]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def potentials(folder: Path) -> dict[str, str]:
    return {symbol: str(folder / f"{symbol}.nn") for symbol in SPECIES}


def worker(folder: Path, seconds: float, mliap: bool) -> None:
    from mpi4py import MPI

    atoms = structure(json.loads((folder / "size.json").read_text()), folder)
    run = stepping(in_lammps(atoms, potentials(folder), "mliap" if mliap else "attach"))
    began = time.perf_counter()
    run(5)
    steps = MPI.COMM_WORLD.bcast(max(5, int(5 * seconds / (time.perf_counter() - began))))
    began = time.perf_counter()
    run(steps)
    if MPI.COMM_WORLD.rank == 0:
        print(steps / (time.perf_counter() - began))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
