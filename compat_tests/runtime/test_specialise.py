"""Kernels with constants: the same results, and nobody waits for them."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

from aenet_py.runtime import accelerate, specialise
from aenet_py.runtime.accelerate import Kernel
from aenet_py.runtime.specialise import Specialised

SOURCE = """
from aenet_py.runtime.signatures import f8, i8, out


def powers(n: i8, given: f8[:], result: out(f8[:])):
    for i in range(len(given)):
        result[i] = 1.0
        for _ in range(n):
            result[i] = result[i] * given[i]
    return n
"""


@pytest.fixture(scope="module")
def general(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modules")
    (folder / "powers_kernels.py").write_text(SOURCE)
    sys.path.insert(0, str(folder))
    yield Kernel("powers_kernels:powers")
    sys.path.remove(str(folder))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(accelerate, "cache_folder", lambda: str(tmp_path))


def powers(kernel, n: int = 3) -> list[float]:
    result = np.zeros(2)
    assert kernel(n=n, given=np.array([2.0, 3.0]), result=result) == n
    return result.tolist()


def test_constants_are_part_of_the_machine_code(general, tmp_path):
    three, four = (Kernel(general.name, {"n": n}) for n in (3, 4))
    assert (powers(general), powers(three), powers(four, 4)) == ([8.0, 27.0], [8.0, 27.0], [16.0, 81.0])
    result = np.zeros(2)
    assert three(n=7, given=np.array([2.0, 3.0]), result=result) == 3
    assert len(list(tmp_path.glob("*.o"))) == 3


def test_arrays_may_be_constants(general):
    kernel = Kernel(general.name, {"given": np.array([5.0, 1.0])})
    assert powers(kernel) == [125.0, 1.0]


def test_the_general_form_works_until_the_special_one_is_there(general, monkeypatch):
    kernel = Specialised(general, {"n": 3})
    call = kernel.bound()
    waiting, going_on = threading.Event(), threading.Event()
    original = Kernel.ready

    def ready(self):
        waiting.set()
        assert going_on.wait(60)
        original(self)

    monkeypatch.setattr(Kernel, "ready", ready)
    assert powers(call) == [8.0, 27.0]
    assert not waiting.is_set()  # a short run compiles nothing
    monkeypatch.setattr(specialise, "AFTER", 0.0)
    for _ in range(3):
        assert powers(call) == [8.0, 27.0]
    assert waiting.wait(60)
    assert not kernel.is_special
    going_on.set()
    kernel.compile().join()
    assert kernel.is_special
    assert powers(call) == [8.0, 27.0]
    assert Specialised(general, {"n": 3}).is_special  # it was kept
    assert not Specialised(general, {"n": 4}).is_special


def test_if_it_cannot_be_compiled_the_general_form_goes_on(general, monkeypatch):
    kernel = Specialised(general, {"n": 3})
    call = kernel.bound()

    def refuse(_):
        raise RuntimeError("no")

    monkeypatch.setattr(Kernel, "ready", refuse)
    kernel.compile().join()
    assert not kernel.is_special
    assert powers(call) == [8.0, 27.0]


def test_bound_arguments_are_checked_once(general):
    given, result = np.array([2.0, 3.0]), np.zeros(2)
    call = general.bound(given=given)
    assert call(n=2, result=result) == 2
    assert result.tolist() == [4.0, 9.0]
    given[:] = 1.0, 2.0  # the array itself is bound, not its values
    call(n=3, result=result)
    assert result.tolist() == [1.0, 8.0]
    with pytest.raises(TypeError, match="has no other"):
        general.bound(given=given)(n=2, result=result, other=given)
    with pytest.raises(TypeError, match="lacks result"):
        call(n=2)
    with pytest.raises(TypeError, match=r"given must be .* not of float32"):
        general.bound(given=given.astype(np.float32))
    result.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        call(n=2, result=result)
