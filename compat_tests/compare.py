"""What the tests of kernels share: comparison bit for bit, structures and set-ups to try."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from aenet_py.descriptors.setup import Setup, chebyshev_setup
from aenet_py.structure import Structure

SPECIES = ("H", "He", "Li", "Be", "B")


def assert_same_bits(actual, expected, what):
    """Same shape and the same bits; otherwise say where the first difference is, in units in the last place."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, expected {expected.shape}"
    if actual.dtype.kind == "f":
        ours, theirs = (np.ascontiguousarray(a, dtype=np.float64).view(np.int64) for a in (actual, expected))
    else:
        ours, theirs = actual.astype(np.int64), expected.astype(np.int64)
    if np.array_equal(ours, theirs):
        return
    differ = np.argwhere(ours != theirs)
    place = tuple(differ[0].tolist())
    message = f"{what}: {len(differ)} of {ours.size} values differ, the first at {place}: "
    message += f"{actual[place]!r}, expected {expected[place]!r}"
    if actual.dtype.kind == "f":
        message += f" ({_ordinal(ours[place]) - _ordinal(theirs[place]):+d} units in the last place)"
    raise AssertionError(message)


def _ordinal(bits):
    # Floats ordered by value: negative ones count down from zero, which has two patterns.
    bits = int(bits)
    return bits if bits >= 0 else -(bits & 0x7FFF_FFFF_FFFF_FFFF)


def structure(positions, cell=None, species=None, symbols=None):
    """Structure of the given positions; without species all atoms are of the first."""
    positions = np.array(positions, dtype=float).reshape(-1, 3)
    n_atoms = len(positions)
    species = np.zeros(n_atoms, dtype=np.int64) if species is None else np.array(species, dtype=np.int64)
    return Structure(
        path="made/up.xsf",
        symbols=tuple(symbols or SPECIES[: int(species.max()) + 1]),
        species=species,
        positions=positions,
        forces=np.cos(np.arange(3.0 * n_atoms)).reshape(n_atoms, 3),
        cell=None if cell is None else np.array(cell, dtype=float),
        pbc=(cell is not None,) * 3,
    )


def setup(atom_type, env_types, radial, angular):
    """Chebyshev set-up from (cutoff, order) of both parts."""
    return chebyshev_setup("", atom_type, tuple(env_types), 0.3, "Chebyshev", *radial, *angular)


def setups(n_species, radial, angular) -> list[Setup]:
    """The same set-up for every species, surrounded by all of them."""
    types = SPECIES[:n_species]
    return [setup(t, types, radial, angular) for t in types]


@st.composite
def periodic_structures(draw, shortest=3.0, longest=8.0, most_atoms=5, n_species=1):
    """Triclinic cells of either hand; atoms apart from each other, up to three cells away from the first."""
    lengths = [draw(st.floats(shortest, longest)) for _ in range(3)]
    skew = st.floats(-0.25 * shortest, 0.25 * shortest)
    cell = np.array([[lengths[i] if i == j else draw(skew) for j in range(3)] for i in range(3)])
    if draw(st.booleans()):
        cell[0] = -cell[0]
    n_atoms = draw(st.integers(1, most_atoms))
    points = _points(draw, n_atoms, 3) / 3.0
    points += [[draw(st.integers(-3, 3)) for _ in range(3)] for _ in range(n_atoms)]
    return structure(points @ cell, cell, _species(draw, n_atoms, n_species))


@st.composite
def isolated_structures(draw, most_atoms=7, n_species=1):
    """Single atoms, straight, flat and other molecules anywhere in space."""
    n_atoms = draw(st.integers(1, most_atoms))
    n_axes = draw(st.sampled_from([1, 2, 3]))
    positions = np.zeros((n_atoms, 3))
    axes = draw(st.permutations(range(3)))[:n_axes]
    positions[:, axes] = 1.3 * _points(draw, n_atoms, n_axes)
    positions += [draw(st.floats(-40.0, 40.0)) for _ in range(3)]
    return structure(positions, None, _species(draw, n_atoms, n_species))


def _points(draw, n_atoms, n_axes):
    """Points of a grid, each at most once and moved by up to a quarter of its spacing."""
    nodes = {1: 9, 2: 5, 3: 3}[n_axes]
    index = st.tuples(*[st.integers(0, nodes - 1)] * n_axes)
    chosen = draw(st.lists(index, min_size=n_atoms, max_size=n_atoms, unique=True))
    moves = [[draw(st.floats(-0.25, 0.25)) for _ in range(n_axes)] for _ in range(n_atoms)]
    return np.array(chosen, dtype=float) + np.array(moves)


def _species(draw, n_atoms, n_species):
    return [draw(st.integers(0, n_species - 1)) for _ in range(n_atoms)]
