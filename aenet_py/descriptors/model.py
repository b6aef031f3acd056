"""All species' set-ups together: what turns any structure of these species into features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from aenet_py.descriptors import behler, chebyshev
from aenet_py.descriptors.setup import BEHLER, CHEBYSHEV, Setup
from aenet_py.errors import AenetError, InputError
from aenet_py.neighbors.search import Environments
from aenet_py.structure import Structure

DESCRIPTORS: dict[str, ModuleType] = {CHEBYSHEV: chebyshev, BEHLER: behler}


@dataclass(frozen=True)
class Model:
    """Descriptors of all species, which turn structures into features.

    Parameters
    ----------
    types
        Species.
    atomic_energies
        Energy of the free atom of each species, eV.
    setups
        Set-up of each species.
    kind
        Basis that all set-ups have, in lower case.
    basis
        Its parameters, as the kernels take them.
    r_min
        Smallest distance expected, Å.
    r_max
        Range of the neighbour search, Å.
    incomplete
        Whether the set-up of some species lacks another species.
    """

    types: tuple[str, ...]
    atomic_energies: tuple[float, ...]
    setups: tuple[Setup, ...]
    kind: str
    basis: chebyshev.ChebyshevBasis | behler.BehlerBasis
    r_min: float
    r_max: float
    incomplete: bool

    @property
    def descriptor(self) -> ModuleType:
        """The module that computes the features."""
        return DESCRIPTORS[self.kind]


def model(
    types: Sequence[str],
    atomic_energies: Sequence[float],
    setups: Sequence[Setup],
    legacy_angular: bool = False,
    trained: Sequence[str] | None = None,
) -> Model:
    """Collect what features need; AenetError where the set-ups do not belong together.

    legacy_angular : Chebyshev features as before ænet 2.0.4 (`legacy`); trained : of potentials, all species of their
    training, of which types may be some.
    """
    kinds = [setup.kind for setup in setups]
    if len(set(kinds)) > 1:
        raise AenetError(f"the set-ups have bases {' and '.join(sorted(set(kinds)))}; use one kind for all species")
    if kinds[0] not in DESCRIPTORS:
        raise AenetError(f"unknown basis {setups[0].basis!r}; choose Chebyshev or Behler2011")
    basis = DESCRIPTORS[kinds[0]].basis(types, setups, legacy_angular, trained)
    return Model(
        types=tuple(types),
        atomic_energies=tuple(atomic_energies),
        setups=tuple(setups),
        kind=kinds[0],
        basis=basis,
        r_min=min(setup.r_min for setup in setups),
        r_max=max(setup.r_max for setup in setups),
        incomplete=bool(basis.unknown.any()),
    )


def species_of(model: Model, structure: Structure) -> np.ndarray:
    """0-based species of every atom in the order of TYPES; InputError for a species the set-ups do not know."""
    for number, symbol in enumerate(structure.symbols):
        if symbol not in model.types:
            message = f"found species {symbol!r}; expected the species of TYPES: {' '.join(model.types)}"
            atoms = np.flatnonzero(structure.species == number)
            raise InputError(structure.path, message, structure.line_of(int(atoms[0])) if len(atoms) else None)
    rows = [model.types.index(symbol) for symbol in structure.symbols]
    return np.array(rows, dtype=np.int64)[structure.species]


def check_environments(
    model: Model, structures: Sequence[Structure], types: np.ndarray, environments: Environments
) -> None:
    """InputError for an atom that has no features, or with a neighbour that its set-up does not know.

    types (n_atoms,) : of all structures' atoms, as `species_of` gives them; environments : their environments.
    """
    if not model.incomplete:
        return
    for symbol, reason in model.basis.refused.items():
        atoms = np.flatnonzero(types == model.types.index(symbol))
        if len(atoms):
            number = int(np.searchsorted(environments.starts, atoms[0], side="right")) - 1
            atom = int(atoms[0] - environments.starts[number])
            raise InputError(structures[number].path, reason, structures[number].line_of(atom))
    atoms = np.repeat(np.arange(len(types)), environments.counts)  # one entry per neighbour
    owners = np.repeat(np.arange(len(structures)), np.diff(environments.starts))
    centers, others = types[atoms], types[environments.starts[owners[atoms]] + environments.index]
    bad = model.basis.unknown[centers, others]
    if isinstance(model.basis, chebyshev.ChebyshevBasis):
        bad &= environments.distance <= np.array([setup.r_max for setup in model.setups])[centers]
    if bad.any():
        first = int(bad.argmax())
        message = _unknown(model, model.types[centers[first]], model.types[others[first]])
        raise InputError(structures[owners[atoms[first]]].path, message)


def _unknown(model: Model, center: str, other: str) -> str:
    """Why an atom of species center cannot have one of other around."""
    env_types = model.setups[model.types.index(center)].env_types
    if other not in env_types:
        return f"{other} surrounds {center}, whose set-up does not list it under ENV"
    if center not in env_types:
        return f"{other} surrounds {center}, whose set-up does not list {center} itself under ENV"
    return (
        f"{other} surrounds {center}, whose ENV lists more species than TYPES, so that the original finds no symmetry "
        "functions; list the species of TYPES first under ENV"
    )
