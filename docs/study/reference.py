"""Reference structures of the study, from GFN1-xTB: a database of clusters, and trajectories of water on CuAu.

    python docs/study/reference.py --folder FOLDER [--processes N] [--calculator NAME] [--quick]     # needs tblite

Writes five files: database.extxyz.xz, clusters of one or two of six metals with up to three adsorbates;
one-water.extxyz.xz, Cu10Au9 with a water molecule at 400 K; six-waters.extxyz.xz, the same with six at 300 K;
atoms.extxyz, the free atoms; and one-water-sampled.extxyz.xz, more frames with one molecule, from dynamics with a
potential that is trained on the first trajectory.  All energies and forces are the calculator's.  Repeating the command
resumes.
"""

from __future__ import annotations

import argparse
import itertools
import lzma
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import steps
from ase import Atoms, units
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.cluster import Icosahedron, Octahedron
from ase.data import atomic_numbers, covalent_radii
from ase.md.bussi import Bussi
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary, ZeroRotation
from ase.optimize import FIRE
from steps import Size
from training import FIRST

from aenet_py import label, simulate
from aenet_py.formats import tables
from aenet_py.labelling.calculators import specification
from aenet_py.runtime.workers import processors
from aenet_py.structure import Structure

CALCULATOR = "tblite:method=GFN1-xTB,electronic_temperature=600"
METALS = ("Cu", "Au", "Ag", "Pd", "Pt", "Ni")
SPECIES = (*METALS, "O", "H", "C", "N")
ADSORBATES = (
    "H2O", "H2O", "H2O", "OH", "OH", "O", "H", "CO", "C", "CH", "CH3", "CH4", "CH3OH", "HCO", "N", "NH", "NH3", "NO",
)  # some are more frequent  # fmt: skip
RATTLE = (0.03, 0.25)  # smallest and largest standard deviation of displacements, Å
CLOSEST = 0.6  # smallest distance in the database, in sums of covalent radii
LARGEST_FORCE = 15.0  # eV/Å; clusters with larger forces are left out
STEP, EVERY = 1.0, 10  # fs; steps between frames
WARM_UP = 500  # steps before the first trajectory of a run
RELAXATION = 100.0  # of the thermostat, fs
CHUNK = 50  # frames that are computed, and kept, together
APART = 40  # frames of the first trajectory between those that the others start from
SAMPLING_STEP, SAMPLING_EVERY = 0.5, 20  # fs; steps between frames of dynamics with the potential
DECIMALS = 4  # of positions (Å) and forces (eV/Å)


@dataclass(frozen=True)
class Run:
    """Trajectories of Cu10Au9 with water molecules at a temperature, K.

    frames : of the first trajectory.
    others : how many more there are, which start from frames of the first one with new velocities.
    other_frames : of each of them.
    """

    name: str
    molecules: int
    temperature: float
    frames: int
    others: int = 0
    other_frames: int = 0


@dataclass(frozen=True)
class Sampling:
    """Dynamics with a potential, which is trained as in paper.py: from a subset of the database, and one molecule.

    trajectories : from frames of the first trajectory of the reference, with new velocities.
    warm_up : frames at the start of each that are left out; frames : after them.
    most : structures that are kept.
    """

    trajectories: int
    warm_up: int
    frames: int
    most: int
    potential: Size


FULL = (  # tried clusters, runs, sampling
    6000,
    (Run("one-water", 1, 400.0, FIRST, 11, 100), Run("six-waters", 6, 300.0, 1000)),
    Sampling(75, 20, 100, 8000 - FIRST, Size({"0.6K": 574}, (), epochs=(60, 300, 60))),
)
QUICK = (
    12,
    (Run("one-water", 1, 400.0, 3, 1, 2), Run("six-waters", 6, 300.0, 2)),
    Sampling(2, 0, 2, 3, Size({"3": 3}, (), subset=3, epochs=(1, 2, 2), least=3, every=1)),
)


def database_cluster(rng: np.random.Generator) -> Atoms:
    """13 or 19 atoms of one or two metals with one to three adsorbates, rattled; atoms may be too close."""
    first, second = (str(metal) for metal in rng.choice(METALS, size=2, replace=False))
    atoms = Icosahedron(first, 2) if rng.random() < 0.5 else Octahedron(first, 3)
    atoms.symbols[rng.random(len(atoms)) < rng.choice([0.0, 0.25, 0.5])] = second
    size = np.mean(covalent_radii[atoms.numbers]) / covalent_radii[atomic_numbers[first]]
    atoms.positions = (atoms.positions - atoms.get_center_of_mass()) * size * rng.uniform(0.96, 1.06)
    for direction in directions(int(rng.integers(1, 4)), rng):
        adsorbate = molecule(str(rng.choice(ADSORBATES)))
        adsorbate.rotate(rng.uniform(0, 360), rng.normal(size=3), center="COM")
        height = (atoms.positions @ direction).max() - (adsorbate.positions @ direction).min()
        atoms += Atoms(adsorbate.symbols, adsorbate.positions + (height + rng.uniform(1.1, 2.2)) * direction)
    atoms.rattle(rng.uniform(*RATTLE), rng=rng)
    atoms.positions = np.round(atoms.positions, DECIMALS)
    return Atoms(atoms.symbols, atoms.positions)


def directions(n: int, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors (n, 3), from the draw in which they are farthest apart."""
    draws = rng.normal(size=(50, n, 3))
    draws /= np.linalg.norm(draws, axis=2, keepdims=True)
    closest = [np.max(vectors @ vectors.T - 2 * np.eye(n)) for vectors in draws]
    return draws[int(np.argmin(closest))]


def too_close(atoms: Atoms) -> bool:
    radii = covalent_radii[atoms.numbers]
    closest = CLOSEST * (radii[:, np.newaxis] + radii)
    return bool(np.any((atoms.get_all_distances() < closest)[~np.eye(len(atoms), dtype=bool)]))


def database(folder: Path, n: int, calculator: str, n_processes: int) -> None:
    """Write clusters of the database, n less those with large forces or without a result."""
    candidates = (database_cluster(np.random.default_rng((0, number))) for number in itertools.count())
    clusters = list(itertools.islice((atoms for atoms in candidates if not too_close(atoms)), n))
    found = label(clusters, calculator, folder=folder / "database", n_processes=n_processes)
    kept = [atoms for atoms in found.atoms if atoms is not None and np.abs(atoms.get_forces()).max() < LARGEST_FORCE]
    write(folder / "database.extxyz.xz", kept)


def free_atoms(folder: Path, calculator: str) -> None:
    """Write the atoms of all species."""
    found = label([Atoms(symbol) for symbol in SPECIES], calculator, folder=folder / "atoms")
    write(folder / "atoms.extxyz", [atoms for atoms in found.atoms if atoms is not None])


def start_of(run: Run, calculator: str) -> Atoms:
    """A relaxed octahedron of 10 Cu and 9 Au atoms in random order with water molecules around it."""
    rng = np.random.default_rng((1, run.molecules))
    atoms = Octahedron("Cu", 3)
    atoms.symbols[rng.permutation(len(atoms))[:9]] = "Au"
    for direction in directions(run.molecules, rng):
        water = molecule("H2O")
        water.rotate([0, 0, 1], direction)
        highest = atoms.positions[(atoms.positions @ direction).argmax()]
        atoms += Atoms(water.symbols, water.positions + highest + 2.2 * direction)
    atoms = Atoms(atoms.symbols, atoms.positions - atoms.get_center_of_mass())
    atoms.calc = specification(calculator).new()
    FIRE(atoms, logfile=None).run(fmax=0.1, steps=200)
    return atoms


def chunks(folder: Path, run: Run, number: int) -> list[Path]:
    """The files of a trajectory that are complete, in order."""
    return sorted((folder / run.name).glob(f"{number:02d}-*.npz"))


def frames(folder: Path, run: Run, number: int) -> Iterator[Atoms]:
    """The frames of a trajectory, with energies and forces."""
    for path in chunks(folder, run, number):
        with np.load(path) as chunk:
            for positions, energy, forces in zip(chunk["positions"], chunk["energies"], chunk["forces"], strict=True):
                atoms = Atoms(chunk["numbers"], positions)
                atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
                yield atoms


def simulated(folder: Path, run: Run, number: int, calculator: str) -> None:
    """Compute the frames of a trajectory that are missing."""
    known, n_frames = chunks(folder, run, number), run.other_frames if number else run.frames
    if len(known) * CHUNK >= n_frames:
        return
    if known:
        with np.load(known[-1]) as last:
            atoms = Atoms(last["numbers"], last["positions"][-1])
            atoms.set_velocities(last["velocities"])
    else:
        first = list(frames(folder, run, 0)) if number else [start_of(run, calculator)]
        atoms = first[(APART * number) % len(first)].copy()
        rng = np.random.default_rng((2, run.molecules, number))
        MaxwellBoltzmannDistribution(atoms, temperature_K=run.temperature, rng=rng)
        Stationary(atoms)
        ZeroRotation(atoms)
    atoms.calc = specification(calculator).new()
    for chunk in range(len(known), -(-n_frames // CHUNK)):
        rng = np.random.default_rng((3, run.molecules, number, chunk))
        motion = Bussi(atoms, STEP * units.fs, temperature_K=run.temperature, taut=RELAXATION * units.fs, rng=rng)
        if chunk == number == 0:
            motion.run(WARM_UP)
        values: dict[str, list] = {"positions": [], "energies": [], "forces": []}
        for _ in range(min(CHUNK, n_frames - chunk * CHUNK)):
            motion.run(EVERY)
            atoms.positions = np.round(atoms.positions, DECIMALS)  # energies are those of positions in files
            values["positions"].append(atoms.get_positions())
            values["energies"].append(atoms.get_potential_energy())
            values["forces"].append(atoms.get_forces())
        path = folder / run.name / f"{number:02d}-{chunk:03d}.npz"
        np.savez(path.with_suffix(".new.npz"), numbers=atoms.numbers, velocities=atoms.get_velocities(), **values)
        path.with_suffix(".new.npz").rename(path)


def sampled(folder: Path, run: Run, wanted: Sampling, calculator: str, n_processes: int) -> None:
    """Write frames from dynamics with a potential, with energies and forces of the calculator."""
    places = steps.Places(folder, folder / "sampling", wanted.potential)
    places.work.mkdir(exist_ok=True)
    potentials = sampling_potential(places)
    starts = steps.structures(folder / "one-water.extxyz.xz")[: run.frames]
    with ProcessPoolExecutor(n_processes, get_context("spawn")) as pool:
        jobs = [
            pool.submit(
                moved, places.work, run, wanted, number, potentials, starts[number * len(starts) // wanted.trajectories]
            )
            for number in range(wanted.trajectories)
        ]
        found = [atoms for job in jobs for atoms in job.result()]
    labels = label(found, calculator, folder=folder / "sampled", n_processes=n_processes)
    usual = [atoms for atoms in labels.atoms if atoms is not None and np.abs(atoms.get_forces()).max() < LARGEST_FORCE]
    if not usual:
        raise SystemExit(
            f"{places.work}: no frame of {len(found)} has a result and forces below {LARGEST_FORCE:g} eV/Å"
        )
    counts = f"{wanted.trajectories * wanted.frames} asked, {len(found)} simulated, {len(usual)} usual"
    kept = steps.spread(usual, wanted.most)
    print(f"frames of dynamics with a potential: {counts}, {len(kept)} kept")
    write(folder / "one-water-sampled.extxyz.xz", kept, "sampled_by=potential ")
    known = steps.structures(folder / "one-water.extxyz.xz")
    rows = [
        looked("first trajectory", known[: run.frames]),
        looked("other trajectories", known[run.frames :]),
        looked("dynamics with a potential", steps.structures(folder / "one-water-sampled.extxyz.xz")),
    ]
    tables.write(str(folder / "sampling.csv"), list(rows[0]), rows)


def looked(name: str, structures: Sequence[Structure]) -> dict[str, object]:
    """Energies, forces and distances of frames with one molecule: means, and standard deviations of some."""
    row: dict[str, object] = {"frames": name, "number": len(structures)}
    values: dict[str, list[float]] = {"energy_eV": [], "O_H_A": [], "O_metal_A": []}
    for each in structures:
        symbols = np.array([each.symbols[species] for species in each.species])
        distances = np.linalg.norm(each.positions - each.positions[symbols == "O"], axis=1)
        values["energy_eV"].append(float(each.energy or 0.0))
        values["O_H_A"].append(float(distances[symbols == "H"].max()))
        values["O_metal_A"].append(float(distances[np.isin(symbols, ("Cu", "Au"))].min()))
    for column, found in values.items():
        row |= {column: round(float(np.mean(found)), 4), f"{column}_std": round(float(np.std(found)), 4)}
    forces = np.concatenate([np.ravel(each.forces) for each in structures])
    return row | {"force_rms_eV_per_A": round(float(np.sqrt(np.mean(forces**2))), 4)}


def sampling_potential(places: steps.Places) -> dict[str, str]:
    """Files of a potential by species: pre-trained on the random subset, fine-tuned on the first trajectory."""
    (name, n), source = next(iter(places.size.sets.items())), "random"
    steps.split(places)
    steps.subset(places, {"subset": source})
    if not steps.is_trained(places, source, False):
        steps.pretraining(places, source, False, {"subset": source})
    return steps.potentials(places, n, source, {"set": name, "way": source, "seed": 1})


def moved(
    folder: Path, run: Run, wanted: Sampling, number: int, potentials: Mapping[str, str], start: Structure
) -> list[Atoms]:
    """The frames of dynamics with a potential, in positions with few decimals."""
    path = folder / f"{number:02d}.npy"
    if not path.exists():
        for old in folder.glob(f"dynamics-{number:02d}.*"):  # of dynamics that were interrupted
            old.unlink()
        output = folder / f"dynamics-{number:02d}"
        simulate(
            start, potentials, steps=SAMPLING_EVERY * (wanted.warm_up + wanted.frames), temperature=run.temperature,
            timestep=SAMPLING_STEP, taut=RELAXATION, seed=number, every=SAMPLING_EVERY, output=output, max_share=1.0,
            threads=1,
        )  # fmt: skip
        trajectory = steps.structures(output.with_suffix(".extxyz"))[wanted.warm_up + 1 :]
        np.save(path, np.round([frame.positions for frame in trajectory], DECIMALS))
    symbols = [start.symbols[species] for species in start.species]
    return [Atoms(symbols, positions) for positions in np.load(path)]


def write(path: Path, structures: Iterable[Atoms], more: str = "") -> None:
    """Write structures with energies and forces as extended XYZ; more : keys and values of each."""
    lines = []
    for atoms in structures:
        energy = atoms.get_potential_energy()
        lines += [str(len(atoms)), f'Properties=species:S:1:pos:R:3:forces:R:3 energy={energy:.6f} {more}pbc="F F F"']
        values = np.concatenate([atoms.positions, atoms.get_forces()], axis=1).tolist()
        for symbol, row in zip(atoms.symbols, values, strict=True):
            lines.append(" ".join([symbol, *(f"{value:.{DECIMALS}f}" for value in row)]))
    content = ("\n".join(lines) + "\n").encode()
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME) if path.suffix == ".xz" else content)
    new.rename(path)


def computed(folder: Path, n_clusters: int, runs: Iterable[Run], calculator: str, n_processes: int) -> None:
    """Write the database, the free atoms and the trajectories of the calculator."""
    database(folder, n_clusters, calculator, n_processes)
    free_atoms(folder, calculator)
    for run in runs:
        (folder / run.name).mkdir(exist_ok=True)
    with ProcessPoolExecutor(n_processes, get_context("spawn")) as pool:
        for jobs in (  # the first trajectories, then those that start from them
            [(run, 0) for run in runs],
            [(run, number) for run in runs for number in range(1, run.others + 1)],
        ):
            for job in [pool.submit(simulated, folder, *each, calculator) for each in jobs]:
                job.result()
    for run in runs:
        numbers = range(run.others + 1)
        write(folder / f"{run.name}.extxyz.xz", (atoms for number in numbers for atoms in frames(folder, run, number)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="folder for all results")
    parser.add_argument("--processes", type=int, default=processors(), help="default: one for each processor")
    parser.add_argument("--calculator", default=CALCULATOR, help="as for aenet-py label (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="make very few structures, as a test")
    parser.add_argument(
        "--only-sampled", action="store_true", help="only sample with a potential; the other files are in the folder"
    )
    options = parser.parse_args()
    folder, (n_clusters, runs, sampling) = options.folder, QUICK if options.quick else FULL
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"  # of each process
    if not options.only_sampled:
        computed(folder, n_clusters, runs, options.calculator, options.processes)
    sampled(folder, runs[0], sampling, options.calculator, options.processes)


if __name__ == "__main__":
    main()
