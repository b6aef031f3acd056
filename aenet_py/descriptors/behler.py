"""Symmetry functions (Behler2011) of all atoms of a structure, and their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.accelerate import Kernel, scratch
from aenet_py.descriptors.common import CoincidenceError, row_length
from aenet_py.descriptors.setup import Setup
from aenet_py.errors import AenetError
from aenet_py.neighbors.search import Environments

_features = Kernel(
    "aenet_py.descriptors.behler_kernels:features",
    "i8 i8 i8 i8 i8 i8 i8 i8 i8* i8* i8* i4* f8* i8* i8* i8* f8* i8* i8* i8* f8* i8* f8*",
)
_gradients = Kernel(
    "aenet_py.descriptors.behler_kernels:gradients",
    "i8 i8 i8 i8 i8 i8 i8 i8 i8 i8* i8* i4* f8* i8* i8* i8* i8* f8* i8* i8* i8* f8* i8* f8*",
)


@dataclass(frozen=True)
class Basis:
    """Symmetry functions of all species as the kernels take them.

    types : species; sizes (n,) : features of each; rows (n,) : which set-up's functions each species has; locals_of
    (n, n) : number of each species in the ENV of each, from 0; functions (n_functions, 2) : kind 1 to 5, column of the
    feature; parameters (n_functions, 4); ranges (n, 2), pairs (n, n_env, 2), triples (n, n_env, n_env, 2) : where the
    functions of a set-up begin and end, in all, for a neighbour's species, for those of two; unknown (n, n) : whether
    the set-up of a species lacks another one.
    """

    types: tuple[str, ...]
    sizes: np.ndarray
    rows: np.ndarray
    locals_of: np.ndarray
    functions: np.ndarray
    parameters: np.ndarray
    ranges: np.ndarray
    pairs: np.ndarray
    triples: np.ndarray
    unknown: np.ndarray


def basis(types: Sequence[str], setups: Sequence[Setup], legacy_angular: bool = False) -> Basis:
    """Collect set-ups, one a species, in the order of types (sf_init, sf_add_rad, sf_add_ang, sf_build_index).

    AenetError with legacy_angular, which is for Chebyshev features.

    The original files functions under a set-up's number in TYPES, but looks them up under its species' number in its
    ENV: where these orders differ, a species has the functions of another one.
    """
    if legacy_angular:
        raise AenetError("LEGACY_ANGULAR is for potentials with Chebyshev features; these have Behler2011")
    n, n_env = len(types), max(len(types), *(len(setup.env_types) for setup in setups))
    locals_of = np.array([[_place(t, setup.env_types) for t in types] for setup in setups])
    unknown = locals_of < 0
    rows = np.maximum(np.diagonal(locals_of), 0)
    functions: list[tuple[int, int]] = []
    parameters: list[np.ndarray] = []
    ranges = np.zeros((n, 2), dtype=np.int64)
    pairs = np.zeros((n, n_env, 2), dtype=np.int64)
    triples = np.zeros((n, n_env, n_env, 2), dtype=np.int64)
    for row, setup in enumerate(setups):
        ranges[row, 0], column = len(functions), 0
        neighbors = setup.environment.astype(int) - 1
        for second in range(n_env):
            for third in (None, *range(second, n_env)):
                begin = len(functions)
                for kind in (1, 2, 3) if third is None else (4, 5):
                    for i in np.flatnonzero(setup.functions == kind):
                        wanted = [second] if third is None else [second, third]
                        if sorted(neighbors[i, : len(wanted)]) == wanted:
                            functions.append((kind, column))
                            parameters.append(setup.parameters[i])
                            column += 1
                if third is None:
                    pairs[row, second] = begin, len(functions)
                else:
                    triples[row, second, third] = triples[row, third, second] = begin, len(functions)
        ranges[row, 1] = len(functions)
    sizes = np.array([setup.n_features for setup in setups], dtype=np.int64)
    for t, row, size in zip(types, rows.tolist(), sizes.tolist(), strict=True):
        if ranges[row, 1] - ranges[row, 0] > size:
            raise AenetError(
                f"the set-up of {t} has {size} symmetry functions and would be given the {types[row]} ones; "
                "expected ENV in the order of TYPES"
            )
    return Basis(
        types=tuple(types),
        sizes=sizes,
        rows=rows.astype(np.int64),
        locals_of=np.maximum(locals_of, 0).astype(np.int64),
        functions=np.array(functions, dtype=np.int64).reshape(-1, 2),
        parameters=np.array(parameters, dtype=np.float64).reshape(-1, 4),
        ranges=ranges,
        pairs=pairs,
        triples=triples,
        unknown=unknown,
    )


def _place(symbol: str, env_types: Sequence[str]) -> int:
    return env_types.index(symbol) if symbol in env_types else -1


def features(basis: Basis, types: np.ndarray, found: Environments) -> np.ndarray:
    """As `chebyshev.features`; found has positions of neighbours."""
    n_atoms, out = len(types), np.empty((int(found.starts[-1]), int(basis.sizes.max())))
    stride, work, near = _scratch(basis, found)
    failed = _features(
        len(found.starts) - 1, n_atoms, row_length(found.vectors), len(basis.functions), len(basis.types),
        basis.pairs.shape[1], out.shape[1], stride, found.starts, types, found.first, found.index, found.vectors,
        basis.rows, basis.locals_of, basis.functions, basis.parameters, basis.ranges, basis.pairs, basis.triples, work,
        near, out,
    )  # fmt: skip
    if failed:
        raise CoincidenceError(found.starts, failed - 1)
    return out


def gradients(basis: Basis, types: np.ndarray, found: Environments, start: int, stop: int) -> np.ndarray:
    """As `chebyshev.gradients`."""
    stride, work, near = _scratch(basis, found)
    out = scratch("gradients", 3 * int(np.dot(basis.sizes[types[start:stop]], found.counts[start:stop] + 1)))
    _gradients(
        start, stop, len(types), row_length(found.vectors), len(basis.functions), len(basis.types),
        basis.pairs.shape[1], len(out), stride, types, found.first, found.index, found.vectors, basis.rows,
        basis.locals_of, basis.sizes, basis.functions, basis.parameters, basis.ranges, basis.pairs, basis.triples,
        work, near, out,
    )  # fmt: skip
    return out


def _scratch(basis: Basis, found: Environments) -> tuple[int, np.ndarray, np.ndarray]:
    stride = found.most_neighbors + 1
    rows = 3 + 2 * len(basis.functions)
    return stride, scratch("work", rows * stride), scratch("near", stride, np.int64)
