"""The public names: complete, documented, imported only when used; their examples run."""

from __future__ import annotations

import doctest
import inspect
import re
import shutil
import subprocess
import sys

import pytest

import aenet_py
from compat_tests.cli.cases import FIXTURES, ROOT

FUNCTIONS = (
    "calibrate",
    "check",
    "evaluate",
    "generate",
    "init",
    "label",
    "learn",
    "read",
    "select",
    "simulate",
    "stability",
    "train",
    "transfer",
)
HEAVY = {"numpy", "numba", "llvmlite", "torch", "ase", "scipy", "matplotlib"}


def test_every_name_is_listed_and_leads_somewhere():
    pages = (ROOT / "docs" / "api").glob("*.md")
    on_pages = [
        name for page in pages for name in re.findall(r"^\.\. auto\w+:: aenet_py\.(\w+)", page.read_text(), re.M)
    ]
    assert aenet_py.__all__ == sorted(aenet_py.__all__)
    assert set(aenet_py.__all__) <= set(dir(aenet_py))
    for name in aenet_py.__all__:
        assert getattr(aenet_py, name).__name__ == name
        assert f"`{name}`" in aenet_py.__doc__
        assert name in on_pages
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        aenet_py.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("aenet_py", set()),
        ("aenet_py.AenetError", set()),
        ("aenet_py.read; aenet_py.Structure; aenet_py.TrainingSet", {"numpy"}),
        (
            "aenet_py.Potential; aenet_py.calibrate; aenet_py.check; aenet_py.evaluate; aenet_py.generate; "
            "aenet_py.init; aenet_py.select; aenet_py.train",
            {"numpy"},
        ),
        ("aenet_py.ANNCalculator; aenet_py.simulate; aenet_py.stability", {"numpy", "ase", "scipy"}),
    ],
)
def test_names_import_only_what_they_need(code, allowed):
    program = f"import sys, aenet_py; {code}; print(*{HEAVY} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert set(done.stdout.split()) <= allowed


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_document_every_parameter(name):
    function = getattr(aenet_py, name)
    text = inspect.getdoc(function)
    for section in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"{section}\n{'-' * len(section)}\n" in text
    for parameter in inspect.signature(function).parameters.values():
        shown = f"**{parameter.name}" if parameter.kind is parameter.VAR_KEYWORD else parameter.name
        assert shown in text


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "learn" else ()) for name in aenet_py.__all__]
)
def test_examples(name, tmp_path, monkeypatch):
    """Each name has some, which run in a copy of the golden case of one species, beside the fixtures."""
    shutil.copytree(FIXTURES / "single-species", tmp_path, dirs_exist_ok=True)
    (tmp_path / "fixtures").symlink_to(FIXTURES.parent)
    monkeypatch.chdir(tmp_path)
    tests = doctest.DocTestFinder(recurse=True).find(getattr(aenet_py, name), name, globs=vars(aenet_py).copy())
    assert any(test.examples for test in tests)
    for test in tests:
        assert doctest.DocTestRunner().run(test).failed == 0
