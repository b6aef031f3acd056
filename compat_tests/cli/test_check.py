"""aenet-py check: what it flags in sets with planted faults, and that it flags nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.cluster import Octahedron
from ase.data import covalent_radii

import aenet_py
from aenet_py import AenetError, Structure, check
from aenet_py.cli.aenet import main
from aenet_py.elements import NUMBER, SYMBOLS, covalent_radius
from aenet_py.formats import extxyz
from aenet_py.structure import from_atoms
from aenet_py.tools.check import duplicates, energies, linear, patterns, trajectories
from aenet_py.tools.check.surroundings import STEP, basis, describe

FREE = {"Cu": -1300.0, "Au": -900.0, "Al": -55.0, "O": -430.0, "H": -13.0}  # eV, energies of the free atoms
SETS = ("clusters", "alloys", "slabs", "trajectory")


def labelled(atoms: Atoms, path: str) -> Structure:
    """A structure with the energy and forces of effective-medium theory, as if by an all-electron method."""
    atoms.calc = EMT()
    energy = atoms.get_potential_energy() + sum(FREE[symbol] for symbol in atoms.symbols)
    return from_atoms(atoms, path, {"energy": energy, "forces": atoms.get_forces()})


def made(name: str, n: int = 60) -> list[Structure]:
    """A clean set, named as in a file."""
    rng = np.random.default_rng(SETS.index(name))
    found: list[Structure] = []
    moving = bulk("Al", cubic=True) * (2, 1, 1)
    moving.rattle(0.1, seed=3)
    velocities = 0.03 * rng.normal(size=moving.positions.shape)
    for number in range(n):
        if name == "clusters":
            atoms = Octahedron("Cu", 3, 1)
            atoms.symbols = rng.choice(["Cu", "Au"], len(atoms))
            atoms.positions *= 1.07
        elif name == "alloys":
            atoms = bulk("Cu", "fcc", 3.85, cubic=True)
            atoms.symbols = rng.choice(["Cu", "Au"], len(atoms))
            atoms.set_cell(atoms.cell @ (np.eye(3) + rng.normal(0, 0.02, (3, 3))), scale_atoms=True)
        elif name == "slabs":
            atoms = fcc111("Cu", (2, 1, 3), vacuum=6)
            atoms += Atoms("OH"[number % 2], [[1.3, 0.8, atoms.positions[:, 2].max() + rng.uniform(1.0, 1.6)]])
        else:
            atoms = moving.copy()
            forces = labelled(moving, "").forces
            velocities += 0.01 * forces
            moving.positions += velocities
        if name != "trajectory":
            atoms.positions += rng.normal(0, rng.choice([0.03, 0.1]), atoms.positions.shape)
        found.append(labelled(atoms, f"{name}.extxyz#{number}"))
    return found


@pytest.fixture(scope="module")
def sets():
    return {name: made(name) for name in SETS}


def kinds(checked) -> dict[int, set[str]]:
    """Kinds of what was found, by structure."""
    found: dict[int, set[str]] = {}
    for finding in checked.findings:
        for number in finding.structures:
            found.setdefault(number, set()).add(finding.kind)
    return found


@pytest.mark.parametrize("name", SETS)
def test_nothing_is_found_in_clean_sets(sets, name):
    checked = check(sets[name])
    assert checked.findings == ()
    assert not checked.flagged.any()
    assert np.nanmedian(checked.predicted_force / checked.force) == pytest.approx(1.0, abs=0.2)


def turned(structure: Structure, rng: np.random.Generator) -> Structure:
    """The same in another orientation, with its atoms in another order."""
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    order = rng.permutation(structure.n_atoms)
    return replace(
        structure,
        species=structure.species[order],
        positions=structure.positions[order] @ rotation,
        forces=structure.forces[order] @ rotation,
        cell=None if structure.cell is None else structure.cell @ rotation,
    )


def faulty(structure: Structure, kind: str, rng: np.random.Generator) -> Structure:
    """The structure with a fault."""
    positions, n_atoms = structure.positions.copy(), structure.n_atoms
    if kind == "close":
        positions[1] = positions[0] + [0.2, 0.1, 0.0]
        return replace(structure, positions=positions)
    if kind == "isolated":
        positions[-1] += [0, 0, 50.0]
        return replace(structure, positions=positions, cell=None, pbc=(False, False, False))
    if kind == "near-duplicate":
        moves = rng.normal(size=positions.shape)
        return replace(structure, positions=positions + 0.1 * STEP * moves / np.linalg.norm(moves, axis=1)[:, None])
    return {
        "no energy": lambda: replace(structure, energy=None),
        "no forces": lambda: replace(structure, forces=None),
        "duplicate": lambda: turned(structure, rng),
        "contradiction": lambda: replace(structure, energy=structure.energy + 0.02 * n_atoms),
        "level": lambda: replace(structure, energy=structure.energy / 27.211386),
        "outlier": lambda: replace(structure, energy=structure.energy - 1.5 * n_atoms),
        "force-sign": lambda: replace(structure, forces=-structure.forces),
        "force-unit": lambda: replace(structure, forces=structure.forces / 51.422067),
        "net-force": lambda: replace(structure, forces=structure.forces + np.array([0.1, 0.0, -0.1])),
    }[kind]()


FAULTS = (
    "no energy", "no forces", "close", "isolated", "duplicate", "near-duplicate", "contradiction", "level", "outlier",
    "force-sign", "force-unit", "net-force",
)  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_planted_faults_are_found(sets, name):
    rng = np.random.default_rng(1)
    structures = list(sets[name])
    planted = {}
    chosen = iter(rng.permutation(len(structures)).tolist())
    chosen = (number for number in chosen if np.abs(structures[number].forces).max() > 0.3)
    for kind in FAULTS:
        number = next(chosen)
        changed = faulty(structures[number], kind, rng)
        if kind in ("duplicate", "near-duplicate", "contradiction"):
            structures.append(replace(changed, path=f"copies#{len(structures)}"))
            number = len(structures) - 1
        else:
            structures[number] = changed
        planted[number] = kind
    found = kinds(check(structures))
    assert set(found) == set(planted)
    for number, kind in planted.items():
        if kind not in ("near-duplicate", "close", "isolated"):
            assert kind.replace("no energy", "missing").replace("no forces", "missing") in found[number]


def test_a_file_of_another_level_of_theory_is_named(sets):
    rng = np.random.default_rng(0)
    wrong = set(rng.choice(60, 20, replace=False).tolist())
    structures = [
        replace(each, path=f"other.extxyz#{n}", energy=each.energy / 27.211386) if n in wrong else each
        for n, each in enumerate(sets["alloys"])
    ]
    (finding,) = check(structures).findings
    assert set(finding.structures) == wrong
    assert finding.kind == "level"
    assert "energies of other.extxyz are" in finding.message
    assert finding.message.endswith("Hartree")


@pytest.mark.parametrize(("origin", "shift"), [("a file", 1.0), ("a config_type", 1.0), ("nothing", 4.0)])
def test_a_shifted_part_is_found_and_the_others_are_judged_without_it(sets, origin, shift):
    rng = np.random.default_rng(2)
    *wrong, reversed_one = rng.choice(60, 16, replace=False).tolist()
    structures = list(sets["clusters"])
    for n in wrong:
        path = f"other.extxyz#{n}" if origin == "a file" else structures[n].path
        info = {"config_type": "pbe"} if origin == "a config_type" else {}
        energy = structures[n].energy + shift * structures[n].n_atoms
        structures[n] = replace(structures[n], path=path, info=info, energy=energy)
    structures[reversed_one] = faulty(structures[reversed_one], "force-sign", rng)
    found = kinds(check(structures))
    assert {n for n, each in found.items() if each == {"level"}} == set(wrong)
    assert {n for n, each in found.items() if each == {"force-sign"}} == {reversed_one}


@pytest.mark.parametrize(("name", "shift"), [("alloys", 0.5), ("clusters", -0.5)])
def test_two_levels_of_theory_in_one_file_are_told_apart(sets, name, shift):
    wrong = set(np.random.default_rng(3).choice(60, 20, replace=False).tolist())
    structures = [
        replace(each, energy=each.energy + shift * each.n_atoms) if n in wrong else each
        for n, each in enumerate(sets[name])
    ]
    (finding,) = check(structures).findings
    assert (finding.kind, set(finding.structures)) == ("level", wrong)


def test_a_broad_distribution_is_no_second_level():
    """Two clusters explain 64 % of the variance of a normal distribution, 75 % of a uniform one."""
    rng = np.random.default_rng(0)
    left = np.ones(900, dtype=bool)
    assert not energies._two_clusters(rng.normal(0, 1, 900), left).any()
    levels = np.where(np.arange(900) < 300, 1.0, 0.0)
    found = energies._two_clusters(levels + rng.normal(0, 0.1, 900), left)
    assert np.array_equal(np.flatnonzero(found), np.arange(300))


@pytest.mark.parametrize(("factor", "kind"), [(-1.0, "force-sign"), (1 / 51.422067, "force-unit")])
@pytest.mark.parametrize("name", ["clusters", "trajectory"])
def test_forces_that_are_wrong_throughout(sets, name, factor, kind):
    checked = check([replace(each, forces=factor * each.forces) for each in sets[name]])
    assert {finding.kind for finding in checked.findings} == {kind}
    assert checked.flagged.sum() > 55


@pytest.mark.parametrize(
    ("factor", "kind"), [(-1.0, "force-sign"), (1 / 51.422067, "force-unit"), (23.06, "force-unit")]
)
def test_a_file_with_wrong_forces_is_named_and_the_others_are_judged_without_it(sets, factor, kind):
    structures = list(sets["clusters"])
    wrong = set(np.random.default_rng(4).choice(60, 20, replace=False).tolist())
    for n in wrong:
        structures[n] = replace(structures[n], path=f"other.extxyz#{n}", forces=factor * structures[n].forces)
    (finding,) = check(structures).findings
    assert (finding.kind, set(finding.structures)) == (kind, wrong)
    assert "forces of other.extxyz" in finding.message


@pytest.mark.parametrize(("factor", "unit"), [(1 / 51.422067, "Hartree/Bohr"), (23.06, "kcal/mol/Angstrom")])
def test_forces_in_another_unit_along_a_trajectory(sets, factor, unit):
    structures = list(sets["trajectory"])
    structures[30] = replace(structures[30], forces=factor * structures[30].forces)
    (finding,) = trajectories.find(structures, ["trajectory"] * len(structures))
    assert finding.structures == (30,)
    assert finding.message.endswith(unit)


def test_forces_of_the_linear_potential_equal_differences_of_its_energy(sets):
    structures = sets["slabs"][:12]
    types = sorted({symbol for each in structures for symbol in each.symbols})
    columns, radii = basis(types), np.ones(len(types))
    coefficients = np.random.default_rng(6).normal(size=len(columns.squares))

    def energy(structure: Structure) -> float:
        (around,) = describe([replace(structure, forces=None)], types, radii, 1)
        return structure.n_atoms * float(around.sums @ coefficients[around.columns])

    structure = structures[1]
    forces = columns.forces(coefficients, structure)
    for atom, axis in ((0, 0), (structure.n_atoms - 1, 2)):
        moves = np.zeros((structure.n_atoms, 3))
        moves[atom, axis] = 1e-4
        ends = [energy(replace(structure, positions=structure.positions + sign * moves)) for sign in (1, -1)]
        assert forces[atom, axis] == pytest.approx((ends[1] - ends[0]) / 2e-4, rel=1e-5)


def test_a_long_step_does_not_decide_about_a_trajectory():
    """As between two relaxations in a file: there, the energy rises by what the forces say that it falls."""
    moved = np.cumsum([0.0] + [0.01] * 5 + [0.2] + [0.01] * 5)
    energies = np.cumsum([0.0] + [-0.01] * 5 + [0.2] + [-0.01] * 5)
    forces = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    structures = [
        Structure("two", ("Cu",), np.zeros(2, int), np.array([[0, 0, 0], [2.5 + x, 0, 0]]), energy=e, forces=forces)
        for x, e in zip(moved, energies, strict=True)
    ]
    assert trajectories.find(structures, ["two"] * 12) == []


def test_a_structure_is_predicted_as_by_a_fit_without_it(sets):
    """Twin: the normal equations without its rows, with the penalty that the fit has chosen."""
    columns, every = basis(["Au", "Cu"]), np.arange(60)
    given = list(describe(sets["clusters"], ["Au", "Cu"], np.ones(2), 1, directions=4))
    values = np.array([each.energy / each.n_atoms for each in sets["clusters"]])
    fitted = linear.fit(given, values, every >= 0, every < 0, columns.squares)
    potential, number = fitted.potential, 7
    rows, weights = potential.table.rows(every), potential.weights.copy()
    penalty = np.linalg.inv(potential.root @ potential.root.T) - np.einsum("nki,nk,nkj->ij", rows, weights, rows)
    weights[number] = 0.0
    normal = np.einsum("nki,nk,nkj->ij", rows, weights, rows) + penalty
    coefficients = np.linalg.solve(normal, np.einsum("nki,nk,nk->i", rows, weights, potential.values))
    assert potential.predicted[number] == pytest.approx(rows[number, 0] @ coefficients, abs=1e-5)
    kept = potential.table.kept
    scaled = potential.slopes(number)[kept] / potential.table.scales[kept]
    assert rows[number, 1:, -len(kept) :] @ scaled == pytest.approx(rows[number, 1:] @ coefficients, abs=1e-4)


def test_surroundings_keep_nothing_of_displaced_copies(sets):
    (found,) = describe(sets["slabs"][:1], ["Cu", "H", "O"], np.ones(3), 1, directions=3)
    assert found.slopes.shape == (3, len(found.sums))
    assert all(each.base is None for each in (found.sums, found.slopes, found.fingerprint))


def test_directions_of_a_small_structure_are_all_of_its_coordinates():
    pair = labelled(Atoms("Cu2", [[0, 0, 0], [0, 0, 2.4]]), "pair")
    (found,) = describe([pair], ["Cu"], np.ones(1), 1, directions=20)
    assert found.slopes.shape[0] == 6
    assert np.sum(found.along**2) == pytest.approx(np.sum(pair.forces**2))


def test_a_pattern_of_forces():
    rng = np.random.default_rng(7)
    expected = rng.normal(size=(10, 3))
    seen = patterns.compare(-0.02 * expected, expected)
    assert (seen.cosine, seen.factor) == (pytest.approx(-1.0), pytest.approx(-0.02))
    assert seen.chance < 1e-6
    cosines = rng.normal(size=(4000, 24))
    cosines = np.abs(cosines[:, 0]) / np.linalg.norm(cosines, axis=1)
    given = 0.3 * expected / np.linalg.norm(expected) + np.sqrt(1 - 0.3**2) * _across(expected, rng)
    seen = patterns.compare(given, expected)
    assert seen.cosine == pytest.approx(0.3)
    assert seen.chance == pytest.approx(np.mean(cosines > 0.3), abs=0.02)
    assert patterns.compare(np.zeros((4, 3)), expected[:4]).chance == 1.0
    assert patterns.compare(expected[:1], expected[:1]).chance == 1.0  # too few to tell


def _across(forces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Forces of norm 1 at right angles to others."""
    others = rng.normal(size=forces.shape)
    others -= np.sum(others * forces) / np.sum(forces * forces) * forces
    return others / np.linalg.norm(others)


def test_a_set_without_energies_or_forces(sets):
    without_energy = check([replace(each, energy=None) for each in sets["alloys"]])
    assert [each.message for each in without_energy.findings] == ["no structure has an energy"]
    assert without_energy.fit is None
    assert check([replace(each, forces=None) for each in sets["alloys"]]).findings == ()


def test_names_of_labels_that_were_not_read(sets, tmp_path):
    frames = b"".join(extxyz.text(each) for each in sets["alloys"][:12])
    (tmp_path / "named.extxyz").write_bytes(frames.replace(b"energy=", b"mlip_energy="))
    (finding,) = check(tmp_path / "named.extxyz").findings
    assert finding.message.startswith("no structure has an energy: ")
    assert "no energy and forces of one source; choose with --energy and --forces" in finding.message


def test_attraction_at_short_distance_is_a_wrong_sign():
    near, far = (Atoms("Cu2", [[0, 0, 0], [0, 0, r]]) for r in (1.5, 2.4))
    structures = [labelled(atoms, "pairs") for atoms in (near, far)]
    assert check(structures).findings == ()
    assert kinds(check([replace(each, forces=-each.forces) for each in structures])) == {0: {"force-sign"}}


def test_single_atoms_are_no_isolated_atoms_and_have_no_net_force():
    assert check([labelled(Atoms(symbol), symbol) for symbol in ("Cu", "Au")]).findings == ()


def test_zeros_of_fixed_atoms(tmp_path, capsys):
    """They are counted where the file says which atoms are fixed, and flagged where it does not."""
    given = made("slabs", 30)
    fixed, bare = [], []
    for structure in given:
        lower = structure.positions[:, 2] < np.median(structure.positions[:, 2])
        forces = np.where(lower[:, np.newaxis], 0.0, structure.forces)
        bare.append(replace(structure, forces=forces))
        fixed.append(replace(structure, forces=forces, fixed=np.repeat(lower[:, np.newaxis], 3, axis=1)))
    assert {kind for found in kinds(check(bare)).values() for kind in found} >= {"net-force"}
    checked = check(fixed)
    assert checked.findings == ()
    n_zeros = sum(int(each.fixed.sum()) for each in fixed)
    assert checked.unknown_forces.sum() == checked.as_dict()["unknown_forces"] == n_zeros
    (tmp_path / "fixed.xyz").write_bytes(b"".join(map(extxyz.text, fixed)))
    assert main(["check", str(tmp_path / "fixed.xyz"), "-o", str(tmp_path / "clean.xyz")]) == 0
    told = f"not known       forces that are zero because constraints hold atoms fixed are not known: {n_zeros:,} comp"
    assert told in capsys.readouterr().out
    again = aenet_py.read(tmp_path / "clean.xyz")
    assert all(np.array_equal(one.fixed, other.fixed) for one, other in zip(again, fixed, strict=True))
    wrong = [replace(each, forces=-each.forces) if n == 3 else each for n, each in enumerate(fixed)]
    assert kinds(check(wrong)) == {3: {"force-sign"}}


def test_duplicates_equal_those_of_all_pairs(sets):
    rng = np.random.default_rng(5)
    structures = sets["clusters"] + [turned(each, rng) for each in sets["clusters"][::7]]
    types = ["Au", "Cu"]
    given = list(describe(structures, types, np.ones(2), 1))
    values, names = np.zeros(len(given)), [str(number) for number in range(len(given))]
    found = {finding.structures[0]: finding.message for finding in duplicates.find(given, values, names)}
    expected = {}
    for j, other in enumerate(given):
        for i, one in enumerate(given[:j]):
            limit = duplicates.NEAR * max(one.resolution, other.resolution)
            same_atoms = np.array_equal(one.counts, other.counts)
            if j not in expected and same_atoms and np.linalg.norm(one.fingerprint - other.fingerprint) <= limit:
                expected[j] = f"the same structure as {i}"
    assert found == expected
    assert len(found) == 9


def test_the_robust_fit_by_composition_ignores_wrong_energies():
    rng = np.random.default_rng(0)
    fractions = rng.dirichlet(np.ones(3), 200)
    values = fractions @ [-10.0, -200.0, -3000.0] + rng.normal(0, 0.01, 200)
    values[:70] /= 27.2
    assert linear.least_absolute(fractions, values) == pytest.approx([-10, -200, -3000], abs=0.05)


def test_covalent_radii_are_those_of_ase():
    known = SYMBOLS[:96]
    assert [covalent_radius(each) for each in known] == pytest.approx(covalent_radii[1:97].tolist())
    assert covalent_radius("Ti1") == covalent_radius("Ti") == covalent_radii[NUMBER["Ti"]]
    assert covalent_radius("X") == 1.5


@pytest.fixture
def folder(tmp_path, monkeypatch, sets):
    """With a file of slabs, of which one has no energy and one cannot be read."""
    monkeypatch.chdir(tmp_path)
    frames = [extxyz.text(each) for each in sets["slabs"][:20]]
    frames[3] = extxyz.text(replace(sets["slabs"][3], energy=None))
    frames[5] = frames[5].replace(b"Cu", b"Xx", 1)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "slabs.extxyz").write_bytes(b"".join(frames))
    return frames


def test_the_command_writes_what_is_clean(folder, capsys, tmp_path):
    status = main(["check", "data", "-o", "clean.extxyz", "--json", "found.json", "--figure", "found.png"])
    shown = capsys.readouterr().out
    assert status == 2
    assert "data/slabs.extxyz#3: no energy" in shown
    assert "flagged: 1 of 19 structures, and 1 structure that could not be read" in shown
    assert shown.endswith("written: clean.extxyz, found.json, found.png\n")
    expected = b"".join(frame for number, frame in enumerate(folder) if number not in (3, 5))
    assert (tmp_path / "clean.extxyz").read_bytes() == expected
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["structures"], found["flagged"], found["written"]) == (19, 1, 18)
    assert [each["kind"] for each in found["findings"]] == ["unreadable", "missing"]
    assert found["findings"][1]["structures"] == ["data/slabs.extxyz#3"]
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")
    assert main(["check", "clean.extxyz"]) == 0
    assert "nothing was flagged" in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_errors_leave_nothing(capsys, tmp_path):
    (tmp_path / "clean.extxyz").write_text("mine")
    before = sorted(path.name for path in tmp_path.iterdir())
    for arguments, message in (
        (["data", "-o", "clean.extxyz"], "clean.extxyz: file exists"),
        (["data", "./data/slabs.extxyz"], "./data/slabs.extxyz: this file is given twice"),
        (["nothing.extxyz"], "nothing.extxyz: no such file"),
        (["data", "--json", "absent/found.json"], "there is no folder absent"),
        (["data/slabs.extxyz#3", "-o", "new.extxyz"], "new.extxyz: not written"),
    ):
        assert main(["check", *arguments]) == 1
        captured = capsys.readouterr()
        assert message in captured.err
        assert captured.out == ""
        assert len(captured.err.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert (tmp_path / "clean.extxyz").read_text() == "mine"


@pytest.mark.usefixtures("folder")
def test_lists_of_files_and_single_frames(tmp_path):
    deck = "TYPES\n2\nCu 0\nO 0\nSETUPS\nCu Cu.stp\nO O.stp\nFILES\n2\ndata/slabs.extxyz#0\ndata/slabs.extxyz#2\n"
    (tmp_path / "generate.in").write_text(deck)
    assert check("generate.in").names == ("data/slabs.extxyz#0", "data/slabs.extxyz#2")
    assert check(["data/slabs.extxyz#4", "data"]).names[:2] == ("data/slabs.extxyz#4", "data/slabs.extxyz#0")
    (tmp_path / "train.in").write_text("TRAININGSET Cu.train\n")
    with pytest.raises(AenetError, match=r"train\.in: this input file lists no structures"):
        check("train.in")


def test_structures_in_memory(sets, tmp_path):
    slabs = [replace(each, energy=None) if number == 4 else each for number, each in enumerate(sets["slabs"])]
    checked = check(slabs, tmp_path / "clean.extxyz")
    assert checked.n_written == 59
    kept = aenet_py.read(tmp_path / "clean.extxyz")
    assert [each.energy for each in kept] == [each.energy for each in slabs if each.energy is not None]


def test_structures_that_are_all_the_same():
    """No energy is above or below the middle."""
    copper = Structure("cu", ("Cu",), np.zeros(1, int), np.zeros((1, 3)), energy=-3.0)
    checked = check([replace(copper, path=f"cu#{number}") for number in range(15)])
    assert {finding.kind for finding in checked.findings} == {"duplicate"}
