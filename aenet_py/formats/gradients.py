"""Files of feature gradients, ``NAME.train.forces`` (pytorchoutput).

``docs/formats.md`` has the table of all records.  Sizes are known before the gradients are computed, so several threads
or processes can fill one file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from aenet_py.formats import records
from aenet_py.formats.records import RecordReader
from aenet_py.formats.trainset import read_beginning

ATOM_RECORDS = 5
AHEAD = 1 << 22  # bytes read at once; a record may be as long as the default buffer
_HEAD, _BETWEEN, _END = struct.Struct("<8i"), struct.Struct("<2i"), records.MARKER  # markers and integers of an atom


def path_of(training_set: str) -> str:
    """The file of gradients of a training set."""
    return training_set.removesuffix(".ascii") + ".forces"


def header(n_structures: int) -> bytes:
    return records.integers([n_structures])


def structure(path: str, n_atoms: int, n_types: int, selected: bool) -> bytes:
    """The records before the atoms of a structure; only selected structures have atoms here."""
    return records.counted_text(path) + records.integers([n_atoms, n_types]) + records.logical(selected)


def footer(most_neighbors: int) -> bytes:
    return records.integers([most_neighbors])


def atom_size(n_features: int, n_neighbors: int) -> int:
    """Size of the five records of an atom, in bytes."""
    data = (4, 8, 4 * n_neighbors, 24 * n_features, 24 * n_features * n_neighbors)
    return sum(records.record_size(n) for n in data)


def atom(itype: int, n_features: int, neighbors: np.ndarray, own: memoryview, others: memoryview) -> list:
    """The records of an atom as a list of buffers.

    itype : 1-based species; neighbors (n,) int32 : 1-based atom numbers; own : bytes of the derivatives with respect
    to the atom, (3, n_features) float64; others : with respect to each neighbour, (3, n_features, n) float64; 1/Å.
    """
    n, n_own, n_others = 4 * len(neighbors), len(own), len(others)
    if n_others > records.MAX_SUBRECORD:
        parts = [records.integers([itype]), records.integers([n_features, len(neighbors)])]
        return [*parts, *map(records.record, (neighbors.tobytes(), bytes(own), bytes(others)))]
    head = _HEAD.pack(4, itype, 4, 8, n_features, len(neighbors), 8, n)
    between = _BETWEEN.pack(n, n_own), _BETWEEN.pack(n_own, n_others)
    return [head, neighbors.data, between[0], own, between[1], others, _END.pack(n_others)]


@dataclass(frozen=True)
class GradientEntry:
    """A structure: file name, numbers of atoms and of their species; selected : whether its atoms follow."""

    path: str
    n_atoms: int
    n_types: int
    selected: bool


@dataclass(frozen=True)
class AtomGradients:
    """Gradients of an atom's features, 1/Å, with species and neighbours numbered as in the file.

    itype : species, 1-based; neighbors (n,) int32 : atom numbers, 1-based; own (3, n_features) : derivatives with
    respect to the atom itself; others (3, n_features, n) : with respect to each neighbour, valid until the next atom is
    read.
    """

    itype: int
    neighbors: np.ndarray
    own: np.ndarray
    others: np.ndarray


def read_header(source: RecordReader) -> int:
    """Read the number of announced structures."""
    source.place = "header"
    return source.integer("number of structures", least=0)


def read_entry(source: RecordReader, number: int) -> GradientEntry:
    """Read the records before a structure's atoms; number : of the structure in messages, counted from 1."""
    return GradientEntry(*read_beginning(source, number), source.logical("whether gradients follow"))


def read_atom(source: RecordReader, number: int, atom: int, n_atoms: int) -> AtomGradients:
    """Read the next atom of n_atoms; number, atom : of structure and atom in messages, counted from 1."""
    source.place = f"structure {number}, atom {atom}"
    itype = source.integer("species", least=1)
    n_features, n = source.integers(2, "numbers of features and neighbours").tolist()
    if n_features < 1 or n < 0:
        raise source.error(f"found {n_features} and {n}; expected at least 1 and 0")
    neighbors = source.integers(n, "neighbours")
    if n and (neighbors.min() < 1 or neighbors.max() > n_atoms):
        raise source.error(f"found atoms {neighbors.min()} to {neighbors.max()}; expected 1 to {n_atoms}")
    own = source.reals(3 * n_features, "derivatives by the atom").reshape(3, n_features)
    others = source.borrowed_reals(3 * n_features * n, "derivatives by the neighbours").reshape(3, n_features, n)
    return AtomGradients(itype, neighbors, own, others)


def read(
    source: RecordReader, read_atoms: Callable[[RecordReader, int, GradientEntry], int] | None = None
) -> Iterator[GradientEntry | AtomGradients]:
    """Read a whole file: each structure, followed by its atoms.

    read_atoms : called instead of reading the atoms of a structure of this number; returns their largest number of
    neighbours.  There may be fewer structures than announced, because generate.x also counts skipped structures.
    """
    source.window.ahead = AHEAD
    n_structures, most_neighbors = read_header(source), 0
    number = 1
    while number <= n_structures and not _footer_follows(source):
        entry = read_entry(source, number)
        yield entry
        if entry.selected and read_atoms is not None:
            most_neighbors = max(most_neighbors, read_atoms(source, number, entry))
        elif entry.selected:
            for atom in range(1, entry.n_atoms + 1):
                gradients = read_atom(source, number, atom, entry.n_atoms)
                most_neighbors = max(most_neighbors, len(gradients.neighbors))
                yield gradients
        number += 1
    source.place = "footer"
    announced = source.integer("largest number of neighbours")
    if announced != most_neighbors:
        raise source.error(f"found {announced}; expected {most_neighbors}, as the atoms have")
    source.finish()


def skip_atoms(source: RecordReader, number: int, entry: GradientEntry) -> int:
    """Argument of `read` that skips the atoms of a structure, reading their sizes only."""
    source.window.ahead, most_neighbors = _HEAD.size, 0
    for atom in range(1, entry.n_atoms + 1):
        source.place = f"structure {number}, atom {atom}"
        head = source.window.view(source.offset, _HEAD.size)
        if len(head) < _HEAD.size:
            raise source.error("found the end of the file; expected an atom")
        n_features, n = _HEAD.unpack(head)[4:6]
        if n_features < 1 or n < 0:
            raise source.error(f"found {n_features} features and {n} neighbours; expected at least 1 and 0")
        source.skip(ATOM_RECORDS, atom_size(n_features, n))
        most_neighbors = max(most_neighbors, n)
    return most_neighbors


def entries(path: str) -> list[GradientEntry]:
    """The structures of a file; InputError if it is damaged.  Little of it is read."""
    with RecordReader(path) as source:
        return [step for step in read(source, skip_atoms) if isinstance(step, GradientEntry)]


def selected(path: str) -> list[bool]:
    """Whether the file has the gradients of each structure; InputError as from `entries`."""
    return [entry.selected for entry in entries(path)]


def _footer_follows(source: RecordReader) -> bool:
    return source.window.size - source.offset <= records.record_size(4)
