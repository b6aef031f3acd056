"""Structures that a deck lists, many at once: usual XSF files by a kernel, which other threads need not wait for."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence

import numpy as np

from aenet_py.formats import structures as structure_files
from aenet_py.formats import xsf
from aenet_py.formats.structures import Item
from aenet_py.formats.text import native
from aenet_py.pipelines.constants import LEAST_ATOM, MOST_NAMES, MOST_POWER
from aenet_py.runtime.accelerate import Kernel, scratch
from aenet_py.structure import Structure

_read = Kernel("aenet_py.pipelines.xsf_kernels:read")
_TENS = np.array([10.0**n for n in range(MOST_POWER + 1)])
_AT_ONCE = 1 << 18  # bytes of files, unless it is a single one


def read_items(items: Sequence[Item], types: Sequence[str]) -> list[Structure]:
    """Read structures with energy and forces; types : as in `xsf.read`.

    The result, and the errors, are those of `structures.read_item`.
    """
    usual = _usual(items, types)
    return [
        structure_files.read_item(item, types=types) if structure is None else structure
        for item, structure in zip(items, usual, strict=True)
    ]


def _usual(items: Sequence[Item], types: Sequence[str]) -> list[Structure | None]:
    """The structures in usual XSF files; None for others."""
    data, starts = _contents(items)
    n_bytes, n_files = starts[-1], len(items)
    if n_bytes == 0:
        return [None] * n_files
    counts, lines = np.empty(n_files, np.int64), np.empty(n_files, np.int64)
    energies, cells = np.empty(n_files), np.empty((n_files, 3, 3))
    names = np.empty((n_files, MOST_NAMES), np.int64)
    most = n_bytes // LEAST_ATOM + 1
    species, positions, forces = np.empty(most, np.int64), np.empty((most, 3)), np.empty((most, 3))
    _read(
        data=data[:n_bytes], starts=np.array(starts), tens=_TENS, counts=counts, lines=lines, energies=energies,
        cells=cells, names=names, species=species, positions=positions, forces=forces,
    )  # fmt: skip
    structures: list[Structure | None] = []
    stop = 0
    for item, n_atoms, line, energy, cell, codes in zip(
        items, counts.tolist(), lines.tolist(), energies.tolist(), cells, names.tolist(), strict=True
    ):
        atoms, stop = slice(stop, stop + n_atoms), stop + n_atoms
        symbols = tuple([xsf.species_of(_name(code), types) for code in itertools.takewhile(bool, codes)])
        if n_atoms == 0 or len(set(symbols)) < len(symbols):
            structures.append(None)
            continue
        periodic = line > 0
        structures.append(
            Structure(
                path=native(item.name),
                symbols=symbols,
                species=species[atoms],
                positions=positions[atoms],
                cell=cell if periodic else None,
                pbc=(periodic, periodic, periodic),
                energy=energy,
                forces=forces[atoms],
                first_line=abs(line),
                claimed=(True, True, True) if periodic else None,
            )
        )
    return structures


def _contents(items: Sequence[Item]) -> tuple[np.ndarray, list[int]]:
    """Contents of XSF files, each followed by an end of line, and where they begin; nothing for other structures."""
    data = scratch("files", _AT_ONCE if len(items) > 1 else max(_AT_ONCE, items[0].size + 2), np.uint8)
    room = data.data
    starts = [0]
    for item in items:
        begin = starts[-1]
        n_bytes = _read_into(native(item.name), room[begin:-1]) if item.raw is None and item.structure is None else 0
        if n_bytes:
            data[begin + n_bytes] = ord("\n")
        starts.append(begin + n_bytes + (n_bytes > 0))
    return data, starts


def _read_into(path: str, room: memoryview) -> int:
    """Number of bytes of a file; 0 if it does not fit or cannot be read, which reading it otherwise reports."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return 0
    try:
        n_bytes = os.readv(fd, (room,)) if len(room) else 0
    except OSError:
        return 0
    finally:
        os.close(fd)
    return n_bytes if n_bytes < len(room) else 0


def _name(code: int) -> str:
    """The one or two letters of a name."""
    return code.to_bytes(2, "little").rstrip(b"\0").decode("ascii")
