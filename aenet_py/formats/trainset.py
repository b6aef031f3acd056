"""Training set files, ``NAME.train``: energies, coordinates, forces and features (trainset, save_Setup).

``docs/formats.md`` has the table of all records.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.descriptors.setup import Setup
from aenet_py.formats import records
from aenet_py.structure import SYMBOL_LENGTH

DESCRIPTION_LENGTH = 1024
BASIS_LENGTH = 100


@dataclass(frozen=True)
class FeatureStatistics:
    """Of the features of one species: number of atoms; minimum, maximum, average and average square, (n_features,)."""

    count: int
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    square: np.ndarray


@dataclass(frozen=True)
class EnergyStatistics:
    """Of the cohesive energies per atom, eV: average over the structures announced, minimum, maximum."""

    mean: float
    low: float
    high: float


def header(types: Sequence[str], atomic_energies: Sequence[float], n_structures: int) -> bytes:
    """The records before the first structure (ts_write_header); energies in eV, not normalised."""
    return b"".join(
        [
            records.integers(len(types)),
            records.integers(n_structures),
            records.record("".join(t.ljust(SYMBOL_LENGTH) for t in types).encode("latin-1")),
            records.reals(*atomic_energies),
            records.logical(False),
            records.reals(1.0),
            records.reals(0.0),
        ]
    )


def structure(path: str, n_atoms: int, n_types: int, energy: float) -> bytes:
    """The records in front of a structure's atoms (ts_write_structure_info).

    n_types : species in the structure; energy : cohesive, eV.
    """
    return records.counted_text(path) + records.integers(n_atoms, n_types) + records.reals(energy)


def atoms(
    starts: Sequence[int], types: np.ndarray, positions: np.ndarray, forces: np.ndarray, features: np.ndarray,
    sizes: np.ndarray,
) -> list[bytes]:  # fmt: skip
    """The records of the atoms of each structure (ts_write_atom_info, ts_write_sf_info).

    starts (n_structures + 1,) : first atom of each structure; types (n_atoms,) : 1-based species; positions, forces
    (n_atoms, 3) Å, eV/Å; features (n_atoms, widest); sizes (n_atoms,) : how many of them each atom has.
    """
    spans = list(itertools.pairwise(starts))
    if sizes.min() == sizes.max():
        block = _equal_atoms(types, positions, forces, features[:, : sizes[0]])
        return [block[start:stop].tobytes() for start, stop in spans]
    rows: list[bytes] = [b""] * len(types)
    for width in np.unique(sizes):
        chosen = np.flatnonzero(sizes == width)
        block = _equal_atoms(types[chosen], positions[chosen], forces[chosen], features[chosen, :width])
        for atom, row in zip(chosen.tolist(), block, strict=True):
            rows[atom] = row.tobytes()
    return [b"".join(rows[start:stop]) for start, stop in spans]


def _equal_atoms(types: np.ndarray, positions: np.ndarray, forces: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Five records an atom: species, position, forces, number of features, features."""
    block = np.empty(len(types), dtype=_atom_dtype(features.shape[1]))
    for name, value in (("itype", types), ("position", positions), ("forces", forces), ("features", features)):
        block[name] = value
    block["n"] = features.shape[1]
    for name in ("itype", "position", "forces", "n", "features"):
        block[name + "_head"] = block[name + "_tail"] = block.dtype[name].itemsize
    return block


@functools.cache
def _atom_dtype(n_features: int) -> np.dtype:
    fields: list[tuple] = []
    for name, kind, shape in (
        ("itype", "<i4", ()), ("position", "<f8", (3,)), ("forces", "<f8", (3,)), ("n", "<i4", ()),
        ("features", "<f8", (n_features,)),
    ):  # fmt: skip
        fields += [(name + "_head", "<i4"), (name, kind, shape), (name + "_tail", "<i4")]
    return np.dtype(fields)


def footer(
    n_atoms: int, energies: EnergyStatistics, setups: Sequence[Setup], statistics: Sequence[FeatureStatistics]
) -> bytes:
    """The records after the last structure (ts_write_footer): statistics and set-ups."""
    parts = [
        records.integers(n_atoms),
        records.reals(energies.mean, energies.low, energies.high),
        records.logical(True),
    ]
    for number, (setup, of_features) in enumerate(zip(setups, statistics, strict=True), 1):
        parts += [records.integers(number), _setup(setup, of_features)]
    return b"".join(parts)


def _setup(setup: Setup, statistics: FeatureStatistics) -> bytes:
    """save_Setup."""
    return b"".join(
        [
            records.text(setup.description, DESCRIPTION_LENGTH),
            records.text(setup.atom_type, SYMBOL_LENGTH),
            records.integers(len(setup.env_types)),
            records.record("".join(t.ljust(SYMBOL_LENGTH) for t in setup.env_types).encode("latin-1")),
            records.reals(setup.r_min),
            records.reals(setup.r_max),
            records.text(setup.basis, BASIS_LENGTH),
            records.integers(setup.n_features),
            records.integers(setup.parameters.shape[1]),
            records.record(setup.functions.astype("<i4").tobytes()),
            records.record(setup.parameters.astype("<f8").tobytes()),
            records.record(setup.environment.astype("<i4").tobytes()),
            records.integers(statistics.count),
            records.record(statistics.low.astype("<f8").tobytes()),
            records.record(statistics.high.astype("<f8").tobytes()),
            records.record(statistics.mean.astype("<f8").tobytes()),
            records.record(statistics.square.astype("<f8").tobytes()),
        ]
    )
