"""The original's random splits: test set and batches, and each process's share of a batch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from aenet_py.errors import InputError, counted

UNKNOWN, TRAINED, TESTED, HELD, VALIDATED, REPLAYED = -1, 0, 1, 2, 3, 4  # use of a structure; HELD: tested at the end


@dataclass(frozen=True)
class Draw:
    """Structures of each batch: indices of those with forces, and of those without.

    energy_size, force_size : average number of structures without and with forces in a training batch; held : batches
    that are tested once, at the end.
    """

    train: list[tuple[list[int], list[int]]]
    test: list[tuple[list[int], list[int]]]
    energy_size: int
    force_size: int
    held: list[tuple[list[int], list[int]]] = field(default_factory=list)


def split(roles: np.ndarray, test_fraction: float) -> tuple[list[int], list[int]]:
    """Indices of training and test structures (split_database), drawn from NumPy's global generator.

    roles (n,) : TRAINED and TESTED structures stay so; of the UNKNOWN ones, the fraction is tested.
    """
    indices = list(range(len(roles)))
    np.random.shuffle(indices)  # noqa: NPY002 - the original's generator
    order = np.array(indices, dtype=np.int64)
    tested = roles[order] == TESTED
    new = np.flatnonzero(roles[order] == UNKNOWN)
    tested[new[: math.floor(test_fraction * len(new))]] = True
    return order[~tested].tolist(), order[tested].tolist()


def number_of_batches(n: int, size: float) -> int:
    """Such that the last batch is not much smaller than the others (get_N_batch)."""
    if size <= 0:
        return min(n, 1)
    n_batches = int(n / size)
    rest = n - n_batches * size
    if (rest >= int(size / 2) or n_batches == 0) and rest != 0:
        n_batches += 1
    return n_batches


def sizes(n: int, n_batches: int) -> list[int]:
    """Structures per batch, the larger batches at random places (get_batch_indexes_N_batch)."""
    base, extra = divmod(n, n_batches)
    counts = np.array([base + (i < extra) for i in range(n_batches)])
    np.random.shuffle(counts)  # noqa: NPY002 - the original's generator
    return counts.tolist()


def draw(with_forces: np.ndarray, batch_size: int, test_fraction: float, roles: np.ndarray | None = None) -> Draw:
    """Draw the batches (select_batch_size, select_batches) from NumPy's global generator.

    Parameters
    ----------
    with_forces : ndarray of bool, shape (n,)
        Which structures have forces.
    batch_size : int
        Structures per batch, approximately.
    test_fraction : float
        Fraction of the structures to test.
    roles : ndarray, shape (n,), optional
        As in `split`; by default all are UNKNOWN.  HELD structures are left out.

    Returns
    -------
    Draw
    """
    if roles is None:
        roles = np.full(len(with_forces), UNKNOWN)
    energies_only, forces = (np.flatnonzero(chosen & (roles != HELD)) for chosen in (~with_forces, with_forces))
    n_energy, n_force = len(energies_only), len(forces)
    parts_e, parts_f = (split(roles[structures], test_fraction) for structures in (energies_only, forces))
    share = n_force / (n_force + n_energy)
    if share <= 0.5:
        size: float = round((1 - share) * batch_size)
        more, fewer = parts_e, parts_f
    else:
        size = share * batch_size
        more, fewer = parts_f, parts_e
    counts = [number_of_batches(len(part), size) or min(1, len(other)) for part, other in zip(more, fewer, strict=True)]
    if n_force:
        counts = [min(count, n_force) for count in counts]
    energy = _draw(energies_only, counts, test_fraction, roles)
    force = _draw(forces, counts, test_fraction, roles)
    return Draw(
        list(itertools.zip_longest(force[0], energy[0], fillvalue=[])),
        list(itertools.zip_longest(force[1], energy[1], fillvalue=[])),
        _mean_size(energy[0]),
        _mean_size(force[0]),
    )


def _mean_size(parts: list[list[int]]) -> int:
    return round(float(np.mean([len(part) for part in parts]))) if parts else 0


def _draw(
    structures: np.ndarray, counts: list[int], test_fraction: float, roles: np.ndarray
) -> tuple[list[list[int]], list[list[int]]]:
    if not len(structures):
        return [], []
    drawn: list[list[list[int]]] = []
    for chosen, n_batches in zip(split(roles[structures], test_fraction), counts, strict=True):
        parts, start = [], 0
        for n in sizes(len(chosen), n_batches) if n_batches else []:
            parts.append(structures[chosen[start : start + n]].tolist())
            start += n
        drawn.append(parts)
    return drawn[0], drawn[1]


def share(n_with_forces: int, n_atoms: np.ndarray, rank: int, size: int) -> np.ndarray:
    """Places in a batch of the structures that process `rank` of `size` works on, in order.

    n_atoms (n,) : of the structures; those with forces come first and are divided first.  The largest structures are
    assigned first, each to the process with the fewest atoms so far.
    """
    if size == 1:
        return np.arange(len(n_atoms))
    loads, owners = [0] * size, np.empty(len(n_atoms), dtype=np.int64)
    for part in (slice(0, n_with_forces), slice(n_with_forces, len(n_atoms))):
        for place in (part.start + np.argsort(-n_atoms[part], kind="stable")).tolist():
            owners[place] = loads.index(min(loads))
            loads[owners[place]] += int(n_atoms[place])
    return np.flatnonzero(owners == rank)


def shared(draw: Draw, n_atoms: np.ndarray, rank: int, size: int) -> np.ndarray:
    """Which structures a process works on in all batches, (n,) bool; n_atoms (n,) : of all structures."""
    mine = np.zeros(len(n_atoms), dtype=bool)
    for with_forces, energies_only in (*draw.train, *draw.test, *draw.held):
        numbers = np.array([*with_forces, *energies_only], dtype=np.int64)
        mine[numbers[share(len(with_forces), n_atoms[numbers], rank, size)]] = True
    return mine


def even(work: np.ndarray, n_shares: int) -> list[int]:
    """Where consecutive items are divided into shares of about the same work, (n_shares - 1,); work (n,) : of each."""
    done = np.cumsum(work)
    return np.searchsorted(done, [done[-1] * i / n_shares for i in range(1, n_shares)]).tolist()


def smallest(batches: Sequence[tuple[list[int], list[int]]]) -> int:
    """Number of structures in the smallest batch, 0 if there is none."""
    return min((len(first) + len(second) for first, second in batches if first or second), default=0)


def check_ranks(draw: Draw, n_ranks: int, deck: str) -> None:
    """InputError if a training batch has fewer structures than there are processes."""
    least = smallest(draw.train)
    if 0 < least < n_ranks:
        message = f"a batch has {counted(least, 'structure')}, fewer than the {n_ranks} processes"
        raise InputError(deck, f"{message}; use a larger BATCHSIZE or fewer processes")
