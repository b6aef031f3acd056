"""Errors of potentials: the trainer's own, those of a twin with the calculator, by group, and committees."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixCartesian
from ase.io import read, write
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import aenet_py
from aenet_py.analysis import runs
from aenet_py.analysis.runs import ENERGY, FORCE, STRESS
from aenet_py.cli.aenet import main
from aenet_py.errors import AenetError
from aenet_py.evaluation import groups
from aenet_py.evaluation.evaluate import evaluate
from aenet_py.evaluation.evaluated import Evaluated
from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.structure import Structure
from compat_tests.interfaces.test_ase import CLUSTER, NETWORKS, OTHERS, cluster, crystal

pytestmark = pytest.mark.filterwarnings("ignore:.*outside the range of the training set")
XSF = CLUSTER / "xsf"


@pytest.fixture
def frames():
    """Clusters and crystals whose energies, forces and, of crystals, stresses are random."""
    rng = np.random.default_rng(0)
    made = []
    for number, atoms in enumerate([cluster(1), cluster(2), crystal(0), crystal(1)]):
        known = {"energy": rng.normal(), "forces": rng.normal(size=(len(atoms), 3))}
        if atoms.cell.rank == 3:
            known["stress"] = rng.normal(size=6)
        atoms.info["config_type"] = "cluster" if number < 2 else "crystal"
        atoms.calc = SinglePointCalculator(atoms, **known)
        made.append(atoms)
    return made


def test_errors_are_those_of_the_trainer():
    """The trainer knows the forces of those structures only that have gradients."""
    trained = runs.read(str(NETWORKS))
    given = {}
    for part in ("train", "test"):
        structures = [aenet_py.read(XSF.parent / path, index=0) for path in trained.energies[part].paths]
        known = {path.rpartition("/")[2] for path in trained.forces[part].paths}
        given[part] = [
            s if s.path.rpartition("/")[2] in known else dataclasses.replace(s, forces=None) for s in structures
        ]
    errors = groups.errors(evaluate(NETWORKS, given["test"], given["train"]).structures)
    for (quantity, part), expected in runs.qualities(trained).items():
        found = errors[quantity, part, "all"]
        assert found.n == expected.n
        for name in ("rmse", "mae", "max_error", "r2"):
            assert np.isclose(getattr(found, name), getattr(expected, name), rtol=1e-4, atol=2e-6)


def test_a_twin_finds_the_same(frames):
    structures = evaluate(NETWORKS, frames).structures
    calculator = ANNCalculator(NETWORKS)
    energies, forces, stresses, symbols = [], [], [], []
    for atoms in frames:
        other = atoms.copy()
        other.calc = calculator
        energies.append((other.get_potential_energy() - atoms.get_potential_energy()) / len(atoms))
        forces.append(other.get_forces() - atoms.get_forces())
        symbols += atoms.get_chemical_symbols()
        if "stress" in atoms.calc.results:
            stresses.append(other.get_stress() - atoms.get_stress())
    forces = np.concatenate(forces)

    def rmse(values):
        return np.sqrt(np.mean(np.square(values)))

    found = groups.errors(structures)
    assert list(found) == [(quantity, "test", "all") for quantity in (ENERGY, FORCE, STRESS)]
    for quantity, expected in ((ENERGY, energies), (FORCE, forces), (STRESS, stresses)):
        assert np.isclose(found[quantity, "test", "all"].rmse, rmse(expected), rtol=1e-9)
        assert found[quantity, "test", "all"].n == np.size(expected)
    by_species = groups.errors(structures, "species")
    assert {key[0] for key in by_species} == {FORCE}
    for symbol in set(symbols):
        expected = rmse(forces[np.array(symbols) == symbol])
        assert np.isclose(by_species[FORCE, "test", symbol].rmse, expected, rtol=1e-9)
    by_type = groups.errors(structures, "config_type")
    assert np.isclose(by_type[ENERGY, "test", "crystal"].rmse, rmse(energies[2:]), rtol=1e-9)
    assert np.isclose(by_type[STRESS, "test", "crystal"].mae, np.abs(stresses).mean(), rtol=1e-9)
    by_size = groups.errors(structures, "size")
    assert by_size[ENERGY, "test", str(len(frames[0]))].n == sum(len(f) == len(frames[0]) for f in frames)


@given(st.data())
def test_forces_that_are_not_known_do_not_count(data):
    """For any coordinates that are fixed, some with their true forces."""
    rng, made = np.random.default_rng(data.draw(st.integers(0, 99))), []
    for number in range(3):
        n = data.draw(st.integers(2, 5))
        forces, fixed = rng.normal(size=(n, 3)), data.draw(arrays(bool, (n, 3)))
        zero = data.draw(arrays(bool, (n, 3)))
        structure = Structure(
            str(number), ("H", "O"), rng.integers(0, 2, n), rng.normal(size=(n, 3)), energy=0.0,
            forces=np.where(zero, 0.0, forces), fixed=fixed,
        )  # fmt: skip
        made.append((structure, rng.normal(size=(n, 3)), ~(zero & fixed)))
    found = [Evaluated(s, "test", 0.0, 0.0, f, None, None, None, np.zeros(len(f))) for s, f, _ in made]
    for symbol in ("all", "H", "O"):
        errors = []
        for structure, predicted, known in made:
            own = np.array([symbol in ("all", name) for name in structure.names()])
            errors += [(predicted - structure.forces)[k, i] for k, i in np.argwhere(known) if own[k]]
        quality = groups.errors(found, "all" if symbol == "all" else "species").get((FORCE, "test", symbol))
        assert (quality is None) == (not errors)
        if quality is not None:
            assert quality.n == len(errors)
            assert np.isclose(quality.rmse, np.sqrt(np.mean(np.square(errors))), rtol=1e-12)
            assert quality.max_error == np.abs(errors).max()
    for each, (structure, predicted, known) in zip(found, made, strict=True):
        assert np.array_equal(np.isnan(each.force_errors), ~known)
        error = (predicted - structure.forces)[known]
        assert each.force_rmse == (np.sqrt(np.mean(error**2)) if len(error) else None)


def test_fixed_atoms_in_the_files(frames, tmp_path, capsys):
    """The structures keep their constraints and zeros; errors are not known there."""
    for atoms in frames:
        atoms.set_constraint([FixAtoms([0, 1]), FixCartesian([2], (True, False, False))])
        results = {**atoms.calc.results, "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **results)
    write(tmp_path / "given.xyz", frames)
    assert main(["evaluate", str(NETWORKS), str(tmp_path / "given.xyz"), "-o", str(tmp_path / "out")]) == 0
    n = sum(3 * len(atoms) for atoms in frames) - 7 * len(frames)
    out = capsys.readouterr().out
    assert f"test force component, meV/Å{n:11d}" in out
    assert f"not known: 28 components in 4 structures, such as {tmp_path}/given.xyz#0; they are left out\n" in out
    others = read(tmp_path / "out/predictions.extxyz", ":")
    for frame, other in zip(aenet_py.read(tmp_path / "out/predictions.extxyz"), others, strict=True):
        assert np.array_equal(frame.forces[:3] == 0, frame.fixed[:3])
        assert frame.n_unknown_forces == 7
        assert np.array_equal(np.isnan(other.arrays["forces_error"]), frame.unknown_forces)
        assert np.isfinite(other.arrays["predicted_forces"]).all()
    assert "nan" not in (tmp_path / "out/structures.csv").read_text()


def test_a_committee_is_its_mean(frames):
    both = [evaluate(folder, frames).structures for folder in (NETWORKS, OTHERS)]
    together = evaluate([NETWORKS, OTHERS], frames)
    assert together.n_members == 2
    for one, other, mean in zip(*both, together.structures, strict=True):
        assert np.isclose(mean.energy, (one.energy + other.energy) / 2, rtol=1e-12)
        assert np.isclose(mean.energy_std, abs(one.energy - other.energy) / 2, rtol=1e-9)
        assert np.allclose(mean.forces, (one.forces + other.forces) / 2, atol=1e-12)
        assert np.allclose(mean.forces_std, abs(one.forces - other.forces) / 2, atol=1e-12)
        assert one.energy_std is one.forces_std is None


def test_threads_change_nothing(frames):
    one, three = (evaluate(NETWORKS, frames * 30, threads=n).structures for n in (1, 3))
    assert all(np.array_equal(a.forces, b.forces) and a.energy == b.energy for a, b in zip(one, three, strict=True))


def test_what_is_missing_does_not_count():
    atoms = cluster()
    without = Structure("bare", ("Cu", "O"), np.array([0, 1]), np.array([[0.0, 0, 0], [0, 0, 1.9]]))
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0)
    found = evaluate(NETWORKS, [without, atoms])
    assert list(groups.errors(found.structures)) == [(ENERGY, "test", "all")]
    assert found.structures[0].energy_error is found.structures[0].force_rmse is None
    with pytest.raises(AenetError, match="bare: neither this nor any other structure has an energy or forces"):
        evaluate(NETWORKS, without)
    with pytest.raises(AenetError, match="no structures given; at least one is required"):
        evaluate(NETWORKS, [])


def test_cohesive_energies_are_compared_without_free_atoms():
    atoms = cluster()
    total = evaluate(NETWORKS, XSF / "s001.xsf").structures[0]
    symbols = ("Cu", "Au", "O", "H")
    species = np.array([symbols.index(symbol) for symbol in atoms.get_chemical_symbols()])
    cohesive = total.structure.energy - total.free_atoms
    given = Structure("a", symbols, species, atoms.positions, cohesive_energy=cohesive)
    assert np.isclose(evaluate(NETWORKS, given).structures[0].energy_error, total.energy_error, rtol=1e-9)


def of_size(n_atoms: int) -> Evaluated:
    zeros = np.zeros((n_atoms, 3))
    structure = Structure("a", ("H",), np.zeros(n_atoms, dtype=np.int64), zeros, energy=0.0)
    return Evaluated(structure, "test", 0.0, 0.0, zeros, None, None, None, np.zeros(n_atoms))


@given(st.lists(st.integers(1, 60), min_size=1, max_size=80))
def test_sizes_are_grouped_without_gaps(sizes):
    found = groups.values([of_size(n) for n in sizes], "size")
    counts = {group: len(pair[0]) for (quantity, _, group), pair in found.items() if quantity == ENERGY}
    ends = [[int(word) for word in group.split("-")] for group in counts]
    assert all(a[-1] < b[0] for a, b in itertools.pairwise(ends))
    assert sum(counts.values()) == len(sizes)
    for (first, *_, last), n in zip(((end[0], end[-1]) for end in ends), counts.values(), strict=True):
        assert sum(first <= size <= last for size in sizes) == n
        assert {first, last} <= set(sizes)


def test_it_is_public():
    assert aenet_py.evaluate is evaluate
