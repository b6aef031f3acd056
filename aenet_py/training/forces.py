"""Forces as the product of stored gradients with the slopes of the energy, and the way back through it.

The gradients are read once forward and once backward, which is what an epoch costs; they stay in single precision, the
sums are in double precision.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from aenet_py.accelerate import Kernel, scratch
from aenet_py.workers import processors

_SIGNATURE = "i8 i8 i8 f4* i8* i8* i8* f8* f8* f8*"
_forces = Kernel("aenet_py.training.force_kernels:forces", _SIGNATURE)
_slopes = Kernel("aenet_py.training.force_kernels:slopes", _SIGNATURE)


@dataclass(frozen=True)
class Gradients:
    """Gradients of the features of the atoms of one species of a structure.

    values : float32, for each of these atoms, from starts[atom] on, (3, n_features, counts[atom]); starts, counts (n,)
    int64 : counts is how many atoms' positions each depends on, its own among them; atoms (sum of counts,) int64 :
    these, from 0, among all atoms of the structure.
    """

    values: np.ndarray
    starts: np.ndarray
    counts: np.ndarray
    atoms: np.ndarray


@dataclass(frozen=True)
class Place:
    """Where a structure stands in a batch: its atoms among all, and for each species its rows among that species'."""

    atoms: slice
    rows: tuple[slice, ...]


class Forces(torch.autograd.Function):
    """Forces (n_atoms, 3) from the slopes of each species, (n, n_features) float64; its backward is the reverse."""

    @staticmethod
    def forward(ctx: Any, n_atoms: int, gradients: list[list[Gradients]], places: list[Place], *slopes: Any) -> Any:
        ctx.gradients, ctx.places = gradients, places
        given = [np.ascontiguousarray(values.detach().numpy()) for values in slopes]
        forces = np.zeros((n_atoms, 3))
        _each(gradients, places, lambda g, p, s: _run(_forces, g, given[s][p.rows[s]], forces[p.atoms]))
        ctx.shapes = [values.shape for values in given]
        return torch.from_numpy(forces)

    @staticmethod
    def backward(ctx: Any, *by_forces: Any) -> Any:
        given = np.ascontiguousarray(by_forces[0].numpy())
        slopes = [np.zeros(shape) for shape in ctx.shapes]

        def reverse(values: Gradients, place: Place, species: int) -> None:
            _run(_slopes, values, slopes[species][place.rows[species]], given[place.atoms], reverse=True)

        _each(ctx.gradients, ctx.places, reverse)
        return None, None, None, *map(torch.from_numpy, slopes)


def _run(kernel: Kernel, gradients: Gradients, slopes: np.ndarray, forces: np.ndarray, reverse: bool = False) -> None:
    n, width = slopes.shape
    work = scratch("pulls", int(gradients.counts.max(initial=1)))
    inputs, outputs = (forces, slopes) if reverse else (slopes, forces)
    if n:
        kernel(n, width, len(forces), *vars(gradients).values(), inputs, work, outputs)


def _each(gradients: list[list[Gradients]], places: list[Place], work: Callable[[Gradients, Place, int], None]) -> None:
    """Do the work of all structures, by several threads, one structure by one of them."""

    def structure(number: int) -> None:
        for species, values in enumerate(gradients[number]):
            work(values, places[number], species)

    list(_pool().map(structure, range(len(gradients))))


@functools.cache
def _pool() -> ThreadPoolExecutor:
    """Threads that stay: starting them for each batch would take as long as a small batch."""
    return ThreadPoolExecutor(processors())
