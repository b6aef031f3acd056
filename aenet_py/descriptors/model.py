"""All species' set-ups together: what turns any structure of these species into features."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from aenet_py.descriptors import behler, chebyshev
from aenet_py.descriptors.setup import Setup
from aenet_py.errors import AenetError, InputError
from aenet_py.structure import Structure

DESCRIPTORS: dict[str, ModuleType] = {"chebyshev": chebyshev, "behler2011": behler}


@dataclass(frozen=True)
class Model:
    """What turns structures into features: species, their atomic energies (eV) and set-ups.

    kind : of basis, in lower case; r_min, r_max : range of the neighbour search, Å; incomplete : whether some set-up
    does not list all species.
    """

    types: tuple[str, ...]
    atomic_energies: tuple[float, ...]
    setups: tuple[Setup, ...]
    kind: str
    basis: chebyshev.Basis | behler.Basis
    r_min: float
    r_max: float
    incomplete: bool

    @property
    def descriptor(self) -> ModuleType:
        """The module that computes the features."""
        return DESCRIPTORS[self.kind]


def model(
    types: Sequence[str], atomic_energies: Sequence[float], setups: Sequence[Setup], legacy_angular: bool = False
) -> Model:
    """Collect what features need; AenetError where the set-ups do not belong together.

    legacy_angular : Chebyshev features as before ænet 2.0.4 (`legacy`).
    """
    kinds = [setup.basis.strip().lower() for setup in setups]
    if len(set(kinds)) > 1:
        raise AenetError(
            f"the set-ups have bases {' and '.join(sorted(set(kinds)))}; expected one kind for all species"
        )
    if kinds[0] not in DESCRIPTORS:
        raise AenetError(f"found set-ups of basis {setups[0].basis!r}; expected Chebyshev or Behler2011")
    basis = DESCRIPTORS[kinds[0]].basis(types, setups, legacy_angular)
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
    for center, other in itertools.product(rows, rows) if model.incomplete else ():
        if model.basis.unknown[center, other]:
            message = f"{model.types[other]} surrounds {model.types[center]}, whose set-up does not list it under ENV"
            raise InputError(structure.path, message)
    return np.array(rows, dtype=np.int64)[structure.species]
