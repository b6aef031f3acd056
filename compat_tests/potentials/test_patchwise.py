"""Patches: all pairs, the energies and forces of the slow twin, and the same bits for any number of threads."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aenet_py.descriptors.common import CoincidenceError
from aenet_py.neighbors import patches, verlet
from aenet_py.potentials import patchwise
from aenet_py.potentials.committee import alone, committees
from aenet_py.potentials.potential import Potential
from compat_tests.compare import assert_same_bits
from compat_tests.interfaces.test_ase import CLUSTER, as_atoms, crystal, networks
from compat_tests.potentials import made

pytestmark = pytest.mark.filterwarnings("ignore:.*trained by ænet before 2.0.4")
FOUR = ("Cu", "Au", "O", "H")  # of the clusters and crystals
SPECIES = {1: ("Cu",), 2: ("Cu", "Au"), 3: ("Cu", "Au", "O")}


@pytest.fixture(autouse=True)
def few_atoms_per_thread(monkeypatch):
    """All threads work, whatever the structure."""
    monkeypatch.setattr(patches, "PER_THREAD", 1)


def kinds_of(potential: Potential, atoms: Atoms) -> np.ndarray:
    return potential.types_of(atoms.get_chemical_symbols())


def evaluated(
    potential: Potential, atoms: Atoms, skin: float = 0.5, threads: int = 1, single: bool = False
) -> patchwise.Forces:
    kinds = kinds_of(potential, atoms)
    known = patches.patches(atoms, kinds, potential.model.r_max, skin)
    prepared = patchwise.ready(alone(potential), known, np.arange(known.n_kinds), threads, single=single)
    return patchwise.evaluate(prepared, atoms.positions)


def in_order(potential: Potential, atoms: Atoms):
    around = verlet.environments(verlet.pairs(atoms, potential.model.r_max, 0.0), atoms)
    return potential.evaluate(kinds_of(potential, atoms), around, in_order=True)


def large(seed: int = 0, repeat: tuple[int, int, int] = (4, 4, 3)) -> Atoms:
    """Atoms of several patches, some outside their cell."""
    atoms = crystal(seed).repeat(repeat)
    atoms.rattle(0.08, seed=seed)
    atoms.positions += np.random.default_rng(seed).integers(-1, 2, size=(len(atoms), 3)) @ atoms.cell.array
    return atoms


def small(generator: np.random.Generator, species: tuple[str, ...]) -> Atoms:
    """A few atoms at least 1.2 Å apart, in any cell."""
    sites = np.stack(np.meshgrid(*[range(2)] * 3), axis=-1).reshape(-1, 3)
    n = int(generator.integers(1, 6))
    positions = 2.2 * generator.permutation(sites)[:n] + generator.uniform(-0.3, 0.3, (n, 3))
    cell = 4.5 * np.eye(3) + generator.uniform(-0.4, 0.4, (3, 3))
    return Atoms(generator.choice(species, n), positions, cell=cell, pbc=generator.random(3) < 0.4)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1))
def test_the_same_as_the_slow_twin(tmp_path_factory, seed):
    """Any orders, cutoffs, layers, activations, cells and numbers of species."""
    generator = np.random.default_rng(seed)
    species = SPECIES[int(generator.integers(1, 4))]
    radial = (float(generator.uniform(2.5, 4.0)), int(generator.integers(0, 9)))
    angular = (float(generator.uniform(2.0, radial[0])), int(generator.integers(0, 8)))
    if len(species) == 1 and generator.random() < 0.5:
        radial, angular = (angular[0], radial[1]), (radial[0], angular[1])
    hidden = generator.integers(1, 12, size=int(generator.integers(1, 4))).tolist()
    functions = [*generator.integers(0, 5, size=len(hidden)).tolist(), 0]
    files = made.potential_files(generator, species, radial, angular, hidden, functions)
    potential = made.loaded(files, tmp_path_factory.mktemp("made"))
    atoms = small(generator, species)
    energies, forces, virial = made.twin(files, atoms)
    scale = 1 + np.abs(forces).max()
    for single, rounding in ((False, 1e-10), (True, 1e-4)):
        found = evaluated(potential, atoms, single=single)
        assert np.abs(found.atomic_energies - energies).max() < rounding * scale
        assert np.abs(found.forces - forces).max() < rounding * scale
        assert np.abs(found.virial - virial).max() < rounding * (1 + np.abs(virial).max())


@pytest.mark.parametrize("seed", range(3))
def test_the_same_as_in_order(seed):
    potential, atoms = Potential.load(networks()), large(seed)
    expected, found = in_order(potential, atoms), evaluated(potential, atoms)
    scale = np.abs(expected.forces).max()
    assert np.abs(found.atomic_energies - expected.atomic_energies).max() < 1e-10 * scale
    assert np.abs(found.forces - expected.forces).max() < 1e-10 * scale
    assert np.abs(found.virial - expected.virial).max() < 1e-10 * np.abs(expected.virial).max()
    assert np.array_equal(found.outside, expected.outside)


@pytest.mark.parametrize("seed", range(3))
def test_single_precision(seed):
    potential, atoms = Potential.load(networks()), large(seed)
    expected, found = evaluated(potential, atoms), evaluated(potential, atoms, single=True)
    differences = np.abs(found.forces - expected.forces)
    assert 0 < differences.max() < 1e-5 * np.abs(expected.forces).max()
    assert np.abs(found.atomic_energies - expected.atomic_energies).max() < 1e-5
    assert np.abs(found.forces.sum(axis=0)).max() < 1e-10 * np.abs(expected.forces).sum()
    assert np.array_equal(found.outside, expected.outside)


@pytest.mark.parametrize("single", [False, True], ids=["double", "single"])
@pytest.mark.parametrize("members", [500, 60_000], ids=["many rounds", "one round"])
def test_the_bits_do_not_depend_on_the_threads(members, single, monkeypatch):
    monkeypatch.setattr(patchwise, "ROUND", members)
    potential, atoms = Potential.load(networks()), large()
    known = patches.patches(atoms, kinds_of(potential, atoms), potential.model.r_max, 0.5)
    assert len(known.ends) > 9
    assert (len(patchwise.rounds(known.members)) > 3) == (members == 500)
    one = evaluated(potential, atoms, single=single)
    for threads in (2, 3, 8):
        other = evaluated(potential, atoms, threads=threads, single=single)
        for name in ("atomic_energies", "forces", "virial", "outside", "excess"):
            assert_same_bits(getattr(other, name), getattr(one, name), f"{name}, {threads} threads")


def test_the_bits_do_not_depend_on_the_rounds(monkeypatch):
    potential, atoms = Potential.load(networks()), large()
    expected = evaluated(potential, atoms).forces
    monkeypatch.setattr(patchwise, "ROUND", 1)
    assert_same_bits(evaluated(potential, atoms).forces, expected, "forces")


@pytest.mark.slow
@pytest.mark.parametrize(("alike", "single"), [(True, False), (False, False), (False, True)])
def test_the_special_kernel_gives_the_same_bits(alike, single, tmp_path, monkeypatch):
    """With constants as a part of it, for species with the same set-ups and for others."""
    monkeypatch.setattr(patchwise, "_SPECIAL", {})
    generator, species = np.random.default_rng(0), ("Cu", "Au", "O", "H")
    files = made.potential_files(generator, species, (4.0, 7), (3.5, 4))
    if not alike:
        files[1] = made.potential_files(generator, species, (3.7, 5), (3.2, 3), [4], [4, 0])[1]
    potential, atoms = made.loaded(files, tmp_path), large()
    expected = evaluated(potential, atoms, single=single)
    constants = patchwise.constants_of(alone(potential), np.arange(4))
    assert bool(constants["alike"]) == alike
    kernel = patchwise.special(constants, single)
    kernel.compile().join()
    assert kernel.is_special
    found = evaluated(potential, atoms, single=single)
    for name in ("atomic_energies", "forces", "virial", "outside", "excess"):
        assert_same_bits(getattr(found, name), getattr(expected, name), name)


def several(generator: np.random.Generator, folder: Path, hidden=([5, 4], [5, 4], [7], [3])) -> list[Potential]:
    """Potentials of the same features, with other networks, averages and ranges."""
    found = []
    for number, nodes in enumerate(hidden):
        files = made.potential_files(generator, FOUR, (4.0, 7), (3.5, 4), nodes, [*[1] * len(nodes), 0])
        (folder / str(number)).mkdir()
        found.append(made.loaded(files, folder / str(number)))
    return found


@pytest.mark.parametrize(("threads", "single"), [(1, False), (3, False), (2, True)])
def test_a_committee_is_the_mean_of_its_members(threads, single, tmp_path):
    members, atoms = several(np.random.default_rng(0), tmp_path), large()
    (committee,) = committees(members)
    known = patches.patches(atoms, kinds_of(members[0], atoms), members[0].model.r_max, 0.5)
    prepared = patchwise.ready(committee, known, np.arange(known.n_kinds), threads, single=single)
    found = patchwise.evaluate(prepared, atoms.positions)
    each = [evaluated(member, atoms, single=single) for member in members]
    for name in ("atomic_energies", "forces", "virial"):
        expected = np.mean([getattr(one, name) for one in each], axis=0)
        rounding = (1e-5 if single else 1e-11) * (1 + np.abs(expected).max())
        assert np.abs(getattr(found, name) - expected).max() < rounding
    assert np.array_equal(found.totals, [one.totals[0] for one in each])
    for name in ("outside", "excess"):
        assert np.array_equal(getattr(found, name), np.max([getattr(one, name) for one in each], axis=0))


def test_members_with_other_features_are_evaluated_apart(tmp_path):
    generator = np.random.default_rng(1)
    members = several(generator, tmp_path)
    (tmp_path / "other").mkdir()
    other = made.loaded(made.potential_files(generator, FOUR, (3.8, 7), (3.5, 4)), tmp_path / "other")
    found = committees([members[0], other, members[1]])
    assert [each.places for each in found] == [(0, 2), (1,)]
    assert [len(each.members) for each in committees([other, other])] == [2]


@pytest.mark.slow
def test_the_special_kernel_of_a_committee_gives_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(patchwise, "_SPECIAL", {})
    members, atoms = several(np.random.default_rng(2), tmp_path, ([5, 4], [5, 4], [5, 4])), large()
    (committee,) = committees(members)
    known = patches.patches(atoms, kinds_of(members[0], atoms), members[0].model.r_max, 0.5)
    species = np.arange(known.n_kinds)
    expected = patchwise.evaluate(patchwise.ready(committee, known, species), atoms.positions)
    kernel = patchwise.special(patchwise.constants_of(committee, species))
    kernel.compile().join()
    assert kernel.is_special
    found = patchwise.evaluate(patchwise.ready(committee, known, species), atoms.positions)
    for name in ("atomic_energies", "forces", "virial", "totals"):
        assert_same_bits(getattr(found, name), getattr(expected, name), name)


def test_moved_atoms_keep_their_pairs():
    """Forces after a move with the pairs found before it are those with pairs found after it."""
    potential, atoms = Potential.load(networks()), large()
    kinds, skin = kinds_of(potential, atoms), 0.6
    known = patches.patches(atoms, kinds, potential.model.r_max, skin)
    steps = np.random.default_rng(1).normal(size=(len(atoms), 3))
    atoms.positions += 0.49 * skin * steps / np.linalg.norm(steps, axis=1)[:, None]
    assert known.search.holds(atoms)
    found = patchwise.evaluate(patchwise.ready(alone(potential), known, np.arange(known.n_kinds)), atoms.positions)
    assert np.abs(found.forces - evaluated(potential, atoms, 0.0).forces).max() < 1e-9
    atoms.positions[3] += 0.03 * skin * steps[3] / np.linalg.norm(steps[3])
    assert not known.search.holds(atoms)


@pytest.mark.parametrize("threads", [1, 2])
def test_coinciding_atoms_are_an_error(threads):
    potential, atoms = Potential.load(networks()), large()
    atoms.positions[70] = atoms.positions[41]
    with pytest.raises(CoincidenceError) as error:
        evaluated(potential, atoms, threads=threads)
    assert error.value.atom in (41, 70)
    evaluated(potential, large(), threads=threads)


@pytest.mark.parametrize("n", [1, 5, 24, 25, 100, 5000])
def test_patches_divide_the_atoms(n):
    positions = np.random.default_rng(n).uniform(size=(n, 3)) * [10, 30, 20]
    kinds = np.random.default_rng(n).integers(0, 3, n)
    centers, ends = patches.divide(positions, kinds)
    for begin, end in itertools.pairwise(ends):
        assert (np.diff(kinds[centers[begin:end]]) >= 0).all()
    assert sorted(centers.tolist()) == list(range(n))
    sizes = np.diff(ends)
    assert ends[0] == 0
    assert ends[-1] == n
    assert sizes.min() > 0
    assert sizes.max() <= max(patches.SMALLEST, min(n // patches.FEWEST, patches.LARGEST))
    volume = [np.ptp(positions[centers[a:b]], axis=0).prod() for a, b in itertools.pairwise(ends)]
    assert sum(volume) <= 6000 * 1.0001


def test_few_atoms_do_not_wake_threads(monkeypatch):
    monkeypatch.setattr(patches, "PER_THREAD", 128)
    assert [patches.worthwhile(8, n) for n in (0, 100, 255, 256, 1000, 5000)] == [1, 1, 1, 2, 7, 8]


def test_pairs_do_not_depend_on_the_threads():
    atoms = large()
    kinds = np.unique(atoms.numbers, return_inverse=True)[1].astype(np.int64)
    one = patches.patches(atoms, kinds, 5.0, 0.4)
    for threads in (2, 3, 8):
        other = patches.patches(atoms, kinds, 5.0, 0.4, threads=threads)
        for name in ("centers", "ends", "members", "atoms", "offsets", "first", "partners"):
            assert_same_bits(getattr(other, name), getattr(one, name), f"{name}, {threads} threads")
        assert other.most_pairs == one.most_pairs


def test_environments_of_patches_are_those_of_pairs():
    atoms, reach = large(2), 5.0
    kinds = np.unique(atoms.numbers, return_inverse=True)[1].astype(np.int64)
    known, pairs = patches.patches(atoms, kinds, reach, 0.4), verlet.pairs(atoms, reach, 0.4)
    found, expected = patches.environments(known, atoms), verlet.environments(pairs, atoms)
    assert np.array_equal(found.first, expected.first)

    def rows(environments):
        centers = np.repeat(np.arange(len(atoms)), environments.counts)
        rows = np.vstack([centers, environments.index, np.round(environments.vectors, 9)])
        return rows[:, np.lexsort(rows)]

    assert np.abs(rows(found) - rows(expected)).max() < 1e-8


SCRIPT = """
import sys
import numpy as np
from compat_tests.potentials.test_patchwise import CLUSTER, Potential, as_atoms, crystal, evaluated, networks
structures = [as_atoms(CLUSTER / "xsf" / "s001.xsf"), crystal()]
with np.errstate(all="raise", under="ignore"):
    for name, single in (("double", False), ("single", True)):
        found = [evaluated(Potential.load(networks()), atoms, single=single).forces for atoms in structures]
        np.save(sys.argv[1] + name, np.vstack(found))
"""


@pytest.mark.slow
def test_kernels_keep_within_their_arrays(tmp_path):
    """Run by the interpreter, which checks indices, they give the same forces."""
    root = Path(__file__).resolve().parents[2]
    variables = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", SCRIPT, f"{tmp_path}/"], check=True, env=variables, cwd=root)
    potential = Potential.load(networks())
    structures = [as_atoms(CLUSTER / "xsf" / "s001.xsf"), crystal()]
    expected = np.vstack([evaluated(potential, atoms).forces for atoms in structures])
    for name, rounding in (("double", 1e-10), ("single", 1e-6)):
        assert np.abs(np.load(tmp_path / f"{name}.npy") - expected).max() < rounding * np.abs(expected).max()
