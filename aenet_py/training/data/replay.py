"""Structures of the source that a transfer keeps training on (replay), so that it does not forget them."""

from __future__ import annotations

import dataclasses

import numpy as np

from aenet_py.errors import counted
from aenet_py.inputs.train import TrainInput, Transfer
from aenet_py.potentials.potential import Potential
from aenet_py.structure import Structure
from aenet_py.training import files
from aenet_py.training.data.splits import REPLAYED, UNKNOWN


def used(deck: TrainInput, roles: np.ndarray) -> np.ndarray:
    """Which structures are read, (n,) bool: all but those of replay beyond its share, which NPSEED chooses.

    roles (n,) : REPLAYED for those of replay, UNKNOWN for those of FILES, of which some will be tested.
    """
    chosen = np.ones(len(roles), dtype=bool)
    candidates = np.flatnonzero(roles == REPLAYED)
    if not len(candidates) or not isinstance(deck.transfer, Transfer):
        return chosen
    tested = deck.test_fraction
    if deck.held_out is not None:
        tested += deck.held_out.validation + (1 / deck.held_out.every if deck.held_out.every else 0.0)
    n_trained = np.count_nonzero(roles == UNKNOWN) * max(0.0, 1.0 - tested)
    n = min(len(candidates), max(1, round(deck.transfer.share / (1.0 - deck.transfer.share) * n_trained)))
    order = np.random.default_rng(deck.numpy_seed).permutation(candidates)
    chosen[order[n:]] = False
    return chosen


def told(roles: np.ndarray, chosen: np.ndarray) -> str:
    """How much is replayed; arguments as of `used`, and its result."""
    n, n_all = (int(np.count_nonzero(of & (roles == REPLAYED))) for of in (chosen, np.ones_like(chosen)))
    return f"Replay: {n} of {counted(n_all, 'structure')} of the source"


def labelled(deck: TrainInput, structures: list[Structure], roles: np.ndarray) -> list[Structure]:
    """The structures, with those of replay as the source's potentials describe them, if the deck wants that.

    AenetError if the source has no potential for one of their species, or as from `files.of_source`.
    """
    wanted = deck.transfer
    if not isinstance(wanted, Transfer) or wanted.labels != "source":
        return structures
    _, paths = files.of_source(deck, wanted)
    symbols = zip(deck.symbols, paths, strict=True)
    potential = Potential.load({symbol: path for symbol, path in symbols if path is not None})
    return [
        _described(potential, structure) if role == REPLAYED else structure
        for structure, role in zip(structures, roles.tolist(), strict=True)
    ]


def _described(potential: Potential, structure: Structure) -> Structure:
    found = potential.energy_forces(structure)
    return dataclasses.replace(
        structure, energy=found.energy, cohesive_energy=None, forces=found.forces, stress=None, fixed=None
    )  # fmt: skip
