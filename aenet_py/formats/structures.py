"""Structures in files: those that a deck lists under FILES, and `read` for those of any kind of file.

    names ──sources──> what each stands for ──items──> one structure at a time, unread ──read_item──> Structure

A deck lists XSF files, files of many frames, and single frames `file#index`.  Names are the deck's, a character for a
byte (`text.foreign`).
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import ase_files, databases, extxyz, frames, xsf
from aenet_py.formats.folders import files_in
from aenet_py.formats.frames import RawFrame
from aenet_py.formats.labels import ANY, Labels
from aenet_py.formats.source import Advance, unwatched
from aenet_py.formats.text import foreign, native
from aenet_py.structure import Structure

Path = str | os.PathLike[str]


@dataclass(frozen=True)
class StructureSource:
    """One entry of a deck: its name there, and the file.

    frames : which frames of the file, or None for an XSF file; structure : the structure itself, if it is not in a
    file; labels : which energies and forces of frames to read.
    """

    name: str
    path: str
    frames: range | None = None
    structure: Structure | None = None
    labels: Labels = ANY

    @property
    def n_structures(self) -> int:
        return 1 if self.frames is None else len(self.frames)


@dataclass(frozen=True)
class Item:
    """A structure that is not yet read: its name in the deck, and its lines unless it is in an XSF file of its own.

    structure, labels : as in `StructureSource`.
    """

    name: str
    raw: RawFrame | None = None
    structure: Structure | None = None
    labels: Labels = ANY

    @property
    def size(self) -> int:
        """Size in the file, in bytes."""
        if self.raw is not None:
            return self.raw.size
        if self.structure is not None:
            return 2 * self.structure.positions.nbytes
        try:
            return os.path.getsize(native(self.name))
        except OSError:
            return 0  # reading it raises the error


def path_of(name: str) -> str:
    """The file of a deck's entry, for the operating system."""
    return _frame_of(name)[0]


def _frame_of(name: str) -> tuple[str, int | None]:
    """File and frame of a deck's entry, unless a file has exactly this name."""
    path, sign, index = name.rpartition("#")
    if sign and index.isdecimal() and frames.is_frames(path) and not os.path.exists(native(name)):
        return native(path), int(index)
    return native(name), None


def sources(names: Sequence[str], labels: Labels = ANY, advance: Advance = unwatched) -> list[StructureSource]:
    """The files and frames of a deck's entries; each file of frames is read once to count them.

    labels : which energies and forces of frames to read; advance : called with the number of bytes read.  InputError
    for a file that cannot be split into frames, and for a frame that does not exist.
    """
    counts: dict[str, int] = {}
    listed = []
    for name in names:
        path, index = _frame_of(name)
        if not frames.is_frames(path):
            listed.append(StructureSource(name, path))
            continue
        if path not in counts:
            counts[path] = frames.count(path, advance)
        n_frames = counts[path]
        if index is not None and index >= n_frames:
            message = f"there is no such frame; expected a number from 0 to {n_frames - 1}"
            raise InputError(frames.frame_name(path, index), message)
        listed.append(
            StructureSource(name, path, range(n_frames) if index is None else range(index, index + 1), labels=labels)
        )
    return listed


def n_bytes(names: Sequence[str]) -> int:
    """Number of bytes that `sources` reads, which are those of the files of frames."""
    paths = {path_of(name) for name in names}
    return sum(os.path.getsize(path) for path in paths if frames.is_frames(path) and os.path.exists(path))


def n_structures(given: Sequence[StructureSource]) -> int:
    return sum(source.n_structures for source in given)


def items(given: Sequence[StructureSource]) -> Iterator[Item]:
    """The structures one by one.  Frames in the order of their file are read in a single pass."""
    path, position = "", 0
    reader: Iterator[RawFrame] = iter(())
    for source in given:
        if source.frames is None:
            yield Item(source.name, structure=source.structure)
            continue
        if source.path != path or source.frames.start < position:
            path, reader, position = source.path, frames.read(source.path), 0
        for index in source.frames:
            raw = next((raw for raw in reader if raw.index == index), None)
            if raw is None:
                raise InputError(path, f"frame {index} has disappeared since the frames were counted")
            position = index + 1
            yield Item(foreign(raw.name), raw, labels=source.labels)


def read_item(item: Item, reference: bool = True, types: Sequence[str] = ()) -> Structure:
    """Read a structure; reference : energy and forces are required, or else not read; types : as in `xsf.read`."""
    if item.structure is not None:
        return item.structure
    if item.raw is None:
        return xsf.read(native(item.name), reference, types)
    structure = extxyz.parse(item.raw, reference, item.labels)
    if reference:
        structure.check_reference()
    return structure


def is_own(path: str) -> bool:
    """Whether a file has the name of an XSF file, extended XYZ or a database of ASE."""
    return frames.is_frames(path) or databases.is_database(path) or xsf.is_xsf(path)


@overload
def read(
    paths: Path | Iterable[Path], index: int, format_name: str | None = ..., energy_key: str | None = ...,
    forces_key: str | None = ...,
) -> Structure: ...  # fmt: skip
@overload
def read(
    paths: Path | Iterable[Path], index: slice | None = ..., format_name: str | None = ...,
    energy_key: str | None = ..., forces_key: str | None = ...,
) -> list[Structure]: ...  # fmt: skip
def read(
    paths: Path | Iterable[Path], index: int | slice | None = None, format_name: str | None = None,
    energy_key: str | None = None, forces_key: str | None = None,
) -> Structure | list[Structure]:  # fmt: skip
    """Read atomic structures from files.

    XSF files (``.xsf``) and extended XYZ (``.extxyz``, ``.xyz``, also ``.xz`` and ``.gz``) are read without ase, which
    reads databases (``.db``, ``.json``) and all other files.

    Parameters
    ----------
    paths : path or iterable of paths
        Files, folders, or single frames ``file#index`` of extended XYZ.  In folders and their subfolders, XSF files,
        extended XYZ and databases are read, sorted by name.
    index : int or slice, optional
        Which of the structures to return, counted from 0 over all files.
    format_name : str, optional
        ASE's name of the format that all files are read in.  By default the name of a file decides, or ASE detects the
        format.
    energy_key : str, optional
        Key of the energy in extended XYZ files that have several.
    forces_key : str, optional
        Column of the forces in extended XYZ files that have several.

    Returns
    -------
    list of Structure, or Structure if `index` is an integer
        Lengths in Å, energies in eV, forces in eV/Å; missing values are None.  A slab or wire in an XSF file is not
        periodic along its open directions, unlike in ``generate.x`` and ``predict.x``, which treat it as periodic
        along all cell vectors.

    Raises
    ------
    AenetError
        If a file does not exist, ase is required but not installed, or there is no structure `index`.
    InputError
        If the content of a file is invalid; the message gives its name and, if possible, the line.

    Examples
    --------
    >>> structures = read("structures")
    >>> len(structures)
    8
    >>> last = read("structures", index=-1)
    >>> last.path, last.n_atoms, last.symbols, last.pbc
    ('structures/set1/s007.xsf', 6, ('Si',), (True, True, True))
    >>> print(f"{last.energy:.3f} eV")
    -955.001 eV
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    labels = Labels(energy_key, forces_key)
    every = itertools.chain.from_iterable(_read_all(os.fspath(path), format_name, labels) for path in given)
    if index is None:
        return list(every)
    if isinstance(index, slice):
        return list(every)[index]
    n_kept = max(1, -index)
    kept = deque(itertools.islice(every, index, index + 1) if index >= 0 else every, n_kept)
    if len(kept) < n_kept:
        raise AenetError(f"there is no structure with index {index} in {', '.join(map(str, given))}")
    return kept[0]


def _read_all(path: str, format_name: str | None, labels: Labels) -> Iterator[Structure]:
    """The structures of a file, of a frame in it, or of all files in a folder."""
    if os.path.isdir(path):
        for file in files_in([path], is_own, "a folder of XSF files, extended XYZ or databases of ASE"):
            yield from _read_all(file, format_name, labels)
        return
    file, index = _frame_of(foreign(path))
    if format_name is not None:
        yield from ase_files.read(path, format_name, reference=False)
    elif index is not None:
        (source,) = sources([foreign(path)], labels)
        yield from (extxyz.parse(item.raw, None, labels) for item in items([source]) if item.raw is not None)
    elif frames.is_frames(file):
        yield from (structure for _, structure in extxyz.read(path, reference=False, labels=labels))
    elif databases.is_database(path):
        yield from databases.read(path, reference=False)
    elif xsf.is_xsf(path):
        yield xsf.read_frame(path)
    else:
        yield from ase_files.read(path, None, reference=False)
