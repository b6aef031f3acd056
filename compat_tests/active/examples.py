"""A loop of seconds: clusters of copper and gold with EMT, and the folder it starts from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.emt import EMT

from aenet_py.formats import extxyz
from aenet_py.structure import as_structure

LEARN = """calculator = "emt"
start = ["start.extxyz", "other.extxyz"]
deck = "given/train.in"
folder = "loop"
members = 2

[explore]
temperatures = [300]
seeds = 1
time = 0.02
timestep = 1.0
every = 2

[pick]
structures = 3
min_spread = 1e-3

[stop]
generations = 2
share = 0.0
"""
TRAIN = """TESTPERCENT 20
ITERATIONS 12
BATCHSIZE 4
SAVE_ENERGIES
CHECKPOINT 2
METHOD
method=adamw lr=0.01
FORCES
alpha=0.3
NETWORKS
Cu Cu.nn 1 4:tanh
Au Au.nn 1 4:tanh
TYPES
2
Cu 0.0
Au 0.0
SETUPS
Cu Cu.stp
Au Au.stp
REPULSION zbl auto
FILES
1
labelled.extxyz
"""
SETUP = """DESCR
END DESCR
ATOM {}
ENV 2
Cu
Au
RMIN 0.5
BASIS type=Chebyshev
radial_Rc = 5.0 radial_N = 4 angular_Rc = 4.0 angular_N = 2
"""


def cluster(symbols: str = "Cu4Au2") -> Atoms:
    """An octahedron."""
    corners = np.concatenate([np.eye(3), -np.eye(3)])
    return Atoms(symbols, 1.85 * corners)


def labelled(n: int, seed: int = 1) -> list[Atoms]:
    """Displaced copies with energies and forces."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        atoms = cluster()
        atoms.positions += 0.1 * generator.standard_normal(atoms.positions.shape)
        atoms.calc = EMT()
        atoms.get_forces()
        found.append(atoms)
    return found


def write(folder: Path, learn: str = LEARN) -> Path:
    """Write all files of a loop; the input file."""
    given = folder / "given"
    given.mkdir()
    (given / "train.in").write_text(TRAIN)
    for symbol in ("Cu", "Au"):
        (given / f"{symbol}.stp").write_text(SETUP.format(symbol))
    frames = [extxyz.text(as_structure(atoms, reference=True)) for atoms in labelled(10)]
    (given / "labelled.extxyz").write_bytes(b"".join(frames))
    (folder / "start.extxyz").write_bytes(extxyz.text(as_structure(cluster())))
    (folder / "other.extxyz").write_bytes(extxyz.text(as_structure(cluster("CuAu5"))))
    path = folder / "learn.toml"
    path.write_text(learn)
    return path
