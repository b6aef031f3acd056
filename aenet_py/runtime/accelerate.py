"""Compiled kernels: built once by Numba, kept as machine code, loaded again without importing Numba.

Importing Numba takes longer than the whole work on a small training set, so a kernel's object code is stored in
the user's cache folder and later runs hand it to LLVM directly.  A kernel is an ordinary function in a module
whose name ends in ``kernels``; it takes pointers and scalars, allocates nothing and raises nothing.

All kernels share one set of options (`JIT_OPTIONS`).  None of them may change a bit of a result: no fastmath, no
contraction into FMA, no vector library in place of libm's sin and cos.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

JIT_OPTIONS: dict[str, Any] = {"nopython": True, "nogil": True, "fastmath": False, "error_model": "numpy"}

_CTYPES: dict[str, Any] = {"i8": ctypes.c_int64, "f8": ctypes.c_double}
_NUMBER = (int, float)
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


class Kernel:
    """A compiled function, resolved at its first call.

    Parameters
    ----------
    name : ``"package.module:function"`` of the Python source.
    signature : one word an argument, ``i8`` or ``f8`` for scalars,
        ``u1*``, ``i4*``, ``i8*``, ``f4*`` or ``f8*`` for arrays.

    Calls take NumPy arrays of the type named and return an int.  The GIL is released while the kernel runs.
    """

    def __init__(self, name: str, signature: str):
        self.module, self.function = name.split(":")
        self.symbol = f"{self.module.rpartition('.')[2]}_{self.function}"  # several modules may have a function's name
        self.words = tuple(signature.split())
        self._call: Callable[..., int] | None = None

    def __call__(self, *args: Any) -> int:
        call = self._call or self.ready()
        # ``a.ctypes.data`` takes several times as long
        return call(*[a if isinstance(a, _NUMBER) else a.__array_interface__["data"][0] for a in args])

    def ready(self) -> Callable[..., int]:
        """The function, for which LLVM is imported, and Numba unless the machine code is kept."""
        with _RESOLVING:
            self._call = self._call or self._resolve()
            return self._call

    def _resolve(self) -> Callable[..., int]:
        path = os.path.join(cache_folder(), f"{self.symbol}-{_fingerprint()}.o")
        code = _read_checked(path)
        if code is None:
            code = self._compile()
            _write_checked(path, code)
        arguments: list[Any] = [_CTYPES.get(word, ctypes.c_void_p) for word in self.words]
        return ctypes.CFUNCTYPE(ctypes.c_int64, *arguments)(_load(code, self.symbol))

    def _compile(self) -> bytes:
        """Object code of the kernel alone, under its own name."""
        if sys.stderr.isatty():
            print(f"Compiling {self.function}, once for this processor ...", file=sys.stderr)
        _forbid_vector_math()
        import llvmlite.binding as llvm
        import numba
        from numba import types

        python_function = getattr(importlib.import_module(self.module), self.function)
        scalars = {"i8": types.int64, "f8": types.float64, "i4": types.int32, "f4": types.float32}
        scalars["u1"] = types.uint8
        arguments = [types.CPointer(scalars[w[:-1]]) if w.endswith("*") else scalars[w] for w in self.words]
        compiled = numba.cfunc(types.int64(*arguments), **JIT_OPTIONS)(python_function)
        module = llvm.parse_assembly(compiled.inspect_llvm())
        for item in [*module.functions, *module.global_variables]:
            if item.name == compiled.native_name:
                item.name = self.symbol
            elif not item.is_declaration:
                item.linkage = "internal"
        _, machine = _engine()
        tuning = llvm.create_pipeline_tuning_options(speed_level=3)
        tuning.slp_vectorization = True
        builder = llvm.create_pass_builder(machine, tuning)
        builder.getModulePassManager().run(module, builder)  # drops Numba's Python wrappers, now unreachable
        needed = {f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")}
        if needed - _LIBRARY:
            raise RuntimeError(f"kernel {self.function} allocates or raises: it needs {sorted(needed - _LIBRARY)}")
        return machine.emit_object(module)


_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_LIBRARY = {"cos", "sin", "tanh", "exp", "pow", "sqrt", "fma", "memset", "memcpy", "memmove"}  # what kernels may call


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
    return linker.get_function_address(function)


@functools.cache
def _fingerprint() -> str:
    """Everything the object code depends on: the kernels' sources, the compiler and the processor."""
    import llvmlite
    import llvmlite.binding as llvm

    digest = hashlib.sha256()
    for folder, _, names in sorted(os.walk(_PACKAGE)):
        for name in sorted(names):
            if name.endswith("kernels.py") or name == os.path.basename(__file__):
                with open(os.path.join(folder, name), "rb") as source:
                    digest.update(source.read())
    features = llvm.get_host_cpu_features().flatten()
    for text in (llvmlite.__version__, sys.platform, llvm.get_host_cpu_name(), features):
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()[:24]


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
        found = os.stat(folder)
    except OSError:
        return False
    if hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & 0o022):
        return False
    return os.access(folder, os.W_OK)


def _read_checked(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            stored = file.read()
    except OSError:
        return None
    digest, code = stored[:32], stored[32:]
    return code if hashlib.sha256(code).digest() == digest else None


def _write_checked(path: str, code: bytes) -> None:
    try:
        with open(f"{path}.{os.getpid()}", "wb") as file:
            file.write(hashlib.sha256(code).digest() + code)
        os.replace(file.name, path)
    except OSError:
        return  # without the cache the next run compiles again
