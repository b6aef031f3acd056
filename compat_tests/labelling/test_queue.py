"""A queue of calculations and a cluster that is not one: results of scripts and of other programs, right and wrong."""

from __future__ import annotations

import dataclasses
import json

import ase.io
import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from aenet_py import AenetError, Structure, label, read
from aenet_py.labelling.queue import collect, enqueue
from compat_tests.formats import calculations
from compat_tests.labelling.test_label import copper

CONVERGED = "\n aborting loop because EDIFF is reached\n"


def compute(folder):
    """Do what a script on a cluster would."""
    atoms = ase.io.read(folder / "structure.extxyz")
    atoms.calc = EMT()
    atoms.get_forces()
    ase.io.write(folder / "labelled.extxyz", atoms)


def test_a_cluster(tmp_path):
    """Jobs end in any order; what is there is collected, the rest later, and nothing is queued twice."""
    structures, folder, queue = copper(4), tmp_path / "labels", tmp_path / "jobs"
    queued = enqueue([*structures, structures[0]], "external", folder=folder, queue=queue)
    assert [path.rpartition("/")[2] for path in queued.folders] == ["00001", "00002", "00003", "00004"]
    for number in (3, 1):
        compute(queue / f"{number:05d}")
    found = collect(structures, "external", folder=folder, queue=queue)
    assert found.failures == [(k, f"{queue}/{k + 1:05d}: no results") for k in (1, 3)]
    assert found.n_computed == 2
    more = [*structures, *copper(1, seed=8)]
    queued = enqueue(more, "external", folder=folder, queue=queue)
    assert (queued.folders, queued.n_before, queued.n_labelled) == ([f"{queue}/00005"], 2, 2)
    for number in (2, 4, 5):
        compute(queue / f"{number:05d}")
    found = collect(more, "external", folder=folder, queue=queue)
    assert (found.failures, found.n_computed) == ([], 3)
    for atoms, given in zip(found.atoms, more, strict=True):
        expected = given.copy()
        expected.calc = EMT()
        assert np.isclose(atoms.get_potential_energy(), expected.get_potential_energy(), rtol=0, atol=1e-7)
        assert np.allclose(atoms.get_forces(), expected.get_forces(), rtol=0, atol=1e-7)
        assert np.allclose(atoms.get_stress(), expected.get_stress(), rtol=0, atol=1e-7)
        assert np.array_equal(atoms.positions, given.positions)


def test_fixed_atoms(tmp_path):
    """A job has no constraints, which would set forces to zero; results with such zeros are no labels."""
    (atoms,), queue = copper(1), tmp_path / "jobs"
    atoms.set_constraint(FixAtoms([0]))
    enqueue(atoms, "external", folder=tmp_path / "labels", queue=queue)
    assert "move_mask" not in (queue / "00001/structure.extxyz").read_text()
    held = ase.io.read(queue / "00001/structure.extxyz")
    held.set_constraint(FixAtoms([0]))
    held.calc = EMT()
    held.calc = SinglePointCalculator(held, energy=held.get_potential_energy(), forces=held.get_forces())
    ase.io.write(queue / "00001/labelled.extxyz", held)
    found = collect(atoms, "external", folder=tmp_path / "labels", queue=queue)
    message = "forces of fixed atoms are zero; expected those of get_forces(apply_constraint=False)"
    assert found.failures == [(0, f"{queue}/00001/labelled.extxyz: {message}")]
    compute(queue / "00001")
    found = collect(atoms, "external", folder=tmp_path / "labels", queue=queue)
    assert found.failures == []
    assert np.abs(found.atoms[0].get_forces()[0]).min() > 0
    assert found.structures[0].structure.fixed.any(axis=1).tolist()[:2] == [True, False]


def test_labels_of_both_kinds(tmp_path):
    """What was computed here is not queued, and what was collected is not computed."""
    structures, folder, queue = copper(3), tmp_path / "labels", tmp_path / "jobs"
    label(structures[:1], "emt", folder=folder)
    queued = enqueue(structures, "emt", folder=folder, queue=queue)
    assert (len(queued.folders), queued.n_labelled, queued.has_inputs) == (2, 1, False)
    compute(queue / "00001")
    collect(structures, "emt", folder=folder, queue=queue)
    assert label(structures, "emt", folder=folder).n_computed == 1


def test_the_structure_is_kept_to_the_bit(tmp_path):
    atoms = copper(1)[0]
    atoms.set_initial_magnetic_moments([1.0, -1.0, 0.5, 0.0])
    enqueue(atoms, "external", folder=tmp_path / "labels", queue=tmp_path / "jobs")
    path = tmp_path / "jobs/00001/structure.extxyz"
    assert np.array_equal(read(path)[0].positions, atoms.positions)
    assert np.array_equal(ase.io.read(path).get_initial_magnetic_moments(), [1.0, -1.0, 0.5, 0.0])
    assert enqueue(path, "external", folder=tmp_path / "labels", queue=tmp_path / "jobs").n_before == 1
    other = atoms.copy()
    other.set_initial_magnetic_moments(None)
    assert enqueue(other, "external", folder=tmp_path / "labels", queue=tmp_path / "jobs").n_before == 0


OUTPUTS = {
    "OUTCAR": lambda frames: calculations.outcar(frames) + CONVERGED,
    "vasprun.xml": calculations.vasprun,
    "espresso.pwo": calculations.espresso,
    "aims.out": calculations.aims,
}


def made(name):
    """A structure as a program has it, without labels."""
    (frame,) = calculations.made(1)
    if name == "aims.out":
        frame = dataclasses.replace(frame, cell=None, pbc=(False, False, False))
    return frame, calculations.without(frame, "energy", "forces")


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_of_programs(name, tmp_path):
    frame, wanted = made(name)
    where = {"folder": tmp_path / "labels", "queue": tmp_path / "jobs"}
    enqueue(wanted, "external", **where)
    (tmp_path / "jobs/00001" / name).write_text(OUTPUTS[name]([frame]))
    found = collect(wanted, "external", **where)
    assert found.failures == []
    assert np.isclose(found.atoms[0].get_potential_energy(), frame.energy, rtol=0, atol=1e-6)
    assert np.allclose(found.atoms[0].get_forces(), frame.forces, rtol=0, atol=1e-5)


def test_vasp(tmp_path, monkeypatch):
    """ASE writes the input with sorted atoms and notes their order; VASP returns them in the cell."""
    for element in ("Mg", "S"):
        (tmp_path / "pp/potpaw_PBE" / element).mkdir(parents=True)
        (tmp_path / "pp/potpaw_PBE" / element / "POTCAR").write_text(f"PAW_PBE {element}\n")
    monkeypatch.setenv("VASP_PP_PATH", str(tmp_path / "pp"))
    frame, _ = made("OUTCAR")
    order = np.array([0, 2, 3, 1])
    mixed = Structure(
        "mixed", frame.symbols, frame.species[order], frame.positions[order] + frame.cell[0], frame.cell, frame.pbc
    )
    where = {"folder": tmp_path / "labels", "queue": tmp_path / "jobs"}
    assert enqueue(mixed, "vasp:xc=PBE,encut=300,kpts=[1,1,1]", **where).has_inputs
    job = tmp_path / "jobs/00001"
    assert "ENCUT = 300" in (job / "INCAR").read_text()
    assert ase.io.read(job / "POSCAR", format="vasp").symbols.get_chemical_formula("reduce") == "Mg2S2"
    (job / "OUTCAR").write_text(OUTPUTS["OUTCAR"]([frame]))
    found = collect(mixed, "vasp:xc=PBE,encut=300,kpts=[1,1,1]", **where)
    assert found.failures == []
    assert np.allclose(found.atoms[0].get_forces(), frame.forces[order], rtol=0, atol=1e-6)
    assert np.array_equal(found.atoms[0].positions, mixed.positions)
    (job / "ase-sort.dat").unlink()
    where["folder"] = tmp_path / "others"
    assert collect(mixed, "vasp:xc=PBE,encut=300,kpts=[1,1,1]", **where).failures == [
        (0, f"{job}/OUTCAR: found Mg as atom 2; expected S")
    ]


def changed(atoms, **changes):
    """The result of another structure."""
    other = atoms.copy()
    for name, value in changes.items():
        setattr(other, name, value)
    energy, forces = 1.0, np.zeros((len(other), 3))
    other.calc = SinglePointCalculator(other, energy=energy, forces=forces)
    return other


def moved(atoms):
    positions = atoms.positions.copy()
    positions[2, 1] += 0.01
    return changed(atoms, positions=positions)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda atoms: changed(atoms, symbols=["Cu", "Cu", "Au", "Cu"]), "found Au as atom 3; expected Cu"),
        (lambda atoms: changed(atoms[:3]), "found 3 atoms; expected 4"),
        (moved, "found atom 3 displaced by 0.01 Å; expected the positions of the structure"),
        (
            lambda atoms: changed(atoms, cell=atoms.cell * 1.01),
            "found a cell that differs by 0.036 Å; expected that of the structure",
        ),
        (
            lambda atoms: changed(atoms, pbc=False, cell=np.zeros((3, 3))),
            "found no cell; expected a periodic structure",
        ),
        (lambda atoms: atoms, "no energy found; the calculation may still be running"),
    ],
)
def test_labels_of_other_atoms(wrong, message, tmp_path):
    """The others are kept, and the right result is taken once it is there."""
    structures, folder, queue = copper(2), tmp_path / "labels", tmp_path / "jobs"
    enqueue(structures, "external", folder=folder, queue=queue)
    ase.io.write(queue / "00001/labelled.extxyz", wrong(structures[0]))
    compute(queue / "00002")
    found = collect(structures, "external", folder=folder, queue=queue)
    assert found.failures == [(0, f"{queue}/00001/labelled.extxyz: {message}")]
    assert found.atoms[1] is not None
    compute(queue / "00001")
    assert collect(structures, "external", folder=folder, queue=queue).failures == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("OUTCAR", lambda frames: calculations.outcar(frames), "not converged"),
        (
            "OUTCAR",
            lambda _: " running on    1 total cores\n",
            "cannot be read as a structure: ASE reads it as vasp-out",
        ),
        (
            "vasprun.xml",
            lambda frames: calculations.vasprun(frames)[:-400],
            "incomplete; the calculation may still be running",
        ),
        (
            "vasprun.xml",
            lambda frames: calculations.vasprun(frames).replace("<kpoints>", '<i name="NELM">1</i><kpoints>'),
            "not converged",
        ),
        ("espresso.pwo", lambda _: "PWSCF\n convergence NOT achieved after 3 iterations: stopping\n", "not converged"),
        ("espresso.pwo", lambda _: "PWSCF\n", "found no atoms; ASE reads this file as espresso-out"),
        ("labelled.extxyz", lambda _: "4\n", "4 atoms announced, but the file ends after 0 lines of them"),
        ("labelled.extxyz", lambda _: "", "this file is empty"),
    ],
)
def test_outputs_that_are_none(name, content, message, tmp_path):
    frame, wanted = made(name)
    where = {"folder": tmp_path / "labels", "queue": tmp_path / "jobs"}
    enqueue(wanted, "external", **where)
    (tmp_path / "jobs/00001" / name).write_text(content([frame]))
    ((index, reason),) = collect(wanted, "external", **where).failures
    assert index == 0
    assert reason.startswith(f"{tmp_path}/jobs/00001/{name}")
    assert message in reason
    assert "\n" not in reason
    assert "--format" not in reason


def test_a_named_result(tmp_path):
    frame, wanted = made("OUTCAR")
    where = {"folder": tmp_path / "labels", "queue": tmp_path / "jobs"}
    enqueue(wanted, "external", **where)
    job = tmp_path / "jobs/00001"
    ase.io.write(job / "result.traj", changed(ase.io.read(job / "structure.extxyz")))
    assert collect(wanted, "external", **where, result="other.traj").failures == [(0, f"{job}/other.traj: no results")]
    assert collect(wanted, "external", **where, result="result.traj").failures == []
    assert frame.n_atoms == 4


def test_input_files(tmp_path):
    """Of programs that ASE writes input for, without a command to start them."""
    where = {"folder": tmp_path / "labels", "queue": tmp_path / "jobs"}
    spec = 'espresso:pseudo_dir=pseudo,pseudopotentials={"Cu": "Cu.upf"},input_data={"system": {"ecutwfc": 40}}'
    queued = enqueue(copper(2), spec, **where)
    assert queued.has_inputs
    for number in (1, 2):
        text = (tmp_path / f"jobs/0000{number}/espresso.pwi").read_text()
        assert "ecutwfc          = 40" in text
        assert text.count("Cu ") >= 4


def test_input_files_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.delenv("VASP_PP_PATH", raising=False)
    with pytest.raises(AenetError, match=r"^calculator vasp: cannot write input files of Atoms#0: "):
        enqueue(copper(1), "vasp:xc=PBE", folder=tmp_path / "labels", queue=tmp_path / "jobs")
    assert list((tmp_path / "jobs").iterdir()) == []


def test_another_calculator(tmp_path):
    enqueue(copper(1), "external:xc=PBE", folder=tmp_path / "labels", queue=tmp_path / "jobs")
    message = r"00001/job.json: this job is of external:xc=\"PBE\", not of external:xc=\"LDA\"; choose another folder"
    for do in (enqueue, collect):
        with pytest.raises(AenetError, match=message):
            do(copper(1), "external:xc=LDA", folder=tmp_path / "labels", queue=tmp_path / "jobs")


def test_other_errors(tmp_path):
    with pytest.raises(AenetError, match=r"nowhere: no such folder; expected a queue"):
        collect(copper(1), "external", folder=tmp_path / "labels", queue=tmp_path / "nowhere")
    queue = tmp_path / "jobs"
    enqueue(copper(1), "external", folder=tmp_path / "labels", queue=queue)
    assert collect(copper(1, 5), "external", folder=tmp_path / "labels", queue=queue).failures == [
        (0, f"{queue}: not in this queue")
    ]
    (queue / "00001/job.json").write_text(json.dumps({"key": 3}))
    with pytest.raises(AenetError, match=r"00001/job.json: not a job of this queue; remove its folder"):
        enqueue(copper(1), "external", folder=tmp_path / "labels", queue=queue)
    with pytest.raises(AenetError, match=r"external labels are computed elsewhere"):
        label(copper(1), "external", folder=tmp_path / "labels")
