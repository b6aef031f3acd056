"""Reference structures from ASE's EMT instead of DFT: a database of slabs with adsorbates, and clusters with water.

The EMT parameters of H, C, N and O are for tests only: molecules dissociate on the metals, and the energies are not
those of real systems.  What matters here is that, as in DFT, the energy is a smooth function of all positions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.build import fcc100, fcc111, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.cluster import Octahedron
from ase.constraints import FixCom
from ase.data import atomic_numbers, reference_states
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.optimize import FIRE

METALS = {"Cu": 2, "Au": 2, "Ag": 1, "Pd": 1, "Pt": 1, "Ni": 1, "Al": 1}  # relative frequencies
SPECIES = ("H", "C", "N", "O", "Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au")  # ENV of all set-ups
ADSORBATES = ("H", "C", "N", "O", "OH", "CO", "NO", "CH", "NH", "H2O", "CN")
LARGEST_FORCE = 15.0  # eV/Å; structures with larger forces are left out of the database
WARM_UP, EVERY = 200, 20  # steps of dynamics before the first frame, and between frames
FRAMES = 6  # per system of the database, along a relaxation from a rattled start
SETUP = """DESCR
  {symbol} among all species of the database
END DESCR
ATOM {symbol}
ENV {n}
{species}
RMIN 0.5
BASIS type=Chebyshev
radial_Rc = 6.0  radial_N = 10  angular_Rc = 4.0  angular_N = 4
"""


def slab(rng: np.random.Generator) -> Atoms:
    """A strained, rattled slab of one or two metals with one to four adsorbates."""
    shares = np.array(list(METALS.values())) / sum(METALS.values())
    two = [str(metal) for metal in rng.choice(list(METALS), size=2, replace=False, p=shares)]
    lattice = np.mean([reference_states[atomic_numbers[metal]]["a"] for metal in two]) * rng.uniform(0.97, 1.03)
    build = fcc111 if rng.random() < 0.5 else fcc100
    atoms = build(two[0], size=(2, 2, 3), a=lattice, vacuum=7.0)
    share = rng.choice([0.0, 0.25, 0.5])
    atoms.symbols[rng.random(len(atoms)) < share] = two[1]
    top = atoms.positions[:, 2].max()
    spots = rng.permutation([(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)]) + rng.uniform(0, 0.5, size=2)
    for spot in spots[: rng.integers(1, 5)]:
        name = str(rng.choice(ADSORBATES))
        adsorbate = molecule(name) if len(name) > 1 else Atoms(name)
        adsorbate.rotate(rng.uniform(0, 360), rng.normal(size=3), center="COM")
        adsorbate.positions -= adsorbate.positions[adsorbate.positions[:, 2].argmin()]
        adsorbate.positions += spot @ atoms.cell.array[:2] + [0, 0, top + rng.uniform(1.2, 2.2)]
        atoms += adsorbate
    atoms.pbc = True
    atoms.rattle(rng.uniform(0.02, 0.2), rng=rng)
    return atoms


def database(n_structures: int, seed: int) -> Iterator[Atoms]:
    """Slabs with adsorbates: several steps of each relaxation, as in a database of relaxations."""
    rng = np.random.default_rng(seed)
    n = 0
    while n < n_structures:
        atoms = slab(rng)
        atoms.calc = EMT()
        search = FIRE(atoms, logfile=None)
        for frame in range(FRAMES):
            structure = evaluated(atoms)
            if np.linalg.norm(structure.get_forces(), axis=1).max() < LARGEST_FORCE and n < n_structures:
                n += 1
                yield structure
            search.run(fmax=0.01, steps=search.nsteps + 2 + frame)


def cluster(n_gold: int, n_water: int, rng: np.random.Generator) -> Atoms:
    """19 atoms of Cu and Au surrounded by water molecules, relaxed to remove large forces."""
    atoms = Octahedron("Cu", 3)
    atoms.symbols[rng.permutation(len(atoms))[:n_gold]] = "Au"
    for direction in directions(n_water, rng):
        outermost = atoms.positions[(atoms.positions @ direction).argmax()]
        water = molecule("H2O")
        water.rotate([0, 0, 1], direction)
        atoms += Atoms(water.symbols, water.positions + outermost + 2.2 * direction)
    atoms.positions -= atoms.get_center_of_mass()
    atoms.calc = EMT()
    FIRE(atoms, logfile=None).run(fmax=1.0, steps=100)
    return atoms


def directions(n: int, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors (n, 3), from the draw in which they are farthest apart."""
    draws = rng.normal(size=(50, n, 3))
    draws /= np.linalg.norm(draws, axis=2, keepdims=True)
    closest = [np.max(vectors @ vectors.T - 2 * np.eye(n)) for vectors in draws]
    return draws[int(np.argmin(closest))]


def dynamics(atoms: Atoms, n_frames: int, every: int, kelvin: float, rng: np.random.Generator) -> Iterator[Atoms]:
    """Frames of Langevin dynamics with a time step of 1 fs, after a warm-up."""
    MaxwellBoltzmannDistribution(atoms, temperature_K=kelvin, rng=rng)
    atoms.set_constraint(FixCom())
    run = Langevin(atoms, 1.0 * units.fs, temperature_K=kelvin, friction=0.02 / units.fs, rng=rng, fixcm=False)
    run.run(WARM_UP)
    for _ in range(n_frames):
        run.run(every)
        yield evaluated(atoms)


def clusters(n_structures: int, n_trajectories: int, seed: int) -> Iterator[Atoms]:
    """Clusters with one water molecule at 400 K, with a different composition in each trajectory."""
    rng = np.random.default_rng(seed)
    for trajectory in range(n_trajectories):
        atoms = cluster(int(rng.integers(5, 15)), 1, rng)
        n_frames = n_structures * (trajectory + 1) // n_trajectories - n_structures * trajectory // n_trajectories
        yield from dynamics(atoms, n_frames, EVERY, 400.0, rng)


def evaluated(atoms: Atoms) -> Atoms:
    """A copy with energy and forces stored."""
    copy = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    forces = atoms.get_forces(apply_constraint=False)
    copy.calc = SinglePointCalculator(copy, energy=atoms.get_potential_energy(), forces=forces)
    return copy


def atomic_energies(symbols: Sequence[str] = SPECIES) -> dict[str, float]:
    """Energies of the free atoms, eV."""
    return {symbol: Atoms(symbol, calculator=EMT()).get_potential_energy() for symbol in symbols}


def write_setups(folder: Path) -> None:
    """The .stp files of all species."""
    for symbol in SPECIES:
        text = SETUP.format(symbol=symbol, n=len(SPECIES), species="\n".join(SPECIES))
        (folder / f"{symbol}.stp").write_text(text)


def trajectory(n_frames: int, n_water: int, kelvin: float, seed: int) -> Iterator[Atoms]:
    """Frames of one cluster of 9 Au and 10 Cu atoms."""
    rng = np.random.default_rng(seed)
    yield from dynamics(cluster(9, n_water, rng), n_frames, EVERY, kelvin, rng)
