"""Set-up files as users write them, with missing, misplaced and invalid values."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aenet_py.cli.generate import main
from aenet_py.inputs import setup

HEAD = "ATOM O\nENV 2\nTi\nO\nRMIN 0.5\n"


def read(path, *functions: str) -> tuple[setup.Setup, list[str]]:
    """A set-up of symmetry functions, and its warnings."""
    warnings: list[str] = []
    path.write_text("\n".join([f"{HEAD}SYMMFUNC type=Behler2011", str(len(functions)), *functions, ""]))
    return setup.read(str(path), warnings.append), [message.removeprefix(f"{path}:") for message in warnings]


@pytest.mark.parametrize(
    ("function", "parameters", "species", "warned"),
    [
        ("G=2 type2=O Rc=4 eta=1", (4, 0, 1, 0), (1, -1), "9: found no Rs; 0 is used, as in the original"),
        ("G=2 type2=O Rc=4 Rs=1", (4, 1, 0, 0), (1, -1), "9: found no eta; 0 is used, as in the original"),
        ("G=3 type2=O Rc=4", (4, 0, 0, 0), (1, -1), "9: found no kappa; 0 is used, as in the original"),
        ("G=3 type2=O kappa=2", (0, 2, 0, 0), (1, -1), "9: found no Rc; 0 is used, as in the original"),
        ("G=4 type2=O type3=O zeta=3 eta=1 Rc=4", (4, 0, 3, 3), (1, 1), "9: found no lambda; 0 is used, as in the "),
        ("G=4 type2=O type3=O lambda=-1 eta=1 Rc=4", (4, -1, 0, 1), (1, 1), "9: found no zeta; 0 is used, as in the"),
        ("G=5 type2=Ti lambda=-1 eta=1 zeta=2 Rc=4", (4, -1, 2, 1), (0, 0), "9: found no type3; that of type2 is use"),
        (
            "G=5 type2=O type3=Ti zeta=3 lambda=1 Rc=4", (4, 1, 3, 3), (1, 0),
            "9: eta takes the value of 'zeta', as in the original, which finds 'eta' there; write eta before it",
        ),
        (
            "G=5 type2=O type3=Ti zeta=3 lambda=1 eta=1 Rc=4", (4, 1, 3, 3), (1, 0),
            "9: eta takes the value of 'zeta', as in the original, which finds 'eta' there; write eta before it",
        ),
    ],
)  # fmt: skip
def test_symmetry_functions_with_less_than_all_parameters(function, parameters, species, warned, tmp_path):
    found, warnings = read(tmp_path / "O.stp", "G=1 type2=O Rc=6", function)
    assert found.parameters[1].tolist() == list(parameters)
    assert found.environment[1].tolist() == list(species)
    assert any(message.startswith(warned) for message in warnings), warnings


def test_a_warning_for_many_lines(tmp_path):
    _, warnings = read(tmp_path / "O.stp", *["G=2 type2=O Rc=4 eta=1"] * 5)
    assert warnings == ["8: found no Rs; 0 is used, as in the original (and in 4 more lines)"]


def test_a_key_within_another_word(tmp_path):
    """G takes the value after eta if it is found in Ga, but its own in Ge."""
    path = tmp_path / "O.stp"
    _, warnings = read(path, "type2=O eta=1.0 Rs=2 G=2 Rc=4")
    assert warnings == []
    path.write_text(path.read_text().replace("Ti", "Ga").replace("type2=O eta=1.0 Rs=2 G=2", "type2=Ga kappa=3 G=2"))
    warnings = []
    found = setup.read(str(path), warnings.append)
    assert found.functions.tolist() == [3]
    assert warnings == [
        f"{path}:8: G takes the value of 'Ga', as in the original, which finds 'G' there; write G before it"
    ]


# Mistyped numbers.  Unreachable cutoffs are tested elsewhere.
NUMBERS = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.floats(-1e3, 1e3).map("{:.3f}d0".format),
    st.text("0123456789.-+eEdDnaif*,/'= "),
)
MOLECULE = """# total energy = -100.0 eV

ATOMS
Ti 0 0 0 0 0 0.1
O 1.9 0.1 0 0 0 -0.1
O -1.9 0.1 0 0 0 -0.1
"""
FIELDS = {
    "generate.in": "OUTPUT x.train\nTYPES\n2\nTi {0}\nO {1}\nSETUPS\nTi Ti.stp\nO O.stp\nFORCES\nFORCESPERCENT {2}\n"
    "FORCESSEED {3}\nFILES\n1\na.xsf\n",
    "Chebyshev": "ATOM {symbol}\nENV 2\nTi\nO\nRMIN {0}\nBASIS type=Chebyshev\n"
    "radial_Rc = {1}  radial_N = {2}  angular_Rc = {3}  angular_N = {4}\n",
    "Behler2011": "ATOM {symbol}\nENV 2\nTi\nO\nRMIN {0}\nSYMMFUNC type=Behler2011\n5\nG=1 type2=O Rc={1}\n"
    "G=2 type2=O eta={2} Rs={3} Rc=4\nG=3 type2=Ti kappa={4} Rc=4\n"
    "G=4 type2=O type3=O eta={5} lambda={6} zeta={7} Rc=4\nG=5 type2=O type3=Ti eta={8} lambda={9} zeta={10} Rc=4\n",
}
USUAL = {
    "generate.in": ["-1", "-2.0", "100", "7"],
    "Chebyshev": ["0.5", "4.0", "3", "3.5", "2"],
    "Behler2011": ["0.5", "4.0", "0.1", "1", "1", "0.1", "1.0", "2", "0.1", "-1.0", "1"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The working folder, on a machine with little memory."""
    path = tmp_path_factory.mktemp("numbers")
    (path / "a.xsf").write_text(MOLECULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        patch.setattr("aenet_py.runtime.memory.available", lambda: 1e8)
        yield path


@settings(max_examples=150)
@given(st.sampled_from(list(FIELDS)), st.dictionaries(st.integers(0, 10), NUMBERS, min_size=1, max_size=2))
@example("generate.in", {1: "1e308"})
@example("Chebyshev", {0: "1e-300"})
@example("Chebyshev", {0: "1e103"})
@example("Chebyshev", {2: "1" + "0" * 30})
@example("Chebyshev", {2: "1000000000"})
@example("Behler2011", {7: "1e308"})
@example("Behler2011", {4: "1e308"})
@example("Behler2011", {5: "-1e5"})
def test_any_number(folder, edited, changes):
    """The result is a training set, or an error in one line and nothing else."""
    for name, text in FIELDS.items():
        values = list(USUAL[name])
        for place, value in changes.items():
            if name == edited and place < len(values):
                values[place] = value
        for symbol in ("Ti", "O"):
            path = folder / ("generate.in" if name == "generate.in" else f"{symbol}.stp")
            if name in ("generate.in", edited if edited != "generate.in" else "Chebyshev"):
                path.write_text(text.format(*values, symbol=symbol))
    for name in ("x.train", "x.train.forces"):
        (folder / name).unlink(missing_ok=True)
    said, report = io.StringIO(), io.TextIOWrapper(io.BytesIO())
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(report):
        status = main(["generate.in", "--threads", "1"])
    errors = [line for line in said.getvalue().splitlines() if not line.startswith(("Warning: ", "Forces of "))]
    assert status == len(errors) <= 1, said.getvalue()
    assert all(line.startswith("Error: ") for line in errors)
    assert sorted(path.suffix for path in folder.glob("*.train*")) == ([".forces", ".train"] if status == 0 else [])
    assert not list(folder.glob(".*"))


def test_gradients_that_are_not_finite(folder, capsys):
    """With zeta between 0 and 1, those of a straight angle; the features are finite."""
    for symbol in ("Ti", "O"):
        text = FIELDS["Behler2011"].format(*USUAL["Behler2011"], symbol=symbol)
        (folder / f"{symbol}.stp").write_text(text.replace("lambda=1.0 zeta=2", "lambda=1.0 zeta=0.5"))
    (folder / "generate.in").write_text(FIELDS["generate.in"].format(*USUAL["generate.in"]))
    (folder / "a.xsf").write_text(MOLECULE.replace("0.1 0 0 0 -0.1", "0 0 0 0 -0.1"))
    for path in folder.glob("x.train*"):
        path.unlink()
    assert main(["generate.in"]) == 1
    assert capsys.readouterr().err.startswith("Error: a.xsf: gradients of features are not finite; move atoms apart")
    assert not list(folder.glob("*x.train*"))
