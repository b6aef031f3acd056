"""Labels in one call: against the calculators themselves, resumed, in processes, with failures."""

from __future__ import annotations

import json

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms, FixCartesian
from ase.db import connect

from aenet_py import AenetError, CalculatorSpec, label, read
from aenet_py.errors import StoppedError
from aenet_py.labelling import files
from compat_tests.labelling.calculators import Counting


def copper(n=4, seed=1):
    """Rattled cells of copper, all different."""
    made = [bulk("Cu", cubic=True) for _ in range(n)]
    for k, atoms in enumerate(made):
        atoms.rattle(0.05, seed=seed + k)
    return made


def check(found, structures):
    """Compare labels with EMT, bit for bit."""
    for atoms, given in zip(found.atoms, structures, strict=True):
        expected = given.copy()
        expected.calc = EMT()
        assert atoms.get_potential_energy() == expected.get_potential_energy()
        assert np.array_equal(atoms.get_forces(), expected.get_forces())
        assert np.array_equal(atoms.positions, given.positions)


@pytest.mark.parametrize("calculator", ["emt", EMT(), EMT, CalculatorSpec("emt"), "ase.calculators.emt:EMT"])
def test_equal_to_the_calculator(calculator, tmp_path):
    structures = copper(2)
    found = label(structures, calculator, folder=tmp_path / "labels")
    check(found, structures)
    stress = structures[0].copy()
    stress.calc = EMT()
    assert np.array_equal(found.atoms[0].get_stress(), stress.get_stress())
    assert found.n_computed == 2
    assert found.failures == []


def test_fixed_atoms_have_their_forces(tmp_path):
    """The forces are the true ones, and the file says which atoms are fixed, whatever the structures came from."""
    structures = copper()
    for atoms in structures:
        atoms.set_constraint([FixAtoms([0]), FixCartesian([1], (False, False, True))])
    ase.io.write(tmp_path / "in.extxyz", structures)
    connect(tmp_path / "in.db").write(structures[0])
    ase.io.write(tmp_path / "in.traj", structures[:1])
    for source in (structures, tmp_path / "in.extxyz", tmp_path / "in.db", tmp_path / "in.traj"):
        found = label(source, "emt", folder=tmp_path / f"labels{getattr(source, 'suffix', '')}")
        assert found.failures == []
        assert files.write(found, str(tmp_path / "out.extxyz"), str(tmp_path / "labels")) == (len(found.atoms), 0)
        for frame, atoms, given in zip(read(tmp_path / "out.extxyz"), found.atoms, structures, strict=False):
            free = given.copy()
            free.set_constraint()
            free.positions, free.calc = frame.positions, EMT()
            assert np.allclose(frame.forces, free.get_forces(), rtol=0, atol=1e-12)
            assert np.array_equal(atoms.get_forces(), frame.forces)
            assert frame.fixed[:3].tolist() == [[True] * 3, [False, False, True], [False] * 3]
            assert frame.unknown_forces is None


def test_no_stress_of_isolated_structures(tmp_path):
    found = label(molecule("H2O"), "emt", folder=tmp_path)
    assert "stress" not in found.atoms[0].calc.results


def test_two_processes_write_the_same(tmp_path):
    structures = copper(6)
    lines = []
    for n in (1, 2):
        check(label(structures, "emt", folder=tmp_path / str(n), n_processes=n), structures)
        lines.append(sorted((tmp_path / str(n) / "labels.jsonl").read_text().splitlines()))
    assert lines[0] == lines[1]


def test_nothing_is_computed_twice(tmp_path):
    structures = copper(3)
    calls = tmp_path / "calls"
    calculator = Counting(str(calls))
    label(structures[:2], calculator, folder=tmp_path / "labels")
    found = label([*structures, structures[2].copy()], calculator, folder=tmp_path / "labels")
    check(found, [*structures, structures[2]])
    assert found.n_computed == 1
    assert calls.read_text() == "x" * 3


def test_failures_are_listed_and_retried(tmp_path):
    structures = [*copper(1), bulk("W"), *copper(1, seed=9)]
    for retry, n_computed in ((False, 3), (False, 0), (True, 1)):
        found = label(structures, "emt", folder=tmp_path, retry=retry)
        assert found.failures == [(1, "NotImplementedError: No EMT-potential for W")]
        assert found.n_computed == n_computed
        assert found.atoms[1] is None
        check(type("Some", (), {"atoms": found.atoms[::2]}), structures[::2])


def test_stopped_and_resumed(tmp_path):
    structures = copper(4)
    done = []
    with pytest.raises(StoppedError, match="stopped after 2 of 4 structures"):
        label(structures, EMT(), folder=tmp_path, advance=done.append, stop=lambda: sum(done) >= 2)
    found = label(structures, EMT(), folder=tmp_path, advance=done.append)
    assert found.n_computed == 2
    assert sum(done) == 2 + 4
    check(found, structures)


def test_another_calculator(tmp_path):
    label(copper(1), "emt", folder=tmp_path)
    message = r"settings.json: the labels there are of emt, not of lj:sigma=2.3; choose another folder"
    with pytest.raises(AenetError, match=message):
        label(copper(1), "lj:sigma=2.3", folder=tmp_path)


def test_another_calculator_after_failures_only(tmp_path):
    assert label(bulk("W"), "emt", folder=tmp_path).failures
    assert not label(bulk("W"), "lj:sigma=2.3", folder=tmp_path).failures
    assert json.loads((tmp_path / "settings.json").read_text()) == {"calculator": "lj:sigma=2.3"}


class Broken(Calculator):
    """Returns what it was given."""

    implemented_properties = ("energy", "forces")

    def __init__(self, **results):
        super().__init__()
        self.given = results

    def calculate(self, atoms=None, properties=(), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        self.results = dict(self.given)


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ({"energy": np.nan, "forces": np.zeros((2, 3))}, "energy not finite"),
        ({"energy": 1.0, "forces": np.full((2, 3), np.inf)}, "forces not finite"),
        ({"energy": 1.0, "forces": np.zeros((3, 3))}, "forces have shape (3, 3), not (2, 3)"),
        ({"energy": "much", "forces": np.zeros((2, 3))}, "energy, forces or stress are not numbers"),
    ],
)
def test_results_that_are_no_labels(results, reason, tmp_path):
    assert label(Atoms("Cu2", [[0, 0, 0], [0, 0, 2]]), Broken(**results), folder=tmp_path).failures == [(0, reason)]


def test_not_converged(tmp_path):
    calculator = EMT()
    calculator.converged = False
    assert label(copper(1), calculator, folder=tmp_path).failures == [(0, "not converged")]
