"""Gradients of an atom's features in the form training keeps them.

The gradient of a Chebyshev expansion in distances points along the line to the neighbour: one scalar per feature and
one direction per neighbour suffice.  Its weighted half differs by the weight of the neighbour's species, the expansion
in angles vanishes beyond its own cutoff, and the atom's own gradient is minus the sum of the others.  `pack` checks
each of these for every atom; gradients of another form are kept in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.descriptors.setup import Setup, species_weights
from aenet_py.formats.records import MAX_SUBRECORD
from aenet_py.runtime.accelerate import Kernel, scratch
from aenet_py.runtime.constants import LANES
from aenet_py.training.data.constants import OTHER_FORM, PAIR_ROWS

_pack = Kernel("aenet_py.training.data.packing_kernels:pack")
_pack_values = Kernel("aenet_py.training.data.packing_kernels:pack_values")


@dataclass(frozen=True)
class Layout:
    """How the gradients of one species' features are packed (packing_kernels).

    columns : (n_features,) int64, first the n_radial features that are a scalar times the direction, then n_weighted
    that are these times the weight of the neighbour, then n_dense that are neither; closed : whether an atom's own
    gradient is minus the sum of the others; weights : (n_species,) of the neighbours, by network.
    """

    columns: np.ndarray
    n_radial: int
    n_weighted: int
    n_dense: int
    closed: bool
    weights: np.ndarray

    @property
    def words_of_pair(self) -> int:
        """The most 32-bit words that a neighbour takes."""
        return 1 + (PAIR_ROWS + self.n_radial if self.n_radial else 0) + 3 * self.n_dense

    def words(self, n: int) -> int:
        """The most that a center with n neighbours takes."""
        n_blocks = -(-(n if self.closed else n + 1) // LANES)
        return 2 + n_blocks * LANES * self.words_of_pair


def layout_of(setup: Setup, symbols: Sequence[str]) -> Layout:
    """The layout that a set-up implies; symbols: of the networks."""
    known = dict(zip(setup.env_types, species_weights(len(setup.env_types)), strict=True))
    weights = np.array([known.get(symbol, np.nan) for symbol in symbols])
    columns = np.arange(setup.n_features)
    if setup.is_chebyshev:
        half = setup.radial_order + setup.angular_order + 2
        if setup.n_features == half * (1 + setup.weighted):
            in_radius = columns % half <= setup.radial_order
            parts = columns[in_radius & (columns < half)], columns[in_radius & (columns >= half)], columns[~in_radius]
            n_radial, n_weighted, n_dense = map(len, parts)
            return Layout(np.concatenate(parts), n_radial, n_weighted, n_dense, True, weights)
    return Layout(columns, 0, 0, len(columns), True, weights)


def in_full(layout: Layout) -> Layout:
    """The layout that any gradients have."""
    return Layout(np.sort(layout.columns), 0, 0, len(layout.columns), False, layout.weights)


class OtherFormError(Exception):
    """Gradients are not of the form that the layout describes, or not finite."""


class OtherBytesError(Exception):
    """Bytes are not those of the atoms expected."""


@dataclass(frozen=True)
class Layouts:
    """The layouts of all networks as the kernel takes them."""

    sizes: np.ndarray
    columns: np.ndarray
    weights: np.ndarray


def joined(layouts: Sequence[Layout]) -> Layouts:
    columns = np.zeros((len(layouts), max(len(layout.columns) for layout in layouts)), dtype=np.int64)
    for row, layout in zip(columns, layouts, strict=True):
        row[: len(layout.columns)] = layout.columns
    sizes = [
        (len(layout.columns), layout.n_radial, layout.n_weighted, layout.n_dense, int(layout.closed))
        for layout in layouts
    ]
    return Layouts(np.array(sizes, dtype=np.int64), columns, np.array([layout.weights for layout in layouts]))


def pack(
    layouts: Layouts, species: np.ndarray, networks: np.ndarray, places: np.ndarray, first: int, content: np.ndarray,
    room: np.ndarray, begins: np.ndarray,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Pack the gradients of a structure's atoms, from the first given on, as far as the file's content goes.

    species, networks, places (n_atoms,) : of each atom its species, from 1, its network, and its place when they are
    ordered by network; content (n_bytes,) uint8 : of the file from that atom on; room (n_words,) float32 : where it
    goes; begins (n_atoms,) int64 : takes the word where each place's atom begins.  Returns the numbers of words, of
    atoms, of bytes and the most neighbours.  OtherFormError if gradients are not of these layouts, OtherBytesError.
    """
    done, most = np.zeros(3, dtype=np.int64), len(content) // 4
    words = _pack(
        first_atom=first, content=content, n_bytes=len(content), longest=MAX_SUBRECORD, species=species,
        networks=networks, places=places, sizes=layouts.sizes, columns=layouts.columns,
        weights=layouts.weights, work=scratch("pulls", 6 * (most + 1)).reshape(6, -1),
        order=scratch("order", most + 1, np.int64), begins=begins, done=done, values=room, integers=room.view(np.int32),
    )  # fmt: skip
    if words < 0:
        raise OtherFormError if words == OTHER_FORM else OtherBytesError
    n_atoms, n_bytes, most = done.tolist()
    return words, n_atoms, n_bytes, most


def pack_values(
    layouts: Layouts, networks: np.ndarray, places: np.ndarray, start: int, stop: int, given: np.ndarray,
    first: np.ndarray, neighbors: np.ndarray, room: np.ndarray, begins: np.ndarray,
) -> int:  # fmt: skip
    """Pack the gradients of a structure's atoms start .. stop - 1 as a descriptor has computed them.

    given : flat, as of `chebyshev.gradients`; first (n_atoms + 1,) : where each atom's neighbours begin in neighbors,
    int32, counted from 1; the rest as in `pack`.  Returns the number of words.  OtherFormError as there.
    """
    most = int((first[1:] - first[:-1]).max(initial=0))
    words = _pack_values(
        start=start, stop=stop, given=given, n_given=len(given), first=first, neighbors=neighbors, networks=networks,
        places=places, sizes=layouts.sizes, columns=layouts.columns, weights=layouts.weights,
        work=scratch("pulls", 6 * (most + 1)).reshape(6, -1), order=scratch("order", most + 1, np.int64),
        begins=begins, values=room, integers=room.view(np.int32),
    )  # fmt: skip
    if words < 0:
        raise OtherFormError if words == OTHER_FORM else OtherBytesError
    return words


def most_words(layouts: Sequence[Layout], n_reals: int, n_atoms: int) -> int:
    """The most 32-bit words that so many reals in the gradients of so many atoms take when packed."""
    share = max(layout.words_of_pair / (3 * len(layout.columns)) for layout in layouts)
    padding = max(layout.words(1) for layout in layouts)
    return int(n_reals * share) + n_atoms * padding
