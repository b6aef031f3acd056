"""Expected force error of each atom: from its distance to the training set, or from the spread of a committee.

Distances are those of P. C. Mahalanobis (Proc. Natl. Inst. Sci. India 2, 49 (1936)), in the space of an atom's
normalised features or of the last hidden layer of its network; the latter is the last-layer prediction rigidity of
F. Bigi, S. Chong, M. Ceriotti and F. Grasselli, Mach. Learn.: Sci. Technol. 5, 045018 (2024), for atomic energies.
Neither requires a second potential.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.errors import AenetError, InputError
from aenet_py.formats import uncertainty as uncertainty_format
from aenet_py.formats.potential import PotentialFile
from aenet_py.formats.uncertainty import COMMITTEE, FEATURES, LAST_LAYER, Uncertainty, digest
from aenet_py.potentials.constants import MTANH, SIGMOID, TANH, TWIST, A, B, C
from aenet_py.potentials.potential import Potential

LEAST = 10  # atoms, or structures, that fix a factor
RIDGE = 1e-3  # added to the covariance, in units of its largest eigenvalue


@dataclass
class Moments:
    """Sums over the atoms of a species: their number, values (n,), and products of values (n, n)."""

    n_atoms: int
    values: np.ndarray
    products: np.ndarray

    def add(self, values: np.ndarray) -> None:
        """Add atoms with these values (n_atoms, n)."""
        self.n_atoms += len(values)
        self.values += values.sum(axis=0)
        self.products += values.T @ values


def moments(potential: Potential, method: str) -> list[Moments]:
    """Sums for each species, from zero; method : "features" or "last layer"."""
    sizes = [int(file.network.nodes[_layer(file, method)]) for file in potential.files]
    return [Moments(0, np.zeros(size), np.zeros((size, size))) for size in sizes]


def whitening(sums: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Average (n,) of values, and the transform (n, n), lower triangular, to distances; see `Uncertainty`."""
    size = len(sums.values)
    mean = sums.values / sums.n_atoms
    covariance = sums.products / sums.n_atoms - np.outer(mean, mean)
    largest = float(np.linalg.eigvalsh(covariance)[-1])
    if largest <= 0.0:  # a single atom, or all alike
        largest = 1.0
    factor = np.linalg.cholesky(covariance + RIDGE * largest * np.eye(size))
    return mean, np.tril(np.linalg.inv(factor)) / np.sqrt(size)


def values_of(file: PotentialFile, features: np.ndarray, method: str) -> np.ndarray:
    """Normalised features, or values of the last hidden layer, (n_atoms, n); features (n_atoms, most features)."""
    network, statistics = file.network, file.statistics
    values = statistics.factors * (features[:, : file.setup.n_features] - statistics.mean)
    for layer in range(_layer(file, method)):
        begin, end = network.weight_ends[layer : layer + 2]
        matrix = network.weights[begin:end].reshape(-1, network.nodes[layer + 1])
        values = _activated(int(network.activations[layer]), values @ matrix[:-1] + matrix[-1])
    return values


def distances(potential: Potential, found: Uncertainty, types: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Distance of each atom to the training set, about 1 within it.

    Parameters
    ----------
    potential
        To which `found` belongs.
    found
        Averages and transforms.
    types
        (n_atoms,) species of each atom.
    features
        (n_atoms, most features).

    Returns
    -------
    numpy.ndarray
        (n_atoms,)
    """
    result = np.empty(len(types))
    for t in np.unique(types).tolist():
        symbol, own = potential.types[t], types == t
        values = values_of(potential.files[t], features[own], found.method) - found.means[symbol]
        result[own] = np.sqrt(((values @ found.transforms[symbol].T) ** 2).sum(axis=1))
    return result


def estimate(potential: Potential, found: Uncertainty, types: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Expected force error of each atom, (n_atoms,) eV/Å; arguments as of `distances`."""
    factors = np.array([found.factors[symbol] for symbol in potential.types])
    return factors[types] * distances(potential, found, types, features)


def deviation(forces: np.ndarray, found: Uncertainty | None) -> np.ndarray:
    """Standard deviation (n_atoms, 3) of forces (n_members, n_atoms, 3) over the members, times their factor."""
    return factor(found) * forces.std(axis=0)


def spread(forces_std: np.ndarray) -> np.ndarray:
    """Length (n_atoms,) of the standard deviations of forces (n_atoms, 3)."""
    return np.sqrt((forces_std**2).sum(axis=1))


def digests(members: Sequence[Potential]) -> tuple[dict[str, str], ...]:
    """Digest of each species' potential, for each member."""
    return tuple(
        {symbol: digest(file) for symbol, file in zip(member.types, member.files, strict=True)} for member in members
    )


def loaded(given: str | os.PathLike[str] | Uncertainty | None, members: Sequence[Potential]) -> Uncertainty | None:
    """A calibration that was given or is in a file, see `load`; AenetError unless it belongs to these potentials."""
    if isinstance(given, Uncertainty):
        check(given, members)
        return given
    return None if given is None else load(given, members)


def factor(found: Uncertainty | None) -> float:
    """Of the spread of a committee's forces; 1 without a calibration."""
    return 1.0 if found is None else next(iter(found.factors.values()), 1.0)


def energy_factor(found: Uncertainty | None) -> float:
    """Of the spread of a committee's energies; 1 without a calibration."""
    return 1.0 if found is None or found.energy_factor is None else found.energy_factor


def ratio(errors: np.ndarray, raw: np.ndarray) -> float | None:
    """How many times raw uncertainties the errors are, by their root mean squares.

    Musil et al., J. Chem. Theory Comput. 15, 906 (2019), and Imbalzano et al., J. Chem. Phys. 154, 074102 (2021),
    average the squared ratios, in which the smallest uncertainties dominate; for the spread of a committee, that needs
    a correction for few members, which diverges for three.  A ratio of averages needs none.

    Parameters
    ----------
    errors
        (n, ...) squares of errors, or of their components.
    raw
        (n, ...) squares of distances to the training set, or variances over the members of a committee (divisor: their
        number) of the same components.

    Returns
    -------
    float or None
        None if all raw values are zero.
    """
    square = float(np.mean(raw))
    return float(np.sqrt(np.mean(errors) / square)) if square > 0 else None


def load(path: str | os.PathLike[str], members: Sequence[Potential]) -> Uncertainty:
    """Read a file of `aenet-py calibrate`; InputError unless it belongs to these potentials."""
    name = os.fspath(path)
    found = uncertainty_format.read(name)
    try:
        check(found, members)
    except AenetError as error:
        raise InputError(name, f"{error}; calibrate again (aenet-py calibrate), or delete this file") from None
    return found


def check(found: Uncertainty, members: Sequence[Potential]) -> None:
    """AenetError unless this belongs to these potentials, of which the order does not matter."""
    if (found.method == COMMITTEE) != (len(members) > 1):
        raise AenetError(f"calibrated for {_number(len(found.members))}, not for {_number(len(members))}")
    wanted = sorted(sorted(member.items()) for member in digests(members))
    species = set(members[0].types)
    known = sorted(sorted((s, d) for s, d in member.items() if s in species) for member in found.members)
    if wanted != known or not (found.method == COMMITTEE or species <= set(found.factors)):
        raise AenetError("calibrated for other potentials")
    for file in members[0].files if found.method != COMMITTEE else ():
        symbol = file.setup.atom_type.strip()
        size = int(file.network.nodes[_layer(file, found.method)])
        if len(found.means[symbol]) != size:
            raise AenetError(f"found {len(found.means[symbol])} values for {symbol}, where its network has {size}")


def _number(n: int) -> str:
    return "a single potential" if n == 1 else f"a committee of {n}"


def _layer(file: PotentialFile, method: str) -> int:
    """The layer whose values count, 0 for the features."""
    assert method in (FEATURES, LAST_LAYER)
    return 0 if method == FEATURES else len(file.network.nodes) - 2


def _activated(function: int, x: np.ndarray) -> np.ndarray:
    if function == TANH:
        return np.tanh(x)
    if function == SIGMOID:
        return 0.5 + 0.5 * np.tanh(0.5 * x)
    if function == MTANH:
        return A * np.tanh(B * x)
    if function == TWIST:
        return A * np.tanh(B * x) + C * x
    return x
