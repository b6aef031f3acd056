"""Criteria that stop a simulation: temperature, contacts, fragments, extrapolation, uncertainty."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from aenet_py.errors import AenetError
from aenet_py.interfaces.ase import ANNCalculator, Results
from aenet_py.neighbors import verlet
from aenet_py.neighbors.search import Environments

REACH = 6.0  # Å, cutoff for neighbours with calculators other than `ANNCalculator`
FACTOR = 5.0  # default limit of the temperature, in units of the requested one
FEW = 40.0  # divided by the degrees of freedom if these are few: fewer than one in 1e6 canonical samples is hotter
UNCERTAIN = "uncertainty"  # the reason of a simulation that stopped at max_spread
COLDEST = 300.0  # K, replaces lower requested temperatures: relaxation alone may heat that much


@dataclass(frozen=True)
class Limits:
    """Limits that stop a simulation when exceeded.

    Parameters
    ----------
    min_distance
        Shortest allowed distance between two atoms, Å; None for min_radii times the sum of their covalent radii.
    min_radii
        See min_distance.
    max_temperature
        Highest allowed temperature, K; None for `hottest`.
    max_excess
        How far a feature may lie outside its range in the training set, in widths of that range.
    max_share
        Fraction of the atoms that may have a feature beyond max_excess.
    fragments
        Whether atoms may leave, that is, have no neighbours within the cutoff in common with the others.
    max_spread
        Largest allowed uncertainty of the force on an atom, eV/Å; None for any.

    Raises
    ------
    AenetError
        For negative values.
    """

    min_distance: float | None = None
    min_radii: float = 0.5
    max_temperature: float | None = None
    max_excess: float = 1.0
    max_share: float = 0.1
    fragments: bool = False
    max_spread: float | None = None

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if value is not None and not value >= 0:
                raise AenetError(f"{name} must be at least 0, not {value}")


@dataclass(frozen=True)
class Contact:
    """Two atoms (0-based indices), their distance and the sum of their covalent radii, Å."""

    i: int
    j: int
    distance: float
    radii: float


@dataclass(frozen=True)
class Contacts:
    """Closest atoms and groups of neighbours.

    Parameters
    ----------
    nearest
        The contact with the shortest distance; None if no two atoms are neighbours.
    tightest
        The contact with the shortest distance relative to the covalent radii; None likewise.
    fragments
        (n_atoms,) index of the group of connected neighbours that each atom belongs to.
    """

    nearest: Contact | None
    tightest: Contact | None
    fragments: np.ndarray

    @property
    def shortest(self) -> float:
        """Shortest distance, Å; infinite if no two atoms are neighbours."""
        return np.inf if self.nearest is None else self.nearest.distance

    @property
    def n_fragments(self) -> int:
        """Number of groups of connected neighbours."""
        return int(self.fragments.max()) + 1


def hottest(temperature: float, freedom: int) -> float:
    """Default limit of the temperature, K, for a requested temperature, K, and the number of degrees of freedom."""
    return max(FACTOR, 1.0 + FEW / freedom) * max(temperature, COLDEST)


def neighbors(atoms: Atoms) -> tuple[float, Environments]:
    """The cutoff, Å, of the potential (6 Å with other calculators) and the neighbours within it."""
    calculator = atoms.calc
    if isinstance(calculator, ANNCalculator):
        return calculator.neighbors
    return REACH, verlet.environments(verlet.pairs(atoms, REACH, 0.0), atoms)


def contacts(atoms: Atoms, environments: Environments) -> Contacts:
    """Find the closest atoms and the groups of connected neighbours."""
    n, others = len(atoms), environments.index
    graph = csr_matrix((np.ones(len(others)), others, environments.first.astype(np.int32)), shape=(n, n))
    _, fragments = connected_components(graph, directed=False)
    if not len(others):
        return Contacts(None, None, fragments)
    centers = np.repeat(np.arange(n), environments.counts)
    radii = covalent_radii[atoms.numbers]
    sums, distances = radii[centers] + radii[others], environments.distance
    nearest, tightest = (
        Contact(int(centers[k]), int(others[k]), float(distances[k]), float(sums[k]))
        for k in (np.argmin(distances), np.argmin(distances / sums))
    )
    return Contacts(nearest, tightest, fragments)


def farthest(atoms: Atoms) -> np.ndarray | None:
    """Excess of each atom's features, as in the calculator's results; None with other calculators."""
    return atoms.calc.results["excess"] if isinstance(atoms.calc, ANNCalculator) else None


def uncertainty(atoms: Atoms, environments: Environments | None = None) -> np.ndarray | None:
    """Expected force error of each atom, (n_atoms,) eV/Å, as in the calculator's results; None if it has none.

    environments : as from `neighbors` just before, so that they need not be listed again.
    """
    calculator = atoms.calc
    if not (isinstance(calculator, ANNCalculator) and calculator.has_uncertainty):
        return None
    results = calculator.results
    if "uncertainty" not in results and isinstance(results, Results):
        results["uncertainty"] = calculator.uncertainty(results, environments)
    found: np.ndarray = results["uncertainty"]
    return found


def violation(
    limits: Limits, atoms: Atoms, temperature: float, hottest: float, near: Contacts, n_at_start: int, cutoff: float,
    beyond: np.ndarray | None, uncertain: np.ndarray | None = None,
) -> tuple[str, str] | None:  # fmt: skip
    """Check a structure against the limits.

    Parameters
    ----------
    limits
        See `Limits`.
    atoms
        The structure.
    temperature
        Current temperature, K.
    hottest
        Highest allowed temperature, K.
    near
        Present contacts.
    n_at_start
        Number of fragments at the start.
    cutoff
        Å, within which atoms are neighbours.
    beyond
        (n_atoms,) `excess` of the atoms, or None to skip this check.
    uncertain
        (n_atoms,) expected force errors, eV/Å, or None to skip this check.

    Returns
    -------
    tuple of str or None
        Reason in a word or two, and a sentence; None if all limits hold.
    """
    if temperature > hottest:
        return "temperature", f"the temperature is {temperature:.0f} K, above {hottest:.0f} K"
    contact, least, bound = near.nearest, limits.min_distance, f"{limits.min_distance} Angstrom"
    if limits.min_distance is None and near.tightest is not None:
        contact, least = near.tightest, limits.min_radii * near.tightest.radii
        bound = f"{least:.3f} Angstrom ({limits.min_radii:g} times the sum of their covalent radii)"
    if contact is not None and least is not None and contact.distance < least:
        pair = " and ".join(f"{number + 1} ({atoms.symbols[number]})" for number in (contact.i, contact.j))
        return "close contact", f"atoms {pair} are {contact.distance:.3f} Angstrom apart, less than {bound}"
    if uncertain is not None and limits.max_spread is not None and uncertain.max() > limits.max_spread:
        atom = int(uncertain.argmax())
        what = f"the uncertainty of the force on atom {atom + 1} ({atoms.symbols[atom]}) is {uncertain[atom]:.3f}"
        return UNCERTAIN, f"{what} eV/Angstrom, above {limits.max_spread:g}"
    if beyond is not None and np.mean(beyond > limits.max_excess) > limits.max_share:
        n = int(np.count_nonzero(beyond > limits.max_excess))
        what = f"{n} of {len(beyond)} atoms have features outside the range of the training set by more than"
        return "extrapolation", f"{what} {limits.max_excess:g} times its width, the farthest by {beyond.max():.2f}"
    if near.n_fragments > n_at_start and not limits.fragments:
        n = int(np.bincount(near.fragments).min())
        what = "one atom has" if n == 1 else f"{n} atoms have"
        return "fragment", f"{what} left, farther from the others than the cutoff of {cutoff:g} Angstrom"
    return None
