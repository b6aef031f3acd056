"""Neighbours: the twin's bits and order, all of them where the cell is thick enough, and errors that help."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aenet_py.errors import InputError
from aenet_py.neighbors.search import close_packing, environments
from compat_tests import naive
from compat_tests.compare import (
    assert_same_bits,
    isolated_structures,
    periodic_structures,
    structure,
)

R_MIN = 0.3  # Å, small enough for any structure here
ROUND_TRIP = 1e-11  # eV/Å and Å, through fractional coordinates and back
AT_THE_EDGE = 1e-6  # Å, distances this close to the limit may fall on either side

many = settings(max_examples=60, derandomize=True)
cutoffs = st.floats(1.0, 7.0)


def twin_of(given_structure, r_min, reach):
    return naive.surroundings(given_structure.cell, given_structure.positions, given_structure.forces, r_min, reach)


def compare_with_twin(given_structure, reach, r_min=R_MIN):
    found = environments([given_structure], r_min, reach)
    twin = twin_of(given_structure, r_min, reach)
    entries = list(itertools.chain(*twin.neighbors))
    vectors = np.array([vector for _, vector, _ in entries]).reshape(-1, 3)
    assert_same_bits(found.positions, twin.positions, "positions")
    assert_same_bits(found.forces, twin.forces, "forces")
    assert_same_bits(found.counts, [len(n) for n in twin.neighbors], "counts")
    assert_same_bits(found.index, np.array([atom for atom, _, _ in entries], dtype=np.int32), "order of neighbours")
    assert_same_bits(found.vectors[:3], vectors.T, "vectors to neighbours")
    assert_same_bits(found.distance, np.array([distance for _, _, distance in entries]), "distances")
    return found


def lattice(cell, repeats):
    """A structure of one atom a cell, repeated; not quite regular, so that no distances are equal."""
    corners = np.array(list(itertools.product(*[range(n) for n in repeats])), dtype=float)
    moves = 0.1 * np.sin(np.arange(corners.size)).reshape(corners.shape)
    return structure((corners + moves) @ cell, np.array(cell) * np.array(repeats)[:, None])


TRICLINIC = np.array([[3.1, 0.2, -0.4], [0.9, 2.8, 0.3], [-0.6, 0.7, 3.3]])
FIXED = {
    "cell smaller than the cutoff": (structure([[0.1, 0.2, 0.3], [1.5, 1.4, 1.8]], TRICLINIC), 6.5),
    "cell larger than the cutoff": (lattice(TRICLINIC, (3, 3, 4)), 3.5),
    "many linked cells": (lattice(TRICLINIC, (2, 3, 6)), 3.0),
    "left-handed cell": (structure([[0.1, 0.2, 0.3], [1.5, 1.4, 1.8]], TRICLINIC[[1, 0, 2]]), 5.0),
    "thin cell, where the original misses neighbours": (lattice(np.diag([1.0, 6.0, 9.0]), (1, 2, 2)), 8.0),
    "sheared cell": (lattice(np.array([[2.5, 0.0, 0.0], [4.0, 2.5, 0.0], [0.0, 4.0, 2.5]]), (1, 2, 3)), 5.0),
    "atoms on faces and corners": (structure([[0, 0, 0], [0, 0, 4], [2, 4, 4], [4, 4, 2]], np.diag([4.0] * 3)), 4.0),
    "images on the limit": (structure([[0.3, 0.4, 1.4]], np.diag([2.0, 3.0, 4.001])), 4.0),
    "atoms far outside the cell": (structure([[100.1, -70.2, 55.3], [-81.5, 1.4, 1.8]], TRICLINIC), 4.0),
    "coincident atoms": (structure([[1, 1, 1], [1, 1, 1], [2, 2, 2]], np.diag([5.0] * 3)), 3.0),
    "single atom": (structure([[7.0, -3.0, 2.0]]), 5.0),
    "dimer": (structure([[0.0, 0.0, 0.0], [0.0, 0.0, 1.1]]), 5.0),
    "straight chain": (structure([[1.2 * i, 0.0, 0.0] for i in range(15)]), 4.0),
    "straight chain, not along an axis": (structure([[0.9 * i, 0.7 * i, -0.5 * i] for i in range(12)]), 4.0),
    "flat sheet": (structure([[1.3 * i, 1.4 * j, 2.0] for i in range(5) for j in range(5)]), 4.0),
    "large cluster": (structure(lattice(TRICLINIC, (4, 4, 4)).positions), 4.0),
}


@pytest.mark.parametrize("name", FIXED)
def test_equals_twin(name):
    compare_with_twin(*FIXED[name])


@many
@given(periodic_structures(), cutoffs)
def test_periodic_equals_twin(given_structure, reach):
    compare_with_twin(given_structure, reach)


@many
@given(isolated_structures(), cutoffs)
def test_isolated_equals_twin(given_structure, reach):
    compare_with_twin(given_structure, reach)


def test_more_neighbors_than_first_allocated():
    found = compare_with_twin(structure([[0.0, 0.0, 0.0]], np.diag([2.0, 2.1, 2.2])), 8.0)
    assert found.counts[0] > 128


@many
@given(periodic_structures(shortest=4.0), st.floats(2.0, 6.0))
def test_none_missing_in_thick_cells(given_structure, reach):
    """Another search altogether: all images as one NumPy array, no linked cells and no order."""
    found = environments([given_structure], R_MIN, reach)
    shifts = np.array(list(itertools.product(range(-4, 5), repeat=3))) @ given_structure.cell
    vectors = found.positions[None, :, None] - found.positions[:, None, None] + shifts
    distances = np.sqrt(np.sum(vectors**2, axis=-1))
    limit = reach + naive.SEARCH_MARGIN
    some = np.sum((distances > 1e-9) & (distances < limit - AT_THE_EDGE), axis=(1, 2))
    most = np.sum((distances > 1e-9) & (distances < limit + AT_THE_EDGE), axis=(1, 2))
    assert np.all((some <= found.counts) & (found.counts <= most))


@many
@given(periodic_structures())
def test_atoms_come_back_in_the_cell(given_structure):
    found = environments([given_structure], R_MIN, 3.0)
    fractional = np.linalg.solve(given_structure.cell.T, found.positions.T).T
    before = np.linalg.solve(given_structure.cell.T, given_structure.positions.T).T
    assert np.all((fractional > -ROUND_TRIP) & (fractional < 1.0 + ROUND_TRIP))
    np.testing.assert_allclose(before - fractional, np.round(before - fractional), atol=ROUND_TRIP)
    np.testing.assert_allclose(found.forces, given_structure.forces, atol=ROUND_TRIP)


@many
@given(isolated_structures())
def test_molecules_come_back_unchanged(given_structure):
    found = environments([given_structure], R_MIN, 3.0)
    corner = np.min(given_structure.positions, axis=0) - 1e-6
    np.testing.assert_allclose(found.positions + corner, given_structure.positions, atol=ROUND_TRIP)


def test_structures_together_are_as_alone():
    names = ["cell smaller than the cutoff", "many linked cells", "left-handed cell", "cell larger than the cutoff"]
    structures = [FIXED[name][0] for name in names] + [structure([[0.0, 0.0, 0.0], [1.5, 0.0, 0.0]])]
    together = environments(structures, R_MIN, 4.0)
    parts = [together.only(number) for number in range(len(structures))]
    for given_structure, part in zip(structures, parts, strict=True):
        alone = environments([given_structure], R_MIN, 4.0)
        for name in ("positions", "forces", "first", "index", "vectors"):
            assert_same_bits(getattr(part, name), getattr(alone, name), name)


def test_structure_is_left_alone():
    for cell in (TRICLINIC, None):
        given_structure = structure([[7.0, -3.0, 2.0], [8.0, 9.0, -4.0]], cell)
        before = given_structure.positions.copy()
        environments([given_structure], R_MIN, 3.0)
        assert_same_bits(given_structure.positions, before, "positions of the structure")


@given(st.floats(0.1, 3.0), st.floats(0.5, 12.0))
@many
def test_close_packing_equals_twin(r_min, r_max):
    assert close_packing(r_min, r_max) == naive.largest_count(r_min, r_max)


def test_as_many_neighbors_as_r_min_allows():
    crystal = structure([[0.0, 0.0, 0.0]], np.diag([2.0, 2.1, 2.2]))
    count = int(environments([crystal], R_MIN, 5.0).counts[0])
    r_mins = {close_packing(r, 5.0): float(r) for r in np.linspace(1.0, 4.0, 20001)}
    assert environments([crystal], r_mins[count], 5.0).counts[0] == count
    with pytest.raises(InputError, match="RMIN"):
        environments([crystal], r_mins[count - 1], 5.0)


@pytest.mark.parametrize(
    "given_structures", [periodic_structures(longest=4.0), isolated_structures()], ids=["crystal", "molecule"]
)
@given(data=st.data(), r_min=st.floats(2.0, 9.0), reach=cutoffs)
@many
def test_stops_where_the_original_does(given_structures, data, r_min, reach):
    compare_ends(data.draw(given_structures), r_min, reach)


def compare_ends(given_structure, r_min, reach):
    try:
        twin_of(given_structure, r_min, reach)
    except naive.TooManyNeighbors as stopped:
        with pytest.raises(InputError, match=f"atom {stopped.args[0]} has more neighbours"):
            environments([given_structure], r_min, reach)
    else:
        compare_with_twin(given_structure, reach, r_min)


def test_more_candidates_than_r_min_allows():
    """Fewer neighbours than fit around an atom, but more atoms than fit into the cells in range."""
    crowd = structure([[0.5 * i, 0.5 * j, 0.5 * k] for i in range(3) for j in range(3) for k in range(3)])
    assert len(crowd.species) - 1 < close_packing(1.5, 4.0)
    with pytest.raises(naive.TooManyNeighbors):
        twin_of(crowd, 1.5, 4.0)
    fails_with(crowd, r"atom \d+ has more .* RMIN = 1.5 Angstrom allows; move atoms apart or reduce RMIN", r_min=1.5)
    for r_min in np.linspace(0.37, 0.39, 41):
        compare_ends(crowd, float(r_min), 4.0)


def fails_with(given_structure, words, reach=4.0, r_min=R_MIN):
    with pytest.raises(InputError, match=f"^{given_structure.path}: {words}$"):
        environments([given_structure], r_min, reach)


FLAT = "the cell is flat; its three vectors must span a volume"
FAR = "an atom lies a million cells away; move it into the cell"


@pytest.mark.parametrize("third", [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
def test_flat_cell(third):
    fails_with(structure([[0.0, 0.0, 0.0]], [[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], third]), FLAT)


def test_too_many_neighbors():
    crowd = structure([[0.4 * i, 0.4 * j, 0.4 * k] for i in range(5) for j in range(5) for k in range(5)])
    fails_with(crowd, r"atom \d+ has more .* RMIN = 2 Angstrom allows; move atoms apart or reduce RMIN", r_min=2.0)


@pytest.mark.parametrize("far", [1e7, -1e7, 1e300])
def test_atom_a_million_cells_away(far):
    fails_with(structure([[0.0, 0.0, 0.0], [far, 1.0, 1.0]], np.diag([4.0, 5.0, 6.0])), FAR)


@pytest.mark.parametrize("edge", [1e5, 4.0 * 2**22 + 1.0, 1e9])
def test_isolated_atoms_too_far_apart(edge):
    """The second edge makes 2**66 cells, which 64 bits would take for none."""
    with pytest.raises(InputError, match="too far apart"):
        environments([structure([[0.0, 0.0, 0.0], [edge, edge, edge]])], R_MIN, 4.0)
