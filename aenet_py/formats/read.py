"""Structures of any file that the programs take."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator
from typing import overload

from aenet_py.errors import AenetError
from aenet_py.formats import ase_files, databases, extxyz, frames, structures, xsf
from aenet_py.formats.folders import files_in
from aenet_py.formats.labels import Labels
from aenet_py.formats.text import foreign
from aenet_py.structure import Structure

Path = str | os.PathLike[str]


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
        Files, folders, or single frames: ``file#index`` of extended XYZ, ``file#id`` of databases.  In folders and
        their subfolders, XSF files, extended XYZ and databases are read, sorted by name.
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
    file, index = structures.frame_of(foreign(path))
    if format_name is not None:
        yield from ase_files.read(path, format_name, reference=False)
    elif index is not None:
        for item in structures.items(structures.sources([foreign(path)], labels)):
            yield structures.read_item(item, False) if item.raw is None else extxyz.parse(item.raw, None, labels)
    elif frames.is_frames(file):
        yield from (structure for _, structure in extxyz.read(path, reference=False, labels=labels))
    elif databases.is_database(path):
        yield from databases.read(path, reference=False)
    elif xsf.is_xsf(path):
        yield xsf.read_frame(path)
    else:
        yield from ase_files.read(path, None, reference=False)
