"""The calculator: physics, boundary conditions, committees, and the same energies as predict.x."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import pickle
import threading
import tracemalloc
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.geometry import complete_cell
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from ase.optimize import FIRE
from hypothesis import given, settings
from hypothesis import strategies as st

from aenet_py.errors import AenetError
from aenet_py.formats import potential as potential_format
from aenet_py.formats import xsf
from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.neighbors import patches, verlet
from aenet_py.potentials.potential import Potential, excess
from compat_tests.cli.cases import FIXTURES
from compat_tests.potentials import made

CLUSTER = FIXTURES / "cluster-cuau-h2o"
NETWORKS = CLUSTER / "train-forces-adamw" / "expected"
OTHERS = CLUSTER / "train-energy-adam" / "expected"
BEHLER = FIXTURES / "behler2011" / "train-behler-forces" / "expected"
SPECIES = ("Cu", "Au", "O", "H")
ROUNDING = 1e-10  # relative: sums in another order
STEP = 1e-4  # Å, of finite differences

pytestmark = pytest.mark.filterwarnings("ignore:.*outside the range of the training set")


def networks(folder: Path = NETWORKS, species: tuple[str, ...] = SPECIES) -> dict[str, str]:
    return {symbol: str(folder / f"{symbol}.pytorch.nn") for symbol in species}


def cluster(number: int = 1) -> Atoms:
    return as_atoms(CLUSTER / "xsf" / f"s{number:03d}.xsf")


def as_atoms(path: Path) -> Atoms:
    structure = xsf.read(str(path))
    symbols = [structure.symbols[s] for s in structure.species]
    return Atoms(symbols, structure.positions, cell=structure.cell, pbc=structure.cell is not None)


def crystal(seed: int = 0) -> Atoms:
    """A small, skewed cell with every species."""
    generator = np.random.default_rng(seed)
    atoms = Atoms("CuAuOHCuO", cell=[[4.9, 0.3, 0.0], [-0.7, 5.2, 0.4], [0.2, 0.1, 5.6]], pbc=True)
    corners = np.array([[0, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1], [0, 0, 1]]) / 2
    atoms.set_scaled_positions(corners + 0.04 * generator.normal(size=(6, 3)))
    return atoms


def behler_crystal() -> Atoms:
    return as_atoms(FIXTURES / "behler2011" / "xsf" / "s001.xsf")


SYSTEMS = {
    "cluster": (cluster, networks()),
    "crystal": (crystal, networks()),
    "behler": (behler_crystal, networks(BEHLER, ("Ti", "O"))),
}


@pytest.fixture(params=SYSTEMS, ids=list(SYSTEMS))
def atoms(request) -> Atoms:
    make, paths = SYSTEMS[request.param]
    found = make()
    found.calc = ANNCalculator(paths)
    return found


@pytest.mark.parametrize("number", range(6))
def test_the_same_as_predict(number):
    path = CLUSTER / "xsf" / f"s{number:03d}.xsf"
    expected = Potential.load(networks()).energy_forces(xsf.read(str(path)), in_order=True)
    atoms = as_atoms(path)
    atoms.calc = ANNCalculator(networks())
    assert atoms.get_potential_energy() == pytest.approx(expected.energy, rel=1e-13)
    assert np.abs(atoms.get_potential_energies() - expected.atomic_energies).max() < 1e-9
    assert np.abs(atoms.get_forces() - expected.forces).max() < ROUNDING * np.abs(expected.forces).max() + 1e-11


@pytest.mark.filterwarnings("ignore:.*not trained by ænet before 2.0.4")
@pytest.mark.parametrize("legacy_angular", [True, False])
def test_moments_give_the_features_and_forces_of_the_sums_over_pairs(legacy_angular):
    potential = Potential.load(networks(), legacy_angular)
    structure = xsf.read(str(CLUSTER / "xsf" / "s004.xsf"))
    expected, found = (potential.energy_forces(structure, in_order=way) for way in (True, False))
    scale = np.abs(expected.features).max()
    assert np.abs(found.features - expected.features).max() < 1e-12 * scale
    assert np.abs(found.forces - expected.forces).max() < ROUNDING * np.abs(expected.forces).max()
    assert np.abs(found.virial - expected.virial).max() < ROUNDING * np.abs(expected.virial).max()


def test_forces_are_the_gradient_of_the_energy(atoms):
    forces, positions = atoms.get_forces(), atoms.positions.copy()
    for atom in range(0, len(atoms), 3):
        for axis in range(3):
            energies = []
            for step in (2 * STEP, STEP, -STEP, -2 * STEP):
                atoms.positions = positions
                atoms.positions[atom, axis] += step
                energies.append(atoms.get_potential_energy())
            slope = (8 * (energies[1] - energies[2]) - (energies[0] - energies[3])) / (12 * STEP)
            assert forces[atom, axis] == pytest.approx(-slope, abs=2e-6)


@pytest.mark.parametrize("name", ["crystal", "behler"])
def test_stress_is_the_gradient_of_the_energy(name):
    make, paths = SYSTEMS[name]
    atoms = make()
    atoms.calc = ANNCalculator(paths)
    stress, cell, volume = atoms.get_stress(voigt=False), atoms.cell.array.copy(), atoms.get_volume()
    for a, b in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)):
        energies = []
        for step in (1e-5, -1e-5):
            strain = np.eye(3)
            strain[a, b] += step / 2
            strain[b, a] += step / 2
            atoms.set_cell(cell @ strain, scale_atoms=True)
            energies.append(atoms.get_potential_energy())
        assert stress[a, b] == pytest.approx((energies[0] - energies[1]) / 2e-5 / volume, abs=1e-6)


def test_forces_and_torques_cancel():
    atoms = cluster()
    atoms.calc = ANNCalculator(networks())
    forces = atoms.get_forces()
    assert np.abs(forces.sum(axis=0)).max() < 1e-11
    assert np.abs(np.cross(atoms.positions, forces).sum(axis=0)).max() < 1e-10


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_invariances(seed):
    generator = np.random.default_rng(seed)
    atoms = cluster(seed % 6) if seed % 2 else crystal(seed)
    calculator = ANNCalculator(networks())
    atoms.calc = calculator
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    order = generator.permutation(len(atoms))
    moved = atoms[order]
    moved.positions = (moved.positions + generator.normal(size=3)) @ rotation
    moved.set_cell(moved.cell.array @ rotation)
    if moved.pbc.any():
        moved.positions += generator.integers(-3, 4, size=(len(moved), 3)) @ moved.cell.array
    moved.calc = calculator
    assert moved.get_potential_energy() == pytest.approx(energy, rel=1e-12)
    assert np.abs(moved.get_forces() - forces[order] @ rotation).max() < 1e-9


@pytest.mark.parametrize("pbc", [(True, False, False), (True, True, False), (False, False, True), (True, True, True)])
def test_a_supercell_has_the_energy_of_its_cells(pbc):
    atoms = crystal()
    atoms.pbc = pbc
    repeated = atoms.repeat([2 if periodic else 1 for periodic in pbc])
    for each in (atoms, repeated):
        each.calc = ANNCalculator(networks())
    n = len(repeated) // len(atoms)
    assert repeated.get_potential_energy() == pytest.approx(n * atoms.get_potential_energy(), rel=1e-12)
    assert np.abs(repeated.get_forces() - np.tile(atoms.get_forces(), (n, 1))).max() < 1e-10


def test_a_molecule_in_a_wide_cell_has_the_energy_of_a_free_one():
    atoms, free = cluster(), cluster()
    atoms.set_cell([60.0, 60.0, 60.0])
    atoms.pbc = True
    for each in (atoms, free):
        each.calc = ANNCalculator(networks())
    assert atoms.get_potential_energy() == pytest.approx(free.get_potential_energy(), rel=1e-13)
    assert np.abs(atoms.get_forces() - free.get_forces()).max() < 1e-11
    with pytest.raises(NotImplementedError):
        free.get_stress()


def test_the_skin_changes_nothing():
    """One calculator follows a path, another searches neighbours anew at each point."""
    atoms, generator = crystal(), np.random.default_rng(1)
    calculator = ANNCalculator(networks(), skin=1.0)
    atoms.calc = calculator
    searches = set()
    for _ in range(25):
        atoms.positions += 0.05 * generator.normal(size=(len(atoms), 3))
        again = atoms.copy()
        again.calc = ANNCalculator(networks(), skin=0.0)
        assert atoms.get_potential_energy() == pytest.approx(again.get_potential_energy(), rel=1e-13)
        searches.add(id(calculator.searched_at))
    assert 1 < len(searches) < 25


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("make", [cluster, crystal])
def test_energy_is_conserved(make, precision):
    """10 ps at 50 K: the total energy neither drifts nor jumps.

    From relaxed structures: others heat up so much that atoms come closer than 0.02 Å, and the timestep is too long.
    """
    atoms = make()
    atoms.calc = ANNCalculator(networks(), precision=precision)
    FIRE(atoms, logfile=None).run(fmax=0.02, steps=2000)
    MaxwellBoltzmannDistribution(atoms, temperature_K=100, rng=np.random.default_rng(0))
    dynamics = VelocityVerlet(atoms, timestep=0.5 * units.fs)
    energies = []
    dynamics.attach(lambda: energies.append(atoms.get_total_energy()), interval=20)
    dynamics.run(20_000)
    energies = np.array(energies) - energies[0]
    drift = np.polyfit(np.arange(len(energies)), energies, 1)[0] * len(energies)
    assert np.abs(energies).max() < 1e-4 * len(atoms)
    assert abs(drift) < 1e-5 * len(atoms)


@pytest.mark.parametrize(
    ("files", "precision", "message"),
    [
        (networks(), "half", "precision must be double or single, not 'half'"),
        (networks(BEHLER, ("Ti", "O")), "single", "single precision requires Chebyshev features"),
    ],
)
def test_invalid_precisions(files, precision, message):
    with pytest.raises(AenetError, match=message):
        ANNCalculator(files, precision=precision)


def test_all_of_a_committee_is_in_single_precision():
    atoms, found = cluster(), {}
    for precision in ("double", "single"):
        atoms.calc = ANNCalculator([networks(), networks(OTHERS)], precision=precision)
        found[precision] = [atoms.get_forces(), *(atoms.calc.results[name] for name in ("forces_std", "energy_std"))]
    for one, other in zip(*found.values(), strict=True):
        assert 0 < np.abs(np.subtract(one, other)).max() < 1e-5 * (1 + np.abs(one).max())


def test_a_committee_has_mean_and_deviation():
    members = [networks(), networks(OTHERS)]
    atoms = cluster()
    single = []
    for paths in members:
        atoms.calc = ANNCalculator(paths)
        single.append((atoms.get_potential_energy(), atoms.get_forces()))
    atoms.calc = ANNCalculator(members)
    energies, forces = np.array([e for e, _ in single]), np.array([f for _, f in single])
    assert atoms.get_potential_energy() == pytest.approx(energies.mean(), rel=1e-13)
    assert np.allclose(atoms.get_forces(), forces.mean(axis=0), atol=1e-12)
    assert atoms.calc.results["energy_std"] == pytest.approx(energies.std(), rel=1e-6)
    assert np.allclose(atoms.calc.results["forces_std"], forces.std(axis=0), atol=1e-12)


def test_extrapolation_is_counted_and_reported_once():
    atoms = cluster()
    atoms.calc = ANNCalculator(networks())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        atoms.get_potential_energy()
        inside = [w for w in caught if "outside the range" in str(w.message)]
    assert not inside
    assert not atoms.calc.results["outside"].any()
    atoms.positions *= 0.8
    with pytest.warns(UserWarning, match="atoms have features outside the range"):
        atoms.get_potential_energy()
    assert atoms.calc.results["outside"].any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        atoms.positions *= 0.99
        atoms.get_potential_energy()


def test_all_activation_functions_have_their_gradient(tmp_path):
    """linear, tanh, sigmoid, mtanh and twist; their values are checked against the formulas of ff_activate."""
    original = potential_format.read(networks()["Cu"])
    size = int(original.network.nodes[1])
    for function in range(5):
        activations = original.network.activations.copy()
        activations[:-1] = function
        changed = dataclasses.replace(original, network=dataclasses.replace(original.network, activations=activations))
        path = tmp_path / f"Cu{function}.nn"
        path.write_bytes(potential_format.to_binary(changed))
        atoms = Atoms("Cu3", [[0, 0, 0], [2.4, 0.1, 0], [0.3, 2.3, 0.8]])
        atoms.calc = ANNCalculator({"Cu": str(path)})
        forces, energy = atoms.get_forces(), atoms.get_potential_energy()
        features = (
            Potential.load({"Cu": str(path)})
            .evaluate(np.zeros(3, dtype=np.int64), verlet.environments(verlet.pairs(atoms, 9.0, 0.0), atoms))
            .features
        )
        assert energy == pytest.approx(sum(made.network(changed, row).real for row in features), rel=1e-12)
        energies = []
        for step in (STEP, -STEP):
            atoms.positions[1, 0] = 2.4 + step
            energies.append(atoms.get_potential_energy())
        assert forces[1, 0] == pytest.approx(-(energies[0] - energies[1]) / (2 * STEP), abs=1e-6), function
    assert size > 1


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_pairs_are_all_there(seed):
    """Against all images within the cutoff; ase.neighborlist misses some if a cell vector is zero."""
    generator = np.random.default_rng(seed)
    n, reach = int(generator.integers(1, 9)), 3.5
    cell = (np.eye(3) + 0.3 * generator.uniform(-1, 1, size=(3, 3))) * generator.choice([2, 5, 12])
    pbc = generator.random(3) < 0.6
    for axis in range(3):
        if generator.random() < 0.15:
            cell[axis], pbc[axis] = 0.0, False
    positions = generator.uniform(-1, 1, size=(n, 3)) * generator.choice([1, 5, 10])
    found = verlet.pairs(Atoms(f"H{n}", positions, cell=cell, pbc=pbc), reach - 0.5, 0.5)
    heights = 1 / np.linalg.norm(np.linalg.inv(complete_cell(cell)), axis=0)
    far = np.where(pbc, np.ceil((reach + 2 * np.abs(positions).max() * 3**0.5) / heights), 0).astype(int)
    images = np.array(list(itertools.product(*(range(-k, k + 1) for k in far))))
    expected = set()
    for i, j in itertools.product(range(n), repeat=2):
        distances = np.linalg.norm(positions[j] - positions[i] + images @ cell, axis=1)
        expected |= {(i, j, *s) for s in images[distances < reach].tolist() if i != j or any(s)}
    first = np.repeat(np.arange(n), np.diff(found.starts))
    ours = [(i, j, *s) for i, j, s in zip(first, found.partners, found.shifts.astype(int), strict=True)]
    assert len(ours) == len(set(ours))
    assert set(ours) == expected


@pytest.mark.parametrize("system", ["cluster", "behler"])
def test_calculators_can_be_copied_and_pickled(system):
    make, paths = SYSTEMS[system]
    atoms = make()
    atoms.calc = ANNCalculator(paths)
    energy = atoms.get_potential_energy()
    for calculator in (copy.deepcopy(atoms.calc), pickle.loads(pickle.dumps(atoms.calc))):
        other = make()
        other.calc = calculator
        assert other.get_potential_energy() == energy


@pytest.mark.parametrize(
    ("cell", "pbc", "message"),
    [
        ([[9, 0, 0], [0, 9, 0], [9, 9, 0]], True, "lie in a plane or on a line"),
        ([[9, 0, 0], [18, 0, 0], [0, 0, 0]], False, "lie in a plane or on a line"),
        ([[9, 0, 0], [0, 9, 0], [0, 0, 0]], True, "pbc is set along a missing cell vector"),
        ([[9, 0, 0], [0, 9, 0], [0, 0, 1e-5]], True, "too thin for the cutoff"),
    ],
)
def test_invalid_cells(cell, pbc, message):
    atoms = Atoms("CuO", [[0, 0, 0], [0, 0, 1.9]], cell=cell, pbc=pbc)
    atoms.calc = ANNCalculator(networks())
    with pytest.raises(AenetError, match=message):
        atoms.get_potential_energy()


@pytest.mark.parametrize("skin", [-0.1, np.nan, np.inf])
def test_invalid_skins(skin):
    with pytest.raises(AenetError, match="skin must be a distance of at least 0 Angstrom"):
        ANNCalculator(networks(), skin=skin)


def test_no_atoms():
    with pytest.raises(AenetError, match="cannot evaluate an empty structure"):
        ANNCalculator(networks()).calculate()
    atoms = Atoms(calculator=ANNCalculator(networks()))
    with pytest.raises(AenetError, match="cannot evaluate an empty structure"):
        atoms.get_potential_energy()
    with pytest.raises(AenetError, match="no potentials given"):
        ANNCalculator({})


@pytest.mark.parametrize("form", ["C float32", "F float64", "F float32"])
def test_positions_of_any_kind(form):
    """Structures made by scripts: kernels need C order and double precision."""
    structure = xsf.read(str(CLUSTER / "xsf" / "s001.xsf"))
    order, kind = form.split()
    exact = structure.positions.astype(kind).astype(np.float64)
    potential = Potential.load(networks())
    wanted = potential.energy_forces(dataclasses.replace(structure, positions=exact)).energy
    given = np.asarray(exact.astype(kind), order=order)
    assert potential.energy_forces(dataclasses.replace(structure, positions=given)).energy == wanted
    given[1, 1] = np.nan
    with pytest.raises(AenetError, match="positions must be finite"):
        potential.energy_forces(dataclasses.replace(structure, positions=given))


def test_a_feature_that_does_not_vary_counts_for_nothing(tmp_path):
    """Also if rounding leaves a small variance, which makes the normalised feature very large."""
    original = potential_format.read(networks()["Cu"])
    statistics = original.statistics
    mean, square = statistics.mean.copy(), statistics.square.copy()
    mean[3], square[3] = 2.0, 4.0 * (1 + 4e-16)
    statistics = dataclasses.replace(statistics, mean=mean, square=square)
    (tmp_path / "Cu.nn").write_bytes(potential_format.to_binary(dataclasses.replace(original, statistics=statistics)))
    potential = Potential.load({"Cu": str(tmp_path / "Cu.nn")})
    assert potential.networks.constant == (1,)
    assert potential.networks.factors[0, 3] == 0


def test_what_cannot_be_evaluated():
    atoms = cluster()
    with pytest.raises(AenetError, match="this potential is for 'Cu'; expected one for 'Au'"):
        ANNCalculator({"Au": networks()["Cu"]})
    with pytest.raises(AenetError, match="no potentials given"):
        ANNCalculator([])
    long = FIXTURES / "three-species-long-angular" / "train-forces-adamax-cutoffs" / "expected"
    with pytest.raises(AenetError, match="order of neighbours"):
        ANNCalculator(networks(long, ("Li", "Mn", "O")))
    atoms.calc = ANNCalculator(networks(species=("Cu", "Au", "O")))
    with pytest.raises(AenetError, match="no potential for H; the potentials are for Cu Au O"):
        atoms.get_potential_energy()
    atoms.calc = ANNCalculator(networks())
    atoms.positions[1] = atoms.positions[0]
    with pytest.raises(AenetError, match="coincides with another atom"):
        atoms.get_potential_energy()
    atoms.positions[1, 0] = np.nan
    with pytest.raises(AenetError, match="positions must be finite"):
        atoms.get_potential_energy()


def in_threads(work: Callable[[int], list], n: int) -> list[list]:
    """Results of n threads that start at the same time."""
    start = threading.Barrier(n)

    def begin(number: int) -> list:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(begin, range(n)))


@pytest.mark.parametrize("shared", ["calculator", "potential"])
def test_threads_may_share(shared):
    """Moving structures of different sizes: neighbours, scratch memory and results are not mixed up."""
    calculator, potential = ANNCalculator(networks()), Potential.load(networks())
    frames = [[cluster(number).positions * (1 + 0.002 * step) for step in range(60)] for number in range(3)]

    def work(number: int, calculate: ANNCalculator) -> list:
        atoms, found = cluster(number), []
        atoms.calc = calculate
        for positions in frames[number]:
            atoms.positions = positions
            if shared == "calculator":
                values = [atoms.get_potential_energy(), atoms.get_forces(), atoms.get_potential_energies()]
            else:
                prediction = potential.energy_forces(atoms)
                values = [prediction.energy, prediction.forces, prediction.environments.distance.sum()]
            found.append(np.concatenate([np.ravel(value) for value in values]))
        return found

    expected = [work(number, ANNCalculator(networks())) for number in range(3)]
    found = in_threads(lambda number: work(number, calculator), 3)
    for ours, wanted in zip(found, expected, strict=True):
        for one, other in zip(ours, wanted, strict=True):
            assert np.abs(one - other).max() < 1e-9


def test_threads_may_share_a_calculator_that_uses_threads(monkeypatch):
    """Structures of several patches: each thread gets the forces that a calculator of its own gives it, bit for bit."""
    monkeypatch.setattr(patches, "PER_THREAD", 1)
    shared, frames = ANNCalculator(networks(), threads=2), [crystal(n).repeat((3, 2 + n, 2)) for n in range(2)]
    expected = []
    for frame in frames:
        frame.calc = ANNCalculator(networks(), threads=1)
        expected.append(frame.get_forces())
        frame.calc = shared
    found = in_threads(lambda number: [frames[number].get_forces() for _ in range(30)], 2)
    for ours, wanted in zip(found, expected, strict=True):
        assert all(np.array_equal(forces, wanted) for forces in ours)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_invalid_numbers_of_threads(threads):
    with pytest.raises(AenetError, match="threads must be at least 1"):
        ANNCalculator(networks(), threads=threads)


def test_excess_of_members_is_that_of_their_features():
    """The same whether patches or single atoms are evaluated."""
    atoms = crystal()
    atoms.positions *= 0.93
    atoms.calc = ANNCalculator([networks(), networks(OTHERS)])
    atoms.get_forces()
    expected = []
    for member, prediction in zip(atoms.calc.members, atoms.calc.predictions, strict=True):
        types = member.types_of(atoms.get_chemical_symbols())
        expected.append(excess(member.networks, types, prediction.features))
    assert np.max(expected) > 0
    assert np.allclose(atoms.calc.results["excess"], np.max(expected, axis=0), rtol=1e-10, atol=1e-10)


@pytest.mark.memory
def test_steps_take_no_new_memory():
    """But the results, nine numbers per atom with the copy of the forces that ASE asks for."""
    atoms = crystal().repeat((5, 5, 4))
    atoms.calc = ANNCalculator(networks(), threads=1)
    for _ in range(3):
        atoms.rattle(1e-3)
        atoms.get_forces()
    atoms.rattle(1e-3)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    atoms.calc.get_property("forces", atoms)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak < 8 * 9 * len(atoms) + 8_000  # bytes; a copy of the atoms alone would be more


def test_nothing_is_left_of_the_structure_before():
    """Neither after an error, nor if species change but positions do not."""
    atoms = cluster()
    atoms.calc = ANNCalculator(networks())
    atoms.get_potential_energy()
    positions = atoms.positions.copy()
    atoms.positions[1] = atoms.positions[0]
    for _ in range(2):
        with pytest.raises(AenetError, match="coincides"):
            atoms.get_potential_energy()
    atoms.positions = positions
    atoms.numbers[0] = 18
    for _ in range(2):
        with pytest.raises(AenetError, match="no potential for Ar"):
            atoms.get_potential_energy()
    for skin in (None, "1", -1.0):
        with pytest.raises(AenetError, match="skin must be a distance"):
            ANNCalculator(networks(), skin=skin)
