"""Convert structures between extended XYZ, ASE databases and XSF, and from other formats that ASE reads.

files ──read──> Structure ──write──> one file of frames, or a file for each
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from aenet_py.elements import NUMBER
from aenet_py.errors import AenetError, InputError
from aenet_py.formats import ase_files, databases, extxyz, frames, xsf
from aenet_py.formats import structures as structure_files
from aenet_py.formats.folders import files_in
from aenet_py.formats.frames import FramesFile, Skip
from aenet_py.formats.labels import ANY, Labels, mixed
from aenet_py.formats.read import is_own
from aenet_py.formats.source import Advance
from aenet_py.formats.text import foreign
from aenet_py.runtime.output import PendingFolder, already_exists, check_regular
from aenet_py.runtime.signals import uninterrupted
from aenet_py.structure import Structure, told_of_unknown

WHAT = ".extxyz, .xyz (also .xz, .gz), .xsf, .db or .json"
DIGITS = 6  # of the numbers in names of XSF files
_NUMBER = re.compile(r"%(0\d+)?d")
Add = Callable[[Structure, bytes | None], None]


@dataclass(frozen=True)
class Converted:
    """Numbers of structures and atoms written, of structures without energy and without forces; and warnings."""

    structures: int
    atoms: int
    without_energy: int
    without_forces: int
    warnings: tuple[str, ...]


def needs_ase(given: Sequence[str], output: str, format_name: str | None) -> bool:
    """Whether a conversion requires ase."""
    files = (_file(each) for each in given)
    by_ase = (databases.is_database(path) or not (is_own(path) or os.path.isdir(path)) for path in files)
    return format_name is not None or databases.is_database(output) or any(by_ase)


def files_of(given: Sequence[str]) -> list[str]:
    """Files and frames FILE#N as given, and in place of each folder the files in it that `is_own` accepts."""
    return files_in(given, is_own, f"a file {WHAT}, or a folder of such", lambda each: os.path.exists(_file(each)))


def _file(path: str) -> str:
    """The file, also of a frame FILE#N."""
    return structure_files.path_of(foreign(path))


def _is_frame(path: str) -> bool:
    return structure_files.frame_of(foreign(path))[1] is not None


def convert(
    given: Sequence[str], output: str, format_name: str | None, reference: bool, skip: Skip | None,
    advance: Advance, labels: Labels = ANY,
) -> Converted:  # fmt: skip
    """Convert structures, in the order of the files, to other files, which must not exist.

    Parameters
    ----------
    given : sequence of str
        Files, frames FILE#N, or folders with files of formats that aenet_py reads itself.
    output : str
        Extended XYZ file, ASE database or, for XSF, a folder or a name with %d in place of the number, from 0.
    format_name : str or None
        ASE's name of the format in which all files are read; by default each is read as its name says or ASE detects.
    reference : bool
        Whether energy and forces are required.
    skip : callable or None
        Called with the error of each invalid structure, which is then skipped; None raises the error.
    advance : callable
        Called with the number of bytes read since the last call.
    labels : Labels
        Which energies and forces of extended XYZ to use.

    Returns
    -------
    Converted

    Raises
    ------
    AenetError
        If a file cannot be read or written, or the output exists; nothing is written then.
    """
    paths = files_of(given)
    counts = [0, 0, 0, 0]
    names: dict[str, str] = {}
    unknown: list[tuple[str, int]] = []
    if os.path.isfile(output):
        raise already_exists(output)
    if not os.path.isdir(output):
        check_regular(output)
    with writer(output) as add:
        for frame, content in read_all(paths, format_name, reference, skip, labels, advance):
            try:
                add(frame, content)
            except InputError as error:  # a structure that such a file cannot hold
                if skip is None:
                    raise
                skip(error)
                continue
            for i, n in enumerate((1, frame.n_atoms, frame.energy is None, frame.forces is None)):
                counts[i] += n
            if frame.label is not None:
                names.setdefault(frame.label, frame.path)
            if frame.n_unknown_forces:
                unknown.append((frame.path, frame.n_unknown_forces))
        if counts[0] == 0:
            raise AenetError(f"{output}: the input has no structures to write")
    n, n_atoms, without_energy, without_forces = counts
    warnings = tuple(each for each in (mixed(names), lost(output, unknown)) if each is not None)
    return Converted(n, n_atoms, without_energy, without_forces, warnings)


def lost(output: str, unknown: Iterable[tuple[str, int]]) -> str | None:
    """What a file of this name cannot say about forces that are not known; None if it can, or all are.

    unknown : as in `told_of_unknown`.
    """
    told = None if frames.is_frames(output) or databases.is_database(output) else told_of_unknown(unknown)
    return told and f"{told}; XSF cannot say so, and whatever reads {output} takes the zeros for forces"


def _from_xsf(path: str) -> Structure:
    """A structure; InputError if it has a cohesive energy, which other formats cannot hold."""
    structure = xsf.read_frame(path)
    if structure.cohesive_energy is not None:
        raise InputError(path, "a cohesive energy cannot be converted; give the total energy instead")
    return structure


def read_all(
    paths: Sequence[str], format_name: str | None, reference: bool, skip: Skip | None, labels: Labels, advance: Advance,
    from_xsf: Callable[[str], Structure] = _from_xsf,
) -> Iterator[tuple[Structure, bytes | None]]:  # fmt: skip
    """All structures, with their bytes if they are copied unchanged from extended XYZ.

    paths : files and frames FILE#N; from_xsf : reads an XSF file; all others as in `convert`.
    """
    for are_frames, group in itertools.groupby(paths, _is_frame):
        if are_frames:
            yield from _read_frames(list(group), reference, skip, labels)
        else:
            yield from _read_files(list(group), format_name, reference, skip, labels, advance, from_xsf)


def _read_frames(
    names: Sequence[str], reference: bool, skip: Skip | None, labels: Labels
) -> Iterator[tuple[Structure, bytes | None]]:
    for item in structure_files.items(structure_files.sources([foreign(each) for each in names], labels)):
        if item.raw is None:
            of_item, content = functools.partial(structure_files.read_item, item, reference), None
        else:
            of_item = functools.partial(extxyz.parse, item.raw, reference or None, labels)
            content = item.raw.content if labels == ANY else None
        frame = frames.good(of_item, reference, skip)
        if frame is not None:
            yield frame, content


def _read_files(
    paths: Sequence[str], format_name: str | None, reference: bool, skip: Skip | None, labels: Labels, advance: Advance,
    from_xsf: Callable[[str], Structure],
) -> Iterator[tuple[Structure, bytes | None]]:  # fmt: skip
    for path in paths:
        if format_name is not None or not is_own(path):
            yield from ((frame, None) for frame in ase_files.read(path, format_name, reference, skip))
            advance(os.path.getsize(path))
        elif frames.is_frames(path):
            for raw, frame in extxyz.read(path, reference, skip, labels, advance):
                yield frame, raw.content if labels == ANY else None
        elif databases.is_database(path):
            yield from ((frame, None) for frame in databases.read(path, reference, skip, advance))
        else:
            one = frames.good(functools.partial(from_xsf, path), reference, skip)
            if one is not None:
                yield one, None
            advance(os.path.getsize(path))


def writer(output: str) -> contextlib.AbstractContextManager[Add]:
    """Writer for a file of this name, which appears when the ``with`` block ends without an error."""
    name = os.path.basename(output)
    if frames.is_frames(output):
        return _frames_file(output)
    if databases.is_database(output):
        return _database(output)
    if name.lower().endswith(".xsf"):
        return _xsf_files(output)
    if os.path.isdir(output) or "." not in name:
        return _xsf_files(os.path.join(output, f"%0{DIGITS}d.xsf"))
    raise AenetError(f"{output}: unknown kind of file; choose {WHAT}, a folder or a name with %d in it")


@contextlib.contextmanager
def _frames_file(output: str) -> Iterator[Add]:
    with FramesFile(output) as file:

        def add(frame: Structure, content: bytes | None) -> None:
            _check_elements(frame)
            file.write(extxyz.text(frame) if content is None else content)

        yield add
        with uninterrupted():
            file.complete(replace=False)


@contextlib.contextmanager
def _database(output: str) -> Iterator[Add]:
    with PendingFolder(output) as folder:
        name = "new" + os.path.splitext(output)[1].lower()
        with databases.writing(os.path.join(folder.path, name), output) as write:

            def add(frame: Structure, _: bytes | None) -> None:
                _check_elements(frame)
                write(frame)

            yield add
        with uninterrupted():
            folder.complete_files({name: output})


def _check_elements(frame: Structure) -> None:
    """InputError for species that are not chemical elements, which only XSF files can hold."""
    unknown = [symbol for symbol in frame.symbols if symbol not in NUMBER]
    if unknown:
        reason = "only XSF files can hold species that are not chemical elements"
        raise InputError(frame.path, f"{reason}: {' '.join(unknown)}")


@contextlib.contextmanager
def _xsf_files(pattern: str) -> Iterator[Add]:
    folder, name = os.path.split(pattern)
    is_new = not os.path.isdir(folder or ".")
    names: list[str] = []
    with PendingFolder(folder if is_new else pattern) as pending:

        def add(frame: Structure, _: bytes | None) -> None:
            names.append(_NUMBER.sub(lambda match: match[0] % len(names), name))
            if len(names) == 2 and names[0] == names[1]:
                reason = "an XSF file holds one structure"
                raise AenetError(f"{pattern}: {reason}; choose a name with %d in it, or a folder")
            try:
                with open(os.path.join(pending.path, names[-1]), "wb") as file:
                    file.write(xsf.text(frame))
            except OSError as error:
                raise AenetError(f"{os.path.join(folder, names[-1])}: cannot be written: {error.strerror}") from None

        yield add
        with uninterrupted():
            if is_new:
                pending.complete()
            else:
                pending.complete_files({each: os.path.join(folder, each) for each in names})
