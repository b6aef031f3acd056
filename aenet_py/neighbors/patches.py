"""Neighbour lists for simulations, patch by patch: few atoms close together, and all images of atoms around them.

A kernel moves the members of a patch, once per step, to an array that stays in the processor's cache, where each pair
is a member's number.  Neither vectors nor distances of pairs are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from aenet_py.neighbors import verlet
from aenet_py.neighbors.constants import NO_CANDIDATES, NO_MEMBERS, NO_PAIRS
from aenet_py.neighbors.search import Environments, check_memory
from aenet_py.neighbors.verlet import Search
from aenet_py.runtime.accelerate import Kernel, scratch
from aenet_py.runtime.workers import shared

_sort_into_bins = Kernel("aenet_py.neighbors.patch_kernels:sort_into_bins")
_list_patches = Kernel("aenet_py.neighbors.patch_kernels:list_patches")
_unfold = Kernel("aenet_py.neighbors.patch_kernels:unfold")
PER_THREAD = 128  # atoms that pay for waking a thread
LARGEST, SMALLEST, FEWEST = 256, 24, 16  # centres of a patch, and patches of a structure that has more than the least


@dataclass(frozen=True)
class Patches:
    """Pairs of atoms closer than reach + skin, patch by patch.

    Parameters
    ----------
    search
        Where they were searched.
    kinds
        (n_atoms,) int64, of the atoms, from 0; the pairs of an atom are ordered by them.
    n_kinds
        Number of kinds.
    centers
        (n_centers,) int64, atoms whose pairs are listed, patch after patch and in each by kind.
    ends
        (n_patches + 1,) int64, where each patch begins and ends in centers.
    members
        (n_patches + 1,) int64, where the members of each patch begin: its centres, then the images around them.
    atoms
        (n_members,) int64, the atom that each member is.
    offsets
        (n_members, 3) Å, from the atom to the member.
    first
        (n_centers * n_kinds + 1,) int64, where the pairs of each centre with each kind begin.
    partners
        (n_pairs,) int32, the other atom of each pair, as a member of the patch, from 0.
    most_pairs
        Pairs of the atom that has most.
    """

    search: Search
    kinds: np.ndarray
    n_kinds: int
    centers: np.ndarray
    ends: np.ndarray
    members: np.ndarray
    atoms: np.ndarray
    offsets: np.ndarray
    first: np.ndarray
    partners: np.ndarray
    most_pairs: int


def patches(
    atoms: Atoms, kinds: np.ndarray, reach: float, skin: float, n_centers: int | None = None, threads: int = 1
) -> Patches:
    """Find all pairs closer than reach + skin.

    Parameters
    ----------
    atoms
        The structure.
    kinds
        (n_atoms,) int64, by which the pairs of an atom are ordered, from 0 on.
    reach
        Cutoff, Å.
    skin
        Distance added to the cutoff, Å; the pairs are complete until an atom has moved by half of it.
    n_centers
        How many atoms, from the first, need their pairs; None for all.
    threads
        Number of threads; the result does not depend on it.

    Returns
    -------
    Patches
        Their order, and that of all sums, follows from the positions alone.

    Raises
    ------
    AenetError
        As from `verlet.pairs`.
    """
    n_centers, n_kinds = len(atoms) if n_centers is None else n_centers, int(kinds.max(initial=0)) + 1
    grid = verlet.bins(atoms, reach + skin, n_centers)
    centers, ends = divide((grid["scaled"] @ grid["cell"])[:n_centers], kinds)
    _sort_into_bins(**{name: grid[name] for name in ("cell", "scaled", "bins", "place", *verlet.SORTED)})
    threads = worthwhile(threads, n_centers)
    size = len(ends) - 1 if threads == 1 else -(-len(ends) // (2 * threads))
    parts = [ends[start : start + size + 1] for start in range(0, max(len(ends) - 1, 1), max(size, 1))]
    found: list[_Listed | None] = [None] * len(parts)

    def work(number: int) -> int:
        found[number] = _listed(grid, kinds, n_kinds, centers, parts[number], reach + skin)
        return 0

    shared(work, [(number,) for number in range(len(parts))], threads)
    listed = [each for each in found if each is not None]
    n_members, n_pairs = ([0, *np.cumsum([len(getattr(each, name)) for each in listed])] for name in _COUNTED)
    return Patches(
        Search.of(atoms, reach, skin), kinds, n_kinds, centers, ends,
        _joined([each.members for each in listed], n_members), np.concatenate([each.atoms for each in listed]),
        np.concatenate([each.images for each in listed]) @ grid["cell"],
        _joined([each.first for each in listed], n_pairs), np.concatenate([each.partners for each in listed]),
        max(each.most for each in listed),
    )  # fmt: skip


_COUNTED = ("atoms", "partners")


def _joined(places: list[np.ndarray], offsets: list[int]) -> np.ndarray:
    """Places in the parts of an array, each with an end, as places in the whole array."""
    moved = [each[:-1] + offset for each, offset in zip(places, offsets, strict=False)]
    return np.concatenate([*moved, offsets[-1:]]).astype(np.int64)


@dataclass(frozen=True)
class _Listed:
    """Members and pairs of some patches, as in `Patches`, and pairs of the atom that has most."""

    members: np.ndarray
    atoms: np.ndarray
    images: np.ndarray
    first: np.ndarray
    partners: np.ndarray
    most: int


def _listed(
    grid: dict[str, Any], kinds: np.ndarray, n_kinds: int, centers: np.ndarray, ends: np.ndarray, reach: float
) -> _Listed:
    """List patches, whose ends in centers are given."""
    n = int(ends[-1] - ends[0])
    members, first = np.empty(len(ends), dtype=np.int64), np.empty(n * n_kinds + 1, dtype=np.int64)
    most, sizes = np.zeros(1, dtype=np.int64), [32 * n + 4096, 160 * n + 4096, 4096]
    while True:
        n_members, n_pairs, n_candidates = sizes
        atoms, images = np.empty(n_members, dtype=np.int64), np.empty((n_members, 3), dtype=np.int64)
        partners = np.empty(n_pairs, dtype=np.int32)
        short = _list_patches(
            **grid, kinds=kinds, n_kinds=n_kinds, centers=centers, ends=ends,
            place_of=scratch("place of", len(kinds), np.int64),
            corners=scratch("corners", 6, np.int64).reshape(2, 3), box=scratch("box", 9).reshape(3, 3),
            groups=scratch("groups", n_kinds + 1, np.int64), number=scratch("number", n_candidates, np.int64),
            image=scratch("image", 4 * n_candidates, np.int64).reshape(-1, 4),
            at=scratch("at", 3 * n_candidates).reshape(3, -1), others=scratch("others", n_candidates, np.int64),
            members=members, atoms=atoms, images=images, first=first, partners=partners, most=most,
        )  # fmt: skip
        verlet.check_neighbors(int(most[0]), reach)
        if not short:
            n_members, n_pairs = int(members[-1]), int(first[-1])
            partners = partners[:n_pairs]
            return _Listed(members, atoms[:n_members], images[:n_members], first, partners, int(most[0]))
        number = (NO_MEMBERS, NO_PAIRS, NO_CANDIDATES).index(short)
        sizes[number] = 2 * sizes[number]
        for size, n_bytes in zip(sizes, (32, 4, 80), strict=True):
            check_memory(size, n_bytes, reach)


def worthwhile(threads: int, n_centers: int) -> int:
    """How many of these threads save time with so many atoms."""
    return min(threads, max(1, n_centers // PER_THREAD))


def divide(positions: np.ndarray, kinds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Patches of atoms close together: the atoms, patch after patch, and (n_patches + 1,) where the patches begin.

    The atoms of a patch are ordered by kind.  Their sizes follow from the number of atoms, whatever works on them.
    """
    n = len(positions)
    size = min(max(n // FEWEST, SMALLEST), LARGEST)
    done: list[np.ndarray] = []
    waiting = [np.arange(n)] if n else []
    while waiting:
        atoms = waiting.pop()
        if len(atoms) <= size:
            atoms = np.sort(atoms)
            done.append(atoms[np.argsort(kinds[atoms], kind="stable")])
            continue
        here = positions[atoms]
        axis = int(np.argmax(here.max(axis=0) - here.min(axis=0)))
        half = -(-len(atoms) // size) // 2 * size
        order = np.argpartition(here[:, axis], half)
        waiting += [atoms[order[half:]], atoms[order[:half]]]
    ends = np.concatenate([[0], np.cumsum([len(atoms) for atoms in done])]).astype(np.int64)
    return np.concatenate([np.empty(0, dtype=np.int64), *done]), ends


def environments(known: Patches, atoms: Atoms) -> Environments:
    """Neighbours closer than reach at the positions of atoms, from patches that still hold, atom by atom."""
    n, n_centers, m = len(atoms), len(known.centers), len(known.partners)
    positions = np.ascontiguousarray(atoms.positions)
    places = np.empty(n_centers, dtype=np.int64)
    places[known.centers] = np.arange(n_centers)
    first, index, vectors = np.empty(n_centers + 1, dtype=np.int64), np.empty(m, dtype=np.int32), np.empty((4, m))
    total = _unfold(
        reach=known.search.reach, positions=positions, centers=known.centers, ends=known.ends, members=known.members,
        atoms=known.atoms, offsets=known.offsets, first=known.first, partners=known.partners, places=places,
        starts=first, index=index, vectors=vectors,
    )  # fmt: skip
    return Environments(np.array([0, n_centers]), positions, np.zeros((n, 3)), first, index[:total], vectors[:, :total])
