"""Symmetry functions: gradients against finite differences, invariances, and a sum written out."""

from __future__ import annotations

import itertools
import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aenet_py.descriptors import behler
from aenet_py.descriptors.common import CoincidenceError
from aenet_py.descriptors.setup import Setup, behler_setup
from aenet_py.errors import AenetError
from aenet_py.neighbors.search import environments
from aenet_py.structure import Structure

TYPES = ("Ti", "O")
SPECIES = ("H", "He", "Li", "Be", "B", "C", "N")
FUNCTIONS = [
    (1, (3.9,), (0,)), (1, (4.2,), (1,)), (2, (4.0, 1.2, 0.7), (1,)), (3, (3.7, 1.4), (0,)),
    (4, (4.1, -1.0, 2.0, 0.02), (0, 1)), (4, (3.5, 1.0, 1.3, 0.1), (1, 1)), (5, (4.0, 1.0, 4.0, 0.05), (1, 0)),
    (5, (3.8, -1.0, 1.0, 0.0), (0, 0)),
]  # fmt: skip


def setups(functions=FUNCTIONS) -> list[Setup]:
    return [behler_setup("", symbol, TYPES, 0.5, "Behler2011", functions) for symbol in TYPES]


def structure(positions: np.ndarray, species: np.ndarray, cell: np.ndarray | None) -> Structure:
    return Structure("a.xsf", TYPES, species, positions, cell, (cell is not None,) * 3)


@pytest.fixture(params=["molecule", "crystal"])
def case(request):
    rng = np.random.default_rng(4)
    positions = np.array(list(np.ndindex(2, 2, 2)), dtype=float) * 2.1 + rng.uniform(-0.3, 0.3, (8, 3))
    cell = None if request.param == "molecule" else np.array([[4.4, 0.1, 0.0], [0.2, 4.3, 0.1], [0.0, -0.2, 4.6]])
    return positions, np.array([0, 1, 1, 0, 1, 0, 1, 1]), cell


def evaluate(positions, species, cell, functions=FUNCTIONS):
    basis = behler.basis(TYPES, setups(functions))
    found = environments([structure(positions, species, cell)], 0.5, 4.2, with_positions=True)
    return basis, species.astype(np.int64), found


def features(*case) -> np.ndarray:
    return behler.features(*evaluate(*case)).copy()


def test_gradients_are_the_derivatives_of_the_features(case):
    positions, species, cell = case
    basis, types, found = evaluate(*case)
    values = behler.gradients(basis, types, found, 0, len(types)).copy()
    derivatives = np.zeros((len(types), 3, len(types), len(FUNCTIONS)))
    at, first, index = 0, found.first.tolist(), found.index.copy()
    for atom in range(len(types)):
        n, width = first[atom + 1] - first[atom], len(FUNCTIONS)
        derivatives[atom, :, atom] += values[at : at + 3 * width].reshape(3, width)
        at += 3 * width
        others = values[at : at + 3 * width * n].reshape(3, width, n)
        at += 3 * width * n
        for j in range(n):
            derivatives[atom, :, index[first[atom] + j]] += others[:, :, j]
    step = 1e-5
    for moved in range(len(types)):
        for axis in range(3):
            shift = np.zeros_like(positions)
            shift[moved, axis] = step
            difference = features(positions + shift, species, cell) - features(positions - shift, species, cell)
            np.testing.assert_allclose(derivatives[:, axis, moved], difference / (2 * step), rtol=1e-6, atol=2e-8)


def test_invariances(case):
    positions, species, cell = case
    before = features(*case)
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    turned = None if cell is None else cell @ rotation
    np.testing.assert_allclose(features(positions @ rotation, species, turned), before, rtol=1e-10, atol=1e-12)
    moved = positions + np.array([0.7, -1.1, 0.2])
    np.testing.assert_allclose(features(moved, species, cell), before, rtol=1e-10, atol=1e-12)
    order = np.random.default_rng(2).permutation(len(species))
    np.testing.assert_allclose(features(positions[order], species[order], cell), before[order], rtol=1e-10, atol=1e-12)


def test_against_a_sum_written_out():
    """A molecule's features from their definitions, sorted by species and kind."""
    rng = np.random.default_rng(9)
    positions, species = rng.uniform(0, 3.0, (6, 3)), np.array([0, 1, 1, 0, 1, 0])

    def fc(d, rc):
        return 0.5 * (math.cos(math.pi * d / rc) + 1) if d < rc else 0.0

    def value(atom, kind, values, around):
        rc, total = values[0], 0.0
        d = np.linalg.norm(positions - positions[atom], axis=1)
        others = [j for j in range(6) if j != atom]
        for j in others:
            if kind < 4:
                if species[j] != around[0]:
                    continue
                shape = {
                    1: lambda d: 1.0,  # noqa: ARG005
                    2: lambda d: math.exp(-values[2] * (d - values[1]) ** 2),
                    3: lambda d: math.cos(values[1] * d),
                }[kind]
                total += shape(d[j]) * fc(d[j], rc)
                continue
            for k in others:
                if k == j or sorted((species[j], species[k])) != sorted(around):
                    continue
                _, sign, zeta, eta = values
                cosine = (positions[j] - positions[atom]) @ (positions[k] - positions[atom]) / d[j] / d[k]
                between = np.linalg.norm(positions[j] - positions[k])
                term = (0.5 * (1 + sign * cosine)) ** zeta
                for distance in (d[j], d[k], between)[: 3 if kind == 4 else 2]:
                    term *= math.exp(-eta * distance**2) * fc(distance, rc)
                total += term
        return total

    order = sorted(FUNCTIONS, key=lambda f: ((f[2][0], -1) if f[0] < 4 else tuple(sorted(f[2])), f[0]))
    wanted = [[value(atom, *function) for function in order] for atom in range(6)]
    np.testing.assert_allclose(features(positions, species, None), wanted, rtol=1e-9, atol=1e-12)


def test_atoms_that_coincide(case):
    positions, species, cell = case
    positions = positions.copy()
    positions[5] = positions[2]
    with pytest.raises(CoincidenceError, match="coincides with another atom") as caught:
        features(positions, species, cell)
    assert caught.value.structure == 0


@st.composite
def decks(draw) -> tuple[tuple[str, ...], list[Setup]]:
    """TYPES and a set-up for each, whose ENV has all of them in any order, and others."""
    types = SPECIES[: draw(st.integers(1, 4))]
    found = []
    for symbol in types:
        env = tuple(draw(st.permutations(types + SPECIES[4 : 4 + draw(st.integers(0, 3))])))
        number = st.integers(0, len(env) - 1)
        functions = []
        for place in range(draw(st.integers(1, 6))):
            kind = draw(st.integers(1, 5))
            around = (draw(number),) if kind < 4 else (draw(number), draw(number))
            functions.append((kind, (3.0 + place, 0.5, 1.0, 0.1)[: 1 if kind == 1 else 4], around))
        found.append(behler_setup("", symbol, env, 0.5, "Behler2011", functions))
    return types, found


def written_out(types: tuple[str, ...], given: list[Setup]):
    """The original's tables as flat memory: for each species and neighbours, the kind, column and Rc of functions.

    None where it reads outside of its tables.
    """
    n = len(types)
    pair_at, triple_at = {}, {}
    for i in range(n):
        for j in range(n):
            pair_at[i + j * n] = len(pair_at)
            for k in range(j, n):
                triple_at[i + j * n + k * n * n] = triple_at[i + k * n + j * n * n] = len(set(triple_at.values()))
    if n == 2:
        triple_at[13] = 4
    filed: dict[tuple[str, int], list[tuple[int, float]]] = {}
    for own, setup in enumerate(given):
        for kind, (rc, *_), (j, k) in zip(setup.functions, setup.parameters, setup.environment, strict=True):
            radial = kind < 4
            number = (pair_at if radial else triple_at).get(own + j * n + (0 if radial else k * n * n))
            if number is None:
                return None
            filed.setdefault(("radial" if radial else "angular", number), []).append((int(kind), float(rc)))
    for functions in filed.values():
        functions.sort(key=lambda function: function[0])
    begin = {}
    for i in range(n):
        column = 0
        for j in range(n):
            begin["radial", pair_at[i + j * n]] = column
            column += len(filed.get(("radial", pair_at[i + j * n]), ()))
            for k in range(j, n):
                begin["angular", triple_at[i + j * n + k * n * n]] = column
                column += len(filed.get(("angular", triple_at[i + j * n + k * n * n]), ()))

    def looked_up(t: int, u: int, v: int | None = None) -> list[tuple[int, int, float]] | None:
        env = given[t].env_types
        place = env.index(types[t]) + n * env.index(types[u]) + (0 if v is None else n * n * env.index(types[v]))
        number = (pair_at if v is None else triple_at).get(place)
        if number is None:
            return None
        key = ("radial" if v is None else "angular", number)
        return [(kind, begin[key] + i, rc) for i, (kind, rc) in enumerate(filed.get(key, ()))]

    return looked_up


@hypothesis.given(decks())
def test_functions_are_found_where_the_original_finds_them(deck):
    """Whatever the order of ENV, and with species that only ENV has."""
    types, given = deck
    looked_up = written_out(types, given)
    if looked_up is None:
        with pytest.raises(AenetError, match=r"which the original cannot store: .* is number \d under ENV, and TYPES"):
            behler.basis(types, given)
        return
    basis = behler.basis(types, given)

    def between(begin: int, end: int) -> list[tuple[int, int, float]]:
        rows = zip(basis.functions[begin:end].tolist(), basis.parameters[begin:end, 0].tolist(), strict=True)
        return [(kind, column, rc) for (kind, column), rc in rows]

    for t, u in itertools.product(range(len(types)), repeat=2):
        if types[t] in basis.refused:
            continue
        found = looked_up(t, u)
        assert basis.unknown[t, u] == (found is None)
        if found is not None:
            assert between(*basis.pairs[t, u]) == found
        for v in range(len(types)):
            if not (basis.unknown[t, u] or basis.unknown[t, v]):
                assert between(*basis.triples[t, u, v]) == looked_up(t, u, v)


def test_part_of_the_species_of_a_training(case):
    """Features of a potential do not depend on which other potentials are loaded, nor in which order."""
    positions, species, _ = case
    given = {symbol: behler_setup("", symbol, ("H", "O", "Ti"), 0.5, "Behler2011", FUNCTIONS) for symbol in TYPES}
    found = environments([structure(positions, species, None)], 0.5, 4.2, with_positions=True)

    def features_with(*types: str) -> np.ndarray:
        basis = behler.basis(types, [given[symbol] for symbol in types], trained=("H", "O", "Ti"))
        return behler.features(basis, np.array([types.index(TYPES[s]) for s in species]), found).copy()

    np.testing.assert_array_equal(features_with("Ti", "O"), features_with("O", "Ti"))


def test_gradients_of_a_straight_angle_without_zeta():
    positions, species = np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [-2.0, 0.0, 0.0]]), np.array([0, 1, 1])
    functions = [(kind, (6.0, 1.0, 0.0, 0.05), (1, 1)) for kind in (4, 5)]
    basis, types, found = evaluate(positions, species, None, functions)
    assert np.isfinite(behler.gradients(basis, types, found, 0, 3)).all()
