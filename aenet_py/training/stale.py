"""Calibrations of potentials that a training replaces."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from aenet_py.errors import AenetError
from aenet_py.formats import potential, uncertainty


@contextlib.contextmanager
def removed(paths: Sequence[str]) -> Iterator[None]:
    """Remove uncertainty.json beside potentials that the block replaces by others, if it belongs to one of them.

    paths : of the potentials that the block writes.
    """
    files = {os.path.join(os.path.dirname(path), uncertainty.NAME) for path in paths}
    owned = {file: _digests(file) for file in files if os.path.isfile(file)}
    before = {path: _digest(path) for path in paths if owned}
    yield
    replaced = {digest for path, digest in before.items() if digest is not None and digest != _digest(path)}
    for file, digests in owned.items():
        if digests & replaced:
            with contextlib.suppress(OSError):  # programs that find it say what is wrong
                os.unlink(file)


def _digests(file: str) -> set[str]:
    """Of the potentials that a calibration belongs to; none if the file is no calibration."""
    try:
        return {digest for member in uncertainty.read(file).members for digest in member.values()}
    except AenetError:
        return set()


def _digest(path: str) -> str | None:
    try:
        return uncertainty.digest(potential.read(path))
    except AenetError:
        return None
