"""Specifications of calculators: what they mean, and what is wrong with others."""

from __future__ import annotations

import functools
import json

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.espresso import Espresso
from ase.calculators.lj import LennardJones
from hypothesis import given, settings
from hypothesis import strategies as st

from aenet_py import AenetError, ANNCalculator, CalculatorSpec, label
from aenet_py.interfaces.source import packed, unpacked
from aenet_py.labelling.calculators import calculators_of, specification
from aenet_py.labelling.processes import REMEDY
from compat_tests.interfaces.test_ase import NETWORKS
from compat_tests.labelling.calculators import Counting

VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    VALUES | st.text(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("emt", "emt", {}),
        ("emt:", "emt", {}),
        ("lj:sigma=2.5,epsilon=1e-2", "lj", {"sigma": 2.5, "epsilon": 0.01}),
        ("tblite:method=GFN1-xTB, charge=-1", "tblite", {"method": "GFN1-xTB", "charge": -1}),
        ("vasp:kpts=[2,2,1],lreal=false,gamma=True", "vasp", {"kpts": [2, 2, 1], "lreal": False, "gamma": True}),
        ("a.b:Class", "a.b:Class", {}),
        ("a.b:Class:x=None,command='mpirun -n 2 a,b'", "a.b:Class", {"x": None, "command": "mpirun -n 2 a,b"}),
        ('x:pp={"O": "O.upf", "H": ["a", {"b": 1}]}', "x", {"pp": {"O": "O.upf", "H": ["a", {"b": 1}]}}),
        ("nep:model_filename=C:/nep.txt", "nep", {"model_filename": "C:/nep.txt"}),
    ],
)
def test_in_a_line(text, name, options):
    assert specification(text) == CalculatorSpec(name, options)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z_]\w*", fullmatch=True).filter(str.isascii), JSON, max_size=3))
def test_what_is_shown_means_the_same(options):
    spec = CalculatorSpec("some", options)
    assert specification(spec.text).text == spec.text


def test_toml(tmp_path):
    path = tmp_path / "lj.toml"
    path.write_text('calculator = "lj"\nreuse = true\n[options]\nsigma = 2.5\nsmooth = false\n')
    spec = calculators_of(path)
    assert spec == CalculatorSpec("lj", {"sigma": 2.5, "smooth": False}, reuse=True)
    made = spec.new()
    assert isinstance(made, LennardJones)
    assert made.parameters.sigma == 2.5
    assert (CalculatorSpec("lj").reused, spec.reused, CalculatorSpec("mace").reused) == (False, True, True)


def test_a_command_becomes_a_profile():
    spec = specification('espresso:command="mpirun pw.x",pseudo_dir=here,input_data={"system": {"ecutwfc": 40}}')
    made = spec.new()
    assert isinstance(made, Espresso)
    assert made.profile.command == "mpirun pw.x"
    assert str(made.profile.pseudo_dir).endswith("here")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"calculator '': expected NAME or NAME:OPTION=VALUE,\.\.\."),
        ("lj:sigma", r"calculator 'lj:sigma': found 'sigma'; expected OPTION=VALUE, each option once"),
        ("lj:sigma=1,2", r"calculator 'lj:sigma=1,2': found '2'; expected OPTION=VALUE, each option once"),
        ("lj:sigma=1,sigma=2", r"found 'sigma=2'; expected OPTION=VALUE, each option once"),
        ("vasp.yaml", "vasp.yaml: YAML is not read; expected TOML"),
        ("vsap", r"unknown calculator 'vsap'; did you mean vasp\?"),
        ("lj:sgima=2", r"calculator lj: unknown option 'sgima'; did you mean sigma\?"),
        ("tip3p:colour=2", r"calculator tip3p: unknown option 'colour'; it has rc, width"),
        ("gpaw", r"calculator gpaw: requires gpaw; install gpaw"),
        ("nowhere.at_all:Class", r"calculator nowhere.at_all:Class: requires nowhere; install nowhere"),
        ("ase.calculators.emt:EMTT", r"ase.calculators.emt has no class or function 'EMTT'; did you mean EMT\?"),
        ("missing.toml", r"missing.toml: no such file; expected a calculator"),
    ],
)
def test_errors(text, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    if text == "gpaw":
        monkeypatch.setitem(__import__("sys").modules, "gpaw", None)
    with pytest.raises(AenetError, match=message) as caught:
        calculators_of(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("calculator =", r"c.toml: not TOML: Invalid value \(at end of document\)"),
        ("", r'c.toml: no calculator found; expected calculator = "NAME"'),
        ("calculator = 3", r"c.toml: found calculator = 3; expected a name"),
        (
            'calculator = "emt"\nsigma = 2',
            r"c.toml: found 'sigma'; expected calculator, reuse and the table \[options\]",
        ),
    ],
)
def test_wrong_toml(content, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.toml").write_text(content)
    with pytest.raises(AenetError, match=message):
        calculators_of("c.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("math:sin", r"calculator math:sin: cannot be built: .*argument"),
        ("builtins:dict", r"calculator builtins:dict: makes a dict, not a calculator of ASE"),
        ("espresso", r"calculator espresso: cannot be built: No configuration of 'espresso'"),
    ],
)
def test_calculators_that_cannot_be_built(text, message):
    with pytest.raises(AenetError, match=message):
        specification(text).new()


@pytest.mark.parametrize("wrong", [3, None, EMT().parameters])
def test_neither_a_calculator(wrong):
    with pytest.raises(AenetError, match=r"calculator must be a name with options, .*, not \w+$"):
        calculators_of(wrong)


def test_objects_are_told_apart_by_their_parameters():
    first, same, other = (calculators_of(LennardJones(sigma=sigma)).text for sigma in (1.0, 1.0, 2.0))
    assert first == same != other
    assert json.loads(first.partition(" ")[2])["sigma"] == 1.0


def test_our_potentials_are_told_apart_by_their_networks():
    text = calculators_of(ANNCalculator(NETWORKS)).text
    assert text.startswith("aenet_py.interfaces.ase.ANNCalculator ")
    assert text == calculators_of(ANNCalculator(NETWORKS, skin=0.1)).text
    assert text != calculators_of(ANNCalculator([NETWORKS, NETWORKS])).text


def test_functions_and_partial_ones():
    assert calculators_of(EMT).text == "ase.calculators.emt.EMT()"
    found = calculators_of(functools.partial(LennardJones, sigma=2.0))
    assert (found.text, found.new().parameters.sigma) == ("functools.partial()", 2.0)


@pytest.mark.parametrize(
    ("text", "expected"), [("emt", False), ("vasp", True), ("espresso", True), ("cp2k", True), ("external", False)]
)
def test_which_start_other_programs(text, expected):
    assert specification(text).starts_programs is expected


def test_a_calculator_that_cannot_be_sent(tmp_path):
    calculator = EMT()
    calculator.lock = (each for each in ())
    with pytest.raises(AenetError, match=r"EMT cannot be sent to other processes \(.*\); use n_processes=1 without"):
        label([bulk("Cu"), bulk("Cu", a=3.7)], calculator, folder=tmp_path, n_processes=2)
    again = unpacked(packed(calculators_of(Counting("calls")), "Counting", REMEDY), REMEDY)
    assert again.new().path == "calls"
