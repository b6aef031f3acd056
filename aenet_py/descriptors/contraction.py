"""Forces from the gradients of all features: the sweep that works for any descriptor, in the original's order."""

from __future__ import annotations

import numpy as np

from aenet_py.descriptors.model import Model
from aenet_py.neighbors.search import Environments
from aenet_py.runtime.accelerate import Kernel, scratch

_contract = Kernel("aenet_py.descriptors.contraction_kernels:contract")
CHUNK = 400_000  # values of gradients computed before they are summed: they should still be in the processor's cache


def forces(
    model: Model,
    types: np.ndarray,
    environments: Environments,
    slopes: np.ndarray,
    factors: np.ndarray,
    scales: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Forces and virial of one structure.

    Parameters
    ----------
    model
        Set-ups of the species.
    types
        (n_atoms,) int64, 0-based species.
    environments
        Of all atoms or of the first n_centers.
    slopes
        (n_centers, most features) derivatives of each atom's network by its normalised input.
    factors
        (n_types, most features) of that normalisation.
    scales
        (n_types, 3), energy scale first, eV.

    Returns
    -------
    forces, virial
        (n_atoms, 3) eV/Å and (3, 3) eV.
    """
    n_atoms, n_centers = len(types), int(environments.starts[-1])
    out, virial = np.zeros((n_atoms, 3)), np.zeros((3, 3))
    sums = scratch("sums", 3 * (environments.most_neighbors + 1)).reshape(3, -1)
    ends = np.cumsum(3 * model.basis.sizes[types[:n_centers]] * (environments.counts + 1))
    start = 0
    while start < n_centers:
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + CHUNK, side="right")))
        gradients = model.descriptor.gradients(model.basis, types, environments, start, stop)
        _contract(
            start=start, stop=stop, types=types, sizes=model.basis.sizes, **environments.neighbors, gradients=gradients,
            slopes=slopes, factors=factors, scales=scales, sums=sums, forces=out, virial=virial,
        )  # fmt: skip
        start = stop
    return out, virial
