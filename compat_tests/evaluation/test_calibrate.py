"""The uncertainty of forces: twins in numpy, invariances, files of other potentials, and the command."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read as ase_read
from scipy.stats import spearmanr

from aenet_py import ANNCalculator, evaluate, read
from aenet_py.cli import aenet
from aenet_py.errors import AenetError, InputError
from aenet_py.evaluation import files, trained_on
from aenet_py.evaluation.calibrate import calibrate, rank_correlation
from aenet_py.formats import committee, extxyz
from aenet_py.formats import uncertainty as uncertainty_format
from aenet_py.potentials.potential import Potential
from aenet_py.potentials.uncertainty import RIDGE, estimate
from compat_tests.interfaces.test_ase import BEHLER, CLUSTER, NETWORKS, OTHERS, as_atoms, cluster
from compat_tests.potentials import made

FRAMES = CLUSTER / "xsf"

pytestmark = pytest.mark.filterwarnings("ignore:.*outside the range of the training set")


def values_of(potential: Potential, atom_type: int, features: np.ndarray, method: str) -> np.ndarray:
    """Of one atom: the twin of `uncertainty.values_of`, which loops over layers."""
    file = potential.files[atom_type]
    values = (features[: file.setup.n_features] - file.statistics.mean) * file.statistics.factors
    n_layers = 0 if method == "features" else len(file.network.nodes) - 2
    for layer in range(n_layers):
        begin, end = file.network.weight_ends[layer : layer + 2]
        matrix = file.network.weights[begin:end].reshape(-1, file.network.nodes[layer + 1])
        values = made.FUNCTIONS[file.network.activations[layer]](values @ matrix[:-1] + matrix[-1])
    return values


def atoms_of(potential: Potential, structures) -> list[tuple[int, np.ndarray, float]]:
    """Type, features and length of the force error of each atom."""
    found = []
    for structure in structures:
        predicted = potential.energy_forces(structure)
        for atom, species in enumerate(structure.species):
            if structure.fixed is not None and (structure.fixed[atom] & (structure.forces[atom] == 0)).any():
                continue
            error = np.linalg.norm(predicted.forces[atom] - structure.forces[atom])
            found.append((potential.types.index(structure.symbols[species]), predicted.features[atom], error))
    return found


def twin(potential: Potential, fitted, checked, method: str) -> tuple[list[float], list[float]]:
    """Estimated force errors of the atoms of `checked`, and true ones, by solving with covariances."""
    fit, check, estimated = atoms_of(potential, fitted), atoms_of(potential, checked), []
    distances = []
    for t, features, _ in check:
        own = np.array([values_of(potential, t, f, method) for u, f, _ in fit if u == t])
        mean = own.mean(axis=0)
        covariance = (own - mean).T @ (own - mean) / len(own)
        covariance += RIDGE * np.linalg.eigvalsh(covariance)[-1] * np.eye(len(mean))
        offset = values_of(potential, t, features, method) - mean
        distances.append(float(np.sqrt(offset @ np.linalg.solve(covariance, offset) / len(mean))))
    for (t, _, _), distance in zip(check, distances, strict=True):
        chosen = [k for k, (u, _, _) in enumerate(check) if u == t]
        squares = np.mean([check[k][2] ** 2 for k in chosen]), np.mean([distances[k] ** 2 for k in chosen])
        estimated.append(float(np.sqrt(squares[0] / squares[1])) * distance)
    return estimated, [error for _, _, error in check]


@pytest.mark.parametrize("method", ["features", "last layer"])
@pytest.mark.parametrize("folder", [NETWORKS, BEHLER])
def test_distances_are_those_of_the_twin(folder, method):
    structures = read(FRAMES) if folder == NETWORKS else read(BEHLER.parent.parent / "xsf")
    fitted, checked = structures[:10], structures[10:]
    if folder == BEHLER:
        fitted = checked = structures
    found = calibrate(folder, fitted, checked, method=method, threads=1)
    estimated, errors = twin(Potential.load(folder), fitted, checked, method)
    assert np.allclose(found.errors, errors, rtol=1e-9, atol=1e-12)
    assert np.allclose(found.estimated, estimated, rtol=1e-5)
    assert found.held_out
    for symbol in set(found.species):  # the factors match root mean squares
        own = found.species == symbol
        assert np.isclose((found.estimated[own] ** 2).mean(), (found.errors[own] ** 2).mean(), rtol=1e-9)


def test_atoms_whose_forces_are_not_known_are_left_out(capsys, tmp_path):
    """Also those of which one component is not known; true forces of fixed atoms count."""
    fitted, held = read(FRAMES)[:10], []
    for number, structure in enumerate(read(FRAMES)[10:]):
        fixed, forces = np.zeros((structure.n_atoms, 3), bool), structure.forces.copy()
        fixed[:4], fixed[5, 1] = True, True
        forces[:3] = forces[5, 1] = 0.0
        held.append(structure if number == 0 else dataclasses.replace(structure, forces=forces, fixed=fixed))
    found = calibrate(NETWORKS, fitted, held, threads=1)
    estimated, errors = twin(Potential.load(NETWORKS), fitted, held, "features")
    assert np.allclose(found.errors, errors, rtol=1e-9, atol=1e-12)
    assert np.allclose(found.estimated, estimated, rtol=1e-5)
    n = len(held) - 1
    assert found.left_out.endswith(f"not known: {10 * n} components in {n} structures, such as {held[1].path}")
    (tmp_path / "a.xyz").write_bytes(b"".join(map(extxyz.text, held)))
    command = ["calibrate", str(FRAMES), "--validation", str(tmp_path / "a.xyz"), "--potential", str(NETWORKS)]
    assert aenet.main([*command, "-o", str(tmp_path / "u.json")]) == 0
    assert "; their atoms are left out\n" in capsys.readouterr().out
    bare = [dataclasses.replace(each, forces=0 * each.forces, fixed=np.ones_like(each.forces, bool)) for each in held]
    with pytest.raises(AenetError, match="no structure has forces"):
        calibrate(NETWORKS, fitted, bare)


def test_threads_and_order_of_arguments_change_nothing():
    one, other = (calibrate(NETWORKS, FRAMES, threads=threads) for threads in (1, 3))
    assert one.uncertainty.checksum == other.uncertainty.checksum
    assert not one.held_out


def test_held_out_structures_of_the_training_calibrate(tmp_path):
    shutil.copytree(NETWORKS, tmp_path / "run")
    run = tmp_path / "run"
    shutil.copytree(FRAMES, run / "xsf")
    found = calibrate(run, run / "xsf", training=run)
    rows = (run / "energies.test").read_text().split("\n")
    tested = [str(run / row.split()[-1]) for row in rows if row]
    structures = read(run / "xsf")
    parts = [[s for s in structures if (s.path in tested) == test] for test in (False, True)]
    expected = calibrate(run, *parts)
    assert found.held_out
    assert found.n_structures == len(tested) > 0
    assert found.uncertainty.checksum == expected.uncertainty.checksum


def test_a_committee_has_one_factor(tmp_path):
    path = tmp_path / "committee.json"
    found = calibrate([NETWORKS, OTHERS], FRAMES, output=path)
    assert found.uncertainty.method == "committee"
    assert len(set(found.uncertainty.factors.values())) == 1
    (factor,) = set(found.uncertainty.factors.values())
    atoms, forces = cluster(), []
    for folder in (NETWORKS, OTHERS):
        atoms.calc = ANNCalculator(folder)
        forces.append(atoms.get_forces())
    atoms.calc = ANNCalculator([OTHERS, NETWORKS], uncertainty=path)  # the order of members does not matter
    atoms.get_forces()
    deviation = abs(forces[0] - forces[1]) / 2
    assert np.allclose(atoms.calc.results["forces_std"], factor * deviation, atol=1e-12)
    assert np.allclose(atoms.calc.results["uncertainty"], factor * np.linalg.norm(deviation, axis=1), atol=1e-12)
    assert np.isclose((found.estimated**2).mean(), (found.errors**2).mean(), rtol=1e-9)


def test_a_committee_has_a_factor_of_energies(tmp_path, capsys):
    path = tmp_path / "committee.json"
    given = ["calibrate", "--potential", str(NETWORKS), "--potential", str(OTHERS), str(FRAMES), "-o", str(path)]
    assert aenet.main(given) == 0
    members = [Potential.load(folder) for folder in (NETWORKS, OTHERS)]
    structures = [each for each in read(FRAMES) if each.n_atoms > 1]
    energies = np.array(
        [[member.energy_forces(each).energy / each.n_atoms for each in structures] for member in members]
    )
    errors = energies.mean(axis=0) - [each.energy / each.n_atoms for each in structures]
    expected = np.linalg.norm(errors) / np.linalg.norm(energies.std(axis=0))
    found = uncertainty_format.read(str(path))
    assert found.energy_factor == pytest.approx(expected, rel=1e-6)
    assert found.n_structures == len(structures) == 14
    assert f"factor of the energies {expected:.4g}, from 14 structures" in capsys.readouterr().out
    judged, alone = (evaluate([NETWORKS, OTHERS], FRAMES, uncertainty=file) for file in (path, None))
    for one, other in zip(judged.structures, alone.structures, strict=True):
        assert one.energy_std == pytest.approx(expected * other.energy_std, rel=1e-6)
    assert uncertainty_format.read(str(path)) == found
    few = calibrate([NETWORKS, OTHERS], FRAMES, structures[:9]).uncertainty
    assert (few.energy_factor, few.n_structures) == (None, 9)
    text = uncertainty_format.to_text(few)
    assert text.endswith(', "energy": {"factor": null, "n_structures": 9}}\n')
    path.write_text(text)
    assert uncertainty_format.read(str(path)) == few


@pytest.mark.parametrize(
    "energy", ['{"factor": -1, "n_structures": 9}', '{"factor": 1}', "3", '{"factor": NaN, "n_structures": 1}']
)
def test_damaged_factors_of_energies_are_refused(tmp_path, energy):
    path = tmp_path / "file.json"
    text = uncertainty_format.to_text(calibrate([NETWORKS, OTHERS], FRAMES).uncertainty)
    path.write_text(f'{text[: text.index(chr(34) + "energy" + chr(34))]}"energy": {energy}}}')
    with pytest.raises(InputError, match="found invalid or missing values"):
        uncertainty_format.read(str(path))


@pytest.fixture(scope="module")
def calibrated():
    return calibrate(NETWORKS, FRAMES).uncertainty


@pytest.mark.parametrize("method", ["features", "last layer"])
def test_the_calculator_agrees_and_is_invariant(method):
    found = calibrate(NETWORKS, FRAMES, method=method)
    potential = Potential.load(NETWORKS)
    atoms, start = cluster(1), read(FRAMES)[0].n_atoms
    atoms.calc = ANNCalculator(NETWORKS, uncertainty=found.uncertainty)
    atoms.get_forces()
    expected = atoms.calc.results["uncertainty"]
    assert np.allclose(expected, found.estimated[start : start + len(atoms)], rtol=1e-8)
    assert (expected > 0).all()
    generator = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    order = generator.permutation(len(atoms))
    moved = Atoms(atoms.numbers[order], atoms.positions[order] @ rotation + generator.normal(size=3))
    moved.calc = atoms.calc
    moved.get_forces()
    assert np.allclose(moved.calc.results["uncertainty"], expected[order], rtol=1e-6)
    moved.positions *= 1.1
    moved.get_forces()
    types = np.array([potential.types.index(symbol) for symbol in moved.symbols])
    features = moved.calc.predictions[0].features
    expected = estimate(potential, found.uncertainty, types, features)
    assert np.allclose(moved.calc.results["uncertainty"], expected, rtol=1e-8)


def test_results_of_the_past_are_refused(calibrated):
    atoms = cluster()
    atoms.calc = ANNCalculator(NETWORKS, uncertainty=calibrated)
    atoms.get_forces()
    before = atoms.calc.results
    atoms.positions *= 1.01
    atoms.get_forces()
    with pytest.raises(AenetError, match="uncertainty belongs to the last calculation"):
        before["uncertainty"]


def test_potentials_with_symmetry_functions_have_it_too():
    structures = read(BEHLER.parent.parent / "xsf")
    found = calibrate(BEHLER, structures)
    atoms = as_atoms(BEHLER.parent.parent / "xsf" / Path(structures[0].path).name)
    atoms.calc = ANNCalculator(BEHLER, uncertainty=found.uncertainty)
    atoms.get_forces()
    assert np.allclose(atoms.calc.results["uncertainty"], found.estimated[: len(atoms)], rtol=1e-8)


def test_without_calibration_there_is_none():
    atoms = cluster()
    atoms.calc = ANNCalculator(NETWORKS)
    atoms.get_forces()
    with pytest.raises(KeyError):
        atoms.calc.results["uncertainty"]


def test_the_file_beside_potentials_is_found_and_survives(tmp_path, calibrated):
    shutil.copytree(NETWORKS, tmp_path / "run")
    path = tmp_path / "run" / uncertainty_format.NAME
    uncertainty_format.write(str(path), calibrated)
    again = uncertainty_format.read(str(path))
    assert again.checksum == calibrated.checksum
    assert all((again.transforms[s] == calibrated.transforms[s]).all() for s in calibrated.transforms)
    files = {symbol: tmp_path / "run" / f"{symbol}.pytorch.nn" for symbol in again.factors}
    for given in (tmp_path / "run", files, [tmp_path / "run"]):
        assert ANNCalculator(given).calibration.checksum == again.checksum
    assert ANNCalculator(Potential.load(tmp_path / "run")).calibration is None
    assert ANNCalculator([tmp_path / "run", OTHERS]).calibration is None


@pytest.mark.parametrize(
    ("potentials", "message"),
    [
        (OTHERS, "uncertainty.json: calibrated for other potentials; calibrate again"),
        ([NETWORKS, OTHERS], "calibrated for a single potential, not for a committee of 2"),
    ],
)
def test_files_of_other_potentials_are_refused(tmp_path, calibrated, potentials, message):
    path = tmp_path / uncertainty_format.NAME
    uncertainty_format.write(str(path), calibrated)
    atoms = cluster()
    atoms.calc = ANNCalculator(potentials, uncertainty=path)
    atoms.get_forces()  # which needs no calibration
    with pytest.raises(InputError, match=message):
        atoms.calc.results["uncertainty"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-30], "not a file of aenet-py calibrate: no valid JSON"),
        (lambda text: text[:0] + "[]", "found the format None; expected 'aenet_py uncertainty 1'"),
        (lambda text: text.replace("uncertainty 1", "uncertainty 9"), "found the format 'aenet_py uncertainty 9'"),
        (lambda text: text.replace('"method": "features"', '"method": "x"'), "found invalid or missing values"),
        (lambda text: text.replace('"factor": ', '"factor": -'), "found invalid or missing values .factor."),
        (
            lambda text: text.replace('"transform": [[', '"transform": [[1.0], ['),
            "invalid or missing values .transform",
        ),
        (lambda text: text.replace('"mean": [', '"mean": [NaN, '), "found invalid or missing values"),
        (lambda text: text.replace('"mean"', '"means"'), "found invalid or missing values"),
    ],
)
def test_damaged_files_are_refused(tmp_path, calibrated, change, message):
    path = tmp_path / "file.json"
    path.write_text(change(uncertainty_format.to_text(calibrated)))
    with pytest.raises(InputError, match=message):
        uncertainty_format.read(str(path))


def test_what_cannot_be_calibrated(tmp_path):
    structures = read(FRAMES)
    blind = [dataclasses.replace(each, forces=None) for each in structures]
    with pytest.raises(AenetError, match="no structure has forces"):
        calibrate(NETWORKS, blind)
    with pytest.raises(AenetError, match="no structures given"):
        calibrate(NETWORKS, [])
    with pytest.raises(AenetError, match="no atoms of Au and Cu in the structures"):
        calibrate(NETWORKS, [Atoms("OH2", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])], structures)
    with pytest.raises(AenetError, match="unknown method 'spread'"):
        calibrate(NETWORKS, structures, method="spread")
    with pytest.raises(AenetError, match="is for a single potential"):
        calibrate([NETWORKS, OTHERS], structures, method="features")
    assert not list(tmp_path.iterdir())


def test_rank_correlation_is_that_of_scipy():
    generator = np.random.default_rng(1)
    one, other = generator.integers(0, 9, 50), generator.normal(size=50)
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one, other).statistic, rel=1e-12)
    assert np.isnan(rank_correlation(np.ones(4), other[:4]))


def test_the_command(tmp_path, capsys):
    shutil.copytree(NETWORKS, tmp_path / "run")
    folder = str(tmp_path / "run")
    assert aenet.main(["calibrate", "--potential", folder, str(FRAMES)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("distance of features to the training set; 14 structures that the potential may have")
    assert f"written: {folder}/uncertainty.json" in out.replace("\n         ", "")
    content = json.loads(Path(folder, "uncertainty.json").read_text())
    assert content["method"] == "features"
    assert set(content["species"]) == {"Cu", "Au", "O", "H"}
    assert aenet.main(["calibrate", "--potential", folder, "--method", "last-layer", str(FRAMES)]) == 0
    assert json.loads(Path(folder, "uncertainty.json").read_text())["method"] == "last layer"


def test_the_command_needs_a_file_for_a_committee(tmp_path, capsys):
    given = ["calibrate", "--potential", str(NETWORKS), "--potential", str(OTHERS), str(FRAMES)]
    assert aenet.main(given) == 1
    assert "give the file to write with -o" in capsys.readouterr().err
    assert aenet.main([*given, "-o", str(tmp_path / "c.json")]) == 0
    assert capsys.readouterr().out.startswith("spread of a committee; 14 structures that the potential may have")


@pytest.mark.parametrize("given", [NETWORKS, [NETWORKS, OTHERS]])
def test_evaluations_have_it(tmp_path, given):
    found = calibrate(given, FRAMES, output=tmp_path / "file.json")
    judged = evaluate(given, FRAMES, uncertainty=tmp_path / "file.json")
    estimated = np.concatenate([each.uncertainty for each in judged.structures if each.structure.n_atoms > 1])
    assert np.allclose(estimated, found.estimated, rtol=1e-9)
    if given != NETWORKS:
        lengths = np.concatenate([np.linalg.norm(each.forces_std, axis=1) for each in judged.structures])
        assert np.allclose(lengths, found.estimated, rtol=1e-9)
    frames = tmp_path / "frame.extxyz"
    frames.write_bytes(files.frame(judged.structures[1]))
    assert np.allclose(ase_read(frames).arrays["uncertainty"], judged.structures[1].uncertainty)
    assert files.row(judged.structures[1])["largest_uncertainty_eV_per_A"] == judged.structures[1].uncertainty.max()
    with pytest.raises(InputError, match="calibrated for other potentials"):
        evaluate(BEHLER if given == NETWORKS else [NETWORKS, NETWORKS], FRAMES, uncertainty=tmp_path / "file.json")


def test_the_folder_of_a_committee_calibrates_with_what_its_members_have_not_seen(tmp_path):
    run = tmp_path / "run"
    for number, folder in enumerate((NETWORKS, OTHERS), 1):
        (run / str(number)).mkdir(parents=True)
        for symbol in ("Cu", "Au", "O", "H"):
            shutil.copy(folder / f"{symbol}.pytorch.nn", run / f"{symbol}.{number}.nn")
        table = (NETWORKS / "energies.train").read_text().replace(" xsf/", f" {FRAMES}/")
        (run / str(number) / "energies.train").write_text(table)
    committee.write(str(run), 2)
    found = calibrate(run, FRAMES, training=run, output=run / uncertainty_format.NAME)
    known = trained_on.names(str(run))
    rest = [each for each in read(FRAMES) if trained_on.name(each.path) not in known]
    assert found.held_out
    assert 0 < found.n_structures == len(rest) < len(read(FRAMES))
    assert found.uncertainty.checksum == calibrate([NETWORKS, OTHERS], [], rest).uncertainty.checksum
    assert ANNCalculator(run).calibration.checksum == found.uncertainty.checksum
