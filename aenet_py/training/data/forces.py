"""Forces as the product of stored gradients with the slopes of the energy, and the way back through it.

The gradients of a batch come in two forms with the same two methods: `Packed`, for the processor's kernels, and
`OnDevice`, as tensors.  They are in single precision, as the original's; all sums are in double precision.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from aenet_py.runtime.accelerate import Kernel, scratch
from aenet_py.runtime.constants import LANES
from aenet_py.runtime.workers import processors
from aenet_py.training.data.constants import PAIR_ROWS
from aenet_py.training.data.gradients import Later
from aenet_py.training.data.packing import Layout

_forces = Kernel("aenet_py.training.data.packing_kernels:forces")
_slopes = Kernel("aenet_py.training.data.packing_kernels:slopes")


@dataclass(frozen=True)
class Centers:
    """Atoms of one species in a batch.

    starts (n,) int64 : where the gradients of each are packed; own, first (n,) int64 : its number among the atoms of
    the batch, and that of its structure's first atom.
    """

    layout: Layout
    starts: np.ndarray
    own: np.ndarray
    first: np.ndarray


@dataclass(frozen=True)
class Packed:
    """Gradients of a batch as they are packed.

    shares (n_shares + 1, n_networks) : the centers of each network that each thread works on, whole structures, so that
    no two add to the same force; values : the words that starts refer to, or where they are to be had.
    """

    species: tuple[Centers, ...]
    n_atoms: int
    shares: list[list[int]]
    values: np.ndarray | Later

    @property
    def rows(self) -> list[int]:
        """Centers of each network."""
        return [len(centers.starts) for centers in self.species]

    def to(self, device: torch.device) -> Packed | OnDevice:
        """Ready for use: read if they are in a file, as tensors on any device but the processor."""
        if device.type != "cpu":
            return self.as_tensors().to(device)
        return self if isinstance(self.values, np.ndarray) else dataclasses.replace(self, values=self.values.read())

    def as_tensors(self) -> OnDevice:
        """The same gradients as tensors, in the processor's memory."""
        values = self.values if isinstance(self.values, np.ndarray) else self.values.read()
        species = tuple(_pairs(centers, values) for centers in self.species)
        return OnDevice(species, tuple(centers.layout for centers in self.species), self.n_atoms)

    def part(self, begin: int, end: int) -> Packed:
        """Those of some consecutive atoms, which must be whole structures."""
        species = []
        for centers in self.species:
            rows = slice(*np.searchsorted(centers.first, [begin, end]).tolist())
            moved = (centers.own[rows] - begin, centers.first[rows] - begin)
            species.append(Centers(centers.layout, centers.starts[rows], *moved))
        shares = [[0] * len(species), [len(centers.starts) for centers in species]]
        return Packed(tuple(species), end - begin, shares, self.values)

    def forces(self, slopes: Sequence[torch.Tensor]) -> torch.Tensor:
        """Forces (n_atoms, 3) from the slopes of each species, (n, n_features) float64."""
        forces = np.zeros((self.n_atoms, 3))
        given = [np.ascontiguousarray(values.numpy()) for values in slopes]
        self._run(_forces, [forces] * len(given), given)
        return torch.from_numpy(forces)

    def slopes(self, by_forces: torch.Tensor) -> list[torch.Tensor]:
        """The reverse: from derivatives by the forces those by the slopes."""
        given = np.ascontiguousarray(by_forces.numpy())
        slopes = [np.empty((len(c.starts), len(c.layout.columns))) for c in self.species]
        self._run(_slopes, [given] * len(slopes), slopes)
        return [torch.from_numpy(values) for values in slopes]

    def _run(self, kernel: Kernel, forces: list[np.ndarray], slopes: list[np.ndarray]) -> None:
        assert isinstance(self.values, np.ndarray)
        integers = self.values.view(np.int32)

        def work(share: int) -> None:
            for centers, of_atoms, of_features, begin, end in zip(
                self.species, forces, slopes, self.shares[share], self.shares[share + 1], strict=True
            ):
                layout, part = centers.layout, slice(begin, end)
                kernel(
                    n_radial=layout.n_radial, n_weighted=layout.n_weighted, closed=layout.closed, values=self.values,
                    integers=integers, starts=centers.starts[part], own=centers.own[part], first=centers.first[part],
                    columns=layout.columns, slopes=of_features[part], forces=of_atoms,
                    pulls=scratch("pulls", 3 * LANES).reshape(3, LANES),
                    work=scratch("work", LANES * len(layout.columns)),
                )  # fmt: skip

        others = [_pool().submit(work, share) for share in range(1, len(self.shares) - 1)]
        work(0)
        for other in others:
            other.result()


@functools.cache
def _pool() -> ThreadPoolExecutor:
    """Threads that stay: starting them for each batch would take as long as a small batch."""
    return ThreadPoolExecutor(max(1, processors() - 1))


@dataclass(frozen=True)
class PairGradients:
    """Gradients of one species of a batch as tensors, one row a center and neighbour.

    centers, atoms (n_pairs,) : row of the slopes, number of the neighbour; directions (n_pairs, 3), weights
    (n_pairs, 1), radial (n_pairs, n_radial); near (n_near,) : the pairs that have dense gradients, dense
    (n_near, 3, n_dense); own (n_centers,) : the centers' numbers among the atoms; columns : as in the layout.
    """

    centers: torch.Tensor
    atoms: torch.Tensor
    directions: torch.Tensor
    weights: torch.Tensor
    radial: torch.Tensor
    near: torch.Tensor
    dense: torch.Tensor
    own: torch.Tensor
    columns: torch.Tensor


@dataclass(frozen=True)
class OnDevice:
    """Gradients of a batch as tensors on a device."""

    species: tuple[PairGradients, ...]
    layouts: tuple[Layout, ...]
    n_atoms: int

    @property
    def rows(self) -> list[int]:
        return [len(pairs.own) for pairs in self.species]

    def to(self, device: torch.device) -> OnDevice:
        moved = [
            PairGradients(**{name: values.to(device, non_blocking=True) for name, values in vars(pairs).items()})
            for pairs in self.species
        ]
        return dataclasses.replace(self, species=tuple(moved))

    def forces(self, slopes: Sequence[torch.Tensor]) -> torch.Tensor:
        """As `Packed.forces`."""
        forces = torch.zeros((self.n_atoms, 3), dtype=torch.float64, device=slopes[0].device)
        for pairs, layout, given in zip(self.species, self.layouts, slopes, strict=True):
            radial, weighted, dense = _parts(given[:, pairs.columns], layout)
            pulls = torch.zeros((len(pairs.atoms), 3), dtype=torch.float64, device=given.device)
            if layout.n_radial:
                slope = radial[pairs.centers]
                if layout.n_weighted:
                    slope = slope + pairs.weights * weighted[pairs.centers]
                pulls += (slope * pairs.radial).sum(dim=1, keepdim=True) * pairs.directions
            near = torch.einsum("pxd,pd->px", pairs.dense.double(), dense[pairs.centers[pairs.near]])
            pulls.index_add_(0, pairs.near, near)
            forces.index_add_(0, pairs.atoms, pulls, alpha=-1)
            if layout.closed:
                own = torch.zeros((len(given), 3), dtype=torch.float64, device=given.device)
                forces.index_add_(0, pairs.own, own.index_add_(0, pairs.centers, pulls))
        return forces

    def slopes(self, by_forces: torch.Tensor) -> list[torch.Tensor]:
        """As `Packed.slopes`."""
        result = []
        for pairs, layout in zip(self.species, self.layouts, strict=True):
            pulls = by_forces[pairs.atoms]
            if layout.closed:
                pulls = pulls - by_forces[pairs.own][pairs.centers]
            n = len(pairs.own)
            slopes = torch.zeros((n, len(pairs.columns)), dtype=torch.float64, device=by_forces.device)
            parts = []
            if layout.n_radial:
                along = (pulls * pairs.directions).sum(dim=1, keepdim=True) * pairs.radial
                parts = [along, along * pairs.weights] if layout.n_weighted else [along]
            parts = [torch.zeros_like(slopes[:, : p.shape[1]]).index_add_(0, pairs.centers, p) for p in parts]
            near = torch.einsum("pxd,px->pd", pairs.dense.double(), pulls[pairs.near])
            dense = torch.zeros_like(slopes[:, : layout.n_dense])
            parts.append(dense.index_add_(0, pairs.centers[pairs.near], near))
            slopes[:, pairs.columns] = torch.cat(parts, dim=1)
            result.append(-slopes)
        return result


def _parts(slopes: torch.Tensor, layout: Layout) -> tuple[torch.Tensor, ...]:
    return torch.split(slopes, [layout.n_radial, layout.n_weighted, layout.n_dense], dim=1)


def _pairs(centers: Centers, values: np.ndarray) -> PairGradients:
    layout, words = centers.layout, values.view(np.int32)
    n_rows = PAIR_ROWS + layout.n_radial if layout.n_radial else 0
    atoms, rows, near, dense = [], [], [], []
    counts, n_pairs = [], 0
    for start, first in zip(centers.starts.tolist(), centers.first.tolist(), strict=True):
        n_blocks, n_near = words[start : start + 2].tolist()
        at = start + 2
        near.append(np.arange(n_pairs, n_pairs + LANES * n_near))
        for block in range(n_blocks):
            atoms.append(words[at : at + LANES] + np.int64(first))
            at += LANES
            rows.append(values[at : at + n_rows * LANES].reshape(n_rows, LANES).T)
            at += n_rows * LANES
            if block < n_near:
                size = layout.n_dense * 3 * LANES
                dense.append(values[at : at + size].reshape(layout.n_dense, 3, LANES).transpose(2, 1, 0))
                at += size
        counts.append(LANES * n_blocks)
        n_pairs += LANES * n_blocks
    pairs = _joined(rows, (0, n_rows), np.float32)
    return PairGradients(
        centers=torch.from_numpy(np.repeat(np.arange(len(counts)), counts)),
        atoms=_joined(atoms, (0,), np.int64),
        directions=pairs[:, :3].contiguous(),
        weights=pairs[:, 3:PAIR_ROWS].contiguous(),
        radial=pairs[:, PAIR_ROWS:].contiguous(),
        near=_joined(near, (0,), np.int64),
        dense=_joined(dense, (0, 3, layout.n_dense), np.float32),
        own=torch.from_numpy(centers.own),
        columns=torch.from_numpy(layout.columns),
    )


def _joined(parts: list[np.ndarray], shape: tuple[int, ...], dtype: type) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([np.zeros(shape, dtype), *parts]))
