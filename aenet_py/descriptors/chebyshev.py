"""Chebyshev features of all atoms of a structure, and their gradients."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from aenet_py.descriptors.common import CoincidenceError
from aenet_py.descriptors.constants import BLOCK, POLYNOMIALS
from aenet_py.descriptors.legacy import LEGACY_DOMAIN
from aenet_py.descriptors.setup import Setup, species_weights
from aenet_py.errors import AenetError
from aenet_py.neighbors.search import Environments
from aenet_py.runtime.accelerate import Kernel, scratch
from aenet_py.runtime.constants import LANES

_features = Kernel("aenet_py.descriptors.chebyshev_kernels:features")
_gradients = Kernel("aenet_py.descriptors.chebyshev_kernels:gradients")


@dataclass(frozen=True)
class ChebyshevBasis:
    """Set-ups of all species as the kernels take them, one row per species.

    Parameters
    ----------
    types
        Species.
    sizes
        (n,) number of features.
    cutoffs
        (n, 4) radial and angular cutoff, Å, and the domain of cosines.
    orders
        (n, 3) radial and angular order, and 1 if features are repeated with species weights.
    weights
        (n, n) weight of each species around each, NaN if its set-up lacks it.
    notes
        Warnings for the user.
    """

    types: tuple[str, ...]
    sizes: np.ndarray
    cutoffs: np.ndarray
    orders: np.ndarray
    weights: np.ndarray
    notes: tuple[str, ...] = ()
    refused: ClassVar[Mapping[str, str]] = {}  # as in `behler.BehlerBasis`; none of them

    @property
    def unknown(self) -> np.ndarray:
        """Whether the set-up of a species lacks another one, (n, n)."""
        return np.isnan(self.weights)

    @functools.cached_property
    def terms(self) -> int:
        """Largest number of polynomials in an expansion."""
        return int(self.orders[:, :2].max()) + 1


def basis(
    types: Sequence[str],
    setups: Sequence[Setup],
    legacy_angular: bool = False,
    trained: Sequence[str] | None = None,  # noqa: ARG001
) -> ChebyshevBasis:
    """Collect set-ups, one per species, in the order of types; legacy_angular: see `legacy`; trained has no effect.

    AenetError for a set-up whose number of features is not what its orders make: kernels trust both.
    """
    for setup in setups:
        n_features = (setup.radial_order + setup.angular_order + 2) * (2 if setup.weighted else 1)
        if min(setup.radial_order, setup.angular_order) < 0 or setup.n_features != n_features:
            reason = f"{setup.n_features} features, but polynomials up to orders"
            raise AenetError(
                f"the set-up of {setup.atom_type.strip()} has {reason} {setup.radial_order} and {setup.angular_order}; "
                "it is damaged"
            )
    weights = np.full((len(types), len(types)), np.nan)
    for row, setup in enumerate(setups):
        known = dict(zip(setup.env_types, species_weights(len(setup.env_types)), strict=True))
        weights[row] = [known.get(t, np.nan if setup.weighted else 0.0) for t in types]
    cutoffs = [(setup.radial_cutoff, setup.angular_cutoff) for setup in setups]
    orders = [(setup.radial_order, setup.angular_order, setup.weighted) for setup in setups]
    domain = LEGACY_DOMAIN if legacy_angular else (-1.0, 1.0)
    return ChebyshevBasis(
        types=tuple(types),
        sizes=np.array([setup.n_features for setup in setups], dtype=np.int64),
        cutoffs=np.hstack([cutoffs, np.tile(domain, (len(types), 1))]),
        orders=np.array(orders, dtype=np.int64),
        weights=weights,
        notes=tuple(notes(setups)),
    )


def notes(setups: Sequence[Setup]) -> list[str]:
    """Warnings of Chebyshev set-ups whose features depend on the order of neighbours (`moments.applies`)."""
    warnings = []
    for setup in setups:
        if setup.is_chebyshev and setup.weighted and setup.angular_cutoff > setup.radial_cutoff:
            angular = f"angular_Rc = {setup.angular_cutoff:g} of {setup.atom_type.strip()}"
            reason = f"{angular} is above radial_Rc = {setup.radial_cutoff:g}"
            warnings.append(f"{reason}: such potentials work in predict.x, but not in MD, ASE or LAMMPS")
    return warnings


def features(basis: ChebyshevBasis, types: np.ndarray, environments: Environments) -> np.ndarray:
    """Features of every atom.

    Parameters
    ----------
    basis
        Set-ups of the species.
    types
        (n_atoms,) int64, 0-based species; may continue with those of neighbours beyond the atoms of environments.
    environments
        Atoms and their neighbours.

    Returns
    -------
    numpy.ndarray
        (n_atoms, most features of a species); each species fills its own number of columns.

    Raises
    ------
    CoincidenceError
        If two atoms coincide.
    """
    work, near = _scratch(basis, environments, 1)
    out = np.empty((int(environments.starts[-1]), int(basis.sizes.max())))
    failed = _features(
        starts=environments.starts, types=types, **environments.neighbors,
        cutoffs=basis.cutoffs, orders=basis.orders, weights=basis.weights, work=work, near=near, values=out,
    )  # fmt: skip
    if failed:
        raise CoincidenceError(environments.starts, failed - 1)
    return out


def gradients(
    basis: ChebyshevBasis, types: np.ndarray, environments: Environments, start: int, stop: int
) -> np.ndarray:
    """Derivatives of the features of atoms start .. stop - 1.

    Parameters
    ----------
    basis
        As for `features`.
    types
        As for `features`.
    environments
        Atoms of one structure and their neighbours.
    start
        First atom.
    stop
        The atom after the last one.

    Returns
    -------
    numpy.ndarray
        Flat, 1/Å; valid until this thread's next call.  For each atom with f features and n neighbours (3, f) values,
        derivatives with respect to the atom, then (3, f, n), with respect to each neighbour.
    """
    work, near = _scratch(basis, environments, 3)
    segments = scratch("segments", 3 * BLOCK, np.int64).reshape(BLOCK, 3)
    lanes = scratch("lanes", (2 * BLOCK + 6 * (len(near) + 1)) * (basis.terms + LANES))
    out = scratch("gradients", 3 * int(np.dot(basis.sizes[types[start:stop]], environments.counts[start:stop] + 1)))
    _gradients(
        start=start, stop=stop, types=types, **environments.neighbors,
        cutoffs=basis.cutoffs, orders=basis.orders, weights=basis.weights, work=work, near=near, segments=segments,
        lanes=lanes, values=out,
    )  # fmt: skip
    return out


def _scratch(basis: ChebyshevBasis, environments: Environments, tables: int) -> tuple[np.ndarray, np.ndarray]:
    """The kernels' scratch rows, with room for some tables of polynomials, and places of neighbours."""
    # An odd number of cache lines: rows a power of two apart would share the same few places in the cache.
    stride = 16 * (max(BLOCK, environments.most_neighbors) // 16) + 24
    rows = POLYNOMIALS + tables * basis.terms
    return scratch("work", rows * stride).reshape(rows, stride), scratch("near", stride, np.int64)
