"""Importing torch beside other work, and without the parts that training does not use."""

from __future__ import annotations

import gc
import importlib
import subprocess
import sys
import types

import pytest

from aenet_py.training.importing import UNUSED, importing, postponed


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
def test_a_postponed_module_is_loaded_once_when_it_is_used():
    with postponed(["parts.slow"]):
        import parts
    assert isinstance(parts.slow, types.ModuleType)
    assert sys.loads_of_slow == 0
    assert (parts.slow.answer, parts.slow.answer) == (42, 42)
    with pytest.raises(AttributeError, match="question"):
        _ = parts.slow.question
    assert sys.loads_of_slow == 1


@pytest.mark.usefixtures("package")
def test_names_can_be_imported_from_a_postponed_module():
    with postponed(["parts.slow"]):
        from parts.slow import answer
    assert (answer, sys.loads_of_slow) == (42, 1)


@pytest.mark.usefixtures("package")
def test_only_in_the_block():
    with postponed(["parts.slow"]):
        pass
    importlib.import_module("parts")
    assert sys.loads_of_slow == 1


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


PROGRAM = """
import sys
from aenet_py.training.importing import UNUSED, postponed
with postponed():
    import torch
waiting = [name for name in UNUSED if "__getattr__" in vars(sys.modules[name])]
assert torch.distributions.Normal(0.0, 1.0).mean == 0.0
print(*waiting)
"""


def test_parts_of_torch_are_postponed():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {"torch._meta_registrations", "torch.export"} <= {*done.stdout.split()} <= {*UNUSED}
