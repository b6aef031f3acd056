"""Importing torch, which takes longer than most small trainings do: beside other work, without what nobody needs."""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from aenet_py.runtime.signals import uninterrupted

SHORT = 1e-4  # seconds until a thread that imports lets another one continue
# Parts of torch for compiling, exporting and quantising models, which `import torch` loads, too: a third of its time.
UNUSED = (
    "torch._meta_registrations", "torch.distributed._meta_registrations", "torch.export", "torch.distributions",
    "torch.ao", "torch.quantization", "torch.nn.intrinsic", "torch.nn.qat", "torch.nn.quantizable",
    "torch.nn.quantized", "torch.utils.data",
)  # fmt: skip


@contextlib.contextmanager
def importing(module: str) -> Iterator[None]:
    """Import a module during the block: torch takes a second, in which gradients can be read or computed.

    The block itself must not import anything: if two threads import modules that need each other, Python gives one of
    them an incomplete module.
    """
    usual, thread = sys.getswitchinterval(), ThreadPoolExecutor(1)
    sys.setswitchinterval(SHORT)
    try:
        with uninterrupted():
            imported = thread.submit(_imported, module)
        yield
    finally:
        with uninterrupted():  # an abandoned thread would let signals end in tracebacks
            thread.shutdown()
        sys.setswitchinterval(usual)
    imported.result()


def _imported(module: str) -> None:
    """Import a module while the garbage collector rests: what modules allocate is no garbage."""
    is_enabled = gc.isenabled()
    gc.disable()
    try:
        importlib.import_module(module)
        if gc.get_freeze_count():  # as `common.run` does with the modules of our programs
            gc.freeze()
    finally:
        if is_enabled:
            gc.enable()


@contextlib.contextmanager
def postponed(modules: Sequence[str] = UNUSED) -> Iterator[None]:
    """Load these modules, if they are imported in the block, only when something is looked up in them.

    Only for a process in which nobody compiles, exports or quantises models: what such a module registers elsewhere is
    missing until then, and torch's modules import each other in circles.
    """
    finder = _Postponing(frozenset(modules))
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Postponing(MetaPathFinder):
    """Finds modules as Python does, but with loaders that wait."""

    def __init__(self, modules: frozenset[str]):
        self._modules = modules

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname in self._modules else None
        if spec is not None and spec.loader is not None:
            spec.loader = _Waiting(spec.loader)
        return spec


class _Waiting(Loader):
    """Loads a module when a name is looked up in it.

    importlib.util.LazyLoader would load it at the second import already.
    """

    def __init__(self, loader: Loader):
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        def found(name: str) -> Any:
            if name.startswith("__"):  # Python itself looks for these in any module
                raise AttributeError(name)
            if vars(module).pop("__getattr__", None) is not None:
                self._loader.exec_module(module)
            return getattr(module, name)

        vars(module)["__getattr__"] = found
