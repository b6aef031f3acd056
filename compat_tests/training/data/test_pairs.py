"""Forces and the way back, summed over pairs, against packed gradients, for cells of all kinds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from aenet_py.inputs import train as inputs
from aenet_py.training import preparation
from aenet_py.training.data import batches
from aenet_py.training.data.summed import Summed
from aenet_py.training.events import Events
from aenet_py.training.ranks import ALONE

SETUP = """DESCR
  Either
END DESCR

ATOM {symbol}

ENV 2
Cu
Au

RMIN 0.5d0

BASIS type=Chebyshev
radial_Rc = 6.0  radial_N = 9 angular_Rc = 4.5  angular_N = 4
"""
DECK = """TYPES
2
Cu 0.0
Au 0.0

SETUPS
Cu Cu.stp
Au Au.stp

FILES
1
all.xyz

TESTPERCENT 0
ITERATIONS 1
FORCES
alpha=0.3
METHOD
method=adamw lr=0.01
NETWORKS
Au Au.nn 1 6:tanh
Cu Cu.nn 1 6:tanh
"""


def frames(rng: np.random.Generator) -> dict[str, Atoms]:
    """Crystals, slabs, wires and clusters, also far from their cell or across its edges."""
    skew = bulk("Cu")
    skew.set_cell(skew.cell.array + rng.uniform(-0.2, 0.2, (3, 3)), scale_atoms=True)
    flat = fcc111("Cu", (2, 2, 3))
    flat.pbc = (True, True, False)
    far = bulk("Cu", cubic=True)
    far.positions += [50, -30, 7]
    made = {
        "crystal": bulk("Cu", cubic=True) * (2, 1, 1), "one atom": bulk("Cu"), "skew": skew * (1, 2, 1), "far": far,
        "slab with vacuum": fcc111("Cu", (2, 2, 3), vacuum=7.0, periodic=True),
        "slab below zero": flat, "slab": fcc111("Cu", (2, 2, 3), vacuum=7.0),
        "wire": Atoms("Cu4", [[0, 0, 2.5 * n] for n in range(4)], cell=[0, 0, 10.2], pbc=(False, False, True)),
        "cluster": Atoms("Cu3", [[0, 0, 0], [2.4, 0, 0], [0, 2.5, 0]]), "atom": Atoms("Cu", [[1, 2, 3]]),
    }  # fmt: skip
    for name, atoms in made.items():
        atoms.info = {"name": name}
        atoms.arrays.pop("tags", None)
        atoms.symbols[rng.random(len(atoms)) < 0.4] = "Au"
        atoms.rattle(0.1, rng=rng)
        atoms.calc = SinglePointCalculator(atoms, energy=rng.normal(), forces=rng.normal(size=(len(atoms), 3)))
    return made


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A batch of all structures with packed gradients, and with pairs; names and numbers of atoms of its structures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("pairs"))
        made = frames(np.random.default_rng(1))
        write("all.xyz", list(made.values()), format="extxyz", write_results=True)
        for symbol in ("Cu", "Au"):
            Path(f"{symbol}.stp").write_text(SETUP.format(symbol=symbol))
        Path("train.in").write_text(DECK)
        deck, found = inputs.read("train.in"), []
        for mode in ("cpu", "recompute"):
            data, draw, _ = preparation.prepare(dataclasses.replace(deck, memory_mode=mode), ALONE, Events())
            found += batches.assemble(data, draw.train)
        names = [list(made)[int(path.split("#")[1])] for path in found[0].paths]
        return *found, names, found[0].n_atoms.int().tolist()


def test_forces(both):
    packed, summed, names, counts = both
    assert isinstance(summed.gradients, Summed)
    rng, starts = np.random.default_rng(2), np.cumsum([0, *counts])
    slopes = [torch.from_numpy(rng.normal(size=f.shape)) for f in packed.features]
    wanted, found = (batch.gradients.forces(slopes) for batch in (packed, summed))
    assert wanted.abs().max() > 1
    for name, begin, end in zip(names, starts[:-1], starts[1:], strict=True):
        assert (found - wanted)[begin:end].abs().max() < 3e-6, name


def test_the_way_back(both):
    packed, summed, *_ = both
    given = torch.from_numpy(np.random.default_rng(3).normal(size=(summed.gradients.n_atoms, 3)))
    wanted, found = (batch.gradients.slopes(given) for batch in (packed, summed))
    for one, other in zip(wanted, found, strict=True):
        assert one.abs().max() > 1
        assert (one - other).abs().max() < 3e-6


def test_threads_give_the_same_bits(both):
    _, summed, *_ = both
    rng = np.random.default_rng(4)
    slopes = [torch.from_numpy(rng.normal(size=f.shape)) for f in summed.features]
    shared = dataclasses.replace(summed.gradients, shares=[0, 1, 4, 7, len(summed.gradients.structures)])
    assert torch.equal(shared.forces(slopes), summed.gradients.forces(slopes))
    given = summed.gradients.forces(slopes)
    for one, other in zip(shared.slopes(given), summed.gradients.slopes(given), strict=True):
        assert torch.equal(one, other)
