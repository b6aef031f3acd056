"""Whether a simulation still makes sense: temperature, contacts, fragments, features against the training set."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from aenet_py.errors import AenetError
from aenet_py.interfaces.ase import ANNCalculator
from aenet_py.neighbors import verlet
from aenet_py.neighbors.search import Environments
from aenet_py.potentials.potential import Networks

REACH = 6.0  # Å, of neighbours where a calculator is none of ours
FACTOR = 5.0  # times the temperature that is asked for
FEW = 40.0  # over the degrees of freedom, where there are few: less than one of 1e6 canonical samples is hotter
COLDEST = 300.0  # K, the temperature that counts where a lower one is asked for: relaxing alone may heat that much


@dataclass(frozen=True)
class Limits:
    """What a simulation must not exceed.

    min_distance : Å, of any two atoms; None for min_radii times the sum of their covalent radii.  max_temperature : K;
    None for `hottest`.  max_excess : of a feature, how far it may lie beyond the range of the training set, in widths
    of that range; max_share : of the atoms that have such a feature.  fragments : whether atoms may leave, that is,
    have no neighbour in common with the others within the cutoff.
    """

    min_distance: float | None = None
    min_radii: float = 0.5
    max_temperature: float | None = None
    max_excess: float = 1.0
    max_share: float = 0.1
    fragments: bool = False

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if value is not None and not value >= 0:
                raise AenetError(f"found {name} {value}; expected a number, at least 0")


@dataclass(frozen=True)
class Contact:
    """Two atoms, numbers from 0, with their distance and the sum of their covalent radii, Å."""

    i: int
    j: int
    distance: float
    radii: float


@dataclass(frozen=True)
class Contacts:
    """Who is near whom.

    nearest, tightest : the contact of the shortest distance, and of the shortest against the covalent radii; None if no
    two atoms are neighbours.  fragments : (n_atoms,) number of the group of neighbours an atom belongs to.
    """

    nearest: Contact | None
    tightest: Contact | None
    fragments: np.ndarray

    @property
    def shortest(self) -> float:
        """Shortest distance, Å, infinite if no two atoms are neighbours."""
        return np.inf if self.nearest is None else self.nearest.distance

    @property
    def n_fragments(self) -> int:
        return int(self.fragments.max()) + 1


def hottest(temperature: float, freedom: int) -> float:
    """The default limit of the temperature, K, for a temperature and degrees of freedom."""
    return max(FACTOR, 1.0 + FEW / freedom) * max(temperature, COLDEST)


def neighbors(atoms: Atoms) -> tuple[float, Environments]:
    """The cutoff, Å, and neighbours within it, of the potential or, with other calculators, within 6 Å."""
    calculator = atoms.calc
    if isinstance(calculator, ANNCalculator):
        return max(m.model.r_max for m in calculator.members), calculator.predictions[0].environments
    return REACH, verlet.environments(verlet.pairs(atoms, REACH, 0.0), atoms)


def contacts(atoms: Atoms, found: Environments) -> Contacts:
    """The nearest atoms and the groups of neighbours."""
    n, others = len(atoms), found.index - 1
    graph = csr_matrix((np.ones(len(others), dtype=np.int8), others, found.first), shape=(n, n))
    _, fragments = connected_components(graph, directed=False)
    if not len(others):
        return Contacts(None, None, fragments)
    centers = np.repeat(np.arange(n), found.counts)
    radii = covalent_radii[atoms.numbers]
    sums = radii[centers] + radii[others]
    nearest, tightest = (
        Contact(int(centers[k]), int(others[k]), float(found.distance[k]), float(sums[k]))
        for k in (np.argmin(found.distance), np.argmin(found.distance / sums))
    )
    return Contacts(nearest, tightest, fragments)


def excess(networks: Networks, types: np.ndarray, features: np.ndarray) -> np.ndarray:
    """How far the farthest feature of each atom lies beyond its range in the training set, in widths of it, (n,).

    types (n,) : species; features (n, most features).  Features that do not vary in the training set do not count, as
    the networks do not see them.
    """
    width = networks.high - networks.low
    inverse = np.divide(1.0, width, out=np.zeros_like(width), where=(networks.factors > 0) & (width > 0))
    beyond = np.maximum(networks.low[types] - features, features - networks.high[types]) * inverse[types]
    return np.maximum(beyond.max(axis=1), 0.0)


def farthest(atoms: Atoms) -> np.ndarray | None:
    """`excess` by the potentials of the calculator, the largest of all members; None with other calculators."""
    calculator = atoms.calc
    if not isinstance(calculator, ANNCalculator):
        return None
    symbols = atoms.get_chemical_symbols()
    found = []
    for member, prediction in zip(calculator.members, calculator.predictions, strict=True):
        types = np.array([member.types.index(symbol) for symbol in symbols])
        found.append(excess(member.networks, types, prediction.features))
    return np.max(found, axis=0)


def verdict(
    limits: Limits, atoms: Atoms, temperature: float, hottest: float, near: Contacts, at_first: int, cutoff: float,
    beyond: np.ndarray | None,
) -> tuple[str, str] | None:  # fmt: skip
    """Why a simulation makes no sense any more, in a word or two and in a sentence; None if it does.

    temperature, hottest : now and at most, K; near : contacts now; at_first : fragments at the beginning; cutoff : Å;
    beyond : (n_atoms,) `excess` of the atoms.
    """
    if temperature > hottest:
        return "temperature", f"the temperature is {temperature:.0f} K, above {hottest:.0f} K"
    contact, least, bound = near.nearest, limits.min_distance, f"{limits.min_distance} Angstrom"
    if limits.min_distance is None and near.tightest is not None:
        contact, least = near.tightest, limits.min_radii * near.tightest.radii
        bound = f"{least:.3f} Angstrom ({limits.min_radii:g} of the sum of their covalent radii)"
    if contact is not None and least is not None and contact.distance < least:
        pair = " and ".join(f"{number + 1} ({atoms.symbols[number]})" for number in (contact.i, contact.j))
        return "close contact", f"atoms {pair} are {contact.distance:.3f} Angstrom apart, less than {bound}"
    if beyond is not None and np.mean(beyond > limits.max_excess) > limits.max_share:
        n = int(np.count_nonzero(beyond > limits.max_excess))
        what = f"{n} of {len(beyond)} atoms have features beyond the range of the training set by more than"
        return "extrapolation", f"{what} {limits.max_excess:g} times its width, the farthest by {beyond.max():.2f}"
    if near.n_fragments > at_first and not limits.fragments:
        n = int(np.bincount(near.fragments).min())
        what = "an atom has" if n == 1 else f"{n} atoms have"
        return "fragment", f"{what} left, farther from the others than the cutoff of {cutoff:g} Angstrom"
    return None
