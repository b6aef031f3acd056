"""Importing torch beside other work."""

from __future__ import annotations

import gc
import sys

import pytest

from aenet_py.training.importing import importing


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `parts`, which imports its module `parts.slow`; that keeps count in `sys.loads_of_slow`."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "__init__.py").write_text("from . import slow\nimport parts.slow\n")
    (tmp_path / "parts" / "slow.py").write_text("import sys\nsys.loads_of_slow += 1\nanswer = 42\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "loads_of_slow", 0, raising=False)
    yield
    for name in ("parts", "parts.slow"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_rests_during_the_import_only(enabled, tmp_path):
    (tmp_path / "parts" / "slow.py").write_text("import gc, sys\nsys.loads_of_slow = gc.isenabled()\n")
    try:
        if not enabled:
            gc.disable()
        with importing("parts"):
            pass
        assert gc.isenabled() is enabled
    finally:
        gc.enable()
    assert sys.loads_of_slow is False
