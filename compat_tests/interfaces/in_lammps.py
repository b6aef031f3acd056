"""ASE structures in LAMMPS with attached potentials, and the results; also a program for mpiexec.

mpiexec -n 4 python -m compat_tests.interfaces.in_lammps SYSTEM STEPS OUT.npz attach|mliap
"""

from __future__ import annotations

import functools
import importlib.util
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers

from aenet_py.interfaces.lammps import FIX, SPREAD_FIX, attach
from aenet_py.interfaces.mliap import Unified
from compat_tests.interfaces import test_ase as calculators
from compat_tests.potentials.made import repulsive

ROOT = Path(__file__).parents[2]
MPIEXEC = Path(sys.executable).with_name("mpiexec")
VOIGT = [0, 1, 2, 5, 4, 3]  # of LAMMPS' order, in ASE's


def triclinic() -> Atoms:
    atoms = calculators.crystal() * (2, 1, 3)
    cell, _ = atoms.cell.standard_form()
    atoms.set_cell(cell, scale_atoms=True)
    return atoms


def tiny() -> Atoms:
    """A cell much smaller than the cutoff: every atom is its own neighbour."""
    atoms = Atoms(
        "CuO", [[0.1, 0.2, 0.1], [1.4, 1.5, 1.2]], cell=[[2.7, 0, 0], [0.4, 2.8, 0], [-0.3, 0.5, 2.6]], pbc=True
    )
    atoms.wrap()
    return atoms


def cluster() -> Atoms:
    atoms = calculators.cluster()
    atoms.center(vacuum=3.0)
    return atoms


def slab() -> Atoms:
    """Periodic in a skewed plane, free perpendicular to it."""
    atoms = Atoms("Cu4O2AuH", cell=[[5.1, 0, 0], [1.2, 4.8, 0], [0, 0, 14.0]], pbc=(True, True, False))
    corners = [[0, 0, 0.3], [0.5, 0.5, 0.3], [0, 0.5, 0.45], [0.5, 0, 0.45], [0, 0.1, 0.6], [0.6, 0.5, 0.6]]
    atoms.set_scaled_positions([*corners, [0.25, 0.25, 0.7], [0.3, 0.9, 0.68]])
    return atoms


def behler() -> Atoms:
    atoms = calculators.behler_crystal()
    cell, _ = atoms.cell.standard_form()
    atoms.set_cell(cell, scale_atoms=True)
    atoms.wrap()
    return atoms


SYSTEMS = {
    "triclinic": triclinic, "tiny": tiny, "cluster": cluster, "slab": slab, "behler": behler, "repulsion": triclinic,
}  # fmt: skip
WITH_COMMITTEE = {**SYSTEMS, "committee": triclinic}


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Exists as long as the program runs."""
    return tempfile.TemporaryDirectory()


def potentials(system: str) -> Any:
    if system == "committee":
        return [calculators.networks(), calculators.networks(calculators.OTHERS)]
    if system == "repulsion":
        return repulsive(calculators.networks(), "zbl inner=1.5 outer=3.2 Cu-O=1.2:2.9", Path(_folder().name))
    return calculators.SYSTEMS["behler"][1] if system == "behler" else calculators.networks()


def start(atoms: Atoms, elements: list[str], units: str = "metal") -> Any:
    """A LAMMPS instance with only these atoms, whose cell is lower triangular."""
    from lammps import lammps

    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    (xx, _, _), (xy, yy, _), (xz, yz, zz) = atoms.cell.array.tolist()
    box = f"0 {xx!r} 0 {yy!r} 0 {zz!r}"
    shape = f"block {box}" if xy == xz == yz == 0 else f"prism {box} {xy!r} {xz!r} {yz!r}"
    boundary = " ".join("p" if periodic else "f" for periodic in atoms.pbc)
    lmp.commands_list([f"units {units}", f"boundary {boundary}", "atom_modify map array", f"region box {shape}"])
    lmp.commands_list(["box tilt large", f"create_box {len(elements)} box"])
    types = [elements.index(symbol) + 1 for symbol in atoms.get_chemical_symbols()]
    for number, symbol in enumerate(elements, start=1):
        lmp.command(f"mass {number} {atomic_masses[atomic_numbers[symbol]]}")
    numbers = list(range(1, len(atoms) + 1))
    lmp.create_atoms(len(atoms), numbers, types, atoms.positions.ravel().tolist())
    assert lmp.get_natoms() == len(atoms)
    return lmp


def ready(atoms: Atoms, paths: Any, **options: Any) -> Any:
    """The same with potentials, and all that `results` needs; paths : those of a committee are a list."""
    elements = list(paths if isinstance(paths, Mapping) else paths[0])
    lmp = start(atoms, elements)
    attach(lmp, paths, elements, **options)
    return asking(lmp)


def with_mliap(atoms: Atoms, paths: Mapping[str, str]) -> Any:
    """As `ready`, with the potentials in ML-IAP."""
    from lammps.mliap import activate_mliappy

    lmp = start(atoms, list(paths))
    activate_mliappy(lmp)
    with tempfile.TemporaryDirectory() as name:
        path = str(Path(name) / "aenet.pkl")
        Unified(paths).pickle(path)
        lmp.commands_list([f"pair_style mliap unified {path}", f"pair_coeff * * {' '.join(paths)}"])
    return asking(lmp)


@functools.cache
def has_mliap() -> bool:
    """Whether LAMMPS has ML-IAP and Python."""
    if importlib.util.find_spec("lammps") is None:
        return False
    from lammps import lammps

    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    return all(lmp.has_package(name) for name in ("ML-IAP", "PYTHON"))


def asking(lmp: Any) -> Any:
    """Let LAMMPS compute what `results` needs."""
    lmp.commands_list(["compute each all pe/atom", "compute virial all pressure NULL virial", "fix move all nve"])
    asked = " ".join(f"c_virial[{i}]" for i in range(1, 7))
    lmp.commands_list(["compute sum all reduce sum c_each", f"thermo_style custom step pe etotal c_sum {asked}"])
    return lmp


def results(lmp: Any) -> dict[str, np.ndarray]:
    """Results of the last step, in eV and Å, with atoms in order of their tags and stress in ASE's convention."""
    n = int(lmp.get_natoms())
    positions, forces = (np.array(lmp.gather_atoms(name, 1, 3)).reshape(n, 3) for name in ("x", "f"))
    pressure = np.array(lmp.numpy.extract_compute("virial", 0, 1))[VOIGT]
    low, high, xy, yz, xz, _, _ = lmp.extract_box()
    lengths = np.subtract(high, low)
    fix = [lmp.extract_fix(FIX, 0, 0), lmp.extract_fix(FIX, 0, 1, 0)] if lmp.has_id("fix", FIX) else []
    return {
        "energy": np.array(lmp.get_thermo("pe")),
        "total": np.array(lmp.get_thermo("etotal")),
        "energies": np.array(lmp.gather("c_each", 1, 1)),
        "fix": np.array(fix),
        "forces": forces,
        "positions": positions,
        **({"spread": np.array(lmp.gather("d_aenet_spread", 1, 1))} if lmp.has_id("fix", SPREAD_FIX) else {}),
        "stress": -pressure / lmp.extract_global("nktv2p"),
        "origin": np.array(low),
        "cell": np.array([[lengths[0], 0, 0], [xy, lengths[1], 0], [xz, yz, lengths[2]]]),
    }


def launch(n: int, system: str, steps: int, path: Path, way: str = "attach") -> None:
    """`main` in n processes."""
    program = [sys.executable, "-m", "compat_tests.interfaces.in_lammps", system, str(steps), path, way]
    command = [MPIEXEC, "-n", str(n), *program]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300, stdin=subprocess.DEVNULL)


def main(system: str, steps: str, path: str | Path, way: str = "attach") -> None:
    """Some steps of dynamics; writes `results` to path.  way : attach or mliap."""
    options = {"spread_every": 20} if system == "committee" else {}
    lmp = (ready if way == "attach" else with_mliap)(WITH_COMMITTEE[system](), potentials(system), **options)
    # A drift carries atoms through the faces of the box and from one process to another.
    lmp.commands_list(["velocity all create 40 4711 loop all", "timestep 0.0005"])
    if system != "cluster":
        lmp.command("velocity all set 60.0 45.0 0.0 sum yes")
    lmp.command(f"run {steps}")
    found = results(lmp)
    if lmp.extract_setting("world_rank") == 0:
        np.savez(path, **found)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
