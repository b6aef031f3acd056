"""Files of torch.save, read without torch: plain values, and the shapes of tensors.

The values are pickled.  No code in a file is executed: a pickle may use the names in `_KNOWN` only, which here create
dictionaries and descriptions of tensors.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aenet_py.errors import AenetError, InputError, in_a_line

if TYPE_CHECKING:
    from typing_extensions import Self

MAGIC = b"PK\x03\x04"
MOST_BYTES = 1 << 28  # of the pickled values, without tensors
_FORMS = {"FloatStorage": "<f", "DoubleStorage": "<d", "IntStorage": "<i", "LongStorage": "<q"}


@dataclass(frozen=True)
class Tensor:
    """A tensor: type and name of its storage in the file, index of its first value there, and shape."""

    kind: str
    name: str
    first: int
    shape: tuple[int, ...]


class TorchFile:
    """The values of a file, and single numbers of tensors on request; InputError for other files."""

    def __init__(self, path: str):
        self.path = path
        try:
            self._archive = zipfile.ZipFile(path)
            (name,) = (name for name in self._archive.namelist() if name.endswith("/data.pkl"))
            if self._archive.getinfo(name).file_size > MOST_BYTES:
                raise ValueError(f"its values take more than {MOST_BYTES} bytes")
            self._root = name.removesuffix("/data.pkl")
            with self._archive.open(name) as file:
                self.values = _Unpickler(file).load()
        except FileNotFoundError:
            raise AenetError(f"{path}: no such file") from None
        except Exception as error:  # a damaged pickle may raise errors of any class
            raise InputError(path, f"not a file of torch, or damaged ({in_a_line(error)})") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def number(self, tensor: Tensor) -> float:
        """The first value of a tensor; InputError if it is missing."""
        form = _FORMS.get(tensor.kind, "<f")
        try:
            with self._archive.open(f"{self._root}/data/{tensor.name}") as file:
                start = tensor.first * struct.calcsize(form)
                return float(struct.unpack(form, file.read(start + struct.calcsize(form))[start:])[0])
        except (KeyError, OSError, struct.error, zipfile.BadZipFile):
            raise InputError(self.path, f"the values of tensor {tensor.name} are missing") from None


def _tensor(storage: Any, first: Any, shape: Any, *_: Any) -> Tensor:
    kind, name = storage
    return Tensor(str(kind), str(name), int(first), tuple(map(int, shape)))


_KNOWN = {("collections", "OrderedDict"): OrderedDict, ("torch._utils", "_rebuild_tensor_v2"): _tensor}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name.endswith("Storage"):
            return name
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _KNOWN[module, name]

    def persistent_load(self, pid: Any) -> tuple[Any, Any]:
        _, kind, name, *_ = pid
        return kind, name
