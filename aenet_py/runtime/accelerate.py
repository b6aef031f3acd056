"""Compiled kernels: built once by Numba, kept as machine code, loaded again without importing Numba.

Importing Numba takes longer than the whole work on a small training set, so a kernel's object code is stored in
the user's cache folder and later runs hand it to LLVM directly.  A kernel is an ordinary function in a module
whose name ends in ``kernels``; it takes scalars and arrays (`signatures`), allocates nothing and raises nothing.

All kernels share one set of options (`JIT_OPTIONS`).  None of them may change a bit of a result: no fastmath, no
contraction into FMA, no vector library in place of libm's sin and cos.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib
import importlib.util
import os
import re
import sys
import threading
import time
import warnings
from collections.abc import Callable, Collection, Iterator
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from aenet_py.errors import AenetWarning, in_a_line
from aenet_py.runtime import interpreted
from aenet_py.runtime.signatures import Arguments, binder, from_text, to_text

JIT_OPTIONS: dict[str, Any] = {"nopython": True, "nogil": True, "fastmath": False, "error_model": "numpy"}

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p)
PRUNE_AFTER = 30 * 86400.0  # s without use, after which an object is removed from the cache
TOUCH_AFTER = 86400.0  # s, how far the time of an object's last use may lag behind
_RESOLVING = threading.Lock()  # neither LLVM's linker nor Numba is for two threads at once


def jit(function: Callable) -> Callable:
    """Numba's ``njit`` with the options all kernels share; for use in kernel modules."""
    _forbid_vector_math()
    import numba

    options = {name: value for name, value in JIT_OPTIONS.items() if name != "nopython"}
    return numba.njit(**options)(function)


def _forbid_vector_math() -> None:
    # Intel's vector library, where installed, rounds sin and cos differently from libm.
    if "numba" not in sys.modules:
        os.environ["NUMBA_DISABLE_INTEL_SVML"] = "1"


class _Scratch(threading.local):
    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}


_SCRATCH = _Scratch()


def scratch(name: str, size: int, dtype: type = np.float64) -> np.ndarray:
    """An uninitialised array of this thread, good until the thread asks for the same name again.

    Fresh memory costs more than most kernels: the system clears every page of it.
    """
    array = _SCRATCH.arrays.get(name)
    if array is None or len(array) < size:
        array = _SCRATCH.arrays[name] = np.empty(size + size // 2, dtype=dtype)
    return array[:size]


MakeArray: TypeAlias = Callable[..., np.ndarray]  # as `scratch` or `own_array`


def own_array(name: str, size: int, dtype: type = np.float64) -> np.ndarray:  # noqa: ARG001 - as `scratch`
    """An uninitialised array for the caller alone."""
    return np.empty(size, dtype=dtype)


_Call: TypeAlias = Callable[[bytes], int]


class Kernel:
    """A compiled function, resolved at its first call.

    Calls name every argument and release the GIL while the kernel runs.  They return an int, and raise TypeError or
    ValueError for an argument that is not what the function's annotations say.

    Parameters
    ----------
    name
        ``"package.module:function"`` of the Python source.
    constants
        Integers and arrays that become part of the machine code, by the names of the arguments for which they stand.
    single
        Names of arguments that are arrays of float32 where the function's annotations say float64.

    Examples
    --------
    >>> recenter = Kernel("aenet_py.neighbors.kernels:recenter")
    >>> recenter(starts=[0, 2])
    Traceback (most recent call last):
        ...
    TypeError: neighbors_kernels_recenter: the call lacks work, first, cartesian, vectors
    """

    def __init__(self, name: str, constants: dict[str, Any] | None = None, single: Collection[str] = ()):
        self.name, self.constants, self.single = name, constants or {}, frozenset(single)
        self.module, self.function = name.split(":")
        self.symbol = "_".join([*self.module.split(".")[-2:], self.function])  # unique among all kernels
        if self.single:
            self.symbol += "_single"
        if self.constants:
            self.symbol += f"_{_digest(self.constants)}"
        self._resolved: tuple[_Call, Arguments] | None = None
        self._bind: Callable[[dict[str, Any]], bytes] | None = None

    def __call__(self, **arguments: Any) -> int:
        if interpreted.WANTED:
            return interpreted.call(self.module, self.function, arguments)
        call, types = self._resolved or self._resolve()
        if self._bind is None:
            self._bind = binder(self.symbol, types)
        return call(self._bind(arguments))

    def bound(self, **fixed: Any) -> Callable[..., int]:
        """The kernel with some arguments, which are checked once; a call names the others.

        Arrays must not be resized meanwhile.
        """
        if interpreted.WANTED:
            return lambda **others: self(**fixed, **others)
        call, types = self._resolved or self._resolve()
        bind = binder(self.symbol, types, fixed)
        return lambda **others: call(bind(others))

    def ready(self) -> None:
        """Import now what the first call needs: LLVM, and Numba unless the machine code is kept."""
        if not interpreted.WANTED:
            self._resolve()

    def is_kept(self) -> bool:
        """Whether its machine code need not be compiled."""
        if interpreted.WANTED:
            return False
        with contextlib.suppress(_OtherInterfaceError), _expected_interface():
            return self._resolved is not None or _read_checked(self._path()) is not None
        return False

    def _path(self) -> str:
        return os.path.join(cache_folder(), f"{self.symbol}-{_fingerprint()}.o")

    def _resolve(self) -> tuple[_Call, Arguments]:
        with _RESOLVING:
            if self._resolved is None:
                try:
                    self._resolved = self._from_cache()
                except _OtherInterfaceError as error:
                    _warn_of_llvmlite(str(error))
                    self._resolved = self._from_numba()
            return self._resolved

    def _from_cache(self) -> tuple[_Call, Arguments]:
        with _expected_interface():
            path = self._path()
        stored = _read_checked(path)
        if stored is None:
            stored = self._compile()
            _write_checked(path, stored)
            _prune(path)
        text, _, code = stored.partition(b"\0")
        with _expected_interface():
            return _CALLBACK(_load(code, self.symbol)), from_text(text.decode())

    def _compile(self) -> bytes:
        """The kernel's arguments and, after a zero, its object code."""
        if sys.stderr.isatty() and not self.constants:  # with constants, nobody waits for it
            print(f"Compiling {self.function}, once for this processor ...", file=sys.stderr)
        compiler, arguments, callback = self._compiled()
        with _expected_interface():
            code = compiler.object_code(callback, self.function, self.symbol, _engine()[1])
        return to_text(arguments).encode() + b"\0" + code

    def _from_numba(self) -> tuple[_Call, Arguments]:
        """As `_from_cache`, by Numba's own interface alone; nothing is kept."""
        _, arguments, callback = self._compiled()
        call = _CALLBACK(callback.address)
        call.callback = callback  # type: ignore[attr-defined]  # which owns the machine code
        return call, arguments

    def _compiled(self) -> tuple[Any, Arguments, Any]:
        _forbid_vector_math()
        from aenet_py.runtime import compiler

        function = getattr(importlib.import_module(self.module), self.function)
        arguments = compiler.arguments_of(function, self.single)
        return compiler, arguments, compiler.compiled(function, arguments, JIT_OPTIONS, self.constants)


def ready(*modules: ModuleType) -> None:
    """Import now what the first calls of these modules' kernels need (`Kernel.ready`)."""
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Kernel):
                value.ready()


def _digest(constants: dict[str, Any]) -> str:
    """Sixteen hexadecimal digits that identify constants."""
    digest = hashlib.sha256()
    for name, value in sorted(constants.items()):
        array = np.asarray(value)
        digest.update(f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes())
    return digest.hexdigest()[:16]


class _OtherInterfaceError(Exception):
    """llvmlite's interface is not what this module was written for."""


@contextlib.contextmanager
def _expected_interface() -> Iterator[None]:
    try:
        yield
    except (AttributeError, ImportError, TypeError) as error:
        raise _OtherInterfaceError(in_a_line(error)) from error


@functools.cache
def _warn_of_llvmlite(reason: str) -> None:
    message = f"cannot keep compiled kernels with this version of llvmlite ({reason}): every run compiles them anew"
    warnings.warn(f"{message}; install the version in constraints.txt", AenetWarning, stacklevel=5)


@functools.cache
def _engine() -> tuple[Any, Any]:
    """LLVM's just-in-time linker and the machine it generates code for: this processor."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()

    def machine() -> Any:
        features = llvm.get_host_cpu_features().flatten()
        return llvm.Target.from_default_triple().create_target_machine(
            opt=3, cpu=llvm.get_host_cpu_name(), features=features
        )

    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine()), machine()


def _load(code: bytes, function: str) -> int:
    import llvmlite.binding as llvm

    linker, _ = _engine()
    linker.add_object_file(llvm.ObjectFileRef.from_data(code))
    linker.finalize_object()
    address = linker.get_function_address(function)
    if not address:
        raise AttributeError(f"no function {function} in its object code")
    return address


@functools.cache
def _fingerprint() -> str:
    """Everything the object code depends on: the kernels' sources, the compiler and the processor."""
    import llvmlite
    import llvmlite.binding as llvm

    digest = hashlib.sha256()
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for path in (*_sources(package), _numba_version_file()):
        with open(path, "rb") as source:
            digest.update(source.read() + b"\0")
    features = llvm.get_host_cpu_features().flatten()
    for text in (llvmlite.__version__, sys.platform, llvm.get_host_cpu_name(), features):
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()[:24]


def _sources(package: str) -> list[str]:
    """The kernels' modules, those with constants that kernels use, and those that compile them."""
    return [
        os.path.join(folder, name)
        for folder, _, names in sorted(os.walk(package))
        for name in sorted(names)
        if name.endswith(("kernels.py", "constants.py")) or name in _COMPILING
    ]


_COMPILING = ("accelerate.py", "compiler.py", "signatures.py")


def _numba_version_file() -> str:
    """The file with Numba's version, which is found, and read, much faster than Numba is imported."""
    for folder in sys.path:
        path = os.path.join(folder, "numba", "_version.py")
        if os.path.isfile(path):
            return path
    spec = importlib.util.find_spec("numba")
    if spec is None or spec.origin is None:
        raise ImportError("numba is not installed")
    return os.path.join(os.path.dirname(spec.origin), "_version.py")


@functools.cache
def cache_folder() -> str:
    """The first of these that can be written to: $AENET_PY_CACHE, the user's cache folder, the temporary folder."""
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    for folder in (os.environ.get("AENET_PY_CACHE"), os.path.join(caches, "aenet_py")):
        if folder and _usable(folder):
            return folder
    import tempfile

    owner = os.getuid() if hasattr(os, "getuid") else "user"
    folder = os.path.join(tempfile.gettempdir(), f"aenet_py-{owner}")
    return folder if _usable(folder) else tempfile.mkdtemp(prefix="aenet_py-")


def _usable(folder: str) -> bool:
    """Whether machine code can be kept there, and nobody else could have put it there."""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        status = os.stat(folder)
    except OSError:
        return False
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        return False
    return os.access(folder, os.W_OK)


def _read_checked(path: str) -> bytes | None:
    """What is kept in a file; None if there is none, or it is damaged."""
    try:
        with open(path, "rb") as file:
            stored, used = file.read(), os.fstat(file.fileno()).st_mtime
    except OSError:
        return None
    if time.time() - used > TOUCH_AFTER:
        with contextlib.suppress(OSError):
            os.utime(path)  # so that it is not pruned
    digest, content = stored[:32], stored[32:]
    return content if hashlib.sha256(content).digest() == digest else None


def _write_checked(path: str, content: bytes) -> None:
    try:
        with open(f"{path}.{os.getpid()}", "wb") as file:
            file.write(hashlib.sha256(content).digest() + content)
        os.replace(file.name, path)
    except OSError:
        return  # without the cache the next run compiles again


def _prune(kept: str) -> None:
    """Remove from the folder of an object what nothing has used for a long time, whichever version made it."""
    folder, name = os.path.split(kept)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not _OBJECT.fullmatch(entry.name) or entry.name == name:
                continue
            with contextlib.suppress(OSError):  # another process may have removed it
                if time.time() - entry.stat(follow_symlinks=False).st_mtime > PRUNE_AFTER:
                    os.unlink(entry.path)


_OBJECT = re.compile(r"\w+-[0-9a-f]{24}\.o(\.\d+)?")  # the second are files of processes that were killed
