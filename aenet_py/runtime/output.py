"""Output files that appear under their names only when complete.

Until then they are named `.NAME.xxxxxxxx.partial` and locked.  Creating such a file removes those in the same folder
that are not locked, because the programs that wrote them were killed.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aenet_py.errors import AenetError
from aenet_py.runtime import locks
from aenet_py.runtime.signals import uninterrupted

if TYPE_CHECKING:
    from typing_extensions import Self


# Errors of file systems without hard links.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_PENDING = re.compile(r"\..*\.[0-9a-f]{8}\.partial")
_CLOSE = getattr(os, "O_CLOEXEC", 0)
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}

LEAST_AHEAD, MOST_AHEAD = 1 << 20, 64 << 20  # bytes reserved on the disk before they are needed


def allocate(fd: int, start: int, stop: int) -> None:
    """Reserve space if the file system can do so at once: writing is then a third faster.

    Does nothing otherwise, where os.posix_fallocate would write every block, which takes longer than it saves.
    """
    if sys.platform != "linux":
        return
    import ctypes

    fallocate = ctypes.CDLL(None).fallocate
    fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    fallocate(fd, 0, start, stop - start)


class PendingFile:
    """A file with a temporary name beside its destination; if that is a link, beside the file that it leads to.

    `write` appends; `write_at` fills space from `reserve`, from any thread.  `complete` gives the file its name;
    leaving the ``with`` block without it removes the file.

    nameless : no temporary name if the file system supports it (O_TMPFILE), so that nothing remains if the process is
    killed.
    """

    def __init__(self, path: str, nameless: bool = False):
        self.path = path
        self._size = self._allocated = 0
        self._target = os.path.realpath(path)
        check_regular(path)
        folder, name = os.path.split(self._target)
        remove_abandoned(folder)
        try:
            fd = _nameless(folder) if nameless else None
            self._named = fd is None
            self._temporary, self._fd = _new(folder, name, _new_file) if fd is None else (_pending(folder, name), fd)
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
        """Reserve n_bytes at the end of the file; returns their offset."""
        offset = self._size
        self._size += n_bytes
        if self._size > self._allocated:
            ahead = min(max(self._size, LEAST_AHEAD), MOST_AHEAD)
            allocate(self._fd, self._allocated, self._size + ahead)
            self._allocated = self._size + ahead
        return offset

    def write_at(self, offset: int, parts: Sequence) -> None:
        """Write buffers one after the other, from offset on."""
        _write(self._fd, self.path, offset, parts)

    @functools.cached_property
    def handle(self) -> Handle:
        """For other processes of this machine, to write into the file."""
        status = os.fstat(self._fd)
        return Handle(self.path, f"/proc/{os.getpid()}/fd/{self._fd}", (status.st_dev, status.st_ino))

    def complete(self, replace: bool) -> None:
        """Give the file its name; AenetError if a file with that name exists and replace is false."""
        try:
            os.ftruncate(self._fd, self._size)
            if not self._named:  # with a descriptor this calls linkat, which follows the link in /proc
                os.link(f"/proc/self/fd/{self._fd}", self._temporary, src_dir_fd=self._fd, follow_symlinks=True)
            os.close(os.dup(self._fd))  # some network file systems report only now that they are full
            if replace:
                os.replace(self._temporary, self._target)
            else:
                _link(self._temporary, self._target, self.path)
        except OSError as error:
            raise AenetError(f"{self.path}: cannot be written: {error.strerror}") from None


def complete_together(first: PendingFile, others: Sequence[PendingFile]) -> None:
    """Give all files their names, or none, whatever signals arrive; first must not exist, the others are replaced."""
    with uninterrupted():
        first.complete(replace=False)
        try:
            for file in others:
                file.complete(replace=True)
        except AenetError:
            os.unlink(first.path)
            raise


@dataclass(frozen=True)
class Handle:
    """A pending file of another process, with its descriptor at place; identity : device and inode."""

    path: str
    place: str
    identity: tuple[int, int]

    @property
    def is_reachable(self) -> bool:
        """Whether this process can write into the file; it cannot in another container, or without /proc."""
        return _reached(self) is not None

    def write_at(self, offset: int, parts: Sequence) -> None:
        """As `PendingFile.write_at`; the file must be reachable."""
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
    os.close(fd)  # in a container, the number belongs to another process
    return None


def _write(fd: int, path: str, offset: int, parts: Sequence) -> None:
    for start in range(0, len(parts), 1000):  # the system accepts about a thousand buffers at a time
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


def _pending(folder: str, name: str) -> str:
    return os.path.join(folder, f".{name}.{os.urandom(4).hex()}.partial")


def is_pending(name: str) -> bool:
    """Whether a file or folder with this name is incomplete: being written, or left by a killed program."""
    return _PENDING.fullmatch(name) is not None


def _new(folder: str, name: str, make: Callable[[str], int]) -> tuple[str, int]:
    """Temporary name and locked descriptor of a new file or folder; make : creates and opens it."""
    while True:
        path = _pending(folder, name)
        fd = make(path)
        if locks.lock(fd) is not False and locks.is_at(fd, path):
            return path, fd
        os.close(fd)  # another program removed it as abandoned before it was locked


def _new_file(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _CLOSE, 0o666)


def _new_folder(path: str) -> int:
    while True:
        os.mkdir(path)
        with contextlib.suppress(FileNotFoundError):  # as in _new
            return os.open(path, os.O_RDONLY | _CLOSE)


def _nameless(folder: str) -> int | None:
    """Descriptor of a new file without a name, or None if the system has no such files."""
    if not (hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd")):
        return None
    try:
        fd = os.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o666)
    except OSError:  # creating a file with a name reports what is wrong
        return None
    locks.lock(fd)  # it has a temporary name for a moment before it is complete
    return fd


def remove_abandoned(folder: str) -> None:
    """Remove the pending files and folders of killed programs, which are not locked, from a folder."""
    with contextlib.suppress(OSError):
        for name in filter(is_pending, os.listdir(folder)):
            with contextlib.suppress(OSError):
                _remove_unlocked(os.path.join(folder, name))


def _remove_unlocked(path: str) -> None:
    is_folder = stat.S_ISDIR(os.lstat(path).st_mode)
    fd = os.open(path, (os.O_RDONLY if is_folder else os.O_RDWR | os.O_NONBLOCK) | os.O_NOFOLLOW | _CLOSE)
    try:
        if not locks.lock(fd):
            return
        if is_folder:
            import shutil  # slow to import, and rarely needed

            shutil.rmtree(path)
        else:
            os.unlink(path)
    finally:
        os.close(fd)


class PendingFolder:
    """A folder with a temporary name beside a destination, for files that appear together.

    Leaving the ``with`` block removes it with everything still in it.
    """

    def __init__(self, destination: str):
        self._destination = destination
        self._target = os.path.realpath(destination)
        parent, name = os.path.split(self._target)
        remove_abandoned(parent)
        try:
            self.path, self._fd = _new(parent, name, _new_folder)
        except OSError as error:
            raise AenetError(f"{destination}: cannot be written: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        import shutil  # slow to import, and training sets need no folder

        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._fd)

    def complete(self) -> None:
        """Give the folder its name, which must not be taken."""
        if os.path.lexists(self._target):  # an empty folder would be replaced
            raise already_exists(self._destination)
        try:
            os.rename(self.path, self._target)
        except OSError as error:
            raise AenetError(f"{self._destination}: cannot be written: {error.strerror}") from None

    def complete_files(self, targets: Mapping[str, str]) -> None:
        """Give all files their names, or none; targets : final names by the names in the folder.

        AenetError if a target exists with different contents.  One with the same contents is accepted: a program that
        was killed at this point can be run again.
        """
        import filecmp

        free = {os.path.join(self.path, name): target for name, target in targets.items()}
        for path, target in list(free.items()):
            if os.path.lexists(target):
                if not (os.path.isfile(target) and filecmp.cmp(path, target, shallow=False)):
                    raise already_exists(target)
                del free[path]
        done: list[str] = []
        target = ""
        try:
            for path, target in free.items():
                _link(path, target, target)
                done.append(target)
        except (OSError, AenetError) as error:
            for each in done:
                with contextlib.suppress(OSError):
                    os.unlink(each)
            if isinstance(error, AenetError):
                raise
            raise AenetError(f"{target}: cannot be written: {error.strerror}") from None


def _link(temporary: str, target: str, shown: str) -> None:
    """Give a pending file its name, which must not be taken; shown : name of the file in errors."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise already_exists(shown) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.exists(target):
            raise already_exists(shown) from None
        os.replace(temporary, target)


def make_folder(path: str) -> None:
    """Create the folder for results if necessary; AenetError if this fails."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise AenetError(f"{path}: the folder for the results cannot be created: {error.strerror}") from None


def check_regular(path: str) -> None:
    """AenetError if something with this name exists that is not a regular file, such as a folder, device or pipe."""
    try:
        mode = os.stat(path).st_mode
    except OSError:  # creating the file reports what is wrong
        return
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "a device")
        raise AenetError(f"{path}: cannot be written: it is {kind}; choose another name")


def already_exists(path: str) -> AenetError:
    return AenetError(f"{path}: file exists; choose another name")
