"""What an argument `potentials` means: one set of potentials, or several for a committee."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aenet_py.errors import AenetError
from aenet_py.formats import potential_files
from aenet_py.potentials.potential import Potential
from aenet_py.runtime.arrays import digest

Potentials = Potential | potential_files.Given | Iterable[Potential | potential_files.Given]


def members(potentials: Potentials, legacy_angular: bool | None = None, for_dynamics: bool = True) -> list[Potential]:
    """Load the members of a committee; a single set of potentials is a committee of one.

    Parameters
    ----------
    potentials
        A set of potentials, or a list of sets for a committee.  A set is a folder with a potential per species, a
        mapping from species to file (``{"Ti": "Ti.nn", "O": "O.nn"}``), the file of a single species, or a `Potential`.
    legacy_angular
        As for `Potential.load`; only for potentials that are read here.
    for_dynamics
        Whether to refuse potentials whose energy depends on the order of neighbours.

    Returns
    -------
    list of Potential
        At least one, all for the same species.

    Raises
    ------
    AenetError
        For anything else, for files that `Potential.load` refuses, for members with different species, and for
        potentials that `for_dynamics` refuses.
    """
    given: Any = potentials
    sets: list[Any] = [given] if isinstance(given, Potential) else potential_files.sets_of(given)
    if not sets:
        raise AenetError("no potentials given; at least one set is required")
    loaded = [_loaded(each, legacy_angular) for each in sets]
    for member in loaded:
        if for_dynamics:
            member.check_order()
        if set(member.types) != set(loaded[0].types):
            species = " and ".join(" ".join(each.types) for each in (loaded[0], member))
            raise AenetError(f"a list of potentials is a committee, whose members need the same species, not {species}")
    return loaded


def single(potentials: Potentials, legacy_angular: bool | None = None) -> Potential:
    """Load one set of potentials; the arguments and errors of `members`, and AenetError for a committee."""
    loaded = members(potentials, legacy_angular)
    if len(loaded) > 1:
        raise AenetError(f"{len(loaded)} sets of potentials form a committee, which is not supported here; give one")
    return loaded[0]


def checksum(potentials: Iterable[Potential]) -> str:
    """Of the networks of potentials, 16 hexadecimal digits."""
    networks = [potential.networks for potential in potentials]
    return digest(array for n in networks for array in (n.weights, n.means, n.factors, n.energy))[:16]


def _loaded(given: Potential | potential_files.Given, legacy_angular: bool | None) -> Potential:
    if not isinstance(given, Potential):
        return Potential.load(given, legacy_angular)
    if legacy_angular not in (None, given.legacy_angular):
        raise AenetError(f"potential loaded with legacy_angular={given.legacy_angular}; pass it to Potential.load")
    return given
