"""Members of a committee that share their features, as one set of networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aenet_py.descriptors.chebyshev import ChebyshevBasis
from aenet_py.potentials.potential import PackedNetworks, Potential

_PADDED = ("nodes", "functions", "means", "factors", "low", "high")


@dataclass(frozen=True)
class Committee:
    """Potentials with the same species and set-ups; a single one is a committee, too.

    Parameters
    ----------
    members
        The potentials.
    places
        Where they are among all members of the calculator.
    networks
        The networks of the first member, those of the second, and so on.
    """

    members: tuple[Potential, ...]
    places: tuple[int, ...]
    networks: PackedNetworks


def committees(members: Sequence[Potential]) -> list[Committee]:
    """Put together members that have the same features and repulsion, in the order of the first of each."""
    groups: list[list[int]] = []
    for place, member in enumerate(members):
        group = next((group for group in groups if _share(members[group[0]], member)), None)
        if group is None:
            groups.append([place])
        else:
            group.append(place)
    return [
        Committee(tuple(members[i] for i in group), tuple(group), _joined([members[i].networks for i in group]))
        for group in groups
    ]


def alone(member: Potential) -> Committee:
    """A single potential as a committee."""
    return Committee((member,), (0,), member.networks)


def _share(one: Potential, other: Potential) -> bool:
    """Whether two potentials have the same species, in the same order, features and repulsion."""
    a, b = one.model.basis, other.model.basis
    if one.types != other.types or not (isinstance(a, ChebyshevBasis) and isinstance(b, ChebyshevBasis)):
        return False
    names = ("cutoffs", "orders", "weights")  # of which the last may be NaN
    same = all(np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True) for name in names)
    same = same and one.legacy_angular == other.legacy_angular and one.model.r_min == other.model.r_min
    return same and one.repulsion == other.repulsion


def _joined(networks: Sequence[PackedNetworks]) -> PackedNetworks:
    """The networks of several potentials, one after the other."""
    if len(networks) == 1:
        return networks[0]
    offsets = np.cumsum([0, *(len(each.weights) for each in networks[:-1])])
    arrays = {name: _stacked([getattr(each, name) for each in networks]) for name in _PADDED}
    return PackedNetworks(
        layers=np.concatenate([each.layers for each in networks]),
        starts=np.concatenate([each.starts + offset for each, offset in zip(networks, offsets, strict=True)]),
        weights=np.concatenate([each.weights for each in networks]),
        energy=np.concatenate([each.energy for each in networks]),
        constant=tuple(n for each in networks for n in each.constant),
        **arrays,
    )


def _stacked(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of several arrays, filled up with zeros to the longest."""
    width = max(array.shape[1] for array in arrays)
    return np.concatenate([np.pad(array, ((0, 0), (0, width - array.shape[1]))) for array in arrays])
