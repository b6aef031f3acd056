"""Symmetry functions (Behler2011) of all atoms of a structure, and their gradients."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.descriptors.common import CoincidenceError
from aenet_py.descriptors.setup import Setup
from aenet_py.errors import AenetError
from aenet_py.neighbors.search import Environments
from aenet_py.runtime.accelerate import Kernel, scratch

_features = Kernel("aenet_py.descriptors.behler_kernels:features")
_gradients = Kernel("aenet_py.descriptors.behler_kernels:gradients")

KINDS = range(1, 6)

# Behind the original's tables is random memory, but for number 13 (from 0) of the triples of two species: half of a
# pointer, which is 5 in every run, the number of another triple.  (species, center, neighbours) : neighbours, from 0.
BEHIND_TABLES = {(2, 1, *pair): (0, 1) for pair in ((2, 2), (0, 3), (4, 1), (6, 0))}


@dataclass(frozen=True)
class BehlerBasis:
    """Symmetry functions of all species as the kernels take them.

    Parameters
    ----------
    types
        Species.
    sizes
        (n,) number of features.
    functions
        (n_functions, 2) kind, 1 to 5, and column of the feature.
    parameters
        (n_functions, 4) cutoff and so on, as in the set-up.
    ranges, pairs, triples
        (n, 2), (n, n, 2), (n, n, n, 2), where the functions of a species begin and end: all of them, those for a
        neighbour's species, those for the species of two neighbours.
    unknown
        (n, n) whether a species has no features with another one around.
    refused
        Species without features, with the reason.
    notes
        Warnings for the user.
    """

    types: tuple[str, ...]
    sizes: np.ndarray
    functions: np.ndarray
    parameters: np.ndarray
    ranges: np.ndarray
    pairs: np.ndarray
    triples: np.ndarray
    unknown: np.ndarray
    refused: dict[str, str]
    notes: tuple[str, ...]


# The place of a function among those of a species: numbers from 0 of the neighbours' species, the second one -1 for
# radial functions; kind; number in the set-up.  Features are in this order.
Filed = tuple[int, int, int, int]


def basis(
    types: Sequence[str],
    setups: Sequence[Setup],
    legacy_angular: bool = False,
    trained: Sequence[str] | None = None,
) -> BehlerBasis:
    """Collect set-ups, one per species, in the order of types (sf_init, sf_add_rad, sf_add_ang, sf_build_index).

    trained : of potentials, all species of their training, of which types may be some.

    AenetError with legacy_angular, which is for Chebyshev features, and where the original would read memory that is
    not its own.

    The original files the functions of a set-up under its number in TYPES, but looks them up under its species' number
    in its ENV: where these orders differ, a species has the functions of another one.  Its tables are as wide as TYPES:
    numbers beyond that, of species that only ENV has, run on into the next column and meet another species' functions.
    """
    if legacy_angular:
        raise AenetError("LEGACY_ANGULAR is for potentials with Chebyshev features; these have Behler2011")
    n = len(types)
    order = types if trained is None else _numbered(types, setups, trained)
    notes: list[str] = []
    refused: dict[str, str] = {}
    filed = [_filed(symbol, setup, order, notes) for symbol, setup in zip(types, setups, strict=True)]
    sizes = np.array([setup.n_features for setup in setups], dtype=np.int64)
    functions: list[tuple[int, int]] = []
    parameters: list[np.ndarray] = []
    ranges, pairs = np.zeros((n, 2), dtype=np.int64), np.zeros((n, n, 2), dtype=np.int64)
    triples, unknown = np.zeros((n, n, n, 2), dtype=np.int64), np.ones((n, n), dtype=bool)
    for t, (symbol, setup) in enumerate(zip(types, setups, strict=True)):
        around = [_place(u, setup.env_types) for u in types]
        if around[t] < 0:
            continue
        owner = order[around[t] % len(order)]
        if owner not in types:
            raise AenetError(f"{symbol} has the symmetry functions of {owner}; expected the potential of {owner}, too")
        given = types.index(owner)
        if setups[given].n_features > sizes[t]:
            refused[symbol] = (
                f"the set-up of {symbol} has {sizes[t]} symmetry functions and would be given the {owner} ones; "
                "expected ENV in the order of TYPES"
            )
            continue
        if given != t:
            notes.append(
                f"{symbol} has the symmetry functions of {owner}, as in the original, which numbers species by ENV; "
                "list ENV in the order of TYPES"
            )
        begin, keys = len(functions), [entry[:2] for entry in filed[given]]
        functions += [(kind, column) for column, (_, _, kind, _) in enumerate(filed[given])]
        parameters += [setups[given].parameters[i] for *_, i in filed[given]]
        ranges[t] = begin, len(functions)
        for u, v in itertools.product(range(n), repeat=2):
            pair = _cell(len(order), around[t], around[u])
            triple = _cell(len(order), around[t], around[u], around[v])
            unknown[t, u] = pair is None or around[u] < 0
            if not unknown[t, u] and pair is not None:
                pairs[t, u] = begin + bisect_left(keys, pair), begin + bisect_right(keys, pair)
            if triple is not None:
                triples[t, u, v] = begin + bisect_left(keys, triple), begin + bisect_right(keys, triple)
    return BehlerBasis(
        types=tuple(types),
        sizes=sizes,
        functions=np.array(functions, dtype=np.int64).reshape(-1, 2),
        parameters=np.array(parameters, dtype=np.float64).reshape(-1, 4),
        ranges=ranges,
        pairs=pairs,
        triples=triples,
        unknown=unknown,
        refused=refused,
        notes=tuple(notes),
    )


def _numbered(types: Sequence[str], setups: Sequence[Setup], trained: Sequence[str]) -> Sequence[str]:
    """TYPES of the training set, whose order potentials do not tell: that of NETWORKS or of types, if ENV agrees."""
    orders = [trained, types] if len(types) == len(trained) else [trained]
    for order in orders:
        if all(order.index(t) == _place(t, setup.env_types) for t, setup in zip(types, setups, strict=True)):
            return order
    return orders[-1]


def _filed(symbol: str, setup: Setup, order: Sequence[str], notes: list[str]) -> list[Filed]:
    """Where the original files the functions of a set-up, in the order of the features; notes : takes a warning."""
    n, own, known = len(order), order.index(symbol), range(len(setup.env_types))
    kinds = setup.functions.tolist()
    if not all(kind in KINDS for kind in kinds):
        raise AenetError(f"the set-up of {symbol} has a symmetry function of unknown kind; expected G1 to G5")
    neighbors = [named[: 1 if kind < 4 else 2] for kind, named in zip(kinds, setup.environment.tolist(), strict=True)]
    if not all(number in known for around in neighbors for number in around):
        raise AenetError(f"the set-up of {symbol} has a symmetry function for a species that its ENV lacks")
    named = {number for around in neighbors for number in around}
    lacking = [setup.env_types[number] for number in sorted(named) if setup.env_types[number] not in order]
    remedy = f"add {' and '.join(lacking)} to TYPES" if lacking else "list the species of TYPES first under ENV"
    filed: list[Filed] = []
    moved: dict[str, None] = {}
    for i, (kind, around) in enumerate(zip(kinds, neighbors, strict=True)):
        cell = _cell(n, own, *around) or BEHIND_TABLES.get((n, own, *around))
        if cell is None:
            last = max(around)
            raise AenetError(
                f"the set-up of {symbol} has a symmetry function for {_names(setup, around)}, which the original "
                f"cannot store: {setup.env_types[last]} is number {last + 1} under ENV, and TYPES lists {n} species; "
                f"{remedy}"
            )
        if max(around) >= n:
            moved[f"those for {_names(setup, around)} are computed for {_names(setup, cell)}"] = None
        filed.append((*cell, kind, i))
    if moved:
        notes.append(f"symmetry functions of {symbol}: {', '.join(moved)}, as in the original; {remedy}")
    return sorted(filed)


def _names(setup: Setup, around: Sequence[int]) -> str:
    return " and ".join(setup.env_types[number] for number in around if number >= 0)


def _cell(n: int, center: int, *around: int) -> tuple[int, int] | None:
    """The neighbours' species whose functions the original's tables hold where it looks for those of others.

    n : species of TYPES, the width of a table in each direction, column by column; center, around : numbers from 0 of
    species in ENV.  Of one neighbour the second number is -1; None outside the tables.
    """
    place = 0
    for number in reversed(around):
        place = place * n + number
    place = place * n + center
    if not 0 <= place < n ** (len(around) + 1):
        return None
    second, first = divmod(place // n, n)
    return (min(first, second), max(first, second)) if len(around) == 2 else (first, -1)


def _place(symbol: str, env_types: Sequence[str]) -> int:
    return env_types.index(symbol) if symbol in env_types else -1


def features(basis: BehlerBasis, types: np.ndarray, environments: Environments) -> np.ndarray:
    """As `chebyshev.features`; environments has positions of neighbours."""
    out = np.empty((int(environments.starts[-1]), int(basis.sizes.max())))
    work, near = _scratch(basis, environments)
    failed = _features(
        starts=environments.starts, types=types, **environments.neighbors,
        functions=basis.functions, parameters=basis.parameters, ranges=basis.ranges, pairs=basis.pairs,
        triples=basis.triples, work=work, near=near, values=out,
    )  # fmt: skip
    if failed:
        raise CoincidenceError(environments.starts, failed - 1)
    return out


def gradients(basis: BehlerBasis, types: np.ndarray, environments: Environments, start: int, stop: int) -> np.ndarray:
    """As `chebyshev.gradients`."""
    work, near = _scratch(basis, environments)
    out = scratch("gradients", 3 * int(np.dot(basis.sizes[types[start:stop]], environments.counts[start:stop] + 1)))
    _gradients(
        start=start, stop=stop, types=types, **environments.neighbors,
        sizes=basis.sizes, functions=basis.functions, parameters=basis.parameters, ranges=basis.ranges,
        pairs=basis.pairs, triples=basis.triples, work=work, near=near, values=out,
    )  # fmt: skip
    return out


def _scratch(basis: BehlerBasis, environments: Environments) -> tuple[np.ndarray, np.ndarray]:
    stride = environments.most_neighbors + 1
    rows = 3 + 2 * len(basis.functions)
    return scratch("work", rows * stride).reshape(rows, stride), scratch("near", stride, np.int64)
