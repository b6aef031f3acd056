"""Chebyshev features and gradients: the twin's bits, and the physics both should have."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aenet_py.descriptors import chebyshev
from aenet_py.descriptors.setup import species_weights
from aenet_py.errors import AenetError
from aenet_py.neighbors.search import environments
from compat_tests import naive
from compat_tests.compare import (
    SPECIES,
    assert_same_bits,
    isolated_structures,
    periodic_structures,
    setup,
    setups,
    structure,
)

STEP = 1e-5  # Å, of central differences
DIFFERENCE_TOLERANCE = 1e-6  # 1/Å for features of order one, central differences at STEP
BALANCE_TOLERANCE = 1e-11  # sum of all derivatives, relative to the largest
INVARIANCE_TOLERANCE = 1e-10  # features summed in another order, relative to features of order one
JUMP_TOLERANCE = 1e-12  # features beyond the cutoff against features of the rest

some = settings(max_examples=60, derandomize=True)
few = settings(max_examples=15, derandomize=True)

parts = st.tuples(st.floats(1.5, 4.5), st.integers(0, 6))


@st.composite
def set_ups(draw, n_species):
    """Set-ups that differ from species to species, in the species around them and their order, too."""
    types = SPECIES[:n_species]
    result = []
    for t in types:
        around = draw(st.permutations(types))
        if draw(st.integers(0, 3)) == 0:
            around = around[:1]
        radial, angular = draw(parts), draw(parts)
        if draw(st.integers(0, 5)) == 0:
            angular = (0.0, angular[1])
        result.append(setup(t, around, radial, angular))
    return result


def calculate(given_structure, given_setups):
    """Environments, basis, features and gradients of all atoms."""
    r_max = max(s.r_max for s in given_setups)
    found = environments([given_structure], given_setups[0].r_min, r_max)
    basis = chebyshev.basis(SPECIES[: len(given_setups)], given_setups)
    features = chebyshev.features(basis, given_structure.species, found)
    gradients = chebyshev.gradients(basis, given_structure.species, found, 0, len(features))
    return found, basis, features, gradients.copy()


def features_of(given_structure, given_setups):
    return calculate(given_structure, given_setups)[2]


def compare_with_twin(given_structure, given_setups):
    """Returns features and neighbour counts for tests that need to know what they tested."""
    r_max = max(s.r_max for s in given_setups)
    found, basis, features, gradients = calculate(given_structure, given_setups)
    twin = naive.surroundings(
        given_structure.cell, given_structure.positions, given_structure.forces, given_setups[0].r_min, r_max
    )
    symbols = [given_structure.symbols[s] for s in given_structure.species]
    position = 0
    for atom, species in enumerate(given_structure.species):
        one = given_setups[species]
        cut_r, order_r, cut_a, order_a = one.parameters[0].tolist()
        twin_basis = naive.basis(one.env_types, cut_r, int(order_r), cut_a, int(order_a))
        values, own, others = naive.atom_features(twin_basis, twin.neighbors[atom], symbols)
        flat = naive.flat_gradients(own, others)
        assert len(values) == one.n_features == basis.sizes[species]
        assert_same_bits(features[atom, : len(values)], values, f"features of atom {atom}")
        assert_same_bits(gradients[position : position + len(flat)], flat, f"gradients of atom {atom}")
        position += len(flat)
    assert position == len(gradients)
    return features, found.counts


CELL = np.array([[4.1, 0.2, -0.4], [0.9, 3.8, 0.3], [-0.6, 0.7, 4.3]])
CRYSTAL = structure([[0.1, 0.2, 0.3], [1.9, 1.8, 2.3], [-3.0, 0.3, 9.1]], CELL, [0, 1, 0])
MOLECULE = structure(
    [[0.0, 0.0, 0.1], [1.3, 0.2, 0.0], [-0.3, 1.4, 0.2], [0.4, 0.3, 1.7], [2.4, 1.1, 0.6], [1.2, -1.5, 0.9]],
    None, [0, 1, 2, 3, 4, 0],
)  # fmt: skip


def renamed(given_structure, n_species):
    """The same atoms shared among so many species."""
    species = np.arange(len(given_structure.species)) % n_species
    return structure(given_structure.positions, given_structure.cell, species)


@pytest.mark.parametrize("n_species", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("orders", [(0, 0), (1, 0), (0, 1), (1, 1), (2, 3), (3, 2), (12, 9)])
def test_orders_and_species(n_species, orders):
    compare_with_twin(renamed(MOLECULE, n_species), setups(n_species, (4.0, orders[0]), (3.0, orders[1])))


@pytest.mark.parametrize("cutoffs", [(4.0, 4.0), (4.0, 2.5), (2.5, 4.0), (1.5, 4.5), (4.0, 0.0), (0.5, 0.5)])
@pytest.mark.parametrize("given_structure", [CRYSTAL, renamed(MOLECULE, 2)], ids=["crystal", "molecule"])
def test_cutoffs(given_structure, cutoffs):
    compare_with_twin(given_structure, setups(2, (cutoffs[0], 4), (cutoffs[1], 3)))


def test_single_species_environment_takes_all_neighbors():
    one = [setup("H", ["H"], (4.0, 3), (3.0, 3)), setup("He", ["H"], (4.0, 3), (3.0, 3))]
    features, _ = compare_with_twin(CRYSTAL, one)
    assert features.shape == (3, 8)
    np.testing.assert_array_equal(features, features_of(CRYSTAL, setups(2, (4.0, 3), (3.0, 3)))[:, :8])


def test_another_set_up_for_each_species():
    compare_with_twin(
        renamed(MOLECULE, 3),
        [
            setup("H", ["Li", "H", "He"], (4.0, 5), (2.0, 0)),
            setup("He", ["He"], (2.5, 0), (4.4, 7)),
            setup("Li", ["He", "Li", "H"], (1.6, 1), (0.0, 2)),
        ],
    )


@pytest.mark.parametrize(
    "positions",
    [
        [[3.0, -2.0, 1.0]],
        [[0.0, 0.0, 0.0], [0.0, 0.0, 1.1]],
        [[0.0, 0.0, 0.0], [0.0, 0.0, 1.1], [0.0, 0.0, 2.3], [0.0, 0.0, 3.2]],
        [[0.0, 0.0, 5.0], [1.1, 0.3, 5.0], [-0.2, 1.2, 5.0], [1.4, 1.5, 5.0]],
        [[0.0, 0.0, 0.0], [90.0, 0.0, 0.0], [0.0, 90.0, 0.0]],
    ],
    ids=["single atom", "dimer", "straight", "flat", "far apart"],
)
def test_small_molecules(positions):
    compare_with_twin(renamed(structure(positions), 2), setups(2, (4.0, 4), (3.5, 4)))


def test_hundreds_of_neighbors():
    """More than one block of the kernel for atoms, and for pairs."""
    dense = structure([[0.0, 0.0, 0.0]], np.diag([2.0, 2.05, 2.1]))
    _, counts = compare_with_twin(dense, setups(1, (8.7, 2), (8.7, 1)))
    assert counts[0] > 256


@some
@given(st.integers(1, 5).flatmap(lambda n: st.tuples(periodic_structures(3.5, 8.0, 4, n), set_ups(n))))
def test_periodic_equals_twin(case):
    compare_with_twin(*case)


@some
@given(st.integers(1, 5).flatmap(lambda n: st.tuples(isolated_structures(7, n), set_ups(n))))
def test_isolated_equals_twin(case):
    compare_with_twin(*case)


def test_gradients_of_some_atoms_are_a_slice_of_all():
    given_structure = renamed(MOLECULE, 3)
    mixed = [
        setup("H", SPECIES[:3], (4.0, 4), (3.0, 3)),
        setup("He", ["H"], (3.0, 1), (3.0, 0)),
        setup("Li", SPECIES[:3], (4.0, 0), (4.0, 5)),
    ]
    found, basis, _, whole = calculate(given_structure, mixed)
    sizes = 3 * basis.sizes[given_structure.species] * (1 + found.counts)
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    for start, stop in itertools.combinations_with_replacement(range(len(sizes) + 1), 2):
        part = chebyshev.gradients(basis, given_structure.species, found, start, stop)
        assert_same_bits(part, whole[bounds[start] : bounds[stop]], f"gradients of atoms {start} to {stop}")


def derivatives(given_structure, given_setups):
    """Of the features of every atom, own (3, features) and of neighbours (3, features, neighbours)."""
    found, basis, _, flat = calculate(given_structure, given_setups)
    position = 0
    for atom, count in enumerate(found.counts):
        size = int(basis.sizes[given_structure.species[atom]])
        shapes = [(3, size), (3, size, int(count))]
        blocks = []
        for shape in shapes:
            length = int(np.prod(shape))
            blocks.append(flat[position : position + length].reshape(shape))
            position += length
        yield atom, found.index[found.first[atom] : found.first[atom + 1]], *blocks


PHYSICAL = {
    "crystal": (CRYSTAL, setups(2, (4.5, 5), (3.5, 4))),
    "molecule": (renamed(MOLECULE, 3), setups(3, (4.5, 5), (3.5, 4))),
    "angular cutoff above the radial one": (renamed(MOLECULE, 1), setups(1, (2.5, 3), (4.5, 4))),
    "straight": (structure([[0.0, 0.0, 1.1 * i] for i in range(4)]), setups(1, (3.0, 4), (3.0, 4))),
    "flat": (structure([[1.2 * i, 1.3 * j, 0.0] for i in range(2) for j in range(3)]), setups(1, (3.0, 4), (3.0, 4))),
}


def gradient_matrix(given_structure, given_setups):
    """Derivative of each atom's features with respect to each atom: (atom, feature, other atom, component)."""
    shape = (len(given_structure.species), given_setups[0].n_features, len(given_structure.species), 3)
    total = np.zeros(shape)
    for atom, index, own, others in derivatives(given_structure, given_setups):
        total[atom, :, atom, :] += own.T
        for column, other in enumerate(index):
            total[atom, :, other, :] += others[:, :, column].T
    return total


def check_gradients_with_differences(given_structure, given_setups):
    matrix = gradient_matrix(given_structure, given_setups)
    scale = max(1.0, float(np.abs(matrix).max()))
    for atom, component in itertools.product(range(len(given_structure.species)), range(3)):
        sides = []
        for sign in (1.0, -1.0):
            positions = given_structure.positions.copy()
            positions[atom, component] += sign * STEP
            moved = structure(positions, given_structure.cell, given_structure.species, given_structure.symbols)
            sides.append(features_of(moved, given_setups))
        slope = (sides[0] - sides[1]) / (2.0 * STEP)
        np.testing.assert_allclose(matrix[:, :, atom, component], slope, atol=DIFFERENCE_TOLERANCE * scale, rtol=0.0)


@pytest.mark.parametrize("name", PHYSICAL)
def test_gradients_are_slopes_of_features(name):
    check_gradients_with_differences(*PHYSICAL[name])


@few
@given(isolated_structures(6, 3), st.integers(0, 6), st.integers(0, 6))
def test_gradients_are_slopes_of_features_of_any_molecule(given_structure, radial_order, angular_order):
    check_gradients_with_differences(given_structure, setups(3, (4.0, radial_order), (3.5, angular_order)))


@pytest.mark.parametrize("name", PHYSICAL)
def test_derivatives_add_up_to_zero(name):
    for _, _, own, others in derivatives(*PHYSICAL[name]):
        scale = max(1.0, float(np.abs(others).max()))
        np.testing.assert_allclose(own + others.sum(axis=2), 0.0, atol=BALANCE_TOLERANCE * scale)


def assert_same_features(actual, expected):
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(actual, expected, atol=INVARIANCE_TOLERANCE * scale, rtol=0.0)


def rotation(angles):
    a, b, c = angles
    about_z = [[np.cos(a), -np.sin(a), 0.0], [np.sin(a), np.cos(a), 0.0], [0.0, 0.0, 1.0]]
    about_y = [[np.cos(b), 0.0, np.sin(b)], [0.0, 1.0, 0.0], [-np.sin(b), 0.0, np.cos(b)]]
    about_x = [[1.0, 0.0, 0.0], [0.0, np.cos(c), -np.sin(c)], [0.0, np.sin(c), np.cos(c)]]
    return np.array(about_z) @ np.array(about_y) @ np.array(about_x)


any_angles = st.tuples(*[st.floats(0.0, 6.28)] * 3)
any_shift = st.tuples(*[st.floats(-30.0, 30.0)] * 3)
# Set-ups whose angular cutoff is the larger one weigh species by the order of neighbours, and are not invariant.
INVARIANT = ["crystal", "molecule", "flat", "straight"]


@pytest.mark.parametrize("name", INVARIANT)
@given(angles=any_angles)
@few
def test_rotation(name, angles):
    given_structure, given_setups = PHYSICAL[name]
    turn = rotation(angles)
    cell = None if given_structure.cell is None else given_structure.cell @ turn.T
    turned = structure(given_structure.positions @ turn.T, cell, given_structure.species)
    assert_same_features(features_of(turned, given_setups), features_of(given_structure, given_setups))


@pytest.mark.parametrize("name", INVARIANT)
@given(shift=any_shift)
@few
def test_translation(name, shift):
    given_structure, given_setups = PHYSICAL[name]
    moved = structure(given_structure.positions + shift, given_structure.cell, given_structure.species)
    assert_same_features(features_of(moved, given_setups), features_of(given_structure, given_setups))


@pytest.mark.parametrize("name", INVARIANT)
@given(data=st.data())
@few
def test_permutation_of_atoms(name, data):
    given_structure, given_setups = PHYSICAL[name]
    order = data.draw(st.permutations(range(len(given_structure.species))))
    shuffled = structure(
        given_structure.positions[order], given_structure.cell, given_structure.species[order], given_structure.symbols
    )
    assert_same_features(features_of(shuffled, given_setups), features_of(given_structure, given_setups)[order])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_supercell(axis):
    given_structure, given_setups = PHYSICAL["crystal"]
    cell = given_structure.cell.copy()
    cell[axis] *= 2.0
    positions = np.concatenate([given_structure.positions, given_structure.positions + given_structure.cell[axis]])
    doubled = structure(positions, cell, np.tile(given_structure.species, 2))
    once = features_of(given_structure, given_setups)
    assert_same_features(features_of(doubled, given_setups), np.concatenate([once, once]))


@few
@given(periodic_structures(4.0, 8.0, 4, 2), st.data())
def test_periodic_images_of_atoms(given_structure, data):
    shifts = [[data.draw(st.integers(-2, 2)) for _ in range(3)] for _ in given_structure.species]
    positions = given_structure.positions + np.array(shifts, dtype=float) @ given_structure.cell
    moved = structure(positions, given_structure.cell, given_structure.species)
    chosen = setups(2, (4.0, 4), (3.5, 4))
    assert_same_features(features_of(moved, chosen), features_of(given_structure, chosen))


@pytest.mark.parametrize(("radial_cutoff", "angular_cutoff"), [(4.0, 3.0), (3.0, 4.0)])
@pytest.mark.parametrize("crossed", [3.0, 4.0])
def test_neighbor_fades_away_at_the_cutoff(radial_cutoff, angular_cutoff, crossed):
    chosen = setups(1, (radial_cutoff, 6), (angular_cutoff, 6))

    def at(distance):
        turned = np.array([0.6, 0.0, 0.8]) * distance
        given_structure = structure([[0.0, 0.0, 0.0], [0.3, -1.2, 0.2], [1.3, 0.1, -0.2], turned])
        own = next(derivatives(given_structure, chosen))[2]
        return features_of(given_structure, chosen)[0], own

    beyond, beyond_slope = at(crossed + 1e-9)
    previous = None
    for step in (1e-2, 1e-3, 1e-4, 1e-5):
        inside, slope = at(crossed - step)
        jump = np.abs(inside - beyond).max()
        change = np.abs(slope - beyond_slope).max()
        if previous is not None:
            assert change < 0.2 * previous[1]
            assert jump < 0.2 * previous[0]
        previous = jump, change
    if crossed == 4.0:
        rest = structure([[0.0, 0.0, 0.0], [0.3, -1.2, 0.2], [1.3, 0.1, -0.2]])
        np.testing.assert_allclose(beyond, features_of(rest, chosen)[0], atol=JUMP_TOLERANCE)


def test_features_at_the_cutoff_are_zero():
    given_structure = structure([[0.0, 0.0, 0.0], [0.0, 0.0, 3.0005]])
    found, _, features, gradients = calculate(given_structure, setups(1, (3.0, 3), (3.0, 3)))
    assert found.counts.tolist() == [1, 1]
    assert not features.any()
    assert not gradients.any()


@pytest.mark.parametrize("cell", [None, np.diag([5.0, 5.0, 5.0])], ids=["isolated", "periodic"])
@pytest.mark.parametrize("third", [[2.0, 1.0, 1.0], [30.0, 30.0, 30.5]], ids=["near", "far"])
def test_coincident_atoms(cell, third):
    with pytest.raises(AenetError, match=r"atom \d coincides with another atom; move them apart"):
        features_of(structure([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], third], cell), setups(1, (3.0, 2), (3.0, 2)))


def test_atoms_that_coincide_with_an_image():
    with pytest.raises(AenetError, match="coincides"):
        features_of(structure([[1.0, 1.0, 1.0], [1.0, 6.0, 1.0]], np.diag([5.0] * 3)), setups(1, (3.0, 2), (3.0, 2)))


def test_species_weights():
    expected = {1: [0], 2: [-1, 1], 3: [-1, 0, 1], 4: [-2, -1, 1, 2], 5: [-2, -1, 0, 1, 2]}
    assert {n: species_weights(n) for n in expected} == expected


@pytest.mark.parametrize("orders", [(3, 5), (4, 4), (-2, 11), (np.nan, 4), (4, np.inf), (1e300, 4)])
def test_setups_whose_orders_do_not_make_their_features(orders):
    """Kernels write as many features as the orders make."""
    good = setup("H", ("H", "He"), (4.0, 4), (3.0, 5))
    assert chebyshev.basis(("H",), [good]).orders.tolist() == [[4, 5, 1]]
    good.parameters[0, [1, 3]] = orders
    with pytest.raises(AenetError, match=r"^the set-up of H has 22 features, but polynomials up to orders .* damaged$"):
        chebyshev.basis(("H",), [good])
