"""Forces of a batch summed over pairs of neighbours, without gradients of features: MEMORY_MODE recompute.

Chebyshev features and their changes cost little more than reading packed gradients does, so only positions and pairs
are kept, with two bytes for most pairs.  Sums are in double precision, in another order than ænet's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from aenet_py.descriptors import moments
from aenet_py.descriptors.chebyshev import ChebyshevBasis
from aenet_py.runtime.accelerate import Kernel, scratch
from aenet_py.runtime.constants import LANES
from aenet_py.runtime.workers import shared
from aenet_py.training.data import splits
from aenet_py.training.data.pairs import Pairs

_forces = Kernel("aenet_py.training.data.pairs_kernels:forces")
_slopes = Kernel("aenet_py.training.data.pairs_kernels:slopes")


@dataclass(frozen=True)
class Summed:
    """Forces of a batch, summed over pairs.

    Parameters
    ----------
    pairs
        Of all structures.
    structures
        (n,) int64, those of the batch, among them.
    starts
        (n,) int64, where the atoms of each begin in the batch.
    n_atoms
        Atoms of the batch.
    own
        Per network, (n_centers,) int64, its atoms.
    shares
        Where the structures that each thread works on begin, and the end.
    """

    pairs: Pairs
    structures: np.ndarray
    starts: np.ndarray
    n_atoms: int
    own: tuple[np.ndarray, ...]
    shares: list[int]

    @property
    def rows(self) -> list[int]:
        """Centers of each network."""
        return [len(own) for own in self.own]

    def to(self, device: torch.device) -> Summed:  # noqa: ARG002 - as of gradients, but the sums stay here
        """The same: the processor sums, whatever the device."""
        return self

    def forces(self, slopes: Sequence[torch.Tensor]) -> torch.Tensor:
        """Forces (n_atoms, 3) from the slopes of each species, (n, n_features) float64."""
        return self.forces_and_virials(slopes)[0]

    def forces_and_virials(self, slopes: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """The same, and virials (n, 3, 3), the derivatives of the energy by the strain."""
        forces = np.empty((self.n_atoms, 3))
        virials = np.empty((len(self.structures), 9 * LANES))
        given = np.zeros((self.n_atoms, int(self.pairs.model.basis.sizes.max())))
        for own, values in zip(self.own, slopes, strict=True):
            given[own, : values.shape[1]] = values.cpu().numpy()

        def work(begin: int, end: int) -> int:
            return _forces(
                slopes=given, forces=forces, virials=virials[begin:end], **self._arguments(begin, end),
                **_scratch_of_forces(self.pairs),
            )  # fmt: skip

        self._run(work)
        summed = virials.reshape(-1, 3, 3, LANES).sum(axis=3)
        return torch.from_numpy(forces).to(slopes[0].device), torch.from_numpy(summed).to(slopes[0].device)

    def slopes(self, by_forces: torch.Tensor, by_virials: torch.Tensor | None = None) -> list[torch.Tensor]:
        """The reverse: from derivatives by the forces, and by the virials, those by the slopes."""
        given = np.ascontiguousarray(by_forces.cpu().numpy())
        sizes = self.pairs.model.basis.sizes
        slopes, strains = np.empty((self.n_atoms, int(sizes.max()))), np.zeros((len(self.structures), 3, 3))
        if by_virials is not None:
            strains[:] = by_virials.cpu().numpy()

        def work(begin: int, end: int) -> int:
            return _slopes(
                by_forces=given, by_virials=strains[begin:end], slopes=slopes, **self._arguments(begin, end),
                **_scratch(self.pairs, 4),
            )  # fmt: skip

        self._run(work)
        found = (slopes[own, :size] for own, size in zip(self.own, sizes.tolist(), strict=True))
        return [torch.from_numpy(values).to(by_forces.device) for values in found]

    def _run(self, work: Callable[[int, int], int]) -> None:
        parts = list(zip(self.shares[:-1], self.shares[1:], strict=True))
        shared(work, parts, len(parts))

    def _arguments(self, begin: int, end: int) -> dict[str, Any]:
        """What both kernels need for some of the structures."""
        pairs, basis, tables = self.pairs, self.pairs.model.basis, self.pairs.tables
        assert isinstance(basis, ChebyshevBasis)
        named = ("atoms", "networks", "positions", "cells", "first_members", "members", "first_pairs", "ends_of")
        return {
            "structures": self.structures[begin:end], "starts": self.starts[begin:end], "partners": pairs.partners,
            **{name: getattr(pairs, name) for name in named}, "cutoffs": basis.cutoffs, "orders": basis.orders,
            "species": basis.weights, "recurrence": tables.recurrence, "norms": tables.norms,
            "expansion": tables.expansion,
        }  # fmt: skip


def of_batch(pairs: Pairs, structures: np.ndarray, own: Sequence[np.ndarray], threads: int) -> Summed:
    """What sums the forces of a batch.

    Parameters
    ----------
    pairs : Pairs
        Of all structures.
    structures : ndarray, shape (n,)
        Those of the batch.
    own : sequence of ndarray
        Per network, (n_centers,) int64, its atoms in the batch.
    threads : int
        At most.

    Returns
    -------
    Summed
    """
    numbers = pairs.numbers[structures]
    counts = pairs.atoms[numbers + 1] - pairs.atoms[numbers]
    starts = np.concatenate([[0], np.cumsum(counts)])
    n_shares = max(1, min(threads, len(numbers)))
    bounds = splits.even(pairs.first_pairs[numbers + 1] - pairs.first_pairs[numbers], n_shares)
    return Summed(pairs, numbers, starts[:-1], int(starts[-1]), tuple(own), [0, *bounds, len(numbers)])


def _scratch(pairs: Pairs, n_parts: int, *more: str) -> dict[str, np.ndarray]:
    """Scratch of this thread that both kernels need, and more of `moments.scratch_of`, which explains n_parts."""
    found = moments.scratch_of(pairs.tables, len(pairs.model.types), pairs.most_pairs, n_parts=n_parts)
    names = ("work", "places", "ends", "filled", "accumulators", "radial", "moments", "sums")
    return {
        **{name: found[name] for name in (*names, *more)}, "features": scratch("pairs features", _size(pairs)),
        "moved": scratch("pairs moved", 4 * pairs.most_members).reshape(-1, 4),
    }  # fmt: skip


def _scratch_of_forces(pairs: Pairs) -> dict[str, np.ndarray]:
    """What the kernel of forces needs."""
    return {
        **_scratch(pairs, 2, "lanes"), "by_features": scratch("pairs slopes", _size(pairs)),
        "pulls": scratch("pairs pulls", 4 * pairs.most_members).reshape(-1, 4),
    }  # fmt: skip


def _size(pairs: Pairs) -> int:
    """Numbers of the features of LANES atoms."""
    return LANES * int(pairs.model.basis.sizes.max())
