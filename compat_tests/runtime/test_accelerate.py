"""Kernels: what they refuse to be called with, and how their machine code is kept, checked, pruned and replaced."""

from __future__ import annotations

import functools
import importlib
import os
import sys
import time
import warnings

import llvmlite.binding as llvm
import numpy as np
import pytest

from aenet_py.descriptors import behler
from aenet_py.descriptors.setup import behler_setup
from aenet_py.errors import AenetWarning
from aenet_py.neighbors.search import environments
from aenet_py.runtime import accelerate, signatures
from aenet_py.runtime.accelerate import Kernel
from aenet_py.runtime.signatures import f4, f8, i4, i8, out, pointer, rows
from compat_tests.compare import assert_same_bits, structure

SOURCE = """
from aenet_py.runtime.signatures import f8, i8, out, pointer, rows


def scale(n: i8, factor: f8, given: f8[:, 3], table: rows(f8[:, :]), flat: pointer(f8), result: out(f8[:])):
    for i in range(n):
        result[i] = factor * given[i, 2] + table[1, 0] + flat[0]
    return len(given) + 100 * table.shape[1]


def allocating(result: out(f8[:])):
    copy = [value for value in result]
    return len(copy)


def raising(result: out(f8[:])):
    if result[0] > 0.0:
        raise ValueError("no")
    return 0


def untyped(result):
    return 0
"""


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """A module with kernels of these tests, outside the package."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "tried_kernels.py").write_text(SOURCE)
    sys.path.insert(0, str(folder))
    yield "tried_kernels"
    sys.path.remove(str(folder))


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cache(shared_cache, monkeypatch):
    """The folder where these tests keep kernels, but for those that look at what is in it."""
    monkeypatch.setattr(accelerate, "cache_folder", lambda: str(shared_cache))
    return shared_cache


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(accelerate, "cache_folder", lambda: str(tmp_path))
    return tmp_path


def arguments(**changed):
    given = {
        "n": 4,
        "factor": 2.0,
        "given": np.arange(12.0).reshape(4, 3),
        "table": np.arange(20.0).reshape(2, 10)[:, :7],
        "flat": np.array([[0.5]]),
        "result": np.zeros(4),
    }
    return {**given, **changed}


@pytest.fixture
def scale(package, cache):  # noqa: ARG001 - where it is kept
    kernel = Kernel(f"{package}:scale")
    kernel.ready()
    return kernel


def test_arguments_arrive(scale):
    given = arguments()
    assert scale(**given) == 4 + 100 * 10
    np.testing.assert_array_equal(given["result"], 2.0 * given["given"][:, 2] + 10.5)


@pytest.mark.parametrize(
    "changed",
    [
        {"n": np.int64(4)},
        {"n": np.int32(4)},
        {"n": np.uint8(4)},
        {"factor": 2},
        {"factor": np.float64(2.0)},
        {"factor": np.float32(2.0)},
        {"factor": np.int64(2)},
    ],
    ids=str,
)
def test_scalars_of_numpy_are_converted(scale, changed):
    given = arguments(**changed)
    scale(**given)
    np.testing.assert_array_equal(given["result"], 2.0 * given["given"][:, 2] + 10.5)


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def test_read_only_arrays_are_read(scale):
    given = arguments()
    expected = arguments()
    scale(**expected)
    for name in ("given", "table", "flat"):
        given[name] = read_only(given[name])
    given["table"] = arguments()["table"]
    given["table"].flags.writeable = False
    assert scale(**given) == 1004
    np.testing.assert_array_equal(given["result"], expected["result"])


def test_empty_arrays_and_one_row(scale):
    assert scale(**arguments(n=0, given=np.empty((0, 3)), result=np.empty(0))) == 1000
    assert scale(**arguments(n=0, table=np.empty((0, 5)))) == 504
    assert scale(**arguments(n=0, table=np.empty((3, 9))[:, :0])) == 4
    assert scale(**arguments(n=0, table=np.empty((5, 9))[2:3, 1:4])) == 304


def test_equal_types_need_not_be_the_same_object(scale):
    given = arguments()
    given["given"] = given["given"].astype(np.dtype("f8", metadata={"unit": "eV"}))
    assert given["given"].dtype is not np.dtype("f8")
    assert scale(**given) == 1004


WRONG = {
    "integer in place of a float": ({"n": 4.0}, TypeError, "n must be an integer of 64 bits, not 4.0"),
    "float that is a whole number": ({"n": np.float64(4)}, TypeError, "n must be an integer"),
    "too large": ({"n": 2**63}, TypeError, "n must be an integer of 64 bits"),
    "text": ({"factor": "2"}, TypeError, "factor must be a number, not '2'"),
    "none": ({"factor": None}, TypeError, "factor must be a number, not None"),
    "complex": ({"factor": 2j}, TypeError, "factor must be a number"),
    "list": ({"given": [[0.0, 0.0, 0.0]]}, TypeError, r"given must be a C-contiguous array .*, not list"),
    "single precision": ({"given": np.zeros((4, 3), np.float32)}, TypeError, "given must be .*float64.*not of float32"),
    "integers": ({"given": np.zeros((4, 3), np.int64)}, TypeError, "not of int64"),
    "other byte order": ({"given": np.zeros((4, 3), ">f8")}, TypeError, "not of >f8"),
    "pointer to integers": ({"flat": np.zeros(3, np.int64)}, TypeError, "flat must be .*not of int64"),
    "too few columns": ({"given": np.zeros((4, 2))}, ValueError, r"shape \(n, 3\), not of shape \(4, 2\)"),
    "too few axes": ({"given": np.zeros(12)}, ValueError, r"not of shape \(12,\)"),
    "too many axes": ({"result": np.zeros((4, 1))}, ValueError, r"result must .*shape \(n,\).*not of shape \(4, 1\)"),
    "strided": ({"given": np.zeros((8, 3))[::2]}, ValueError, "given must be .*not one with strides of"),
    "reversed": ({"result": np.zeros(4)[::-1]}, ValueError, "not one with strides of"),
    "columns first": ({"given": np.zeros((4, 3), order="F")}, ValueError, "not one with strides of"),
    "pointer to a strided array": ({"flat": np.zeros(8)[::2]}, ValueError, "flat must be .*not one with strides"),
    "strided rows": ({"table": np.zeros((2, 8))[:, ::2]}, ValueError, "table must be an array with contiguous rows"),
    "rows reversed": ({"table": np.zeros((2, 8))[::-1]}, ValueError, "table must be an array with contiguous rows"),
    "the same row twice": ({"table": np.broadcast_to(np.zeros(8), (2, 8))}, ValueError, "table must be"),
    "rows of one axis": ({"table": np.zeros(8)}, ValueError, r"table must be .*not of shape \(8,\)"),
    "read-only result": ({"result": read_only(np.zeros(4))}, ValueError, "result must be .*, not a read-only one"),
    "an argument too many": ({"extra": 1}, TypeError, " has no extra$"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_are_refused(scale, case):
    changed, error, message = WRONG[case]
    given = arguments(**changed)
    with pytest.raises(error, match=f"^tried_kernels_scale.*{message}"):
        scale(**given)
    np.testing.assert_array_equal(np.asarray(given["result"]).ravel()[:4], 0.0)


def test_missing_and_positional_arguments_are_refused(scale):
    given = arguments()
    del given["factor"], given["flat"]
    with pytest.raises(TypeError, match=r"^tried_kernels_scale: the call lacks factor, flat$"):
        scale(**given)
    with pytest.raises(TypeError, match=r"the call lacks factor, flat and has no scaling$"):
        scale(**given, scaling=1.0)
    with pytest.raises(TypeError, match="positional"):
        scale(*arguments().values())


def test_signatures_as_text():
    given = [("a", i8), ("b", f8), ("c", i4[:]), ("d", out(f8[:, 3, :])), ("e", rows(f8[:, :])), ("f", pointer(f4))]
    given.append(("g", out(pointer(f8))))
    assert signatures.from_text(signatures.to_text(given)) == given


def test_kernels_that_allocate_raise_or_lack_types_are_refused(package, own_cache):
    for name in ("allocating", "raising"):
        with pytest.raises(RuntimeError, match=f"kernel {name} allocates or raises: it needs"):
            Kernel(f"{package}:{name}").ready()
    with pytest.raises(TypeError, match="kernel untyped: annotate result with its type"):
        Kernel(f"{package}:untyped").ready()
    assert not list(own_cache.iterdir())


# -- what is kept


@pytest.fixture
def compilations(monkeypatch):
    """Names of the kernels compiled from now on."""
    names = []
    compile_kernel = Kernel._compile

    def counted(self):
        names.append(self.function)
        return compile_kernel(self)

    monkeypatch.setattr(Kernel, "_compile", counted)
    return names


def kept(folder):
    return sorted(folder.glob("*.o"))


def test_machine_code_is_kept(package, own_cache, compilations):
    results = []
    for _ in range(2):
        given = arguments()
        Kernel(f"{package}:scale")(**given)
        results.append(given["result"].tobytes())
    assert compilations == ["scale"]
    assert results[0] == results[1]
    assert len(list(own_cache.iterdir())) == 1


def damaged(content):
    """Ways in which an object may be damaged, each of which the digest must tell."""
    yield b""
    yield content[:20]
    yield content[:-1]
    yield content[: len(content) // 2]
    yield content + b"\0"
    for place in (0, 31, 32, 40, len(content) // 2, len(content) - 1):
        for bit in (0, 7):
            yield content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


@pytest.mark.usefixtures("scale")
def test_damaged_objects_are_compiled_again(package, cache, own_cache, compilations, monkeypatch):
    path = own_cache / f"tried_kernels_scale-{accelerate._fingerprint()}.o"
    content = (cache / path.name).read_bytes()
    monkeypatch.setattr(Kernel, "_compile", lambda self: compilations.append(self.function) or content[32:])
    for number, wrong in enumerate(damaged(content)):
        path.write_bytes(wrong)
        given = arguments()
        assert Kernel(f"{package}:scale")(**given) == 1004
        assert len(compilations) == number + 1
        assert path.read_bytes() == content


def test_without_a_folder_that_can_be_written_to(package, tmp_path, monkeypatch, compilations):
    monkeypatch.setattr(accelerate, "cache_folder", lambda: str(tmp_path / "none"))
    given = arguments()
    assert Kernel(f"{package}:scale")(**given) == 1004
    assert compilations == ["scale"]
    assert not list(tmp_path.iterdir())


def test_cache_folder_is_the_users_own(tmp_path, monkeypatch):
    accelerate.cache_folder.cache_clear()
    mine, others = tmp_path / "mine", tmp_path / "others"
    others.mkdir()
    others.chmod(0o777)
    monkeypatch.setenv("XDG_CACHE_HOME", str(mine))
    for given, expected in ((str(tmp_path / "given"), tmp_path / "given"), (str(others), mine / "aenet_py")):
        monkeypatch.setenv("AENET_PY_CACHE", given)
        assert accelerate.cache_folder() == str(expected)
        accelerate.cache_folder.cache_clear()


# -- the fingerprint


@pytest.fixture
def fingerprint():
    def now():
        accelerate._fingerprint.cache_clear()
        return accelerate._fingerprint()

    yield now
    accelerate._fingerprint.cache_clear()


def test_fingerprint_follows_numba(fingerprint, tmp_path, monkeypatch):
    before = fingerprint()
    assert fingerprint() == before
    with open(accelerate._numba_version_file()) as file:
        text = file.read()
    numba = sys.modules.get("numba") or importlib.import_module("numba")
    assert f'"{numba.__version__}"' in text
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "_version.py").write_text(text.replace(numba.__version__, "99.0"))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert fingerprint() != before


def test_fingerprint_follows_llvmlite(fingerprint, monkeypatch):
    before = fingerprint()
    monkeypatch.setattr("llvmlite.__version__", "99.0")
    assert fingerprint() != before


def test_numba_is_found_by_other_means(monkeypatch):
    expected = accelerate._numba_version_file()
    spec = importlib.util.find_spec("numba")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: spec)
    monkeypatch.setattr(sys, "path", [])
    assert os.path.samefile(accelerate._numba_version_file(), expected)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ImportError, match="numba is not installed"):
        accelerate._numba_version_file()


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("descriptors/other_kernels.py", True),
        ("descriptors/constants.py", True),
        ("other_constants.py", True),
        ("signatures.py", True),
        ("compiler.py", True),
        ("accelerate.py", True),
        ("formats/text.py", False),
    ],
)
def test_fingerprint_follows_sources(tmp_path, name, counts):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    assert accelerate._sources(str(tmp_path)) == ([str(tmp_path / name)] if counts else [])


# -- pruning


def test_old_objects_are_pruned(own_cache):
    day = 86400.0
    ages = {
        f"a_kernel-{'0' * 24}.o": 31,
        f"a_kernel-{'1' * 24}.o": 29,
        f"a_kernel-{'2' * 24}.o": 0,
        f"a_kernel-{'3' * 24}.o": 31,  # the one just written, by a clock that is wrong
        f"a_kernel-{'4' * 24}.o.123": 31,
        f"a_kernel-{'4' * 24}.o.124": 1,
        "notes.o": 31,
        "a_kernel-0123.o": 31,
        f"a_kernel-{'0' * 24}.object": 31,
    }
    for name, age in ages.items():
        (own_cache / name).write_bytes(b"")
        os.utime(own_cache / name, (time.time() - age * day,) * 2)
    (own_cache / f"a_folder-{'0' * 24}.o").mkdir()
    os.utime(own_cache / f"a_folder-{'0' * 24}.o", (0, 0))
    accelerate._prune(str(own_cache / f"a_kernel-{'3' * 24}.o"))
    gone = {f"a_kernel-{'0' * 24}.o", f"a_kernel-{'4' * 24}.o.123"}
    assert {path.name for path in own_cache.iterdir()} == {*ages, f"a_folder-{'0' * 24}.o"} - gone
    accelerate._prune(str(own_cache / "none" / "a.o"))


def test_pruning_while_others_do(own_cache, monkeypatch):
    for number in range(3):
        (own_cache / f"a-{number:024d}.o").write_bytes(b"")
        os.utime(own_cache / f"a-{number:024d}.o", (0, 0))
    unlink = os.unlink

    def late(path):
        unlink(path)
        unlink(path)  # as if another process had been faster

    monkeypatch.setattr(os, "unlink", late)
    accelerate._prune(str(own_cache / "kept.o"))
    assert not list(own_cache.iterdir())


@pytest.mark.usefixtures("scale")
def test_objects_in_use_stay_young(package, cache):
    path = cache / f"tried_kernels_scale-{accelerate._fingerprint()}.o"
    for age, touched in ((0.5, False), (29, True)):
        then = time.time() - age * 86400.0
        os.utime(path, (then, then))
        Kernel(f"{package}:scale").ready()
        assert (abs(path.stat().st_mtime - time.time()) < 1000) is touched


def test_compiling_prunes(package, own_cache):
    old = own_cache / f"a-{0:024d}.o"
    old.write_bytes(b"")
    os.utime(old, (0, 0))
    Kernel(f"{package}:scale").ready()
    assert [path.name.split("-")[0] for path in own_cache.iterdir()] == ["tried_kernels_scale"]


# -- another llvmlite


class OtherInterface:
    """llvmlite.binding, but for one function, which numba itself may need."""

    def __init__(self, name, changed):
        self.changed = {name: changed}

    def __getattr__(self, name):
        return self.changed.get(name) or getattr(llvm, name)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("parse_assembly", AttributeError),
        ("create_pass_builder", TypeError),
        ("create_mcjit_compiler", TypeError),
        ("get_host_cpu_features", ImportError),
    ],
)
def test_numba_takes_over(package, scale, own_cache, monkeypatch, name, error):
    expected = arguments(factor=1.0 / 3.0)
    scale(**expected)

    def changed(*_, **__):
        raise error("other interface")

    accelerate._warn_of_llvmlite.cache_clear()
    # Their results are kept: the machine code of other tests' kernels lives in the engine.
    for cached in ("_fingerprint", "_engine"):
        monkeypatch.setattr(accelerate, cached, functools.cache(getattr(accelerate, cached).__wrapped__))
    with monkeypatch.context() as patch, warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        patch.setattr(importlib.import_module("aenet_py.runtime.compiler"), "llvm", OtherInterface(name, changed))
        if name in ("create_mcjit_compiler", "get_host_cpu_features"):
            patch.setattr(llvm, name, changed)
        for _ in range(2):
            given = arguments(factor=1.0 / 3.0)
            kernel = Kernel(f"{package}:scale")
            assert kernel(**given) == 1004
            assert given["result"].tobytes() == expected["result"].tobytes()
            with pytest.raises(TypeError, match="tried_kernels_scale: n must be an integer"):
                kernel(**{**given, "n": 1.5})
    assert [str(w.message) for w in seen if w.category is AenetWarning] == [
        "cannot keep compiled kernels with this version of llvmlite (other interface): every run compiles them anew; "
        "install the version in constraints.txt"
    ]
    assert not list(own_cache.iterdir())


def test_numba_gives_the_same_bits(monkeypatch):
    """Symmetry functions, which call libm, through Numba's own interface."""
    functions = [(2, (6.0, 0.0, 0.5), (0,)), (3, (6.0, 1.5), (0,)), (4, (6.0, 1.0, 3.5, 0.01), (0, 0))]
    basis = behler.basis(("H",), [behler_setup("", "H", ("H",), 0.5, "Behler2011", functions)])
    positions = np.random.default_rng(1).uniform(0.0, 6.0, (20, 3))
    around = environments([structure(positions)], 0.01, 6.0, with_positions=True)
    types = np.zeros(20, dtype=np.int64)
    expected = [behler.features(basis, types, around), behler.gradients(basis, types, around, 0, 20).copy()]
    for name in ("_features", "_gradients"):
        kernel = Kernel(f"aenet_py.descriptors.behler_kernels:{name[1:]}")
        kernel._resolved = kernel._from_numba()
        monkeypatch.setattr(behler, name, kernel)
    assert_same_bits(behler.features(basis, types, around), expected[0], "features")
    assert_same_bits(behler.gradients(basis, types, around, 0, 20), expected[1], "gradients")
