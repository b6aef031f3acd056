"""Pairs of neighbours, of which forces are summed without gradients of features (`summed`)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.descriptors import moments
from aenet_py.descriptors.chebyshev import ChebyshevBasis
from aenet_py.descriptors.model import Model
from aenet_py.descriptors.moments import Tables
from aenet_py.errors import AenetError
from aenet_py.formats.source import Advance
from aenet_py.neighbors.search import environments, search_cell
from aenet_py.runtime import memory
from aenet_py.runtime.accelerate import Kernel, scratch
from aenet_py.runtime.workers import Workers
from aenet_py.structure import Structure
from aenet_py.training.data.gradients import places_of

_list_pairs = Kernel("aenet_py.training.data.pairs_kernels:list_pairs")
NEED_GRADIENTS = ("lm", "ekf")  # methods that use derivatives of single forces
CHECKED = 256  # structures after which it is estimated whether there is room for all
MOST_ATOMS, MOST_MEMBERS = 2**15, 2**16  # of a structure: numbers of two bytes


@dataclass(frozen=True)
class Pairs:
    """Neighbours in some structures, whose atoms are ordered by network.

    Parameters
    ----------
    model
        Set-ups, by network.
    tables
        Of its basis.
    numbers
        (n_structures,) int64, which of the n structures that follow each is, or -1.
    atoms
        (n + 1,) int64, where the atoms of each begin.
    networks
        (n_atoms,) int64.
    positions
        (n_atoms, 3) Å.
    cells
        (n, 3, 3) Å, zero for isolated structures.
    first_members
        (n + 1,) int64, where the members of each begin: its atoms, then the images around them.
    members
        (n_members, 4) int16, the atom that each is, and its cell.
    first_pairs
        (n + 1,) int64, where the pairs of each structure begin.
    ends_of
        (n_atoms n_networks + n,) int32, for each structure: where the pairs of each atom with each network begin, and
        where the last ends, from its first pair.
    partners
        (n_pairs,) uint16, the other one of each pair, as a member.
    most_pairs
        Pairs of the atom that has most.
    """

    model: Model
    tables: Tables
    numbers: np.ndarray
    atoms: np.ndarray
    networks: np.ndarray
    positions: np.ndarray
    cells: np.ndarray
    first_members: np.ndarray
    members: np.ndarray
    first_pairs: np.ndarray
    ends_of: np.ndarray
    partners: np.ndarray
    most_pairs: int

    @functools.cached_property
    def most_members(self) -> int:
        """Members of the structure that has most."""
        return int(np.diff(self.first_members).max())


@dataclass(frozen=True)
class _OfStructure:
    """Of one structure, as in `Pairs`."""

    positions: np.ndarray
    networks: np.ndarray
    cell: np.ndarray
    members: np.ndarray
    ends_of: np.ndarray
    partners: np.ndarray
    most_pairs: int


_PARTS = {
    "networks": np.int64,
    "positions": np.float64,
    "members": np.int16,
    "ends_of": np.int32,
    "partners": np.uint16,
}


def applies(model: Model, method: str) -> bool:
    """Whether a training's forces can be summed over pairs."""
    in_moments = isinstance(model.basis, ChebyshevBasis) and moments.applies(model.basis)
    return in_moments and method not in NEED_GRADIENTS


def listed(
    model: Model, structures: Sequence[Structure | None], networks: Sequence[np.ndarray], threads: int, advance: Advance
) -> Pairs | None:
    """Find the pairs of structures.

    Parameters
    ----------
    model : Model
        Set-ups, by network, to which this `applies`.
    structures : sequence of Structure
        None for those without forces.
    networks : sequence of ndarray
        Per structure, (n_atoms,) int64.
    threads : int
        Threads that search.
    advance : callable
        Called with 1 after each structure.

    Returns
    -------
    Pairs or None
        None if a structure is too large.

    Raises
    ------
    AenetError
        If the memory does not suffice.
    """
    assert isinstance(model.basis, ChebyshevBasis)
    which = [number for number, structure in enumerate(structures) if structure is not None]
    numbers = np.full(len(structures), -1, dtype=np.int64)
    numbers[which] = np.arange(len(which))
    parts = {name: bytearray() for name in _PARTS}
    ends: dict[str, list[int]] = {name: [0] for name in ("networks", "members", "partners")}
    cells, most = [], 0

    def one(number: int) -> _OfStructure | None:
        structure = structures[number]
        assert structure is not None
        return _listed(model, structure, networks[number])

    with Workers(threads) as workers:
        for found in workers.in_order(one, which):
            if found is None:
                return None
            for name, part in parts.items():
                part += getattr(found, name).view(np.uint8).data.cast("B")
            for name, of in ends.items():
                of.append(of[-1] + len(getattr(found, name)))
            cells.append(found.cell)
            most = max(most, found.most_pairs)
            advance(1)
            if len(cells) % CHECKED == 0:
                _check_memory(sum(map(len, parts.values())), len(cells), len(which))
    arrays = {name: np.frombuffer(parts[name], dtype) for name, dtype in _PARTS.items()}
    return Pairs(
        model, moments.tables(model.basis), numbers, np.array(ends["networks"]), arrays["networks"],
        arrays["positions"].reshape(-1, 3), np.array(cells).reshape(-1, 3, 3), np.array(ends["members"]),
        arrays["members"].reshape(-1, 4), np.array(ends["partners"]), arrays["ends_of"], arrays["partners"], most,
    )  # fmt: skip


def _check_memory(n_bytes: int, n_done: int, n: int) -> None:
    """AenetError if there is no room for n structures, of which n_done take so many bytes."""
    need, left = n_bytes / n_done * (n - n_done), memory.available()
    if need > left:
        sizes = f"need {need / 1e9:.2f} GB more, but only {left / 1e9:.2f} GB are available"
        remedy = "use fewer structures with forces, or a machine with more memory"
        raise AenetError(f"the pairs of neighbours of all structures {sizes}; {remedy}")


def _listed(model: Model, structure: Structure, networks: np.ndarray) -> _OfStructure | None:
    """Pairs of one structure; None if it is too large."""
    around = environments([structure], model.r_min, model.r_max)
    n_atoms, n_pairs, n_kinds = structure.n_atoms, len(around.index), len(model.types)
    if n_atoms > MOST_ATOMS:
        return None
    cell, images = np.zeros((3, 3)), np.zeros((n_pairs, 3), dtype=np.int64)
    if structure.lattice is not None:
        cell = search_cell(structure, model.r_max)  # also along open directions, where atoms may have been wrapped
        centers = np.repeat(np.arange(n_atoms), around.counts)
        between = around.vectors[:3].T - (around.positions[around.index] - around.positions[centers])
        images = np.rint(between @ np.linalg.inv(cell)).astype(np.int64)
    low = images.min(axis=0, initial=0)
    counts = images.max(axis=0, initial=0) - low + 1
    members = np.empty((n_atoms + n_pairs, 4), dtype=np.int16)
    ends_of, partners = np.empty(n_atoms * n_kinds + 1, dtype=np.int32), np.empty(n_pairs, dtype=np.uint16)
    places = places_of(networks)
    n_members = _list_pairs(
        places=places, networks=networks, n_kinds=n_kinds, first=around.first, index=around.index, images=images,
        low=low, counts=counts, table=scratch("pairs table", n_atoms * int(counts.prod()), np.int64), members=members,
        ends_of=ends_of, partners=partners,
    )  # fmt: skip
    if n_members > MOST_MEMBERS:
        return None
    order = np.argsort(networks, kind="stable")
    return _OfStructure(
        around.positions[order], networks[order], cell, members[:n_members], ends_of, partners, around.most_neighbors
    )
