"""Structures that repeat along some cell vectors: the same neighbours everywhere, none along an open direction."""

from __future__ import annotations

import dataclasses
import itertools
import warnings

import numpy as np
import pytest
from ase import Atoms
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aenet_py.errors import AenetError, InputError
from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.neighbors import verlet
from aenet_py.neighbors.periodicity import VACUUM, complete, with_vacuum
from aenet_py.neighbors.search import environments
from aenet_py.potentials.potential import Potential
from aenet_py.structure import Structure
from compat_tests.compare import assert_same_bits, structure
from compat_tests.interfaces.test_ase import networks

R_MIN = 0.05  # Å, small enough for any structure here
ALL_PBC = list(itertools.product((True, False), repeat=3))
PARTLY = [pbc for pbc in ALL_PBC if any(pbc) and not all(pbc)]
SKEWED = np.array([[3.1, 0.4, -0.3], [0.7, 2.8, 0.5], [-0.6, 0.9, 3.3]])


def drawn(seed, pbc):
    """Atoms in and around a cell, some open vectors of which are missing; thin cells, too, if some vector is open."""
    generator = np.random.default_rng(seed)
    sides = generator.choice([1.1, 2.5, 4.0, 9.0] if any(pbc) and not all(pbc) else [4.0, 6.0, 9.0], 3)
    cell = (np.eye(3) + generator.uniform(-0.3, 0.3, (3, 3))) * sides[:, None]
    positions = generator.uniform(-0.6, 1.6, (int(generator.integers(1, 6)), 3)) @ cell
    for k in range(3):
        if not pbc[k] and generator.random() < 0.4:
            cell[k] = 0.0
    return cell, positions


def by_brute_force(cell, pbc, positions, reach):
    """Distances of the neighbours of each atom, in order."""
    full = complete(np.array(cell, dtype=float), pbc)
    heights = 1.0 / np.linalg.norm(np.linalg.inv(full), axis=0)
    spread = np.ptp(positions @ np.linalg.inv(full), axis=0)
    far = np.ceil(reach / heights + spread).astype(int)
    ranges = [range(-k, k + 1) if p else (0,) for p, k in zip(pbc, far, strict=True)]
    images = np.array(list(itertools.product(*ranges))) @ full
    found = []
    for center in positions:
        vectors = (positions[:, None] - center + images).reshape(-1, 3)
        distances = np.linalg.norm(vectors, axis=1)
        near = np.flatnonzero((distances < reach) & (distances > 1e-9))
        found.append(sorted(distances[near].tolist()))
    return found


def distances_of(found):
    return [sorted(found.distance[a:b].tolist()) for a, b in itertools.pairwise(found.first.tolist())]


@settings(max_examples=120, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.sampled_from([*PARTLY, (True,) * 3]), st.sampled_from([2.0, 4.0, 6.5]))
def test_both_searches_find_what_brute_force_finds(seed, pbc, reach):
    cell, positions = drawn(seed, pbc)
    expected = by_brute_force(cell, pbc, positions, reach)
    edges = itertools.chain(*by_brute_force(cell, pbc, positions, reach + 1e-6))
    assume(all(abs(distance - reach) > 1e-6 and distance > R_MIN for distance in edges))
    made = dataclasses.replace(structure(positions, cell), pbc=pbc)
    ours = distances_of(environments([made], R_MIN, reach - 0.001))
    atoms = Atoms(f"H{len(positions)}", positions, cell=cell, pbc=pbc)
    theirs = distances_of(verlet.environments(verlet.pairs(atoms, reach, 0.0), atoms))
    for each in (ours, theirs):
        assert [len(d) for d in each] == [len(d) for d in expected]
        np.testing.assert_allclose(np.concatenate(each), np.concatenate(expected), atol=1e-9)


@pytest.mark.parametrize("pbc", ALL_PBC, ids=lambda pbc: "".join("FT"[p] for p in pbc))
@pytest.mark.parametrize("seed", range(3))
def test_potentials_and_the_calculator_agree(pbc, seed):
    """Energies and forces, also with thin cells and missing vectors, where some vector is open."""
    generator = np.random.default_rng(seed)
    cell = np.array(SKEWED) * ((1.0, 2.6, 1.5) if any(pbc) and not all(pbc) else (2.2, 2.6, 1.9))
    corners = np.array(list(itertools.product(range(2), repeat=3)))[:5]
    positions = (corners + generator.uniform(-0.1, 0.1, corners.shape)) @ (2.4 * np.eye(3)) - 1.0
    for k in range(3):
        if not pbc[k] and seed == k:
            cell[k] = 0.0
    species = np.array([0, 1, 2, 3, 2])
    made = Structure("a.xyz", ("Cu", "Au", "O", "H"), species, positions, cell, pbc)
    atoms = Atoms("CuAuOHO", positions, cell=cell, pbc=pbc)
    atoms.calc = ANNCalculator(networks())
    prediction = Potential.load(networks()).energy_forces(made)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert prediction.energy == pytest.approx(atoms.get_potential_energy(), rel=1e-12)
    np.testing.assert_allclose(prediction.forces, atoms.get_forces(), atol=1e-8)
    np.testing.assert_allclose(prediction.virial, prediction.virial.T, atol=1e-7)


@pytest.mark.parametrize("n_open", [1, 2])
def test_which_vector_is_open_changes_nothing(n_open):
    """The neighbours of a structure whose vectors and axes are exchanged cyclically."""
    generator = np.random.default_rng(4)
    cell, positions = np.diag([2.2, 4.1, 5.3]), generator.uniform(0, 4, (4, 3))
    found = []
    for turn in range(3):
        pbc = tuple(np.roll([True] * (3 - n_open) + [False] * n_open, turn).tolist())
        made = structure(np.roll(positions, turn, axis=1), np.roll(cell, (turn, turn), axis=(0, 1)))
        found.append(distances_of(environments([dataclasses.replace(made, pbc=pbc)], R_MIN, 5.0)))
    for other in found[1:]:
        np.testing.assert_allclose(np.concatenate(other), np.concatenate(found[0]), atol=1e-12)


@settings(max_examples=100, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.sampled_from(PARTLY), st.sampled_from([5.0, VACUUM, 40.0]))
def test_images_along_open_vectors_are_far(seed, pbc, vacuum):
    cell, positions = drawn(seed, pbc)
    wide = with_vacuum(cell, pbc, positions, vacuum)
    assert_same_bits(wide[list(pbc)], cell[list(pbc)], "periodic vectors")
    steps = np.array([s for s in itertools.product(range(-2, 3), repeat=3) if any(np.array(s)[~np.array(pbc)])])
    apart = positions[:, None] - positions + (steps @ wide)[:, None, None]
    assert np.linalg.norm(apart, axis=-1).min() > vacuum - 1e-9
    assert_same_bits(with_vacuum(wide, pbc, positions, vacuum), wide, "a cell that is wide enough")


def test_a_wide_cell_stays_and_a_short_one_keeps_its_direction():
    positions = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 4.5]])
    slab = np.array([[5.0, 0, 0], [0, 5.2, 0], [0, 0, 40.0]])
    assert_same_bits(with_vacuum(slab, (True, True, False), positions), slab, "cell")
    slab[2, 2] = 6.0
    assert with_vacuum(slab, (True, True, False), positions)[2].tolist() == [0.0, 0.0, 24.0]
    slab[2] = 0.0
    assert with_vacuum(slab, (True, True, False), positions)[2].tolist() == [0.0, 0.0, 24.0]


@pytest.mark.parametrize(
    ("cell", "pbc", "message"),
    [
        ([[5, 0, 0], [0, 5, 0], [0, 0, 0]], (False, True, True), "pbc is set along a missing cell vector"),
        ([[5, 0, 0], [5, 0, 0], [0, 0, 0]], (True, True, False), "lie in a plane or on a line"),
        ([[5, 0, 0], [0, 5, 0], [1, 1, 0]], (True, True, False), "lie in a plane or on a line"),
        ([[5, 0, 0], [0, np.nan, 0], [1, 1, 0]], (True, True, False), "cell vectors must be finite"),
        ([[5, 0, 0], [0, 5, 0], [1e40, 1, 0]], (True, True, False), "must be finite and below 1e\\+30 Angstrom"),
        ([[5, 0, 0], [0, 5, 0], [0, 0, 1e-40]], (True, True, False), "shorter than 1e-30 Angstrom"),
        ([[5, 0, 0], [0, 1e-5, 0], [0, 0, 0]], (True, True, False), "1e-05 Angstrom thick, too thin for"),
    ],
)
def test_cells_that_make_no_sense(cell, pbc, message):
    """The same words from both searches."""
    valid = structure([[0.0, 0.0, 0.0]], np.eye(3))
    with pytest.raises(InputError, match=f"^made/up.xsf: .*{message}"):
        environments([dataclasses.replace(valid, cell=cell, pbc=pbc)], R_MIN, 4.0)
    with pytest.raises(AenetError, match=message):
        verlet.pairs(Atoms("H", [[0, 0, 0]], cell=cell, pbc=pbc), 4.0, 0.0)
