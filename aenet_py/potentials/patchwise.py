"""Energies and forces of patches of atoms, which threads share: simulations.

Each patch has its own sums, which are added patch after patch, so that the bits do not depend on the threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aenet_py.descriptors import chebyshev, moments
from aenet_py.descriptors.common import CoincidenceError
from aenet_py.neighbors.patches import Patches, worthwhile
from aenet_py.neighbors.search import Environments
from aenet_py.potentials import repulsion
from aenet_py.potentials.committee import Committee
from aenet_py.potentials.potential import Potential, excess
from aenet_py.runtime.accelerate import Kernel, own_array
from aenet_py.runtime.constants import LANES
from aenet_py.runtime.specialise import Specialised
from aenet_py.runtime.workers import shared

SINGLE = (  # arrays of the kernel that may be in single precision
    "recurrence", "norms", "expansion", "weights", "work", "accumulators", "radial", "moments", "lanes", "sums",
    "chain", "values",
)  # fmt: skip
_through_patches = Kernel("aenet_py.potentials.kernels:through_patches")
_in_single_precision = Kernel("aenet_py.potentials.kernels:through_patches", single=SINGLE)
_collect = Kernel("aenet_py.potentials.kernels:collect")
ROUND = 60_000  # members of patches whose forces are kept until they are added: 2 MB


@dataclass(frozen=True)
class Forces:
    """Energies and forces of a structure.

    Parameters
    ----------
    atomic_energies
        (n_centers,) eV, including the energies of the free atoms; of a committee, the mean, as forces and virial.
    forces
        (n_atoms, 3) eV/Å; of the owners, if there are some.
    virial
        (3, 3) eV, derivative of the energy with respect to strain.
    outside
        (n_centers,) number of features outside the range of the training set, the largest of all members.
    excess
        (n_centers,) how far the farthest feature lies outside, in widths of the range; features that do not vary in the
        training set do not count.
    totals
        (n_members,) eV, energy of all centres according to each member.
    """

    atomic_energies: np.ndarray
    forces: np.ndarray
    virial: np.ndarray
    outside: np.ndarray
    excess: np.ndarray
    totals: np.ndarray


def forces_of(potential: Potential, types: np.ndarray, environments: Environments) -> Forces:
    """The same of a potential that evaluates atom by atom; types (n_atoms,): species."""
    found = potential.evaluate(types, environments)
    beyond = excess(potential.networks, types[: len(found.features)], found.features)
    totals = found.atomic_energies.sum(keepdims=True)
    return Forces(found.atomic_energies, found.forces, found.virial, found.outside, beyond, totals)


def mean(found: Sequence[Forces]) -> Forces:
    """The mean over several members or committees, each of which counts as often as it has members."""
    if len(found) == 1:
        return found[0]
    weights = [len(each.totals) for each in found]

    def average(name: str) -> np.ndarray:
        return np.average([getattr(each, name) for each in found], axis=0, weights=weights)

    outside, beyond = (np.max([getattr(each, name) for each in found], axis=0) for name in ("outside", "excess"))
    totals = np.concatenate([each.totals for each in found])
    return Forces(average("atomic_energies"), average("forces"), average("virial"), outside, beyond, totals)


def applies(potential: Potential) -> bool:
    """Whether a potential can be evaluated patch by patch."""
    return potential.tables is not None


@dataclass(frozen=True)
class Ready:
    """A committee, and pairs for which it can be evaluated again and again, one evaluation at a time.

    Parameters
    ----------
    known
        The pairs.
    n_members
        Members of the committee.
    rounds
        Ranges of patches that are evaluated before their forces are added.
    work
        The kernel for each thread, without the arguments that differ between evaluations.
    collect
        The kernel that adds forces, likewise.
    pulls
        (n, 4) scratch, forces of the members of the patches of a round.
    virials
        (n_patches, 9 LANES) scratch.
    types
        (n_atoms,) species.
    n_forces
        Number of forces, that of the owners if there are some.
    close
        The pairs that may repel each other, if there is a repulsion.
    """

    known: Patches
    n_members: int
    rounds: list[tuple[int, int]]
    work: list[Callable[..., int]]
    collect: Callable[..., int]
    pulls: np.ndarray
    virials: np.ndarray
    types: np.ndarray
    n_forces: int
    close: repulsion.Close | None


def ready(
    committee: Committee, known: Patches, kinds: np.ndarray, threads: int = 1, owners: np.ndarray | None = None,
    single: bool = False,
) -> Ready:  # fmt: skip
    """Prepare to evaluate a committee for pairs.

    Parameters
    ----------
    committee
        Potentials to which this `applies`.
    known
        The pairs.
    kinds
        (n_kinds,) species, as index into the types of the potential, of each kind of atoms.
    threads
        Number of threads at most, fewer with few atoms; the results do not depend on it.
    owners
        (n_atoms,) int64, the row of the forces to which the force on each atom belongs, where some are copies of
        others; None if there are none.
    single
        Whether to compute in single precision what does not need double precision, which is faster.

    Returns
    -------
    Ready
        With memory of its own.
    """
    tables, networks, n_members = committee.members[0].tables, committee.networks, len(committee.members)
    assert tables is not None
    types, atoms, n_forces = kinds[known.kinds], known.atoms, len(known.kinds)
    if owners is not None:
        atoms, n_forces = owners[atoms], int(owners.max(initial=-1)) + 1
    constants = constants_of(committee, kinds)
    kernel, ranges = special(constants, single), rounds(known.members)
    largest = max((int(known.members[end] - known.members[begin]) for begin, end in ranges), default=0)
    most, virials = int(np.diff(known.members).max(initial=0)), np.empty((len(known.ends) - 1, 9 * LANES))
    numbers = {"recurrence": tables.recurrence, "norms": tables.norms, "expansion": tables.expansion}
    numbers.update(networks.by_lanes)
    block = 2 * LANES if single else LANES

    def scratch() -> dict[str, np.ndarray]:
        return {
            **moments.scratch_of(tables, len(kinds), known.most_pairs, n_members, own_array, block=block),
            **networks.scratch_by_lanes(own_array), "moved": np.empty((most, 4)),
        }  # fmt: skip

    work = [
        kernel.bound(
            types=types, centers=known.centers, ends_of=known.ends, members=known.members, atoms=known.atoms,
            offsets=known.offsets, first=known.first, partners=known.partners, virials=virials,
            **{**_in_precision(numbers, single), **constants}, **_in_precision(scratch(), single, np.empty_like),
        )
        for _ in range(worthwhile(threads, len(known.centers)))
    ]  # fmt: skip
    collect = _collect.bound(members=known.members, atoms=atoms)
    values = committee.members[0].repulsion_table
    near = None if values is None else repulsion.close(values, types, known, owners)
    return Ready(known, n_members, ranges, work, collect, np.empty((largest, 4)), virials, types, n_forces, near)


def _in_precision(
    arrays: Mapping[str, np.ndarray], single: bool, converted: Callable[..., np.ndarray] = np.asarray
) -> dict[str, np.ndarray]:
    """Arguments of the kernel, in single precision where that is wanted; converted : from an array, to a dtype."""
    return {
        name: converted(array, dtype=np.float32) if single and name in SINGLE else array
        for name, array in arrays.items()
    }


def evaluate(prepared: Ready, positions: np.ndarray) -> Forces:
    """Energies and forces of atoms at positions, with pairs that still hold.

    Parameters
    ----------
    prepared
        Committee and pairs.
    positions
        (n_atoms, 3) Å.

    Returns
    -------
    Forces
        Energies in eV, forces in eV/Å, virial in eV; in arrays of their own.

    Raises
    ------
    CoincidenceError
        If two atoms coincide.
    """
    n_centers, positions = len(prepared.known.centers), np.ascontiguousarray(positions)
    energies, outside = np.empty((prepared.n_members, n_centers)), np.empty(n_centers, dtype=np.int64)
    beyond, forces, pulls = np.empty(n_centers), np.zeros((prepared.n_forces, 3)), prepared.pulls
    for begin, end in prepared.rounds:
        given = {"begin": begin, "end": end, "counter": np.zeros(1, dtype=np.int64), "positions": positions}
        given.update(pulls=pulls, energies=energies, outside=outside, excess=beyond)
        threads = min(len(prepared.work), end - begin)
        failed = shared(lambda call, given: call(**given), [(call, given) for call in prepared.work[:threads]], threads)
        if failed:
            raise CoincidenceError(np.array([0, n_centers]), failed - 1)
        prepared.collect(begin=begin, end=end, pulls=pulls, forces=forces)
    virial = prepared.virials.reshape(-1, 9, LANES).sum(axis=2).sum(axis=0).reshape(3, 3)
    if prepared.close is not None:
        repelled = np.zeros(n_centers)
        prepared.close.add(positions, repelled, forces, virial)
        energies += repelled
    mean = energies[0] if prepared.n_members == 1 else energies.mean(axis=0)
    return Forces(mean, forces, virial, outside, beyond, energies.sum(axis=1))


_SPECIAL: dict[tuple, Specialised] = {}  # by their constants, which members of a committee often share


def special(constants: dict[str, Any], single: bool = False) -> Specialised:
    """The kernel with these constants."""
    key = (single, *((name, np.shape(value), np.asarray(value).tobytes()) for name, value in constants.items()))
    if key not in _SPECIAL:
        _SPECIAL[key] = Specialised(_in_single_precision if single else _through_patches, constants)
    return _SPECIAL[key]


def constants_of(committee: Committee, kinds: np.ndarray) -> dict[str, Any]:
    """Arguments of the kernel that follow from set-ups and layers alone, for structures with some species."""
    basis, networks = committee.members[0].model.basis, committee.networks
    assert isinstance(basis, chebyshev.ChebyshevBasis)
    arrays = {"cutoffs": basis.cutoffs, "orders": basis.orders}
    arrays.update({name: networks.by_lanes[name] for name in ("layers", "nodes", "functions")})
    alike = all((array == array[0]).all() for array in arrays.values())
    species = np.ascontiguousarray(basis.weights[:, kinds])
    return {**arrays, "alike": int(alike), "n_members": len(committee.members), "species": species}


def rounds(members: np.ndarray) -> list[tuple[int, int]]:
    """Ranges of patches that together have about ROUND members."""
    found, begin = [], 0
    while begin < len(members) - 1:
        end = max(begin + 1, int(np.searchsorted(members, members[begin] + ROUND, side="right")) - 1)
        found.append((begin, end))
        begin = end
    return found
