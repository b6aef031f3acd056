"""The conda recipe has the programs and dependencies of the package."""

from __future__ import annotations

import re
import sys

from compat_tests.cli.cases import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RECIPE = [line.strip() for line in (ROOT / "recipe" / "recipe.yaml").read_text().splitlines()]
CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def conda(requirement: str) -> str:
    """A requirement as conda writes it."""
    name, least = re.split(">=", requirement.partition(";")[0].strip())
    return f"- {CONDA.get(name, name)} >={least}"


def test_programs():
    programs = [line for line in RECIPE if " = aenet_py" in line]
    assert programs == [f"- {name} = {entry}" for name, entry in PROJECT["scripts"].items()]


def test_dependencies():
    run = RECIPE[RECIPE.index("run:") + 1 : RECIPE.index("run_constraints:")]
    assert run == ["- python >=${{ python_min }},<3.14", *map(conda, PROJECT["dependencies"])]
    assert PROJECT["requires-python"] == ">=3.10,<3.14"
    extras = PROJECT["optional-dependencies"]
    constraints = RECIPE[RECIPE.index("run_constraints:") + 1 : RECIPE.index("tests:")]
    assert constraints[:-1] == list(map(conda, [*extras["ase"], extras["workflow"][1], *extras["mpi"]]))


def test_what_is_built():
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert set(map(conda, required)) <= set(RECIPE)
    assert f"license: {PROJECT['license']}" in RECIPE
