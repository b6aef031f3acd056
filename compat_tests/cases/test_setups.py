"""Set-ups that failed for users: fixtures/cases, each with what its README says should happen."""

from __future__ import annotations

from pathlib import Path

import pytest

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
