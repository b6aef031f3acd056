"""The descriptor of one species: which basis, which species around it, which cutoffs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.descriptors.constants import N_ENVIRONMENT, N_PARAMETERS

CHEBYSHEV, BEHLER = "chebyshev", "behler2011"  # kinds of basis
LEAST_SCALE = 1.0e-10  # a feature that varies less in the training set counts as constant (stp_normalize)
LEAST_VARIANCE = 1.0e-13  # or, of its squared average: rounding of the sums is not far below


@dataclass(frozen=True)
class Setup:
    """Fingerprint set-up as a .stp file gives it and the footer of a training set stores it.

    Parameters
    ----------
    description
        At most 1024 characters, lines joined by ``$$``.
    atom_type
        Species of the central atom.
    env_types
        Species around it, in the order that defines their weights.
    r_min, r_max
        Smallest distance expected and largest cutoff, Å.
    basis
        Name of the basis as written in the file.
    functions
        (n_features,) int32, kind of each symmetry function; zeros for Chebyshev features.
    parameters
        (n_features, 4) float64, of each symmetry function.  The Chebyshev basis has its own in the first row:
        `radial_cutoff`, `radial_order`, `angular_cutoff`, `angular_order`.
    environment
        (n_features, 2) int32, species of the neighbours of each symmetry function: index into env_types; -1 for none.
    """

    description: str
    atom_type: str
    env_types: tuple[str, ...]
    r_min: float
    r_max: float
    basis: str
    functions: np.ndarray
    parameters: np.ndarray
    environment: np.ndarray

    @property
    def n_features(self) -> int:
        """Number of features of an atom of this species."""
        return len(self.functions)

    @property
    def kind(self) -> str:
        """Name of the basis in lower case, ``chebyshev`` or ``behler2011``."""
        return self.basis.strip().lower()

    @property
    def is_chebyshev(self) -> bool:
        """Whether features are Chebyshev polynomials; only then do the four properties below mean anything."""
        return self.kind == CHEBYSHEV

    @property
    def radial_cutoff(self) -> float:
        """Cutoff of the radial features, Å."""
        return float(self.parameters[0, 0])

    @property
    def radial_order(self) -> int:
        """Largest order of the radial polynomials; -1 if the file has none that is finite."""
        return _order(self.parameters[0, 1])

    @property
    def angular_cutoff(self) -> float:
        """Cutoff of the angular features, Å."""
        return float(self.parameters[0, 2])

    @property
    def angular_order(self) -> int:
        """Largest order of the angular polynomials; -1 if the file has none that is finite."""
        return _order(self.parameters[0, 3])

    @property
    def weighted(self) -> bool:
        """Whether features are repeated with species weights: the Chebyshev basis does for several species."""
        return len(self.env_types) > 1


def _order(stored: np.float64) -> int:
    return int(stored) if math.isfinite(stored) else -1


@dataclass(frozen=True)
class FeatureStatistics:
    """Of the features of one species: number of atoms; minimum, maximum, average and average square, (n_features,)."""

    count: int
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    square: np.ndarray

    @property
    def factors(self) -> np.ndarray:
        """Inverse standard deviations, (n_features,); 0 for features that hardly vary (stp_normalize)."""
        squared = self.mean * self.mean
        deviation = np.sqrt(np.maximum(self.square - squared, 0.0))
        varies = (deviation > LEAST_SCALE) & (deviation * deviation > LEAST_VARIANCE * squared)
        factors = np.zeros(len(deviation))
        factors[varies] = 1.0 / deviation[varies]
        return factors


def chebyshev_setup(
    description: str, atom_type: str, env_types: tuple[str, ...], r_min: float, basis: str,
    radial_cutoff: float, radial_order: int, angular_cutoff: float, angular_order: int,
) -> Setup:  # fmt: skip
    """Set-up of a Chebyshev basis (read_basis_chebyshev)."""
    n_features = (radial_order + angular_order + 2) * (2 if len(env_types) > 1 else 1)
    parameters = np.zeros((n_features, N_PARAMETERS))
    parameters[0] = radial_cutoff, radial_order, angular_cutoff, angular_order
    return Setup(
        description=description,
        atom_type=atom_type,
        env_types=env_types,
        r_min=r_min,
        r_max=max(radial_cutoff, angular_cutoff),
        basis=basis,
        functions=np.zeros(n_features, dtype=np.int32),
        parameters=parameters,
        environment=np.full((n_features, N_ENVIRONMENT), -1, dtype=np.int32),
    )


def behler_setup(
    description: str, atom_type: str, env_types: tuple[str, ...], r_min: float, basis: str,
    functions: Sequence[tuple[int, tuple[float, ...], tuple[int, ...]]],
) -> Setup:  # fmt: skip
    """Set-up of symmetry functions (read_symmfunc_Behler2011): kind, parameters, species around of each."""
    parameters = np.zeros((len(functions), N_PARAMETERS))
    environment = np.full((len(functions), N_ENVIRONMENT), -1, dtype=np.int32)
    for row, (_, values, species) in enumerate(functions):
        parameters[row, : len(values)] = values
        environment[row, : len(species)] = species
    return Setup(
        description=description,
        atom_type=atom_type,
        env_types=env_types,
        r_min=r_min,
        r_max=float(parameters[:, 0].max()),
        basis=basis,
        functions=np.array([kind for kind, _, _ in functions], dtype=np.int32),
        parameters=parameters,
        environment=environment,
    )


def species_weights(n_types: int) -> list[float]:
    """Weight of each species of the environment (new_SFBasis): ..., -2, -1, [0], 1, 2, ...; 0 for odd numbers only."""
    half = n_types // 2
    return [float(s) for s in range(-half, half + 1) if s != 0 or n_types % 2 == 1]
