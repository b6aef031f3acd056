"""Atomic energies that are fitted, or those of single atoms in the data, instead of numbers."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest

import aenet_py
from aenet_py import AenetError, AenetWarning, Structure, TrainingSet, generate, train
from aenet_py.cli.aenet_pytorch import main as aenet_pytorch
from aenet_py.cli.generate import main
from aenet_py.formats import extxyz, potential
from aenet_py.inputs import generate as inputs
from aenet_py.inputs import structures as structure_inputs
from aenet_py.inputs.keywords import content_lines
from aenet_py.pipelines import atomic_energies

FREE = {"Cu": -1300.25, "O": -430.5}  # eV
STP = """DESCR
x
END DESCR
ATOM {}
ENV 2
Cu
O
RMIN 0.5
BASIS type=Chebyshev
radial_Rc = 4.0 radial_N = 3 angular_Rc = 3.0 angular_N = 2
"""
DECK = """OUTPUT {output}
TYPES
2
Cu {Cu}
O {O}
SETUPS
Cu Cu.stp
O O.stp
FILES
2
set.extxyz
atoms.extxyz
"""
TRAIN = """ITERATIONS 2
TESTPERCENT 20
NPSEED 1
PHSEED 1
METHOD
method=adamw lr=0.01
NETWORKS
Cu Cu.nn 1 3:tanh
O O.nn 1 3:tanh
"""


def random_structures(counts: list[tuple[int, int]], seed: int = 0) -> list[Structure]:
    """Structures of so many Cu and O, with binding energies of some eV."""
    rng = np.random.default_rng(seed)
    found = []
    for n_cu, n_o in counts:
        n = n_cu + n_o
        species = np.array([0] * n_cu + [1] * n_o)
        positions = np.stack([np.arange(n) * 2.0, *rng.uniform(0, 1.0, (2, n))], axis=1)
        energy = n_cu * FREE["Cu"] + n_o * FREE["O"] - rng.uniform(1, 3) * (n - 1)
        symbols = ("Cu", "O")
        if n == 1:
            symbols, species = (symbols[species[0]],), np.zeros(1, dtype=np.int64)
        found.append(Structure("s", symbols, species, positions, energy=energy, forces=rng.normal(size=(n, 3))))
    return found


MANY = [(1, 2), (2, 1), (3, 3), (2, 4), (4, 1), (1, 1), (5, 2), (2, 2), (3, 1), (1, 5)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """With set-ups, structures and single atoms."""
    monkeypatch.chdir(tmp_path)
    for symbol in FREE:
        (tmp_path / f"{symbol}.stp").write_text(STP.format(symbol))
    structures, atoms = random_structures(MANY), random_structures([(1, 0), (0, 1)])
    atoms.append(replace(atoms[0], energy=FREE["Cu"] + 2.0))  # another spin state
    for name, given in (("set", structures), ("atoms", atoms)):
        (tmp_path / f"{name}.extxyz").write_bytes(b"".join(map(extxyz.text, given)))
    return tmp_path


def expected_fit(structures: list[Structure]) -> np.ndarray:
    """By numpy.linalg.lstsq, per atom."""
    counts = np.array([[each.names().count(symbol) for symbol in FREE] for each in structures])
    n_atoms = counts.sum(axis=1)
    energies = np.array([each.energy for each in structures])
    return np.linalg.lstsq(counts / n_atoms[:, None], energies / n_atoms, rcond=None)[0]


def test_a_fit_equals_least_squares_and_the_numbers_give_the_same_bytes(folder, capfd):
    (folder / "fit.in").write_text(DECK.format(output="fit.train", Cu="fit", O="FIT"))
    assert main(["fit.in"]) == 0
    printed = capfd.readouterr()
    stored = TrainingSet.read(folder / "fit.train").header.atomic_energies
    assert stored == pytest.approx(expected_fit(aenet_py.read(["set.extxyz", "atoms.extxyz"])), rel=1e-12)
    assert printed.err == f"Atomic energies in eV: Cu {stored[0]!r} (fit), O {stored[1]!r} (fit)\n"
    (folder / "numbers.in").write_text(DECK.format(output="numbers.train", Cu=repr(stored[0]), O=repr(stored[1])))
    assert main(["numbers.in"]) == 0
    again = capfd.readouterr()
    assert again.err == ""
    shown = [re.sub(r"20\d\d-.*", "", each.replace("numbers.train", "fit.train")) for each in (printed.out, again.out)]
    assert shown[0] == shown[1]
    assert (folder / "fit.train").read_bytes() == (folder / "numbers.train").read_bytes()


def test_isolated_atoms_with_the_lowest_energy_and_a_fit_of_the_rest(folder):
    setups = {symbol: f"{symbol}.stp" for symbol in FREE}
    generate(["set.extxyz", "atoms.extxyz"], setups, "isolated", "isolated.train")
    assert TrainingSet.read("isolated.train").header.atomic_energies == tuple(FREE.values())
    generate(["set.extxyz", "atoms.extxyz"], setups, {"Cu": "isolated", "O": "fit"}, "mixed.train")
    copper, oxygen = TrainingSet.read(folder / "mixed.train").header.atomic_energies
    some = [each for each in aenet_py.read(["set.extxyz", "atoms.extxyz"]) if "O" in each.symbols]
    shares = np.array([each.names().count("O") / each.n_atoms for each in some])
    rest = [(each.energy - FREE["Cu"] * each.names().count("Cu")) / each.n_atoms for each in some]
    assert copper == FREE["Cu"]
    assert oxygen == pytest.approx(np.linalg.lstsq(shares[:, None], np.array(rest), rcond=None)[0][0], rel=1e-12)


def test_compositions_that_do_not_determine_the_energies(folder, capfd):
    (folder / "set.extxyz").write_bytes(b"".join(map(extxyz.text, random_structures([(1, 2)] * 4 + [(2, 4)] * 2))))
    (folder / "generate.in").write_text(DECK.format(output="x.train", Cu="fit", O="fit").replace("\natoms.extxyz", ""))
    (folder / "generate.in").write_text((folder / "generate.in").read_text().replace("FILES\n2", "FILES\n1"))
    assert main(["generate.in"]) == 0
    assert "; the compositions determine only sums of the fitted energies\n" in capfd.readouterr().err
    copper, oxygen = TrainingSet.read("x.train").header.atomic_energies
    assert oxygen == pytest.approx(2 * copper)  # the smallest norm
    assert copper + 2 * oxygen == pytest.approx(FREE["Cu"] + 2 * FREE["O"], abs=10)


def test_a_single_atom_in_a_small_cell_is_not_isolated():
    (atom,) = random_structures([(1, 0)])
    wide, narrow = (replace(atom, cell=size * np.eye(3), pbc=(True, True, True)) for size in (12.0, 2.5))
    assert atomic_energies.is_free(atom)
    assert atomic_energies.is_free(wide)
    assert not atomic_energies.is_free(narrow)
    skewed = replace(atom, cell=np.array([[9.0, 0, 0], [8.0, 3.0, 0], [0, 0, 9.0]]), pbc=(True, True, False))
    assert not atomic_energies.is_free(skewed)
    assert atomic_energies.is_free(replace(skewed, pbc=(True, False, True)))


@pytest.mark.parametrize(
    ("copper", "oxygen", "files", "message"),
    [
        ("isolated", "fit", "set", "no structure is a single atom of Cu with a total energy; give its energy, or fit"),
        ("fit", "fit", "cu", "TYPES has fit for O, but no structure with a total energy contains O; give its energy"),
        ("fits", "0.0", "set", "'<symbol> <atomic energy in eV>', fit or isolated"),
    ],
)
def test_errors_leave_nothing(folder, capfd, copper, oxygen, files, message):
    (folder / "cu.extxyz").write_bytes(b"".join(map(extxyz.text, random_structures([(1, 0)]))))
    deck = DECK.format(output="x.train", Cu=copper, O=oxygen).replace("2\nset.extxyz\natoms", f"1\n{files}")
    (folder / "generate.in").write_text(deck.replace("FILES\n2", "FILES\n1"))
    before = sorted(folder.iterdir())
    assert main(["generate.in"]) == 1
    captured = capfd.readouterr()
    assert message in captured.err
    assert len(captured.err.splitlines()) == 1
    assert sorted(folder.iterdir()) == before


def test_training_on_structures_equals_that_with_the_numbers(folder, monkeypatch, capfd):
    def trained(name: str, copper: str, oxygen: str) -> tuple[bytes, bytes]:
        (folder / name).mkdir()
        monkeypatch.chdir(folder / name)
        lines = DECK.format(output="", Cu=copper, O=oxygen).partition("\n")[2]
        for file in ("Cu.stp", "O.stp", "set.extxyz", "atoms.extxyz"):
            lines = lines.replace(file, f"../{file}")
        (folder / name / "train.in").write_text(lines + TRAIN)
        assert aenet_pytorch(["train.in"]) == 0
        return (folder / name / "Cu.nn.ascii").read_bytes(), (folder / name / "train.error").read_bytes()

    fitted = trained("fit", "fit", "isolated")
    used = re.search(r"Atomic energies in eV: Cu (\S+) \(fit\), O (\S+) \(isolated\)\n", capfd.readouterr().err)
    assert trained("numbers", *used.groups()) == fitted


def test_train_in_python_takes_a_word(folder):
    setups = {symbol: f"{symbol}.stp" for symbol in FREE}
    networks = {symbol: [(3, "tanh")] for symbol in FREE}
    train("set.extxyz", networks, setups=setups, atomic_energies="fit", iterations=1, test_percent=20,
          folder=folder / "run")  # fmt: skip
    expected = expected_fit(aenet_py.read("set.extxyz"))
    stored = potential.read("run/Cu.nn.ascii").training.atomic_energies
    assert stored == pytest.approx(expected.tolist(), rel=1e-12)


def test_absurd_energies_draw_a_warning(folder, capfd):
    zeros = dict.fromkeys(FREE, 0.0)
    setups = {symbol: f"{symbol}.stp" for symbol in FREE}
    with pytest.warns(AenetWarning, match="are zero, which leaves energies of up to 1300 eV per atom to be learnt"):
        generate(["set.extxyz", "atoms.extxyz"], setups, zeros, "zero.train")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        generate(["set.extxyz", "atoms.extxyz"], setups, FREE, "free.train")
    (folder / "generate.in").write_text(DECK.format(output="x.train", Cu=-1000, O=-400))
    assert main(["generate.in"]) == 0
    captured = capfd.readouterr()
    assert captured.err.startswith("Warning: generate.in: the atomic energies in TYPES do not fit, which leaves")
    assert captured.err.endswith("write fit in their place\n")
    deck = DECK.format(output="", Cu=0.0, O=0.0).partition("\n")[2]
    (folder / "train.in").write_text(deck + TRAIN)
    assert aenet_pytorch(["train.in"]) == 0
    assert "Warning: train.in: the atomic energies in TYPES are zero" in capfd.readouterr().err


def test_decks_keep_the_words(folder):
    (folder / "generate.in").write_text(DECK.format(output="x.train", Cu="fit", O=-430.5))
    deck = inputs.read("generate.in", pytest.fail)
    assert deck.atomic_energies == ("fit", -430.5)
    (folder / "again.in").write_text(inputs.to_text(deck))
    assert replace(inputs.read("again.in", pytest.fail), path="generate.in") == deck
    found, _ = structure_inputs.sections("generate.in", content_lines("generate.in", ""))
    given = structure_inputs.read(found, None)
    assert structure_inputs.lines(given)[:4] == ["TYPES", "2", "Cu fit", "O -430.5"]


@pytest.mark.parametrize("wrong", ["fitted", 3.0, {"Cu": "fitted", "O": 0.0}, {"Cu": None, "O": 0.0}])
@pytest.mark.usefixtures("folder")
def test_other_words_are_errors(wrong):
    with pytest.raises(AenetError, match="atomic_energies must be"):
        generate("set.extxyz", {symbol: f"{symbol}.stp" for symbol in FREE}, wrong, "x.train")
