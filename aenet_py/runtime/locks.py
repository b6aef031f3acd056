"""File locks, which the system releases when their holder ends for whatever reason."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from aenet_py.errors import AenetError

OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)


class HeldError(AenetError):
    """Another process holds a lock; holder : its number, as `` (pid 123)``, or empty if unknown."""

    def __init__(self, target: str, program: str, holder: str):
        self.holder = holder
        super().__init__(f"another {program}{holder} is writing {target}; wait for it to end, or stop it")


def lock(fd: int) -> bool | None:
    """Lock an open file or folder: true on success, false if another process holds the lock.

    None if the file system has no locks, as some network file systems.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # which of ENOLCK, ENOTSUP, ENOSYS, EBADF (NFS, a folder) depends on the file system
        return None
    return True


def is_at(fd: int, path: str) -> bool:
    """Whether an open file or folder has this name."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def held(target: str, program: str) -> Iterator[int]:
    """Lock target, a file that need not exist, for writing; HeldError if another process holds the lock.

    program : name of the other process in the error.  The lock is the file `.NAME.lock` beside the target, which is
    removed at the end.  Yields its descriptor: a child process that inherits it holds the lock, too.
    """
    folder, name = os.path.split(os.path.realpath(target))
    path = os.path.join(folder, f".{name}.lock")
    try:
        fd = _opened(path)
        if fd is None:
            raise HeldError(target, program, _holder(path))
    except OSError as error:
        raise AenetError(f"{target}: cannot be written: {error.strerror}") from None
    try:
        with contextlib.suppress(OSError):  # on a full disk, others are not told our number
            os.truncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()} {os.uname().nodename}".encode(), 0)
        yield fd
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
        os.close(fd)


def _opened(path: str) -> int | None:
    """A descriptor of the locked file of this name, or None if another process holds it."""
    while True:
        fd = os.open(path, OPEN, 0o666)
        free = lock(fd) is not False
        if free and is_at(fd, path):  # otherwise the holder ended in between and removed the file
            return fd
        os.close(fd)
        if not free:
            return None


def _holder(path: str) -> str:
    """The number of the process that holds a lock, and its host if it is another one."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            pid, host = file.read(300).split()
    except (OSError, ValueError):
        return ""
    return f" (pid {pid})" if host == os.uname().nodename else f" (pid {pid} on {host})"
