"""learn.toml: what it says, and the line of what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from aenet_py.errors import AenetError
from aenet_py.inputs import learn as inputs
from aenet_py.inputs.learn import Explore, Labelling, LearnInput, Pick, Stop
from compat_tests.active.examples import LEARN

SHORT = 'calculator = "emt"\nstart = "a.xyz"\n'


def test_a_file_with_all_tables(tmp_path: Path) -> None:
    path = tmp_path / "learn.toml"
    path.write_text(LEARN + "[label]\nprocesses = 2\ntimeout = 60\n")
    at = str(tmp_path)
    assert inputs.read(str(path)) == LearnInput(
        path=str(path),
        calculator="emt",
        start=(f"{at}/start.extxyz", f"{at}/other.extxyz"),
        deck=f"{at}/given/train.in",
        folder=f"{at}/loop",
        members=2,
        explore=Explore((300.0,), 1, 0.02, 1.0, 2),
        pick=Pick(3, 1e-3),
        label=Labelling(2, 60.0),
        stop=Stop(2, share=0.0),
    )


def test_defaults_and_paths(tmp_path: Path) -> None:
    path = tmp_path / "learn.toml"
    path.write_text(SHORT)
    found = inputs.read(str(path))
    assert found == LearnInput(str(path), "emt", (f"{tmp_path}/a.xyz",), folder=f"{tmp_path}/learn")
    path.write_text(SHORT.replace("emt", "calculator.toml"))
    assert inputs.read(str(path)).calculator == f"{tmp_path}/calculator.toml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('start = "a.xyz"\n', "learn.toml: found no calculator; expected what computes energies and forces"),
        ('calculator = "emt"\n', "learn.toml: found no start; expected structures from which simulations start"),
        (SHORT + "membres = 3\n", "learn.toml:3: found membres; did you mean members?"),
        (SHORT + "members = 1\n", "learn.toml:3: found members = 1; expected a whole number, at least 2"),
        (SHORT + "members = true\n", "learn.toml:3: found members = True; expected a whole number, at least 2"),
        (SHORT + "[explore]\n\ntime = -1\n", "learn.toml:5: found time = -1; expected a time in ps, above 0"),
        (SHORT + "[explore]\ntime = nan\n", "learn.toml:4: found time = nan; expected a time in ps, above 0"),
        (SHORT + "[explore]\ntemperatures = [300, 300]\n", "learn.toml:4: found temperatures = [300, 300]; expected"),
        (SHORT + "[explore]\ntimes = 1\n", "learn.toml:4: found times in [explore]; did you mean time?"),
        (SHORT + "[stop]\nshare = 2\n", "learn.toml:4: found share = 2; expected a share from 0 to 1"),
        (SHORT + "[pick]\nmax_spread = 0.1\n", "learn.toml:4: found max_spread = 0.1; expected more than min_spread"),
        (SHORT + "explore = 3\n", "learn.toml:3: found explore = 3; expected a table [explore]"),
        (SHORT + "start = 3\n", "learn.toml:3: not TOML: cannot overwrite a value"),
        ('calculator = "emt"\nstart = [1]\n', "learn.toml:2: found start = [1]; expected names of files"),
        (SHORT + 'transfer = "t.in"\n', "learn.toml:3: found transfer without deck; expected both"),
        (SHORT + "[harvest]\nx = 1\n", "learn.toml:3: found harvest; expected one of calculator, deck,"),
        ("calculator = \xe4", "learn.toml: not text in UTF-8"),
    ],
)
def test_the_line_of_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "learn.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(AenetError) as error:
        inputs.read(str(path))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_no_such_file() -> None:
    with pytest.raises(AenetError, match=r"none.toml: no such file; expected an input file of aenet-py learn"):
        inputs.read("none.toml")
