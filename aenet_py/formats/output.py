"""Output files that appear under their names only when they are complete."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aenet_py.errors import AenetError

if TYPE_CHECKING:
    from typing_extensions import Self


# What file systems without hard links answer.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


LEAST_AHEAD, MOST_AHEAD = 1 << 20, 64 << 20  # bytes set aside on the disk before they are needed


def allocate(fd: int, start: int, stop: int) -> None:
    """Ask the file system for room, where it can set it aside at once: writing is then a third faster.

    Nothing happens elsewhere. (os.posix_fallocate would then write every block, which takes longer than it saves.)
    """
    if sys.platform != "linux":
        return
    import ctypes

    fallocate = ctypes.CDLL(None).fallocate
    fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    fallocate(fd, 0, start, stop - start)


class PendingFile:
    """A file under a temporary name beside its destination, which is a file or the one that a link leads to.

    `write` appends; `write_at` fills a place that `reserve` set aside, from any thread.  `complete` gives the file its
    name; leaving the ``with`` block without it removes the file.

    nameless : without the temporary name, where the file system knows such files (O_TMPFILE): then nothing is left of a
    process that is killed, either.
    """

    def __init__(self, path: str, nameless: bool = False):
        self.path = path
        self._size = self._allocated = 0
        self._target = os.path.realpath(path)
        if os.path.exists(self._target) and not os.path.isfile(self._target):
            raise AenetError(f"{path}: cannot be written: it is not a regular file")
        folder, name = os.path.split(self._target)
        self._temporary = os.path.join(folder, f".{name}.{os.urandom(4).hex()}.partial")
        try:
            fd = _nameless(folder) if nameless else None
            self._named = fd is None
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
            self._fd = os.open(self._temporary, flags, 0o666) if fd is None else fd
        except OSError as error:
            raise AenetError(f"{path}: cannot be written: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            os.close(self._fd)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._temporary)

    def write(self, data: bytes | memoryview) -> None:
        self.write_at(self.reserve(len(data)), [data])

    def reserve(self, n_bytes: int) -> int:
        """Set n_bytes aside at the end of the file; returns where they begin."""
        offset = self._size
        self._size += n_bytes
        if self._size > self._allocated:
            ahead = min(max(self._size, LEAST_AHEAD), MOST_AHEAD)
            allocate(self._fd, self._allocated, self._size + ahead)
            self._allocated = self._size + ahead
        return offset

    def write_at(self, offset: int, parts: Sequence) -> None:
        """Write buffers one behind the other."""
        _write(self._fd, self.path, offset, parts)

    @functools.cached_property
    def handle(self) -> Handle:
        """What other processes of this machine write into the file with."""
        status = os.fstat(self._fd)
        return Handle(self.path, f"/proc/{os.getpid()}/fd/{self._fd}", (status.st_dev, status.st_ino))

    def complete(self, replace: bool) -> None:
        """Give the file its name; AenetError if a file of that name exists and replace is false."""
        try:
            os.ftruncate(self._fd, self._size)
            if not self._named:  # any descriptor makes this linkat, which follows the link in /proc
                os.link(f"/proc/self/fd/{self._fd}", self._temporary, src_dir_fd=self._fd, follow_symlinks=True)
            if replace:
                os.replace(self._temporary, self._target)
            else:
                self._link()
        except OSError as error:
            raise AenetError(f"{self.path}: cannot be written: {error.strerror}") from None

    def _link(self) -> None:
        try:
            os.link(self._temporary, self._target)
        except FileExistsError:
            raise already_exists(self.path) from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if os.path.exists(self._target):
                raise already_exists(self.path) from None
            os.replace(self._temporary, self._target)


@dataclass(frozen=True)
class Handle:
    """A pending file of another process, whose descriptor is at place; identity : its device and number."""

    path: str
    place: str
    identity: tuple[int, int]

    @property
    def is_reachable(self) -> bool:
        """Whether this process can write into it: not from another container, or without /proc."""
        return _reached(self) is not None

    def write_at(self, offset: int, parts: Sequence) -> None:
        """As of `PendingFile`, where it is reachable."""
        fd = _reached(self)
        assert fd is not None
        _write(fd, self.path, offset, parts)


@functools.cache
def _reached(handle: Handle) -> int | None:
    try:
        fd = os.open(handle.place, os.O_WRONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return None
    status = os.fstat(fd)
    if (status.st_dev, status.st_ino) == handle.identity:
        return fd
    os.close(fd)  # numbers of processes mean others in a container
    return None


def _write(fd: int, path: str, offset: int, parts: Sequence) -> None:
    for start in range(0, len(parts), 1000):  # the system takes about a thousand buffers at a time
        chunk = [memoryview(part).cast("B") for part in parts[start : start + 1000]]
        while chunk:
            try:
                done = os.pwritev(fd, chunk, offset)
            except OSError as error:
                raise AenetError(f"{path}: cannot be written: {error.strerror}") from None
            offset += done
            while chunk and done >= len(chunk[0]):
                done -= len(chunk.pop(0))
            if chunk:
                chunk[0] = chunk[0][done:]


def _nameless(folder: str) -> int | None:
    """A descriptor of a new file without a name, or None where there are no such files."""
    if not (hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd")):
        return None
    try:
        return os.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o666)
    except OSError:  # whatever is wrong, a file with a name says it
        return None


class PendingFolder:
    """A folder under a temporary name beside a destination, for files that get their names together.

    Leaving the ``with`` block removes it with what is still in it.
    """

    def __init__(self, destination: str):
        parent, name = os.path.split(os.path.realpath(destination))
        self.path = os.path.join(parent, f".{name}.{os.urandom(4).hex()}.partial")
        try:
            os.mkdir(self.path)
        except OSError as error:
            raise AenetError(f"{destination}: cannot be written: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        import shutil  # takes a while, and training sets need no folder

        shutil.rmtree(self.path, ignore_errors=True)

    def complete(self, targets: Mapping[str, str]) -> None:
        """Give files their names, which must be free; targets : by the names they have in the folder."""
        for target in targets.values():
            if os.path.exists(target):
                raise already_exists(target)
        target = ""
        try:
            for name, target in targets.items():
                os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
                os.rename(os.path.join(self.path, name), target)
        except OSError as error:
            raise AenetError(f"{target}: cannot be written: {error.strerror}") from None


def already_exists(path: str) -> AenetError:
    return AenetError(f"{path}: this file exists already and is not overwritten; expected a new name or a free one")
