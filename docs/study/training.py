"""Shared parts of the studies: files of structures, trainings in separate folders, errors of potentials."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from pathlib import Path

import numpy as np
import structures
from ase.io import write

from aenet_py.formats import extxyz
from aenet_py.pipelines.generate import generate
from aenet_py.potentials.potential import Potential

TARGET = ("Cu", "Au", "O", "H")
NETWORK = "2 15:tanh 15:tanh"
DECK = """TRAININGSET set.train
TESTPERCENT 10
ITERATIONS {epochs}
ITERWRITE 10
BATCHSIZE {batch}
SAVE_ENERGIES
SAVE_FORCES
NPSEED {seed}
PHSEED {seed}
FORCES
alpha=0.3
METHOD
method=adamw lr={rate}
REGULARIZATION 0.0001
SCHEDULE cosine
{mode}
NETWORKS
"""


def asked(what: str | None) -> tuple[Path, bool]:
    """The folder from the command line, created, and whether to run a very small study; what : text for --help."""
    parser = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="folder for all results")
    parser.add_argument("--quick", action="store_true", help="run a very small study, as a test")
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder, options.quick


def database(pool: Executor, folder: Path, n: int) -> list[Future[str]]:
    """Two files of slabs, n structures in all."""
    return [pool.submit(prepared, folder, f"database-{part}", structures.database, n // 2, part) for part in (1, 2)]


def prepared(folder: Path, name: str, make, *arguments: object) -> str:
    """A file of structures in a folder, created if necessary."""
    path = folder / f"{name}.extxyz"
    if not path.exists():
        new = folder / f"{name}.new"
        write(new, list(make(*arguments)), format="extxyz")
        new.rename(path)
    return str(path)


def train(folder: Path, paths: Sequence[str], symbols: Sequence[str], mode: str, seed: int, **settings: object) -> None:
    """Make a training set of these structures, and train on it."""
    folder.mkdir()
    structures.write_setups(folder)
    energies = structures.atomic_energies(symbols)
    setups = {symbol: str(folder / f"{symbol}.stp") for symbol in symbols}
    generate(paths, setups, energies, str(folder / "set.train"), forces=True, threads=1)
    networks = "".join(f"{symbol} {symbol}.nn {NETWORK}\n" for symbol in symbols)
    (folder / "train.in").write_text(DECK.format(mode=mode, seed=seed, **settings) + networks)
    command = [sys.executable, "-m", "aenet_py.cli.aenet_pytorch", "train.in"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"training in {folder}: {done.stderr}")
    (folder / "train.out").write_text(done.stdout)
    (folder / "set.train.forces").unlink()


def potentials(folder: Path, symbols: Sequence[str] = TARGET) -> dict[str, str]:
    """The potentials written by a training, or by a transfer if it was one."""
    endings = [
        ending for ending in (".nn.transfered.ascii", ".nn.ascii") if (folder / f"{symbols[0]}{ending}").exists()
    ]
    return {symbol: str(folder / f"{symbol}{endings[0]}") for symbol in symbols}


def errors(folder: Path, path: str) -> tuple[float, float]:
    """RMSE of energies (eV/atom) and force components (eV/Å) of a potential for a file of structures."""
    potential = Potential.load(potentials(folder))
    energies, forces = [], []
    for _, known in extxyz.read(path):
        predicted = potential.energy_forces(known)
        energies.append((predicted.energy - known.energy) / known.n_atoms)
        forces.append((predicted.forces - known.forces).ravel())
    return float(np.sqrt(np.mean(np.square(energies)))), float(np.sqrt(np.mean(np.square(np.concatenate(forces)))))
