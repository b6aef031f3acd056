"""Structures from one kind of file to another: extended XYZ, databases of ASE, XSF.

files ──read──> Frame ──write──> one file of frames, or a file for each
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from aenet_py.errors import AenetError
from aenet_py.formats import databases, extxyz, frames, xsf
from aenet_py.formats.folders import files_in
from aenet_py.formats.frames import FramesFile, Skip
from aenet_py.formats.output import PendingFolder, already_exists
from aenet_py.structure import Frame

WHAT = ".extxyz, .xyz (also .xz, .gz), .xsf, .db or .json"
DIGITS = 6  # of a file's number in a folder
_NUMBER = re.compile(r"%(0\d+)?d")
Publish = Callable[[], contextlib.AbstractContextManager]
Add = Callable[[Frame, bytes | None], None]


@dataclass(frozen=True)
class Converted:
    """How many structures were written, and how many of them have no energy, no forces."""

    structures: int
    without_energy: int
    without_forces: int


def is_structures(path: str) -> bool:
    """Whether a file's name is one of those that can be read."""
    return frames.is_frames(path) or databases.is_database(path) or path.lower().endswith(".xsf")


def needs_ase(paths: Sequence[str]) -> bool:
    return any(map(databases.is_database, paths))


def convert(
    given: Sequence[str], output: str, reference: bool, skip: Skip | None, advance: Callable[[int], object],
    publish: Publish,
) -> Converted:  # fmt: skip
    """Write the structures of files, in their order, to others, which must not exist.

    given : files, or folders of them; output : a file of frames, a database, or, for XSF, a folder or a file name with
    %d for the number from 0; reference : energy and forces are required; skip : called instead of raising InputError
    for a structure that is not good; advance : called with 1 for each structure; publish : within it, what is written
    gets its names.
    """
    paths = files_in(given, is_structures, f"a file {WHAT}, or a folder of such")
    for path in paths:
        if not is_structures(path):
            raise AenetError(f"{path}: found a file of another kind; expected {WHAT}")
    counts = [0, 0, 0]
    if os.path.isfile(output):
        raise already_exists(output)
    with _writer(output, publish) as add:
        for frame, content in _read_all(paths, reference, skip):
            add(frame, content)
            for i, counted in enumerate((True, frame.energy is None, frame.forces is None)):
                counts[i] += counted
            advance(1)
        if counts[0] == 0:
            raise AenetError(f"{output}: there is no structure to write; expected one at least")
    return Converted(*counts)


def _read_all(paths: Sequence[str], reference: bool, skip: Skip | None) -> Iterator[tuple[Frame, bytes | None]]:
    """All structures, with the bytes of those that are extended XYZ already."""
    for path in paths:
        if frames.is_frames(path):
            yield from ((frame, raw.content) for raw, frame in extxyz.read(path, reference, skip))
        elif databases.is_database(path):
            yield from ((frame, None) for frame in databases.read(path, reference, skip))
        else:
            found = frames.good(functools.partial(xsf.read_frame, path), reference, skip)
            if found is not None:
                yield found, None


def _writer(output: str, publish: Publish) -> contextlib.AbstractContextManager[Add]:
    """Takes the structures of a file of this name, which appears when the `with` block is left without an error."""
    name = os.path.basename(output)
    if frames.is_frames(output):
        return _frames_file(output, publish)
    if databases.is_database(output):
        return _database(output, publish)
    if name.lower().endswith(".xsf"):
        return _xsf_files(output, publish)
    if os.path.isdir(output) or "." not in name:
        return _xsf_files(os.path.join(output, f"%0{DIGITS}d.xsf"), publish)
    raise AenetError(f"{output}: found a name of another kind; expected {WHAT}, a folder or a name with %d in it")


@contextlib.contextmanager
def _frames_file(output: str, publish: Publish) -> Iterator[Add]:
    with FramesFile(output) as file:
        yield lambda frame, content: file.write(extxyz.text(frame) if content is None else content)
        with publish():
            file.complete(replace=False)


@contextlib.contextmanager
def _database(output: str, publish: Publish) -> Iterator[Add]:
    with PendingFolder(output) as folder:
        name = "new" + os.path.splitext(output)[1].lower()
        with databases.connect_new(os.path.join(folder.path, name)) as database:
            yield lambda frame, _: databases.write(database, frame)
        with publish():
            folder.complete({name: output})


@contextlib.contextmanager
def _xsf_files(pattern: str, publish: Publish) -> Iterator[Add]:
    folder, name = os.path.split(pattern)
    targets: dict[str, str] = {}
    with PendingFolder(pattern if os.path.isdir(folder or ".") else folder) as pending:

        def add(frame: Frame, _: bytes | None) -> None:
            target = os.path.join(folder, _NUMBER.sub(lambda found: found[0] % len(targets), name))
            if targets and not _NUMBER.search(name):
                raise AenetError(f"{pattern}: found a second structure; expected a name with %d in it, or a folder")
            targets[str(len(targets))] = target
            try:
                with open(os.path.join(pending.path, str(len(targets) - 1)), "wb") as file:
                    file.write(xsf.text(frame))
            except OSError as error:
                raise AenetError(f"{target}: cannot be written: {error.strerror}") from None

        yield add
        with publish():
            pending.complete(targets)
