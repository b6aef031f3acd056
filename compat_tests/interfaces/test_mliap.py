"""LAMMPS' ML-IAP: the results of ANNCalculator, from the pairs of LAMMPS."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from ase import Atoms

from aenet_py.errors import AenetError, AenetWarning
from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.interfaces.mliap import Unified
from aenet_py.neighbors import verlet
from aenet_py.potentials.potential import Potential
from compat_tests.cli.cases import FIXTURES
from compat_tests.interfaces import in_lammps
from compat_tests.interfaces.test_ase import NETWORKS, networks
from compat_tests.interfaces.test_lammps import check

pytestmark = pytest.mark.filterwarnings("ignore:.*outside the range of the")


COINCIDENT = """
from compat_tests.interfaces import in_lammps
atoms = in_lammps.triclinic()
atoms.positions[1] = atoms.positions[0]
in_lammps.with_mliap(atoms, in_lammps.potentials("triclinic")).command("run 0")
"""


class Data:
    """A substitute for LAMMPS' data with all pairs of a structure, and what is written to it."""

    def __init__(self, atoms: Atoms, unified: Unified, centers: list[int]):
        pairs = verlet.pairs(atoms, 2 * unified.rcutfac, 0.0)
        found = verlet.environments(pairs, atoms)
        elements = np.array([unified.element_types.index(symbol) for symbol in atoms.symbols], dtype=np.int32)
        rows = np.concatenate([np.arange(found.first[i], found.first[i + 1]) for i in centers]).astype(int)
        self.nlistatoms, self.npairs = len(centers), len(rows)
        self.iatoms = np.array(centers, dtype=np.int32)
        self.ielems = elements[centers]
        self.numneighs = found.counts[centers].astype(np.int32)
        self.pair_i = np.repeat(self.iatoms, self.numneighs)
        self.jatoms = found.index[rows]
        self.jelems = elements[self.jatoms]
        self.rij = np.ascontiguousarray(found.vectors[:3, rows].T)
        self.forces, self.virial = np.zeros((len(atoms), 3)), np.zeros((3, 3))
        self.energy, self.eatoms = np.nan, np.full(len(centers), np.nan)

    def update_pair_forces(self, pulls: np.ndarray) -> None:
        assert pulls.dtype == np.float64
        assert pulls.flags.c_contiguous
        np.add.at(self.forces, self.pair_i, pulls)
        np.subtract.at(self.forces, self.jatoms, pulls)
        self.virial -= self.rij.T @ pulls


@pytest.mark.parametrize("system", in_lammps.SYSTEMS)
def test_the_same_as_the_calculator(system):
    atoms, paths = in_lammps.SYSTEMS[system](), in_lammps.potentials(system)
    atoms.calc = ANNCalculator(paths)
    unified = pickle.loads(pickle.dumps(Unified(paths)))
    order = list(np.random.default_rng(1).permutation(len(atoms)))
    parts = [Data(atoms, unified, centers) for centers in (order[: len(atoms) // 2], order[len(atoms) // 2 :])]
    for part in parts:
        unified.compute_descriptors(part)
        unified.compute_gradients(part)
        unified.compute_forces(part)
    assert sum(part.energy for part in parts) == pytest.approx(atoms.get_potential_energy(), rel=1e-12)
    energies = np.concatenate([part.eatoms for part in parts])
    assert np.abs(energies - atoms.get_potential_energies()[order]).max() < 1e-10
    forces = atoms.get_forces()
    assert np.abs(forces).max() > 0.01
    assert np.abs(sum(part.forces for part in parts) - forces).max() < 1e-11 * max(1, np.abs(forces).max())
    if "stress" in atoms.calc.results:
        virial = sum(part.virial for part in parts)
        assert np.abs(virial - virial.T).max() < 1e-10
        assert np.abs(-virial / atoms.get_volume() - atoms.get_stress(voigt=False)).max() < 1e-11


def test_no_atoms_and_lone_atoms():
    """A process may have no atoms; an atom far from all others has no pairs."""
    unified = Unified(networks())
    nothing = Data(in_lammps.cluster(), unified, [0])
    nothing.nlistatoms = nothing.npairs = 0
    nothing.iatoms = nothing.jelems = nothing.rij = nothing.numneighs = nothing.ielems = None
    unified.compute_forces(nothing)
    assert nothing.energy == 0
    atom = Atoms("Cu", [[0, 0, 0]])
    lone = Data(atom, unified, [0])
    lone.jelems = lone.rij = None
    unified.compute_forces(lone)
    atom.calc = ANNCalculator(networks())
    assert lone.energy == pytest.approx(atom.get_potential_energy(), rel=1e-14)
    assert not lone.forces.any()


def test_extrapolation_is_reported_once():
    atoms, unified = in_lammps.cluster(), Unified(networks())
    inside, outside = Data(atoms, unified, [0, 1]), Data(atoms, unified, [0, 1])
    outside.rij = 0.6 * outside.rij
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unified.compute_forces(inside)
    with pytest.warns(AenetWarning, match="2 of 2 atoms of this process have features outside the range"):
        unified.compute_forces(outside)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unified.compute_forces(outside)


@pytest.mark.parametrize("form", [str, Potential.load, lambda folder: [folder]])
def test_every_form_of_potentials(form):
    unified = Unified(form(NETWORKS))
    assert set(unified.element_types) == set(networks())
    with pytest.raises(AenetError, match="2 sets of potentials form a committee"):
        Unified([NETWORKS, NETWORKS])


def test_what_cannot_be_computed(tmp_path):
    atoms, unified = in_lammps.cluster(), Unified(networks())
    data = Data(atoms, unified, [3, 5])
    data.rij[data.numneighs[0] + 2] = 0.0
    with pytest.raises(AenetError, match="atom 5 of this process coincides with another"):
        unified.compute_forces(data)
    data = Data(atoms, unified, [3, 5])
    data.jelems[0] = -1
    with pytest.raises(AenetError, match=r"without an element \(NULL\)"):
        unified.compute_forces(data)
    with pytest.raises(AenetError, match=r"cannot be written: No such file"):
        unified.pickle(str(tmp_path / "none" / "aenet.pkl"))
    paths = networks(
        FIXTURES / "three-species-long-angular" / "train-forces-adamax-cutoffs" / "expected", ("Li", "Mn", "O")
    )
    with pytest.raises(AenetError, match="order of neighbours"):
        Unified(paths)


@pytest.mark.lammps
@pytest.mark.skipif(not in_lammps.has_mliap(), reason="needs a LAMMPS that has ML-IAP and Python inside")
class TestInLammps:
    @pytest.mark.parametrize("system", in_lammps.SYSTEMS)
    def test_the_same_as_the_calculator(self, system, tmp_path):
        in_lammps.main(system, "20", tmp_path / "found.npz", "mliap")
        with np.load(tmp_path / "found.npz") as found:
            check(dict(found), in_lammps.SYSTEMS[system](), in_lammps.potentials(system))

    @pytest.mark.mpi
    @pytest.mark.skipif(not in_lammps.MPIEXEC.exists(), reason="needs mpiexec beside python")
    @pytest.mark.parametrize(("system", "n"), [("triclinic", 2), ("triclinic", 4), ("cluster", 4), ("behler", 2)])
    def test_processes_agree(self, system, n, tmp_path):
        """Also if some have no atoms."""
        in_lammps.main(system, "20", tmp_path / "alone.npz", "mliap")
        in_lammps.launch(n, system, 20, tmp_path / "n.npz", "mliap")
        with np.load(tmp_path / "alone.npz") as alone, np.load(tmp_path / "n.npz") as found:
            check(dict(found), in_lammps.SYSTEMS[system](), in_lammps.potentials(system))
            for name, value in alone.items():
                assert np.abs(found[name] - value).max(initial=0) < 1e-8 * max(1.0, np.abs(value).max(initial=0)), name

    @pytest.mark.mpi
    @pytest.mark.skipif(not in_lammps.MPIEXEC.exists(), reason="needs mpiexec beside python")
    def test_an_error_in_one_of_two_processes_ends_both(self):
        command = [in_lammps.MPIEXEC, "-n", "2", sys.executable, "-c", COINCIDENT]
        done = subprocess.run(command, cwd=in_lammps.ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0
        assert done.stderr.count("AenetError: atom ") == 1

    def test_virials_of_atoms(self):
        lmp = in_lammps.with_mliap(in_lammps.triclinic(), networks())
        lmp.commands_list(["compute parts all stress/atom NULL virial", "compute whole all reduce sum c_parts[*]"])
        asked = " ".join(f"c_whole[{i}]" for i in range(1, 7))
        lmp.commands_list([f"thermo_style custom step pe c_sum {asked} c_virial[*]", "run 0"])
        parts, whole = lmp.numpy.extract_compute("whole", 0, 1), lmp.numpy.extract_compute("virial", 0, 1)
        volume = lmp.get_thermo("vol")
        assert np.abs(whole).max() > 100
        assert np.abs(-parts / volume - whole).max() < 1e-9 * np.abs(whole).max()
