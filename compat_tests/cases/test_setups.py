"""Set-ups that failed for users: fixtures/cases, each with what its README says should happen."""

from __future__ import annotations

from pathlib import Path

import pytest

from aenet_py.cli import aenet_pytorch
from aenet_py.cli.generate import main
from compat_tests.cli.cases import ROOT, copy_case, first_difference
from compat_tests.cli.test_generate_golden import without_date

CASES = ROOT / "fixtures" / "cases"


@pytest.fixture
def case(request, tmp_path, monkeypatch) -> Path:
    """The case that the test names, in a folder of its own, which is the working folder."""
    folder = copy_case(CASES / request.param, tmp_path / "case")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("case", "warned"),
    [
        (
            "50-behler-environment-wider-than-types",
            "those for U and U are computed for F and P, as in the original; add U to TYPES",
        ),
        ("51-behler-order-of-features", "those for Cu and Pd are computed for Pd and O, as in the original; add Cu to"),
    ],
    indirect=["case"],
)
def test_functions_for_species_that_types_lacks(case, warned, capsys):
    assert main(["generate.in"]) == 0
    said = capsys.readouterr()
    assert f"symmetry functions of {'P' if 'U' in warned else 'I'}: {warned}" in said.err
    for expected in (case / "expected").iterdir():
        if expected.name == "generate.out":
            assert without_date(said.out) == without_date(expected.read_text())
        else:
            ours = case / expected.name
            assert ours.read_bytes() == expected.read_bytes(), first_difference(expected, ours)


@pytest.mark.parametrize("case", ["01-stp-radial-only"], indirect=True)
def test_a_set_up_without_angular_parameters(case, capsys):
    """The same bytes as with zeros, with a warning."""
    assert main(["generate.in"]) == 0
    warned = "Ne.stp:9: found no angular_Rc and no angular_N; 0 is used, as in the original"
    assert warned in capsys.readouterr().err
    written = (case / "x.train").read_bytes()
    (case / "x.train").unlink()
    (case / "Ne.stp").write_text((case / "Ne.stp").read_text().rstrip() + " angular_Rc = 0 angular_N = 0\n")
    assert main(["generate.in"]) == 0
    assert "Ne.stp" not in capsys.readouterr().err
    assert (case / "x.train").read_bytes() == written


@pytest.mark.parametrize("case", ["26-env-species-on-one-line"], indirect=True)
def test_two_species_on_a_line_of_env(case, capsys):
    assert main(["generate.in"]) == 1
    message = "Error: Mg.stp:5: ENV announces 2 species, but 'RMIN 0.5' in line 7 is where number 2 belongs; list one "
    assert capsys.readouterr().err.startswith(message)
    assert not (case / "x.train").exists()


ANGULAR = (
    "Warning: {}angular_Rc = 5 of Mg is above radial_Rc = 4: such potentials work in predict.x, but not in MD, ASE or"
)


@pytest.mark.parametrize("case", ["26-env-species-on-one-line"], indirect=True)
def test_an_angular_cutoff_above_the_radial_one(case, capsys):
    """generate.x warns and, with its training set, the trainer."""
    for symbol in ("Mg", "S"):
        path = case / f"{symbol}.stp"
        path.write_text(path.read_text().replace("Mg S", "Mg\nS").replace("angular_Rc = 3.0", "angular_Rc = 5.0"))
    (case / "s1.xsf").write_text((case / "s0.xsf").read_text().replace("energy = -1", "energy = -2"))
    (case / "generate.in").write_text((case / "generate.in").read_text().replace("1\ns0.xsf", "2\ns0.xsf\ns1.xsf"))
    assert main(["generate.in"]) == 0
    assert ANGULAR.format("") in capsys.readouterr().err
    deck = "TRAININGSET x.train\nTESTPERCENT 0\nITERATIONS 0\nMETHOD\nmethod=adam lr=0.01\n"
    (case / "train.in").write_text(f"{deck}NETWORKS\nMg Mg.nn 1 3:tanh\nS S.nn 1 3:tanh\n")
    assert aenet_pytorch.main([]) == 0
    assert ANGULAR.format("") in capsys.readouterr().err


@pytest.mark.parametrize("case", ["26-env-species-on-one-line"], indirect=True)
@pytest.mark.parametrize("alone", [True, False])
def test_an_environment_without_the_species_itself(case, alone, capsys):
    """An error only where there is such a neighbour."""
    (case / "Mg.stp").write_text((case / "Mg.stp").read_text().replace("ENV 2\nMg S", "ENV 2\nO\nS"))
    (case / "S.stp").write_text((case / "S.stp").read_text().replace("Mg S", "Mg\nS"))
    others = "" if alone else "Mg 0 2.5 0 0 0 0\n"
    atoms = f"ATOMS\nMg 0 0 0 0 0 0.1\nS 2.4 0 0 0 0 0\nS 0 0 2.4 0 0 0\n{others}"
    (case / "s0.xsf").write_text(f"# total energy = -20.0 eV\n\n{atoms}")
    assert main(["generate.in"]) == (0 if alone else 1)
    if not alone:
        message = "Error: s0.xsf: Mg surrounds Mg, whose set-up does not list it under ENV\n"
        assert capsys.readouterr().err == message
