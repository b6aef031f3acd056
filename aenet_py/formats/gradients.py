"""Files of feature gradients, ``NAME.train.forces`` (pytorchoutput).

``docs/formats.md`` has the table of all records.  Sizes are known before the gradients are, so that several writers
can fill one file.
"""

from __future__ import annotations

import struct

import numpy as np

from aenet_py.formats import records

_HEAD, _BETWEEN, _END = struct.Struct("<8i"), struct.Struct("<2i"), records.MARKER  # an atom's markers and integers


def header(n_structures: int) -> bytes:
    return records.integers(n_structures)


def structure(path: str, n_atoms: int, n_types: int, selected: bool) -> bytes:
    """The records in front of a structure's atoms; only selected structures have any."""
    return records.counted_text(path) + records.integers(n_atoms, n_types) + records.logical(selected)


def footer(most_neighbors: int) -> bytes:
    return records.integers(most_neighbors)


def atom_size(n_features: int, n_neighbors: int) -> int:
    """Bytes of one atom's five records."""
    data = (4, 8, 4 * n_neighbors, 24 * n_features, 24 * n_features * n_neighbors)
    return sum(records.record_size(n) for n in data)


def atom(itype: int, n_features: int, neighbors: np.ndarray, own: memoryview, others: memoryview) -> list:
    """One atom's records as a list of buffers.

    itype : 1-based species; neighbors (n,) int32 : 1-based atom numbers; own : bytes of the derivatives with respect
    to the atom, (3, n_features) float64; others : with respect to each neighbour, (3, n_features, n) float64; 1/Å.
    """
    n, n_own, n_others = 4 * len(neighbors), len(own), len(others)
    if n_others > records.MAX_SUBRECORD:
        parts = [records.integers(itype), records.integers(n_features, len(neighbors))]
        return [*parts, *map(records.record, (neighbors.tobytes(), bytes(own), bytes(others)))]
    head = _HEAD.pack(4, itype, 4, 8, n_features, len(neighbors), 8, n)
    between = _BETWEEN.pack(n, n_own), _BETWEEN.pack(n_own, n_others)
    return [head, neighbors.data, between[0], own, between[1], others, _END.pack(n_others)]
